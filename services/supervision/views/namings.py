"""Namings and their corrections, and whether their ground still stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Boolean, Column, ColumnElement, Date, Integer, String, Table, Text, select

from shared.database.columns import MomentColumn
from shared.domain.roles import Role
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.web.http import context
from shared.web.lists import many, one, reading


class NamingsView(View):
    """通报: each naming from its draft to what became of it."""

    name = "namings"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """Who is named for which rounds, by whose hands it went, and its number."""
        return [
            Column("case_id", String, nullable=False, info={"index": True}),
            Column("case_number", String, nullable=False),
            Column("unit", String, nullable=False, info={"index": True}),
            Column("post", String),
            Column("rounds", JSON, nullable=False),
            Column("text", Text, nullable=False),
            Column("state", String, nullable=False, info={"index": True}),
            Column("drafted_by", String, nullable=False),
            Column("drafted_at", MomentColumn, nullable=False),
            Column("checked_by", String),
            Column("objections_until", Date),
            Column("window_closes_at", MomentColumn, info={"index": True}),
            Column("objection", Text),
            Column("objection_upheld", Boolean),
            Column("ruling", Text),
            Column("approved_by", String),
            Column("series", String),
            Column("year", Integer, info={"index": True}),
            Column("number", Integer),
            Column("published_at", MomentColumn, info={"index": True}),
            Column("ended_at", MomentColumn),
            Column("reason", Text),
            Column("corrects", String, info={"index": True}),
            Column("corrected_by", String),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_naming_drafted(self, rows: Rows, fact: supervision.NamingDrafted, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            case_id=str(fact.case_id),
            case_number=fact.case_number,
            unit=fact.unit,
            post=fact.post,
            rounds=list(fact.rounds),
            text=fact.text,
            state="drafted",
            drafted_by=fact.by.post,
            drafted_at=fact.timestamp,
            corrects=None if fact.corrects is None else str(fact.corrects),
            concerned=concerned(fact.unit),
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_naming_redrafted(self, rows: Rows, fact: supervision.NamingRedrafted, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="drafted",
            text=fact.text,
            drafted_by=fact.by.post,
            drafted_at=fact.timestamp,
            objection=None,
            objection_upheld=None,
            ruling=None,
            approved_by=None,
            ended_at=None,
            reason=None,
            version=message.version,
        )

    def on_naming_checked(self, rows: Rows, fact: supervision.NamingChecked, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="checked",
            checked_by=fact.by.post,
            objections_until=fact.objections_until,
            window_closes_at=fact.window_closes_at,
            version=message.version,
        )

    def on_naming_objected(self, rows: Rows, fact: supervision.NamingObjected, message: Message) -> None:
        rows.change(message.aggregate_id, objection=fact.text, version=message.version)

    def on_naming_objection_ruled(
        self, rows: Rows, fact: supervision.NamingObjectionRuled, message: Message
    ) -> None:
        rows.change(
            message.aggregate_id, objection_upheld=fact.upheld, ruling=fact.reason, version=message.version
        )

    def on_naming_approved(self, rows: Rows, fact: supervision.NamingApproved, message: Message) -> None:
        rows.change(
            message.aggregate_id, state="approved", approved_by=fact.approved_by, version=message.version
        )

    def on_naming_published(self, rows: Rows, fact: supervision.NamingPublished, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="published",
            series=fact.series,
            year=fact.year,
            number=fact.number,
            published_at=fact.timestamp,
            version=message.version,
        )

    def on_naming_lifted(self, rows: Rows, fact: supervision.NamingLifted, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="lifted",
            ended_at=fact.happened_at,
            reason=fact.reason,
            version=message.version,
        )

    def on_naming_withdrawn(self, rows: Rows, fact: supervision.NamingWithdrawn, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="withdrawn",
            ended_at=fact.happened_at,
            reason=fact.reason,
            version=message.version,
        )

    def on_naming_corrected(self, rows: Rows, fact: supervision.NamingCorrected, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="corrected",
            corrected_by=str(fact.correction_id),
            ended_at=fact.happened_at,
            reason=fact.reason,
            version=message.version,
        )


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


def namings_for_caller(args: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the namings that the caller may see; to overseers only those that were published."""
    with reading() as (connection, views):
        grounds = views.table(connection, "naming_grounds")
    where: list[Any] = []
    if context().identity.role is Role.overseer:
        where.append(lambda namings: namings.c.published_at.is_not(None))
    wanted = args.get("needs_correction")
    if wanted is not None:
        where.append(lambda namings: _needs_correction(namings, grounds) == wanted)
    found = many("namings", args, "case_id", "unit", "state", "year", where=where)
    return {**found, "items": _with_need(found["items"])}


def naming_for_caller(naming_id: object) -> tuple[Row, dict[str, str]]:
    """One naming that the caller may see, with its ETag. Raises NoSuchThing."""
    row, headers = one("namings", naming_id, kind="Naming")
    return _with_need([row])[0], headers
