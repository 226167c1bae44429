"""Lists of every service: visibility, filters, order, keyset paging."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from time import sleep
from typing import Any
from uuid import UUID

from flask import current_app, g
from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, false, or_, select, true

from shared.application.application import NoSuchThing
from shared.domain.roles import ALL_SEEING, Role
from shared.domain.text import identity
from shared.readmodels.rows import Row
from shared.readmodels.views import Views
from shared.web.auth import Identity
from shared.web.http import page, wait_for_positions, wanted_positions

Source = Callable[[Connection, Views], FromClause]
"""Rows of a view with what is looked up for them in others when they are read."""

Sees = Callable[[Identity, FromClause], ColumnElement[bool]]
"""The rows that an identity may see."""


def may_see(identity: Identity, table: FromClause) -> ColumnElement[bool]:
    """The rows of ``table`` (columns ``concerned`` and ``secrecy``) that this identity may see; fail closed.

    Of what is secret, ``is_hidden_from`` says the same about a state (shared/domain/hidden.py).
    """
    own = table.c.concerned.contains(f",{identity.unit},", autoescape=True)
    match identity.role:
        case role if role in ALL_SEEING:
            return true()
        case Role.government_office:
            return or_(table.c.secrecy != "secret", own)
        case Role.auditor:
            return table.c.secrecy != "secret"
        case Role.unit_head | Role.officer | Role.enterprise:
            return own
        case Role.overseer:
            return table.c.secrecy == "public"
        case _:
            return false()


@contextmanager
def reading() -> Iterator[tuple[Connection, Views]]:
    """A snapshot of the read models that has reached the positions asked for (``at_least``), waiting within bounds.

    Raises NotThereYet.
    """
    runtime = current_app.extensions["runtime"]
    views: Views = runtime.views
    wait_for_positions(wanted_positions(), views.reached, runtime.config.read_wait_seconds, sleep)
    with views.snapshot(), views.reading() as connection:
        yield connection, views


def _table(connection: Connection, views: Views, view: str | Source) -> FromClause:
    return views.table(connection, view) if isinstance(view, str) else view(connection, views)


def one(
    view: str | Source,
    id: object,  # noqa: A002
    *,
    kind: str,
    where: Sequence[Any] = (),
    sees: Sees = may_see,
) -> tuple[Row, dict[str, str]]:
    """One row that the caller may see, with its ``ETag``. Raises NoSuchThing, also for what they may not see."""
    with reading() as (connection, views):
        table = _table(connection, views, view)
        conditions = [condition(table) for condition in where]
        row = connection.execute(
            select(table).where(table.c.id == str(id), sees(g.identity, table), *conditions)
        ).first()
    if row is None:
        raise NoSuchThing(kind=kind, id=id)
    return dict(row._mapping), {"ETag": f'"{row.version}"'}


def many(
    view: str | Source,
    args: Mapping[str, Any],
    *filters: str,
    where: Sequence[Any] = (),
    all_see: bool = False,
    sees: Sees = may_see,
) -> dict[str, Any]:
    """A page of the rows that the caller may see; ``filters`` names the arguments that are columns.

    ``args`` comes from a schema made of PageArgs; ``where`` takes functions of the table that give further
    conditions. With ``all_see`` the rows are nobody's secret (units, posts, the calendar); ``sees`` is another rule of
    who sees which.
    """
    with reading() as (connection, views):
        table = _table(connection, views, view)
        query = select(table) if all_see else select(table).where(sees(g.identity, table))
        for name in filters:
            value = args.get(name)
            if value is not None and f"{name}_key" in table.c:  # however it is spelled
                query = query.where(table.c[f"{name}_key"] == identity(value))
            elif value is not None:  # rows keep ids as text
                query = query.where(table.c[name] == (str(value) if isinstance(value, UUID) else value))
        for condition in where:
            query = query.where(condition(table))
        descending = args["sort"].startswith("-")
        column = table.c[args["sort"].removeprefix("-")]
        query = _after(query, column, table.c.id, args["after"], descending).limit(args["limit"] + 1)
        rows = [dict(row._mapping) for row in connection.execute(query)]
    return page(rows, args, lambda row: (_plain(row[column.name]), row["id"]))


def _plain(value: Any) -> str | int | None:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _after(
    query: Select[Any],
    column: ColumnElement[Any],
    id_column: ColumnElement[Any],
    after: Sequence[Any] | None,
    descending: bool,
) -> Select[Any]:
    """Keyset paging: rows strictly after the last one shown; rows without a value come last."""
    order = column.desc() if descending else column.asc()
    nullable: bool = getattr(column, "nullable", True)
    if nullable:
        order = order.nulls_last()  # never for others: their index could not be read in this order
    query = query.order_by(order, id_column.asc())
    if after is None:
        return query
    value, last_id = after
    if value is None:
        return query.where(column.is_(None), id_column > last_id)
    kind = column.type.python_type if hasattr(column.type, "python_type") else str
    if kind is date or kind is datetime:
        value = kind.fromisoformat(value)
    from_here = column <= value if descending else column >= value
    following = and_(from_here, or_(column != value, id_column > last_id))
    # With one bound on the column the index is entered at that place; "or" would have it read from its beginning.
    return query.where(or_(following, column.is_(None)) if nullable else following)
