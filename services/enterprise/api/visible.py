"""Which whistles and enterprises the caller may see, and to whom contact data are shown."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, true

from shared.application.application import NoSuchThing
from shared.domain.roles import ON_WHISTLE, Role
from shared.readmodels.rows import Row
from shared.web.auth import Identity
from shared.web.http import context
from shared.web.lists import many, may_see, reading
from shared.web.request import application


def in_hands(identity: Identity, whistles: Table) -> ColumnElement[bool]:
    """The whistles that the caller's unit is concerned with; a merged one is also in the hands of its main whistle."""
    own = f",{identity.unit},"
    main = whistles.alias("main")
    return or_(
        whistles.c.concerned.contains(own, autoescape=True),
        select(main.c.id)
        .where(main.c.id == whistles.c.merged_into, main.c.concerned.contains(own, autoescape=True))
        .exists(),
    )


def visible(identity: Identity, whistles: Table) -> ColumnElement[bool]:
    """The whistles that the caller may see."""
    seen = may_see(identity, whistles)
    if identity.role in ON_WHISTLE:
        return or_(seen, in_hands(identity, whistles))
    return seen  # an enterprise has nothing to do with what others' whistles were merged into its own


def _with_reporters(connection: Connection, whistles: Table, rows: Sequence[Row]) -> list[Row]:
    """The rows with the whistles that were merged into each, by number."""
    merged: dict[str, list[str]] = {row["id"]: [] for row in rows}
    for one in connection.execute(
        select(whistles.c.id, whistles.c.merged_into)
        .where(whistles.c.merged_into.in_(merged))
        .order_by(whistles.c.number)
    ):
        merged[one.merged_into].append(one.id)
    return [{**row, "reporters": merged[row["id"]]} for row in rows]


def whistles_for_caller(args: Mapping[str, Any], *filters: str) -> dict[str, Any]:
    """A page of the whistles that the caller may see."""
    identity: Identity = context().identity
    found = many(
        "whistles", args, *filters, where=[lambda whistles: visible(identity, whistles)], all_see=True
    )
    with reading() as (connection, views):
        table = views.table(connection, "whistles")
        return {**found, "items": _with_reporters(connection, table, found["items"])}


def whistle_for_caller(whistle_id: UUID) -> tuple[Row, dict[str, str]]:
    """One whistle that the caller may see, with its ETag. Raises NoSuchThing."""
    with reading() as (connection, views):
        table = views.table(connection, "whistles")
        row = connection.execute(
            select(table).where(table.c.id == str(whistle_id), visible(context().identity, table))
        ).first()
        if row is None:
            raise NoSuchThing(kind="Whistle", id=whistle_id)
        (found,) = _with_reporters(connection, table, [dict(row._mapping)])
    return found, {"ETag": f'"{row.version}"'}


CONTACT = ("contact_name", "contact_phone")


def _handled(identity: Identity, whistles: Table) -> ColumnElement[bool]:
    """The open whistles that are in the hands of the caller's unit."""
    return and_(whistles.c.open, in_hands(identity, whistles))


def _visible(identity: Identity, enterprises: Table, whistles: Table) -> ColumnElement[bool]:
    handled = select(whistles.c.enterprise_id).where(visible(identity, whistles))
    return or_(may_see(identity, enterprises), enterprises.c.id.in_(handled))


def _shown(row: Mapping[str, Any], identity: Identity, handled: set[str]) -> Row:
    """The row, with contact data only for the enterprise itself, the desk and the units that handle its whistle."""
    may = (
        identity.role == Role.government_office
        or (identity.role == Role.enterprise and identity.unit == row["credit_code"])
        or (identity.role in (Role.unit_head, Role.officer) and row["id"] in handled)
    )
    return {**row, **({} if may else dict.fromkeys(CONTACT))}


def enterprises_for_caller(args: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the enterprises that the caller may see."""
    identity: Identity = context().identity
    with reading() as (connection, views):
        whistles = views.table(connection, "whistles")
        handled = set(
            connection.execute(select(whistles.c.enterprise_id).where(_handled(identity, whistles))).scalars()
        )
    found = many(
        "enterprises",
        args,
        "credit_code",
        "key_enterprise",
        where=[
            lambda table: _visible(identity, table, whistles),
            lambda table: (
                true() if args["name"] is None else table.c.name.contains(args["name"], autoescape=True)
            ),
        ],
        all_see=True,
    )
    return {**found, "items": _revealed([_shown(row, identity, handled) for row in found["items"]])}


def _revealed(rows: list[Row]) -> list[Row]:
    return application().personal_data.revealed(rows, "credit_code", *CONTACT)


def enterprise_for_caller(enterprise_id: object) -> tuple[Row, dict[str, str]]:
    """One enterprise that the caller may see, with its ETag. Raises NoSuchThing."""
    identity: Identity = context().identity
    with reading() as (connection, views):
        table, whistles = views.table(connection, "enterprises"), views.table(connection, "whistles")
        row = connection.execute(
            select(table).where(table.c.id == str(enterprise_id), _visible(identity, table, whistles))
        ).first()
        if row is None:
            raise NoSuchThing(kind="Enterprise", id=enterprise_id)
        handled = connection.execute(
            select(whistles.c.enterprise_id)
            .where(whistles.c.enterprise_id == row.id, _handled(identity, whistles))
            .limit(1)
        ).scalars()
        shown = _shown(dict(row._mapping), identity, set(handled))
    return _revealed([shown])[0], {"ETag": f'"{row.version}"'}
