"""The whistle 企业吹哨: from the blowing to the enterprise's own judgement (domain.md §5, measure 13).

Its three clocks run from the blowing, whatever the units do among themselves: nothing here moves them.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.enterprise.domain import refusals as no
from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation
from shared.domain.clock import close_of, local_day
from shared.domain.refusal import Refusal
from shared.events import enterprise

MANY = 3
"""The third transfer and the third rework go one level up (domain.md §5)."""

CHANNELS_OF_A_CLERK = ("phone", "window", "service_day")

LEADERS = ("vice_leader", "main_leader")

Stage = Literal[
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
ENDED: tuple[Stage, ...] = ("withdrawn", "closed")


class Whistle(Aggregate):
    """One enterprise's need for help, in the hands of its desk or of a lead unit and its supporters."""

    TOPIC = "enterprise.whistle"

    _number: str
    enterprise_id: UUID
    credit_code: str
    category: str
    title: str
    blown_at: datetime
    desk_unit: str
    leader_post: str
    stage: Stage
    before: Stage
    """The stage to which a rejected claim or an undone merger leads back."""
    lead: str | None
    post: str
    supporters: tuple[str, ...]
    routed_before: bool
    transfers: int
    returns: int
    raised: tuple[str, ...]
    """The grounds on which it went one level up, in order."""
    raised_to: str
    proposed: tuple[str, str, date] | None
    """Unit, plan and date of the plan that waits for the enterprise's agreement."""
    reworks: int
    rework_at: datetime | None
    rating_until: date | None
    claimed_by: tuple[str, str] | None
    """Unit and post that claimed that it is not feasible."""
    merged_into: UUID | None
    reporters: tuple[UUID, ...]
    """Whistles that were merged into this one at some time; those that still are say so themselves."""
    repeats: tuple[UUID, ...]

    # -- blowing --------------------------------------------------------------------------------------------------

    @classmethod
    def blow(
        cls,
        act: CommandContext,
        *,
        id: UUID,  # noqa: A002 - the library's name
        number: str,
        enterprise_id: UUID,
        credit_code: str,
        enterprise_name: str,
        category: str,
        title: str,
        text: str,
        project: str = "",
        urgency: enterprise.Urgency = "normal",
        channel: str | None = None,
        service_mode: enterprise.ServiceMode = "none",
        confidential: bool = False,
        desk_unit: str,
        leader_post: str,
        repeats: "Whistle | None" = None,
    ) -> "Whistle":
        """A new whistle, by the enterprise itself or by a clerk on its behalf, true since ``act.happened_at``.

        ``repeats`` is the earlier whistle that it repeats: linked, never blocked.
        Raises BlownForAnotherEnterprise, ChannelDoesNotFit and, for ``repeats``, RepeatOfAnotherEnterprise.
        """
        itself = act.role == "enterprise"
        if itself and act.by.unit != credit_code:
            raise no.BlownForAnotherEnterprise(credit_code=credit_code)
        channel = channel or ("web" if itself else "window")
        if (channel == "web") != itself or not (itself or channel in CHANNELS_OF_A_CLERK):
            raise no.ChannelDoesNotFit(channel=channel)
        if repeats is not None and repeats.credit_code != credit_code:
            raise no.RepeatOfAnotherEnterprise(at_field="repeats")
        whistle = cls.begin(
            cls.Blown,
            act,
            id=id,
            number=number,
            enterprise_id=enterprise_id,
            credit_code=credit_code,
            enterprise_name=enterprise_name,
            category=category,
            title=title,
            text=text,
            project=project,
            urgency=urgency,
            channel=channel,
            service_mode=service_mode,
            confidential=confidential,
            desk_unit=desk_unit,
            leader_post=leader_post,
            repeats=None if repeats is None else repeats.id,
        )
        if repeats is not None:
            whistle.record(cls.LinkedAsRepeat, act, earlier=repeats.id)
        return whistle

    class Blown(enterprise.WhistleBlown, Creation):
        def apply(self, whistle: "Whistle") -> None:
            whistle._number = self.number
            whistle.enterprise_id = self.enterprise_id
            whistle.credit_code = self.credit_code
            whistle.category = self.category
            whistle.title = self.title
            whistle.blown_at = self.happened_at
            whistle.desk_unit = self.desk_unit
            whistle.leader_post = self.leader_post
            whistle.stage = whistle.before = "raised"
            whistle.lead = None
            whistle.post = ""
            whistle.supporters = ()
            whistle.routed_before = False
            whistle.transfers = whistle.returns = whistle.reworks = 0
            whistle.raised = ()
            whistle.raised_to = ""
            whistle.proposed = None
            whistle.rework_at = None
            whistle.rating_until = None
            whistle.claimed_by = None
            whistle.merged_into = None
            whistle.reporters = ()
            whistle.repeats = ()

    def link_repeat(self, act: CommandContext, earlier: "Whistle") -> None:
        """The clerk says that it repeats an earlier whistle of the same enterprise; nothing is blocked by it."""
        self._must_be_of(act)
        if earlier.credit_code != self.credit_code:
            raise no.RepeatOfAnotherEnterprise()
        if earlier.id == self.id or earlier.blown_at > self.blown_at:
            raise no.RepeatOfALaterWhistle(earlier=earlier.number)
        if earlier.id in self.repeats:
            raise no.AlreadyLinked(number=self.number)
        self.record(self.LinkedAsRepeat, act, earlier=earlier.id)

    class LinkedAsRepeat(enterprise.RepeatLinked, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.repeats = (*whistle.repeats, self.earlier)

    # -- routing --------------------------------------------------------------------------------------------------

    def route(
        self,
        act: CommandContext,
        *,
        lead_unit: str,
        post: str,
        supporters: Sequence[str],
        leaders: Sequence[str],
    ) -> None:
        """Hand it to a lead unit and supporters; the third change of hands raises it a level.

        ``leaders`` are those who decide then: the leader in charge, and the main leader the second time.
        """
        self._must_be_in_hand()
        self._must_be_of(act)
        if self.raised and act.role != "main_leader" and act.by.post != self.raised_to:
            raise no.OnlyTheLeaderRoutes(number=self.number, leader_post=self.raised_to)
        if lead_unit in supporters:
            raise no.LeadAlsoSupports(unit=lead_unit)
        for unit in supporters:
            if list(supporters).count(unit) > 1:
                raise no.SupporterNamedTwice(unit=unit)
        if (lead_unit, post, tuple(supporters)) == (self.lead, self.post, self.supporters):
            raise no.AlreadyRoutedSo(number=self.number)
        changed_hands = self.routed_before and lead_unit != self.lead
        transfers = self.transfers + changed_hands
        self.record(
            self.Routed,
            act,
            from_unit=self.lead or self.desk_unit,
            lead_unit=lead_unit,
            post=post,
            supporters=tuple(supporters),
            transfers=transfers,
        )
        if changed_hands and transfers >= MANY:
            self._raise_a_level(act, "transfers", leaders)

    class Routed(enterprise.WhistleRouted, Change):
        def apply(self, whistle: "Whistle") -> None:
            if self.lead_unit != whistle.lead:
                whistle.proposed = None
                whistle.stage = "rework" if whistle.reworks else "routed"
            whistle.lead = self.lead_unit
            whistle.post = self.post
            whistle.supporters = self.supporters
            whistle.transfers = self.transfers
            whistle.routed_before = True

    def return_it(self, act: CommandContext, *, reason: str, suggested_unit: str) -> None:
        """The lead gives it back to the desk and says who should have it; no clock moves."""
        self._must_be_in_hand()
        self._must_lead(act)
        if suggested_unit == self.lead:
            raise no.SuggestsItself()
        self.record(
            self.Returned,
            act,
            unit=act.by.unit,
            reason=reason,
            suggested_unit=suggested_unit,
            desk_unit=self.desk_unit,
            times=self.returns + 1,
        )

    class Returned(enterprise.WhistleReturned, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.lead = None
            whistle.post = ""
            whistle.supporters = ()
            whistle.proposed = None
            whistle.returns = self.times
            whistle.stage = "raised"

    def _raise_a_level(
        self, act: CommandContext, ground: Literal["transfers", "reworks"], leaders: Sequence[str]
    ) -> None:
        if ground in self.raised:
            return
        leader = leaders[min(len(self.raised), len(leaders) - 1)] if leaders else self.leader_post
        self.record(self.RaisedALevel, act, leader_post=leader, ground=ground)

    class RaisedALevel(enterprise.WhistleRaisedALevel, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.raised = (*whistle.raised, self.ground)
            whistle.raised_to = self.leader_post

    # -- helping --------------------------------------------------------------------------------------------------

    @property
    def in_hands_of(self) -> tuple[str, ...]:
        """The units that have it in hand: the desk, or the lead and its supporters."""
        return (self.desk_unit,) if self.lead is None else (self.lead, *self.supporters)

    def contact(
        self,
        act: CommandContext,
        *,
        how: Literal["phone", "visit", "meeting", "online"],
        note: str = "",
        within: "Whistle | None" = None,
    ) -> None:
        """A unit that has it in hand got in touch with the enterprise at ``act.happened_at``.

        ``within`` is the whistle that it was merged into, whose units also contact this reporter.
        """
        self._must_be_open()
        hands = self.in_hands_of if within is None else within.in_hands_of
        if act.by.unit not in hands or act.role in LEADERS:
            raise no.NotInHand(number=self.number, unit=act.by.unit)
        if act.happened_at < self.blown_at:
            raise no.ContactBeforeWhistle(
                happened_at=act.happened_at.isoformat(), blown_at=self.blown_at.isoformat()
            )
        self.record(self.Contacted, act, unit=act.by.unit, how=how, note=note)

    class Contacted(enterprise.EnterpriseContacted, Change):
        def apply(self, whistle: "Whistle") -> None:
            if whistle.stage == "routed":
                whistle.stage = "contacted"

    def propose_plan(
        self, act: CommandContext, *, plan: str, steps: Sequence[str], promised_on: date, last_day: date
    ) -> None:
        """The lead proposes what it will do, in which steps and until when; ``last_day`` is the hard limit's.

        Raises PromiseBeyondHardLimit, which names the last possible day, and PromiseInThePast.
        """
        self._must_be_in_hand()
        self._must_lead(act)
        if promised_on > last_day:
            raise no.PromiseBeyondHardLimit(promised_on=promised_on, last_day=last_day)
        today = local_day(act.recorded_at)
        if promised_on < today:
            raise no.PromiseInThePast(promised_on=promised_on, today=today)
        self.record(
            self.PlanProposed, act, unit=act.by.unit, plan=plan, steps=tuple(steps), promised_on=promised_on
        )

    class PlanProposed(enterprise.ServicePlanProposed, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.proposed = (self.unit, self.plan, self.promised_on)
            whistle.stage = "plan_proposed"

    def agree_plan(self, act: CommandContext) -> None:
        """The enterprise, and nobody for it, agrees to the plan: the service is confirmed."""
        self._must_be_in_hand()
        self._must_be_the_enterprise(act, no.OnlyTheEnterprise)
        if self.proposed is None:
            raise no.NoPlanToAgree(number=self.number)
        unit, plan, promised_on = self.proposed
        if promised_on < local_day(act.recorded_at):
            raise no.PromiseHasPassed(promised_on=promised_on)
        self.record(self.Confirmed, act, unit=unit, plan=plan, promised_on=promised_on)

    class Confirmed(enterprise.ServiceConfirmed, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.proposed = None
            whistle.stage = "confirmed"

    def resolve(
        self, act: CommandContext, *, result: str, rating_until: date, reporters: "Sequence[Whistle]" = ()
    ) -> None:
        """The lead reports it resolved at ``act.happened_at``; ``reporters`` merged into it may rate too."""
        self._must_be_in_hand()
        self._must_lead(act)
        self._not_before_the_whistle(act)
        if self.rework_at is not None and act.happened_at < self.rework_at:
            raise no.ResolvedBeforeRework(
                happened_at=act.happened_at.isoformat(), rework_at=self.rework_at.isoformat()
            )
        for whistle in (self, *(one for one in reporters if one._goes_along_with(self))):
            # A reporter's own whistle may be younger than the resolution that also answers it.
            along = act if act.happened_at >= whistle.blown_at else act.at(whistle.blown_at)
            whistle.record(self.Resolved, along, unit=act.by.unit, result=result, rating_until=rating_until)

    class Resolved(enterprise.WhistleResolved, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.proposed = None
            whistle.rating_until = self.rating_until
            whistle.stage = "resolved"

    # -- the enterprise's judgement -------------------------------------------------------------------------------

    def rate(
        self,
        act: CommandContext,
        *,
        solved: bool,
        satisfied: bool,
        score: int,
        comment: str = "",
        leaders: Sequence[str] = (),
        within: "Whistle | None" = None,
    ) -> None:
        """The enterprise, and only it, says whether it is solved and whether it is satisfied.

        Both: closed. Otherwise it is done again; the third rework raises it a level. A reporter whose whistle was
        merged sends back the one it is ``within``, or has its own again if that one has ended.
        Raises RatingByHandlerRefused, NothingToRate and RatingWindowIsOver.
        """
        self._must_be_open()
        self._must_be_the_enterprise(act, no.RatingByHandlerRefused)
        if self.stage != "resolved" or self.rating_until is None:
            raise no.NothingToRate(number=self.number)
        if act.recorded_at >= close_of(self.rating_until):
            raise no.RatingWindowIsOver(rating_until=self.rating_until)
        self.record(self.Rated, act, solved=solved, satisfied=satisfied, score=score, comment=comment)
        if solved and satisfied:
            self.record(self.Closed, act, ground="rated")
            return
        reason = comment or ("企业不满意" if solved else "企业认为未解决")
        if within is None:
            self._order_rework(act, reason, leaders)
        elif within.stage in ENDED:
            self.record(self.Unmerged, act, out_of=within.id, reason=reason)
            self._order_rework(act, reason, leaders)
        elif within.stage == "resolved":
            within._order_rework(act, reason, leaders)

    class Rated(enterprise.WhistleRated, Change):
        def apply(self, whistle: "Whistle") -> None:
            if whistle.merged_into is not None and not (self.solved and self.satisfied):
                whistle.stage = "merged"

    def _order_rework(self, act: CommandContext, reason: str, leaders: Sequence[str]) -> None:
        times = self.reworks + 1
        self.record(self.SentBack, act, reason=reason, times=times)
        if times >= MANY:
            self._raise_a_level(act, "reworks", leaders)

    class SentBack(enterprise.ReworkOrdered, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.reworks = self.times
            whistle.rework_at = self.happened_at
            whistle.stage = "raised" if whistle.lead is None else "rework"

    @property
    def rating_is_over(self) -> "datetime | None":
        """The moment at which the time for rating ends, while a rating is awaited."""
        if self.stage != "resolved" or self.rating_until is None:
            return None
        return close_of(self.rating_until)

    def close_unrated(self, act: CommandContext) -> None:
        """The time for rating is over and the enterprise said nothing: unrated, neither satisfied nor solved."""
        self._must_be_open()
        over = self.rating_is_over
        if over is None:
            raise no.NothingToRate(number=self.number)
        if act.recorded_at < over:
            raise no.RatingWindowIsOpen(rating_until=self.rating_until)
        self.record(self.Closed, act, ground="unrated")

    class Closed(enterprise.WhistleClosed, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.stage = "closed"

    def withdraw(self, act: CommandContext, *, reason: str, reporters: "Sequence[Whistle]" = ()) -> None:
        """The enterprise takes it back; what was merged into it goes on by itself."""
        self._must_be_open()
        self._must_be_the_enterprise(act, no.OnlyTheEnterprise)
        for whistle in reporters:
            if whistle._goes_along_with(self):
                whistle.record(self.Unmerged, act, out_of=self.id, reason=f"{self.number} 已撤回")
        self.record(self.Withdrawn, act, reason=reason)

    class Withdrawn(enterprise.WhistleWithdrawn, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.stage = "withdrawn"

    # -- not feasible ---------------------------------------------------------------------------------------------

    def claim_infeasible(self, act: CommandContext, *, legal_ground: str, explanation: str) -> None:
        """The lead says that it cannot be done, and on which legal ground; a second reviewer decides."""
        self._must_be_in_hand()
        self._must_lead(act)
        self.record(
            self.ClaimedInfeasible,
            act,
            unit=act.by.unit,
            legal_ground=legal_ground,
            explanation=explanation,
        )

    class ClaimedInfeasible(enterprise.InfeasibilityClaimed, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.before = whistle.stage
            whistle.claimed_by = (self.unit, self.by.post)
            whistle.stage = "infeasibility_claimed"

    def review_infeasible(
        self, act: CommandContext, *, upheld: bool, reason: str, reporters: "Sequence[Whistle]" = ()
    ) -> None:
        """A second reviewer upholds the claim, which closes it and what was merged into it, or rejects it."""
        self._must_be_open()
        if self.stage != "infeasibility_claimed" or self.claimed_by is None:
            raise no.NoInfeasibilityClaimed(number=self.number)
        unit, post = self.claimed_by
        if act.by.unit in (unit, *self.in_hands_of) or act.by.post == post:
            raise no.ReviewerNotIndependent(unit=unit)
        self.record(self.ReviewedInfeasible, act, upheld=upheld, reason=reason)
        if not upheld:
            return
        for whistle in (self, *(one for one in reporters if one._goes_along_with(self))):
            whistle.record(self.Closed, act, ground="not_feasible")

    class ReviewedInfeasible(enterprise.InfeasibilityReviewed, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.claimed_by = None
            whistle.stage = whistle.before

    # -- merging --------------------------------------------------------------------------------------------------

    def merge(self, act: CommandContext, into: "Whistle", own_reporters: "Sequence[Whistle]" = ()) -> None:
        """It goes on within another open whistle; its reporter keeps the right to be contacted and to rate."""
        if into.id == self.id:
            raise no.MergedWithItself()
        self._must_be_in_hand()
        into._must_be_in_hand()
        self._must_be_of(act)
        if any(one._goes_along_with(self) for one in own_reporters):
            raise no.WhistleHasReporters(number=self.number)
        self.record(self.Merged, act, into=into.id)
        into.record(
            self.Joined, act, whistle_id=self.id, enterprise_id=self.enterprise_id, number=self.number
        )

    class Merged(enterprise.WhistleMerged, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.merged_into = self.into
            whistle.proposed = None
            whistle.before = whistle.stage
            whistle.stage = "merged"

    class Joined(enterprise.ReporterJoined, Change):
        def apply(self, whistle: "Whistle") -> None:
            if self.whistle_id not in whistle.reporters:
                whistle.reporters = (*whistle.reporters, self.whistle_id)

    def unmerge(self, act: CommandContext, *, reason: str) -> None:
        """It goes on by itself again, where it was before; its clocks ran from its own blowing all the time."""
        self._must_be_open()
        if self.merged_into is None:
            raise no.NotMerged(number=self.number)
        self._must_be_of(act)
        self.record(self.Unmerged, act, out_of=self.merged_into, reason=reason)

    class Unmerged(enterprise.WhistleUnmerged, Change):
        def apply(self, whistle: "Whistle") -> None:
            whistle.merged_into = None
            whistle.rating_until = None
            whistle.stage = whistle.before

    # -- standing -------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """Its stage in one word."""
        return self.stage

    @property
    def number(self) -> str:
        """Its number in the year's register."""
        return self._number

    def _goes_along_with(self, other: "Whistle") -> bool:
        return self.merged_into == other.id and self.stage not in ENDED

    def _must_be_open(self) -> None:
        if self.stage in ENDED:
            raise no.WhistleIsClosed(number=self.number, state=self.stage)

    def _must_be_in_hand(self) -> None:
        self._must_be_open()
        if self.merged_into is not None:
            raise no.WhistleIsMerged(number=self.number, into=self.merged_into)
        if self.stage == "resolved":
            raise no.WhistleIsResolved(number=self.number)
        if self.stage == "infeasibility_claimed":
            raise no.WhistleIsUnderReview(number=self.number)

    def _must_lead(self, act: CommandContext) -> None:
        if act.by.unit != self.lead or act.role in LEADERS:
            raise no.NotTheLead(number=self.number, unit=act.by.unit)

    def _must_be_of(self, act: CommandContext) -> None:
        """The desk's own government office, or a leader."""
        if act.by.unit != self.desk_unit and act.role not in LEADERS:
            raise no.RoutedByAnotherDesk(number=self.number, desk_unit=self.desk_unit)

    def _must_be_the_enterprise(self, act: CommandContext, refusal: type[Refusal]) -> None:
        if act.role != "enterprise" or act.by.unit != self.credit_code:
            raise refusal()

    def _not_before_the_whistle(self, act: CommandContext) -> None:
        if act.happened_at < self.blown_at:
            raise no.HappenedBeforeTheWhistle(
                happened_at=act.happened_at.isoformat(), blown_at=self.blown_at.isoformat()
            )
