"""A task from its assignment to its end: every command, every refusal, and nothing written by a refusal (measure 7)."""

from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.assignment.__main__ import SERVICE as ASSIGNMENT
from services.assignment.application.tasks import NoSuchTask
from services.assignment.domain.directives import SecrecyBelowItsSource, SecrecyNeedsGround, UnitStandsTwice
from services.assignment.domain.task.refusals import (
    AcceptedAlready,
    AskerMayNotDecide,
    BeforeItWasAssigned,
    CompletionIsClaimed,
    CompletionNotAccepted,
    DisputeIsOpen,
    DisputesWithItself,
    DisputeWithoutSolution,
    DueBeforeList,
    DueOnRestDay,
    ExtensionAfterDue,
    ExtensionIsAsked,
    ExtensionMustMoveForward,
    ExtensionsUsedUp,
    LeadsAlready,
    MayNotJudgeOwnUnit,
    MilestoneOutside,
    NegativeProgress,
    NoCompletionClaimed,
    NoDispute,
    NoExtensionAsked,
    NotASupporter,
    NotFromAnInstruction,
    NotSuspended,
    NotTheLeaderInCharge,
    OnlyTheLead,
    PartIsClosed,
    PieceAfterDue,
    PieceWithoutQuantity,
    PostIsVacant,
    PostOfAnotherUnit,
    ReferredToLeader,
    RequiredPartIsOpen,
    SuggestsItself,
    SupersedesItself,
    TaskAlreadyClosed,
    TaskIsReturned,
    TaskIsSuspended,
    TwoLeads,
    UnitNotOnTask,
    UnmeasurableTarget,
)
from services.assignment.domain.units import NoLeadersPost
from services.assignment.views.tasks import is_overdue
from services.supervision.__main__ import SERVICE as SUPERVISION
from shared.application.application import AlreadyExists, NoSuchThing
from shared.events import assignment
from shared.readmodels.reference import UnknownPost, UnknownUnit
from shared.testing import Opened, shanghai
from tests.assignment.conftest import Banner

# -- assigning -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "changed"),
    [
        (UnknownUnit, {"lead_unit": "nobody"}),
        (UnknownUnit, {"supporters": [assignment.Support(unit="nobody", part="")]}),
        (UnknownPost, {"post": "fgw/nobody"}),
        (PostIsVacant, {"post": "fgw/project-section"}),
        (PostOfAnotherUnit, {"post": "czj/head"}),
        (TwoLeads, {"supporters": [assignment.Support(unit="fgw", part="也牵头")]}),
        (
            UnitStandsTwice,
            {
                "supporters": [
                    assignment.Support(unit="czj", part="一"),
                    assignment.Support(unit="czj", part="二"),
                ]
            },
        ),
        (UnmeasurableTarget, {"target": assignment.Target(metric="建成项目", unit="个", value=Decimal(0))}),
        (UnmeasurableTarget, {"target": assignment.Target(metric=" ", unit="个", value=Decimal(1))}),
        (UnmeasurableTarget, {"target": assignment.Target(metric="建成项目", unit="", value=Decimal(1))}),
        (DueOnRestDay, {"due_on": date(2021, 2, 12)}),
        (DueBeforeList, {"due_on": date(2020, 12, 31)}),
        (MilestoneOutside, {"milestones": [assignment.Milestone(on=date(2021, 2, 8), what="太晚")]}),
        (MilestoneOutside, {"milestones": [assignment.Milestone(on=date(2021, 1, 3), what="太早")]}),
        (SecrecyNeedsGround, {"secrecy": "secret"}),
        (UnknownPost, {"leader_post": "gov/nobody"}),
        (NoLeadersPost, {"leader_post": "fgw/head"}),
    ],
)
def test_a_faulty_task_is_refused(banner: Banner, refusal: Any, changed: dict[str, Any]) -> None:
    tasks = banner.new_list()
    banner.refuses(refusal, lambda: banner.new_task(tasks, **changed))


