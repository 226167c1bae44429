"""Directives with each unit's duty (measure 8)."""

from typing import Any

from sqlalchemy import JSON, Column, Integer, String, Text

from services.assignment.domain.directives import directive_state
from shared.database.columns import MomentColumn
from shared.events import assignment
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View


class DirectivesView(View):
    """交办事项: every directive; ``duties`` holds, by unit, what it has to do and when it did it."""

    name = "directives"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``duties``: unit → ``{"duty": "arrange" | "feedback", "what", "since", "done_at", "text"}``."""
        return [
            Column("number", String, nullable=False, info={"index": True}),
            Column("title", String, nullable=False),
            Column("kind", String, nullable=False, info={"index": True}),
            Column("origin_level", String, nullable=False),
            Column("received_at", MomentColumn, nullable=False, info={"index": True}),
            Column("recorded_at", MomentColumn, nullable=False),
            Column("office_unit", String, nullable=False),
            Column("leader_post", String, nullable=False),
            Column("requirement", Text, nullable=False),
            Column("decomposed_at", MomentColumn),
            Column("duties", JSON, nullable=False),
            Column("state", String, nullable=False, info={"index": True}),
            Column("secrecy", String, nullable=False),
            Column("secrecy_ground", String, nullable=False),
            Column("concerned", Text, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_directive_registered(
        self, rows: Rows, fact: assignment.DirectiveRegistered, message: Message
    ) -> None:
        since = fact.happened_at.isoformat()
        rows.put(
            message.aggregate_id,
            number=fact.number,
            title=fact.title,
            kind=fact.kind,
            origin_level=fact.origin_level,
            received_at=fact.happened_at,
            recorded_at=fact.timestamp,
            office_unit=fact.office_unit,
            leader_post=fact.leader_post,
            requirement=fact.requirement,
            duties={unit: _duty("arrange", "", since) for unit in fact.units},
            state="registered",
            secrecy=fact.secrecy,
            secrecy_ground=fact.secrecy_ground,
            concerned=concerned(fact.office_unit, *fact.units),
            version=message.version,
        )

    def on_arrangement_reported(
        self, rows: Rows, fact: assignment.ArrangementReported, message: Message
    ) -> None:
        self._done(rows, fact, message)

    def on_directive_decomposed(
        self, rows: Rows, fact: assignment.DirectiveDecomposed, message: Message
    ) -> None:
        row = rows.get(message.aggregate_id)
        assert row is not None
        since = fact.happened_at.isoformat()
        duties = {one.unit: _duty("feedback", one.what, since) for one in fact.dispatches}
        rows.change(
            message.aggregate_id,
            duties=duties,
            decomposed_at=fact.happened_at,
            state=_state(duties),
            concerned=concerned(row["office_unit"], *duties),
            version=message.version,
        )

    def on_feedback_given(self, rows: Rows, fact: assignment.FeedbackGiven, message: Message) -> None:
        self._done(rows, fact, message)

    @staticmethod
    def _done(
        rows: Rows, fact: assignment.ArrangementReported | assignment.FeedbackGiven, message: Message
    ) -> None:
        row = rows.get(message.aggregate_id)
        assert row is not None
        before = row["duties"][fact.unit]
        # The first report fulfils the duty; a later one only says more.
        done_at = before["done_at"] or fact.happened_at.isoformat()
        duties = {**row["duties"], fact.unit: {**before, "done_at": done_at, "text": fact.text}}
        rows.change(message.aggregate_id, duties=duties, state=_state(duties), version=message.version)


def _duty(duty: str, what: str, since: str) -> Row:
    return {"duty": duty, "what": what, "since": since, "done_at": None, "text": ""}


def _state(duties: dict[str, Row]) -> str:
    def units(duty: str, *, done: bool) -> list[str]:
        return [unit for unit, one in duties.items() if one["duty"] == duty and (one["done_at"] or not done)]

    return directive_state(
        units("arrange", done=False),
        frozenset(units("arrange", done=True)),
        units("feedback", done=False),
        frozenset(units("feedback", done=True)),
    )
