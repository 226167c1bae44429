"""Task lists (measure 7)."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, exists, func, or_, select

from services.assignment.domain.lists import evolve
from shared.application.application import NoSuchThing
from shared.domain.roles import UNITS, Role
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Row
from shared.web.auth import Identity
from shared.web.http import context
from shared.web.lists import many, may_see, reading


class TaskListsView(LifecycleView):
    """任务清单: every list as it was opened. Its tasks are looked up when it is read: they may arrive before it."""

    name = "task_lists"
    version = 3
    lifecycle = evolve
    indexed = ("dated", "leader_post", "directive_id")


# -- queries ------------------------------------------------------------------------------------------------------


def _visible(identity: Identity, lists: Table, tasks: Table) -> ColumnElement[bool]:
    """Seen as every item is, and by the units that have, or had at its assignment, a task in it."""
    seen = may_see(identity, lists)
    if identity.role not in (*UNITS, Role.government_office):
        return seen
    own = f",{identity.unit},"
    return or_(
        seen,
        exists().where(
            tasks.c.list_id == lists.c.id,
            or_(
                tasks.c.given_to.contains(own, autoescape=True),
                tasks.c.concerned.contains(own, autoescape=True),
            ),
        ),
    )


def _with_counts(rows: Sequence[Row]) -> list[Row]:
    """The rows with the number of the tasks assigned under each."""
    with reading() as (connection, views):
        tasks = views.table(connection, "tasks")
        query = select(tasks.c.list_id, func.count().label("number")).group_by(tasks.c.list_id)
        shown = tasks.c.list_id.in_([row["id"] for row in rows])
        counts = {one.list_id: one.number for one in connection.execute(query.where(shown))}
    return [{**row, "tasks": counts.get(row["id"], 0)} for row in rows]


def task_lists_for_caller(args: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the lists that the caller may see."""
    identity: Identity = context().identity
    with reading() as (connection, views):
        tasks = views.table(connection, "tasks")
    found = many(
        "task_lists",
        args,
        "leader_post",
        "directive_id",
        where=[lambda lists: _visible(identity, lists, tasks)],
        all_see=True,
    )
    return {**found, "items": _with_counts(found["items"])}


def task_list_for_caller(list_id: object) -> tuple[Row, dict[str, str]]:
    """One list that the caller may see, with its ETag. Raises NoSuchThing."""
    identity: Identity = context().identity
    with reading() as (connection, views):
        lists, tasks = views.table(connection, "task_lists"), views.table(connection, "tasks")
        row = connection.execute(
            select(lists).where(lists.c.id == str(list_id), _visible(identity, lists, tasks))
        ).first()
    if row is None:
        raise NoSuchThing(kind="TaskList", id=list_id)
    return _with_counts([dict(row._mapping)])[0], {"ETag": f'"{row.version}"'}
