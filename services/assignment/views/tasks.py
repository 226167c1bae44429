"""The board of tasks (measure 7)."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Column, ColumnElement, String, Table, and_, or_

from services.assignment.domain.task import evolve
from shared.events import assignment
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Row, Rows


class TasksView(LifecycleView):
    """任务台账: every task as it stands. Whether it is overdue is derived by whoever reads, never stored."""

    name = "tasks"
    version = 4
    lifecycle = evolve
    derived = ("status", "suspended", "suspended_on", "claimed_on", "extensions")
    indexed = ("list_id", "directive_id", "state", "lead_unit", "leader_post", "due_on")

    @classmethod
    def more_columns(cls) -> Sequence[Column[Any]]:
        """``given_to``: the units to which it was assigned at first, who see its list for ever."""
        return [Column("given_to", String)]

    def on_task_assigned(self, rows: Rows, fact: assignment.TaskAssigned, message: Message) -> None:
        units = [one.unit for one in fact.supporters]
        rows.change(message.aggregate_id, given_to=concerned(fact.lead_unit, *units))


def overdue(tasks: Table, today: date) -> ColumnElement[bool]:
    """The tasks that are late on ``today``: open, not resting, and not claimed by the due day.

    By the task's own date; what pauses make of it is the supervision service's clock.
    """
    late = or_(
        and_(tasks.c.claimed_on.is_(None), tasks.c.due_on < today),
        and_(tasks.c.completed.is_(False), tasks.c.claimed_on > tasks.c.due_on),
    )
    return and_(tasks.c.ended.is_(None), tasks.c.suspended.is_(False), late)


def is_overdue(row: Row, today: date) -> bool:
    """The same for one row."""
    if row["ended"] is not None or row["suspended"]:
        return False
    if row["claimed_on"] is None:
        return bool(row["due_on"] < today)
    return bool(not row["completed"] and row["claimed_on"] > row["due_on"])
