"""Supervision rounds."""

from typing import Any

from sqlalchemy import Boolean, Column, Date, Integer, String, Text

from shared.database.columns import MomentColumn
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.rows import Rows
from shared.readmodels.view import View


class RoundsView(View):
    """督办轮次: each round from its issue to its verdict, objection and ruling.

    Rows with round 0 hold what the rounds of a case have in common; they are not rounds.
    """

    name = "rounds"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """What was asked of whom by when, the answer and its signature, the verdict and what became of it."""
        return [
            Column("case_id", String, nullable=False, info={"index": True}),
            Column("number", String, nullable=False),
            Column("round", Integer, nullable=False, default=0, info={"index": True}),
            Column("unit", String, nullable=False, info={"index": True}),
            Column("post", String),
            Column("kind", String),
            Column("trigger", String, info={"index": True}),
            Column("requirement", Text),
            Column("state", String, nullable=False, default="", info={"index": True}),
            Column("issued_at", MomentColumn),
            Column("due_on", Date, info={"index": True}),
            Column("due_at", MomentColumn),
            Column("answer", Text),
            Column("answered_at", MomentColumn),
            Column("signed_by", String),
            Column("signed_at", MomentColumn),
            Column("verdict", String, info={"index": True}),
            Column("reason", Text),
            Column("unsigned", Boolean, nullable=False, default=False),
            Column("judged_by", String),
            Column("judged_at", MomentColumn),
            Column("void_reason", Text),
            Column("objection", Text),
            Column("objection_upheld", Boolean),
            Column("ruling", Text),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_case_opened(self, rows: Rows, fact: supervision.CaseOpened, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            case_id=str(message.aggregate_id),
            number=fact.number,
            unit=fact.unit,
            concerned="",
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_round_issued(self, rows: Rows, fact: supervision.RoundIssued, message: Message) -> None:
        head = rows.get(message.aggregate_id)
        if head is None:
            return
        rows.put(
            _round(message, fact.round),
            case_id=head["case_id"],
            number=head["number"],
            round=fact.round,
            unit=fact.unit,
            post=fact.post,
            kind=fact.kind,
            trigger=fact.trigger,
            requirement=fact.requirement,
            state="issued",
            issued_at=fact.happened_at,
            due_on=fact.due_on,
            due_at=fact.due_at,
            concerned=concerned(fact.unit),
            secrecy=head["secrecy"],
            version=message.version,
        )

    def on_round_answered(self, rows: Rows, fact: supervision.RoundAnswered, message: Message) -> None:
        rows.change(
            _round(message, fact.round),
            state="answered",
            answer=fact.text,
            answered_at=fact.happened_at,
            version=message.version,
        )

    def on_round_signed(self, rows: Rows, fact: supervision.RoundSigned, message: Message) -> None:
        rows.change(
            _round(message, fact.round),
            state="signed",
            signed_by=fact.signed_by,
            signed_at=fact.happened_at,
            verdict=None,
            reason=None,
            unsigned=False,
            judged_by=None,
            judged_at=None,
            version=message.version,
        )

    def on_round_judged(self, rows: Rows, fact: supervision.RoundJudged, message: Message) -> None:
        rows.change(
            _round(message, fact.round),
            state="concluded",
            verdict=fact.verdict,
            reason=fact.reason,
            unsigned=fact.unsigned,
            judged_by=fact.by.post,
            judged_at=fact.timestamp,
            version=message.version,
        )

    def on_round_voided(self, rows: Rows, fact: supervision.RoundVoided, message: Message) -> None:
        rows.change(
            _round(message, fact.round), state="voided", void_reason=fact.reason, version=message.version
        )

    def on_objection_raised(self, rows: Rows, fact: supervision.ObjectionRaised, message: Message) -> None:
        rows.change(
            _round(message, fact.round), state="objected", objection=fact.text, version=message.version
        )

    def on_objection_ruled(self, rows: Rows, fact: supervision.ObjectionRuled, message: Message) -> None:
        rows.change(
            _round(message, fact.round),
            state="concluded",
            objection_upheld=fact.upheld,
            ruling=fact.reason,
            version=message.version,
        )


def _round(message: Message, number: int) -> str:
    return f"{message.aggregate_id}/{number:04d}"