def test_a_rest_day_names_the_working_days_around_it(banner: Banner) -> None:
    tasks = banner.new_list()
    refusal = banner.refuses(DueOnRestDay, lambda: banner.new_task(tasks, due_on=date(2021, 2, 14)))
    assert "2021-02-10" in refusal.text("zh")
    assert "2021-02-18" in refusal.text("en")
    banner.new_task(tasks, due_on=date(2021, 2, 7))  # a make-up Sunday is a working day


def test_a_rest_day_of_the_newest_release_is_refused_by_a_process_that_knew_an_older_one(
    banner: Banner,
) -> None:
    tasks = banner.new_list()
    with Opened(banner.opened.config.data, banner.clock, ASSIGNMENT, SUPERVISION) as others:
        calendars: Any = others["supervision"].app
        for number, day in enumerate((date(2021, 3, 3), date(2021, 3, 10), date(2021, 6, 16))):
            banner.new_task(tasks, number=f"{number}a", due_on=day)
            banner.new_task(tasks, number=f"{number}b", due_on=day + timedelta(days=1))
            rest = [{"day": day, "working": False, "name": "敖包节"}]
            drafted = calendars.draft_release(banner.act("office"), layer="banner", title="通知", days=rest)
            calendars.release_calendar(banner.act("inspect"), UUID(drafted.id))
            others.settle()
            refusal = banner.refuses(DueOnRestDay, partial(banner.new_task, tasks, number="x", due_on=day))
            assert str(day + timedelta(days=1)) in refusal.text("en")


def test_a_due_date_crosses_the_year_and_beyond_the_known_years(banner: Banner) -> None:
    tasks = banner.new_list(dated=date(2021, 12, 31))
    banner.refuses(DueOnRestDay, lambda: banner.new_task(tasks, due_on=date(2022, 1, 1)))
    banner.refuses(DueBeforeList, lambda: banner.new_task(tasks, due_on=date(2021, 12, 30)))
    banner.new_task(tasks, due_on=date(2021, 12, 31))
    banner.new_task(tasks, number="2", due_on=date(2022, 1, 4))
    banner.new_task(tasks, number="3", due_on=date(2030, 1, 2))  # provisional, and no crash


def test_a_number_stands_once_in_its_list_and_again_in_another(banner: Banner) -> None:
    tasks = banner.new_list()
    banner.new_task(tasks)
    banner.refuses(AlreadyExists, lambda: banner.new_task(tasks, title="另一项"))
    banner.refuses(NoSuchThing, lambda: banner.new_task(uuid4()))
    banner.new_task(banner.new_list(title="另一张清单"))
    banner.refuses(AlreadyExists, lambda: banner.new_list(title="另一张清单"))


def test_a_task_is_at_least_as_secret_as_what_it_comes_from(banner: Banner) -> None:
    directive = banner.app.register_directive(
        banner.act("office"),
        number="密1",
        title="涉密事项",
        kind="decision",
        units=["fgw"],
        secrecy="secret",
        secrecy_ground="依据",
    )
    banner.refuses(
        SecrecyBelowItsSource, lambda: banner.new_list(directive_id=UUID(directive.id), secrecy="public")
    )
    tasks = banner.new_list(directive_id=UUID(directive.id))
    banner.refuses(SecrecyBelowItsSource, lambda: banner.new_task(tasks, secrecy="internal"))
    assert banner.load(banner.new_task(tasks)).state.secrecy == "secret"


# -- accepting, returning, reassigning -------------------------------------------------------------------------


def test_lead_and_supporters_accept_for_themselves_and_once(banner: Banner) -> None:
    task = banner.new_task()
    assert banner.do("czj", "accept_task", task).state == "assigned"
    assert banner.do("fgw", "accept_task", task).state == "accepted"
    banner.refuses(AcceptedAlready, lambda: banner.do("fgw", "accept_task", task))
    banner.refuses(UnitNotOnTask, lambda: banner.do("angsu", "accept_task", task))
    banner.refuses(
        AcceptedAlready, lambda: banner.do("fgw", "return_task", task, reason="不办", suggested_unit="czj")
    )


