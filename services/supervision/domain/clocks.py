"""The clocks of a case: each decides by itself what its time has come to. Overdue is derived, never stored."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Literal

from services.supervision.domain.custody import Charge, charge
from services.supervision.domain.state import CaseState, Clock, hands
from services.supervision.domain.stay import Stay
from services.supervision.domain.terms import Terms
from shared.calendar.due import ClockNotPausable
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.clock import close_of, midnight
from shared.domain.guards import requires
from shared.domain.lifecycle import replace
from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.events import supervision
from shared.events.matter import MatterFact
from shared.events.supervision import Confirmer, RestGround, Timeliness
from shared.rulebook import LATE_ENTRY

Ground = Literal["resumed", "extended", "calendar"]

FOLLOW_THE_LEAD = ("lead_unit", "government_office")
"""Who answers for clocks that go with the matter, whoever leads it."""
DECIDERS = ("supervision_office", "leader_in_charge")
"""Who answers for clocks that run while others wait for a decision; they do not date it back themselves."""


class NoSuchClock(Refusal):
    """该事项没有这一时限（第 {cycle} 个计时周期）。
    This case has no such clock with cycle {cycle}."""

    status = 404


class ClockNotRunning(Refusal):
    """该时限（第 {cycle} 个计时周期）已停止或取消。
    Cycle {cycle} of this clock has stopped or was cancelled."""


class ClockAlreadyPaused(Refusal):
    """该时限（第 {cycle} 个计时周期）已在暂停中。
    Cycle {cycle} of this clock is paused already."""


class ClockNotPaused(Refusal):
    """该时限（第 {cycle} 个计时周期）没有暂停。
    Cycle {cycle} of this clock is not paused."""


class PauseBeforeTheLastOne(Refusal):
    """暂停或恢复的时间 {at} 早于 {earliest}，不能回溯。
    A pause cannot begin or end at {at}, before {earliest}: it does not reach back."""

    status = 422
    field = "happened_at"


class NothingToConfirm(Refusal):
    """该时限（第 {cycle} 个计时周期）没有待核实的补录。
    Nothing that was entered late waits to be confirmed for cycle {cycle} of this clock."""


class OnlyTheEnterpriseConfirms(Refusal):
    """是否已联系企业，只能由诉求企业自己核实。
    Only the enterprise that blew the whistle confirms that it was contacted."""

    status = 403


class OnlyTheOfficeConfirms(Refusal):
    """补录的时间由督查室核实。
    The supervision office confirms a time that was entered late."""

    status = 403


class ConfirmingOnesOwnEntry(Refusal):
    """{unit} 经手该事项，不能核实本单位的补录。
    {unit} has had the matter and does not confirm its own entry."""

    status = 403


class NothingRecomputed(Refusal):
    """该时限（第 {cycle} 个计时周期）没有与现行判定不同的复算判定。
    No recomputed verdict differs from the one that stands for cycle {cycle} of this clock."""


class VerdictAlreadyRevised(Refusal):
    """该时限（第 {cycle} 个计时周期）的判定已经修正。
    The verdict on cycle {cycle} of this clock is revised already."""


class RevisingOnesOwnUnit(Refusal):
    """不能修正本单位（{unit}）的判定，须回避。
    Nobody revises the verdict on their own unit ({unit})."""

    status = 403


class RevisingAfterOnesOwnRelease(Refusal):
    """发布日历第 {version} 版的人不能据此修正判定，须由第二人修正。
    Whoever released version {version} of the calendar does not revise verdicts by it: that takes a second person."""

    status = 403


class OnlyAHeadRevises(Refusal):
    """判定只能由政府领导或督查室主要负责人（{head}）修正。
    Only a leader or the head of the supervision office ({head}) revises a verdict."""

    status = 403


# -- guards -------------------------------------------------------------------------------------------------------


def clock_of(case: CaseState, clock: str, cycle: int) -> Clock:
    """That clock. Raises NoSuchClock."""
    found = case.clocks.get((clock, cycle))
    if found is None:
        raise NoSuchClock(cycle=cycle)
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
        raise ClockNotRunning(cycle=cycle)


def is_not_paused(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """The clock does not rest already."""
    if clock_of(case, clock, cycle).status == "paused":
        raise ClockAlreadyPaused(cycle=cycle)


def is_paused(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """The office has paused the clock."""
    if not clock_of(case, clock, cycle).rests("office"):
        raise ClockNotPaused(cycle=cycle)


def waits_for_confirmation(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """What stops it was entered late, and the earlier time is neither confirmed nor rejected."""
    if clock_of(case, clock, cycle).claim != "waiting":
        raise NothingToConfirm(cycle=cycle)


def by_the_confirmer(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """The enterprise confirms that it was contacted; everything else the supervision office, of another unit."""
    found = clock_of(case, clock, cycle)
    if found.confirmer == "enterprise":
        if act.role != Role.enterprise or act.by.unit != case.reporter:
            raise OnlyTheEnterpriseConfirms()
        return
    if act.role != Role.supervision_office:
        raise OnlyTheOfficeConfirms()
    if act.by.unit in {stay.unit for stay in case.stays}:
        raise ConfirmingOnesOwnEntry(unit=act.by.unit)


def is_recomputed(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """A later calendar judges it otherwise than the verdict that stands, and that is not revised yet."""
    found = clock_of(case, clock, cycle)
    if found.revised is not None and found.revised == found.recomputed:
        raise VerdictAlreadyRevised(cycle=cycle)
    if found.recomputed in (None, found.revised or found.verdict):
        raise NothingRecomputed(cycle=cycle)


def by_a_leader_or_the_offices_head(
    case: CaseState, act: CommandContext, clock: str, cycle: int, head_of: Callable[[str], str]
) -> None:
    """An officer of the supervision office does not revise verdicts."""
    if act.role == Role.supervision_office and act.by.post != head_of(act.by.unit):
        raise OnlyAHeadRevises(head=head_of(act.by.unit))


def concerns_another_unit(case: CaseState, act: CommandContext, clock: str, cycle: int) -> None:
    """Nobody revises the verdict on their own unit."""
    found = clock_of(case, clock, cycle)
    if act.by.unit in (found.unit, found.charged):
        raise RevisingOnesOwnUnit(unit=act.by.unit)


def by_another_than_the_releaser(
    case: CaseState, act: CommandContext, clock: str, cycle: int, released_by: Callable[[int], str | None]
) -> None:
    """Whoever released the calendar does not draw the consequence."""
    version = clock_of(case, clock, cycle).calendar_version
    if act.by.post == released_by(version):
        raise RevisingAfterOnesOwnRelease(version=version)


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
        cycle: int | None = None,
    ) -> Clock:
        """Start a clock in its next cycle. A reopened one is given its original ``started_at`` (measures C)."""
        before = self.latest(clock)
        cycle = cycle or (before.cycle + 1 if before else 1)
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
            follows_lead=terms.rule(clock).answers_for in FOLLOW_THE_LEAD,
            silent=not terms.rule(clock).ladder,
        )
        return self.state.clocks[clock, cycle]

    def stop(
        self,
        act: CommandContext,
        terms: Terms,
        clock: str,
        stopped_at: datetime | None = None,
        *,
        cycle: int | None = None,
    ) -> None:
        """The stop fact came; in time if it happened before the due moment, however late it arrived.

        Nothing happens if the clock is not running: the first fact decides. ``cycle``: by default the last one.
        """
        found = self.latest(clock) if cycle is None else self.state.clocks.get((clock, cycle))
        if found is None or not found.is_open:
            return
        at = stopped_at or act.happened_at
        in_time = found.in_time(at)
        late_for = found.charged or self._charged(terms, found)
        self.record(
            supervision.ClockStopped,
            act,
            clock=clock,
            cycle=found.cycle,
            unit=found.unit if in_time else late_for,
            stopped_at=at,
            due_on=found.due_on,
            verdict="in_time" if in_time else "late",
            calendar_version=found.calendar_version,
        )
        if found.missed and in_time:
            self._retract(act, found, "fact_arrived_late")

    def stop_by(self, act: CommandContext, terms: Terms, clock: Clock, fact: MatterFact) -> None:
        """The fact stops the clock.

        If it was entered only after the clock was due, and is said to have happened before, the clock is stopped
        late, when it was entered, until the earlier time is confirmed.
        """
        entered = fact.entered_at()
        if terms.rule(clock.clock).answers_for in DECIDERS:
            at = fact.happened_at if clock.in_time(entered) else entered
            self.stop(act, terms, clock.clock, at, cycle=clock.cycle)
            return
        at, confirmer = fact.counts_from(), fact.CONFIRMED_BY
        asks = LATE_ENTRY in terms.rulebook  # a case that began under an older one keeps it
        if confirmer is None or not asks or not clock.in_time(at) or clock.in_time(entered):
            self.stop(act, terms, clock.clock, at, cycle=clock.cycle)
            return
        self.stop(act, terms, clock.clock, entered, cycle=clock.cycle)
        self.claim_earlier_time(act, terms, clock, at, confirmer)

    def cancel(self, act: CommandContext, clock: str, reason: str) -> None:
        """The clock no longer applies; nothing happens if it is not running."""
        running = self.running(clock)
        if running is not None:
            self.record(supervision.ClockCancelled, act, clock=clock, cycle=running.cycle, reason=reason)

    # -- what was entered late --------------------------------------------------------------------------------

    def claim_earlier_time(
        self,
        act: CommandContext,
        terms: Terms,
        clock: Clock,
        claimed_at: datetime,
        confirmer: Confirmer,
        signed_by: str | None = None,
    ) -> None:
        """What stops the clock is said to have happened before it was due: a clock runs until that is confirmed."""
        earlier = [one.confirmation or 0 for one in self.state.clocks.values()]
        self.record(
            supervision.EarlierTimeClaimed,
            act,
            clock=clock.clock,
            cycle=clock.cycle,
            claimed_at=claimed_at,
            confirmer=confirmer,
            confirmation=max(earlier) + 1,
            signed_by=signed_by,
        )
        self.settle_late_entries(act, terms)

    def settle_late_entries(self, act: CommandContext, terms: Terms) -> None:
        """The office has its days to confirm what was entered late."""
        now = replace(act, happened_at=act.recorded_at)
        for waiting in tuple(self.state.clocks.values()):
            if waiting.claim == "waiting":
                self.start_the_offices(now, terms, LATE_ENTRY, waiting.confirmation)

    def start_the_offices(self, act: CommandContext, terms: Terms, clock: str, cycle: int | None) -> None:
        """Start a clock of the supervision office, once: nobody else has it, so it waits until one is registered."""
        if terms.office and clock in terms.rulebook and (clock, cycle) not in self.state.clocks:
            self.start(act, terms, clock, terms.office, cycle=cycle)

    @requires(waits_for_confirmation, by_the_confirmer)
    def confirm_earlier_time(
        self, act: CommandContext, *, terms: Terms, clock: str, cycle: int, confirmed: bool, reason: str
    ) -> None:
        """Confirm, or not, that what was entered late happened in time; confirmed, the miss is taken back."""
        found = clock_of(self.state, clock, cycle)
        assert found.claimed_at is not None
        if confirmed:
            self.record(
                supervision.EarlierTimeConfirmed,
                act,
                clock=clock,
                cycle=cycle,
                stopped_at=found.claimed_at,
                reason=reason,
            )
            self.earlier_time_holds(act, terms, found)
        else:
            self.record(supervision.EarlierTimeRejected, act, clock=clock, cycle=cycle, reason=reason)
        self.stop(act, terms, LATE_ENTRY, cycle=found.confirmation)
        self.settle(act, terms)

    def earlier_time_holds(self, act: CommandContext, terms: Terms, clock: Clock) -> None:
        """The clock was stopped in time after all."""
        if clock.missed:
            self._retract(act, clock, "fact_arrived_late")

    # -- who answers ------------------------------------------------------------------------------------------

    def hands(self, terms: Terms) -> Sequence[Stay]:
        """Who has had it; from the merger on, who has had the matter within which it goes on."""
        return hands(self.state, terms.elsewhere)

    def charge(self, terms: Terms, clock: Clock) -> Charge:
        """Who answers for the clock's miss (domain.md §3 custody)."""
        stays: Sequence[Stay] = [Stay(clock.unit, None, clock.started_at)]
        if terms.rule(clock.clock).answers_for in FOLLOW_THE_LEAD:
            stays = self.hands(terms)
        return charge(stays, clock.due(terms), clock.missed_due_at or clock.due_at, clock.started_at)

    def _charged(self, terms: Terms, clock: Clock) -> str:
        if len(self.state.stays) == 1 and not terms.elsewhere:
            return clock.unit  # most matters never change hands: the days need not be counted
        return self.charge(terms, clock).unit

    def charge_anew(self, act: CommandContext, terms: Terms) -> None:
        """Custody may have become known after the miss."""
        for clock in tuple(self.state.clocks.values()):
            if clock.charged is not None and (unit := self._charged(terms, clock)) != clock.charged:
                self.record(
                    supervision.MissRecharged,
                    act,
                    clock=clock.clock,
                    cycle=clock.cycle,
                    from_unit=clock.charged,
                    unit=unit,
                )

    # -- moving the due date --------------------------------------------------------------------------------

    @requires(pauses_by_the_rulebook, is_running, is_not_paused)
    def pause(self, act: CommandContext, *, terms: Terms, clock: str, cycle: int, reason: str) -> None:
        """Let the clock rest from ``act.happened_at`` (case days). Raises PauseBeforeTheLastOne."""
        self._not_before(act, clock_of(self.state, clock, cycle).last_moment)
        self.rest(act, terms, clock_of(self.state, clock, cycle), "office", reason)
        self.settle(act, terms)

    def rest(self, act: CommandContext, terms: Terms, clock: Clock, ground: RestGround, reason: str) -> None:
        """Let the clock rest on this ground; a miss from after the rest began is taken back."""
        self.record(
            supervision.ClockPaused, act, clock=clock.clock, cycle=clock.cycle, reason=reason, rest=ground
        )
        if clock.missed and act.happened_at < clock.due_at:
            self._retract(act, clock, "fact_arrived_late")

    @requires(is_running, is_paused)
    def resume(self, act: CommandContext, *, terms: Terms, clock: str, cycle: int) -> None:
        """Let it run on; the working days that were left are left still. Raises PauseBeforeTheLastOne."""
        found = clock_of(self.state, clock, cycle)
        self._not_before(act, found.last_moment)
        self.wake(act, terms, found, "office")
        self.settle(act, terms)

    def wake(self, act: CommandContext, terms: Terms, clock: Clock, ground: RestGround) -> None:
        """The rest on this ground is over; the clock runs on, unless it rests on another ground too."""
        self._reschedule(act, terms, clock.resumed(act.happened_at, ground), "resumed", rest=ground)

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
        self.settle(act, terms)

    @requires(
        is_recomputed, by_a_leader_or_the_offices_head, concerns_another_unit, by_another_than_the_releaser
    )
    def revise_verdict(
        self,
        act: CommandContext,
        *,
        terms: Terms,
        clock: str,
        cycle: int,
        ground: str,
        head_of: Callable[[str], str],
        released_by: Callable[[int], str | None],
    ) -> None:
        """Let the recomputed verdict stand; in time after all, what rested on the miss is withdrawn."""
        found = clock_of(self.state, clock, cycle)
        assert found.recomputed is not None
        assert found.verdict is not None
        in_time = found.recomputed == "in_time"
        self.record(
            supervision.VerdictRevised,
            act,
            clock=clock,
            cycle=cycle,
            unit=found.unit if in_time else self._charged(terms, found),
            as_judged=found.verdict,
            revised=found.recomputed,
            calendar_version=found.calendar_version,
            ground=ground,
        )
        if found.missed and in_time:
            self._retract(act, found, "calendar")
        self.settle(act, terms)

    def _recompute(self, act: CommandContext, terms: Terms, clock: Clock) -> None:
        due = clock.due(terms)
        now = (due.due_on, due.due_at, due.original_on, due.provisional, terms.warnings(due))
        if now != (clock.due_on, clock.due_at, clock.original_due_on, clock.provisional, clock.warn_on):
            self._reschedule(act, terms, clock, "calendar")

    def _reschedule(
        self,
        act: CommandContext,
        terms: Terms,
        clock: Clock,
        ground: Ground,
        *,
        extended_to: date | None = None,
        rest: RestGround | None = None,
    ) -> None:
        due = clock.due(terms)
        # While it is paused there is no due date; what the event then says is replaced at the resumption.
        due_on = due.due_on or extended_to or clock.due_on
        due_at = due.due_at or close_of(due_on)
        moved = ground == "calendar" and due_on != clock.due_on
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
            moved_from=clock.due_on if moved else None,
            unit=clock.unit if moved else None,
            rest=rest,
        )
        if clock.missed and act.recorded_at < due_at:
            self._retract(act, clock, ground)

    def _retract(
        self,
        act: CommandContext,
        clock: Clock,
        ground: Literal["fact_arrived_late", "clock_set_back"] | Ground,
    ) -> None:
        self.record(
            supervision.DeadlineMissRetracted,
            act,
            clock=clock.clock,
            cycle=clock.cycle,
            unit=clock.charged or clock.unit,
            ground=ground,
        )

    def _not_before(self, act: CommandContext, earliest: datetime) -> None:
        if act.happened_at < earliest:
            raise PauseBeforeTheLastOne(at=act.happened_at, earliest=earliest)

    # -- time passes ----------------------------------------------------------------------------------------

    def tick(self, act: CommandContext, terms: Terms, clock: str, cycle: int) -> None:
        """Say what has come of this clock by ``act.recorded_at``: each warning once, the miss once.

        Asked again it says nothing, so the scheduler may ask as often as it likes. Warnings that were slept
        through are not given any more once the clock is missed.
        """
        found = self.state.clocks.get((clock, cycle))
        if found is None or found.status != "open" or found.missed or found.silent:
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
                unit=self._charged(terms, found),
                due_on=found.due_on,
                due_at=found.due_at,
                detected_at=act.recorded_at,
                provisional=found.provisional,
                holder=self.hands(terms)[-1].unit,
            )
            self.settle(act, terms)
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

    def take_back(self, act: CommandContext, terms: Terms) -> None:
        """Retract what was missed at a moment that lies ahead again, because the suite's clock was set back."""
        for found in tuple(self.state.clocks.values()):
            if found.is_open and found.missed and found.due_at > act.recorded_at:
                self._retract(act, found, "clock_set_back")
        if self.pending_events:
            self.settle(act, terms)

    def settle(self, act: CommandContext, terms: Terms) -> None:
        """Bring what follows from the facts in line with them."""
        raise NotImplementedError
