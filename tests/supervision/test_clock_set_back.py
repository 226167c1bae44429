"""The suite's clock was set ahead and is set back: what was detected in between is taken back at the next look."""

from datetime import date
from typing import Any

import pytest

from shared.events import supervision
from tests.supervision.conftest import World


def standing(world: World) -> tuple[list[Any], list[Any], list[Any]]:
    """Missed clocks, rounds that are not void, and namings that are due."""
    rows = world.opened.rows
    missed = [row["id"] for row in rows("supervision", "clocks").values() if row["missed"]]
    rounds = [row["id"] for row in rows("supervision", "rounds").values() if row["state"] != "voided"]
    named = [row["id"] for row in rows("supervision", "namings").values() if row["state"] != "withdrawn"]
    return missed, rounds, named


@pytest.mark.parametrize("ahead", ["2021-03-10 09:00", "2021-06-01 09:00", "2022-03-01 09:00"])
def test_misses_rounds_verdicts_and_namings_of_a_future_that_has_not_come_are_taken_back(
    world: World, ahead: str
) -> None:
    cases = [world.case_of(world.task(name, due_on=date(2021, 3, day))) for name, day in (("1", 5), ("2", 9))]
    world.directive("1", "fgw", "czj")
    world.at(ahead)
    world.at(ahead.replace("09:00", "10:00"))
    missed, rounds, _ = standing(world)
    assert len(missed) > 2
    assert rounds
    world.at("2021-03-01 09:05")
    assert standing(world) == ([], [], [])
    retracted = [world.last(case, supervision.DeadlineMissRetracted) for case in cases]
    assert {fact.ground for fact in retracted} == {"clock_set_back"}
    before = world.size()
    world.at("2021-03-01 09:06")
    assert world.size() == before
    world.at("2021-03-08 09:00")  # the first task's day has really passed now
    assert [world.clock_row(case, "task_due")["missed"] for case in cases] == [True, False]
    world.consistent()


def test_what_had_come_before_stands(world: World) -> None:
    case = world.case_of(world.task("1", due_on=date(2021, 3, 5)))
    world.at("2021-03-08 09:00")
    round_of_it = world.last(case, supervision.RoundIssued).round
    world.at("2021-12-01 09:00")
    world.at("2021-03-08 10:00")
    assert world.count(case, supervision.DeadlineMissRetracted) >= 1  # of the answer to the round
    assert world.clock_row(case, "task_due")["missed"] is True
    found = [
        row for row in world.opened.rows("supervision", "rounds").values() if row["case_id"] == str(case)
    ]
    assert {row["round"]: row["state"] for row in found if row["state"] != "voided"} == {
        round_of_it: "issued"
    }
    world.consistent()


def test_clocks_of_hosts_that_are_a_little_apart_take_nothing_back(world: World) -> None:
    case = world.case_of(world.task("1", due_on=date(2021, 3, 5)))
    world.at("2021-03-06 00:00")
    assert world.clock_row(case, "task_due")["missed"] is True
    world.at("2021-03-05 23:59:30")
    assert world.count(case, supervision.DeadlineMissRetracted) == 0
    assert world.web.get("/readyz").json == {"reasons": []}


def test_readiness_and_a_metric_say_that_the_clock_went_backwards(world: World) -> None:
    world.task("1")

    def seen() -> tuple[int, bool, float]:
        ready = world.web.get("/readyz", headers={"Accept-Language": "en"})
        line = next(
            line
            for line in world.web.get("/metrics").text.splitlines()
            if line.startswith("duban_clock_behind_seconds{")
        )
        said = any("went backwards" in remark for remark in ready.json["reasons"])
        return ready.status_code, said, float(line.rsplit(" ", 1)[1])

    assert seen() == (200, False, 0.0)
    world.at("2021-03-02 09:00")
    world.task("2")
    world.at("2021-03-01 09:00")
    world.task("3")  # what is recorded now is not the newest
    assert seen() == (200, True, 86400.0)
    world.at("2021-03-02 08:59:30")
    assert seen() == (200, False, 0.0)
