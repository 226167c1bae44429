"""The clocks of a case: each decides by itself what its time has come to. Overdue is derived, never stored."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from services.supervision.domain.terms import Terms
from shared.calendar.due import ClockNotPausable, Due, Extension, Pause
from shared.domain.aggregate import Aggregate, Change, CommandContext
from shared.domain.clock import close_of, local_day, midnight
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.supervision import Timeliness

Key = tuple[str, int]
"""A clock and its cycle."""

Ground = Literal["resumed", "extended", "calendar"]


class NoSuchClock(Refusal):
    """该事项没有“{clock}”第 {cycle} 轮时限。
    This case has no clock "{clock}" with cycle {cycle}."""

    status = 404


class ClockNotRunning(Refusal):
    """“{clock}”第 {cycle} 轮时限已停止或取消。
    The clock "{clock}", cycle {cycle}, has stopped or was cancelled."""


class ClockAlreadyPaused(Refusal):
    """“{clock}”第 {cycle} 轮时限已在暂停中。
    The clock "{clock}", cycle {cycle}, is paused already."""


class ClockNotPaused(Refusal):
    """“{clock}”第 {cycle} 轮时限没有暂停。
    The clock "{clock}", cycle {cycle}, is not paused."""


class PauseBeforeTheLastOne(Refusal):
    """暂停或恢复的时间 {at} 早于 {earliest}，不能回溯。
    A pause cannot begin or end at {at}, before {earliest}: it does not reach back."""

    status = 422
    field = "happened_at"


@dataclass(frozen=True)
class Clock:
    """One clock in one cycle: the facts that its due date follows from, and what has been said about it."""

    clock: str
    cycle: int
    unit: str
    started_at: datetime
    own_date: date | None
    due_on: date
    due_at: datetime | None
    """None while paused."""
    provisional: bool
    warn_on: tuple[date, ...]
    calendar_version: int
    rulebook_version: int
    pauses: tuple[Pause, ...] = ()
    extensions: tuple[Extension, ...] = ()
    warned_upto: date | None = None
    missed: bool = False
    stopped_at: datetime | None = None
    verdict: Timeliness | None = None
    judged_with: int | None = None
    """The calendar version of the verdict."""
    recomputed: Timeliness | None = None
    cancelled_because: str | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it no longer applies."""
        return self.cancelled_because is not None

    @property
    def key(self) -> Key:
        """Clock and cycle."""
        return self.clock, self.cycle

    @property
    def is_open(self) -> bool:
        """Neither stopped nor cancelled."""
        return self.stopped_at is None and not self.cancelled

    @property
    def is_paused(self) -> bool:
        """Whether its last pause has not ended."""
        return bool(self.pauses) and self.pauses[-1].until is None

    def due(self, terms: Terms) -> Due:
        """When it is due under these terms."""
        return terms.due(
            self.clock,
            self.started_at,
            own_date=self.own_date,
            pauses=self.pauses,
            extensions=self.extensions,
        )


