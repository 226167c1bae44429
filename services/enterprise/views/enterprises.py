"""Enterprises, and who is shown their contact data."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, Integer, String, Table, Text, and_, or_, select, true

from services.enterprise.views.whistles import in_hands, visible
from shared.application.application import NoSuchThing
from shared.database.columns import MomentColumn
from shared.events import enterprise
from shared.events.base import Message
from shared.personal_data.keystore import KeyStore
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.runtime.service import application
from shared.web.auth import Identity, Role
from shared.web.http import context
from shared.web.lists import concerned, many, may_see, reading

CONTACT = ("contact_name", "contact_phone")


class EnterprisesView(View):
    """企业: every registered enterprise, with its contact data."""

    name = "enterprises"
    version = 2
    """1 had columns too short for tokens."""

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """As registered; the contact data are tokens (shared/personal_data/keystore.py)."""
        return [
            Column("credit_code", String, nullable=False, info={"index": True}),
            Column("name", String, nullable=False, info={"index": True}),
            Column("contact_name", Text, nullable=False),
            Column("contact_phone", Text, nullable=False),
            Column("key_enterprise", Boolean, nullable=False, info={"index": True}),
            Column("registered_at", MomentColumn, nullable=False, info={"index": True}),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_enterprise_registered(
        self, rows: Rows, fact: enterprise.EnterpriseRegistered, message: Message
    ) -> None:
        rows.put(
            message.aggregate_id,
            credit_code=fact.credit_code,
            name=fact.name,
            contact_name=fact.contact_name,
            contact_phone=fact.contact_phone,
            key_enterprise=fact.key_enterprise,
            registered_at=fact.happened_at,
            concerned=concerned(fact.credit_code),
            secrecy="internal",
            version=message.version,
        )


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
    people: KeyStore = application().personal_data
    return people.revealed(rows, "credit_code", *CONTACT)


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
