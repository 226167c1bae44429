"""A confirmed service plan has its clock 服务承诺: it runs to the promised day, beside the limits of the whistle."""

from typing import Any
from uuid import UUID

from shared.domain.case_id import case_id
from shared.events import supervision


def promised(town: Any, whistle: UUID, day: str) -> None:
    """fgw proposes a plan for that day, and the enterprise agrees."""
    plan = {"plan": "分步办理", "steps": ["补件", "审批"], "promised_on": day}
    town.did(town.fgw, whistle, "propose-plan", **plan)
    town.did(town.coal, whistle, "agree-plan")


def clocks(town: Any, whistle: UUID) -> list[tuple[str, str, str | None, bool]]:
    """Every cycle of the promise's clock: due day, state, verdict, missed."""
    rows = town.opened.rows("supervision", "clocks")
    of = f"{case_id('whistle', whistle)}/service_promise/"
    found = [rows[key] for key in sorted(rows) if key.startswith(of)]
    return [(str(row["due_on"]), row["state"], row["verdict"], row["missed"]) for row in found]


def begun(town: Any) -> UUID:
    whistle: UUID = town.blow()
    town.route(whistle)
    town.contact(whistle)
    assert clocks(town, whistle) == []
    promised(town, whistle, "2021-02-20")
    return whistle


def test_a_promise_that_is_kept(town: Any) -> None:
    whistle = begun(town)
    assert clocks(town, whistle) == [("2021-02-20", "open", None, False)]
    town.clock.set("2021-02-20 23:59")
    town.did(town.fgw, whistle, "resolve", result="已办好")
    assert clocks(town, whistle) == [("2021-02-20", "stopped", "in_time", False)]


def test_a_promise_that_is_broken_is_missed_and_supervised(town: Any) -> None:
    whistle = begun(town)
    town.clock.set("2021-02-21 09:00")
    town.opened.settle()
    assert clocks(town, whistle) == [("2021-02-20", "open", None, True)]
    (missed,) = town.opened.of_kind("supervision", supervision.DeadlineMissed)
    assert (missed.clock, missed.unit) == ("service_promise", "fgw")
    (issued,) = town.opened.of_kind("supervision", supervision.RoundIssued)
    assert (issued.missed_clock, issued.unit) == ("service_promise", "fgw")
    town.did(town.fgw, whistle, "resolve", result="已办好")
    assert clocks(town, whistle) == [("2021-02-20", "stopped", "late", True)]


def test_another_promise_to_which_the_enterprise_agrees_takes_the_place_of_the_first(town: Any) -> None:
    whistle = begun(town)
    town.clock.set("2021-02-19 09:00")
    promised(town, whistle, "2021-03-05")
    assert clocks(town, whistle) == [
        ("2021-02-20", "cancelled", None, False),
        ("2021-03-05", "open", None, False),
    ]


def test_a_merger_takes_the_promise_and_its_undoing_brings_it_back(town: Any) -> None:
    whistle, main = begun(town), town.blow(title="另一件")
    town.did(town.office, whistle, "merge", into=str(main))
    assert clocks(town, whistle) == [("2021-02-20", "cancelled", None, False)]
    town.did(town.office, whistle, "unmerge", reason="并非一事")
    assert clocks(town, whistle)[-1] == ("2021-02-20", "open", None, False)


def test_a_promised_day_that_becomes_a_rest_day_moves_to_the_next_working_day(town: Any) -> None:
    whistle = begun(town)
    days = [{"day": "2021-02-20", "working": False, "name": "不补班"}]
    body = {"layer": "banner", "title": "本旗安排", "days": days}
    draft = town.supervision("office").post("/api/v1/calendar-releases", body).json["id"]
    town.opened.settle()
    assert town.supervision("inspect").post(f"/api/v1/calendar-releases/{draft}/release").status_code == 200
    town.opened.settle()
    assert clocks(town, whistle) == [("2021-02-22", "open", None, False)]
