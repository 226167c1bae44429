"""Clocks with their due dates and verdicts, and the timers by which the scheduler finds what is due."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, FromClause, Integer, String, select

from services.supervision.domain.state import evolve_clock
from services.supervision.domain.state.clock import MISS, PAUSED, Word, next_word
from shared.database.columns import MomentColumn
from shared.domain.clock import local_day
from shared.events import supervision
from shared.events.base import Fact, Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows
from shared.readmodels.timers import Timers
from shared.readmodels.views import Views

AboutAClock = (
    supervision.ClockStarted
    | supervision.ClockPaused
    | supervision.ClockRescheduled
    | supervision.ClockStopped
    | supervision.ClockCancelled
    | supervision.DeadlineApproaching
    | supervision.DeadlineMissed
    | supervision.DeadlineMissRetracted
    | supervision.VerdictRecomputed
    | supervision.VerdictRevised
)


def clock_id(message: Message, fact: AboutAClock) -> str:
    """The id of a clock's row."""
    return f"{message.aggregate_id}/{fact.clock}/{fact.cycle}"


class ClocksView(LifecycleView):
    """时限: every clock in every cycle. Whether it is overdue is derived when it is read, never stored."""

    name = "clocks"
    version = 4
    lifecycle = evolve_clock
    whole = "case_id"
    indexed = ("clock", "unit", "state", "due_on", "due_at", "calendar_version")

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        """See LifecycleView."""
        return clock_id(message, fact)

    def keys(self, rows: Rows, fact: Fact, message: Message) -> Sequence[str]:
        """See LifecycleView: the lead of a case has all its clocks."""
        if isinstance(fact, supervision.CustodyMoved):
            return [row["id"] for row in rows.parts(str(message.aggregate_id), self.whole)]
        return super().keys(rows, fact, message)

    def row_id(self, message: Message) -> str:
        """See View."""
        if isinstance(message.fact, supervision.CustodyMoved):
            return str(message.aggregate_id)
        return super().row_id(message)


class TimersView(Timers):
    """定时: for every running clock the next moment at which it has something to say, indexed by that moment."""

    name = "timers"
    version = 2
    nullable = True

    @classmethod
    def what(cls) -> list[Column[Any]]:
        """``due_at`` is the next warning or the due moment itself (``point`` 0); empty while paused or missed."""
        return [
            Column("case_id", String, nullable=False),
            Column("clock", String, nullable=False),
            Column("cycle", Integer, nullable=False),
            Column("point", Integer, nullable=False, default=0),
            Column("final_at", MomentColumn),
            Column("missed", Boolean, nullable=False, default=False),
            Column("warn_on", JSON, nullable=False),
            Column("warned_upto", String),
            Column("version", Integer, nullable=False),
        ]

    def on_clock_started(self, rows: Rows, fact: supervision.ClockStarted, message: Message) -> None:
        if fact.silent:
            return
        rows.put(
            clock_id(message, fact),
            case_id=str(message.aggregate_id),
            clock=fact.clock,
            cycle=fact.cycle,
            final_at=fact.due_at,
            warn_on=[day.isoformat() for day in fact.warn_on],
            version=message.version,
        )
        self._set(rows, fact, message)

    def on_clock_rescheduled(self, rows: Rows, fact: supervision.ClockRescheduled, message: Message) -> None:
        resumed = {"point": MISS} if fact.ground == "resumed" else {}
        warn_on = [day.isoformat() for day in fact.warn_on]
        self._set(rows, fact, message, final_at=fact.due_at, warn_on=warn_on, **resumed)

    def on_clock_paused(self, rows: Rows, fact: supervision.ClockPaused, message: Message) -> None:
        self._set(rows, fact, message, point=PAUSED)

    def on_deadline_approaching(
        self, rows: Rows, fact: supervision.DeadlineApproaching, message: Message
    ) -> None:
        self._set(rows, fact, message, warned_upto=local_day(fact.happened_at).isoformat())

    def on_deadline_missed(self, rows: Rows, fact: supervision.DeadlineMissed, message: Message) -> None:
        self._set(rows, fact, message, missed=True)

    def on_deadline_miss_retracted(
        self, rows: Rows, fact: supervision.DeadlineMissRetracted, message: Message
    ) -> None:
        before = rows.get(clock_id(message, fact))
        warned = None if before is None else before["warned_upto"]
        recorded_on = local_day(fact.timestamp).isoformat()
        warned_upto = None if warned is None else min(warned, recorded_on)
        self._set(rows, fact, message, missed=False, warned_upto=warned_upto)

    def on_clock_ended(
        self, rows: Rows, fact: supervision.ClockStopped | supervision.ClockCancelled, message: Message
    ) -> None:
        rows.drop(clock_id(message, fact))

    @staticmethod
    def _set(rows: Rows, fact: AboutAClock, message: Message, **changes: Any) -> None:
        """Change the timer, and put it to what its clock has to say next."""
        before = rows.get(clock_id(message, fact))
        if before is None:
            return
        row = {**before, **changes}
        warned = row["warned_upto"] and date.fromisoformat(row["warned_upto"])
        word = next_word(row["final_at"], [date.fromisoformat(day) for day in row["warn_on"]], warned)
        if row["point"] == PAUSED or row["missed"]:
            word = Word(None, PAUSED if row["point"] == PAUSED else MISS)
        changes |= {"due_at": word.at, "point": word.point, "version": message.version}
        rows.change(row["id"], **changes)


# -- queries ------------------------------------------------------------------------------------------------------


def timers_with_units(connection: Connection, views: Views) -> FromClause:
    """The timers, each with the unit that has its clock now."""
    timers, clocks = views.table(connection, "timers"), views.table(connection, "clocks")
    return select(timers, clocks.c.unit).join(clocks, clocks.c.id == timers.c.id).subquery("timers")