def test_a_returned_task_waits_to_be_reassigned_and_the_third_return_is_the_leaders(banner: Banner) -> None:
    task = banner.new_task(supporters=[assignment.Support(unit="zrj", part="协助")])

    def give_back(who: str, to: str) -> Any:
        return banner.do(who, "return_task", task, reason="职责不符", suggested_unit=to)

    def reassign(who: str, to: str) -> Any:
        return banner.do(who, "reassign_task", task, lead_unit=to, reason="改由其承办")

    banner.refuses(SuggestsItself, lambda: give_back("fgw", "fgw"))
    banner.refuses(UnknownUnit, lambda: give_back("fgw", "nobody"))
    banner.refuses(OnlyTheLead, lambda: give_back("zrj", "fgw"))
    banner.refuses(LeadsAlready, lambda: reassign("office", "fgw"))
    assert give_back("fgw", "czj").state == "returned"
    banner.refuses(TaskIsReturned, lambda: give_back("fgw", "czj"))
    banner.refuses(TaskIsReturned, lambda: banner.do("fgw", "accept_task", task))
    banner.refuses(
        TaskIsReturned, lambda: banner.do("fgw", "claim_completion", task, note="好了", evidence=["照片"])
    )
    banner.forbids("fgw", f"tasks/{task}/reassign", lead_unit="czj", reason="改")
    due = banner.load(task).state.due_on
    assert reassign("office", "czj").state == "assigned"
    give_back("czj", "zrj")
    reassign("office", "zrj")
    assert banner.load(task).state.supporters == {}  # the supporter leads now
    give_back("zrj", "fgw")
    banner.refuses(ReferredToLeader, lambda: reassign("office", "fgw"))
    reassign("vice_leader", "zrj")  # the leader may rule that it stays where it is
    assert banner.load(task).state.due_on == due
    returned = banner.opened.of_kind("assignment", assignment.TaskReturned)
    assert [(fact.times, fact.referred_to) for fact in returned] == [
        (1, None),
        (2, None),
        (3, "gov/vice-leader"),
    ]


def test_a_task_is_reassigned_to_a_held_post_of_the_new_lead(banner: Banner) -> None:
    task = banner.new_task()

    def to(unit: str, post: str) -> Any:
        return banner.do("office", "reassign_task", task, lead_unit=unit, post=post, reason="改")

    banner.refuses(PostOfAnotherUnit, lambda: to("zrj", "czj/head"))
    banner.app.create_post(banner.act("office"), post="zrj/deputy", title="副局长", role="officer")
    banner.refuses(PostIsVacant, lambda: to("zrj", "zrj/deputy"))
    banner.refuses(UnknownPost, lambda: to("zrj", "zrj/nobody"))
    banner.refuses(UnknownUnit, lambda: to("nobody", "zrj/head"))


# -- doing it --------------------------------------------------------------------------------------------------


def piece(**changed: Any) -> assignment.BreakdownItem:
    what = {"project": "甲", "post": "fgw/head", "quantity": Decimal(1), "unit": "个", **changed}
    return assignment.BreakdownItem(**what)


def test_the_lead_breaks_a_task_down_to_posts_with_quantities(banner: Banner) -> None:
    task = banner.new_task()

    def break_down(who: str, **changed: Any) -> Any:
        return banner.do(who, "break_down_task", task, items=[piece(**changed)])

    banner.refuses(OnlyTheLead, lambda: break_down("czj"))
    banner.refuses(UnknownPost, lambda: break_down("fgw", post="fgw/nobody"))
    banner.refuses(PieceWithoutQuantity, lambda: break_down("fgw", quantity=Decimal(0)))
    banner.refuses(PieceAfterDue, lambda: break_down("fgw", due_on=date(2021, 2, 8)))
    assert break_down("fgw", due_on=date(2021, 2, 5)).state == "in_progress"


def test_progress_is_measured_by_the_lead_and_told_by_supporters(banner: Banner) -> None:
    task = banner.new_task()
    banner.refuses(
        NegativeProgress,
        lambda: banner.do("fgw", "report_progress", task, value=Decimal(-1), narrative="倒退"),
    )
    banner.refuses(
        UnitNotOnTask,
        lambda: banner.do("angsu", "report_progress", task, value=Decimal(1), narrative="旁观"),
    )
    banner.do("fgw", "report_progress", task, value=Decimal("1.5"), narrative="过半", problems="缺资金")
    banner.do("czj", "report_progress", task, value=Decimal(3), narrative="资金已到")
    banner.opened.settle()
    row = banner.opened.rows("assignment", "tasks")[str(task)]
    assert (row["progress_value"], row["progress_percent"]) == ("1.5", 50.0)


