"""The whistle 企业吹哨: from the blowing to the enterprise's own judgement (domain.md §5, measure 13).

Its three clocks run from the blowing, whatever the units do among themselves: nothing here moves them.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal
from uuid import UUID

from services.enterprise.domain.whistle import refusals as no
from services.enterprise.domain.whistle.state import ENDED, Stay, WhistleState, evolve
from shared.calendar import Calendar
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.clock import local_day
from shared.domain.guards import requires
from shared.domain.moments import not_before
from shared.domain.roles import LEADERS
from shared.events import enterprise
from shared.events.base import Fact

MANY = 3
"""The third transfer and the third rework go one level up (domain.md §5)."""

CHANNELS_OF_A_CLERK = ("phone", "window", "service_day")


# -- guards -------------------------------------------------------------------------------------------------------


def is_open(whistle: WhistleState, act: CommandContext) -> None:
    """It has not ended."""
    if whistle.status in ENDED:
        raise no.WhistleIsClosed(number=whistle.number, state=whistle.status)


def is_in_hand(whistle: WhistleState, act: CommandContext) -> None:
    """Somebody works on it: neither ended, nor merged, nor resolved, nor under review."""
    is_open(whistle, act)
    if whistle.merged_into is not None:
        raise no.WhistleIsMerged(number=whistle.number, into=whistle.merged_into)
    if whistle.status == "resolved":
        raise no.WhistleIsResolved(number=whistle.number)
    if whistle.status == "infeasibility_claimed":
        raise no.WhistleIsUnderReview(number=whistle.number)


def by_the_lead(whistle: WhistleState, act: CommandContext) -> None:
    """The lead unit acts."""
    if act.by.unit != whistle.lead_unit or act.role in LEADERS:
        raise no.NotTheLead(number=whistle.number, unit=act.by.unit)


def by_its_desk(whistle: WhistleState, act: CommandContext) -> None:
    """The desk's own government office acts, or a leader."""
    if act.by.unit != whistle.desk_unit and act.role not in LEADERS:
        raise no.RoutedByAnotherDesk(number=whistle.number, desk_unit=whistle.desk_unit)


def by_the_level_above(whistle: WhistleState, act: CommandContext) -> None:
    """Once it was raised a level, the leader there routes it, or the main leader."""
    if whistle.raised_grounds and act.role != "main_leader" and act.by.post != whistle.raised_to:
        raise no.OnlyTheLeaderRoutes(number=whistle.number, leader_post=whistle.raised_to)


def by_the_enterprise(whistle: WhistleState, act: CommandContext) -> None:
    """The enterprise itself acts, and nobody for it."""
    if act.role != "enterprise" or act.by.unit != whistle.credit_code:
        raise no.OnlyTheEnterprise


def rated_by_the_enterprise(whistle: WhistleState, act: CommandContext) -> None:
    """The enterprise itself rates, and nobody for it."""
    if act.role != "enterprise" or act.by.unit != whistle.credit_code:
        raise no.RatingByHandlerRefused


def by_who_has_it(whistle: WhistleState, act: CommandContext, hands: Sequence[Stay]) -> None:
    """A unit that has it in hand acts."""
    if act.by.unit not in (one.unit for one in hands if one.until is None) or act.role in LEADERS:
        raise no.NotInHand(number=whistle.number, unit=act.by.unit)


def is_contacted(whistle: WhistleState, act: CommandContext) -> None:
    """Somebody has been in touch with the enterprise."""
    if whistle.contacted_at is None:
        raise no.ResolvedWithoutContact(number=whistle.number)


def has_a_plan(whistle: WhistleState, act: CommandContext) -> None:
    """A plan waits for agreement, and its date has not passed."""
    if whistle.proposed is None:
        raise no.NoPlanToAgree(number=whistle.number)
    if whistle.proposed.promised_on < local_day(act.recorded_at):
        raise no.PromiseHasPassed(promised_on=whistle.proposed.promised_on)


