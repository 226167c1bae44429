"""A whistle's state, and what each fact does to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from shared.domain.clock import close_of
from shared.domain.lifecycle import Lifecycle, replace
from shared.events import enterprise
from shared.events.base import Fact
from shared.events.matter import Secrecy

Status = Literal[
    "raised",
    "routed",
    "contacted",
    "plan_proposed",
    "confirmed",
    "rework",
    "resolved",
    "infeasibility_claimed",
    "merged",
    "withdrawn",
    "closed",
]
ENDED: tuple[Status, ...] = ("withdrawn", "closed")


class Moment(NamedTuple):
    """One fact of a whistle's history, with both its times."""

    kind: str
    happened_at: datetime
    recorded_at: datetime
    detail: str = ""
    """Routed: the lead unit. Rated: the words ``solved`` and ``satisfied`` that apply. Closed: the ground."""
    supporters: tuple[str, ...] = ()
    """Routed: the supporting units."""


class Stay(NamedTuple):
    """经手: a unit had it in hand, from one fact to another."""

    unit: str
    began_with: type[Fact]
    since: datetime
    until: datetime | None = None

    def holds(self, unit: str, moment: datetime) -> bool:
        """Whether this unit had it then."""
        return self.unit == unit and self.since <= moment <= (self.until or moment)


class Plan(NamedTuple):
    """A service plan that waits for the enterprise's agreement."""

    unit: str
    plan: str
    promised_on: date


class Claim(NamedTuple):
    """Who claimed that the whistle is not feasible."""

    unit: str
    post: str


@dataclass(frozen=True, kw_only=True)
class WhistleState:
    """诉求: content, whose hands it is in, how it went."""

    number: str
    enterprise_id: UUID
    credit_code: str
    enterprise_name: str
    category: str
    title: str
    text: str
    project: str
    urgency: enterprise.Urgency
    channel: str
    service_mode: enterprise.ServiceMode
    confidential: bool
    status: Status = "raised"
    before: Status = "raised"
    """The status to which a rejected claim or an undone merger leads back."""
    open: bool = True
    desk_unit: str
    leader_post: str
    lead_unit: str | None = None
    post: str | None = None
    supporters: tuple[str, ...] = ()
    routed_before: bool = False
    blown_at: datetime
    recorded_at: datetime
    routed_at: datetime | None = None
    contacted_at: datetime | None = None
    """The first contact; like ``confirmed_at`` and ``resolved_at``, the first of its kind."""
    confirmed_at: datetime | None = None
    promised_on: date | None = None
    proposed: Plan | None = None
    resolved_at: datetime | None = None
    rating_until: date | None = None
    rated_at: datetime | None = None
    solved: bool | None = None
    satisfied: bool | None = None
    score: int | None = None
    closed_at: datetime | None = None
    closed_ground: str | None = None
    transfers: int = 0
    returns: int = 0
    reworks: int = 0
    rework_at: datetime | None = None
    raised_to: str | None = None
    raised_grounds: tuple[str, ...] = ()
    """The grounds on which it went one level up, in order."""
    claimed_by: Claim | None = None
    merged_into: UUID | None = None
    joined: tuple[UUID, ...] = ()
    """Whistles that were merged into this one at some time; those that still are say so themselves."""
    repeats: tuple[UUID, ...] = ()
    history: tuple[Moment, ...] = ()

    @property
    def in_hands_of(self) -> tuple[str, ...]:
        """The units that have it in hand: the desk, or the lead and its supporters."""
        return (self.desk_unit,) if self.lead_unit is None else (self.lead_unit, *self.supporters)

    @property
    def stays(self) -> tuple[Stay, ...]:
        """Who had it in hand from when until when: the desk, or the lead and its supporters."""
        stays = [Stay(self.desk_unit, enterprise.WhistleBlown, self.blown_at)]
        for step in self.history:
            if step.kind not in ("routed", "returned"):
                continue
            routed = step.kind == "routed"
            began = enterprise.WhistleRouted if routed else enterprise.WhistleReturned
            hands = (step.detail, *step.supporters) if routed else (self.desk_unit,)
            stays = [
                one if one.until is not None or one.unit in hands else one._replace(until=step.happened_at)
                for one in stays
            ]
            holding = {one.unit for one in stays if one.until is None}
            stays += [Stay(unit, began, step.happened_at) for unit in hands if unit not in holding]
        return tuple(stays)

    def stays_within(self, main: "WhistleState") -> tuple[Stay, ...]:
        """The same for one that was merged: its own until then, and from then on those of its main whistle."""
        merged_at = self.last(enterprise.WhistleMerged)
        assert merged_at is not None
        own = [one._replace(until=min(one.until or merged_at, merged_at)) for one in self.stays]
        there = [
            one
            if one.since >= merged_at
            else one._replace(began_with=enterprise.WhistleMerged, since=merged_at)
            for one in main.stays
            if one.until is None or one.until > merged_at
        ]
        return (*own, *there)

    def last(self, fact: type[Fact]) -> datetime | None:
        """When the last fact of this kind happened; of a routing, the one by which the present lead got it."""
        if fact is enterprise.WhistleBlown:
            return self.blown_at
        if fact is enterprise.WhistleRouted:
            return next(
                (one.since for one in self.stays if one.unit == self.lead_unit and one.until is None), None
            )
        kind = STEPS.get(fact.TOPIC)
        return next((step.happened_at for step in reversed(self.history) if step.kind == kind), None)

    def grounds_of(self, fact: type[Fact]) -> Mapping[type[Fact], datetime | None]:
        """What a fact of this kind rests on, and when that happened: it cannot have happened before."""
        grounds: tuple[type[Fact], ...] = (enterprise.WhistleBlown, *fact.RESTS_ON)
        found = {ground: self.last(ground) for ground in grounds}
        if fact is enterprise.WhistleRouted:
            found[self.stays[-1].began_with] = self.stays[-1].since
        if fact is enterprise.WhistleResolved:
            found |= {
                enterprise.EnterpriseContacted: self.contacted_at,
                enterprise.ReworkOrdered: self.rework_at,
            }
        return found

    @property
    def concerned(self) -> tuple[str | None, ...]:
        """The enterprise, the desk, and the units that have it in hand."""
        return (self.credit_code, self.desk_unit, self.lead_unit, *self.supporters)

    @property
    def secrecy(self) -> Secrecy:
        """密级: an enterprise's trouble is nobody else's business, and a confidential one not even its title is."""
        return "secret" if self.confidential else "internal"

    @property
    def rating_is_over(self) -> datetime | None:
        """The moment at which the time for rating ends, while a rating is awaited."""
        if self.status != "resolved" or self.rating_until is None:
            return None
        return close_of(self.rating_until)


