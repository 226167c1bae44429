"""The board and the clock agree: the date of a task is its clock's, and so is whether it is overdue."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from services.assignment.__main__ import SERVICE as ASSIGNMENT
from services.assignment.domain.task import TaskState
from services.assignment.domain.task.decisions import due_day
from services.assignment.domain.task.refusals import ExtensionAfterDue, ExtensionMustMoveForward
from services.supervision.__main__ import SERVICE as SUPERVISION
from shared.calendar import Calendar
from shared.domain.case_id import case_id
from shared.domain.refusal import Refusal
from shared.rulebook import parse_rulebook
from tests.assignment.conftest import Banner, banner_of
from tests.assignment.test_import_and_export import send

CALENDAR = Calendar.base()
TEXTS = Path(__file__).parents[1] / "shared" / "rulebook"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Banner]:
    with banner_of(tmp_path, ASSIGNMENT, SUPERVISION) as banner:
        yield banner


def at(banner: Banner, moment: str) -> None:
    banner.clock.set(moment)
    banner.opened.settle()


def shown(banner: Banner, task: UUID) -> dict[str, Any]:
    banner.opened.settle()
    found: dict[str, Any] = banner.client("inspect").get(f"/api/v1/tasks/{task}").json
    return found


def clock_of(banner: Banner, task: UUID) -> dict[str, Any]:
    """The task's clock in its last cycle, as supervision shows it."""
    rows = banner.opened.rows("supervision", "clocks")
    of_task = [
        row
        for row in rows.values()
        if row["case_id"] == str(case_id("task", task)) and row["clock"] == "task_due"
    ]
    return max(of_task, key=lambda row: int(row["cycle"]))


def test_after_a_pause_the_date_is_the_clocks(both: Banner) -> None:
    task = both.new_task(supporters=[])
    at(both, "2021-02-03 10:00")
    both.do("inspect", "suspend_task", task, reason="待批")
    at(both, "2021-02-23 10:00")
    assert (shown(both, task)["due_on"], shown(both, task)["overdue"]) == ("2021-02-07", False)
    both.do("inspect", "resume_task", task)
    found = shown(both, task)
    # 02-03, 02-04, 02-05 and 02-07 were left: they are counted from 02-23 on.
    assert (found["due_on"], found["original_due_on"], found["overdue"]) == (
        "2021-02-26",
        "2021-02-07",
        False,
    )
    listed = both.client("fgw").get("/api/v1/tasks?due_before=2021-02-27").json["items"]
    assert [one["due_on"] for one in listed] == ["2021-02-26"]
    assert both.client("fgw").get("/api/v1/tasks?due_before=2021-02-26").json["items"] == []
    for kind in ("csv", "xlsx"):
        exported = both.client("fgw").get(f"/api/v1/tasks/export?format={kind}").data
        assert kind == "xlsx" or b"2021-02-26" in exported
        before = len(both.log())
        answer = send(both, exported, f"导出.{kind}", title="另一个名字", key=kind)
        assert (answer.status_code, answer.json["unchanged"]) == (200, 1)
        assert len(both.log()) == before
    at(both, "2021-02-26 23:59")
    assert both.client("fgw").get("/api/v1/tasks?overdue=true").json["items"] == []
    at(both, "2021-02-27 00:00")
    assert [one["id"] for one in both.client("fgw").get("/api/v1/tasks?overdue=true").json["items"]] == [
        str(task)
    ]
    assert both.opened.rebuild_and_compare("assignment") == []


def test_a_claim_that_waited_at_the_office_and_a_new_instruction(both: Banner) -> None:
    task = both.new_task(supporters=[], from_leader_instruction=True)
    at(both, "2021-02-05 10:00")
    both.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    at(both, "2021-02-23 10:00")
    assert not shown(both, task)["overdue"]
    both.do("inspect", "send_back", task, reason="不足")
    assert shown(both, task)["due_on"] == "2021-02-24"  # 02-05 and 02-07 were left
    both.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    both.do("inspect", "accept_completion", task)
    at(both, "2021-03-01 10:00")
    both.do("main_leader", "new_instruction", task, text="再抓", due_on=date(2021, 3, 31))
    found = shown(both, task)
    assert (found["due_on"], found["original_due_on"], found["state"]) == (
        "2021-03-31",
        "2021-02-07",
        "in_progress",
    )
    both.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    both.do("inspect", "accept_completion", task)
    both.do("main_leader", "new_instruction", task, text="再抓")
    assert shown(both, task)["due_on"] == "2021-03-15"  # the rulebook's ten working days
    at(both, "2021-03-16 09:00")
    assert shown(both, task)["overdue"]


def test_tasks_are_sorted_and_paged_by_the_date_as_it_stands(both: Banner) -> None:
    tasks = both.new_list()
    ids = [
        both.new_task(tasks, number=str(number), supporters=[], due_on=due)
        for number, due in enumerate((date(2021, 2, 7), date(2021, 2, 9), date(2021, 2, 10)), 1)
    ]
    both.do("inspect", "suspend_task", ids[0], reason="待批")
    at(both, "2021-01-20 10:00")
    both.do("inspect", "resume_task", ids[0])
    both.opened.settle()
    first = both.client("inspect").get("/api/v1/tasks?limit=1").json
    rest = both.client("inspect").get(f"/api/v1/tasks?cursor={first['next']}").json
    assert [one["number"] for one in (*first["items"], *rest["items"])] == ["2", "3", "1"]