def awaits_rating(whistle: WhistleState, act: CommandContext) -> None:
    """It is resolved, and the time for rating is not over."""
    over = whistle.rating_is_over
    if over is None:
        raise no.NothingToRate(number=whistle.number)
    if act.recorded_at >= over:
        raise no.RatingWindowIsOver(rating_until=whistle.rating_until)


def is_claimed_infeasible(whistle: WhistleState, act: CommandContext) -> None:
    """A claim waits for review."""
    if whistle.status != "infeasibility_claimed" or whistle.claimed_by is None:
        raise no.NoInfeasibilityClaimed(number=whistle.number)


def reviewed_independently(whistle: WhistleState, act: CommandContext) -> None:
    """The reviewer is neither of the unit or post that claimed it nor of one that has it in hand."""
    if whistle.claimed_by is None:
        return
    unit, post = whistle.claimed_by
    if act.by.unit in (unit, *whistle.in_hands_of) or act.by.post == post:
        raise no.ReviewerNotIndependent(unit=unit)


def is_merged(whistle: WhistleState, act: CommandContext) -> None:
    """It goes on within another whistle."""
    if whistle.merged_into is None:
        raise no.NotMerged(number=whistle.number)


class Whistle(Aggregate, lifecycle=evolve):
    """One enterprise's need for help, in the hands of its desk or of a lead unit and its supporters."""

    TOPIC = "enterprise.whistle"
    state: WhistleState

    def record(self, fact: type[Fact], act: CommandContext, **what: Any) -> None:
        """Record the fact. Raises BeforeWhatItRestsOn."""
        for ground, since in self.state.grounds_of(fact).items():
            not_before(act, ground, since)
        super().record(fact, act, **what)

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
        if repeats is not None and repeats.state.credit_code != credit_code:
            raise no.RepeatOfAnotherEnterprise(at_field="repeats")
        whistle = cls.begin(
            enterprise.WhistleBlown,
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
            whistle.record(enterprise.RepeatLinked, act, earlier=repeats.id)
        return whistle

    @requires(by_its_desk)
    def link_repeat(self, act: CommandContext, *, earlier: "Whistle") -> None:
        """The clerk says that it repeats an earlier whistle of the same enterprise; nothing is blocked by it."""
        if earlier.state.credit_code != self.state.credit_code:
            raise no.RepeatOfAnotherEnterprise()
        if earlier.id == self.id or earlier.state.blown_at > self.state.blown_at:
            raise no.RepeatOfALaterWhistle(earlier=earlier.number)
        if earlier.id in self.state.repeats:
            raise no.AlreadyLinked(number=self.number)
        self.record(enterprise.RepeatLinked, act, earlier=earlier.id)

    # -- routing --------------------------------------------------------------------------------------------------

    @requires(is_in_hand, by_its_desk, by_the_level_above)
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
        if lead_unit in supporters:
            raise no.LeadAlsoSupports(unit=lead_unit)
        for unit in supporters:
            if list(supporters).count(unit) > 1:
                raise no.SupporterNamedTwice(unit=unit)
        if (lead_unit, post, tuple(supporters)) == (
            self.state.lead_unit,
            self.state.post,
            self.state.supporters,
        ):
            raise no.AlreadyRoutedSo(number=self.number)
        changed_hands = self.state.routed_before and lead_unit != self.state.lead_unit
        transfers = self.state.transfers + changed_hands
        self.record(
            enterprise.WhistleRouted,
            act,
            from_unit=self.state.lead_unit or self.state.desk_unit,
            lead_unit=lead_unit,
            post=post,
            supporters=tuple(supporters),
            transfers=transfers,
        )
        if changed_hands and transfers >= MANY:
            self._raise_a_level(act, "transfers", leaders)

    @requires(is_in_hand, by_the_lead)
    def return_it(self, act: CommandContext, *, reason: str, suggested_unit: str) -> None:
        """The lead gives it back to the desk and says who should have it; no clock moves."""
        if suggested_unit == self.state.lead_unit:
            raise no.SuggestsItself()
        self.record(
            enterprise.WhistleReturned,
            act,
            unit=act.by.unit,
            reason=reason,
            suggested_unit=suggested_unit,
            desk_unit=self.state.desk_unit,
            times=self.state.returns + 1,
        )

    def _raise_a_level(
        self, act: CommandContext, ground: Literal["transfers", "reworks"], leaders: Sequence[str]
    ) -> None:
        if ground in self.state.raised_grounds:
            return
        leader = (
            leaders[min(len(self.state.raised_grounds), len(leaders) - 1)]
            if leaders
            else self.state.leader_post
        )
        self.record(enterprise.WhistleRaisedALevel, act, leader_post=leader, ground=ground)

    # -- helping --------------------------------------------------------------------------------------------------

    @requires(is_open, by_who_has_it)
    def contact(
        self,
        act: CommandContext,
        *,
        how: enterprise.ContactedBy,
        note: str = "",
        hands: Sequence[Stay],
    ) -> None:
        """A unit that has it in hand, and had it at ``act.happened_at``, got in touch with the enterprise then.

        ``hands``: who has had it in hand, also within the whistle that it was merged into.
        """
        if not any(one.holds(act.by.unit, act.happened_at) for one in hands):
            (now,) = (one for one in hands if one.unit == act.by.unit and one.until is None)
            not_before(act, now.began_with, now.since)
        self.record(enterprise.EnterpriseContacted, act, unit=act.by.unit, how=how, note=note)

    @requires(is_in_hand, by_the_lead)
    def propose_plan(
        self,
        act: CommandContext,
        *,
        plan: str,
        steps: Sequence[str],
        promised_on: date,
        last_day: date,
        calendar: Calendar,
    ) -> None:
        """The lead proposes what it will do, in which steps and until when; ``last_day`` is the hard limit's.

        Raises PromiseBeyondHardLimit, which names the last possible day, PromiseOnRestDay and PromiseInThePast.
        """
        if promised_on > last_day:
            raise no.PromiseBeyondHardLimit(promised_on=promised_on, last_day=last_day)
        if not calendar.is_working(promised_on):
            before, after = calendar.working_days_around(promised_on)
            raise no.PromiseOnRestDay(promised_on=promised_on, before=before, after=after)
        today = local_day(act.recorded_at)
        if promised_on < today:
            raise no.PromiseInThePast(promised_on=promised_on, today=today)
        self.record(
            enterprise.ServicePlanProposed,
            act,
            unit=act.by.unit,
            plan=plan,
            steps=tuple(steps),
            promised_on=promised_on,
        )

    @requires(is_in_hand, by_the_enterprise, has_a_plan)
    def agree_plan(self, act: CommandContext) -> None:
        """The enterprise, and nobody for it, agrees to the plan: the service is confirmed."""
        assert self.state.proposed is not None
        self.record(enterprise.ServiceConfirmed, act, **self.state.proposed._asdict())

    @requires(is_in_hand, by_the_lead, is_contacted)
    def resolve(
        self, act: CommandContext, *, result: str, rating_until: date, reporters: "Sequence[Whistle]" = ()
    ) -> None:
        """The lead reports it resolved at ``act.happened_at``; ``reporters`` merged into it may rate too.

        Raises ReporterNotContacted: each reporter is owed a contact of their own.
        """
        answered = [one for one in reporters if one._goes_along_with(self)]
        for reporter in answered:
            if reporter.state.contacted_at is None:
                raise no.ReporterNotContacted(number=reporter.number)
        what = {"unit": act.by.unit, "result": result, "rating_until": rating_until}
        self.record(enterprise.WhistleResolved, act, **what)
        for reporter in answered:
            # A reporter's own whistle, or its contact, may be younger than the resolution that also answers it.
            grounds = reporter.state.grounds_of(enterprise.WhistleResolved).values()
            along = max(act.happened_at, *(since for since in grounds if since is not None))
            reporter.record(enterprise.WhistleResolved, act.at(along), **what)

    # -- the enterprise's judgement -------------------------------------------------------------------------------

    @requires(is_open, rated_by_the_enterprise, awaits_rating)
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
        self.record(
            enterprise.WhistleRated, act, solved=solved, satisfied=satisfied, score=score, comment=comment
        )
        if solved and satisfied:
            self.record(enterprise.WhistleClosed, act, ground="rated")
            return
        reason = comment or ("企业不满意" if solved else "企业认为未解决")
        if within is None:
            self._order_rework(act, reason, leaders)
        elif not within.state.open:
            self.record(enterprise.WhistleUnmerged, act, out_of=within.id, reason=reason)
            self._order_rework(act, reason, leaders)
        elif within.state.status == "resolved":
            within._order_rework(act, reason, leaders)

    def _order_rework(self, act: CommandContext, reason: str, leaders: Sequence[str]) -> None:
        times = self.state.reworks + 1
        self.record(enterprise.ReworkOrdered, act, reason=reason, times=times)
        if times >= MANY:
            self._raise_a_level(act, "reworks", leaders)

    @requires(is_open)
    def close_unrated(self, act: CommandContext) -> None:
        """The time for rating is over and the enterprise said nothing: unrated, neither satisfied nor solved."""
        over = self.state.rating_is_over
        if over is None:
            raise no.NothingToRate(number=self.number)
        if act.recorded_at < over:
            raise no.RatingWindowIsOpen(rating_until=self.state.rating_until)
        self.record(enterprise.WhistleClosed, act, ground="unrated")

    @requires(is_open, by_the_enterprise)
    def withdraw(self, act: CommandContext, *, reason: str, reporters: "Sequence[Whistle]" = ()) -> None:
        """The enterprise takes it back; what was merged into it goes on by itself."""
        for whistle in reporters:
            if whistle._goes_along_with(self):
                whistle.record(
                    enterprise.WhistleUnmerged, act, out_of=self.id, reason=f"{self.number} 已撤回"
                )
        self.record(enterprise.WhistleWithdrawn, act, reason=reason)

    # -- not feasible ---------------------------------------------------------------------------------------------

    @requires(is_in_hand, by_the_lead)
    def claim_infeasible(self, act: CommandContext, *, legal_ground: str, explanation: str) -> None:
        """The lead says that it cannot be done, and on which legal ground; a second reviewer decides."""
        self.record(
            enterprise.InfeasibilityClaimed,
            act,
            unit=act.by.unit,
            legal_ground=legal_ground,
            explanation=explanation,
        )

    @requires(is_open, is_claimed_infeasible, reviewed_independently)
    def review_infeasible(
        self, act: CommandContext, *, upheld: bool, reason: str, reporters: "Sequence[Whistle]" = ()
    ) -> None:
        """A second reviewer upholds the claim, which closes it and what was merged into it, or rejects it."""
        self.record(enterprise.InfeasibilityReviewed, act, upheld=upheld, reason=reason)
        if not upheld:
            return
        for whistle in (self, *(one for one in reporters if one._goes_along_with(self))):
            whistle.record(enterprise.WhistleClosed, act, ground="not_feasible")

    # -- merging --------------------------------------------------------------------------------------------------

    @requires(is_in_hand, by_its_desk)
    def merge(self, act: CommandContext, *, into: "Whistle", own_reporters: "Sequence[Whistle]" = ()) -> None:
        """It goes on within another open whistle; its reporter keeps the right to be contacted and to rate."""
        if into.id == self.id:
            raise no.MergedWithItself()
        is_in_hand(into.state, act)
        if any(one._goes_along_with(self) for one in own_reporters):
            raise no.WhistleHasReporters(number=self.number)
        self.record(enterprise.WhistleMerged, act, into=into.id)
        into.record(
            enterprise.ReporterJoined,
            act,
            whistle_id=self.id,
            enterprise_id=self.state.enterprise_id,
            number=self.number,
        )

    @requires(is_open, is_merged, by_its_desk)
    def unmerge(self, act: CommandContext, *, reason: str) -> None:
        """It goes on by itself again, where it was before; its clocks ran from its own blowing all the time."""
        self.record(enterprise.WhistleUnmerged, act, out_of=self.state.merged_into, reason=reason)

    def _goes_along_with(self, other: "Whistle") -> bool:
        return self.state.merged_into == other.id and self.state.open
