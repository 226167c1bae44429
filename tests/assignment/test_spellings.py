"""Names and numbers are the same however they are spelled; what older logs hold is found too."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from services.assignment.domain import Directive, Task, TaskList
from services.assignment.domain.task.refusals import MilestoneStandsTwice
from services.assignment.domain.units import NameOfAnotherUnit, NameStandsTwice, UnitIsNamedSo
from services.assignment.spreadsheets import UnitName
from shared.application.application import AlreadyExists
from shared.domain.aggregate import stable_id
from shared.domain.refusal import Refusal
from shared.events import assignment
from shared.events.assignment import Milestone
from tests.assignment.conftest import TASK, Banner

SPELLINGS = [
    "鄂前政办发〔2021〕12号",
    "鄂前政办发［2021］12号",
    "鄂前政办发[2021]12号",
    "鄂前政办发【2021】12号",
    "鄂前政办发（2021）12号",
    "鄂前政办发(2021) 12 号",
    "鄂前政办发〖2021〗12号",
    "鄂前政办发〔２０２１〕１２号",
    "鄂前政办发\u200b〔2021〕12号",
    "鄂前政办发〔2021〕12号\u3164",
]
DIRECTIVE = {"title": "关于通报的通知", "kind": "banner_document", "units": ["fgw"]}


def test_a_document_number_is_one_directive_however_it_is_spelled(banner: Banner) -> None:
    client = banner.client("office")
    answers = [
        client.post("/api/v1/directives", {**DIRECTIVE, "number": spelling}).status_code
        for spelling in (*SPELLINGS, *SPELLINGS)
    ]
    assert answers == [201, *([409] * 19)]
    (fact,) = banner.opened.of_kind("assignment", assignment.DirectiveRegistered)
    assert fact.number == SPELLINGS[0]
    banner.opened.settle()
    for spelling in SPELLINGS:
        (found,) = client.get(f"/api/v1/directives?number={spelling}").json["items"]
        assert found["number"] == SPELLINGS[0]
    assert (
        client.post("/api/v1/directives", {**DIRECTIVE, "number": "鄂前政办发〔2021〕13号"}).status_code
        == 201
    )


def test_of_spellings_that_come_at_once_one_is_registered(banner: Banner) -> None:
    def register(spelling: str) -> str:
        try:
            act = banner.act("office")
            return banner.app.perform(
                act, lambda act: banner.app.register_directive(act, number=spelling, **DIRECTIVE)
            ).id
        except AlreadyExists as refusal:
            return refusal.rule

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(register, SPELLINGS))
    assert answers.count("already-exists") == len(SPELLINGS) - 1
    assert len(banner.opened.of_kind("assignment", assignment.DirectiveRegistered)) == 1


def test_a_directive_of_an_older_log_is_found_in_every_spelling(
    banner: Banner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(Directive, "id_of", Directive.former_id_of)
        banner.app.register_directive(banner.act("office"), number=SPELLINGS[3], **DIRECTIVE)
    banner.refuses(
        AlreadyExists,
        lambda: banner.app.register_directive(banner.act("office"), number=SPELLINGS[3], **DIRECTIVE),
    )
    banner.opened.settle()
    for spelling in SPELLINGS:
        banner.refuses(
            AlreadyExists,
            lambda spelling=spelling: banner.app.register_directive(
                banner.act("office"), number=spelling, **DIRECTIVE
            ),
        )


# -- units --------------------------------------------------------------------------------------------------------


def register(banner: Banner, unit: str, name: str, *short_names: str) -> Any:
    return banner.app.register_unit(
        banner.act("office"), unit=unit, name=name, short_names=short_names, kind="department"
    )


def named(refusal: Refusal) -> tuple[str, str | None]:
    return refusal.facts["unit"], refusal.at_field


def test_no_unit_takes_the_name_of_another(banner: Banner) -> None:
    register(banner, "slj", "旗水利局（防汛办）", "水利局")
    for name, short_names, field in (
        ("旗⽔利局(防汛办)", (), "name"),
        ("水 利\u200b局", (), "name"),
        ("旗水务局", ("水务", "水利局"), "short_names"),
        ("旗水务局", ("旗水利局〔防汛办〕",), "short_names"),
    ):
        found = banner.refuses(
            NameOfAnotherUnit, lambda n=name, s=short_names: register(banner, "swj", n, *s)
        )
        assert named(found) == ("slj", field)
        listed = [UnitName("swj", name, short_names, "department")]
        found = banner.refuses(
            NameOfAnotherUnit, lambda listed=listed: banner.app.register_units(banner.act("office"), listed)
        )
        assert named(found) == ("slj", field)
        found = banner.refuses(
            NameOfAnotherUnit,
            lambda n=name, s=short_names: banner.do("office", "rename_unit", "fgw", name=n, short_names=s),
        )
        assert named(found) == ("slj", field)
    banner.refuses(NameStandsTwice, lambda: register(banner, "swj", "旗水务局", "旗⽔务局"))
    answer = banner.client("office").post(
        "/api/v1/units", {"id": "swj", "name": "水利局", "kind": "department"}
    )
    assert (answer.status_code, answer.json["rule"]) == (409, "name-of-another-unit")


def test_a_unit_keeps_its_name_and_gives_it_free_when_it_is_renamed_or_dissolved(banner: Banner) -> None:
    register(banner, "slj", "旗水利局", "水利局")
    banner.do("office", "rename_unit", "slj", name="旗水利局", short_names=["水利"])
    banner.refuses(
        UnitIsNamedSo,
        lambda: banner.do("office", "rename_unit", "slj", name="旗水利局", short_names=["水利"]),
    )
    register(banner, "swj", "水利局")
    banner.do("office", "dissolve_unit", "slj")
    register(banner, "new-slj", "旗水利局", "水利")


def test_two_units_of_a_list_may_change_names(banner: Banner) -> None:
    swapped = [
        UnitName("fgw", "旗财政局", (), "department"),
        UnitName("czj", "旗发展和改革委员会", (), "department"),
    ]
    banner.app.register_units(banner.act("office"), swapped)
    banner.refuses(
        NameOfAnotherUnit, lambda: banner.app.register_units(banner.act("office"), [*swapped[:1], LAST])
    )


LAST = UnitName("slj", "旗财政局", (), "department")


def test_of_units_that_come_at_once_one_gets_the_name(banner: Banner) -> None:
    def register_once(number: int) -> str:
        act = banner.act("office")
        name = "旗水利局" + "\u200b" * number
        try:
            return banner.app.perform(
                act,
                lambda act: banner.app.register_unit(
                    act, unit=f"unit-{number}", name=name, kind="department"
                ),
            ).id
        except NameOfAnotherUnit as refusal:
            return refusal.rule

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(register_once, range(6)))
    assert answers.count("name-of-another-unit") == 5


# -- numbers of tasks, titles of lists, milestones ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"), [("1", "１"), ("3-2", "3—2"), ("A1", "a１"), ("2", "2\u200b"), ("(一)", "㈠")]
)
def test_a_number_stands_once_in_a_list(banner: Banner, one: str, other: str) -> None:
    task_list = banner.new_list()
    banner.new_task(task_list, number=one)
    for number in (one, other):
        banner.refuses(AlreadyExists, lambda number=number: banner.new_task(task_list, number=number))
    banner.new_task(banner.new_list(title="另一份清单"), number=other)


def test_a_list_and_a_task_of_an_older_log_are_found(banner: Banner, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(TaskList, "id_of", TaskList.former_id_of)
        before.setattr(Task, "id_of", Task.former_id_of)
        task_list = banner.new_list(title="清单（一）")
        task = banner.new_task(task_list, number="Ａ１")
    assert task == stable_id("task", task_list, "Ａ１")
    banner.refuses(AlreadyExists, lambda: banner.new_list(title="清单（一）"))
    banner.refuses(AlreadyExists, lambda: banner.new_task(task_list, number="Ａ１"))
    banner.opened.settle()
    banner.refuses(AlreadyExists, lambda: banner.new_task(task_list, number="a1"))


def test_a_list_has_one_title_of_a_day(banner: Banner) -> None:
    banner.new_list(title="清单（一）")
    banner.refuses(AlreadyExists, lambda: banner.new_list(title="清单(一)\u200b"))


def test_a_milestone_stands_once_and_is_reached_in_any_spelling(banner: Banner) -> None:
    twice = [
        Milestone(on=date(2021, 1, 20), what="项目（一）开工"),
        Milestone(on=date(2021, 1, 20), what="项目(一) 开工"),
    ]
    task_list = banner.new_list()
    banner.refuses(MilestoneStandsTwice, lambda: banner.new_task(task_list, milestones=twice))
    task = banner.new_task(task_list, milestones=twice[:1])
    banner.do("fgw", "accept_task", task)
    banner.do("fgw", "reach_milestone", task, on=date(2021, 1, 20), what="项目(一)开工")
    assert banner.load(task).state.milestones[0].reached_on == date(2021, 1, 4)
    assert TASK["number"] == banner.load(task).state.number
