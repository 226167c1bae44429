"""Cases, and through whose hands they went."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Integer, String

from shared.database.columns import MomentColumn
from shared.domain.clock import local_day
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.concerned import concerned, concerned_too
from shared.readmodels.rows import Rows
from shared.readmodels.view import View


class CasesView(View):
    """督查事项: each case as it stands."""

    name = "cases"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """What is followed, who answers for it, who has it in hand, how many rounds and misses."""
        return [
            Column("kind", String, nullable=False, info={"index": True}),
            Column("duty", String, info={"index": True}),
            Column("subject_id", String, nullable=False, info={"index": True}),
            Column("number", String, nullable=False, info={"index": True}),
            Column("title", String, nullable=False),
            Column("unit", String, nullable=False, info={"index": True}),
            Column("post", String),
            Column("supporters", JSON, nullable=False),
            Column("leader_post", String, info={"index": True}),
            Column("custodian", String, nullable=False, info={"index": True}),
            Column("reporter", String),
            Column("state", String, nullable=False, info={"index": True}),
            Column("ground", String),
            Column("opened_at", MomentColumn, nullable=False),
            Column("closed_at", MomentColumn),
            Column("rounds", Integer, nullable=False, default=0),
            Column("missed", Integer, nullable=False, default=0),
            Column("namings_due", Integer, nullable=False, default=0),
            Column("rulebook_version", Integer, nullable=False),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_case_opened(self, rows: Rows, fact: supervision.CaseOpened, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            kind=fact.kind,
            duty=fact.duty,
            subject_id=str(fact.subject_id),
            number=fact.number,
            title=fact.title,
            unit=fact.unit,
            post=fact.post,
            supporters=list(fact.supporters),
            leader_post=fact.leader_post,
            custodian=fact.unit,
            reporter=fact.reporter,
            state="open",
            opened_at=fact.happened_at,
            rulebook_version=fact.rulebook_version,
            concerned=concerned(fact.unit, *fact.supporters, fact.reporter),
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_custody_moved(self, rows: Rows, fact: supervision.CustodyMoved, message: Message) -> None:
        row = rows.get(message.aggregate_id)
        if row is None:
            return
        lead = {"unit": fact.to_unit, "post": fact.to_post} if fact.leads else {}
        rows.change(
            row["id"],
            custodian=fact.to_unit,
            concerned=concerned_too(row, fact.to_unit),
            version=message.version,
            **lead,
        )

    def on_case_closed(self, rows: Rows, fact: supervision.CaseClosed, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="closed",
            ground=fact.ground,
            closed_at=fact.happened_at,
            version=message.version,
        )

    def on_case_reopened(self, rows: Rows, fact: supervision.CaseReopened, message: Message) -> None:
        rows.change(message.aggregate_id, state="open", ground=None, closed_at=None, version=message.version)

    def on_round_issued(self, rows: Rows, fact: supervision.RoundIssued, message: Message) -> None:
        rows.change(message.aggregate_id, rounds=fact.round, version=message.version)

    def on_deadline_missed(self, rows: Rows, fact: supervision.DeadlineMissed, message: Message) -> None:
        self._count(rows, message, "missed", 1)

    def on_deadline_miss_retracted(
        self, rows: Rows, fact: supervision.DeadlineMissRetracted, message: Message
    ) -> None:
        self._count(rows, message, "missed", -1)

    def on_naming_became_due(self, rows: Rows, fact: supervision.NamingBecameDue, message: Message) -> None:
        self._count(rows, message, "namings_due", 1)

    def on_naming_no_longer_due(
        self, rows: Rows, fact: supervision.NamingNoLongerDue, message: Message
    ) -> None:
        self._count(rows, message, "namings_due", -1)

    def on_anything_else(
        self,
        rows: Rows,
        fact: supervision.ClockStarted
        | supervision.ClockPaused
        | supervision.ClockRescheduled
        | supervision.ClockStopped
        | supervision.ClockCancelled
        | supervision.DeadlineApproaching
        | supervision.VerdictRecomputed
        | supervision.RoundAnswered
        | supervision.RoundSigned
        | supervision.RoundJudged
        | supervision.RoundVoided
        | supervision.ObjectionRaised
        | supervision.ObjectionRuled,
        message: Message,
    ) -> None:
        rows.change(message.aggregate_id, version=message.version)

    @staticmethod
    def _count(rows: Rows, message: Message, column: str, by: int) -> None:
        row = rows.get(message.aggregate_id)
        if row is not None:
            rows.change(row["id"], **{column: row[column] + by}, version=message.version)


class CustodyView(View):
    """经手时段: which unit had a case in hand, from when until when; working days are counted when it is read."""

    name = "custody"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """One row per stay; the first row of a case also knows which stay is the present one."""
        return [
            Column("case_id", String, nullable=False, info={"index": True}),
            Column("number", String, nullable=False),
            Column("unit", String, nullable=False, info={"index": True}),
            Column("post", String),
            Column("leads", Boolean, nullable=False),
            Column("since", MomentColumn, nullable=False),
            Column("since_day", Date, nullable=False, info={"index": True}),
            Column("until", MomentColumn),
            Column("stay", Integer, nullable=False),
            Column("stays", Integer, nullable=False),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_case_opened(self, rows: Rows, fact: supervision.CaseOpened, message: Message) -> None:
        rows.put(
            _stay(message, 1),
            case_id=str(message.aggregate_id),
            number=fact.number,
            unit=fact.unit,
            post=fact.post,
            leads=True,
            since=fact.happened_at,
            since_day=local_day(fact.happened_at),
            stay=1,
            stays=1,
            concerned=concerned(fact.unit),
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_custody_moved(self, rows: Rows, fact: supervision.CustodyMoved, message: Message) -> None:
        first = rows.get(_stay(message, 1))
        if first is None:
            return
        stay = first["stays"] + 1
        rows.change(_stay(message, stay - 1), until=fact.happened_at, version=message.version)
        rows.change(first["id"], stays=stay)
        rows.put(
            _stay(message, stay),
            case_id=first["case_id"],
            number=first["number"],
            unit=fact.to_unit,
            post=fact.to_post,
            leads=fact.leads,
            since=fact.happened_at,
            since_day=local_day(fact.happened_at),
            stay=stay,
            stays=stay,
            concerned=concerned(fact.to_unit),
            secrecy=first["secrecy"],
            version=message.version,
        )

    def on_case_closed(self, rows: Rows, fact: supervision.CaseClosed, message: Message) -> None:
        self._last(rows, message, until=fact.happened_at)

    def on_case_reopened(self, rows: Rows, fact: supervision.CaseReopened, message: Message) -> None:
        self._last(rows, message, until=None)

    @staticmethod
    def _last(rows: Rows, message: Message, until: Any) -> None:
        first = rows.get(_stay(message, 1))
        if first is not None:
            rows.change(_stay(message, first["stays"]), until=until, version=message.version)


def _stay(message: Message, stay: int) -> str:
    return f"{message.aggregate_id}/{stay:04d}"
