"""Whistles as they stand, with the history from which the six rates are counted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    String,
    Table,
    Text,
    or_,
    select,
)

from services.enterprise.domain.clocks import clocks_of
from services.enterprise.domain.rates import Moment, Record
from shared.application.application import NoSuchThing
from shared.database.columns import MomentColumn
from shared.events import enterprise
from shared.events.base import Fact, Message
from shared.readmodels.reference import Reference
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views
from shared.rulebook import Rulebook
from shared.web.auth import Identity, Role
from shared.web.http import context
from shared.web.lists import concerned, many, may_see, reading


class WhistlesView(View):
    """诉求: every whistle, who has it, how it went. What it shares with one merged into it is looked up when read."""

    name = "whistles"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """Content, hands, first and last times, counts of transfers, returns and reworks, the rating, the history."""
        return [
            Column("number", String, nullable=False, info={"index": True}),
            Column("enterprise_id", String, nullable=False, info={"index": True}),
            Column("credit_code", String, nullable=False, info={"index": True}),
            Column("enterprise_name", String, nullable=False),
            Column("category", String, nullable=False, info={"index": True}),
            Column("title", String, nullable=False),
            Column("text", Text, nullable=False),
            Column("project", String, nullable=False),
            Column("urgency", String, nullable=False, info={"index": True}),
            Column("channel", String, nullable=False),
            Column("service_mode", String, nullable=False),
            Column("confidential", Boolean, nullable=False),
            Column("state", String, nullable=False, info={"index": True}),
            Column("open", Boolean, nullable=False, default=True),
            Column("desk_unit", String, nullable=False),
            Column("leader_post", String, nullable=False),
            Column("lead_unit", String, info={"index": True}),
            Column("post", String),
            Column("supporters", JSON, nullable=False),
            Column("blown_at", MomentColumn, nullable=False, info={"index": True}),
            Column("recorded_at", MomentColumn, nullable=False),
            Column("routed_at", MomentColumn),
            Column("contacted_at", MomentColumn),
            Column("confirmed_at", MomentColumn),
            Column("promised_on", Date),
            Column("resolved_at", MomentColumn),
            Column("rating_until", Date),
            Column("rated_at", MomentColumn),
            Column("closed_at", MomentColumn, info={"index": True}),
            Column("closed_ground", String),
            Column("solved", Boolean),
            Column("satisfied", Boolean),
            Column("score", Integer),
            Column("transfers", Integer, nullable=False, default=0),
            Column("returns", Integer, nullable=False, default=0),
            Column("reworks", Integer, nullable=False, default=0),
            Column("raised_to", String),
            Column("raised_grounds", JSON, nullable=False),
            Column("repeats", JSON, nullable=False),
            Column("merged_into", String, info={"index": True}),
            Column("before", String, nullable=False, default="raised"),
            Column("history", JSON, nullable=False),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_whistle_blown(self, rows: Rows, fact: enterprise.WhistleBlown, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            number=fact.number,
            enterprise_id=str(fact.enterprise_id),
            credit_code=fact.credit_code,
            enterprise_name=fact.enterprise_name,
            category=fact.category,
            title=fact.title,
            text=fact.text,
            project=fact.project,
            urgency=fact.urgency,
            channel=fact.channel,
            service_mode=fact.service_mode,
            confidential=fact.confidential,
            state="raised",
            desk_unit=fact.desk_unit,
            leader_post=fact.leader_post,
            supporters=[],
            blown_at=fact.happened_at,
            recorded_at=fact.timestamp,
            raised_grounds=[],
            repeats=[],
            history=[],
            concerned=concerned(fact.credit_code, fact.desk_unit),
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_whistle_routed(self, rows: Rows, fact: enterprise.WhistleRouted, message: Message) -> None:
        row = _row(rows, message)
        moved = row["lead_unit"] != fact.lead_unit
        again = "rework" if row["reworks"] else "routed"
        self._step(
            rows,
            message,
            "routed",
            fact.lead_unit,
            state=again if moved else row["state"],
            lead_unit=fact.lead_unit,
            post=fact.post,
            supporters=list(fact.supporters),
            routed_at=fact.happened_at,
            transfers=fact.transfers,
        )
        self._show_to_hands(rows, message)

    def on_whistle_returned(self, rows: Rows, fact: enterprise.WhistleReturned, message: Message) -> None:
        self._step(
            rows,
            message,
            "returned",
            state="raised",
            lead_unit=None,
            post=None,
            supporters=[],
            returns=fact.times,
        )
        self._show_to_hands(rows, message)

    def on_whistle_raised_a_level(
        self, rows: Rows, fact: enterprise.WhistleRaisedALevel, message: Message
    ) -> None:
        grounds = [*_row(rows, message)["raised_grounds"], fact.ground]
        self._change(rows, message, raised_to=fact.leader_post, raised_grounds=grounds)

    def on_enterprise_contacted(
        self, rows: Rows, fact: enterprise.EnterpriseContacted, message: Message
    ) -> None:
        row = _row(rows, message)
        first = min(row["contacted_at"] or fact.happened_at, fact.happened_at)
        state = "contacted" if row["state"] == "routed" else row["state"]
        self._step(rows, message, "contacted", state=state, contacted_at=first)

    def on_service_plan_proposed(
        self, rows: Rows, fact: enterprise.ServicePlanProposed, message: Message
    ) -> None:
        self._change(rows, message, state="plan_proposed")

    def on_service_confirmed(self, rows: Rows, fact: enterprise.ServiceConfirmed, message: Message) -> None:
        first = _row(rows, message)["confirmed_at"] or fact.happened_at
        self._step(
            rows,
            message,
            "confirmed",
            state="confirmed",
            confirmed_at=first,
            promised_on=fact.promised_on,
        )

    def on_whistle_resolved(self, rows: Rows, fact: enterprise.WhistleResolved, message: Message) -> None:
        first = min(_row(rows, message)["resolved_at"] or fact.happened_at, fact.happened_at)
        self._step(
            rows,
            message,
            "resolved",
            state="resolved",
            resolved_at=first,
            rating_until=fact.rating_until,
        )

    def on_whistle_rated(self, rows: Rows, fact: enterprise.WhistleRated, message: Message) -> None:
        row = _row(rows, message)
        good = fact.solved and fact.satisfied
        verdict = ("solved " if fact.solved else "") + ("satisfied" if fact.satisfied else "")
        self._step(
            rows,
            message,
            "rated",
            verdict,
            state="merged" if row["merged_into"] and not good else row["state"],
            rated_at=fact.happened_at,
            solved=fact.solved,
            satisfied=fact.satisfied,
            score=fact.score,
        )

    def on_rework_ordered(self, rows: Rows, fact: enterprise.ReworkOrdered, message: Message) -> None:
        state = "rework" if _row(rows, message)["lead_unit"] else "raised"
        self._step(rows, message, "rework", state=state, reworks=fact.times)

    def on_infeasibility_claimed(
        self, rows: Rows, fact: enterprise.InfeasibilityClaimed, message: Message
    ) -> None:
        self._change(rows, message, before=_row(rows, message)["state"], state="infeasibility_claimed")

    def on_infeasibility_reviewed(
        self, rows: Rows, fact: enterprise.InfeasibilityReviewed, message: Message
    ) -> None:
        self._change(rows, message, state=_row(rows, message)["before"])

    def on_whistle_merged(self, rows: Rows, fact: enterprise.WhistleMerged, message: Message) -> None:
        before = _row(rows, message)["state"]
        self._step(
            rows, message, "merged", str(fact.into), before=before, state="merged", merged_into=str(fact.into)
        )

    def on_reporter_joined(self, rows: Rows, fact: enterprise.ReporterJoined, message: Message) -> None:
        self._change(rows, message)  # who they are is looked up: the merged whistle's own facts say so

    def on_whistle_unmerged(self, rows: Rows, fact: enterprise.WhistleUnmerged, message: Message) -> None:
        before = _row(rows, message)["before"]
        self._step(rows, message, "unmerged", state=before, merged_into=None, rating_until=None)

    def on_repeat_linked(self, rows: Rows, fact: enterprise.RepeatLinked, message: Message) -> None:
        self._change(rows, message, repeats=[*_row(rows, message)["repeats"], str(fact.earlier)])

    def on_whistle_withdrawn(self, rows: Rows, fact: enterprise.WhistleWithdrawn, message: Message) -> None:
        self._step(rows, message, "withdrawn", state="withdrawn", open=False, closed_at=fact.happened_at)

    def on_whistle_closed(self, rows: Rows, fact: enterprise.WhistleClosed, message: Message) -> None:
        self._step(
            rows,
            message,
            "closed",
            fact.ground,
            state="closed",
            open=False,
            closed_at=fact.happened_at,
            closed_ground=fact.ground,
        )

    # -- how a row changes ----------------------------------------------------------------------------------------

    def _step(self, rows: Rows, message: Message, kind: str, detail: str = "", /, **values: Any) -> None:
        """A change that the rates count: kept with both its times."""
        fact: Fact = message.fact
        step = [kind, fact.happened_at.isoformat(), fact.timestamp.isoformat(), detail]
        self._change(rows, message, history=[*_row(rows, message)["history"], step], **values)

    @staticmethod
    def _change(rows: Rows, message: Message, **values: Any) -> None:
        rows.change(message.aggregate_id, version=message.version, **values)

    @staticmethod
    def _show_to_hands(rows: Rows, message: Message) -> None:
        """Shown to the enterprise, the desk and the hands it is in."""
        row = _row(rows, message)
        shown = concerned(row["credit_code"], row["desk_unit"], row["lead_unit"], *row["supporters"])
        rows.change(message.aggregate_id, concerned=shown)


def _row(rows: Rows, message: Message) -> Row:
    row = rows.get(message.aggregate_id)
    assert row is not None, "a whistle's first fact is its blowing"
    return row


# -- queries ------------------------------------------------------------------------------------------------------


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
    if identity.role in (Role.government_office, Role.unit_head, Role.officer):
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


def whistle_with_clocks(
    whistle_id: UUID, rulebook: Rulebook, reference: Reference
) -> tuple[dict[str, Any], dict[str, str]]:
    """One whistle that the caller may see, with its three due days, and its ETag. Raises NoSuchThing."""
    row, headers = whistle_for_caller(whistle_id)
    clocks = clocks_of(rulebook, reference.calendar(), row["blown_at"])
    return {**row, "clocks": vars(clocks)}, headers


def records(views: Views) -> list[Record]:
    """Every whistle's history, for the rates."""
    with views.reading() as connection:
        table = views.table(connection, "whistles")
        rows = connection.execute(
            select(
                table.c.id, table.c.blown_at, table.c.recorded_at, table.c.desk_unit, table.c.history
            ).order_by(table.c.id)
        )
        return [_record(dict(row._mapping)) for row in rows]


def _record(row: Mapping[str, Any]) -> Record:
    return Record(
        id=row["id"],
        blown_at=row["blown_at"],
        recorded_at=row["recorded_at"],
        desk_unit=row["desk_unit"],
        history=tuple(
            Moment(kind, datetime.fromisoformat(happened), datetime.fromisoformat(recorded), detail)
            for kind, happened, recorded, detail in row["history"]
        ),
    )
