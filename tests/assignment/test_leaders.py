"""Whose task it is among the leaders: 分管领导, over HTTP as in an import (measure 6)."""

from uuid import UUID

import pytest

from services.assignment.domain.units import NoLeadersPost, SeveralLeadersInCharge, leader_in_charge
from shared.domain.units import PostState
from shared.events import assignment
from shared.readmodels.reference import UnknownPost
from tests.assignment.conftest import Banner
from tests.assignment.test_import_and_export import csv, send

MAIN, FIRST, SECOND = "gov/main-leader", "gov/vice-leader", "gov/vice-leader-2"


def portfolio(banner: Banner, post: str, *units: str) -> None:
    banner.do("office", "assign_portfolio", *post.split("/"), units=[*units])
    banner.opened.settle()


def imported(banner: Banner, leader: str = "") -> str:
    """The leader of a task that a sheet assigns to fgw, in a list of the main leader's."""
    answer = send(banner, csv(f"1,x,旗发展和改革委员会,,,,2021-02-07,{leader}"), title="表", leader_post=MAIN)
    assert answer.status_code == 200, answer.json
    return banner.load(UUID(answer.json["accepted"][0]["task_id"])).state.leader_post


@pytest.mark.parametrize(
    ("portfolios", "leader"),
    [
        ({}, MAIN),
        ({FIRST: ["czj"]}, MAIN),
        ({SECOND: ["fgw", "czj"]}, SECOND),
        ({FIRST: ["czj"], SECOND: ["fgw"]}, SECOND),
        ({MAIN: ["fgw"], FIRST: ["fgw"]}, FIRST),
    ],
)
def test_a_task_is_assigned_under_the_leader_in_charge_as_an_import_does(
    banner: Banner, portfolios: dict[str, list[str]], leader: str
) -> None:
    for post, units in portfolios.items():
        portfolio(banner, post, *units)
    task = banner.load(banner.new_task(banner.new_list(leader_post=MAIN)))
    assert task.state.leader_post == imported(banner) == leader


def test_a_leader_who_is_named_is_taken(banner: Banner) -> None:
    portfolio(banner, SECOND, "fgw")
    tasks = banner.new_list(leader_post=MAIN)
    assert banner.load(banner.new_task(tasks, leader_post=FIRST)).state.leader_post == FIRST
    assert imported(banner, "常务副旗长") == FIRST


def test_of_several_leaders_in_charge_one_is_to_be_named(banner: Banner) -> None:
    portfolio(banner, FIRST, "fgw")
    portfolio(banner, SECOND, "fgw")
    tasks = banner.new_list(leader_post=MAIN)
    refusal = banner.refuses(SeveralLeadersInCharge, lambda: banner.new_task(tasks))
    assert "常务副旗长" in refusal.text("zh")
    answer = send(banner, csv("1,x,旗发展和改革委员会,,,,2021-02-07,"), title="表", leader_post=MAIN)
    assert [(row["row"], row["value"]) for row in answer.json["errors"]] == [(2, "")]
    assert "不止一位" in answer.json["errors"][0]["reason"]
    banner.new_task(tasks, leader_post=SECOND)


def test_the_leader_in_charge_is_told_of_the_third_return_and_decides(banner: Banner) -> None:
    portfolio(banner, SECOND, "fgw")
    task = banner.new_task(banner.new_list(leader_post=MAIN), supporters=[])
    for _ in range(2):
        banner.do("fgw", "return_task", task, reason="职责不符", suggested_unit="czj")
        banner.do("office", "reassign_task", task, lead_unit="fgw", reason="仍由其办")
    banner.do("fgw", "return_task", task, reason="职责不符", suggested_unit="czj")
    assert banner.load(task).state.referred_to == SECOND


def test_a_task_that_is_reassigned_goes_under_the_leader_of_its_new_lead(banner: Banner) -> None:
    portfolio(banner, FIRST, "fgw")
    portfolio(banner, SECOND, "czj")
    task = banner.new_task(banner.new_list(leader_post=MAIN), supporters=[])

    def reassigned(to: str, **more: str) -> str:
        banner.do("office", "reassign_task", task, lead_unit=to, reason="改", **more)
        return banner.load(task).state.leader_post

    assert banner.load(task).state.leader_post == FIRST
    assert reassigned("czj") == SECOND
    assert reassigned("zrj") == SECOND  # nobody is in charge of it: the leader stays
    portfolio(banner, FIRST, "fgw", "angsu")
    portfolio(banner, SECOND, "angsu")
    assert reassigned("angsu") == SECOND  # in charge already, one of two
    assert reassigned("zrj", leader_post=MAIN) == MAIN
    banner.refuses(SeveralLeadersInCharge, lambda: reassigned("angsu"))
    banner.refuses(NoLeadersPost, lambda: reassigned("angsu", leader_post="fgw/head"))
    banner.refuses(UnknownPost, lambda: reassigned("angsu", leader_post="gov/nobody"))
    facts = banner.opened.of_kind("assignment", assignment.TaskReassigned)
    assert [fact.leader_post for fact in facts] == [SECOND, None, SECOND, MAIN]
    banner.opened.settle()
    assert banner.opened.rows("assignment", "tasks")[str(task)]["leader_post"] == MAIN


def test_the_rule_itself() -> None:
    def post(name: str, role: assignment.PostRole, *units: str) -> PostState:
        return PostState(post=name, unit="gov", title=name, role=role, portfolio=units)

    main, vice, other = (
        post("main", "main_leader", "a"),
        post("vice", "vice_leader", "a", "b"),
        post("other", "vice_leader", "b"),
    )
    clerk = post("clerk", "officer", "a", "b", "c")
    assert leader_in_charge("a", [main, vice, other, clerk]) == "vice"
    assert leader_in_charge("a", [main, other]) == "main"
    assert leader_in_charge("c", [main, vice, other, clerk]) is None
    assert leader_in_charge("b", [vice, other], present="other") == "other"
    with pytest.raises(SeveralLeadersInCharge):
        leader_in_charge("b", [vice, other], present="main")