def test_completion_waits_for_required_parts_done_or_waived(banner: Banner) -> None:
    task = banner.new_task()

    def claim(who: str = "fgw") -> Any:
        return banner.do(who, "claim_completion", task, note="已完成", evidence=["照片"])

    refusal = banner.refuses(RequiredPartIsOpen, claim)
    assert "czj" in refusal.text("zh")
    assert "zrj" not in refusal.text("zh")
    banner.refuses(UnitNotOnTask, lambda: banner.do("angsu", "finish_support", task))
    banner.forbids("fgw", f"tasks/{task}/waive-support", unit="czj", reason="不用")
    banner.refuses(
        NotASupporter, lambda: banner.do("inspect", "waive_support", task, unit="angsu", reason="不用")
    )
    banner.do("inspect", "waive_support", task, unit="czj", reason="资金另有来源")
    banner.refuses(PartIsClosed, lambda: banner.do("czj", "finish_support", task))
    banner.do("zrj", "finish_support", task)
    banner.refuses(
        PartIsClosed, lambda: banner.do("inspect", "waive_support", task, unit="zrj", reason="不用")
    )
    banner.refuses(OnlyTheLead, lambda: claim("czj"))
    assert claim().state == "claimed"
    banner.refuses(CompletionIsClaimed, claim)


def claimed(banner: Banner, **changed: Any) -> Any:
    task = banner.new_task(**{"supporters": [], **changed})
    banner.do(banner.load(task).state.lead_unit, "claim_completion", task, note="已完成", evidence=["照片"])
    return task


def test_the_supervision_office_accepts_at_the_time_of_the_claim(banner: Banner) -> None:
    task = claimed(banner)
    at = banner.clock()
    banner.clock.advance(days=3)
    banner.forbids("fgw", f"tasks/{task}/accept-completion")
    before = len(banner.log())
    assert banner.do("inspect", "accept_completion", task).state == "closed"
    assert banner.since(before) == ["CompletionAccepted", "TaskClosed"]
    assert banner.opened.of_kind("assignment", assignment.CompletionAccepted)[0].claimed_at == at


def test_nobody_judges_his_own_unit(banner: Banner) -> None:
    own = banner.new_task(lead_unit="inspect", supporters=[])
    banner.do("inspect", "claim_completion", own, note="已完成", evidence=["照片"])
    for command, what in (("accept_completion", {}), ("send_back", {"reason": "不足"})):
        banner.refuses(
            MayNotJudgeOwnUnit,
            lambda command=command, what=what: banner.do("inspect", command, own, **what),
        )
    assert banner.do("vice_leader", "accept_completion", own).state == "closed"
    other = banner.new_task(
        banner.new_list(title="另"), supporters=[assignment.Support(unit="inspect", part="督查")]
    )
    banner.refuses(
        MayNotJudgeOwnUnit,
        lambda: banner.do("inspect", "waive_support", other, unit="inspect", reason="不用"),
    )


def test_a_claim_that_is_sent_back_is_claimed_anew(banner: Banner) -> None:
    task = banner.new_task(supporters=[])
    banner.refuses(NoCompletionClaimed, lambda: banner.do("inspect", "accept_completion", task))
    banner.refuses(NoCompletionClaimed, lambda: banner.do("inspect", "send_back", task, reason="无"))
    banner.do("fgw", "claim_completion", task, note="已完成", evidence=["照片"])
    assert banner.do("inspect", "send_back", task, reason="证据不足").state == "in_progress"
    assert banner.do("fgw", "claim_completion", task, note="补齐", evidence=["照片"]).state == "claimed"


