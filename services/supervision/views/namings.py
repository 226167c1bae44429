"""Namings and their corrections, and whether their ground still stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, FromClause, String, Table, select

from services.supervision.domain.naming import evolve
from shared.domain.roles import Role
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.web.auth import Identity
from shared.web.lists import many, may_see, one, reading


class NamingsView(LifecycleView):
    """通报: each naming from its draft to what became of it."""

    name = "namings"
    version = 5
    lifecycle = evolve
    derived = ("internal_only",)
    indexed = ("case_id", "unit", "state", "window_closes_at", "year", "published_at", "corrects")


class NamingGroundsView(View):
    """通报依据: for every naming that ever became due, whether the rounds it rests on have lost their weight.

    Internal: the case says so, in facts of its own that may arrive before or after those of the naming.
    """

    name = "naming_grounds"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """By the naming's id, its case and whether the ground is lost."""
        return [
            Column("case_id", String, nullable=False),
            Column("lost", Boolean, nullable=False, info={"index": True}),
        ]

    def on_naming_became_due(self, rows: Rows, fact: supervision.NamingBecameDue, message: Message) -> None:
        rows.put(fact.naming_id, case_id=str(message.aggregate_id), lost=False)

    def on_naming_no_longer_due(
        self, rows: Rows, fact: supervision.NamingNoLongerDue, message: Message
    ) -> None:
        rows.put(fact.naming_id, case_id=str(message.aggregate_id), lost=True)


# -- queries ------------------------------------------------------------------------------------------------------


def _needs_correction(namings: Table, grounds: Table) -> ColumnElement[bool]:
    """Its ground is lost, and it is neither withdrawn nor corrected."""
    lost = select(grounds.c.id).where(grounds.c.id == namings.c.id, grounds.c.lost)
    return namings.c.state.not_in(("withdrawn", "corrected")) & lost.exists()


def _with_need(rows: Sequence[Row]) -> list[Row]:
    with reading() as (connection, views):
        namings = views.table(connection, "namings")
        grounds = views.table(connection, "naming_grounds")
        asked = namings.c.id.in_([row["id"] for row in rows])
        query = select(namings.c.id).where(asked, _needs_correction(namings, grounds))
        needed = set(connection.execute(query).scalars())
    return [{**row, "needs_correction": row["id"] in needed} for row in rows]


def _sees(identity: Identity, namings: FromClause) -> ColumnElement[bool]:
    """What was published, everybody sees, unless the matter is secret; a draft whom it concerns, but no overseer."""
    published = namings.c.published_at.is_not(None) & (namings.c.secrecy != "secret")
    return published if identity.role is Role.overseer else published | may_see(identity, namings)


def namings_for_caller(args: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the namings that the caller may see."""
    with reading() as (connection, views):
        grounds = views.table(connection, "naming_grounds")
    where: list[Any] = []
    wanted = args.get("needs_correction")
    if wanted is not None:
        where.append(lambda namings: _needs_correction(namings, grounds) == wanted)
    found = many("namings", args, "case_id", "unit", "state", "year", where=where, sees=_sees)
    return {**found, "items": _with_need(found["items"])}


def naming_for_caller(naming_id: object) -> tuple[Row, dict[str, str]]:
    """One naming that the caller may see, with its ETag. Raises NoSuchThing."""
    row, headers = one("namings", naming_id, kind="Naming", sees=_sees)
    return _with_need([row])[0], headers