evolve = Lifecycle(WhistleState, begins=enterprise.WhistleBlown)


STEPS = {
    enterprise.WhistleRouted.TOPIC: "routed",
    enterprise.WhistleReturned.TOPIC: "returned",
    enterprise.EnterpriseContacted.TOPIC: "contacted",
    enterprise.ServicePlanProposed.TOPIC: "planned",
    enterprise.ServiceConfirmed.TOPIC: "confirmed",
    enterprise.WhistleResolved.TOPIC: "resolved",
    enterprise.WhistleRated.TOPIC: "rated",
    enterprise.ReworkOrdered.TOPIC: "rework",
    enterprise.InfeasibilityClaimed.TOPIC: "claimed",
    enterprise.InfeasibilityReviewed.TOPIC: "reviewed",
    enterprise.WhistleMerged.TOPIC: "merged",
    enterprise.WhistleUnmerged.TOPIC: "unmerged",
    enterprise.WhistleWithdrawn.TOPIC: "withdrawn",
    enterprise.WhistleClosed.TOPIC: "closed",
}
"""The facts that are kept in a whistle's history, and as what."""


def _counted(
    whistle: WhistleState,
    fact: Fact,
    detail: str = "",
    /,
    *,
    supporters: tuple[str, ...] | None = None,
    **changes: Any,
) -> WhistleState:
    """A change that is kept in the history, with both its times."""
    moment = Moment(STEPS[fact.TOPIC], fact.happened_at, fact.timestamp, detail, supporters or ())
    if supporters is not None:
        changes["supporters"] = supporters
    return replace(whistle, history=(*whistle.history, moment), **changes)


@evolve.register
def _(fact: enterprise.WhistleBlown) -> WhistleState:
    return WhistleState(
        number=fact.number,
        enterprise_id=fact.enterprise_id,
        credit_code=fact.credit_code,
        enterprise_name=fact.enterprise_name,
        category=fact.category,
        title=fact.title,
        text=fact.text,
        project=fact.project,
        urgency=fact.urgency,
        channel=fact.channel,
        service_mode=fact.service_mode,
        confidential=fact.confidential,
        desk_unit=fact.desk_unit,
        leader_post=fact.leader_post,
        blown_at=fact.happened_at,
        recorded_at=fact.timestamp,
    )


