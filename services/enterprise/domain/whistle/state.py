"""A whistle's state, and what each fact does to it."""

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
    """One fact of a whistle's history that the rates need, with both its times."""

    kind: str
    happened_at: datetime
    recorded_at: datetime
    detail: str = ""
    """Routed: the lead unit. Rated: the words ``solved`` and ``satisfied`` that apply. Closed: the ground."""


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


def _counted(
    whistle: WhistleState, kind: str, fact: Fact, detail: str = "", /, **changes: Any
) -> WhistleState:
    """A change that the rates count: kept with both its times."""
    moment = Moment(kind, fact.happened_at, fact.timestamp, detail)
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
        "routed",
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
        "returned",
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
        "contacted",
        fact,
        status="contacted" if whistle.status == "routed" else whistle.status,
        contacted_at=min(whistle.contacted_at or fact.happened_at, fact.happened_at),
    )


@evolve.register
def _(fact: enterprise.ServicePlanProposed, whistle: WhistleState) -> WhistleState:
    return replace(whistle, status="plan_proposed", proposed=Plan(fact.unit, fact.plan, fact.promised_on))


@evolve.register
def _(fact: enterprise.ServiceConfirmed, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        "confirmed",
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
        "resolved",
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
        "rated",
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
        "rework",
        fact,
        status="raised" if whistle.lead_unit is None else "rework",
        reworks=fact.times,
        rework_at=fact.happened_at,
    )


@evolve.register
def _(fact: enterprise.InfeasibilityClaimed, whistle: WhistleState) -> WhistleState:
    return replace(
        whistle,
        before=whistle.status,
        status="infeasibility_claimed",
        claimed_by=Claim(fact.unit, fact.by.post),
    )


@evolve.register
def _(fact: enterprise.InfeasibilityReviewed, whistle: WhistleState) -> WhistleState:
    return replace(whistle, status=whistle.before, claimed_by=None)


@evolve.register
def _(fact: enterprise.WhistleMerged, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        "merged",
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
    return _counted(whistle, "unmerged", fact, status=whistle.before, merged_into=None, rating_until=None)


@evolve.register
def _(fact: enterprise.WhistleWithdrawn, whistle: WhistleState) -> WhistleState:
    return _counted(whistle, "withdrawn", fact, status="withdrawn", open=False, closed_at=fact.happened_at)


@evolve.register
def _(fact: enterprise.WhistleClosed, whistle: WhistleState) -> WhistleState:
    return _counted(
        whistle,
        "closed",
        fact,
        fact.ground,
        status="closed",
        open=False,
        closed_at=fact.happened_at,
        closed_ground=fact.ground,
    )
