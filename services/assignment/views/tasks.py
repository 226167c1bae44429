"""The board of tasks (measure 7)."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, String, and_, func, or_, select

from services.assignment.domain.task import evolve
from shared.domain.case_id import case_id
from shared.events import assignment
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Row, Rows
from shared.readmodels.views import Views


class TasksView(LifecycleView):
    """任务台账: every task as it stands. Whether it is overdue is derived by whoever reads, never stored.

    ``due_on`` is what assignment itself has decided: read it with ``with_their_dates``.
    """

    name = "tasks"
    version = 5
    lifecycle = evolve
    derived = ("status", "suspended", "suspended_on", "claim_entered_on", "extensions", "number_key")
    indexed = ("list_id", "number_key", "directive_id", "state", "lead_unit", "leader_post", "due_on")

    @classmethod
    def more_columns(cls) -> Sequence[Column[Any]]:
        """``given_to``: the units to which it was assigned at first, who see its list for ever."""
        return [Column("given_to", String), Column("case_id", String)]

    def on_task_assigned(self, rows: Rows, fact: assignment.TaskAssigned, message: Message) -> None:
        units = [one.unit for one in fact.supporters]
        rows.change(
            message.aggregate_id,
            given_to=concerned(fact.lead_unit, *units),
            case_id=str(case_id("task", message.aggregate_id)),
        )


# -- queries ------------------------------------------------------------------------------------------------------


def with_their_dates(connection: Connection, views: Views) -> FromClause:
    """The tasks, due as their clocks are; as assigned or extended while no clock has told."""
    tasks, dates = views.table(connection, "tasks"), views.table(connection, "task_dates")
    due_on = func.coalesce(dates.c.due_on, tasks.c.due_on).label("due_on")
    columns = [due_on if column.name == "due_on" else column for column in tasks.c]
    return select(*columns).outerjoin(dates, dates.c.id == tasks.c.case_id).subquery("tasks")


def overdue(tasks: FromClause, today: date) -> ColumnElement[bool]:
    """The tasks that are late on ``today``: open, and by the due day neither suspended nor claimed.

    A claim counts from when it was entered: that it was in time is for the office to confirm.
    """
    due_on, entered_on, suspended_on = tasks.c.due_on, tasks.c.claim_entered_on, tasks.c.suspended_on
    return and_(
        tasks.c.ended.is_(None),
        tasks.c.completed.is_(False),
        due_on < today,
        or_(entered_on.is_(None), due_on < entered_on),
        or_(suspended_on.is_(None), due_on < suspended_on),
    )


def is_overdue(row: Row, today: date) -> bool:
    """The same for one row."""
    if row["ended"] is not None or row["completed"]:
        return False
    days = (today, row["claim_entered_on"], row["suspended_on"])
    return all(row["due_on"] < day for day in days if day is not None)
