"""A case: its own state, the whole with its clocks and rounds, and what each fact does to them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.supervision.domain.state.clock import Clock, Key, evolve_clock
from services.supervision.domain.state.round import Round, evolve_round
from services.supervision.domain.stay import Stay
from services.supervision.domain.streaks import Concluded, Streak, naming_streaks
from shared.domain.lifecycle import Lifecycle, Parts, replace
from shared.domain.text import identity
from shared.events import supervision
from shared.events.matter import CaseKind, Secrecy


class DueNaming(NamedTuple):
    """A naming that is due: the unit, the two rounds, and its id."""

    unit: str
    first: int
    second: int
    naming_id: UUID


class Unresolved(NamedTuple):
    """The last slow round, of two or more in a row, for which the main leader is told."""

    unit: str
    round: int


@dataclass(frozen=True, kw_only=True)
class CaseState:
    """督查事项: what is followed, who answers for it, who has it in hand, how many rounds and misses."""

    kind: CaseKind
    duty: str | None
    subject_id: UUID
    number: str
    title: str
    unit: str
    post: str | None
    supporters: tuple[str, ...]
    leader_post: str | None
    custodian: str
    reporter: str | None
    status: Literal["open", "closed"] = "open"
    ground: str | None = None
    opened_at: datetime
    closed_at: datetime | None = None
    rounds: int = 0
    missed: int = 0
    namings_due: int = 0
    namings: tuple[DueNaming, ...] = ()
    unresolved: Unresolved | None = None
    """For which round the main leader is told."""
    extended_at: tuple[datetime, ...] = ()
    """When extensions were granted."""
    stays: tuple[Stay, ...]
    """Who has had it, from when."""
    asked: tuple[str, ...] = ()
    """The units that rounds were put to or that answer for a miss."""
    merged_into: UUID | None = None
    """The case within which it goes on."""
    merged_at: datetime | None = None
    secrecy: Secrecy
    rulebook_version: int
    clocks: Mapping[Key, Clock] = field(default_factory=dict)
    issued: Mapping[int, Round] = field(default_factory=dict)
    """The rounds by number."""

    @property
    def number_key(self) -> str:
        """What all spellings of its number have in common."""
        return identity(self.number)

    @property
    def concerned(self) -> tuple[str | None, ...]:
        """The units that have had it in hand, the supporters, and the enterprise that reported it."""
        hands = dict.fromkeys((*(stay.unit for stay in self.stays), *self.asked))
        return (*hands, *self.supporters, self.reporter)

    @property
    def closed(self) -> bool:
        """Whether nothing is left to supervise."""
        return self.status == "closed"

    @property
    def open_round(self) -> Round | None:
        """The round that is not concluded yet: at most one."""
        return next((one for one in self.issued.values() if one.is_open), None)

    @property
    def open_clocks(self) -> Iterator[Clock]:
        """Every clock that is neither stopped nor cancelled."""
        return (clock for clock in tuple(self.clocks.values()) if clock.is_open)

    @property
    def waits_for_the_office(self) -> bool:
        """Whether a claimed completion waits for the supervision office."""
        return any(clock.rests("claimed") for clock in self.open_clocks)

    @property
    def concluded(self) -> tuple[Concluded, ...]:
        """The concluded rounds as the naming rule sees them."""
        return tuple(
            Concluded(
                round=one.round,
                unit=one.unit,
                verdict=one.verdict,
                voided=one.voided,
                objection_upheld=one.objection_upheld is True,
                overtaken=any(one.issued_at <= at < (one.concluded_at or at) for at in self.extended_at),
            )
            for one in self.issued.values()
            if one.verdict is not None
        )

    @property
    def streaks(self) -> tuple[Streak, ...]:
        """The streaks for which a unit is to be named."""
        return naming_streaks(self.concluded)


def _clock_of(fact: Any) -> Key | None:
    """The clock that a fact is about; None: each of the case's."""
    return None if isinstance(fact, supervision.CustodyMoved) else (fact.clock, fact.cycle)


def _round_of(fact: Any) -> int | None:
    """The round that a fact is about; None: each of the case's, of which the step picks its own."""
    return None if isinstance(fact, supervision.ClockRescheduled) else fact.round


evolve = Lifecycle(
    CaseState,
    begins=supervision.CaseOpened,
    parts={
        "clocks": Parts(evolve_clock, _clock_of),
        "issued": Parts(evolve_round, _round_of),
    },
)


