"""The clocks of a case: each decides by itself what its time has come to. Overdue is derived, never stored."""

from datetime import date, datetime
from typing import Literal

from services.supervision.domain.state import CaseState, Clock
from services.supervision.domain.terms import Terms
from shared.calendar.due import ClockNotPausable
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.clock import close_of, midnight
from shared.domain.guards import requires
from shared.domain.lifecycle import replace
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.supervision import Timeliness

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


# -- guards -------------------------------------------------------------------------------------------------------


def clock_of(case: CaseState, clock: str, cycle: int) -> Clock:
    """That clock. Raises NoSuchClock."""
    found = case.clocks.get((clock, cycle))
    if found is None:
        raise NoSuchClock(clock=clock, cycle=cycle)
    return found


def pauses_by_the_rulebook(
    case: CaseState, act: CommandContext, clock: str, cycle: int, terms: Terms
) -> None:
    """The rulebook lets this clock pause; the contact clock never."""
    clock_of(case, clock, cycle)
    rule = terms.rule(clock)
    if not rule.pausable:
        raise ClockNotPausable(name_zh=rule.name_zh, name_en=rule.name_en)


def is_running(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """The clock is neither stopped nor cancelled."""
    if not clock_of(case, clock, cycle).is_open:
        raise ClockNotRunning(clock=clock, cycle=cycle)


def is_not_paused(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """The clock does not rest already."""
    if clock_of(case, clock, cycle).status == "paused":
        raise ClockAlreadyPaused(clock=clock, cycle=cycle)


def is_paused(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """The clock rests."""
    if clock_of(case, clock, cycle).status != "paused":
        raise ClockNotPaused(clock=clock, cycle=cycle)


# -- decisions ----------------------------------------------------------------------------------------------------


class Clocks(Aggregate):
    """What a case does with its clocks."""

    state: CaseState

    # -- asking ---------------------------------------------------------------------------------------------

    def latest(self, clock: str) -> Clock | None:
        """The clock in its last cycle, if it ever ran."""
        cycles = [cycle for name, cycle in self.state.clocks if name == clock]
        return self.state.clocks[clock, max(cycles)] if cycles else None

    def running(self, clock: str) -> Clock | None:
        """The clock in its last cycle, if it is open."""
        found = self.latest(clock)
        return found if found is not None and found.is_open else None

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
            supervision.ClockStarted,
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
        return self.state.clocks[clock, cycle]

    def stop(self, act: CommandContext, clock: str, stopped_at: datetime | None = None) -> None:
        """The stop fact came; in time if it happened before the due moment, however late it arrived.

        Nothing happens if the clock is not running: the first fact decides.
        """
        running = self.running(clock)
        if running is None:
            return
        at = stopped_at or act.happened_at
        in_time = running.runs_out_at is None or at < running.runs_out_at
        self.record(
            supervision.ClockStopped,
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
            self.record(supervision.ClockCancelled, act, clock=clock, cycle=running.cycle, reason=reason)

    # -- moving the due date --------------------------------------------------------------------------------

    @requires(pauses_by_the_rulebook, is_running, is_not_paused)
    def pause(self, act: CommandContext, *, terms: Terms, clock: str, cycle: int, reason: str) -> None:
        """Let the clock rest from ``act.happened_at`` (case days). Raises PauseBeforeTheLastOne."""
        self._not_before(act, clock_of(self.state, clock, cycle).last_moment)
        self.record(supervision.ClockPaused, act, clock=clock, cycle=cycle, reason=reason)

    @requires(is_running, is_paused)
    def resume(self, act: CommandContext, *, terms: Terms, clock: str, cycle: int) -> None:
        """Let it run on; the working days that were left are left still. Raises PauseBeforeTheLastOne."""
        found = clock_of(self.state, clock, cycle)
        self._not_before(act, found.last_moment)
        self._reschedule(act, terms, found.resumed(act.happened_at), "resumed")

    def extend(self, act: CommandContext, terms: Terms, clock: str, to: date) -> None:
        """An approved extension puts the due date off; nothing happens if the clock is not running."""
        running = self.running(clock)
        if running is None:
            return
        self._reschedule(act, terms, running.extended(to, act.happened_at), "extended", extended_to=to)

    def recompute(self, act: CommandContext, terms: Terms) -> None:
        """Reckon with a newer calendar: open clocks move, verdicts stay *as judged* with the new one beside."""
        for clock in tuple(self.state.clocks.values()):
            if clock.status in ("cancelled", "paused") or clock.calendar_version >= terms.calendar.version:
                continue  # a paused clock is reckoned anew when it is resumed
            if clock.is_open:
                self._recompute(act, terms, clock)
            elif clock.stopped_at is not None and clock.verdict is not None:
                due = clock.due(terms)
                in_time = due.due_at is None or clock.stopped_at < due.due_at
                verdict: Timeliness = "in_time" if in_time else "late"
                if verdict != (clock.recomputed or clock.verdict) and due.due_on is not None:
                    self.record(
                        supervision.VerdictRecomputed,
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
            supervision.ClockRescheduled,
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
            supervision.DeadlineMissRetracted,
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
        found = self.state.clocks.get((clock, cycle))
        if found is None or found.status != "open" or found.missed:
            return
        if found.calendar_version < terms.calendar.version:
            self._recompute(act, terms, found)
            found = self.state.clocks[clock, cycle]
        if act.recorded_at >= found.due_at:
            self.record(
                supervision.DeadlineMissed,
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
                supervision.DeadlineApproaching,
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