def test_an_item_from_an_instruction_closes_when_there_is_no_new_one(banner: Banner) -> None:
    task = claimed(banner, from_leader_instruction=True)
    banner.refuses(CompletionNotAccepted, lambda: banner.do("main_leader", "no_new_instruction", task))
    assert banner.do("inspect", "accept_completion", task).state == "awaiting_leader"
    banner.refuses(NoCompletionClaimed, lambda: banner.do("inspect", "accept_completion", task))
    banner.forbids("inspect", f"tasks/{task}/no-new-instruction")
    assert banner.do("main_leader", "new_instruction", task, text="再抓落实").state == "in_progress"
    banner.do("fgw", "claim_completion", task, note="再次完成", evidence=["照片"])
    banner.do("inspect", "accept_completion", task)
    assert banner.do("main_leader", "no_new_instruction", task).state == "closed"
    other = banner.new_task(banner.new_list(title="另"))
    banner.refuses(NotFromAnInstruction, lambda: banner.do("main_leader", "no_new_instruction", other))
    banner.refuses(NotFromAnInstruction, lambda: banner.do("main_leader", "new_instruction", other, text="x"))


# -- extension -------------------------------------------------------------------------------------------------


def ask(banner: Banner, task: Any, new_due_on: date, who: str = "fgw") -> Any:
    return banner.do(who, "request_extension", task, new_due_on=new_due_on, reason="天气原因")


def test_an_extension_is_asked_before_the_due_day_has_passed(banner: Banner) -> None:
    task = banner.new_task()
    banner.clock.set("2021-02-07 23:59")
    ask(banner, task, date(2021, 2, 26))
    banner.do("vice_leader", "refuse_extension", task, reason="按期办")
    banner.clock.set("2021-02-08 00:00")
    banner.refuses(ExtensionAfterDue, lambda: ask(banner, task, date(2021, 2, 26)))
    # Backdating the request does not help: it is judged by when it was recorded.
    early = banner.act("fgw").at(banner.clock() - timedelta(hours=2))
    banner.refuses(
        ExtensionAfterDue,
        lambda: banner.carry_out(
            "request_extension", early, task, new_due_on=date(2021, 2, 26), reason="补报"
        ),
    )


def test_an_extension_moves_the_date_forward_to_a_working_day(banner: Banner) -> None:
    task = banner.new_task()
    banner.refuses(OnlyTheLead, lambda: ask(banner, task, date(2021, 2, 26), "czj"))
    banner.refuses(ExtensionMustMoveForward, lambda: ask(banner, task, date(2021, 2, 7)))
    refusal = banner.refuses(DueOnRestDay, lambda: ask(banner, task, date(2021, 2, 13)))
    assert refusal.at_field == "new_due_on"
    ask(banner, task, date(2021, 2, 26))
    banner.refuses(ExtensionIsAsked, lambda: ask(banner, task, date(2021, 3, 1)))


def test_an_extension_is_decided_one_level_above_never_by_the_asker(banner: Banner) -> None:
    task = banner.new_task(lead_unit="office", supporters=[], post="office/head")
    banner.refuses(NoExtensionAsked, lambda: banner.do("vice_leader", "grant_extension", task))
    ask(banner, task, date(2021, 2, 26), "office")
    banner.refuses(AskerMayNotDecide, lambda: banner.do("office", "grant_extension", task))
    disguised = banner.act("office")
    disguised = type(disguised)(**{**vars(disguised), "role": "vice_leader"})
    banner.refuses(AskerMayNotDecide, lambda: banner.carry_out("grant_extension", disguised, task))
    banner.forbids("inspect", f"tasks/{task}/grant-extension")
    banner.refuses(NotTheLeaderInCharge, lambda: banner.do("other_vice", "grant_extension", task))
    banner.do("office", "assign_portfolio", "gov", "vice-leader-2", units=["office"])
    banner.do("other_vice", "grant_extension", task)
    assert (banner.load(task).state.due_on, banner.load(task).state.original_due_on) == (
        date(2021, 2, 26),
        date(2021, 2, 7),
    )


def test_a_leader_who_leads_a_task_himself_does_not_grant_his_own_extension(banner: Banner) -> None:
    banner.app.create_post(banner.act("office"), post="gov/secretary", title="秘书", role="unit_head")
    banner.do("office", "appoint_holder", "gov", "secretary", holder="某", since=date(2021, 1, 1))
    task = banner.new_task(lead_unit="gov", supporters=[], post="gov/secretary")
    ask(banner, task, date(2021, 2, 26), "vice_leader")
    banner.refuses(AskerMayNotDecide, lambda: banner.do("vice_leader", "grant_extension", task))