@evolve.register
def _(fact: enterprise.RepeatLinked, whistle: WhistleState) -> WhistleState:
    return replace(whistle, repeats=(*whistle.repeats, fact.earlier))


@evolve.register
def _(fact: enterprise.WhistleRouted, whistle: WhistleState) -> WhistleState:
    moved = fact.lead_unit != whistle.lead_unit
    again: Status = "rework" if whistle.reworks else "routed"
    return _counted(
        whistle,
        fact,
        fact.lead_unit,
        status=again if moved else whistle.status,
        proposed=None if moved else whistle.proposed,
        lead_unit=fact.lead_unit,
        post=fact.post,
        supporters=fact.supporters,
        transfers=fact.transfers,
        routed_at=fact.happened_at,
        routed_before=True,
    )


@evolve.register
def _(fact: enterprise.WhistleReturned, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        status="raised",
        lead_unit=None,
        post=None,
        supporters=(),
        proposed=None,
        returns=fact.times,
    )


@evolve.register
def _(fact: enterprise.WhistleRaisedALevel, whistle: WhistleState) -> WhistleState:
    return replace(whistle, raised_to=fact.leader_post, raised_grounds=(*whistle.raised_grounds, fact.ground))


@evolve.register
def _(fact: enterprise.EnterpriseContacted, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        status="contacted" if whistle.status == "routed" else whistle.status,
        contacted_at=min(whistle.contacted_at or fact.happened_at, fact.happened_at),
    )


@evolve.register
def _(fact: enterprise.ServicePlanProposed, whistle: WhistleState) -> WhistleState:
    plan = Plan(fact.unit, fact.plan, fact.promised_on)
    return _counted(whistle, fact, status="plan_proposed", proposed=plan)


@evolve.register
def _(fact: enterprise.ServiceConfirmed, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        status="confirmed",
        proposed=None,
        confirmed_at=whistle.confirmed_at or fact.happened_at,
        promised_on=fact.promised_on,
    )


@evolve.register
def _(fact: enterprise.WhistleResolved, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        status="resolved",
        proposed=None,
        rating_until=fact.rating_until,
        resolved_at=min(whistle.resolved_at or fact.happened_at, fact.happened_at),
    )


@evolve.register
def _(fact: enterprise.WhistleRated, whistle: WhistleState) -> WhistleState:
    back = whistle.merged_into is not None and not (fact.solved and fact.satisfied)
    verdict = ("solved " if fact.solved else "") + ("satisfied" if fact.satisfied else "")
    return _counted(
        whistle,
        fact,
        verdict,
        status="merged" if back else whistle.status,
        rated_at=fact.happened_at,
        solved=fact.solved,
        satisfied=fact.satisfied,
        score=fact.score,
    )


@evolve.register
def _(fact: enterprise.ReworkOrdered, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        status="raised" if whistle.lead_unit is None else "rework",
        reworks=fact.times,
        rework_at=fact.happened_at,
    )


@evolve.register
def _(fact: enterprise.InfeasibilityClaimed, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        before=whistle.status,
        status="infeasibility_claimed",
        claimed_by=Claim(fact.unit, fact.by.post),
    )


@evolve.register
def _(fact: enterprise.InfeasibilityReviewed, whistle: WhistleState) -> WhistleState:
    return _counted(whistle, fact, status=whistle.before, claimed_by=None)


@evolve.register
def _(fact: enterprise.WhistleMerged, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        str(fact.into),
        before=whistle.status,
        status="merged",
        merged_into=fact.into,
        proposed=None,
    )


@evolve.register
def _(fact: enterprise.ReporterJoined, whistle: WhistleState) -> WhistleState:
    return replace(whistle, joined=tuple(dict.fromkeys((*whistle.joined, fact.whistle_id))))


@evolve.register
def _(fact: enterprise.WhistleUnmerged, whistle: WhistleState) -> WhistleState:
    return _counted(whistle, fact, status=whistle.before, merged_into=None, rating_until=None)


@evolve.register
def _(fact: enterprise.WhistleWithdrawn, whistle: WhistleState) -> WhistleState:
    return _counted(whistle, fact, status="withdrawn", open=False, closed_at=fact.happened_at)


@evolve.register
def _(fact: enterprise.WhistleClosed, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        fact,
        fact.ground,
        status="closed",
        open=False,
        closed_at=fact.happened_at,
        closed_ground=fact.ground,
    )
