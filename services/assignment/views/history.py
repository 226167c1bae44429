"""A task's timeline: one row per fact."""

from typing import Any

from sqlalchemy import Column, Integer, String, Text

from services.assignment.domain.task import evolve
from shared.database.columns import MomentColumn
from shared.events.base import VOCABULARY, Fact, Message
from shared.readmodels.lifecycle import HistoryView
from shared.readmodels.rows import Rows

_WORDS = ("reason", "text", "narrative", "note", "about", "solution", "ruling", "title")
"""The field that says the most about a fact, the first one that it has."""


class TaskHistoryView(HistoryView):
    """任务动态: what happened to a task, when, by whom. Who may see the task may see its history."""

    name = "task_history"
    lifecycle = evolve

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``what`` is the event's published name, ``zh`` its Chinese one; ``text`` the words given with it."""
        return [
            Column("task_id", String, nullable=False, info={"index": True}),
            Column("number", Integer, nullable=False),
            Column("what", String, nullable=False),
            Column("zh", String, nullable=False),
            Column("text", Text, nullable=False),
            Column("unit", String, nullable=False),
            Column("post", String, nullable=False),
            Column("happened_at", MomentColumn, nullable=False),
            Column("recorded_at", MomentColumn, nullable=False),
        ]

    def write(self, rows: Rows, fact: Fact, message: Message) -> None:
        """A row for a fact."""
        published = VOCABULARY[fact.TOPIC]
        rows.put(
            message.id,
            task_id=str(message.aggregate_id),
            number=message.version,
            what=published.__name__,
            zh=(published.__doc__ or "").partition(":")[0],
            text=next((getattr(fact, name) for name in _WORDS if hasattr(fact, name)), ""),
            unit=fact.by.unit,
            post=fact.by.post,
            happened_at=fact.happened_at,
            recorded_at=fact.timestamp,
        )