def under(both: Banner, version: int) -> None:
    """What begins now is followed by that version of the rulebook."""
    app = both.opened["supervision"].app
    present = app.rulebook
    if version != present.version:
        text = (TEXTS / f"version_{version}.csv").read_text("utf-8")
        app.rulebook = parse_rulebook(text, f"version {version}")
        app.release_rulebook()


def reckoned(both: Banner, state: TaskState) -> date:
    return due_day(state, both.app.rulebook_of(state, both.act("fgw")), both.app.reference.calendar())


@pytest.mark.parametrize(("version", "due"), [(2, "2021-02-07"), (4, "2021-02-09")])
def test_a_claim_lets_the_date_rest_only_under_a_rulebook_that_says_so(
    both: Banner, version: int, due: str
) -> None:
    under(both, version)
    task = both.new_task(supporters=[])
    at(both, "2021-02-01 10:00")
    both.do("fgw", "claim_completion", task, note="完成", evidence=["照片"])
    at(both, "2021-02-03 10:00")
    both.do("inspect", "send_back", task, reason="不足")
    assert reckoned(both, both.load(task).state) == date.fromisoformat(due)
    assert shown(both, task)["due_on"] == due
    at(both, "2021-02-08 09:00")
    ask: dict[str, Any] = {"new_due_on": date(2021, 2, 26), "reason": "天寒"}
    if version == 2:
        both.refuses(ExtensionAfterDue, lambda: both.do("fgw", "request_extension", task, **ask))
    else:
        both.do("fgw", "request_extension", task, **ask)


@pytest.mark.parametrize("extended", [False, True])
def test_an_extension_may_be_asked_until_the_day_that_a_new_holiday_moved_the_date_to(
    both: Banner, extended: bool
) -> None:
    """The date, as it was set or as an extension put it, becomes a rest day; Monday, 8 March, is meant."""
    friday = date(2021, 3, 5)
    task = both.new_task(supporters=[], due_on=date(2021, 2, 26) if extended else friday)
    if extended:
        both.do("fgw", "request_extension", task, new_due_on=friday, reason="天寒")
        both.do("vice_leader", "grant_extension", task)
    both.opened.settle()
    app = both.opened["supervision"].app
    days = [{"day": friday, "working": False, "name": "旗庆"}]
    draft = UUID(app.draft_release(both.act("inspect"), layer="banner", title="旗庆", days=days).id)
    app.release_calendar(both.act("office"), draft)
    at(both, "2021-03-08 16:00")
    assert reckoned(both, both.load(task).state) == date(2021, 3, 8)
    too_early: dict[str, Any] = {"new_due_on": date(2021, 3, 8), "reason": "天寒"}
    both.refuses(ExtensionMustMoveForward, lambda: both.do("fgw", "request_extension", task, **too_early))
    both.do("fgw", "request_extension", task, new_due_on=date(2021, 3, 19), reason="天寒")


@pytest.mark.parametrize("seed", range(8))
def test_the_commands_reckon_with_the_date_of_the_clock(both: Banner, seed: int) -> None:
    """Random rests, claims, extensions and new instructions: the board, the clock and due_day say the same."""
    chance = Random(seed)
    under(both, seed % 4 + 1)
    task = both.new_task(
        supporters=[],
        from_leader_instruction=True,
        due_on=CALENDAR.working_days_after(date(2021, 1, 4), chance.randint(8, 30)),
    )
    for _ in range(25):
        both.clock.advance(hours=chance.choice([0, 3, 20, 50, 120]))
        both.opened.settle()
        state = both.load(task).state
        date_given = CALENDAR.working_days_after(both.clock().date(), chance.randint(2, 12))
        asked = CALENDAR.working_days_after(reckoned(both, state), chance.randint(1, 60))
        command, who, what = chance.choice(
            [
                ("suspend_task", "inspect", {"reason": "歇"}),
                ("resume_task", "inspect", {}),
                ("resume_task", "inspect", {}),
                ("request_extension", "fgw", {"reason": "慢", "new_due_on": asked}),
                ("grant_extension", "vice_leader", {}),
                ("claim_completion", "fgw", {"note": "完成", "evidence": ["照片"]}),
                ("send_back", "inspect", {"reason": "不足"}),
                ("accept_completion", "inspect", {}),
                ("new_instruction", "main_leader", {"text": "再抓", "due_on": date_given}),
                ("new_instruction", "main_leader", {"text": "再抓"}),
            ]
        )
        act = both.act(who).at(both.clock() - timedelta(hours=chance.choice([0, 0, 2, 30])))
        with suppress(Refusal):
            both.carry_out(command, act, task, **what)
        found, clock, state = shown(both, task), clock_of(both, task), both.load(task).state
        assert found["due_on"] == clock["due_on"].isoformat(), command
        if clock["state"] == "open":
            assert reckoned(both, state) == clock["due_on"], command
            # The board shows no claimed task as overdue, whatever its rulebook.
            if state.claimed_at is None:
                assert found["overdue"] == (both.clock() >= clock["due_at"]), command
        if clock["state"] == "paused":
            assert found["overdue"] == clock["missed"], command
    assert both.opened["supervision"].reactor is not None
    assert both.opened["supervision"].reactor.parked() == []
    assert both.opened.rebuild_and_compare("assignment") == []
