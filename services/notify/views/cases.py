"""What the notifier keeps of supervision: the open cases with their clocks, and the rulebooks they are pinned to."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, Integer, String, Text

from shared.domain.clock import local_day
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.rows import Rows
from shared.readmodels.view import View


class CasesView(View):
    """在办事项: each case with its running clocks, for the digest; how near each is, the digest derives from its days.

    Internal to the service: it is folded from another service's log and has no version to offer.
    """

    name = "cases"
    version = 3

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``clocks``: by clock and cycle, its unit, days (of start, warning, due) and state (open, stopped)."""
        return [
            Column("unit", String, nullable=False),
            Column("number", String, nullable=False),
            Column("title", Text, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("is_open", Boolean, nullable=False, default=True, info={"index": True}),
            Column("clocks", JSON, nullable=False),
            Column("rulebook_version", Integer, nullable=False),
        ]

    def on_case_opened(self, rows: Rows, fact: supervision.CaseOpened, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            unit=fact.unit,
            number=fact.number,
            title=fact.title,
            secrecy=fact.secrecy,
            clocks={},
            rulebook_version=fact.rulebook_version,
        )

    def on_custody_moved(self, rows: Rows, fact: supervision.CustodyMoved, message: Message) -> None:
        if fact.leads:
            rows.change(message.aggregate_id, unit=fact.to_unit)

    def on_case_closed(self, rows: Rows, fact: supervision.CaseClosed, message: Message) -> None:
        rows.change(message.aggregate_id, is_open=False)

    def on_case_reopened(self, rows: Rows, fact: supervision.CaseReopened, message: Message) -> None:
        rows.change(message.aggregate_id, is_open=True)

    def on_clock_started(self, rows: Rows, fact: supervision.ClockStarted, message: Message) -> None:
        self._set(
            rows,
            message,
            fact.clock,
            fact.cycle,
            clock=fact.clock,
            unit=fact.unit,
            due_on=fact.due_on.isoformat(),
            started_on=local_day(fact.started_at).isoformat(),
            warn_on=[day.isoformat() for day in fact.warn_on],
            silent=fact.silent,
            state="open",
        )

    def on_clock_rescheduled(self, rows: Rows, fact: supervision.ClockRescheduled, message: Message) -> None:
        self._change(
            rows,
            message,
            fact.clock,
            fact.cycle,
            due_on=fact.due_on.isoformat(),
            warn_on=[day.isoformat() for day in fact.warn_on],
            state="open",
        )

    def on_clock_at_rest(
        self,
        rows: Rows,
        fact: supervision.ClockPaused | supervision.ClockStopped | supervision.ClockCancelled,
        message: Message,
    ) -> None:
        self._change(rows, message, fact.clock, fact.cycle, state="stopped")

    def _clocks(self, rows: Rows, message: Message) -> dict[str, dict[str, Any]]:
        row = rows.get(message.aggregate_id)
        return {} if row is None else row["clocks"]

    def _change(self, rows: Rows, message: Message, clock: str, cycle: int, **values: Any) -> None:
        known = self._clocks(rows, message).get(f"{clock}/{cycle}")
        if known is not None:
            self._set(rows, message, clock, cycle, **{**known, **values})

    def _set(self, rows: Rows, message: Message, clock: str, cycle: int, /, **values: Any) -> None:
        clocks = {**self._clocks(rows, message), f"{clock}/{cycle}": values}
        rows.change(message.aggregate_id, clocks=clocks)
