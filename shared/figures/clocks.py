"""The on-time figures of clocks 按时办结: one count for every service, from the facts that supervision tells.

A clock stands after each of its facts as the fact says; it is counted as it stood after the last fact that was
*recorded* by the as-of, so that the same as-of gives the same figures for ever. In scope are the clocks that were due
in the period then. Verdicts count as judged, or as an authorised person revised them: a later calendar alone changes
no figure.

* stopped in time: numerator and denominator; stopped late, or open and past due: denominator only;
* cancelled before it was due: excluded (``cancelled``); cancelled after it was due: a failure, like any other miss;
* open and not due, or paused: excluded (``not_due``);
* a clock whose end tells nobody is not counted;
* a cycle that another one of the same start takes up again (rework, an undone merger) is not counted beside it.

What was entered late counts in time from its confirmation on. A clock is counted with the unit that its facts charge
(the miss's, the late stop's), or else with the lead of the moment.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import JSON, Boolean, Column, Connection, Date, Integer, String, select

from shared.database.columns import MomentColumn
from shared.events import supervision
from shared.events.base import Fact, Message
from shared.figures.figure import Counted
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views
from shared.rulebook import ROUND_ANSWER

ANSWER = ROUND_ANSWER
"""The clock of a round's answer: it stays with the unit that was asked, whoever leads the matter."""

Status: TypeAlias = Literal["open", "paused", "in_time", "late", "cancelled", "taken_up"]
OPEN: tuple[Status, ...] = ("open", "paused")


class Standing(NamedTuple):
    """How a clock stands from the moment on at which a fact about it was recorded."""

    recorded_at: datetime
    status: Status
    unit: str
    due_on: date
    due_at: datetime
    ended_at: datetime | None = None
    """Cancelled: when."""


def counted(clock: Standing, as_of: datetime) -> Counted | None:
    """What a clock that stands so at ``as_of`` adds to the figures; None if another cycle is counted for it."""
    match clock.status:
        case "in_time" | "late":
            return clock.status == "in_time"
        case "cancelled" if clock.ended_at is not None and clock.ended_at < clock.due_at:
            return "cancelled"
        case "taken_up":
            return None
        case "paused":
            return "not_due"
        case "open" if as_of < clock.due_at:
            return "not_due"
    return False


class CountedClocksView(View):
    """计时指标: every clock in every cycle, as it stood after each of its facts."""

    name = "counted_clocks"
    only: ClassVar[tuple[str, ...]] = ()
    """The clocks that are counted; all, if none is named."""

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``lead`` has the matter, ``charged`` answers for the miss; the days narrow a search, the standings decide."""
        return [
            Column("case_id", String, nullable=False, info={"index": True}),
            Column("clock", String, nullable=False, info={"index": True}),
            Column("cycle", Integer, nullable=False),
            Column("started_at", MomentColumn, nullable=False),
            Column("lead", String, nullable=False),
            Column("follows_lead", Boolean, nullable=False),
            Column("charged", String),
            Column("rests", JSON, nullable=False),
            Column("earliest_due_on", Date, nullable=False, info={"index": True}),
            Column("latest_due_on", Date, nullable=False, info={"index": True}),
            Column("standings", JSON, nullable=False),
        ]

    def row_id(self, message: Message) -> str:
        """See View."""
        fact: Any = message.fact
        if isinstance(fact, supervision.CustodyMoved):
            return str(message.aggregate_id)
        return _row_id(message, fact.clock, fact.cycle)

    def on_clock_started(self, rows: Rows, fact: supervision.ClockStarted, message: Message) -> None:
        if fact.silent or (self.only and fact.clock not in self.only):
            return
        before = rows.get(_row_id(message, fact.clock, fact.cycle - 1)) if fact.cycle > 1 else None
        if before is not None and before["started_at"] == fact.started_at:
            _stands(rows, before, fact, status="taken_up")
        standing = Standing(fact.timestamp, "open", fact.unit, fact.due_on, fact.due_at)
        rows.put(
            _row_id(message, fact.clock, fact.cycle),
            case_id=str(message.aggregate_id),
            clock=fact.clock,
            cycle=fact.cycle,
            started_at=fact.started_at,
            lead=fact.unit,
            follows_lead=fact.follows_lead and fact.clock != ANSWER,
            rests=[],
            earliest_due_on=fact.due_on,
            latest_due_on=fact.due_on,
            standings=[msgspec.to_builtins(standing)],
        )

    def on_custody_moved(self, rows: Rows, fact: supervision.CustodyMoved, message: Message) -> None:
        if not fact.leads:
            return
        for row in rows.parts(str(message.aggregate_id), "case_id"):
            if row["follows_lead"] and _last(row).status in OPEN:
                _stands(rows, row, fact, lead=fact.to_unit)

    def on_clock_paused(self, rows: Rows, fact: supervision.ClockPaused, message: Message) -> None:
        row = self._row(rows, fact, message)
        if row is not None:
            _stands(rows, row, fact, status="paused", rests=[*row["rests"], fact.rest])

    def on_clock_rescheduled(self, rows: Rows, fact: supervision.ClockRescheduled, message: Message) -> None:
        row = self._row(rows, fact, message)
        if row is None:
            return
        changes: Row = {"due_on": fact.due_on, "due_at": fact.due_at}
        if fact.ground == "resumed":
            rests = _without(row["rests"], fact.rest)
            changes |= {"rests": rests, "status": "paused" if rests else "open"}
        _stands(rows, row, fact, **changes)

    def on_deadline_missed(
        self, rows: Rows, fact: supervision.DeadlineMissed | supervision.MissRecharged, message: Message
    ) -> None:
        self._tells(rows, fact, message, charged=fact.unit)

    def on_deadline_miss_retracted(
        self, rows: Rows, fact: supervision.DeadlineMissRetracted, message: Message
    ) -> None:
        self._tells(rows, fact, message, charged=None)

    def on_clock_stopped(self, rows: Rows, fact: supervision.ClockStopped, message: Message) -> None:
        late = fact.verdict == "late"
        answers = {"charged": fact.unit} if late else {"charged": None, "lead": fact.unit}
        self._tells(rows, fact, message, status=fact.verdict, due_on=fact.due_on, **answers)

    def on_earlier_time_confirmed(
        self, rows: Rows, fact: supervision.EarlierTimeConfirmed, message: Message
    ) -> None:
        row = self._row(rows, fact, message)
        if row is not None and _last(row).status == "late":  # a round's answer is stopped by its signature
            _stands(rows, row, fact, status="in_time", charged=None)

    def on_verdict_revised(self, rows: Rows, fact: supervision.VerdictRevised, message: Message) -> None:
        row = self._row(rows, fact, message)
        if row is not None:
            charged = None if fact.revised == "in_time" else fact.unit
            _stands(rows, row, fact, status=fact.revised, charged=charged)

    def on_clock_cancelled(self, rows: Rows, fact: supervision.ClockCancelled, message: Message) -> None:
        self._tells(rows, fact, message, status="cancelled", ended_at=fact.happened_at)

    @staticmethod
    def _row(rows: Rows, fact: Any, message: Message) -> Row | None:
        """The clock's row; None if it is not counted here, or a past that is cut by happened times lacks its start."""
        return rows.get(_row_id(message, fact.clock, fact.cycle))

    def _tells(self, rows: Rows, fact: Any, message: Message, **changes: Any) -> None:
        row = self._row(rows, fact, message)
        if row is not None:
            _stands(rows, row, fact, **changes)


