"""The date of each task as its clock has it: supervision reckons it, with every pause, extension and new calendar."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Date, Integer

from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.rows import Rows
from shared.readmodels.view import View

CLOCK = "task_due"


class TaskDatesView(View):
    """任务时限: by its case, when a task is due, in the last cycle of its clock, and under which rulebook."""

    name = "task_dates"
    version = 2

    @classmethod
    def columns(cls) -> Sequence[Column[Any]]:
        """While the clock rests, ``due_on`` is as it was before."""
        return [
            Column("cycle", Integer, nullable=False),
            Column("due_on", Date, nullable=False),
            Column("rulebook_version", Integer, nullable=False),
        ]

    def on_clock_started(self, rows: Rows, fact: supervision.ClockStarted, message: Message) -> None:
        if fact.clock == CLOCK:
            rows.put(
                message.aggregate_id,
                cycle=fact.cycle,
                due_on=fact.due_on,
                rulebook_version=fact.rulebook_version,
            )

    def on_clock_moved(
        self, rows: Rows, fact: supervision.ClockRescheduled | supervision.ClockStopped, message: Message
    ) -> None:
        if fact.clock == CLOCK:
            row = rows.get(message.aggregate_id)
            if row is not None and row["cycle"] == fact.cycle:
                rows.change(message.aggregate_id, due_on=fact.due_on)
