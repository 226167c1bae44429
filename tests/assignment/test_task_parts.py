"""What supporters do with their parts, milestones, caps and dates of their own (measure 7)."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.assignment.domain.task.decisions import due_day
from services.assignment.domain.task.refusals import (
    AcceptedAlready,
    CompletionIsClaimed,
    CompletionWithoutReport,
    DateOnlyForAnAcceptedItem,
    DueOnRestDay,
    ExtensionMustMoveForward,
    ExtensionTooLong,
    InstructionDueInThePast,
    MilestoneReachedAlready,
    NoSuchMilestone,
    NotASupporter,
    NotTheLeadOrItsLeader,
    OnlyTheLead,
    PartIsClosed,
    PartIsReturned,
    PieceAfterDue,
    RequiredPartIsOpen,
    SuggestsItself,
    SupportsAlready,
    TaskIsSuspended,
    UnitNotOnTask,
)
from shared.calendar import Calendar
from shared.events import assignment
from shared.readmodels.reference import UnknownUnit
from shared.rulebook import load_rulebook
from shared.testing import shanghai
from tests.assignment.conftest import Banner
from tests.assignment.test_task import piece

RULE = load_rulebook().rule("task_due")


def give_back(banner: Banner, task: UUID, who: str = "czj", to: str | None = "zrj") -> Any:
    return banner.do(who, "return_support", task, reason="不属本单位职责", suggested_unit=to)


def hand(banner: Banner, task: UUID, who: str, unit: str, to: str) -> Any:
    return banner.do(who, "reassign_support", task, unit=unit, to_unit=to, reason="改由其承担")


def part(banner: Banner, task: UUID, unit: str) -> Any:
    return banner.load(task).state.supporters[unit]


# -- parts -----------------------------------------------------------------------------------------------------


def test_a_supporter_returns_its_part_and_the_lead_gives_it_to_another(banner: Banner) -> None:
    task = banner.new_task(supporters=[assignment.Support(unit="czj", part="落实资金")])
    banner.refuses(SuggestsItself, lambda: give_back(banner, task, to="czj"))
    banner.refuses(UnknownUnit, lambda: give_back(banner, task, to="nobody"))
    banner.refuses(UnitNotOnTask, lambda: give_back(banner, task, who="fgw"))
    banner.refuses(UnitNotOnTask, lambda: give_back(banner, task, who="angsu"))
    banner.refuses(SupportsAlready, lambda: hand(banner, task, "fgw", "czj", "czj"))
    give_back(banner, task)
    for command in ("accept_task", "finish_support"):
        banner.refuses(PartIsReturned, lambda command=command: banner.do("czj", command, task))
    banner.refuses(PartIsReturned, lambda: give_back(banner, task))
    banner.refuses(
        RequiredPartIsOpen, lambda: banner.do("fgw", "claim_completion", task, note="完", evidence=["x"])
    )
    banner.refuses(NotTheLeadOrItsLeader, lambda: hand(banner, task, "czj", "czj", "zrj"))
    banner.refuses(NotTheLeadOrItsLeader, lambda: hand(banner, task, "other_vice", "czj", "zrj"))
    banner.refuses(NotASupporter, lambda: hand(banner, task, "fgw", "angsu", "zrj"))
    banner.refuses(UnknownUnit, lambda: hand(banner, task, "fgw", "czj", "nobody"))
    hand(banner, task, "fgw", "czj", "zrj")
    assert [*banner.load(task).state.supporters] == ["zrj"]
    assert (part(banner, task, "zrj").part, part(banner, task, "zrj").state) == ("落实资金", "open")
    banner.do("zrj", "accept_task", task)
    banner.do("zrj", "finish_support", task)
    banner.do("fgw", "claim_completion", task, note="完", evidence=["x"])


def test_a_returned_part_stays_where_it_is_or_goes_to_the_lead_or_is_waived(banner: Banner) -> None:
    def returned(number: str) -> UUID:
        task = banner.new_task(banner.new_list(title=number), number=number)
        give_back(banner, task, to=None)
        return task

    stays = returned("1")
    hand(banner, stays, "vice_leader", "czj", "czj")
    assert part(banner, stays, "czj").state == "open"
    banner.do("czj", "accept_task", stays)
    own = returned("2")
    hand(banner, own, "main_leader", "czj", "fgw")
    assert [*banner.load(own).state.supporters] == ["zrj"]
    waived = returned("3")
    banner.do("inspect", "waive_support", waived, unit="czj", reason="不再需要")
    banner.refuses(PartIsClosed, lambda: hand(banner, waived, "fgw", "czj", "angsu"))
    for task in (own, waived):
        banner.do("fgw", "claim_completion", task, note="完", evidence=["x"])
    banner.refuses(CompletionIsClaimed, lambda: hand(banner, own, "fgw", "zrj", "angsu"))


def test_two_parts_of_one_unit_are_one_part(banner: Banner) -> None:
    task = banner.new_task()
    banner.do("zrj", "accept_task", task)
    banner.do("zrj", "finish_support", task)
    hand(banner, task, "fgw", "czj", "zrj")
    one = part(banner, task, "zrj")
    assert (one.part, one.required, one.state) == ("协助；落实资金", True, "open")
    assert banner.load(task).state.accepted_by == ()
    banner.do("zrj", "accept_task", task)


def test_a_supporter_that_accepted_or_finished_its_part_has_it(banner: Banner) -> None:
    task = banner.new_task()
    banner.do("czj", "accept_task", task)
    banner.refuses(AcceptedAlready, lambda: give_back(banner, task))
    banner.do("zrj", "finish_support", task)
    banner.refuses(PartIsClosed, lambda: give_back(banner, task, who="zrj", to=None))
    banner.do("inspect", "suspend_task", task, reason="歇")
    banner.refuses(TaskIsSuspended, lambda: hand(banner, task, "fgw", "czj", "angsu"))


def test_the_board_shows_who_returned_a_part_and_why(banner: Banner) -> None:
    task = banner.new_task()
    give_back(banner, task)
    banner.opened.settle()
    shown = banner.client("fgw").get(f"/api/v1/tasks/{task}").json["supporters"][0]
    told = ("czj", "returned", "不属本单位职责", "zrj", False)
    assert tuple(shown[name] for name in ("unit", "state", "reason", "suggested_unit", "accepted")) == told
    assert banner.client("czj").get(f"/api/v1/tasks/{task}").json["may"] == [
        "report_progress",
        "raise_dispute",
    ]
    hand(banner, task, "fgw", "czj", "angsu")
    banner.opened.settle()
    assert banner.client("angsu").get(f"/api/v1/tasks/{task}").status_code == 200
    assert banner.client("czj").get(f"/api/v1/tasks/{task}").status_code == 404


# -- a claim needs something to show ---------------------------------------------------------------------------


def test_a_completion_is_claimed_after_a_report_or_with_evidence(banner: Banner) -> None:
    task = banner.new_task(supporters=[assignment.Support(unit="czj", part="", required=False)])
    banner.clock.set("2021-01-06 09:00")
    banner.do("czj", "report_progress", task, value=Decimal(1), narrative="配合单位的进展")

    def claim(at: str, **more: Any) -> Any:
        act = banner.act("fgw").at(shanghai(at))
        return banner.carry_out("claim_completion", act, task, note="完成", **more)

    banner.refuses(CompletionWithoutReport, lambda: claim("2021-01-06 09:00"))
    answer = banner.client("fgw").post(f"/api/v1/tasks/{task}/claim-completion", {"note": "完成"})
    assert (answer.status_code, answer.json["rule"]) == (422, "completion-without-report")
    banner.do("fgw", "report_progress", task, value=Decimal(3), narrative="全部建成")
    banner.refuses(CompletionWithoutReport, lambda: claim("2021-01-06 08:59"))  # nothing was reported then
    claim("2021-01-06 09:00")
    other = banner.new_task(banner.new_list(title="另"), supporters=[])
    banner.do("fgw", "claim_completion", other, note="完成", evidence=["照片"])


# -- an extension has a length ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due_on", "latest", "beyond"),
    [
        (date(2021, 2, 7), date(2021, 5, 10), date(2021, 5, 11)),
        (date(2021, 9, 30), date(2021, 12, 29), date(2021, 12, 30)),
    ],
)
def test_an_extension_adds_at_most_as_many_working_days_as_the_rulebook_says(
    banner: Banner, due_on: date, latest: date, beyond: date
) -> None:
    assert RULE.longest_extension == 60
    assert Calendar.base().working_days_between(due_on, latest) == 60
    task = banner.new_task(due_on=due_on)

    def ask(day: date) -> Any:
        return banner.do("fgw", "request_extension", task, new_due_on=day, reason="天寒")

    refusal = banner.refuses(ExtensionTooLong, lambda: ask(beyond))
    assert latest.isoformat() in refusal.text("zh")
    banner.refuses(ExtensionTooLong, lambda: ask(date(2023, 6, 3)))
    ask(latest)
    banner.do("vice_leader", "grant_extension", task)
    banner.refuses(ExtensionMustMoveForward, lambda: ask(latest))
    banner.refuses(ExtensionTooLong, lambda: ask(date(2022, 12, 30)))  # from the date as it stands now


# -- milestones ------------------------------------------------------------------------------------------------

STEPS = [
    assignment.Milestone(on=date(2021, 1, 15), what="开工"),
    assignment.Milestone(on=date(2021, 1, 29), what="过半", value=Decimal(2)),
    assignment.Milestone(on=date(2021, 1, 29), what="验收一个"),
]


def test_the_lead_reports_its_milestones(banner: Banner) -> None:
    task = banner.new_task(milestones=STEPS)

    def reach(who: str, on: date, what: str) -> Any:
        return banner.do(who, "reach_milestone", task, on=on, what=what)

    def shown() -> list[tuple[str, str | None]]:
        banner.opened.settle()
        steps = banner.client("inspect").get(f"/api/v1/tasks/{task}").json["milestones"]
        return [(step["state"], step["reached_on"]) for step in steps]

    assert shown() == [("open", None)] * 3
    banner.refuses(OnlyTheLead, lambda: reach("czj", date(2021, 1, 15), "开工"))
    banner.refuses(NoSuchMilestone, lambda: reach("fgw", date(2021, 1, 15), "过半"))
    banner.refuses(NoSuchMilestone, lambda: reach("fgw", date(2021, 1, 16), "开工"))
    assert reach("fgw", date(2021, 1, 29), "验收一个").state == "in_progress"
    banner.clock.set("2021-01-15 23:59")
    assert shown()[0] == ("open", None)
    banner.clock.set("2021-01-16 00:00")
    assert shown() == [("late", None), ("open", None), ("reached", "2021-01-04")]
    reach("fgw", date(2021, 1, 15), "开工")
    assert shown()[0] == ("reached", "2021-01-16")
    banner.refuses(MilestoneReachedAlready, lambda: reach("fgw", date(2021, 1, 15), "开工"))
    assert banner.opened.rebuild_and_compare("assignment") == []


# -- a new instruction has a date ------------------------------------------------------------------------------


def accepted(banner: Banner, at: str = "2021-02-05 10:00") -> UUID:
    task = banner.new_task(supporters=[], from_leader_instruction=True)
    banner.clock.set(at)
    banner.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    banner.do("inspect", "accept_completion", task)
    return task


def test_a_new_instruction_on_an_accepted_item_has_a_date_of_its_own(banner: Banner) -> None:
    task = accepted(banner)
    banner.clock.set("2021-02-23 10:00")

    def instruct(due_on: date | None, what: UUID = task) -> Any:
        return banner.do("main_leader", "new_instruction", what, text="再抓", due_on=due_on)

    banner.refuses(InstructionDueInThePast, lambda: instruct(date(2021, 2, 23)))
    banner.refuses(InstructionDueInThePast, lambda: instruct(date(2021, 2, 7)))
    banner.refuses(DueOnRestDay, lambda: instruct(date(2021, 4, 3)))
    assert instruct(date(2021, 3, 31)).state == "in_progress"
    state = banner.load(task).state
    assert (state.due_on, state.original_due_on, state.completed) == (
        date(2021, 3, 31),
        date(2021, 2, 7),
        False,
    )
    banner.refuses(DateOnlyForAnAcceptedItem, lambda: instruct(date(2021, 4, 30)))
    banner.opened.settle()
    row = banner.client("inspect").get(f"/api/v1/tasks/{task}").json
    assert (row["due_on"], row["original_due_on"], row["overdue"]) == ("2021-03-31", "2021-02-07", False)
    banner.do("fgw", "request_extension", task, new_due_on=date(2021, 4, 30), reason="天寒")
    banner.do("main_leader", "grant_extension", task)
    banner.clock.set("2021-05-06 09:00")
    banner.opened.settle()
    row = banner.client("inspect").get(f"/api/v1/tasks/{task}").json
    assert (row["due_on"], row["overdue"], row["extensions"]) == ("2021-04-30", True, 1)
    banner.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    banner.do("inspect", "accept_completion", task)
    banner.do("main_leader", "no_new_instruction", task)


def test_a_new_instruction_before_the_acceptance_leaves_the_date_as_it_is(banner: Banner) -> None:
    task = banner.new_task(supporters=[], from_leader_instruction=True)
    banner.refuses(
        DateOnlyForAnAcceptedItem,
        lambda: banner.do("main_leader", "new_instruction", task, text="再抓", due_on=date(2021, 3, 31)),
    )
    banner.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    banner.do("main_leader", "new_instruction", task, text="再抓")
    state = banner.load(task).state
    assert (state.status, state.due_on, state.term_due_on) == (
        "in_progress",
        date(2021, 2, 7),
        date(2021, 2, 7),
    )


# -- the date that a command reckons with ----------------------------------------------------------------------


def test_what_waited_at_the_office_moves_the_date_as_a_rest_does(banner: Banner) -> None:
    task = banner.new_task(supporters=[])
    banner.clock.set("2021-02-04 16:00")
    banner.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    banner.clock.set("2021-02-23 10:00")
    banner.do("inspect", "send_back", task, reason="证据不足")
    # 02-04, 02-05 and 02-07 were left when it was claimed; they are counted from 02-23 on.
    assert due_day(banner.load(task).state, load_rulebook(), Calendar.base()) == date(2021, 2, 25)
    banner.refuses(
        ExtensionMustMoveForward,
        lambda: banner.do("fgw", "request_extension", task, new_due_on=date(2021, 2, 25), reason="慢"),
    )
    banner.do("fgw", "request_extension", task, new_due_on=date(2021, 2, 26), reason="慢")


def test_a_piece_may_be_due_until_the_date_as_it_stands(banner: Banner) -> None:
    task = banner.new_task(supporters=[])
    banner.clock.set("2021-02-01 09:00")
    banner.do("inspect", "suspend_task", task, reason="待批")
    banner.clock.set("2021-02-03 09:00")
    banner.do("inspect", "resume_task", task)

    def break_down(day: date) -> Any:
        return banner.do("fgw", "break_down_task", task, items=[piece(due_on=day)])

    banner.refuses(PieceAfterDue, lambda: break_down(date(2021, 2, 10)))
    break_down(date(2021, 2, 9))
