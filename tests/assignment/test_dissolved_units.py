"""What a dissolved unit had goes to its successor, or to the leader in charge (measure 6)."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.assignment.domain.directives import (
    BeforeItWasReceived,
    Directive,
    HasTheDutyItself,
    NoOpenDuty,
    NotTheDirectivesLeader,
)
from services.assignment.domain.lists import TaskList
from services.assignment.domain.task import Task, TaskPlan, refusals
from shared.calendar import Calendar
from shared.events import assignment
from shared.readmodels.reference import UnknownUnit
from shared.testing import kinds, shanghai
from tests.assignment.conftest import TASK, Banner

SUPPORT = [assignment.Support(unit="fgw", part="立项"), assignment.Support(unit="zrj", part="用地")]


def task(banner: Banner, number: str, **what: Any) -> UUID:
    return banner.new_task(banner.new_list(title=f"清单{number}"), **{"supporters": [], **what})


def dissolve(banner: Banner, unit: str, successor: str | None = None) -> None:
    banner.do("office", "dissolve_unit", unit, successor=successor)
    banner.opened.settle()
    assert banner.opened["assignment"].reactor is not None
    assert banner.opened["assignment"].reactor.parked() == []


def last(banner: Banner, task: UUID) -> Any:
    app = banner.app
    return [app.mapper.to_domain_event(row) for row in app.log.select_events(task)][-1]


def test_the_successor_takes_what_is_open(banner: Banner) -> None:
    banner.do("office", "assign_portfolio", "gov", "vice-leader-2", units=["czj"])
    led, ended = task(banner, "1"), task(banner, "2")
    supported = task(banner, "3", lead_unit="angsu", supporters=SUPPORT)
    returned = task(banner, "4")
    resting, claimed = task(banner, "5"), task(banner, "6")
    others = task(banner, "7", lead_unit="zrj")
    banner.do("fgw", "accept_task", led)
    banner.do("main_leader", "cancel_task", ended, reason="不办")
    banner.do("fgw", "return_support", supported, reason="不属本单位")
    banner.do("fgw", "return_task", returned, reason="不符", suggested_unit="zrj")
    banner.do("inspect", "suspend_task", resting, reason="待批")
    banner.do("fgw", "claim_completion", claimed, note="完成", evidence=["照片"])
    before = {one: banner.load(one).version for one in (ended, others)}
    banner.clock.set("2021-01-20 10:00")
    dissolve(banner, "fgw", "czj")
    for one in (led, returned, resting, claimed):
        state = banner.load(one).state
        assert (state.lead_unit, state.post, state.leader_post, state.returned) == (
            "czj",
            "czj/head",
            "gov/vice-leader-2",
            False,
        )
        fact = last(banner, one)
        assert "撤销" in fact.reason
        assert (fact.from_unit, fact.happened_at) == ("fgw", shanghai("2021-01-20 10:00"))
    assert banner.load(led).state.accepted_by == ()
    assert (banner.load(resting).status, banner.load(claimed).status) == ("suspended", "claimed")
    part = banner.load(supported).state.supporters["czj"]
    assert (part.part, part.state) == ("立项", "open")
    assert {one: banner.load(one).version for one in before} == before
    banner.do("inspect", "send_back", claimed, reason="不足")
    banner.do("czj", "claim_completion", claimed, note="完成", evidence=["照片"])


def test_without_a_successor_it_goes_to_the_leader_who_reassigns(banner: Banner) -> None:
    led, supported = task(banner, "1"), task(banner, "2", lead_unit="angsu", supporters=SUPPORT)
    dissolve(banner, "fgw")
    state = banner.load(led).state
    assert (state.status, state.returns, state.referred_to) == ("returned", 0, "gov/vice-leader")
    banner.refuses(
        refusals.ReferredToLeader,
        lambda: banner.do("office", "reassign_task", led, lead_unit="zrj", reason="改"),
    )
    banner.do("vice_leader", "reassign_task", led, lead_unit="zrj", reason="改")
    assert banner.load(supported).state.supporters["fgw"].state == "returned"
    banner.refuses(
        refusals.RequiredPartIsOpen,
        lambda: banner.do("angsu", "claim_completion", supported, note="完", evidence=["x"]),
    )
    banner.do("angsu", "reassign_support", supported, unit="fgw", to_unit="czj", reason="改")


def test_a_successor_without_a_head_in_office_supports_but_does_not_lead(banner: Banner) -> None:
    led, supported = task(banner, "1"), task(banner, "2", lead_unit="angsu", supporters=SUPPORT)
    banner.do("office", "vacate_post", "czj", "head", on=date(2021, 1, 4))
    dissolve(banner, "fgw", "czj")
    assert (last(banner, led).suggested_unit, banner.load(led).state.referred_to) == (
        "czj",
        "gov/vice-leader",
    )
    assert [*banner.load(supported).state.supporters] == ["zrj", "czj"]


def test_a_successor_that_leads_or_supports_already_has_one_part(banner: Banner) -> None:
    by_lead = task(banner, "1", lead_unit="zrj", supporters=SUPPORT[:1])
    by_both = task(banner, "2", lead_unit="angsu", supporters=SUPPORT)
    lead = task(banner, "3", lead_unit="fgw", supporters=SUPPORT[1:])
    dissolve(banner, "fgw", "zrj")
    assert banner.load(by_lead).state.supporters == {}
    assert {unit: part.part for unit, part in banner.load(by_both).state.supporters.items()} == {
        "zrj": "用地；立项"
    }
    assert (banner.load(lead).state.lead_unit, banner.load(lead).state.supporters) == ("zrj", {})


def test_what_waits_for_a_leader_after_a_third_return_waits_on(banner: Banner) -> None:
    waits = task(banner, "1")
    for _ in range(3):
        if banner.load(waits).state.returned:
            banner.do("office", "reassign_task", waits, lead_unit="fgw", reason="仍由其办")
        banner.do("fgw", "return_task", waits, reason="不符", suggested_unit="zrj")
    dissolve(banner, "fgw", "czj")
    assert banner.load(waits).state.lead_unit == "fgw"
    banner.do("vice_leader", "reassign_task", waits, lead_unit="czj", reason="定")


def test_a_successor_that_is_dissolved_in_turn_passes_everything_on(banner: Banner) -> None:
    one = task(banner, "1")
    for unit, successor in (("fgw", "czj"), ("czj", "zrj")):
        banner.do("office", "dissolve_unit", unit, successor=successor)
    banner.opened.settle()
    assert banner.load(one).state.lead_unit == "zrj"
    banner.do("office", "dissolve_unit", "zrj")
    banner.opened.settle()
    assert banner.load(one).state.referred_to == "gov/vice-leader"


def test_a_task_that_came_while_its_unit_was_being_dissolved_goes_on_too(banner: Banner) -> None:
    """The command had looked the units up before the dissolution was written."""
    tasks = banner.app.load(TaskList, banner.new_list())
    post = banner.app.known_post("fgw/head", None)

    def assigned(number: str, **what: Any) -> Task:
        plan = TaskPlan(**{**TASK, "number": number, "secrecy": "public", **what})
        act = banner.act("office")
        new = Task.assign(
            act,
            task_list=tasks,
            plan=plan,
            post=post,
            leader_post="gov/vice-leader",
            calendar=Calendar.base(),
        )
        banner.app.perform(act, lambda act: banner.app.commit(act, new))
        return new

    banner.clock.set("2021-01-05 09:00")
    banner.do("office", "dissolve_unit", "fgw", successor="angsu")
    banner.do("office", "dissolve_unit", "zrj", successor="czj")
    banner.opened.settle()
    led = assigned("1", supporters=())
    both = assigned("2", supporters=tuple(SUPPORT[1:]))
    banner.opened.settle()
    for one, supporters in ((led, []), (both, ["czj"])):
        state = banner.load(one.id).state
        assert (state.lead_unit, [*state.supporters]) == ("angsu", supporters)


def test_delivered_again_it_changes_nothing_and_a_late_board_is_waited_for(banner: Banner) -> None:
    led = task(banner, "1")
    banner.do("office", "dissolve_unit", "fgw", successor="czj")
    runtime = banner.opened["assignment"]
    assert runtime.reactor is not None
    while runtime.reactor.step():
        pass  # before the board knows the task
    assert [row.kind for row in runtime.reactor.parked()] == ["waiting"]
    banner.opened.settle()
    assert banner.load(led).state.lead_unit == "czj"
    before = banner.log()
    banner.opened.deliver_again("assignment", "assignment")
    banner.opened.settle()
    assert banner.log() == before
    assert kinds(before).count("TaskReassigned") == 1
    assert banner.opened.rebuild_and_compare("assignment") == []


# -- duties from directives -----------------------------------------------------------------------------------------


def directive(banner: Banner, number: str, *units: str, **other: Any) -> UUID:
    what = {"title": "十五条措施", "kind": "banner_document" if units else "field_visit_issue", **other}
    return UUID(banner.app.register_directive(banner.act("office"), number=number, units=units, **what).id)


def duties(banner: Banner, one: UUID) -> dict[str, tuple[str, bool, tuple[str, ...]]]:
    state = banner.app.load(Directive, one).state
    return {
        unit: (duty.duty, duty.done_at is not None, duty.taken_over) for unit, duty in state.duties.items()
    }


def test_a_duty_goes_to_the_successor_with_what_it_had_taken_over(banner: Banner) -> None:
    notice = directive(banner, "1", "fgw", "angsu")
    visit = directive(banner, "2")
    pieces = [assignment.Dispatch(unit="fgw", what="查清"), assignment.Dispatch(unit="zrj", what="整改")]
    banner.do("office", "decompose_directive", visit, dispatches=pieces)
    banner.clock.set("2021-01-20 10:00")
    dissolve(banner, "fgw", "czj")
    assert duties(banner, notice) == {
        "angsu": ("arrange", False, ()),
        "czj": ("arrange", False, ("fgw",)),
    }
    fact = last(banner, notice)
    assert (fact.from_unit, fact.unit, fact.owers, fact.duty) == ("fgw", "czj", ("fgw",), "arrange")
    assert (fact.happened_at, "撤销" in fact.reason) == (shanghai("2021-01-20 10:00"), True)
    dissolve(banner, "czj", "zrj")
    assert duties(banner, notice)["zrj"] == ("arrange", False, ("czj", "fgw"))
    assert duties(banner, visit) == {"zrj": ("feedback", False, ("czj", "fgw"))}
    assert banner.app.load(Directive, visit).state.duties["zrj"].what == "整改；查清"
    banner.do("zrj", "report_arrangement", notice, text="已布置")
    said = last(banner, notice)
    assert said.belongs_to() == (("arrange", "zrj"), ("arrange", "czj"), ("arrange", "fgw"))
    assert banner.opened.rebuild_and_compare("assignment") == []


def test_what_is_done_stays_with_who_did_it_and_a_successor_does_what_is_left(banner: Banner) -> None:
    done, both = directive(banner, "1", "fgw"), directive(banner, "2", "fgw", "czj")
    banner.do("fgw", "report_arrangement", done, text="已布置")
    banner.do("czj", "report_arrangement", both, text="已布置")
    before = banner.app.load(Directive, done).version
    dissolve(banner, "fgw", "czj")
    assert banner.app.load(Directive, done).version == before
    assert duties(banner, both) == {"czj": ("arrange", False, ("fgw",))}
    banner.do("czj", "report_arrangement", both, text="承接部分已布置")
    assert duties(banner, both)["czj"][1]


def test_the_office_that_decomposes_is_succeeded_too(banner: Banner) -> None:
    visit = directive(banner, "1", office_unit="angsu")
    dissolve(banner, "angsu", "office")
    assert banner.app.load(Directive, visit).state.office_unit == "office"
    pieces = [assignment.Dispatch(unit="fgw", what="查清")]
    banner.do("office", "decompose_directive", visit, dispatches=pieces)


def test_without_a_successor_the_directives_leader_gives_the_duty_to_another_unit(banner: Banner) -> None:
    notice = directive(banner, "1", "fgw", "czj", leader_post="gov/vice-leader")
    dissolve(banner, "fgw")
    fact = last(banner, notice)
    assert (type(fact).__name__, fact.from_unit, fact.leader_post) == (
        "DutyReferred",
        "fgw",
        "gov/vice-leader",
    )
    give = {"unit": "fgw", "to_unit": "zrj", "reason": "改由其承担"}
    banner.refuses(NotTheDirectivesLeader, lambda: banner.do("other_vice", "reassign_duty", notice, **give))
    itself = {**give, "to_unit": "fgw"}
    banner.refuses(UnknownUnit, lambda: banner.do("vice_leader", "reassign_duty", notice, **itself))
    early = banner.act("vice_leader").at(banner.clock() - timedelta(days=1))
    banner.clock.advance(hours=1)
    banner.refuses(BeforeItWasReceived, lambda: banner.carry_out("reassign_duty", early, notice, **give))
    banner.do("vice_leader", "reassign_duty", notice, **give)
    assert duties(banner, notice)["zrj"] == ("arrange", False, ("fgw",))
    assert banner.app.load(Directive, notice).state.referred == {}
    banner.refuses(NoOpenDuty, lambda: banner.do("main_leader", "reassign_duty", notice, **give))
    czj = {"unit": "czj", "to_unit": "czj", "reason": "改"}
    banner.refuses(HasTheDutyItself, lambda: banner.do("main_leader", "reassign_duty", notice, **czj))


def test_a_directive_that_came_while_its_unit_was_being_dissolved_goes_on_too(banner: Banner) -> None:
    late = Directive.register(
        banner.act("office"),
        number="1",
        title="十五条措施",
        kind="banner_document",
        origin_level=None,
        units=["fgw", "zrj"],
        office_unit="office",
        leader_post="gov/main-leader",
        requirement="",
        secrecy="public",
        secrecy_ground="",
    )
    banner.do("office", "dissolve_unit", "fgw", successor="czj")
    banner.do("office", "dissolve_unit", "zrj")
    banner.opened.settle()
    banner.app.perform(banner.act("office"), lambda act: banner.app.commit(act, late))
    banner.opened.settle()
    assert duties(banner, late.id) == {"zrj": ("arrange", False, ()), "czj": ("arrange", False, ("fgw",))}
    assert banner.app.load(Directive, late.id).state.referred.keys() == {"zrj"}
    before = banner.log()
    banner.opened.deliver_again("assignment", "assignment")
    banner.opened.settle()
    assert banner.log() == before