def test_extensions_are_counted_and_capped_by_the_rulebook(banner: Banner) -> None:
    task = banner.new_task()
    for day in (date(2021, 2, 26), date(2021, 3, 1)):
        ask(banner, task, day)
        banner.do("main_leader", "grant_extension", task)
    banner.refuses(ExtensionsUsedUp, lambda: ask(banner, task, date(2021, 3, 2)))
    granted = banner.opened.of_kind("assignment", assignment.ExtensionGranted)
    assert [(fact.times, fact.original_due_on) for fact in granted] == [
        (1, date(2021, 2, 7)),
        (2, date(2021, 2, 7)),
    ]


def test_a_task_that_rested_may_ask_until_its_moved_due_day(banner: Banner) -> None:
    task = banner.new_task(due_on=date(2021, 1, 6))
    banner.clock.set("2021-01-05 09:00")
    banner.do("inspect", "suspend_task", task, reason="待上级文件")
    banner.refuses(TaskIsSuspended, lambda: ask(banner, task, date(2021, 1, 29)))
    banner.clock.set("2021-01-12 09:00")
    banner.do("inspect", "resume_task", task)  # two days were left: due on the 13th
    banner.do("inspect", "suspend_task", task, reason="再待上级文件")
    banner.clock.set("2021-01-19 09:00")
    banner.do("inspect", "resume_task", task)  # and again: due on the 20th
    banner.clock.set("2021-01-20 23:59")
    ask(banner, task, date(2021, 1, 29))
    banner.do("vice_leader", "refuse_extension", task, reason="按期办")
    banner.clock.set("2021-01-21 00:00")
    banner.refuses(ExtensionAfterDue, lambda: ask(banner, task, date(2021, 1, 29)))


# -- disputes --------------------------------------------------------------------------------------------------


def test_a_leader_rules_only_with_the_leads_proposed_solution(banner: Banner) -> None:
    task = banner.new_task()

    def dispute(who: str, *others: str) -> Any:
        return banner.do(who, "raise_dispute", task, with_units=others, about="分工不清")

    def rule(who: str) -> Any:
        return banner.do(who, "rule_on_dispute", task, ruling="由财政局负责")

    def propose(who: str) -> Any:
        return banner.do(who, "propose_solution", task, coordination="两次会商", solution="财政局负责")

    banner.refuses(UnitNotOnTask, lambda: dispute("angsu", "czj"))
    banner.refuses(UnknownUnit, lambda: dispute("czj", "nobody"))
    banner.refuses(DisputesWithItself, lambda: dispute("czj", "czj"))
    banner.refuses(NoDispute, lambda: propose("fgw"))
    banner.refuses(NoDispute, lambda: rule("vice_leader"))
    dispute("czj", "fgw")
    banner.refuses(DisputeIsOpen, lambda: dispute("fgw", "czj"))
    banner.refuses(DisputeWithoutSolution, lambda: rule("vice_leader"))
    banner.refuses(OnlyTheLead, lambda: propose("czj"))
    propose("fgw")
    banner.forbids("office", f"tasks/{task}/rule-on-dispute", ruling="由财政局负责")
    banner.refuses(NotTheLeaderInCharge, lambda: rule("other_vice"))
    rule("vice_leader")
    dispute("fgw", "czj")
    banner.refuses(DisputeWithoutSolution, lambda: rule("main_leader"))


# -- the end ---------------------------------------------------------------------------------------------------


def test_a_suspended_task_rests_until_it_is_resumed(banner: Banner) -> None:
    task = banner.new_task()
    banner.refuses(NotSuspended, lambda: banner.do("inspect", "resume_task", task))
    banner.forbids("fgw", f"tasks/{task}/suspend", reason="歇")
    assert banner.do("vice_leader", "suspend_task", task, reason="待批").state == "suspended"
    banner.refuses(TaskIsSuspended, lambda: banner.do("fgw", "accept_task", task))
    banner.refuses(TaskIsSuspended, lambda: banner.do("inspect", "suspend_task", task, reason="再歇"))
    assert banner.do("inspect", "resume_task", task).state == "assigned"


