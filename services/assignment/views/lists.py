"""Task lists (measure 7)."""

from typing import Any

from sqlalchemy import Column, Date, Integer, String, Text

from shared.events import assignment
from shared.events.base import Message
from shared.views import Rows, View
from shared.web.lists import concerned


class TaskListsView(View):
    """任务清单: every list, seen by the units that have, or had at its assignment, a task in it."""

    name = "task_lists"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``tasks`` counts the tasks assigned under it."""
        return [
            Column("title", String(500), nullable=False),
            Column("dated", Date, nullable=False, info={"index": True}),
            Column("leader_post", String(80), nullable=False, info={"index": True}),
            Column("directive_id", String(36), info={"index": True}),
            Column("tasks", Integer, nullable=False, default=0),
            Column("secrecy", String(20), nullable=False),
            Column("secrecy_ground", String(500), nullable=False),
            Column("concerned", Text, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_task_list_opened(self, rows: Rows, fact: assignment.TaskListOpened, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            title=fact.title,
            dated=fact.dated,
            leader_post=fact.leader_post,
            directive_id=None if fact.directive_id is None else str(fact.directive_id),
            secrecy=fact.secrecy,
            secrecy_ground=fact.secrecy_ground,
            concerned=concerned(fact.by.unit),
            version=message.version,
        )

    def on_task_assigned(self, rows: Rows, fact: assignment.TaskAssigned, message: Message) -> None:
        row = rows.get(fact.list_id)
        assert row is not None
        seen = row["concerned"].strip(",").split(",")
        supporters = [support.unit for support in fact.supporters]
        rows.change(
            fact.list_id, tasks=row["tasks"] + 1, concerned=concerned(*seen, fact.lead_unit, *supporters)
        )
