"""Namings and their corrections."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Integer, String, Text

from shared.events import supervision
from shared.events.base import Message
from shared.views import MomentColumn, Rows, View
from shared.web.lists import concerned


class NamingsView(View):
    """通报: each naming from its draft to what became of it."""

    name = "namings"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """Who is named for which rounds, by whose hands it went, its number, and whether it needs a correction."""
        return [
            Column("case_id", String(36), nullable=False, info={"index": True}),
            Column("case_number", String(80), nullable=False),
            Column("unit", String(80), nullable=False, info={"index": True}),
            Column("post", String(80)),
            Column("rounds", JSON, nullable=False),
            Column("text", Text, nullable=False),
            Column("state", String(20), nullable=False, info={"index": True}),
            Column("drafted_by", String(80), nullable=False),
            Column("drafted_at", MomentColumn, nullable=False),
            Column("checked_by", String(80)),
            Column("objections_until", Date),
            Column("window_closes_at", MomentColumn, info={"index": True}),
            Column("objection", Text),
            Column("objection_upheld", Boolean),
            Column("ruling", Text),
            Column("approved_by", String(80)),
            Column("series", String(20)),
            Column("year", Integer, info={"index": True}),
            Column("number", Integer),
            Column("published_at", MomentColumn, info={"index": True}),
            Column("ended_at", MomentColumn),
            Column("reason", Text),
            Column("needs_correction", Boolean, nullable=False, default=False, info={"index": True}),
            Column("corrects", String(36), info={"index": True}),
            Column("corrected_by", String(36)),
            Column("concerned", String(500), nullable=False),
            Column("secrecy", String(10), nullable=False),
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
            needs_correction=False,
            ended_at=fact.happened_at,
            reason=fact.reason,
            version=message.version,
        )

    def on_naming_corrected(self, rows: Rows, fact: supervision.NamingCorrected, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="corrected",
            needs_correction=False,
            corrected_by=str(fact.correction_id),
            ended_at=fact.happened_at,
            reason=fact.reason,
            version=message.version,
        )

    def on_naming_no_longer_due(
        self, rows: Rows, fact: supervision.NamingNoLongerDue, message: Message
    ) -> None:
        rows.change(fact.naming_id, needs_correction=True)

    def on_naming_became_due(self, rows: Rows, fact: supervision.NamingBecameDue, message: Message) -> None:
        rows.change(fact.naming_id, needs_correction=False)
