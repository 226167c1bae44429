"""Decisions rest on the log: neither read models that are behind change them, nor others who write at the same time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any

import pytest
from eventsourcing.persistence import IntegrityError

from services.assignment.__main__ import SERVICE
from services.assignment.domain import Task, TaskList
from services.assignment.spreadsheets import TaskRow
from shared.domain.aggregate import CommandContext
from shared.events import assignment
from shared.readmodels.reference import UnitHasNoHead, UnknownUnit
from shared.runtime.opening import Runtime, open_service
from tests.assignment.conftest import TASK, Banner

DATED = date(2021, 1, 4)


def row(number: str, **changed: Any) -> TaskRow:
    given: dict[str, Any] = {
        "row": int(number) + 1,
        "number": number,
        "task": f"修建第{number}号泵站",
        "lead": "fgw",
        "due": date(2021, 2, 7),
        "due_text": "2021-02-07",
    }
    return TaskRow(**{**given, **changed})


ROWS = [row(str(number)) for number in range(1, 6)]


def import_rows(banner: Banner, title: str, rows: list[TaskRow]) -> list[str]:
    before = len(banner.log())
    act = banner.act("office")
    banner.app.perform(act, lambda act: banner.app.import_tasks(act, rows, title=title, dated=DATED))
    return banner.since(before)


def test_a_list_is_assigned_once_however_far_behind_the_board_is(banner: Banner) -> None:
    assert import_rows(banner, "清单甲", ROWS) == ["TaskListOpened", *["TaskAssigned"] * 5]
    assert import_rows(banner, "清单乙", ROWS) == []
    assert import_rows(banner, "清单丙", [*ROWS, row("6")]) == ["TaskListOpened", "TaskAssigned"]
    banner.opened.settle()
    assert import_rows(banner, "清单丁", [*ROWS, row("6")]) == []


def test_a_task_that_was_reassigned_or_extended_a_moment_ago_is_found_as_it_stands(banner: Banner) -> None:
    import_rows(banner, "清单甲", ROWS)
    banner.opened.settle()
    first, second = (Task.id_of(TaskList.id_of("清单甲", DATED), number) for number in "12")
    banner.do("main_leader", "reassign_task", first, lead_unit="czj", reason="职责调整")
    banner.do("fgw", "request_extension", second, new_due_on=date(2021, 2, 26), reason="天寒")
    banner.do("main_leader", "grant_extension", second)
    now = [row("1", lead="czj"), row("2", due=date(2021, 2, 26), due_text="2021-02-26"), *ROWS[2:]]
    assert import_rows(banner, "清单乙", now) == []


def test_units_and_posts_are_known_and_gone_at_once(banner: Banner) -> None:
    app, act = banner.app, lambda: banner.act("office")
    list_id = banner.new_list()
    app.register_unit(act(), unit="slj", name="旗水利局", kind="department")
    task = {**TASK, "lead_unit": "slj", "supporters": []}
    banner.refuses(UnitHasNoHead, lambda: app.assign_task(act(), list_id, **task))
    app.create_post(act(), post="slj/head", title="局长", role="unit_head")
    assert app.reference.head_of("slj") == "slj/head"
    banner.do("office", "appoint_holder", "slj", "head", holder="某人", since=date(2021, 1, 4))
    app.assign_task(act(), list_id, **task)
    assert import_rows(banner, "清单乙", [row("7", lead="slj")])[-1] == "TaskAssigned"
    banner.do("office", "dissolve_unit", "slj")
    banner.refuses(UnknownUnit, lambda: app.assign_task(act(), list_id, **{**task, "number": "8"}))
    assert app.reference.unit_of_kind("supervision") == "inspect"


def test_the_register_of_the_log_is_that_of_the_read_models(banner: Banner) -> None:
    def compared() -> None:
        reference = banner.app.reference
        seen = {view: banner.opened.rows("assignment", view) for view in ("units", "posts")}
        assert {unit: state.name for unit, state in reference.units().items()} == {
            unit: row["name"] for unit, row in seen["units"].items()
        }
        assert {post: (state.holder, list(state.portfolio)) for post, state in reference.posts().items()} == {
            post: (row["holder"], row["portfolio"]) for post, row in seen["posts"].items()
        }

    compared()
    banner.do("office", "vacate_post", "czj", "head", on=date(2021, 1, 3))
    banner.do("office", "assign_portfolio", "gov", "vice-leader-2", units=["czj", "fgw"])
    assert banner.app.reference.posts()["czj/head"].holder is None
    assert banner.app.reference.in_charge_of("czj") == ["gov/vice-leader-2"]
    banner.opened.settle()
    compared()


@pytest.fixture
def second(banner: Banner) -> Iterator[Runtime]:
    """Another process of the service, on the same log."""
    runtime = open_service(SERVICE, banner.opened.config, banner.clock)
    yield runtime
    runtime.close()


def test_a_plan_that_somebody_overtook_is_not_written(banner: Banner, second: Runtime) -> None:
    act = banner.act("office")
    plan = banner.app.plan_import(act, ROWS, title="清单甲", dated=DATED)
    second.app.perform(
        banner.act("office"),
        lambda act: second.app.import_tasks(act, ROWS[:1], title="清单乙", dated=DATED),  # type: ignore[attr-defined]
    )
    before = len(banner.log())
    with pytest.raises(IntegrityError):
        banner.app._write_plan(act, plan, accept_valid=False)
    assert len(banner.log()) == before
    other = [row("1", task="另一件事")]
    plan = banner.app.plan_import(act, other, title="清单丙", dated=DATED)
    banner.new_task(TaskList.id_of("清单乙", DATED), number="44")
    banner.app._write_plan(act, plan, accept_valid=False)  # what came between does not matter to it


def test_a_list_imported_by_two_processes_at_once_is_assigned_once(banner: Banner, second: Runtime) -> None:
    together = Barrier(2)
    for turn in range(4):
        rows = [row(str(number), task=f"第{turn}批第{number}项") for number in range(1, 9)]

        def imported(app: Any, title: str, act: CommandContext, rows: list[TaskRow] = rows) -> None:
            together.wait(30)
            app.perform(act, lambda act: app.import_tasks(act, rows, title=title, dated=DATED))

        with ThreadPoolExecutor(2) as pool:
            for done in [
                pool.submit(imported, app, f"{title}{turn}", banner.act("office"))
                for app, title in ((banner.app, "清单"), (second.app, "名册"))
            ]:
                done.result()
    found = [fact.title for fact in banner.opened.of_kind("assignment", assignment.TaskAssigned)]
    assert len(found) == len(set(found)) == 4 * 8
    assert len(banner.opened.of_kind("assignment", assignment.TaskListOpened)) == 4
