"""The whistle's rules as facts: given these, do, these facts or this refusal; and never a state that cannot be read."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enterprise.domain import Whistle
from services.enterprise.domain import whistle as whistle_module
from services.enterprise.domain.clocks import clocks_of, rating_until
from services.enterprise.domain.register import Register, matter_of
from services.enterprise.domain.whistle import refusals
from services.enterprise.domain.whistle.state import Status
from services.enterprise.views.rating_windows import RatingWindowsView
from services.enterprise.views.whistles import WhistlesView
from shared.calendar import Calendar
from shared.domain.aggregate import CommandContext, stable_id
from shared.domain.guards import open_to
from shared.domain.moments import BeforeWhatItRestsOn
from shared.domain.refusal import Refusal
from shared.events import enterprise
from shared.events.base import Fact
from shared.log.codec import WireMapper
from shared.rulebook import load_rulebook
from shared.testing import an_act, facts, folded, kinds, rows_of, shanghai

BLOWN = shanghai("2021-02-05 16:00")
LAST_DAY = date(2021, 3, 24)
CODE = "91350100M000100Y43"
LEADERS = ("gov/vice-leader", "gov/main-leader")
RULEBOOK, CALENDAR = load_rulebook(), Calendar.base()


def act(unit: str, role: str = "officer", at: str = "2021-02-07 10:00", **more: Any) -> CommandContext:
    return an_act(shanghai(at), unit, f"{unit}/officer", role, **more)


def company(at: str = "2021-02-07 10:00") -> CommandContext:
    return an_act(shanghai(at), CODE, "legal-person", "enterprise")


def office(at: str = "2021-02-07 10:00") -> CommandContext:
    return act("office", "government_office", at)


def blown(n: int = 1, **more: Any) -> Whistle:
    whistle = Whistle.blow(
        an_act(BLOWN, CODE, "legal-person", "enterprise"),
        **{
            "id": UUID(int=n),
            "number": f"W-2021-{n:04d}",
            "enterprise_id": stable_id("enterprise", CODE),
            "credit_code": CODE,
            "enterprise_name": "煤化工公司",
            "category": "用地",
            "title": "手续",
            "text": "已等三个月。",
            "desk_unit": "office",
            "leader_post": "gov/main-leader",
            **more,
        },
    )
    return saved(whistle)


def saved(whistle: Whistle) -> Whistle:
    """As if saved and loaded: nothing is pending."""
    whistle.collect_events()
    return whistle


def routed(whistle: Whistle | None = None, lead: str = "fgw", *supporters: str) -> Whistle:
    whistle = whistle or blown()
    whistle.route(office(), lead_unit=lead, post=f"{lead}/officer", supporters=supporters, leaders=LEADERS)
    return saved(whistle)


def resolve(whistle: Whistle, at: str = "2021-02-08 10:00", *reporters: Whistle) -> Whistle:
    """Contacted, and resolved."""
    if whistle.state.contacted_at is None:
        contacted(whistle)
    whistle.resolve(act("fgw", at=at), result="已办好", rating_until=date(2021, 2, 22), reporters=reporters)
    return saved(whistle)


def rate(whistle: Whistle, good: bool, at: str = "2021-02-09 10:00", **more: Any) -> None:
    whistle.rate(company(at), solved=good, satisfied=good, score=5 if good else 1, leaders=LEADERS, **more)


def refused(refusal: type[Refusal], whistle: Whistle, command: str, *args: Any, **what: Any) -> Refusal:
    with pytest.raises(refusal) as found:
        getattr(whistle, command)(*args, **what)
    assert type(found.value) is refusal
    assert facts(whistle) == []
    return found.value


def contacted(whistle: Whistle, at: str = "2021-02-07 10:00") -> Whistle:
    whistle.contact(act("fgw", at=at), how="phone", hands=whistle.state.stays)
    return saved(whistle)


def before(ground: type[Fact], whistle: Whistle, command: str, *args: Any, **what: Any) -> None:
    """Refused, because it lies before that fact."""
    found = refused(BeforeWhatItRestsOn, whistle, command, *args, **what)
    assert found.facts["fact_zh"] == str(ground.__doc__).partition(":")[0]
    assert found.facts["happened_at"] < found.facts["since"]


def test_a_contact_counts_for_lead_and_supporter_only() -> None:
    whistle = routed(blown(), "fgw", "czj")
    whistle.contact(act("czj"), how="visit", hands=whistle.state.stays)
    assert kinds(facts(whistle)) == ["EnterpriseContacted"]
    saved(whistle)
    refused(refusals.NotInHand, whistle, "contact", act("zrj"), how="phone", hands=whistle.state.stays)
    refused(refusals.NotInHand, whistle, "contact", office(), how="phone", hands=whistle.state.stays)


def at(moment: str, unit: str = "fgw") -> CommandContext:
    """An act of that moment, entered long after."""
    return act(unit, at="2021-02-25 09:00", happened_at=shanghai(moment))


def test_a_unit_contacts_nobody_before_it_has_the_whistle() -> None:
    whistle = blown()
    desk = {"unit": "office", "role": "government_office"}
    early = {"at": "2021-02-05 17:00", "happened_at": BLOWN - timedelta(seconds=1)}
    before(
        enterprise.WhistleBlown,
        whistle,
        "contact",
        act(**desk, **early),  # type: ignore[arg-type]
        how="phone",
        hands=whistle.state.stays,
    )
    whistle.contact(act(**desk, happened_at=BLOWN), how="phone", hands=whistle.state.stays)
    routed(saved(whistle))
    routed(whistle, "fgw", "czj")
    hands = whistle.state.stays
    before(enterprise.WhistleRouted, whistle, "contact", at("2021-02-07 09:59"), how="phone", hands=hands)
    for unit in ("fgw", "czj"):
        whistle.contact(at("2021-02-07 10:00", unit), how="phone", hands=hands)


def test_a_unit_that_gets_it_back_may_enter_a_contact_of_its_first_stay_and_none_of_the_time_between() -> (
    None
):
    whistle = routed()
    whistle.return_it(act("fgw", at="2021-02-08 10:00"), reason="不属本单位", suggested_unit="czj")
    whistle.route(
        office("2021-02-09 10:00"), lead_unit="fgw", post="fgw/head", supporters=(), leaders=LEADERS
    )
    saved(whistle)
    hands = whistle.state.stays
    before(enterprise.WhistleRouted, whistle, "contact", at("2021-02-08 15:00"), how="phone", hands=hands)
    whistle.contact(at("2021-02-08 09:00"), how="phone", hands=hands)


def test_a_main_whistles_lead_contacts_a_reporter_only_from_the_merger_on() -> None:
    main, joined = routed(blown(1)), blown(2)
    joined.merge(office("2021-02-08 10:00"), into=main)
    saved(joined)
    hands = joined.state.stays_within(main.state)
    before(enterprise.WhistleMerged, joined, "contact", at("2021-02-08 09:00"), how="phone", hands=hands)
    joined.contact(at("2021-02-08 10:00"), how="phone", hands=hands)


def test_nothing_lies_before_what_it_rests_on() -> None:
    whistle = routed()
    suggests = {"reason": "x", "suggested_unit": "czj"}
    before(enterprise.WhistleRouted, whistle, "return_it", at("2021-02-07 09:59"), **suggests)
    plan = {
        "plan": "办",
        "steps": ["办"],
        "promised_on": LAST_DAY,
        "last_day": LAST_DAY,
        "calendar": CALENDAR,
    }
    before(enterprise.WhistleRouted, whistle, "propose_plan", at("2021-02-07 09:59"), **plan)
    contacted(whistle, "2021-02-08 10:00")
    before(enterprise.EnterpriseContacted, whistle, "propose_plan", at("2021-02-08 09:59"), **plan)
    done = {"result": "办好", "rating_until": date(2021, 3, 1)}
    before(enterprise.WhistleRouted, whistle, "resolve", at("2021-02-07 09:59"), **done)
    before(enterprise.EnterpriseContacted, whistle, "resolve", at("2021-02-08 09:59"), **done)
    whistle.propose_plan(at("2021-02-08 11:00"), **plan)  # type: ignore[arg-type]
    saved(whistle)
    agreed = company("2021-02-25 10:00")
    before(enterprise.ServicePlanProposed, whistle, "agree_plan", agreed.at(shanghai("2021-02-08 10:59")))
    whistle.agree_plan(agreed.at(shanghai("2021-02-08 12:00")))
    saved(whistle)
    before(enterprise.ServiceConfirmed, whistle, "resolve", at("2021-02-08 11:59"), **done)
    whistle.resolve(at("2021-02-20 10:00"), **done)  # type: ignore[arg-type]
    saved(whistle)
    verdict = {"solved": False, "satisfied": False, "score": 1}
    before(enterprise.WhistleResolved, whistle, "rate", agreed.at(shanghai("2021-02-20 09:59")), **verdict)


def test_a_review_lies_after_its_claim_and_an_undone_merger_after_the_merger() -> None:
    whistle = routed()
    claim = {"legal_ground": "x", "explanation": "x"}
    before(enterprise.WhistleRouted, whistle, "claim_infeasible", at("2021-02-07 09:59"), **claim)
    whistle.claim_infeasible(act("fgw", at="2021-02-08 10:00"), **claim)
    saved(whistle)
    review = act("inspect", "supervision_office", at="2021-02-09 10:00")
    early = review.at(shanghai("2021-02-08 09:59"))
    before(enterprise.InfeasibilityClaimed, whistle, "review_infeasible", early, upheld=True, reason="x")
    joined = blown(2)
    joined.merge(office("2021-02-08 10:00"), into=blown(3))
    saved(joined)
    undone = office("2021-02-09 10:00").at(shanghai("2021-02-08 09:59"))
    before(enterprise.WhistleMerged, joined, "unmerge", undone, reason="x")


def test_a_routing_lies_after_the_one_before_and_after_the_return() -> None:
    whistle = routed()
    again = {"lead_unit": "czj", "post": "czj/head", "supporters": (), "leaders": LEADERS}
    late = office("2021-02-25 09:00")
    before(enterprise.WhistleRouted, whistle, "route", late.at(shanghai("2021-02-07 09:59")), **again)
    whistle.return_it(act("fgw", at="2021-02-08 10:00"), reason="不属本单位", suggested_unit="czj")
    saved(whistle)
    before(enterprise.WhistleReturned, whistle, "route", late.at(shanghai("2021-02-08 09:59")), **again)


def test_nothing_is_resolved_without_a_contact_nor_along_with_a_reporter_who_had_none() -> None:
    done = {"result": "办好", "rating_until": date(2021, 3, 1)}
    main, joined = routed(blown(1)), blown(2)
    refused(refusals.ResolvedWithoutContact, main, "resolve", act("fgw"), **done)
    joined.merge(office(), into=main)
    contacted(saved(main)), saved(joined)
    found = refused(refusals.ReporterNotContacted, main, "resolve", act("fgw"), **done, reporters=[joined])
    assert "W-2021-0002" in found.text("zh")
    joined.contact(
        act("fgw", at="2021-02-08 10:00"), how="phone", hands=joined.state.stays_within(main.state)
    )
    main.resolve(at("2021-02-07 12:00"), **done, reporters=[saved(joined)])  # type: ignore[arg-type]
    assert (main.state.resolved_at, joined.state.resolved_at) == (
        shanghai("2021-02-07 12:00"),
        shanghai("2021-02-08 10:00"),
    )


@pytest.mark.parametrize(
    ("day", "around"),
    [("2021-02-13", ("2021-02-10", "2021-02-18")), ("2021-03-06", ("2021-03-05", "2021-03-08"))],
)
def test_a_promise_on_a_rest_day_is_refused_and_told_the_days_around(
    day: str, around: tuple[str, str]
) -> None:
    what = {"plan": "办", "steps": ["办"], "last_day": LAST_DAY, "calendar": CALENDAR}
    promised = date.fromisoformat(day)
    found = refused(
        refusals.PromiseOnRestDay, routed(), "propose_plan", act("fgw"), promised_on=promised, **what
    )
    assert [str(found.facts[name]) for name in ("before", "after")] == [*around]


def test_a_make_up_saturday_or_sunday_may_be_promised() -> None:
    whistle = routed()
    plan = {"plan": "办", "steps": ["办"], "last_day": LAST_DAY, "calendar": CALENDAR}
    whistle.propose_plan(act("fgw"), promised_on=date(2021, 2, 20), **plan)  # type: ignore[arg-type]
    assert kinds(facts(whistle)) == ["ServicePlanProposed"]


def test_the_desk_has_it_in_hand_until_it_is_routed() -> None:
    whistle = blown()
    whistle.contact(office(), how="phone", hands=whistle.state.stays)
    assert kinds(facts(whistle)) == ["EnterpriseContacted"]


def test_a_promise_beyond_the_thirtieth_working_day_is_refused_and_told_the_last_possible_day() -> None:
    plan = {"plan": "分步办理", "steps": ["补件"], "last_day": LAST_DAY, "calendar": CALENDAR}
    found = refused(
        refusals.PromiseBeyondHardLimit,
        routed(),
        "propose_plan",
        act("fgw"),
        promised_on=LAST_DAY + timedelta(days=1),
        **plan,
    )
    assert "2021-03-24" in found.text("zh")
    assert "2021-03-24" in found.text("en")
    whistle = routed()
    whistle.propose_plan(act("fgw"), promised_on=LAST_DAY, **plan)  # type: ignore[arg-type]
    whistle.agree_plan(company())
    assert kinds(facts(whistle)) == ["ServicePlanProposed", "ServiceConfirmed"]


def test_only_the_enterprise_agrees_and_only_while_the_promise_can_still_be_kept() -> None:
    whistle = routed()
    refused(refusals.NoPlanToAgree, whistle, "agree_plan", company())
    whistle.propose_plan(
        act("fgw"),
        plan="办",
        steps=["办"],
        promised_on=date(2021, 2, 9),
        last_day=LAST_DAY,
        calendar=CALENDAR,
    )
    saved(whistle)
    refused(refusals.OnlyTheEnterprise, whistle, "agree_plan", act("fgw"))
    refused(refusals.PromiseHasPassed, whistle, "agree_plan", company("2021-02-10 08:00"))


def test_a_plan_dies_with_the_lead_that_proposed_it() -> None:
    whistle = routed()
    whistle.propose_plan(
        act("fgw"), plan="办", steps=["办"], promised_on=LAST_DAY, last_day=LAST_DAY, calendar=CALENDAR
    )
    routed(whistle, "czj")
    refused(refusals.NoPlanToAgree, whistle, "agree_plan", company())


@pytest.mark.parametrize(("unit", "role"), [("fgw", "officer"), ("office", "government_office")])
def test_a_handler_cannot_rate(unit: str, role: str) -> None:
    whistle = resolve(routed())
    refused(
        refusals.RatingByHandlerRefused,
        whistle,
        "rate",
        act(unit, role),
        solved=True,
        satisfied=True,
        score=5,
    )


def test_a_handler_with_an_enterprises_role_but_another_code_cannot_rate() -> None:
    whistle = resolve(routed())
    other = an_act(shanghai("2021-02-09 10:00"), "91110000802100433B", "legal-person", "enterprise")
    refused(refusals.RatingByHandlerRefused, whistle, "rate", other, solved=True, satisfied=True, score=5)


@pytest.mark.parametrize(("solved", "satisfied"), [(False, False), (True, False), (False, True)])
def test_not_satisfied_or_not_solved_is_done_again(solved: bool, satisfied: bool) -> None:
    whistle = resolve(routed())
    whistle.rate(company("2021-02-09 10:00"), solved=solved, satisfied=satisfied, score=2)
    assert kinds(facts(whistle)) == ["WhistleRated", "ReworkOrdered"]
    assert whistle.status == "rework"


def test_three_reworks_go_one_level_up_and_only_once() -> None:
    whistle = routed()
    told: list[str] = []
    for day in range(8, 12):
        resolve(whistle, f"2021-02-{day:02d} 10:00")
        rate(whistle, False, f"2021-02-{day:02d} 11:00")
        told.append(",".join(kinds(facts(whistle))))
        saved(whistle)
    again = "WhistleRated,ReworkOrdered"
    assert told == [again, again, again + ",WhistleRaisedALevel", again]
    assert (whistle.state.raised_grounds, whistle.state.raised_to) == (("reworks",), "gov/vice-leader")


def test_a_resolution_cannot_be_dated_before_the_rework() -> None:
    whistle = resolve(routed())
    rate(whistle, False)
    saved(whistle)
    early = act("fgw", at="2021-02-10 10:00", happened_at=shanghai("2021-02-08 12:00"))
    before(enterprise.ReworkOrdered, whistle, "resolve", early, result="早", rating_until=date(2021, 2, 22))


def test_the_third_change_of_hands_goes_to_the_leader_who_alone_routes_then() -> None:
    whistle = routed()
    for lead in ("czj", "zrj"):
        whistle.return_it(act(str(whistle.state.lead_unit)), reason="不属本单位", suggested_unit=lead)
        routed(whistle, lead)
    assert whistle.state.transfers == 2
    whistle.route(office(), lead_unit="gxj", post="gxj/head", supporters=(), leaders=LEADERS)
    assert kinds(facts(whistle)) == ["WhistleRouted", "WhistleRaisedALevel"]
    saved(whistle)
    back = {"lead_unit": "fgw", "post": "fgw/head", "supporters": (), "leaders": LEADERS}
    refused(refusals.OnlyTheLeaderRoutes, whistle, "route", office(), **back)
    another = an_act(shanghai("2021-02-07 10:00"), "gov", "gov/another-vice-leader", "vice_leader")
    refused(refusals.OnlyTheLeaderRoutes, whistle, "route", another, **back)
    vice = an_act(shanghai("2021-02-07 10:00"), "gov", "gov/vice-leader", "vice_leader")
    whistle.route(vice, **back)  # type: ignore[arg-type]
    assert kinds(facts(whistle)) == ["WhistleRouted"]
    assert whistle.state.transfers == 4


def test_new_supporters_under_the_same_lead_are_no_transfer() -> None:
    whistle = routed()
    routed(whistle, "fgw", "czj")
    assert (whistle.state.transfers, whistle.state.in_hands_of) == (0, ("fgw", "czj"))
    what = {"lead_unit": "fgw", "post": "fgw/officer", "supporters": ("czj",), "leaders": LEADERS}
    refused(refusals.AlreadyRoutedSo, whistle, "route", office(), **what)


def test_unrated_is_closed_after_the_window_and_not_before() -> None:
    whistle = resolve(routed())
    suite = an_act(shanghai("2021-02-22 23:59"), "duban", "enterprise", "")
    refused(refusals.RatingWindowIsOpen, whistle, "close_unrated", suite)
    refused(
        refusals.RatingWindowIsOver,
        whistle,
        "rate",
        company("2021-02-23 00:00"),
        solved=True,
        satisfied=True,
        score=5,
    )
    whistle.close_unrated(an_act(shanghai("2021-02-23 00:00"), "duban", "enterprise", ""))
    assert [fact.ground for fact in facts(whistle)] == ["unrated"]  # type: ignore[attr-defined]


def test_not_feasible_needs_a_second_reviewer_of_another_unit() -> None:
    whistle = routed(blown(), "fgw", "czj")
    refused(refusals.NotTheLead, whistle, "claim_infeasible", act("czj"), legal_ground="x", explanation="x")
    whistle.claim_infeasible(act("fgw"), legal_ground="土地管理法第四十四条", explanation="占用永久基本农田")
    saved(whistle)
    verdict = {"upheld": True, "reason": "属实"}
    for unit in ("fgw", "czj"):
        same = act(unit, "supervision_office")
        refused(refusals.ReviewerNotIndependent, whistle, "review_infeasible", same, **verdict)
    refused(
        refusals.WhistleIsUnderReview,
        whistle,
        "resolve",
        act("fgw"),
        result="x",
        rating_until=date(2021, 2, 22),
    )
    whistle.review_infeasible(act("inspect", "supervision_office"), upheld=False, reason="依据不足")
    assert (kinds(facts(whistle)), whistle.status) == (["InfeasibilityReviewed"], "routed")
    saved(whistle)
    whistle.claim_infeasible(act("fgw"), legal_ground="同上", explanation="同上")
    whistle.review_infeasible(act("inspect", "supervision_office"), upheld=True, reason="属实")
    assert kinds(facts(whistle)) == ["InfeasibilityClaimed", "InfeasibilityReviewed", "WhistleClosed"]


def test_a_merged_whistle_keeps_its_reporters_contact_and_rating() -> None:
    main, joined = routed(blown(1), "fgw"), blown(2)
    joined.merge(office(), into=main)
    assert (kinds(facts(joined)), kinds(facts(main))) == (["WhistleMerged"], ["ReporterJoined"])
    saved(main), saved(joined)
    refused(
        refusals.WhistleIsMerged,
        joined,
        "route",
        office(),
        lead_unit="czj",
        post="czj/head",
        supporters=(),
        leaders=LEADERS,
    )
    joined.contact(act("fgw"), how="phone", hands=joined.state.stays_within(main.state))
    contacted(main)
    main.resolve(act("fgw"), result="一并办好", rating_until=date(2021, 2, 22), reporters=[joined])
    assert kinds(facts(joined)) == ["EnterpriseContacted", "WhistleResolved"]
    saved(main), saved(joined)
    rate(joined, False, within=main)
    assert (kinds(facts(joined)), kinds(facts(main))) == (["WhistleRated"], ["ReworkOrdered"])
    saved(main), saved(joined)
    main.resolve(
        act("fgw", at="2021-02-10 10:00"), result="再办", rating_until=date(2021, 2, 23), reporters=[joined]
    )
    rate(main, True, "2021-02-10 11:00")
    saved(main), saved(joined)
    rate(joined, False, "2021-02-10 12:00", within=main)
    assert kinds(facts(joined)) == ["WhistleRated", "WhistleUnmerged", "ReworkOrdered"]
    assert (joined.status, joined.state.merged_into) == ("raised", None)


def test_a_withdrawn_main_whistle_lets_its_reporters_go_on() -> None:
    main, joined = routed(blown(1), "fgw"), routed(blown(2), "czj")
    joined.merge(office(), into=main)
    saved(main), saved(joined)
    main.withdraw(company(), reason="已自行解决", reporters=[joined])
    assert (joined.status, joined.state.lead_unit, main.status) == ("routed", "czj", "withdrawn")
    saved(main)
    for command, what in (("contact", {"how": "phone"}), ("withdraw", {"reason": "x"})):
        refused(refusals.WhistleIsClosed, main, command, company(), **what)


@pytest.mark.parametrize(
    ("received", "contact", "resolve_or_confirm", "hard_limit", "provisional"),
    [
        ("2021-02-05 16:00", "2021-02-07", "2021-02-09", "2021-03-24", False),
        ("2021-12-31 23:59", "2022-01-04", "2022-01-06", "2022-02-17", False),
        ("2026-11-20 09:00", "2026-11-23", "2026-11-25", "2027-01-01", True),
    ],
)
def test_the_three_clocks_run_from_the_whistle_and_cross_the_year(
    received: str, contact: str, resolve_or_confirm: str, hard_limit: str, provisional: bool
) -> None:
    clocks = clocks_of(RULEBOOK, CALENDAR, shanghai(received))
    found = (clocks.contact_due, clocks.resolve_or_confirm_due, clocks.hard_limit_due)
    assert [str(day) for day in found] == [contact, resolve_or_confirm, hard_limit]
    assert clocks.provisional is provisional


def test_the_same_matter_is_recognised_through_width_case_and_punctuation() -> None:
    one = matter_of(CODE, "用地", "项目Ａ 用地手续！")
    assert one == matter_of(CODE, "用地", "项目a用地手续")
    assert one != matter_of(CODE, "用电", "项目a用地手续")
    assert one != matter_of("91110000802100433B", "用地", "项目a用地手续")


def test_the_register_numbers_without_a_gap() -> None:
    register = Register.open(office(), year=2021)
    numbers = [register.issue(office(), UUID(int=n), UUID(int=0)) for n in range(3)]
    assert numbers == ["W-2021-0001", "W-2021-0002", "W-2021-0003"]


def test_the_readme_says_for_every_state_who_acts_next() -> None:
    text = (Path(whistle_module.__file__).parents[2] / "README.md").read_text("utf-8")
    section = text.partition("## Who acts next")[2].partition("\n## ")[0]
    named = {
        name
        for first in re.findall(r"^\| (`.+?) \|", section, re.M)
        for name in re.findall(r"`(\w+)`", first)
    }
    assert named == {*get_args(Status)}


# -- random commands ----------------------------------------------------------------------------------------------

units = st.sampled_from(["office", "fgw", "czj", "inspect", CODE])
roles = st.sampled_from(["enterprise", "officer", "government_office", "main_leader", "supervision_office"])
commands = st.sampled_from(
    [
        ("route", "fgw"),
        ("route", "czj"),
        *((name, "") for name in ("return_it", "contact", "propose_plan", "agree_plan", "resolve")),
        *((name, "") for name in ("good", "bad", "close_unrated", "claim_infeasible", "uphold", "reject")),
        *((name, "") for name in ("merge", "unmerge", "withdraw")),
    ]
)
back = st.sampled_from([0, 0, 0, 1, 5, 30, 80])
"""How many hours before its recording a fact happened."""
steps = st.lists(st.tuples(st.integers(0, 2), commands, units, roles, st.integers(0, 3), back), max_size=40)
LIKELY = {
    "office": "government_office",
    "fgw": "officer",
    "czj": "officer",
    "inspect": "supervision_office",
    CODE: "enterprise",
}


DECISIONS = {"good": "rate", "bad": "rate", "uphold": "review_infeasible", "reject": "review_infeasible"}
ABOUT_CONTENT = {
    refusals.AlreadyRoutedSo,
    refusals.SuggestsItself,
    BeforeWhatItRestsOn,
    refusals.PromiseBeyondHardLimit,
    refusals.PromiseOnRestDay,
    refusals.PromiseInThePast,
    refusals.ReporterNotContacted,
    refusals.MergedWithItself,
    refusals.WhistleHasReporters,
}
"""What is refused because of the words of a command, whatever the whistle's state and the actor's role."""


def reloaded(whistle: Whistle, events: list[Any]) -> Whistle:
    """The whistle as the next load makes it, from what the log holds."""
    mapper, found = WireMapper(), None
    for event in events:
        found = mapper.to_domain_event(mapper.to_stored_event(event)).mutate(found)
    assert found is not None
    return found  # type: ignore[no-any-return]


GROUNDS = {
    "WhistleRouted": ("WhistleBlown", "WhistleRouted", "WhistleReturned"),
    "WhistleReturned": ("WhistleRouted",),
    "ServicePlanProposed": ("WhistleRouted", "EnterpriseContacted"),
    "ServiceConfirmed": ("ServicePlanProposed",),
    "WhistleResolved": ("ServiceConfirmed", "ReworkOrdered"),
    "WhistleRated": ("WhistleResolved",),
    "ReworkOrdered": ("WhistleResolved", "WhistleRated"),
    "InfeasibilityClaimed": ("WhistleRouted",),
    "InfeasibilityReviewed": ("InfeasibilityClaimed",),
    "WhistleUnmerged": ("WhistleMerged",),
}


def nothing_before_its_ground(events: list[Any]) -> None:
    """No fact of a whistle lies before the last one that makes it possible, nor a contact before its unit had it."""
    last: dict[str, Any] = {}
    first_had: dict[str, Any] = {}
    merged = "WhistleMerged" in kinds(events)
    for fact, kind in zip(events, kinds(events), strict=True):
        for ground in GROUNDS.get(kind, ("WhistleBlown",)):
            assert fact.happened_at >= last.get(ground, fact).happened_at, (kind, ground)
        if kind in ("WhistleBlown", "WhistleReturned", "WhistleRouted"):
            routed = kind == "WhistleRouted"
            for unit in (fact.lead_unit, *fact.supporters) if routed else (fact.desk_unit,):
                first_had.setdefault(unit, fact.happened_at)
        if kind in ("EnterpriseContacted", "WhistleResolved") and not merged:
            assert fact.happened_at >= first_had[fact.unit]
        if kind == "WhistleResolved" and not merged:
            assert "EnterpriseContacted" in last
        last[kind] = fact


@settings(max_examples=150, deadline=None)
@given(steps)
def test_random_commands_never_leave_a_state_that_the_next_load_cannot_read(
    sequence: list[tuple[int, tuple[str, str], str, str, int, int]],
) -> None:
    whistles = [blown(n) for n in (1, 2, 3)]
    logs: dict[UUID, list[Any]] = {}
    for whistle in whistles:
        fresh = Whistle.blow(
            an_act(BLOWN, CODE, "legal-person", "enterprise"),
            id=whistle.id,
            number=whistle.number,
            enterprise_id=whistle.state.enterprise_id,
            credit_code=CODE,
            enterprise_name="煤化工公司",
            category="用地",
            title="手续",
            text="已等三个月。",
            desk_unit="office",
            leader_post="gov/main-leader",
        )
        logs[whistle.id] = list(fresh.collect_events())
    now = shanghai("2021-02-07 09:00")
    for n, (which, (command, arg), unit, role, days, hours) in enumerate(sequence):
        now += timedelta(days=days, minutes=1)
        whistle = whistles[which]
        who = an_act(
            now,
            unit,
            f"{unit}/officer",
            role if n % 5 == 0 else LIKELY[unit],
            happened_at=now - timedelta(hours=hours),
        )
        others = [one for one in whistles if one.id in whistle.state.joined]
        within = next((one for one in whistles if one.id == whistle.state.merged_into), None)
        today = now.date()
        decision = DECISIONS.get(command, command)
        own = whistle.state
        hands = own.stays if within is None else own.stays_within(within.state)
        known = {"hands": hands}
        may = open_to(getattr(Whistle, decision), whistle.state, who, known)
        refused_for: type[Refusal] | None = None
        try:
            match command:
                case "route":
                    whistle.route(who, lead_unit=arg, post=f"{arg}/x", supporters=(), leaders=LEADERS)
                case "return_it":
                    whistle.return_it(who, reason="x", suggested_unit="zrj")
                case "contact":
                    whistle.contact(who, how="phone", hands=hands)
                case "propose_plan":
                    whistle.propose_plan(
                        who,
                        plan="x",
                        steps=["x"],
                        promised_on=today + timedelta(days=9),
                        last_day=LAST_DAY,
                        calendar=CALENDAR,
                    )
                case "agree_plan":
                    whistle.agree_plan(who)
                case "resolve":
                    until = rating_until(RULEBOOK, CALENDAR, now)
                    whistle.resolve(who, result="x", rating_until=until, reporters=others)
                case "good" | "bad":
                    good = command == "good"
                    whistle.rate(who, solved=good, satisfied=good, score=3, leaders=LEADERS, within=within)
                case "close_unrated":
                    whistle.close_unrated(who)
                case "claim_infeasible":
                    whistle.claim_infeasible(who, legal_ground="x", explanation="x")
                case "uphold" | "reject":
                    whistle.review_infeasible(who, upheld=command == "uphold", reason="x", reporters=others)
                case "merge":
                    whistle.merge(who, into=whistles[(which + 1) % 3], own_reporters=others)
                case "unmerge":
                    whistle.unmerge(who, reason="x")
                case "withdraw":
                    whistle.withdraw(who, reason="x", reporters=others)
        except Refusal as refusal:
            recorded = [facts(one) for one in whistles]
            assert recorded == [[], [], []], "a refusal records nothing"
            refused_for = type(refusal)
        of_another = command == "merge" and not open_to(
            Whistle.merge, whistles[(which + 1) % 3].state, who, {}
        )
        if (
            command != "close_unrated" and not of_another
        ):  # the worker's own, and what the other whistle refuses
            assert may == (refused_for is None or refused_for in ABOUT_CONTENT), (command, refused_for)
        for one in whistles:
            logs[one.id] += one.collect_events()
    for one in whistles:
        again = reloaded(one, logs[one.id])
        assert vars(again).keys() == vars(one).keys()
        for name in vars(one):
            if name not in ("_pending_events", "_modified_on", "_created_on"):
                assert vars(again)[name] == vars(one)[name], name
        assert rows_of(WhistlesView, "enterprise", logs[one.id]) == {str(one.id): one.state}
        windows = folded(RatingWindowsView, "enterprise", logs[one.id]).values()
        assert [row["ends_at"] for row in windows] == [*filter(None, [one.state.rating_is_over])]
        assert (one.status == "merged") <= (one.state.merged_into is not None)
        assert one.state.reworks == sum(isinstance(fact, enterprise.ReworkOrdered) for fact in logs[one.id])
        nothing_before_its_ground(logs[one.id])
        ends = [fact for fact in logs[one.id] if fact.TOPIC.endswith(("whistle_closed", "whistle_withdrawn"))]
        assert len(ends) == (one.status in ("closed", "withdrawn"))
        if ends:
            assert logs[one.id][-1] is ends[-1]
