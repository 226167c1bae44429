"""A duty from a directive that passes to another unit: its clocks go with it (measure 8)."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from shared.domain.aggregate import stable_id
from shared.events import assignment, supervision
from shared.testing import shanghai
from tests.supervision.conftest import World


def given_on(world: World, directive: UUID, duty: str, unit: str, to: str, *owers: str) -> None:
    world.told(
        assignment.DutyReassigned,
        directive,
        number="1",
        duty=duty,
        owers=owers or (unit,),
        reason=f"单位 {unit} 已撤销",
        from_unit=unit,
        unit=to,
    )


def arranged(world: World, directive: UUID, unit: str, *taken_over: str) -> None:
    what = {"number": "1", "unit": unit, "text": "已布置", "taken_over": taken_over}
    world.told(assignment.ArrangementReported, directive, **what)


def test_the_successor_has_the_clock_and_one_report_stops_all_that_it_took_over(world: World) -> None:
    directive = world.directive("1", "fgw", "czj")
    of_fgw, of_czj = (world.case_of(directive, "duty", "arrange", unit) for unit in ("fgw", "czj"))
    world.at("2021-03-02 10:00")
    given_on(world, directive, "arrange", "fgw", "czj")
    given_on(world, directive, "arrange", "czj", "zrj", "czj", "fgw")
    for case in (of_fgw, of_czj):
        row = world.clock_row(case, "arrange")
        assert (row["unit"], row["due_on"], row["state"]) == ("zrj", date(2021, 3, 3), "open")
        assert world.case(case).state.custodian == "zrj"
    arranged(world, directive, "zrj", "czj", "fgw")
    for case in (of_fgw, of_czj):
        assert world.clock_row(case, "arrange")["verdict"] == "in_time"
        assert world.case(case).state.closed
    world.consistent()


def test_who_has_had_the_duty_longest_answers_if_the_successor_had_less_than_a_fair_share(
    world: World,
) -> None:
    directive = world.directive("1", "fgw")
    case = world.case_of(directive, "duty", "arrange", "fgw")
    world.at("2021-03-03 15:00")
    given_on(world, directive, "arrange", "fgw", "czj")
    world.at("2021-03-04 09:00")
    assert world.last(case, supervision.DeadlineMissed).unit == "fgw"
    assert world.case(case).state.issued[1].unit == "czj"
    world.consistent()


def test_the_decomposition_goes_to_the_office_that_succeeds(world: World) -> None:
    directive = world.directive("1", kind="field_visit_issue", office_unit="fgw")
    case = world.case_of(directive, "duty", "decompose")
    given_on(world, directive, "decompose", "fgw", "office")
    row = world.clock_row(case, "decompose")
    assert (row["unit"], row["due_on"]) == ("office", date(2021, 3, 2))
    world.at("2021-03-03 09:00")
    assert world.last(case, supervision.DeadlineMissed).unit == "office"
    world.consistent()


@pytest.mark.parametrize("late", [False, True])
def test_without_a_successor_the_leader_has_a_clock_until_another_unit_has_the_duty(
    world: World, late: bool
) -> None:
    directive = world.directive("1", "fgw", leader_post="gov/vice-leader")
    case = world.case_of(directive, "duty", "arrange", "fgw")
    what: dict[str, Any] = {"number": "1", "duty": "arrange", "owers": ("fgw",), "reason": "单位 fgw 已撤销"}
    leader = {"from_unit": "fgw", "leader_post": "gov/vice-leader"}
    world.told(assignment.DutyReferred, directive, **what, **leader)
    row = world.clock_row(case, "duty_reassign")
    assert (row["unit"], row["due_on"], row["state"]) == ("gov", date(2021, 3, 2), "open")
    world.refused(
        "matter-waits-for-a-leader", "inspect/chief", f"cases/{case}/issue-round", requirement="请说明"
    )
    world.at("2021-03-04 09:00" if late else "2021-03-02 10:00")
    if late:
        missed = {
            fact.clock: fact.unit
            for fact in world.facts_of(case)
            if isinstance(fact, supervision.DeadlineMissed)
        }
        assert missed == {"duty_reassign": "gov", "arrange": "gov"}
    given_on(world, directive, "arrange", "fgw", "zrj")
    stopped = world.clock_row(case, "duty_reassign")
    assert (stopped["state"], stopped["verdict"]) == ("stopped", "late" if late else "in_time")
    assert world.clock_row(case, "arrange")["unit"] == "zrj"
    arranged(world, directive, "zrj", "fgw")
    assert world.case(case).state.closed
    world.consistent()


def test_a_report_from_before_there_was_a_word_for_what_was_taken_over_stops_its_own(world: World) -> None:
    directive = world.directive("1", "fgw")
    world.told(
        assignment.ArrangementReported,
        directive,
        number="1",
        unit="fgw",
        text="已布置",
        happened_at=shanghai("2021-03-01 09:00"),
    )
    assert directive == stable_id("test-directive", "1")
    assert world.case(world.case_of(directive, "duty", "arrange", "fgw")).state.closed