def _without(rests: Sequence[str], ended: str | None) -> list[str]:
    """The rests that still run; without a ground the last one ended."""
    left = [*rests]
    if left:
        left.remove(ended if ended in left else left[-1])
    return left


def _row_id(message: Message, clock: str, cycle: int) -> str:
    return f"{message.aggregate_id}/{clock}/{cycle}"


def _last(row: Row) -> Standing:
    return msgspec.convert(row["standings"][-1], Standing)


def _stands(rows: Rows, row: Row, fact: Fact, **changes: Any) -> None:
    """From the recording of the fact on, the clock stands otherwise."""
    of_row: Row = {name: changes.pop(name) for name in ("lead", "charged", "rests") if name in changes}
    row = {**row, **of_row}
    unit = row["charged"] or row["lead"]
    now = _last(row)._replace(recorded_at=fact.timestamp, unit=unit, **changes)
    rows.change(
        row["id"],
        **of_row,
        earliest_due_on=min(row["earliest_due_on"], now.due_on),
        latest_due_on=max(row["latest_due_on"], now.due_on),
        standings=[*row["standings"], msgspec.to_builtins(now)],
    )


def standing_at(row: Mapping[str, Any], as_of: datetime) -> Standing | None:
    """How the row's clock stood, as far as it was known then; None if nothing was."""
    known = None
    for one in msgspec.convert(row.get("standings", []), list[Standing]):
        if one.recorded_at <= as_of:
            known = one
    return known


class CountedClock(NamedTuple):
    """A clock in one cycle, and what it adds to the figures."""

    case_id: str
    clock: str
    cycle: int
    unit: str
    counted: Counted


def counted_clocks(
    connection: Connection,
    views: Views,
    *,
    since: date,
    until: date,
    as_of: datetime,
    clock: str | None = None,
    unit: str | None = None,
) -> Sequence[CountedClock]:
    """The clocks due from ``since`` to ``until``, both included, as known at ``as_of``, in order."""
    clocks = views.table(connection, CountedClocksView.name)
    query = select(clocks).where(clocks.c.earliest_due_on <= until, clocks.c.latest_due_on >= since)
    if clock is not None:
        query = query.where(clocks.c.clock == clock)
    found = []
    for row in connection.execute(
        query.order_by(clocks.c.case_id, clocks.c.clock, clocks.c.cycle)
    ).mappings():
        known = standing_at(dict(row), as_of)
        if known is None or not since <= known.due_on <= until or unit not in (None, known.unit):
            continue
        adds = counted(known, as_of)
        if adds is not None:
            found.append(CountedClock(row["case_id"], row["clock"], row["cycle"], known.unit, adds))
    return found


def due_days(connection: Connection, views: Views, case_id: str) -> dict[str, date]:
    """The due day in force of each clock of the case, in its last cycle; a judged one's is as judged."""
    clocks = views.table(connection, CountedClocksView.name)
    query = select(clocks).where(clocks.c.case_id == case_id).order_by(clocks.c.cycle)
    return {row["clock"]: _last(dict(row)).due_on for row in connection.execute(query).mappings()}
