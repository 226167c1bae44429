"""One clock in one cycle: its state, and what each fact does to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

from services.supervision.domain.terms import Terms
from shared.calendar.due import Due, Extension, Pause
from shared.domain.clock import local_day, midnight
from shared.domain.lifecycle import Lifecycle, replace
from shared.events import supervision
from shared.events.supervision import Confirmer, RestGround, Timeliness
from shared.rulebook import ROUND_ANSWER

Key = tuple[str, int]
"""A clock and its cycle."""

ANSWER = ROUND_ANSWER
"""The rulebook's clock of a round's answer; its cycle is the round's number."""


PAUSED, MISS = -1, 0
"""Points beside those of the warnings, which count from 1."""


class Word(NamedTuple):
    """What a clock has to say next: a warning's point or the miss, and the moment, if it comes by itself."""

    at: datetime | None
    point: int


def next_word(due_at: datetime, warn_on: Sequence[date], warned_upto: date | None) -> Word:
    """A warning that was not given yet, else that the clock is missed."""
    for point, day in enumerate(warn_on, start=1):
        if (warned_upto is None or day > warned_upto) and midnight(day) < due_at:
            return Word(midnight(day), point)
    return Word(due_at, MISS)


class Rest(NamedTuple):
    """A pause, from one fact to another, and why; several may run at a time."""

    since: datetime
    until: datetime | None = None
    ground: RestGround = "office"


@dataclass(frozen=True, kw_only=True)
class Clock:
    """时限: the facts that its due date follows from, and what has been said about it."""

    clock: str
    cycle: int
    unit: str
    follows_lead: bool
    """Whether the matter's lead has it, whoever leads."""
    silent: bool
    """Whether its end tells nobody: nothing is missed."""
    status: Literal["open", "paused", "stopped", "cancelled"] = "open"
    started_at: datetime
    started_on: date
    own_date: date | None
    due_on: date
    due_at: datetime
    """While it is paused, as it was before."""
    original_due_on: date
    reckoned_upto: date
    """The last day that its due date depends on."""
    provisional: bool
    warn_on: tuple[date, ...]
    warned_upto: date | None = None
    pauses: tuple[Rest, ...] = ()
    extensions: tuple[Extension, ...] = ()
    calendar_version: int
    rulebook_version: int
    missed: bool = False
    missed_due_at: datetime | None = None
    missed_detected_at: datetime | None = None
    charged: str | None = None
    """The unit that answers for the miss, or for having been late (domain.md §3 custody)."""
    stopped_at: datetime | None = None
    verdict: Timeliness | None = None
    judged_with: int | None = None
    """The calendar version of the verdict."""
    recomputed: Timeliness | None = None
    revised: Timeliness | None = None
    """The recomputed verdict, once a second person has let it stand."""
    revised_by: str | None = None
    revised_because: str | None = None
    cancelled_at: datetime | None = None
    cancelled_because: str | None = None
    claimed_at: datetime | None = None
    """When what stopped it is said to have happened, if it was entered after the due moment."""
    claim: Literal["waiting", "confirmed", "rejected"] | None = None
    confirmer: Confirmer | None = None
    confirmation: int | None = None
    """The cycle of the clock that runs for the confirmation."""
    claimed_by: str | None = None
    """The head who signed, if it is a round's answer."""

    @property
    def key(self) -> Key:
        """Clock and cycle."""
        return self.clock, self.cycle

    @property
    def is_open(self) -> bool:
        """Neither stopped nor cancelled."""
        return self.status in ("open", "paused")

    def in_time(self, at: datetime) -> bool:
        """Whether what happens then is in time: before the due moment, or during a rest that began before it."""
        resting = any(rest.until is None and rest.since < self.due_at for rest in self.pauses)
        return at < self.due_at or (self.status == "paused" and resting)

    def rests(self, ground: RestGround) -> bool:
        """Whether it rests on that ground."""
        return any(rest.until is None and rest.ground == ground for rest in self.pauses)

    @property
    def speaks(self) -> "Word":
        """What it has to say next, and when."""
        if self.silent:
            return Word(None, MISS)
        if self.status == "paused":
            return Word(None, PAUSED)
        return Word(None, MISS) if self.missed else next_word(self.due_at, self.warn_on, self.warned_upto)

    @property
    def last_moment(self) -> datetime:
        """The last start, pause or resumption: a pause is not put before it."""
        return max((rest.until or rest.since for rest in self.pauses), default=self.started_at)

    def due(self, terms: Terms) -> Due:
        """When it is due under these terms."""
        return terms.due(
            self.clock,
            self.started_at,
            own_date=self.own_date,
            pauses=[Pause(rest.since, rest.until) for rest in self.pauses],
            extensions=self.extensions,
        )

    def resumed(self, at: datetime, ground: RestGround | None = None) -> "Clock":
        """As it is if its rest on that ground (default: the last one) ends then; it may rest on another ground."""
        ends = [rest for rest in self.pauses if rest.until is None and ground in (None, rest.ground)][-1:]
        pauses = tuple(rest._replace(until=at) if rest in ends else rest for rest in self.pauses)
        return replace(self, status=_resting(pauses), pauses=pauses)

    def extended(self, to: date, granted: datetime) -> "Clock":
        """As it is if it is put off to that day."""
        extension = Extension(to=to, granted=local_day(granted))
        return replace(self, extensions=(*self.extensions, extension))


