"""Rounds: who may do what, what follows from what, and every refusal without a trace."""

from datetime import date
from typing import Any

import pytest

from shared.events import assignment
from shared.events import supervision as told


def issued(world: Any, due_on: date = date(2021, 12, 31)) -> Any:
    case = world.case_of(world.task(due_on=due_on))
    world.issued(case)
    return case


def test_only_the_main_head_of_the_unit_signs(world: Any) -> None:
    case = issued(world)
    path = f"cases/{case}/rounds/1"
    world.refused("nothing-to-sign", "fgw/head", f"{path}/sign")
    world.do("fgw/officer", f"{path}/answer", text="正在办理")
    for post, role in (
        ("fgw/officer", None),
        ("fgw/officer", "unit_head"),
        ("czj/head", None),
        ("inspect/chief", None),
    ):
        world.refused("only-the-main-head-signs", post, f"{path}/sign", role)
    world.do("fgw/head", f"{path}/sign")
    assert world.last(case, told.RoundSigned).signed_by == "fgw/head"
    world.refused("round-already-signed", "fgw/officer", f"{path}/answer", text="改")


def test_another_unit_does_not_answer(world: Any) -> None:
    case = issued(world)
    world.refused("not-the-unit-asked", "czj/officer", f"cases/{case}/rounds/1/answer", text="代答")


def test_nobody_judges_their_own_unit(world: Any) -> None:
    case = world.case_of(world.directive("1", "inspect"), "duty", "arrange", "inspect")
    world.at("2021-03-05 09:00")
    assert world.last(case, told.RoundIssued).unit == "inspect"
    world.do("inspect/officer", f"cases/{case}/rounds/1/answer", "officer", text="答复")
    world.do("inspect/chief", f"cases/{case}/rounds/1/sign", "unit_head")
    judge = {"verdict": "on_track", "reason": "好"}
    world.refused("judging-ones-own-unit", "inspect/chief", f"cases/{case}/rounds/1/judge", **judge)
    world.refused("judging-ones-own-unit", "inspect/chief", f"cases/{case}/rounds/1/void", reason="x")


def test_an_unsigned_answer_is_not_judged(world: Any) -> None:
    case = issued(world)
    world.do("fgw/officer", f"cases/{case}/rounds/1/answer", text="正在办理")
    body = {"verdict": "resolved", "reason": "好"}
    world.refused("answer-not-signed", "inspect/chief", f"cases/{case}/rounds/1/judge", **body)


def test_no_second_round_before_the_first_is_concluded(world: Any) -> None:
    case = issued(world)
    world.refused("round-not-concluded", "inspect/chief", f"cases/{case}/issue-round", requirement="再问")
    world.answered(case, 1)
    world.do("inspect/chief", f"cases/{case}/rounds/1/judge", verdict="on_track", reason="正常")
    assert world.count(case, told.RoundIssued) == 1
    world.issued(case)
    assert world.last(case, told.RoundIssued).round == 2


@pytest.mark.parametrize(
    ("due_on", "rule"),
    [("2021-03-01", "round-date-too-early"), ("2021-03-06", "round-date-on-a-rest-day")],
)
def test_a_round_is_due_on_a_working_day_to_come(world: Any, due_on: str, rule: str) -> None:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    problem = world.refused(
        rule, "inspect/chief", f"cases/{case}/issue-round", requirement="问", due_on=due_on
    )
    if rule == "round-date-on-a-rest-day":
        assert "2021-03-05" in problem["detail"]
        assert "2021-03-08" in problem["detail"]


def test_the_first_slow_round_brings_the_second_and_the_second_none(world: Any) -> None:
    case = issued(world)
    world.slow_round(case, 1)
    assert world.last(case, told.RoundIssued).trigger == "slow_round"
    world.slow_round(case, 2)
    assert world.count(case, told.RoundIssued) == 2
    assert world.count(case, told.NamingBecameDue) == 1
    world.issued(case)
    world.slow_round(case, 3)
    assert world.count(case, told.NamingBecameDue) == 1, "a third slow round is aggravated, no second naming"
    streak = world.client("inspect/chief").get(f"/api/v1/cases/{case}").json["streaks"]
    assert streak == [{"unit": "fgw", "rounds": [1, 2, 3], "aggravated": True}]
    world.consistent()


def test_an_objection_is_raised_by_the_unit_in_time_and_ruled_by_another_than_the_judge(world: Any) -> None:
    case, naming = world.named()
    path = f"cases/{case}/rounds/1"
    world.refused("not-the-unit-asked", "czj/head", f"{path}/object", text="不服")
    world.refused(
        "no-objection-to-rule", "inspect/officer", f"{path}/rule-on-objection", upheld=True, reason="x"
    )
    world.do("fgw/head", f"{path}/object", text="已完成")
    world.refused("objection-already-raised", "fgw/head", f"{path}/object", text="再次")
    ruling = {"upheld": True, "reason": "属实"}
    world.refused("ruling-on-ones-own-verdict", "inspect/chief", f"{path}/rule-on-objection", **ruling)
    world.do("inspect/officer", f"{path}/rule-on-objection", **ruling)
    assert world.last(case, told.NamingNoLongerDue).naming_id == naming
    assert world.kinds_of(naming)[-1] == "NamingWithdrawn"
    voided = world.last(case, told.RoundVoided)
    assert (voided.round, voided.ground) == (2, "ground_lost"), "round 2 rested on round 1"
    world.consistent()


