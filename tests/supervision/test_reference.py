"""Reference data is asked once and remembered, and any change of it is seen at the next question."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy.event import listen, remove

from services.supervision.__main__ import SERVICE
from services.supervision.views.releases import CalendarDraftsView
from shared.calendar import Calendar
from shared.domain.aggregate import stable_id
from shared.events import assignment
from shared.readmodels.reference import Reference, UnitHasNoHead, UnitsView, UnknownUnit
from shared.testing import Opened, an_act

ASK = "FROM units__"


@pytest.fixture
def said(world: Any) -> Iterator[list[str]]:
    """The statements that the read models' database has been told."""
    said: list[str] = []

    def hear(_1: Any, _2: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    engine = world.opened["supervision"].views._engine
    listen(engine, "before_cursor_execute", hear)
    yield said
    remove(engine, "before_cursor_execute", hear)


def reference_of(world: Any) -> Reference:
    found: Reference = world.app.reference
    return found


def test_a_question_that_was_answered_costs_one_look_for_a_whole_moment(
    world: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, views, looks = reference_of(world), world.opened["supervision"].views, []
    assert reference.unit("fgw")["name"] == "旗发展和改革委员会"
    query_now = views.query_now
    monkeypatch.setattr(views, "query_now", lambda *look: looks.append(look) or query_now(*look))
    said.clear()
    with views.snapshot():
        for _ in range(3):
            assert reference.unit_name("fgw") == "旗发展和改革委员会"
    assert (len(looks), said) == (1, [])


def test_every_change_is_seen_at_the_next_question(world: Any, said: list[str]) -> None:
    reference, unit = reference_of(world), stable_id("unit", "fgw")
    for name in ("一", "二"):
        world.told(assignment.UnitRenamed, unit, unit="fgw", name=name, short_names=())
        assert reference.unit_name("fgw") == name
    with pytest.raises(UnknownUnit):
        reference.unit("new")  # that there is none is remembered, too
    new: dict[str, Any] = {"unit": "new", "name": "新设局", "kind": "zone"}
    assert reference.unit_of_kind("zone") is None
    world.told(assignment.UnitRegistered, stable_id("unit", "new"), **new)
    assert (reference.unit("new")["name"], reference.unit_of_kind("zone")) == ("新设局", "new")
    with pytest.raises(UnitHasNoHead):
        reference.head_of("new")
    post: dict[str, Any] = {"post": "new/head", "unit": "new", "title": "局长", "role": "unit_head"}
    world.told(assignment.PostCreated, stable_id("post", "new/head"), **post)
    assert (reference.head_of("new"), reference.post("new/head")["title"]) == ("new/head", "局长")
    world.told(assignment.UnitDissolved, stable_id("unit", "new"), unit="new", successor="fgw")
    with pytest.raises(UnknownUnit):
        reference.unit("new")
    assert reference.unit_of_kind("zone") is None
    said.clear()
    assert [post["id"] for post in reference.leaders()] == ["gov/main-leader", "gov/vice-leader"]
    assert any("FROM posts__" in one for one in said), "nothing was asked: this tests nothing"


def test_a_moment_keeps_its_answers_while_others_already_see_the_change(world: Any) -> None:
    reference, views = reference_of(world), world.opened["supervision"].views
    with views.snapshot():
        before = reference.unit_name("fgw")
        world.told(assignment.UnitRenamed, stable_id("unit", "fgw"), unit="fgw", name="新", short_names=())
        assert reference.unit_name("fgw") == before
    assert reference.unit_name("fgw") == "新" != before


def test_what_was_asked_in_an_old_moment_is_not_taken_for_the_present(world: Any) -> None:
    reference, views = reference_of(world), world.opened["supervision"].views
    before = reference.unit_name("fgw")
    with views.snapshot():
        world.opened.rows("supervision", "cases")  # the moment begins here
        world.told(assignment.UnitRenamed, stable_id("unit", "fgw"), unit="fgw", name="新", short_names=())
        with ThreadPoolExecutor(1) as others:
            assert others.submit(reference.unit_name, "fgw").result() == "新"
        assert reference.unit_name("fgw") == before
        assert reference.unit_name("czj") == "旗财政局"
    assert reference.unit_name("fgw") == "新"


def test_the_next_calendar_is_seen_though_only_the_own_log_has_moved(world: Any) -> None:
    reference = reference_of(world)
    for turn, day in enumerate(("2021-03-03", "2021-03-04"), Calendar.base().version):
        assert reference.calendar().version == turn
        rest = date.fromisoformat(day)
        assert reference.calendar().is_working(rest)
        body = {
            "layer": "banner",
            "title": day,
            "days": [{"day": day, "working": False, "name": "休"}],
        }
        draft = world.do("inspect/officer", "calendar-releases", **body)["id"]
        world.do("inspect/chief", f"calendar-releases/{draft}/release")
        assert not reference.calendar().is_working(rest)


def test_a_retried_message_is_applied_although_no_position_moves(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, views = reference_of(world), world.opened["supervision"].views
    with monkeypatch.context() as broken:
        broken.setattr(UnitsView, "follow", lambda *_: 1 / 0)
        world.told(assignment.UnitRenamed, stable_id("unit", "fgw"), unit="fgw", name="新", short_names=())
    assert [row.kind for row in views.parked()] == ["fault"]
    assert reference.unit_name("fgw") == "旗发展和改革委员会"
    assert views.retry_parked() == (1, 0)
    assert reference.unit_name("fgw") == "新"


def test_a_table_that_was_swapped_in_is_asked(world: Any, said: list[str]) -> None:
    reference, runtime = reference_of(world), world.opened["supervision"]
    reference.unit("fgw")
    runtime.views.rebuild(["units"], runtime.follower)
    runtime.views.retire()
    said.clear()
    assert reference.unit_name("fgw") == "旗发展和改革委员会"
    assert any(ASK in one for one in said), "the old table's answer"


def test_an_answer_is_not_to_be_changed(world: Any) -> None:
    with pytest.raises(TypeError):
        reference_of(world).unit("fgw")["name"] = "改"  # type: ignore[index]


def test_what_a_healed_message_changes_is_seen_though_another_was_parked_meanwhile(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, views = reference_of(world), world.opened["supervision"].views
    with monkeypatch.context() as broken:
        broken.setattr(UnitsView, "follow", lambda *_: 1 / 0)
        world.told(assignment.UnitRenamed, stable_id("unit", "fgw"), unit="fgw", name="新", short_names=())
    assert reference.unit_name("fgw") == "旗发展和改革委员会"
    with Opened(world.opened.config.data, world.clock, SERVICE) as other, monkeypatch.context() as broken:
        app, runtime = other["supervision"].app, other["supervision"]
        assert not runtime.views.parked(), "a new process has retried it at once"
        broken.setattr(CalendarDraftsView, "follow", lambda *_: 1 / 0)
        day = {"day": date(2021, 3, 3), "working": False, "name": "休"}
        app.draft_release(an_act(world.clock()), layer="banner", title="通知", days=[day])
        runtime.views.project(runtime.follower)
        assert [row.handler for row in views.parked()] == ["calendar_drafts"]
        assert reference.unit_name("fgw") == "新"