class Clocks(Aggregate):
    """What a case does with its clocks."""

    clocks: dict[Key, Clock]
    extended_at: tuple[datetime, ...]

    # -- asking ---------------------------------------------------------------------------------------------

    def clock_of(self, clock: str, cycle: int) -> Clock:
        """That clock. Raises NoSuchClock."""
        found = self.clocks.get((clock, cycle))
        if found is None:
            raise NoSuchClock(clock=clock, cycle=cycle)
        return found

    def latest(self, clock: str) -> Clock | None:
        """The clock in its last cycle, if it ever ran."""
        cycles = [cycle for name, cycle in self.clocks if name == clock]
        return self.clocks[clock, max(cycles)] if cycles else None

    def running(self, clock: str) -> Clock | None:
        """The clock in its last cycle, if it is open."""
        found = self.latest(clock)
        return found if found is not None and found.is_open else None

    def open_clocks(self) -> Iterator[Clock]:
        """Every clock that is neither stopped nor cancelled."""
        return (clock for clock in tuple(self.clocks.values()) if clock.is_open)

    # -- starting and stopping ------------------------------------------------------------------------------

    def start(
        self,
        act: CommandContext,
        terms: Terms,
        clock: str,
        unit: str,
        *,
        started_at: datetime | None = None,
        own_date: date | None = None,
    ) -> Clock:
        """Start a clock in its next cycle. A reopened one is given its original ``started_at`` (measures C)."""
        before = self.latest(clock)
        cycle = before.cycle + 1 if before else 1
        start = started_at or act.happened_at
        due, due_on, due_at = terms.fixed(clock, start, own_date=own_date)
        self.record(
            self.ClockStarted,
            act,
            clock=clock,
            cycle=cycle,
            unit=unit,
            started_at=start,
            own_date=own_date,
            due_on=due_on,
            due_at=due_at,
            provisional=due.provisional,
            warn_on=terms.warnings(due),
            calendar_version=terms.calendar.version,
            rulebook_version=terms.rulebook.version,
        )
        return self.clocks[clock, cycle]

    def stop(self, act: CommandContext, clock: str, stopped_at: datetime | None = None) -> None:
        """The stop fact came; in time if it happened before the due moment, however late it arrived.

        Nothing happens if the clock is not running: the first fact decides.
        """
        running = self.running(clock)
        if running is None:
            return
        at = stopped_at or act.happened_at
        in_time = running.due_at is None or at < running.due_at
        self.record(
            self.ClockStopped,
            act,
            clock=clock,
            cycle=running.cycle,
            unit=running.unit,
            stopped_at=at,
            due_on=running.due_on,
            verdict="in_time" if in_time else "late",
            calendar_version=running.calendar_version,
        )
        if running.missed and in_time:
            self._retract(act, running, "fact_arrived_late")

    def cancel(self, act: CommandContext, clock: str, reason: str) -> None:
        """The clock no longer applies; nothing happens if it is not running."""
        running = self.running(clock)
        if running is not None:
            self.record(self.ClockCancelled, act, clock=clock, cycle=running.cycle, reason=reason)

    # -- moving the due date --------------------------------------------------------------------------------

    def pause(self, act: CommandContext, terms: Terms, clock: str, cycle: int, reason: str) -> None:
        """Let the clock rest from ``act.happened_at`` (whole days).

        Raises NoSuchClock, ClockNotPausable (the contact clock always), ClockNotRunning, ClockAlreadyPaused,
        PauseBeforeTheLastOne.
        """
        found = self.clock_of(clock, cycle)
        rule = terms.rule(clock)
        if not rule.pausable:
            raise ClockNotPausable(name_zh=rule.name_zh, name_en=rule.name_en)
        if not found.is_open:
            raise ClockNotRunning(clock=clock, cycle=cycle)
        if found.is_paused:
            raise ClockAlreadyPaused(clock=clock, cycle=cycle)
        self._not_before(act, _last_moment(found))
        self.record(self.ClockPaused, act, clock=clock, cycle=cycle, reason=reason)

    def resume(self, act: CommandContext, terms: Terms, clock: str, cycle: int) -> None:
        """Let it run on; the working days that were left are left still.

        Raises NoSuchClock, ClockNotRunning, ClockNotPaused, PauseBeforeTheLastOne.
        """
        found = self.clock_of(clock, cycle)
        if not found.is_open:
            raise ClockNotRunning(clock=clock, cycle=cycle)
        if not found.is_paused:
            raise ClockNotPaused(clock=clock, cycle=cycle)
        self._not_before(act, _last_moment(found))
        ended = Pause(found.pauses[-1].since, act.happened_at)
        self._reschedule(act, terms, replace(found, pauses=(*found.pauses[:-1], ended)), "resumed")

    def extend(self, act: CommandContext, terms: Terms, clock: str, to: date) -> None:
        """An approved extension puts the due date off; nothing happens if the clock is not running."""
        running = self.running(clock)
        if running is None:
            return
        extension = Extension(to=to, granted=local_day(act.happened_at))
        moved = replace(running, extensions=(*running.extensions, extension))
        self._reschedule(act, terms, moved, "extended", extended_to=to)

    def recompute(self, act: CommandContext, terms: Terms) -> None:
        """Reckon with a newer calendar: open clocks move, verdicts stay *as judged* with the new one beside."""
        for clock in tuple(self.clocks.values()):
            if clock.cancelled or clock.is_paused or clock.calendar_version >= terms.calendar.version:
                continue  # a paused clock is reckoned anew when it is resumed
            if clock.is_open:
                self._recompute(act, terms, clock)
            elif clock.stopped_at is not None and clock.verdict is not None:
                due = clock.due(terms)
                in_time = due.due_at is None or clock.stopped_at < due.due_at
                verdict: Timeliness = "in_time" if in_time else "late"
                if verdict != (clock.recomputed or clock.verdict) and due.due_on is not None:
                    self.record(
                        self.VerdictRecomputed,
                        act,
                        clock=clock.clock,
                        cycle=clock.cycle,
                        as_judged=clock.verdict,
                        recomputed=verdict,
                        due_on=due.due_on,
                        calendar_version=terms.calendar.version,
                    )

    def _recompute(self, act: CommandContext, terms: Terms, clock: Clock) -> None:
        due = clock.due(terms)
        now = (due.due_on, due.due_at, due.provisional, terms.warnings(due))
        if now != (clock.due_on, clock.due_at, clock.provisional, clock.warn_on):
            self._reschedule(act, terms, clock, "calendar")

    def _reschedule(
        self,
        act: CommandContext,
        terms: Terms,
        clock: Clock,
        ground: Ground,
        *,
        extended_to: date | None = None,
    ) -> None:
        due = clock.due(terms)
        # While it is paused there is no due date; what the event then says is replaced at the resumption.
        due_on = due.due_on or extended_to or clock.due_on
        due_at = due.due_at or close_of(due_on)
        self.record(
            self.ClockRescheduled,
            act,
            clock=clock.clock,
            cycle=clock.cycle,
            due_on=due_on,
            due_at=due_at,
            original_due_on=due.original_on,
            provisional=due.provisional,
            warn_on=terms.warnings(due),
            calendar_version=terms.calendar.version,
            ground=ground,
            extended_to=extended_to,
        )
        if clock.missed and act.recorded_at < due_at:
            self._retract(act, clock, ground)

    def _retract(
        self, act: CommandContext, clock: Clock, ground: Literal["fact_arrived_late"] | Ground
    ) -> None:
        self.record(
            self.DeadlineMissRetracted,
            act,
            clock=clock.clock,
            cycle=clock.cycle,
            unit=clock.unit,
            ground=ground,
        )
        self.withdraw_what_followed(act, clock)

    def _not_before(self, act: CommandContext, earliest: datetime) -> None:
        if act.happened_at < earliest:
            raise PauseBeforeTheLastOne(at=act.happened_at.isoformat(), earliest=earliest.isoformat())

    # -- time passes ----------------------------------------------------------------------------------------

    def tick(self, act: CommandContext, terms: Terms, clock: str, cycle: int) -> None:
        """Say what has come of this clock by ``act.recorded_at``: each warning once, the miss once.

        Asked again it says nothing, so the scheduler may ask as often as it likes. Warnings that were slept
        through are not given any more once the clock is missed.
        """
        found = self.clocks.get((clock, cycle))
        if found is None or not found.is_open or found.due_at is None or found.missed:
            return
        if found.calendar_version < terms.calendar.version:
            self._recompute(act, terms, found)
            found = self.clocks[clock, cycle]
        assert found.due_at is not None, "a calendar moves a due date but never takes it away"
        if act.recorded_at >= found.due_at:
            self.record(
                self.DeadlineMissed,
                replace(act, happened_at=found.due_at),
                clock=clock,
                cycle=cycle,
                unit=found.unit,
                due_on=found.due_on,
                due_at=found.due_at,
                detected_at=act.recorded_at,
                provisional=found.provisional,
            )
            self.follow_up_the_miss(act, terms, found)
            return
        for point, day in enumerate(found.warn_on, start=1):
            reached = midnight(day)
            if reached > act.recorded_at or (found.warned_upto is not None and day <= found.warned_upto):
                continue
            self.record(
                self.DeadlineApproaching,
                replace(act, happened_at=reached),
                clock=clock,
                cycle=cycle,
                unit=found.unit,
                point=point,
                due_on=found.due_on,
                due_at=found.due_at,
                detected_at=act.recorded_at,
            )

    def follow_up_the_miss(self, act: CommandContext, terms: Terms, missed: Clock) -> None:
        """What a miss leads to."""
        raise NotImplementedError

    def withdraw_what_followed(self, act: CommandContext, missed: Clock) -> None:
        """Take back what a retracted miss led to."""
        raise NotImplementedError

    def _set(self, clock: str, cycle: int, **values: object) -> None:
        changed = replace(self.clocks[clock, cycle], **values)  # type: ignore[arg-type]
        self.clocks = {**self.clocks, (clock, cycle): changed}

    # -- what happened --------------------------------------------------------------------------------------

    class ClockStarted(supervision.ClockStarted, Change):
        def apply(self, case: "Clocks") -> None:
            clock = Clock(
                clock=self.clock,
                cycle=self.cycle,
                unit=self.unit,
                started_at=self.started_at,
                own_date=self.own_date,
                due_on=self.due_on,
                due_at=self.due_at,
                provisional=self.provisional,
                warn_on=self.warn_on,
                calendar_version=self.calendar_version,
                rulebook_version=self.rulebook_version,
            )
            case.clocks = {**case.clocks, clock.key: clock}

    class ClockPaused(supervision.ClockPaused, Change):
        def apply(self, case: "Clocks") -> None:
            pauses = (*case.clocks[self.clock, self.cycle].pauses, Pause(self.happened_at))
            case._set(self.clock, self.cycle, pauses=pauses, due_at=None)

    class ClockRescheduled(supervision.ClockRescheduled, Change):
        def apply(self, case: "Clocks") -> None:
            clock = case.clocks[self.clock, self.cycle]
            pauses, extensions = clock.pauses, clock.extensions
            if self.ground == "resumed":
                pauses = (*pauses[:-1], Pause(pauses[-1].since, self.happened_at))
            if self.ground == "extended":
                granted = local_day(self.happened_at)
                extensions = (*extensions, Extension(to=self.extended_to, granted=granted))
                case.extended_at = (*case.extended_at, self.happened_at)
            paused = bool(pauses) and pauses[-1].until is None
            case._set(
                self.clock,
                self.cycle,
                pauses=pauses,
                extensions=extensions,
                due_on=self.due_on,
                due_at=None if paused else self.due_at,
                provisional=self.provisional,
                warn_on=self.warn_on,
                calendar_version=self.calendar_version,
            )

    class ClockStopped(supervision.ClockStopped, Change):
        def apply(self, case: "Clocks") -> None:
            case._set(
                self.clock,
                self.cycle,
                stopped_at=self.stopped_at,
                verdict=self.verdict,
                judged_with=self.calendar_version,
            )

    class ClockCancelled(supervision.ClockCancelled, Change):
        def apply(self, case: "Clocks") -> None:
            case._set(self.clock, self.cycle, cancelled_because=self.reason)

    class DeadlineApproaching(supervision.DeadlineApproaching, Change):
        def apply(self, case: "Clocks") -> None:
            warned = local_day(self.happened_at)
            case._set(self.clock, self.cycle, warned_upto=warned)

    class DeadlineMissed(supervision.DeadlineMissed, Change):
        def apply(self, case: "Clocks") -> None:
            case._set(self.clock, self.cycle, missed=True)

    class DeadlineMissRetracted(supervision.DeadlineMissRetracted, Change):
        def apply(self, case: "Clocks") -> None:
            case._set(self.clock, self.cycle, missed=False)

    class VerdictRecomputed(supervision.VerdictRecomputed, Change):
        def apply(self, case: "Clocks") -> None:
            case._set(
                self.clock, self.cycle, recomputed=self.recomputed, calendar_version=self.calendar_version
            )


def _last_moment(clock: Clock) -> datetime:
    """The last start, pause or resumption: a pause is not put before it."""
    if not clock.pauses:
        return clock.started_at
    last = clock.pauses[-1].until or clock.pauses[-1].since
    assert isinstance(last, datetime)
    return last
