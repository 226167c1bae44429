"""Clocks with their due dates and verdicts, and the timers by which the scheduler finds what is due."""

from datetime import date
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Integer, String

from shared.database.columns import MomentColumn
from shared.domain.clock import local_day, midnight
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.concerned import concerned, concerned_too
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View

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


class ClocksView(View):
    """时限: every clock in every cycle. Whether it is overdue is derived when it is read, never stored.

    Rows with an empty ``clock`` hold what the clocks of a case have in common, and which they are; they are no clocks.
    """

    name = "clocks"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """Due date, verdict as judged and as recomputed, and what they follow from."""
        return [
            Column("case_id", String, nullable=False, info={"index": True}),
            Column("kind", String, nullable=False, info={"index": True}),
            Column("number", String, nullable=False),
            Column("clock", String, nullable=False, default="", info={"index": True}),
            Column("cycle", Integer, nullable=False, default=0),
            Column("unit", String, nullable=False, info={"index": True}),
            Column("state", String, nullable=False, default="", info={"index": True}),
            Column("started_at", MomentColumn),
            Column("started_on", Date),
            Column("own_date", Date),
            Column("due_on", Date, info={"index": True}),
            Column("due_at", MomentColumn, info={"index": True}),
            Column("original_due_on", Date),
            Column("reckoned_upto", Date),
            Column("provisional", Boolean, nullable=False, default=False),
            Column("calendar_version", Integer, nullable=False, default=0, info={"index": True}),
            Column("rulebook_version", Integer, nullable=False, default=0),
            Column("missed", Boolean, nullable=False, default=False),
            Column("missed_due_at", MomentColumn),
            Column("missed_detected_at", MomentColumn),
            Column("stopped_at", MomentColumn),
            Column("verdict", String),
            Column("recomputed", String),
            Column("cancelled_at", MomentColumn),
            Column("clocks", JSON),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_case_opened(self, rows: Rows, fact: supervision.CaseOpened, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            case_id=str(message.aggregate_id),
            kind=fact.kind,
            number=fact.number,
            unit=fact.unit,
            clocks=[],
            concerned=concerned(fact.unit, *fact.supporters, fact.reporter),
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_custody_moved(self, rows: Rows, fact: supervision.CustodyMoved, message: Message) -> None:
        head = rows.get(message.aggregate_id)
        if head is None:
            return
        shown, before = concerned_too(head, fact.to_unit), head["unit"]
        for row in rows.some([head["id"], *head["clocks"]]):
            leads = fact.leads and row["unit"] == before and row["clock"] != "round_answer"
            own = leads and (row["clock"] == "" or row["state"] in ("open", "paused"))
            rows.change(row["id"], concerned=shown, unit=fact.to_unit if own else row["unit"])

    def on_clock_started(self, rows: Rows, fact: supervision.ClockStarted, message: Message) -> None:
        head = rows.get(message.aggregate_id)
        if head is None:
            return
        rows.change(head["id"], clocks=[*head["clocks"], clock_id(message, fact)])
        rows.put(
            clock_id(message, fact),
            case_id=head["case_id"],
            kind=head["kind"],
            number=head["number"],
            clock=fact.clock,
            cycle=fact.cycle,
            unit=fact.unit,
            state="open",
            started_at=fact.started_at,
            started_on=local_day(fact.started_at),
            own_date=fact.own_date,
            due_on=fact.due_on,
            due_at=fact.due_at,
            original_due_on=fact.due_on,
            reckoned_upto=fact.due_on,
            provisional=fact.provisional,
            calendar_version=fact.calendar_version,
            rulebook_version=fact.rulebook_version,
            concerned=head["concerned"],
            secrecy=head["secrecy"],
            version=message.version,
        )

    def on_clock_paused(self, rows: Rows, fact: supervision.ClockPaused, message: Message) -> None:
        rows.change(clock_id(message, fact), state="paused", version=message.version)

    def on_clock_rescheduled(self, rows: Rows, fact: supervision.ClockRescheduled, message: Message) -> None:
        row = rows.get(clock_id(message, fact))
        if row is None:
            return
        rows.change(
            row["id"],
            state="open" if fact.ground == "resumed" else row["state"],
            due_on=fact.due_on,
            due_at=fact.due_at,
            original_due_on=fact.original_due_on,
            reckoned_upto=max(fact.due_on, fact.original_due_on),
            provisional=fact.provisional,
            calendar_version=fact.calendar_version,
            version=message.version,
        )

    def on_clock_stopped(self, rows: Rows, fact: supervision.ClockStopped, message: Message) -> None:
        rows.change(
            clock_id(message, fact),
            state="stopped",
            stopped_at=fact.stopped_at,
            verdict=fact.verdict,
            version=message.version,
        )

    def on_clock_cancelled(self, rows: Rows, fact: supervision.ClockCancelled, message: Message) -> None:
        rows.change(
            clock_id(message, fact), state="cancelled", cancelled_at=fact.happened_at, version=message.version
        )

    def on_deadline_missed(self, rows: Rows, fact: supervision.DeadlineMissed, message: Message) -> None:
        rows.change(
            clock_id(message, fact),
            missed=True,
            missed_due_at=fact.due_at,
            missed_detected_at=fact.detected_at,
            version=message.version,
        )

    def on_deadline_miss_retracted(
        self, rows: Rows, fact: supervision.DeadlineMissRetracted, message: Message
    ) -> None:
        rows.change(
            clock_id(message, fact),
            missed=False,
            missed_due_at=None,
            missed_detected_at=None,
            version=message.version,
        )

    def on_verdict_recomputed(
        self, rows: Rows, fact: supervision.VerdictRecomputed, message: Message
    ) -> None:
        rows.change(
            clock_id(message, fact),
            recomputed=fact.recomputed,
            calendar_version=fact.calendar_version,
            version=message.version,
        )


class TimersView(View):
    """定时: for every running clock the next moment at which it has something to say, indexed by that moment."""

    name = "timers"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``due_at`` is the next warning or the due moment itself (``point`` 0); empty while paused or missed."""
        return [
            Column("case_id", String, nullable=False),
            Column("clock", String, nullable=False),
            Column("cycle", Integer, nullable=False),
            Column("unit", String, nullable=False),
            Column("due_at", MomentColumn, info={"index": True}),
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
            unit=fact.unit,
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