def _resting(pauses: Sequence[Rest]) -> Literal["open", "paused"]:
    return "paused" if any(rest.until is None for rest in pauses) else "open"


evolve_clock = Lifecycle(Clock, begins=supervision.ClockStarted)


@evolve_clock.register
def _(fact: supervision.ClockStarted) -> Clock:
    return Clock(
        clock=fact.clock,
        cycle=fact.cycle,
        unit=fact.unit,
        follows_lead=fact.follows_lead and fact.clock != ANSWER,
        silent=fact.silent,
        started_at=fact.started_at,
        started_on=local_day(fact.started_at),
        own_date=fact.own_date,
        due_on=fact.due_on,
        due_at=fact.due_at,
        original_due_on=fact.own_date or fact.due_on,
        reckoned_upto=max(fact.due_on, fact.own_date or fact.due_on),
        provisional=fact.provisional,
        warn_on=fact.warn_on,
        calendar_version=fact.calendar_version,
        rulebook_version=fact.rulebook_version,
    )


@evolve_clock.register
def _(fact: supervision.CustodyMoved, clock: Clock) -> Clock:
    # What has ended stays with the unit that had it.
    if not fact.leads or not clock.follows_lead or not clock.is_open:
        return clock
    return replace(clock, unit=fact.to_unit)


@evolve_clock.register
def _(fact: supervision.ClockPaused, clock: Clock) -> Clock:
    rest = Rest(fact.happened_at, ground=fact.rest)
    return replace(clock, status="paused", pauses=(*clock.pauses, rest))


@evolve_clock.register
def _(fact: supervision.ClockRescheduled, clock: Clock) -> Clock:
    if fact.ground == "resumed":
        clock = clock.resumed(fact.happened_at, fact.rest)
    if fact.ground == "extended" and fact.extended_to is not None:
        clock = clock.extended(fact.extended_to, fact.happened_at)
    return replace(
        clock,
        due_on=fact.due_on,
        due_at=fact.due_at,
        original_due_on=fact.original_due_on,
        reckoned_upto=max(fact.due_on, fact.original_due_on),
        provisional=fact.provisional,
        warn_on=fact.warn_on,
        calendar_version=fact.calendar_version,
    )


@evolve_clock.register
def _(fact: supervision.ClockStopped, clock: Clock) -> Clock:
    return replace(
        clock,
        status="stopped",
        stopped_at=fact.stopped_at,
        verdict=fact.verdict,
        charged=fact.unit if fact.verdict == "late" else None,
        judged_with=fact.calendar_version,
    )


@evolve_clock.register
def _(fact: supervision.EarlierTimeClaimed, clock: Clock) -> Clock:
    return replace(
        clock,
        claimed_at=fact.claimed_at,
        claim="waiting",
        confirmer=fact.confirmer,
        confirmation=fact.confirmation,
        claimed_by=fact.signed_by,
    )


@evolve_clock.register
def _(fact: supervision.EarlierTimeConfirmed, clock: Clock) -> Clock:
    if not clock.stopped_at:  # a round's answer is stopped by the signature that follows
        return replace(clock, claim="confirmed")
    return replace(clock, claim="confirmed", stopped_at=fact.stopped_at, verdict="in_time", charged=None)


@evolve_clock.register
def _(fact: supervision.EarlierTimeRejected, clock: Clock) -> Clock:
    return replace(clock, claim="rejected")


@evolve_clock.register
def _(fact: supervision.ClockCancelled, clock: Clock) -> Clock:
    return replace(clock, status="cancelled", cancelled_at=fact.happened_at, cancelled_because=fact.reason)


@evolve_clock.register
def _(fact: supervision.DeadlineApproaching, clock: Clock) -> Clock:
    return replace(clock, warned_upto=local_day(fact.happened_at))


@evolve_clock.register
def _(fact: supervision.DeadlineMissed, clock: Clock) -> Clock:
    return replace(
        clock,
        missed=True,
        missed_due_at=fact.due_at,
        missed_detected_at=fact.detected_at,
        charged=fact.unit,
    )


@evolve_clock.register
def _(fact: supervision.MissRecharged, clock: Clock) -> Clock:
    return replace(clock, charged=fact.unit)


@evolve_clock.register
def _(fact: supervision.DeadlineMissRetracted, clock: Clock) -> Clock:
    recorded_on = local_day(fact.timestamp)
    return replace(
        clock,
        missed=False,
        missed_due_at=None,
        missed_detected_at=None,
        charged=None,
        warned_upto=None if clock.warned_upto is None else min(clock.warned_upto, recorded_on),
    )


@evolve_clock.register
def _(fact: supervision.VerdictRecomputed, clock: Clock) -> Clock:
    return replace(
        clock,
        recomputed=fact.recomputed,
        reckoned_upto=max(fact.due_on, clock.original_due_on),
        calendar_version=fact.calendar_version,
    )


@evolve_clock.register
def _(fact: supervision.VerdictRevised, clock: Clock) -> Clock:
    return replace(
        clock,
        revised=fact.revised,
        revised_by=fact.by.post,
        revised_because=fact.ground,
        charged=fact.unit if fact.revised == "late" else None,
    )
