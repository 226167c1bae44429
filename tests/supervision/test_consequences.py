"""What follows from a fact goes with it, and who had the matter answers for it (domain.md §3, §4.7, §4.8)."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.refusal import Refusal
from shared.events import assignment, enterprise
from shared.events import supervision as told
from shared.testing import an_act, facts, shanghai
from tests.supervision.test_supervision_rules import COMMANDS, NOW, NUMBERS, TERMS, a_case

DUE = date(2021, 2, 5)


def task_due(world: Any, due_on: date = DUE, **other: Any) -> tuple[UUID, UUID]:
    world.at("2021-01-18 09:00")
    task = world.task(due_on=due_on, **other)
    world.told(assignment.TaskAccepted, task, unit="fgw")
    return task, world.case_of(task)


def claimed(world: Any, task: UUID, **other: Any) -> None:
    world.told(assignment.CompletionClaimed, task, unit="fgw", note="已完成", evidence=("报告",), **other)


def accepted(world: Any, task: UUID, at: str) -> None:
    world.told(assignment.CompletionAccepted, task, claimed_at=shanghai(at))


def standing(world: Any, case: UUID) -> list[int]:
    return [number for number, one in world.case(case).state.issued.items() if not one.voided]


# -- a claimed completion waits for the office ---------------------------------------------------------------------


@pytest.mark.parametrize("accepted_at", ["2021-02-05 09:00", "2021-02-23 10:00", "2021-04-06 10:00"])
def test_a_unit_that_claimed_in_time_is_never_asked_however_late_the_office_is(
    world: Any, accepted_at: str
) -> None:
    task, case = task_due(world)
    world.at("2021-02-04 16:00")
    claimed(world, task)
    world.at(accepted_at)
    assert world.count(case, told.RoundIssued) == 0
    assert world.clock_row(case, "task_due")["missed"] is False
    accepted(world, task, "2021-02-04 16:00")
    row = world.clock_row(case, "task_due")
    assert (row["verdict"], row["unit"], row["charged"]) == ("in_time", "fgw", None)
    late = accepted_at > "2021-02-08"
    check = world.clock_row(case, "completion_check")
    assert (check["unit"], check["missed"], check["verdict"]) == (
        "inspect",
        late,
        "late" if late else "in_time",
    )
    world.told(assignment.TaskClosed, task, ground="accepted")
    world.consistent()


def test_while_a_completion_waits_the_office_issues_no_round_to_the_unit(world: Any) -> None:
    task, case = task_due(world)
    claimed(world, task)
    path = f"cases/{case}/issue-round"
    world.refused("completion-waits-for-the-office", "inspect/chief", path, requirement="问")


def test_sent_back_the_unit_has_the_days_that_were_left_and_both_dates_are_shown(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-02-04 16:00")
    claimed(world, task)
    world.at("2021-02-23 10:00")
    world.told(assignment.CompletionSentBack, task, reason="佐证不足")
    row = world.clock_row(case, "task_due")
    # Two working days were left when it was claimed, the 4th among them: the 23rd and the 24th.
    assert (row["due_on"], row["original_due_on"], row["state"]) == (date(2021, 2, 24), DUE, "open")
    world.at("2021-02-24 23:00")
    assert world.clock_row(case, "completion_check")["verdict"] == "late", "the office's own clock"
    assert world.clock_row(case, "task_due")["missed"] is False
    world.at("2021-02-25 09:00")
    assert world.last(case, told.RoundIssued).missed_clock == "task_due"
    world.consistent()


def test_a_task_that_is_suspended_while_its_claim_waits_rests_until_both_are_over(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-02-01 09:00")
    claimed(world, task)
    world.told(assignment.TaskSuspended, task, reason="等资金")
    world.at("2021-02-02 09:00")
    world.told(assignment.CompletionSentBack, task, reason="佐证不足")
    assert world.clock_row(case, "task_due")["state"] == "paused"
    world.at("2021-02-03 09:00")
    world.told(assignment.TaskResumed, task)
    row = world.clock_row(case, "task_due")
    assert (row["state"], row["due_on"]) == ("open", date(2021, 2, 8)), "the 1st and the 2nd did not count"
    world.consistent()


@pytest.mark.parametrize("judged", [False, True])
def test_a_completion_that_is_entered_late_takes_rounds_and_naming_back_once_it_is_accepted(
    world: Any, judged: bool
) -> None:
    task, case = task_due(world)
    world.at("2021-02-06 08:30")
    assert standing(world, case) == [1]
    if judged:
        world.slow_round(case, 1)
        world.slow_round(case, 2)
    else:
        world.at("2021-02-10 09:00")
        world.at("2021-02-22 09:00")
    assert standing(world, case) == [1, 2]
    (naming,) = world.case(case).namings_due.values()
    world.at("2021-02-23 09:00")
    claimed(world, task, happened_at=shanghai("2021-02-04 17:00"))
    assert world.clock_row(case, "task_due")["missed"], "until it is accepted both stand"
    assert standing(world, case) == [1, 2]
    accepted(world, task, "2021-02-04 17:00")
    assert standing(world, case) == []
    assert world.case(case).namings_due == {}
    assert world.kinds_of(naming)[-1] == "NamingWithdrawn"
    assert world.kinds_of(case).count("SupervisionNoLongerUnresolved") == 1
    row = world.clock_row(case, "task_due")
    assert (row["verdict"], row["missed"]) == ("in_time", False)
    world.consistent()


def test_a_claim_entered_late_that_is_sent_back_leaves_the_miss(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-02-08 09:00")
    claimed(world, task, happened_at=shanghai("2021-02-04 17:00"))
    world.at("2021-02-09 09:00")
    world.told(assignment.CompletionSentBack, task, reason="不实")
    row = world.clock_row(case, "task_due")
    assert (row["missed"], row["due_on"]) == (True, DUE)
    assert standing(world, case) == [1]
    world.consistent()


# -- extensions ----------------------------------------------------------------------------------------------------


def test_a_round_that_an_extension_overtook_leads_to_nothing(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-02-06 08:30")
    world.slow_round(case, 1)
    assert world.case(case).state.open_round.round == 2
    world.at("2021-02-07 10:00")
    extended = {"due_on": date(2021, 3, 31), "original_due_on": DUE, "times": 1}
    world.told(assignment.ExtensionGranted, task, **extended)
    world.at("2021-03-30 09:00")
    assert world.count(case, told.RoundIssued) == 2
    assert world.case(case).namings_due == {}
    assert "SupervisionUnresolved" not in world.kinds_of(case)
    world.at("2021-04-01 09:00")
    last = world.last(case, told.RoundIssued)
    assert (last.round, last.trigger) == (3, "deadline_missed"), "the new date is missed: a first round"
    world.consistent()


def test_an_own_round_that_an_extension_overtook_counts_for_nothing_and_escalates_nothing(world: Any) -> None:
    task, case = task_due(world, due_on=date(2021, 3, 12))
    world.issued(case)
    world.slow_round(case, 1)
    world.at("2021-01-19 09:00")
    extended = {"due_on": date(2021, 3, 31), "original_due_on": date(2021, 3, 12), "times": 1}
    world.told(assignment.ExtensionGranted, task, **extended)
    world.at("2021-02-01 09:00")
    judged = world.last(case, told.RoundJudged)
    assert (judged.round, judged.unsigned) == (2, True)
    assert world.count(case, told.RoundIssued) == 2
    assert "SupervisionUnresolved" not in world.kinds_of(case)
    world.consistent()


# -- what rests on a round -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["void", "objection"])
def test_without_round_1_the_round_that_rested_on_it_is_void_too(world: Any, how: str) -> None:
    _, case = task_due(world)
    world.at("2021-02-06 08:30")
    world.slow_round(case, 1)
    world.answered(case, 2)
    path = f"cases/{case}/rounds/1"
    if how == "void":
        world.do("inspect/officer", f"{path}/void", reason="误发")
    else:
        world.do("fgw/head", f"{path}/object", text="不服")
        world.do("inspect/officer", f"{path}/rule-on-objection", upheld=True, reason="属实")
    assert world.case(case).state.issued[2].void_ground == "ground_lost"
    assert world.clock_row(case, "round_answer", 2)["verdict"] == "in_time"
    world.consistent()


def test_a_round_whose_date_moved_is_not_slow_for_want_of_a_signature(world: Any) -> None:
    _, case = task_due(world, due_on=date(2021, 12, 31))
    world.issued(case)
    due = world.clock_row(case, "round_answer")["due_on"]
    assert due == date(2021, 1, 21)
    world.at("2021-01-22 09:00")
    assert world.case(case).state.issued[1].unsigned
    days = [{"day": "2021-01-20", "working": False, "name": "雪灾停工"}]
    draft = world.do("inspect/chief", "calendar-releases", layer="banner", title="雪灾停工", days=days)
    world.do("inspect/officer", f"calendar-releases/{draft['id']}/release")
    row = world.clock_row(case, "round_answer")
    assert (row["due_on"], row["missed"]) == (date(2021, 1, 22), False)
    assert world.case(case).state.open_round.round == 1
    assert standing(world, case) == [1]
    world.answered(case, 1)
    world.consistent()


# -- new instruction -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "due"), [(date(2021, 3, 31), "2021-03-31"), (None, "2021-03-09")])
def test_a_new_instruction_on_an_accepted_item_begins_the_clocks_next_cycle(
    world: Any, given: date | None, due: str
) -> None:
    task, case = task_due(world, from_leader_instruction=True)
    claimed(world, task)
    accepted(world, task, "2021-01-18 09:00")
    world.at("2021-02-23 09:00")
    world.told(assignment.NewInstructionGiven, task, text="再抓一抓", due_on=given)
    first, second = world.clock_row(case, "task_due"), world.clock_row(case, "task_due", 2)
    assert (first["verdict"], first["cycle"]) == ("in_time", 1)
    assert (second["state"], str(second["due_on"]), second["unit"]) == ("open", due, "fgw")
    world.at("2021-04-01 09:00")
    assert world.last(case, told.DeadlineMissed).cycle == 2
    world.consistent()


# -- other hands ---------------------------------------------------------------------------------------------------


def reassigned(world: Any, task: UUID, before: str = "fgw", unit: str = "czj") -> None:
    what = {"from_unit": before, "lead_unit": unit, "post": f"{unit}/officer", "reason": "改派"}
    world.told(assignment.TaskReassigned, task, **what)


def test_a_round_goes_with_the_hands_and_the_new_lead_gets_its_own(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-02-02 09:00")
    world.issued(case)
    world.at("2021-02-03 09:00")
    reassigned(world, task)
    assert world.case(case).state.issued[1].void_ground == "moved"
    world.at("2021-02-06 08:30")
    second = world.last(case, told.RoundIssued)
    assert (second.round, second.unit, second.trigger) == (2, "czj", "deadline_missed")
    assert world.last(case, told.DeadlineMissed).unit == "fgw", "fgw had it for most of its time"
    world.consistent()


def test_a_signed_answer_is_judged_after_the_matter_has_moved_and_leads_to_nothing_there(world: Any) -> None:
    task, case = task_due(world, due_on=date(2021, 3, 31))
    world.issued(case)
    world.answered(case, 1)
    reassigned(world, task)
    world.slow(case, 1)
    assert world.count(case, told.RoundIssued) == 1
    world.consistent()


def test_who_takes_over_what_was_missed_before_is_asked_once_it_has_acknowledged(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-02-06 08:30")
    reassigned(world, task)
    assert standing(world, case) == []
    world.at("2021-02-07 09:00")
    world.told(assignment.TaskAccepted, task, unit="czj")
    assert [world.case(case).state.issued[one].unit for one in standing(world, case)] == ["czj"]
    assert world.clock_row(case, "task_due")["charged"] == "fgw"
    world.consistent()


def test_what_waits_for_a_leader_after_a_third_return_is_nobodys_below_the_leader(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-02-05 17:00")
    what = {"unit": "fgw", "reason": "非职责", "suggested_unit": "czj", "times": 3}
    world.told(assignment.TaskReturned, task, **what, referred_to="gov/vice-leader")
    world.at("2021-02-06 08:30")
    assert world.last(case, told.DeadlineMissed).unit == "gov"
    assert world.count(case, told.RoundIssued) == 0
    path = f"cases/{case}/issue-round"
    world.refused("matter-waits-for-a-leader", "inspect/chief", path, requirement="问")
    world.consistent()


@pytest.mark.parametrize(("times", "answers"), [(1, "fgw"), (2, "fgw"), (3, "gov")])
def test_a_return_on_the_last_day_does_not_charge_the_leader_unless_he_has_to_decide(
    world: Any, times: int, answers: str
) -> None:
    task, case = task_due(world)
    world.at("2021-02-05 17:00")
    referred = "gov/vice-leader" if times == 3 else None
    what = {"unit": "fgw", "reason": "非职责", "suggested_unit": "czj", "times": times}
    world.told(assignment.TaskReturned, task, **what, referred_to=referred)
    world.at("2021-02-06 08:30")
    assert world.last(case, told.DeadlineMissed).unit == answers


def test_a_part_that_is_returned_goes_to_another_unit_with_days_of_its_own(world: Any) -> None:
    task, case = task_due(world)
    world.at("2021-01-19 09:00")
    world.told(assignment.SupportReturned, task, unit="czj", reason="非职责", suggested_unit="zrj")
    assert world.clock_row(case, "support_acknowledge")["verdict"] == "in_time"
    assert world.clock_row(case, "support_reassign")["unit"] == "fgw"
    world.told(assignment.SupportReassigned, task, from_unit="czj", unit="zrj", reason="采纳")
    assert world.clock_row(case, "support_reassign")["verdict"] == "in_time"
    again = world.clock_row(case, "support_acknowledge", 2)
    assert (again["unit"], again["state"]) == ("zrj", "open")
    assert world.client("zrj/officer").get(f"/api/v1/cases/{case}").status_code == 200
    world.told(assignment.TaskAccepted, task, unit="zrj")
    assert world.clock_row(case, "support_acknowledge", 2)["verdict"] == "in_time"
    world.consistent()


def test_a_part_that_the_lead_takes_over_needs_no_acknowledgement(world: Any) -> None:
    task, case = task_due(world)
    world.told(assignment.SupportReturned, task, unit="czj", reason="非职责")
    world.told(assignment.SupportReassigned, task, from_unit="czj", unit="fgw", reason="自办")
    assert world.case(case).latest("support_acknowledge").cycle == 1
    assert world.case(case).state.supporters == ()


def test_each_milestone_warns_and_is_missed_by_itself(world: Any) -> None:
    steps = (
        assignment.Milestone(on=date(2021, 1, 22), what="一期"),
        assignment.Milestone(on=date(2021, 1, 29), what="二期"),
    )
    task, case = task_due(world, milestones=steps)
    assert [str(world.clock_row(case, "milestone", n)["due_on"]) for n in (1, 2)] == [
        "2021-01-22",
        "2021-01-29",
    ]
    world.at("2021-01-21 09:00")
    warned = [fact for fact in world.facts_of(case) if isinstance(fact, told.DeadlineApproaching)]
    assert {(fact.clock, fact.cycle) for fact in warned} >= {("milestone", 1)}
    world.told(assignment.MilestoneReached, task, on=date(2021, 1, 29), what="二期")
    world.at("2021-01-25 09:00")
    assert world.clock_row(case, "milestone", 2)["verdict"] == "in_time"
    assert world.clock_row(case, "milestone")["missed"]
    assert world.count(case, told.RoundIssued) == 0, "a milestone warns; it brings no round"
    world.consistent()


# -- whistles ------------------------------------------------------------------------------------------------------


def whistle_at(world: Any, moment: str, name: str = "1") -> tuple[UUID, UUID]:
    world.at(moment)
    whistle = world.whistle(name)
    return whistle, world.case_of(whistle, "whistle")


def routed(world: Any, whistle: UUID, unit: str, transfers: int = 0, before: str = "office") -> None:
    what = {"from_unit": before, "lead_unit": unit, "post": f"{unit}/officer", "transfers": transfers}
    world.told(enterprise.WhistleRouted, whistle, **what)


def missed_of(world: Any, case: UUID, clock: str) -> Any:
    return next(
        fact
        for fact in reversed(world.facts_of(case))
        if isinstance(fact, told.DeadlineMissed) and fact.clock == clock
    )


def test_a_whistle_that_was_routed_75_minutes_before_the_end_is_the_desks(world: Any) -> None:
    whistle, case = whistle_at(world, "2021-03-01 09:00")
    world.at("2021-03-02 22:45")
    routed(world, whistle, "zrj")
    world.at("2021-03-03 08:30")
    missed = missed_of(world, case, "contact")
    assert (missed.unit, missed.holder) == ("office", "zrj")
    assert world.last(case, told.RoundIssued).unit == "zrj", "it is put to whoever can act now"
    world.consistent()


def test_a_whistle_that_was_routed_on_the_day_is_the_new_units(world: Any) -> None:
    whistle, case = whistle_at(world, "2021-03-01 09:00")
    routed(world, whistle, "zrj")
    world.at("2021-03-03 08:30")
    assert missed_of(world, case, "contact").unit == "zrj"


def test_a_whistle_that_was_returned_on_friday_and_left_lying_is_the_desks(world: Any) -> None:
    whistle, case = whistle_at(world, "2021-03-04 09:00")  # Thursday; three working days: until Tuesday
    routed(world, whistle, "zrj")
    world.told(enterprise.EnterpriseContacted, whistle, unit="zrj", how="phone")
    world.at("2021-03-05 16:00")
    what = {"unit": "zrj", "reason": "非职责", "suggested_unit": "fgw", "desk_unit": "office", "times": 1}
    world.told(enterprise.WhistleReturned, whistle, **what)
    world.at("2021-03-10 08:30")
    missed = missed_of(world, case, "resolve_or_confirm")
    assert (missed.unit, missed.holder) == ("office", "office")
    assert world.last(case, told.RoundIssued).unit == "office"
    rates = world.client("inspect/chief").get("/api/v1/rates?since=2021-03-01&until=2021-03-31").json
    [line] = [one for one in rates["items"] if one["clock"] == "resolve_or_confirm"]
    assert (line["unit"], line["numerator"], line["denominator"]) == ("office", 0, 1)
    world.consistent()


def test_what_was_missed_by_one_and_then_passed_on_stays_with_the_one(world: Any) -> None:
    whistle, case = whistle_at(world, "2021-03-01 09:00")
    routed(world, whistle, "zrj")
    world.at("2021-03-03 08:30")
    routed(world, whistle, "fgw", 1, "zrj")
    assert world.clock_row(case, "contact")["charged"] == "zrj"
    world.told(enterprise.EnterpriseContacted, whistle, unit="fgw", how="phone")
    row = world.clock_row(case, "contact")
    assert (row["charged"], row["verdict"]) == ("zrj", "late")
    asked = [world.case(case).state.issued[one].unit for one in standing(world, case)]
    assert asked == ["fgw"], "it is put to whoever can act now"


def test_custody_that_is_heard_after_the_miss_charges_it_anew(world: Any) -> None:
    whistle, case = whistle_at(world, "2021-03-01 09:00")
    world.at("2021-03-03 08:30")
    assert missed_of(world, case, "contact").unit == "office"
    what = {"from_unit": "office", "lead_unit": "zrj", "post": "zrj/officer", "transfers": 0}
    world.told(enterprise.WhistleRouted, whistle, **what, happened_at=shanghai("2021-03-01 10:00"))
    assert world.clock_row(case, "contact")["charged"] == "zrj"
    assert world.last(case, told.MissRecharged).from_unit == "office"
    world.consistent()


def test_a_merged_reporters_contact_is_owed_by_the_lead_of_the_main_whistle(world: Any) -> None:
    main, _ = whistle_at(world, "2021-03-01 09:00", "main")
    routed(world, main, "zrj")
    merged, case = whistle_at(world, "2021-03-01 10:00", "merged")
    world.told(enterprise.WhistleMerged, merged, into=main)
    world.at("2021-03-03 08:30")
    missed = missed_of(world, case, "contact")
    assert (missed.unit, missed.holder) == ("zrj", "zrj")
    assert world.last(case, told.RoundIssued).unit == "zrj"
    assert world.client("zrj/officer").get(f"/api/v1/cases/{case}").status_code == 200
    world.answered(case, 1, "zrj")
    world.consistent()


def test_both_units_see_why_day_by_day(world: Any) -> None:
    whistle, case = whistle_at(world, "2021-03-01 09:00")
    world.at("2021-03-02 22:45")
    routed(world, whistle, "zrj")
    world.at("2021-03-03 08:30")
    for post in ("office/head", "zrj/officer"):
        explained = world.client(post).get(f"/api/v1/cases/{case}/clocks/contact/1/explanation").json
        assert explained["charged"] == "office"
        assert explained["charge_lines"] == [
            "office: 1 working days (2021-03-02)",
            "zrj: 0 working days",
            "zrj had it when it was missed, but only 0 working days were left when it came (at least 1 are fair): "
            "office, which had it longest, answers for it",
        ]


# -- late entries ---------------------------------------------------------------------------------------------------


def test_a_contact_entered_late_counts_once_the_enterprise_has_confirmed_it(world: Any) -> None:
    whistle, case = whistle_at(world, "2021-03-01 09:00")
    routed(world, whistle, "zrj")
    world.at("2021-03-03 09:00")
    contacted = {"unit": "zrj", "how": "phone", "happened_at": shanghai("2021-03-02 15:00")}
    world.told(enterprise.EnterpriseContacted, whistle, **contacted)
    row = world.clock_row(case, "contact")
    assert (row["verdict"], row["missed"], row["claim"]) == ("late", True, "waiting")
    assert row["claimed_at"] == shanghai("2021-03-02 15:00")
    assert standing(world, case) == [1]
    path = f"cases/{case}/clocks/contact/1/confirm-earlier-time"
    body = {"confirmed": True, "reason": "接到过电话"}
    world.refused("only-the-enterprise-confirms", "inspect/chief", path, **body)
    code = "91150623MA0N000011"
    answer = world.opened.client("supervision", "enterprise", code, code).post(f"/api/v1/{path}", body)
    assert answer.status_code == 200, answer.json
    world.opened.settle()
    row = world.clock_row(case, "contact")
    assert (row["verdict"], row["missed"], row["claim"]) == ("in_time", False, "confirmed")
    assert row["stopped_at"] == shanghai("2021-03-02 15:00")
    assert standing(world, case) == []
    world.consistent()


def test_a_late_entry_that_is_rejected_leaves_the_miss_and_its_round(world: Any) -> None:
    case = world.case_of(directive := world.directive("1", "fgw"), "duty", "arrange", "fgw")
    world.at("2021-03-04 09:00")
    what = {"number": "1", "unit": "fgw", "text": "已布置", "happened_at": shanghai("2021-03-02 10:00")}
    world.told(assignment.ArrangementReported, directive, **what)
    assert world.clock_row(case, "late_entry")["unit"] == "inspect"
    world.confirmed(case, "arrange", holds=False)
    row = world.clock_row(case, "arrange")
    assert (row["verdict"], row["missed"], row["claim"]) == ("late", True, "rejected")
    assert world.clock_row(case, "late_entry")["verdict"] == "in_time"
    world.refused(
        "nothing-to-confirm",
        "inspect/chief",
        f"cases/{case}/clocks/arrange/1/confirm-earlier-time",
        confirmed=True,
        reason="x",
    )


def test_what_was_recorded_in_time_and_only_arrived_late_counts_at_once(world: Any) -> None:
    case = world.case_of(directive := world.directive("1", "fgw"), "duty", "arrange", "fgw")
    world.clock.set("2021-03-02 10:00")
    world.say(assignment.ArrangementReported, directive, number="1", unit="fgw", text="已布置")
    world.clock.set("2021-03-04 09:00")
    world.app.tick()
    assert world.count(case, told.DeadlineMissed) == 1
    world.opened.settle()
    row = world.clock_row(case, "arrange")
    assert (row["verdict"], row["missed"], row["claim"]) == ("in_time", False, None)
    assert standing(world, case) == []
    world.consistent()


# -- in line after every fact ---------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(COMMANDS)), NUMBERS, st.integers(0, 90)), max_size=25))
def test_after_every_command_nothing_is_left_to_be_brought_in_line(
    commands: list[tuple[str, int, int]],
) -> None:
    case, now = a_case(date(2021, 3, 5)), NOW
    for name, number, hours in commands:
        now += timedelta(hours=hours)
        try:
            COMMANDS[name](case, an_act(now, post="inspect/officer"), number)
        except Refusal:
            continue
        before = len(facts(case))
        case.settle(an_act(now, "duban", "supervision", ""), TERMS)
        assert len(facts(case)) == before, (name, facts(case)[before:])
        rounds = case.state.issued.values()
        for one in rounds:
            if one.followed is not None and not one.voided:
                assert case.state.clocks[one.followed].missed
            if one.unsigned and not one.voided:
                assert case.state.clocks["round_answer", one.round].missed