@pytest.mark.parametrize("end", ["cancelled", "superseded", "closed"])
def test_a_task_that_has_ended_refuses_everything(banner: Banner, end: str) -> None:
    task = claimed(banner)
    other = banner.new_task(banner.new_list(title="另"))
    if end == "cancelled":
        banner.forbids("office", f"tasks/{task}/cancel", reason="不办了")
        banner.do("main_leader", "cancel_task", task, reason="不办了")
    elif end == "superseded":
        banner.refuses(
            SupersedesItself, lambda: banner.do("office", "supersede_task", task, by_task=task, reason="并")
        )
        banner.refuses(
            NoSuchTask, lambda: banner.do("office", "supersede_task", task, by_task=uuid4(), reason="并")
        )
        banner.do("office", "supersede_task", task, by_task=other, reason="合并")
    else:
        banner.do("inspect", "accept_completion", task)
    assert banner.load(task).status == end
    for who, command, what in EVERY_COMMAND:
        given = {**what, "by_task": other} if command == "supersede_task" else what
        banner.refuses(
            TaskAlreadyClosed,
            lambda who=who, command=command, given=given: banner.do(who, command, task, **given),
        )


EVERY_COMMAND: list[tuple[str, str, dict[str, Any]]] = [
    ("fgw", "accept_task", {}),
    ("fgw", "return_task", {"reason": "不办", "suggested_unit": "czj"}),
    ("main_leader", "reassign_task", {"lead_unit": "czj", "reason": "改"}),
    ("fgw", "break_down_task", {"items": [piece()]}),
    ("fgw", "report_progress", {"value": Decimal(1), "narrative": "进展"}),
    ("czj", "finish_support", {}),
    ("inspect", "waive_support", {"unit": "czj", "reason": "不用"}),
    ("fgw", "claim_completion", {"note": "完成"}),
    ("inspect", "accept_completion", {}),
    ("inspect", "send_back", {"reason": "不足"}),
    ("main_leader", "no_new_instruction", {}),
    ("main_leader", "new_instruction", {"text": "再抓"}),
    ("fgw", "request_extension", {"new_due_on": date(2021, 2, 26), "reason": "慢"}),
    ("main_leader", "grant_extension", {}),
    ("main_leader", "refuse_extension", {"reason": "不行"}),
    ("fgw", "raise_dispute", {"with_units": ["czj"], "about": "分歧"}),
    ("fgw", "propose_solution", {"coordination": "会商", "solution": "方案"}),
    ("main_leader", "rule_on_dispute", {"ruling": "裁定"}),
    ("inspect", "suspend_task", {"reason": "歇"}),
    ("inspect", "resume_task", {}),
    ("main_leader", "cancel_task", {"reason": "不办"}),
    ("office", "supersede_task", {"reason": "并"}),
]


def test_nothing_happens_to_a_task_before_it_was_assigned(banner: Banner) -> None:
    task = banner.new_task()
    early = banner.act("fgw").at(banner.clock() - timedelta(minutes=1))
    banner.refuses(BeforeItWasAssigned, lambda: banner.carry_out("accept_task", early, task))


def test_a_claim_that_is_entered_late_is_overdue_until_it_is_accepted(banner: Banner) -> None:
    task = banner.new_task(supporters=[])
    banner.clock.set("2021-03-01 10:00")
    in_time = banner.act("fgw").at(shanghai("2021-02-07 17:00"))
    banner.carry_out("claim_completion", in_time, task, note="当时已完成", evidence=["照片"])
    banner.opened.settle()
    row = banner.opened.rows("assignment", "tasks")[str(task)]
    assert is_overdue(row, date(2021, 3, 1))
    banner.do("inspect", "accept_completion", task)
    banner.opened.settle()
    accepted = banner.opened.of_kind("assignment", assignment.CompletionAccepted)[-1]
    assert accepted.claimed_at == shanghai("2021-02-07 17:00")
    assert not is_overdue(banner.opened.rows("assignment", "tasks")[str(task)], date(2021, 3, 1))