@evolve.register
def _(fact: supervision.CaseOpened) -> CaseState:
    return CaseState(
        kind=fact.kind,
        duty=fact.duty,
        subject_id=fact.subject_id,
        number=fact.number,
        title=fact.title,
        unit=fact.unit,
        post=fact.post,
        supporters=fact.supporters,
        leader_post=fact.leader_post,
        custodian=fact.unit,
        reporter=fact.reporter,
        opened_at=fact.happened_at,
        stays=(Stay(fact.unit, fact.post, fact.happened_at),),
        secrecy=fact.secrecy,
        rulebook_version=fact.rulebook_version,
    )


@evolve.register
def _(fact: supervision.CustodyMoved, case: CaseState) -> CaseState:
    stay = Stay(fact.to_unit, fact.to_post, fact.happened_at, fact.role, fact.leads)
    moved = replace(case, custodian=fact.to_unit, stays=(*case.stays, stay))
    if not fact.leads:
        return moved
    leader = fact.leader_post or case.leader_post
    return replace(moved, unit=fact.to_unit, post=fact.to_post, leader_post=leader)


@evolve.register
def _(fact: supervision.SupportPassedOn, case: CaseState) -> CaseState:
    others = (unit for unit in case.supporters if unit != fact.from_unit)
    now = dict.fromkeys((*others, fact.to_unit))
    return replace(case, supporters=tuple(unit for unit in now if unit != case.unit))


@evolve.register
def _(fact: supervision.MatterMerged, case: CaseState) -> CaseState:
    return replace(case, merged_into=fact.into, merged_at=fact.happened_at)


@evolve.register
def _(fact: supervision.CaseClosed, case: CaseState) -> CaseState:
    return replace(case, status="closed", ground=fact.ground, closed_at=fact.happened_at)


@evolve.register
def _(fact: supervision.CaseReopened, case: CaseState) -> CaseState:
    return replace(case, status="open", ground=None, closed_at=None, merged_into=None, merged_at=None)


@evolve.register
def _(fact: supervision.ClockRescheduled, case: CaseState) -> CaseState:
    if fact.ground != "extended":
        return case
    return replace(case, extended_at=(*case.extended_at, fact.happened_at))


@evolve.register
def _(fact: supervision.DeadlineMissed, case: CaseState) -> CaseState:
    return replace(_asked(case, fact.unit), missed=case.missed + 1)


@evolve.register
def _(fact: supervision.MissRecharged, case: CaseState) -> CaseState:
    return _asked(case, fact.unit)


@evolve.register
def _(fact: supervision.DeadlineMissRetracted, case: CaseState) -> CaseState:
    return replace(case, missed=case.missed - 1)


@evolve.register
def _(fact: supervision.RoundIssued, case: CaseState) -> CaseState:
    return replace(_asked(case, fact.unit), rounds=fact.round)


@evolve.register
def _(fact: supervision.SupervisionUnresolved, case: CaseState) -> CaseState:
    return replace(case, unresolved=Unresolved(fact.unit, fact.round))


@evolve.register
def _(fact: supervision.SupervisionNoLongerUnresolved, case: CaseState) -> CaseState:
    return replace(case, unresolved=None)


@evolve.register
def _(fact: supervision.NamingBecameDue, case: CaseState) -> CaseState:
    first, second = fact.rounds
    return _due(case, *case.namings, DueNaming(fact.unit, first, second, fact.naming_id))


@evolve.register
def _(fact: supervision.NamingNoLongerDue, case: CaseState) -> CaseState:
    return _due(case, *(one for one in case.namings if one.naming_id != fact.naming_id))


def _asked(case: CaseState, unit: str) -> CaseState:
    if unit in case.asked or unit in {stay.unit for stay in case.stays}:
        return case
    return replace(case, asked=(*case.asked, unit))


def _due(case: CaseState, *namings: DueNaming) -> CaseState:
    return replace(case, namings=namings, namings_due=len(namings))


def hands(case: CaseState, elsewhere: Sequence[Stay]) -> Sequence[Stay]:
    """Who has had the case; from the merger on, who has had the one within which it goes on (``elsewhere``)."""
    if case.merged_at is None or not elsewhere:
        return case.stays
    own = [stay for stay in case.stays if stay.since < case.merged_at] or case.stays[:1]
    before = [stay for stay in elsewhere if stay.since <= case.merged_at][-1:]
    after = [stay for stay in elsewhere if stay.since > case.merged_at]
    return (*own, *(stay._replace(since=case.merged_at) for stay in before), *after)