def test_after_the_window_nobody_objects(world: Any) -> None:
    case, _ = world.named()
    world.at("2021-03-05 09:00")
    world.refused("objection-window-closed", "fgw/head", f"cases/{case}/rounds/2/object", text="不服")


def test_a_late_signature_given_in_time_takes_the_unsigned_verdict_back(world: Any) -> None:
    case = issued(world)
    world.do("fgw/officer", f"cases/{case}/rounds/1/answer", text="正在办理")
    world.at("2021-03-05 09:00")
    assert world.last(case, told.RoundJudged).unsigned
    assert world.last(case, told.RoundIssued).round == 2
    path = f"cases/{case}/rounds/1/sign"
    world.refused("round-answer-too-late", "fgw/head", path)
    world.do("fgw/head", path, happened_at="2021-03-04T15:00:00+08:00")
    world.refused("earlier-time-waits", "fgw/head", path, happened_at="2021-03-04T15:00:00+08:00")
    assert world.case(case).state.concluded[0].verdict == "slow", "until it is confirmed both stand"
    world.confirmed(case, "round_answer")
    assert world.last(case, told.DeadlineMissRetracted).clock == "round_answer"
    assert world.last(case, told.RoundVoided).round == 2
    world.do("inspect/chief", f"cases/{case}/rounds/1/judge", verdict="resolved", reason="好")
    assert world.case(case).state.concluded[0].verdict == "resolved"
    world.consistent()


@pytest.mark.parametrize("ruled", [False, True])
def test_a_late_signature_takes_the_objection_to_the_unsigned_verdict_back(world: Any, ruled: bool) -> None:
    case = issued(world)
    path = f"cases/{case}/rounds/1"
    world.do("fgw/officer", f"{path}/answer", text="正在办理")
    world.at("2021-03-05 09:00")
    world.do("fgw/head", f"{path}/object", text="已按时签字")
    if ruled:
        world.do("inspect/officer", f"{path}/rule-on-objection", upheld=False, reason="未见签字")
    world.do("fgw/head", f"{path}/sign", happened_at="2021-03-04T15:00:00+08:00")
    world.confirmed(case, "round_answer")
    shown = world.client("inspect/chief").get(f"/api/v1/cases/{case}").json["round_list"][0]
    assert (shown["state"], shown["objection"], shown["objection_upheld"], shown["ruling"]) == (
        "signed",
        None,
        None,
        None,
    )
    world.slow(case, 1)
    world.do("fgw/head", f"{path}/object", text="对新认定不服")
    world.consistent()


def test_a_ruling_after_the_void_leaves_the_round_void(world: Any) -> None:
    case, _ = world.named()
    path = f"cases/{case}/rounds/2"
    world.do("fgw/head", f"{path}/object", text="不服")
    world.do("inspect/officer", f"{path}/void", reason="误发")
    world.do("inspect/officer", f"{path}/rule-on-objection", upheld=False, reason="不成立")
    assert world.client("inspect/chief").get("/api/v1/rounds?round=2").json["items"][0]["state"] == "voided"


def test_a_timer_is_shown_with_the_unit_that_leads_now(world: Any) -> None:
    task = world.task()
    reassigned = {"from_unit": "fgw", "lead_unit": "czj", "post": "czj/officer", "reason": "改派"}
    world.told(assignment.TaskReassigned, task, **reassigned)
    timers = world.client("inspect/chief").get("/api/v1/timers?clock=task_due").json["items"]
    assert [timer["unit"] for timer in timers] == ["czj"]
    assert world.client("inspect/chief").get("/api/v1/timers?unit=fgw").json["items"] == []


def test_an_extension_overtakes_the_round_that_ran_when_it_was_granted(world: Any) -> None:
    task = world.task(due_on=date(2021, 12, 31))
    case = world.case_of(task)
    world.issued(case)
    world.at("2021-03-01 10:00")
    extended = {"due_on": date(2022, 3, 31), "original_due_on": date(2021, 12, 31), "times": 1}
    world.told(assignment.ExtensionGranted, task, **extended)
    world.at("2021-03-01 11:00")
    world.slow_round(case, 1)
    world.issued(case)
    world.slow_round(case, 2)
    assert world.count(case, told.NamingBecameDue) == 0
    world.slow_round(case, 3)
    assert world.last(case, told.NamingBecameDue).rounds == (2, 3)
    world.consistent()
