"""Clocks with their due dates and verdicts, and the timers by which the scheduler finds what is due."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, FromClause, Integer, String, select

from services.supervision.domain.state import evolve_clock
from shared.database.columns import MomentColumn
from shared.domain.clock import local_day, midnight
from shared.events import supervision
from shared.events.base import Fact, Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Row, Rows
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
)


def clock_id(message: Message, fact: AboutAClock) -> str:
    """The id of a clock's row."""
    return f"{message.aggregate_id}/{fact.clock}/{fact.cycle}"


class ClocksView(LifecycleView):
    """时限: every clock in every cycle. Whether it is overdue is derived when it is read, never stored."""

    name = "clocks"
    version = 3
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
        rows.put(
            clock_id(message, fact),
            case_id=str(message.aggregate_id),
            clock=fact.clock,
            cycle=fact.cycle,
            final_at=fact.due_at,
            version=message.version,
            **_next(fact.due_at, [day.isoformat() for day in fact.warn_on], None),
        )

    def on_clock_rescheduled(self, rows: Rows, fact: supervision.ClockRescheduled, message: Message) -> None:
        row = rows.get(clock_id(message, fact))
        if row is None:
            return
        warn_on = [day.isoformat() for day in fact.warn_on]
        following = _next(fact.due_at, warn_on, row["warned_upto"])
        paused = row["point"] < 0 and fact.ground != "resumed"
        if paused or row["missed"]:
            following |= {"due_at": None, "point": row["point"]}
        rows.change(row["id"], final_at=fact.due_at, version=message.version, **following)

    def on_clock_paused(self, rows: Rows, fact: supervision.ClockPaused, message: Message) -> None:
        rows.change(clock_id(message, fact), due_at=None, point=-1, version=message.version)

    def on_deadline_approaching(
        self, rows: Rows, fact: supervision.DeadlineApproaching, message: Message
    ) -> None:
        row = rows.get(clock_id(message, fact))
        if row is None:
            return
        warned = local_day(fact.happened_at).isoformat()
        rows.change(
            row["id"],
            warned_upto=warned,
            version=message.version,
            **_next(row["final_at"], row["warn_on"], warned),
        )

    def on_deadline_missed(self, rows: Rows, fact: supervision.DeadlineMissed, message: Message) -> None:
        rows.change(clock_id(message, fact), due_at=None, point=0, missed=True, version=message.version)

    def on_deadline_miss_retracted(
        self, rows: Rows, fact: supervision.DeadlineMissRetracted, message: Message
    ) -> None:
        row = rows.get(clock_id(message, fact))
        if row is not None:
            following = _next(row["final_at"], row["warn_on"], row["warned_upto"])
            rows.change(row["id"], missed=False, version=message.version, **following)

    def on_clock_ended(
        self, rows: Rows, fact: supervision.ClockStopped | supervision.ClockCancelled, message: Message
    ) -> None:
        rows.drop(clock_id(message, fact))


def _next(due_at: Any, warn_on: list[str], warned_upto: str | None) -> Row:
    """The next thing that the clock has to say: a warning not given yet, else that it is missed."""
    for point, day in enumerate(warn_on, start=1):
        if warned_upto is None or day > warned_upto:
            moment = midnight(date.fromisoformat(day))
            if moment < due_at:
                return {"due_at": moment, "point": point, "warn_on": warn_on}
    return {"due_at": due_at, "point": 0, "warn_on": warn_on}


# -- queries ------------------------------------------------------------------------------------------------------


def timers_with_units(connection: Connection, views: Views) -> FromClause:
    """The timers, each with the unit that has its clock now."""
    timers, clocks = views.table(connection, "timers"), views.table(connection, "clocks")
    return select(timers, clocks.c.unit).join(clocks, clocks.c.id == timers.c.id).subquery("timers")
