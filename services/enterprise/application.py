"""The use cases of the enterprise service: load, decide, save."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.enterprise.domain import (
    Clocks,
    Concern,
    Enterprise,
    Register,
    Whistle,
    WhistleState,
    check_credit_code,
    clocks_of,
    matter_of,
)
from services.enterprise.domain.clocks import rating_until
from services.enterprise.domain.rates import Line, lines_of, six_rates
from services.enterprise.domain.whistle.refusals import (
    CreditCodeNeeded,
    DeskMustBeAnOffice,
    NoLeaderInCharge,
    NotALeader,
    PostOfAnotherUnit,
    UnknownEnterprise,
    UnknownWhistle,
)
from services.enterprise.domain.whistle.state import Stay
from services.enterprise.views.rating_windows import RatingWindowsView
from services.enterprise.views.whistles import records
from shared.application.application import AlreadyExists
from shared.application.result import CommandResult
from shared.calendar import Calendar
from shared.domain.aggregate import SUITE_UNIT, Aggregate, CommandContext, stable_id
from shared.domain.case_id import case_id
from shared.domain.clock import local_day
from shared.domain.hidden import is_hidden_from
from shared.domain.refusal import Refusal
from shared.domain.roles import ON_WHISTLE, Role
from shared.events.base import Actor
from shared.figures.clocks import counted_clocks, due_days
from shared.figures.figure import asked_as_of
from shared.readmodels.timers import fire_due
from shared.service.application import ServiceApplication

DESK = "office"
"""The unit id of the government office, the desk at which whistles arrive unless another one is named."""


class EnterpriseApplication(ServiceApplication):
    """Enterprises and whistles (measure 13)."""

    name = "enterprise"

    # -- enterprises ----------------------------------------------------------------------------------------------

    def register_enterprise(self, act: CommandContext, *, credit_code: str, **what: Any) -> CommandResult:
        """企业登记. Raises AlreadyExists and what Enterprise.register refuses."""
        check_credit_code(credit_code)
        enterprise = Enterprise.register(act, credit_code=credit_code, **what)
        known = AlreadyExists(kind="Enterprise", name=credit_code)
        return self.commit_new(act, enterprise, known, location=f"/api/v1/enterprises/{enterprise.id}")

    # -- whistles -------------------------------------------------------------------------------------------------

    def blow_whistle(
        self,
        act: CommandContext,
        *,
        credit_code: str | None = None,
        category: str,
        title: str,
        desk_unit: str | None = None,
        leader_post: str | None = None,
        repeats: UUID | None = None,
        **what: Any,
    ) -> CommandResult:
        """企业吹哨: numbered in the register of the year in which it is registered, and linked if it is a repeat."""
        if credit_code is None and act.role != "enterprise":
            raise CreditCodeNeeded()
        code = check_credit_code(credit_code or act.by.unit)
        year = local_day(act.recorded_at).year
        enterprise_id, register_id = stable_id("enterprise", code), Register.id_of(year)
        matter = matter_of(code, category, title)
        desk = desk_unit or DESK
        if self.reference.unit(desk, field="desk_unit")["kind"] != "office":
            raise DeskMustBeAnOffice(unit=desk)
        leader = self._known_leader(leader_post) if leader_post else self._leaders_of(desk)[0]
        self.expect((Enterprise, enterprise_id), (Concern, matter), (Register, register_id))
        enterprise = self.find(Enterprise, enterprise_id)
        if enterprise is None:
            raise UnknownEnterprise(credit_code=code)
        concern = self.find(Concern, matter)
        known = None if concern is None else concern.repeated_in(year)
        earlier = self.load(Whistle, known) if known else None
        if repeats is not None:
            earlier = self._named(act, repeats, "repeats")
        whistle_id = act.new_id("whistle")
        if concern is None:
            concern = Concern.first(act, matter, whistle_id)
        else:
            concern.again(act, whistle_id)
        register = self.find(Register, register_id) or Register.open(act, year=year)
        whistle = Whistle.blow(
            act,
            id=whistle_id,
            number=register.issue(act, whistle_id, matter),
            enterprise_id=enterprise.id,
            credit_code=code,
            enterprise_name=enterprise.state.name,
            category=category,
            title=title,
            desk_unit=desk,
            leader_post=leader,
            repeats=earlier,
            **what,
        )
        return self.commit(act, whistle, register, concern, location=f"/api/v1/whistles/{whistle.id}")

    def link_repeat(self, act: CommandContext, whistle_id: UUID, *, earlier: UUID) -> CommandResult:
        """重复诉求关联, named by the clerk."""
        whistle = self.whistle(act, whistle_id)
        whistle.link_repeat(act, earlier=self._named(act, earlier, "earlier"))
        return self.commit(act, whistle)

    def route_whistle(
        self,
        act: CommandContext,
        whistle_id: UUID,
        *,
        lead_unit: str,
        post: str | None = None,
        supporters: Sequence[str] = (),
    ) -> CommandResult:
        """派单: without a post it goes to the lead unit's main head."""
        whistle = self.whistle(act, whistle_id)
        self.reference.unit(lead_unit, field="lead_unit")
        for unit in supporters:
            self.reference.unit(unit, field="supporters")
        post = post or self.reference.head_of(lead_unit)
        if self.reference.post(post)["unit"] != lead_unit:
            raise PostOfAnotherUnit(post=post, unit=lead_unit)
        whistle.route(
            act,
            lead_unit=lead_unit,
            post=post,
            supporters=supporters,
            leaders=self._leaders_of(lead_unit, default=whistle.state.leader_post),
        )
        return self.commit(act, whistle)

    def resolve_whistle(self, act: CommandContext, whistle_id: UUID, *, result: str) -> CommandResult:
        """诉求办结: the enterprise, and every reporter merged into it, may rate from now on."""
        whistle = self.whistle(act, whistle_id)
        reporters = self._reporters(whistle)
        until = rating_until(self.rulebook, self.reference.calendar(), act.recorded_at)
        whistle.resolve(act, result=result, rating_until=until, reporters=reporters)
        return self.commit(act, whistle, *reporters)

    def rate_whistle(self, act: CommandContext, whistle_id: UUID, **what: Any) -> CommandResult:
        """企业评价."""
        whistle = self.whistle(act, whistle_id)
        main = self._main(whistle.state)
        answering = main or whistle
        leaders = self._leaders_of(
            answering.state.lead_unit or answering.state.desk_unit, default=answering.state.leader_post
        )
        whistle.rate(act, within=main, leaders=leaders, **what)
        return self.commit(act, whistle, *([main] if main else []))

    def review_infeasible(
        self, act: CommandContext, whistle_id: UUID, *, upheld: bool, reason: str
    ) -> CommandResult:
        """不可行复核."""
        whistle = self.whistle(act, whistle_id)
        reporters = self._reporters(whistle)
        whistle.review_infeasible(act, upheld=upheld, reason=reason, reporters=reporters)
        return self.commit(act, whistle, *reporters)

    def merge_whistle(self, act: CommandContext, whistle_id: UUID, *, into: UUID) -> CommandResult:
        """并案."""
        whistle = self.whistle(act, whistle_id)
        target = whistle if into == whistle_id else self._named(act, into, "into")
        whistle.merge(act, into=target, own_reporters=self._reporters(whistle))
        return self.commit(act, whistle, target)

    def withdraw_whistle(self, act: CommandContext, whistle_id: UUID, *, reason: str) -> CommandResult:
        """撤回诉求."""
        whistle = self.whistle(act, whistle_id)
        reporters = self._reporters(whistle)
        whistle.withdraw(act, reason=reason, reporters=reporters)
        return self.commit(act, whistle, *reporters)

    def rates(self, *, since: date, until: date, as_of: datetime | None) -> dict[str, Any]:
        """六项指标 of the days from ``since`` to ``until``, as known at ``as_of``, of what has arrived by now.

        Raises PeriodEndsBeforeItBegins, AsOfInTheFuture.
        """
        known = asked_as_of(as_of, since=since, until=until, now=self.clock())
        lines = self.counted(since=since, until=until, as_of=known)
        return six_rates(lines, since=since, until=until, as_of=known).plain()

    def counted(self, *, since: date, until: date, as_of: datetime) -> list[Line]:
        """What the six rates count."""
        with self.views.reading() as connection:
            clocks = counted_clocks(connection, self.views, since=since, until=until, as_of=as_of)
            whistles = records(connection, self.views)
        return lines_of(whistles, clocks, since=since, until=until, as_of=as_of)

    # -- by the clock ---------------------------------------------------------------------------------------------

    def close_unrated(self) -> bool:
        """未评价归档: close what was left unrated to the end of its rating window."""
        return fire_due(
            self.views,
            RatingWindowsView,
            self.clock(),
            lambda ended: sum(self._close_unrated(UUID(row["id"]), row["because"]) for row in ended) > 0,
            by=RatingWindowsView.by,
            read=["because"],
        )

    def _close_unrated(self, whistle_id: UUID, because: str) -> bool:
        """Whether there was a window to close; what was closed or reopened meanwhile is left."""
        now = self.clock()
        whistle = self.load(Whistle, whistle_id)
        over = whistle.state.rating_is_over
        if over is None or now < over:
            return False
        by = Actor(unit=SUITE_UNIT, post=self.name)
        act = CommandContext(
            by=by, because=because, recorded_at=now, happened_at=over, key=f"rating-window|{because}"
        )

        def close(act: CommandContext) -> CommandResult:
            whistle = self.load(Whistle, whistle_id)
            whistle.close_unrated(act)
            return self.commit(act, whistle)

        try:
            return not self.perform(act, close).replayed
        except Refusal:
            return False  # somebody was faster, e.g. withdrew it: the window will be gone from the view

    # -- what they ask for ----------------------------------------------------------------------------------------

    def hands(self, whistle: WhistleState, act: CommandContext) -> tuple[Stay, ...]:
        """Who has had it in hand, also within the whistle that it was merged into."""
        main = self._main(whistle)
        return whistle.stays if main is None else whistle.stays_within(main.state)

    def released_calendar(self, whistle: WhistleState, act: CommandContext) -> Calendar:
        """The calendar in force."""
        return self.reference.calendar()

    def clocks(self, whistle_id: UUID, blown_at: datetime) -> Clocks:
        """When its three clocks are due, as supervision says; until that is heard, by rulebook and calendar."""
        reckoned = clocks_of(self.rulebook, self.reference.calendar(), blown_at)
        with self.views.reading() as connection:
            due = due_days(connection, self.views, str(case_id("whistle", whistle_id)))
        known: dict[str, Any] = {f"{clock}_due": due_on for clock, due_on in due.items()}
        return replace(reckoned, **known)

    def last_day(self, whistle: WhistleState, act: CommandContext) -> date:
        """The day of its hard limit."""
        return clocks_of(self.rulebook, self.reference.calendar(), whistle.blown_at).hard_limit_due

    def hidden(self, found: Aggregate, act: CommandContext) -> bool:
        """See Application. For an enterprise there is no whistle but its own.

        A merged whistle concerns the units of its main one too.
        """
        if not isinstance(found, Whistle):
            return super().hidden(found, act)
        whistle = found.state
        if act.role == Role.enterprise:
            return act.by.unit != whistle.credit_code
        main = self._main(whistle) if whistle.confidential and act.role in ON_WHISTLE else None
        return is_hidden_from(act, whistle, *(main.state.concerned if main else ()))

    def whistle(self, act: CommandContext, whistle_id: UUID) -> Whistle:
        """The whistle, if the actor may know of it (domain.md §8)."""
        return self.load(Whistle, whistle_id, act)

    def _named(self, act: CommandContext, whistle_id: UUID, field: str) -> Whistle:
        """Another whistle that the request names. Raises UnknownWhistle."""
        found = self.find(Whistle, whistle_id, act)
        if found is None:
            raise UnknownWhistle(id=whistle_id, at_field=field)
        return found

    def _main(self, whistle: WhistleState) -> Whistle | None:
        return None if whistle.merged_into is None else self.load(Whistle, whistle.merged_into)

    def _reporters(self, whistle: Whistle) -> list[Whistle]:
        return [self.load(Whistle, reporter) for reporter in whistle.state.joined]

    def _known_leader(self, post: str) -> str:
        if self.reference.post(post, field="leader_post")["role"] not in ("vice_leader", "main_leader"):
            raise NotALeader(post=post)
        return post

    def _leaders_of(self, unit: str, default: str | None = None) -> tuple[str, ...]:
        """The vice leader in charge of the unit, if there is one, and the main leader. Raises NoLeaderInCharge."""
        main = self.reference.main_leader()
        leaders = (*self.reference.in_charge_of(unit)[:1], *([str(main["id"])] if main else []))
        leaders = leaders or ((default,) if default else ())
        if not leaders:
            raise NoLeaderInCharge(unit=unit)
        return leaders
