"""One supervision round: its state, and what each fact does to it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from services.supervision.domain.state.clock import ANSWER, Key
from shared.domain.lifecycle import Lifecycle, replace
from shared.events import supervision
from shared.events.supervision import RoundKind, Trigger, Verdict, VoidGround

RoundStatus = Literal["issued", "answered", "signed", "proposed", "concluded", "objected", "voided"]


@dataclass(frozen=True, kw_only=True)
class Round:
    """督办轮次: what was asked of whom by when, the answer, the verdict and what became of it."""

    round: int
    unit: str
    post: str | None
    kind: RoundKind
    trigger: Trigger
    followed: Key | None
    """The clock whose miss triggered it."""
    follows: int | None
    """The slow round that it follows."""
    requirement: str
    status: RoundStatus = "issued"
    issued_at: datetime
    due_on: date
    due_at: datetime
    original_due_on: date
    """The date as it was set; a calendar release may move the one in force."""
    answer: str | None = None
    answered_at: datetime | None = None
    signed_by: str | None = None
    signed_at: datetime | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    unsigned: bool = False
    proposed_by: str | None = None
    """Who found it slow, until somebody else has verified it."""
    proposed_by_unit: str | None = None
    proposed_reason: str | None = None
    judged_by: str | None = None
    judged_by_unit: str | None = None
    verified_by: str | None = None
    """Who verified that it was slow."""
    judged_at: datetime | None = None
    """When the verdict was recorded: the unit's time to object runs from then."""
    concluded_at: datetime | None = None
    """When it became true: of an unsigned round its due moment, however late that was noticed."""
    void_reason: str | None = None
    void_ground: VoidGround | None = None
    voided_at: datetime | None = None
    objection: str | None = None
    objection_upheld: bool | None = None
    ruling: str | None = None

    @property
    def is_open(self) -> bool:
        """Neither judged nor voided."""
        return self.verdict is None and not self.voided

    @property
    def voided(self) -> bool:
        """Whether it was declared void."""
        return self.status == "voided"

    @property
    def concerned(self) -> tuple[str, ...]:
        """The unit that is asked."""
        return (self.unit,)


evolve_round = Lifecycle(Round, begins=supervision.RoundIssued)


@evolve_round.register
def _(fact: supervision.RoundIssued) -> Round:
    missed = fact.missed_clock is not None and fact.missed_cycle is not None
    # An event from before there was a field for it: the next round followed the one before.
    before = fact.round - 1 if fact.trigger == "slow_round" else None
    return Round(
        round=fact.round,
        unit=fact.unit,
        post=fact.post,
        kind=fact.kind,
        trigger=fact.trigger,
        followed=(str(fact.missed_clock), int(fact.missed_cycle or 0)) if missed else None,
        follows=fact.follows_round or before,
        requirement=fact.requirement,
        issued_at=fact.happened_at,
        due_on=fact.due_on,
        due_at=fact.due_at,
        original_due_on=fact.due_on,
    )


@evolve_round.register
def _(fact: supervision.ClockRescheduled, asked: Round) -> Round:
    if (fact.clock, fact.cycle) != (ANSWER, asked.round):
        return asked
    return replace(asked, due_on=fact.due_on, due_at=fact.due_at)


@evolve_round.register
def _(fact: supervision.RoundAnswered, asked: Round) -> Round:
    return replace(asked, status="answered", answer=fact.text, answered_at=fact.happened_at)


def _without_verdict(asked: Round) -> Round:
    """Without the verdict for want of a signature, and the objection to it."""
    return replace(
        asked,
        verdict=None,
        reason=None,
        unsigned=False,
        judged_by=None,
        judged_by_unit=None,
        judged_at=None,
        concluded_at=None,
        objection=None,
        objection_upheld=None,
        ruling=None,
    )


@evolve_round.register
def _(fact: supervision.RoundSigned, asked: Round) -> Round:
    return replace(
        _without_verdict(asked), status="signed", signed_by=fact.signed_by, signed_at=fact.happened_at
    )


@evolve_round.register
def _(fact: supervision.RoundVerdictWithdrawn, asked: Round) -> Round:
    return replace(_without_verdict(asked), status="issued" if asked.answer is None else "answered")


@evolve_round.register
def _(fact: supervision.SlowProposed, asked: Round) -> Round:
    return replace(
        asked,
        status="proposed",
        proposed_by=fact.by.post,
        proposed_by_unit=fact.by.unit,
        proposed_reason=fact.reason,
    )


@evolve_round.register
def _(fact: supervision.SlowNotVerified, asked: Round) -> Round:
    return replace(asked, status="signed", proposed_by=None, proposed_by_unit=None, proposed_reason=None)


@evolve_round.register
def _(fact: supervision.RoundJudged, asked: Round) -> Round:
    judge = fact.proposed_by or fact.by
    return replace(
        asked,
        status="concluded",
        verified_by=fact.by.post if fact.proposed_by else None,
        verdict=fact.verdict,
        reason=fact.reason,
        unsigned=fact.unsigned,
        judged_by=judge.post,
        judged_by_unit=judge.unit,
        judged_at=fact.timestamp,
        concluded_at=fact.happened_at,
    )


@evolve_round.register
def _(fact: supervision.RoundVoided, asked: Round) -> Round:
    return replace(
        asked,
        status="voided",
        void_reason=fact.reason,
        void_ground=fact.ground,
        voided_at=fact.happened_at,
    )


@evolve_round.register
def _(fact: supervision.ObjectionRaised, asked: Round) -> Round:
    return replace(asked, status="objected", objection=fact.text)


@evolve_round.register
def _(fact: supervision.ObjectionRuled, asked: Round) -> Round:
    status: RoundStatus = "voided" if asked.voided else "concluded"
    return replace(asked, status=status, objection_upheld=fact.upheld, ruling=fact.reason)
