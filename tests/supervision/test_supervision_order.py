"""Facts of different aggregates arrive in any order: after retries the same facts are out, and nothing is parked."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from services.supervision.__main__ import SERVICE
from shared.domain.aggregate import stable_id
from shared.events import assignment, enterprise, supervision
from shared.events.base import Actor, Fact
from shared.log.codec import encode
from shared.testing import Opened, StoppedClock, shanghai
from tests.supervision.conftest import NAMES, POSTS, World

Said = tuple[type[Fact], UUID, dict[str, Any]]


def registered() -> Iterator[Said]:
    """Units and posts, each an aggregate of its own."""
    for unit, (name, kind) in NAMES.items():
        yield assignment.UnitRegistered, stable_id("unit", unit), {"unit": unit, "name": name, "kind": kind}
    for post, (unit, role) in POSTS.items():
        what = {"post": post, "unit": unit, "title": f"{NAMES[unit][0]}岗位", "role": role}
        yield assignment.PostCreated, stable_id("post", post), what


def story() -> list[Said]:
    """Tasks, directives and whistles of others, with the units and posts that they name."""
    tasks = [stable_id("test-task", name) for name in ("returned", "rested")]
    visit, notice = (stable_id("test-directive", name) for name in ("visit", "notice"))
    main, joined = (stable_id("test-whistle", name) for name in ("main", "joined"))
    task = {
        "list_id": stable_id("list", 1),
        "title": "上海庙园区道路贯通",
        "lead_unit": "fgw",
        "post": "fgw/officer",
        "leader_post": "gov/vice-leader",
        "target": assignment.Target(metric="道路", unit="公里", value=Decimal(12)),
        "due_on": date(2021, 3, 5),
    }
    directive = {
        "title": "强化抓落实",
        "origin_level": "banner",
        "office_unit": "office",
        "leader_post": "gov/main-leader",
    }
    whistle = {
        "enterprise_id": stable_id("enterprise", "a"),
        "credit_code": "91150623MA0N000011",
        "enterprise_name": "煤化工公司",
        "category": "用地",
        "title": "用地手续",
        "text": "已等三个月",
        "desk_unit": "office",
        "leader_post": "gov/vice-leader",
    }
    routed = {"from_unit": "office", "lead_unit": "zrj", "post": "zrj/officer", "transfers": 0}
    returned = {"unit": "fgw", "reason": "不属本单位", "suggested_unit": "czj", "times": 1}
    reassigned = {"from_unit": "fgw", "lead_unit": "czj", "post": "czj/officer", "reason": "采纳"}
    pieces = (assignment.Dispatch(unit="zrj", what="整改"),)
    extended = {"due_on": date(2021, 3, 12), "original_due_on": date(2021, 3, 5), "times": 1}
    return [
        *registered(),
        (assignment.TaskAssigned, tasks[0], {**task, "number": "1"}),
        (assignment.TaskReturned, tasks[0], returned),
        (assignment.TaskReassigned, tasks[0], reassigned),
        (assignment.TaskAccepted, tasks[0], {"unit": "czj"}),
        (assignment.TaskAssigned, tasks[1], {**task, "number": "2"}),
        (assignment.ExtensionGranted, tasks[1], extended),
        (assignment.TaskSuspended, tasks[1], {"reason": "待上级文件"}),
        (assignment.TaskResumed, tasks[1], {}),
        (assignment.DirectiveRegistered, visit, {**directive, "number": "1", "kind": "field_visit_issue"}),
        (assignment.DirectiveDecomposed, visit, {"number": "1", "dispatches": pieces}),
        (assignment.FeedbackGiven, visit, {"number": "1", "unit": "zrj", "text": "已整改"}),
        (
            assignment.DirectiveRegistered,
            notice,
            {**directive, "number": "2", "kind": "banner_document", "units": ("fgw", "czj")},
        ),
        (assignment.ArrangementReported, notice, {"number": "2", "unit": "fgw", "text": "已布置"}),
        (enterprise.WhistleBlown, main, {**whistle, "number": "W-1"}),
        (enterprise.WhistleRouted, main, routed),
        (enterprise.EnterpriseContacted, main, {"unit": "zrj", "how": "phone"}),
        (
            enterprise.WhistleResolved,
            main,
            {"unit": "zrj", "result": "办好", "rating_until": date(2021, 3, 8)},
        ),
        (enterprise.WhistleBlown, joined, {**whistle, "number": "W-2"}),
        (enterprise.WhistleMerged, joined, {"into": main}),
        (enterprise.EnterpriseContacted, joined, {"unit": "zrj", "how": "phone"}),
    ]


def interleaved(said: list[Said], seed: int) -> list[Said]:
    """Another order that keeps each aggregate's own."""
    own: dict[UUID, list[Said]] = defaultdict(list)
    for one in said:
        own[one[1]].append(one)
    turns = [one[1] for one in said]
    random.Random(seed).shuffle(turns)
    waiting = {aggregate: iter(facts) for aggregate, facts in own.items()}
    return [next(waiting[aggregate]) for aggregate in turns]


def out(folder: Path, said: list[Said]) -> dict[UUID, list[bytes]]:
    """What supervision records about these facts, by aggregate; half of them are read before the other half."""
    clock = StoppedClock(shanghai("2021-03-01 09:00"))
    with Opened(folder, clock, SERVICE) as opened:
        world = World(opened, clock)
        for number, (fact_type, aggregate, what) in enumerate(said):
            world.say(fact_type, aggregate, **what)
            if number == len(said) // 2:
                opened.settle()
        world.close()
        opened.settle()
        assert opened["supervision"].reactor.parked() == []
        assert opened["supervision"].views.parked() == []
        found: dict[UUID, list[bytes]] = defaultdict(list)
        for fact in opened.log("supervision"):
            found[fact.originator_id].append(encode(fact))  # type: ignore[attr-defined]
        return found


def test_in_every_order_of_aggregates_the_same_facts_are_out(tmp_path: Path) -> None:
    said = story()
    expected = out(tmp_path / "as-told", said)
    assert len(expected) == 10, "the rulebook, its periods, two tasks, four duties and two whistles"
    reference = (assignment.UnitRegistered, assignment.PostCreated)
    assert out(tmp_path / "last", sorted(said, key=lambda one: one[0] in reference)) == expected
    for seed in range(5):
        assert out(tmp_path / str(seed), interleaved(said, seed)) == expected, seed


@pytest.fixture
def without_fgw(tmp_path: Path) -> Iterator[World]:
    """Everybody is registered, but the name of fgw is on its way."""
    clock = StoppedClock(shanghai("2021-03-01 09:00"))
    with Opened(tmp_path, clock, SERVICE) as opened:
        world = World(opened, clock)
        for fact_type, aggregate, what in registered():
            if aggregate != stable_id("unit", "fgw"):
                world.say(fact_type, aggregate, **what)
        opened.settle()
        yield world
        world.close()


def test_a_naming_waits_for_the_name_of_its_unit(without_fgw: World) -> None:
    world = without_fgw
    case, naming = world.named()
    assert world.kinds_of(naming) == []
    [parked] = world.opened["supervision"].reactor.parked()
    assert (parked.source, parked.aggregate_id, parked.kind) == ("supervision", str(case), "waiting")
    name, kind = NAMES["fgw"]
    world.told(assignment.UnitRegistered, stable_id("unit", "fgw"), unit="fgw", name=name, kind=kind)
    [drafted] = world.facts_of(naming)
    assert f"关于{name}督办事项" in drafted.text
    world.consistent()


def test_a_case_that_is_there_is_not_opened_again_though_the_inbox_has_lost_its_first_fact(
    world: World,
) -> None:
    told = {"assignment": world.task(), "enterprise": world.whistle()}
    before = world.opened.log("supervision")
    for source, subject in told.items():
        world.app.save_with(
            lambda execute, id_=str(subject): execute(
                "DELETE FROM inbox_versions WHERE consumer='react' AND aggregate_id=? RETURNING 1", (id_,)
            )
        )
        world.opened.deliver_again("supervision", source)
    world.opened.settle()
    assert world.opened.log("supervision") == before
    assert world.opened["supervision"].reactor.parked() == []


def test_a_dissolved_unit_is_named_by_its_name(world: World) -> None:
    world.told(assignment.UnitDissolved, stable_id("unit", "fgw"), unit="fgw", successor="czj")
    _, naming = world.named()
    assert NAMES["fgw"][0] in world.facts_of(naming)[0].text


def test_a_naming_that_lost_its_ground_before_it_was_drafted_is_not_drafted(without_fgw: World) -> None:
    """What takes it away is heard while the draft still waits for a name: it wins."""
    world = without_fgw
    case, naming = world.named()
    world.do("inspect/chief", f"cases/{case}/rounds/2/void", reason="误判")
    name, kind = NAMES["fgw"]
    world.told(assignment.UnitRegistered, stable_id("unit", "fgw"), unit="fgw", name=name, kind=kind)
    assert world.kinds_of(naming) == []
    world.consistent()


def test_a_release_that_arrives_before_its_draft_is_shown_with_it(world: World) -> None:
    draft = stable_id("test-draft", 1)
    days = (supervision.CalendarDay(day=date(2021, 3, 10), working=False, name="旗庆"),)
    common: dict[str, Any] = {
        "timestamp": world.clock(),
        "happened_at": world.clock(),
        "because": "request:test",
        "layer": "banner",
        "title": "旗庆",
        "days": days,
    }
    by = {post: Actor(unit="inspect", post=f"inspect/{post}") for post in ("chief", "officer")}
    released = supervision.CalendarReleased(release_id=draft, version=2, by=by["chief"], **common)
    drafted = supervision.CalendarReleaseDrafted(by=by["officer"], **common)
    client = world.client("inspect/chief")

    def arrives(fact: Fact, aggregate: UUID) -> None:
        world.app.log.insert_events([StoredEvent(aggregate, 1, fact.TOPIC, encode(fact))])
        world.opened.settle()

    arrives(released, stable_id("calendar", 2))
    assert client.get("/api/v1/calendar-releases").json["items"] == []
    assert client.get(f"/api/v1/calendar-releases/{draft}").status_code == 404
    arrives(drafted, draft)
    shown = client.get(f"/api/v1/calendar-releases/{draft}").json
    assert shown.pop("may") == []
    assert [shown] == client.get("/api/v1/calendar-releases?state=released").json["items"]
    assert (shown["state"], shown["calendar_version"], shown["drafted_by"], shown["released_by"]) == (
        "released",
        2,
        "inspect/officer",
        "inspect/chief",
    )


@pytest.fixture
def without_an_office(tmp_path: Path) -> Iterator[World]:
    """Everybody is registered but the supervision office."""
    clock = StoppedClock(shanghai("2021-03-01 09:00"))
    with Opened(tmp_path, clock, SERVICE) as opened:
        world = World(opened, clock)
        for fact_type, aggregate, what in registered():
            if aggregate != stable_id("unit", "inspect"):
                world.say(fact_type, aggregate, **what)
        opened.settle()
        yield world
        world.close()


def the_office_is_registered(world: World) -> None:
    name, kind = NAMES["inspect"]
    unit = {"unit": "inspect", "name": name, "kind": kind}
    world.told(assignment.UnitRegistered, stable_id("unit", "inspect"), **unit)


def test_nobody_has_the_offices_clocks_until_the_office_is_registered(without_an_office: World) -> None:
    world = without_an_office
    judged, objected = (world.case_of(world.task(name)) for name in ("1", "2"))
    late = world.case_of(world.directive("1", "fgw"), "duty", "arrange", "fgw")
    for case in (judged, objected):
        world.issued(case)
        world.answered(case, 1)
    world.slow(objected, 1)
    world.do("fgw/officer", f"cases/{objected}/rounds/1/object", text="已在办理")
    world.at("2021-03-05 09:00")
    world.told(
        assignment.ArrangementReported,
        stable_id("test-directive", "1"),
        number="鄂前政发〔2021〕1号",
        unit="fgw",
        text="已部署",
        happened_at=shanghai("2021-03-02 10:00"),
    )
    offices = {"round_judgement", "objection_ruling", "late_entry"}
    rows = world.opened.rows("supervision", "clocks").values()
    assert not [row for row in rows if row["clock"] in offices]
    assert world.case(late).state.clocks["arrange", 1].claim == "waiting"
    the_office_is_registered(world)
    running = {
        (row["case_id"], row["clock"], row["unit"], row["started_on"], row["state"])
        for row in world.opened.rows("supervision", "clocks").values()
        if row["clock"] in offices
    }
    today = date(2021, 3, 5)
    assert running == {
        (str(judged), "round_judgement", "inspect", today, "open"),
        (str(objected), "objection_ruling", "inspect", today, "open"),
        (str(late), "late_entry", "inspect", today, "open"),
    }
    world.confirmed(late, "arrange")
    assert world.clock_row(late, "late_entry")["state"] == "stopped"
    world.consistent()


def test_what_was_judged_before_the_office_is_registered_leaves_it_nothing(without_an_office: World) -> None:
    world = without_an_office
    case = world.case_of(world.task())
    world.issued(case)
    world.answered(case, 1)
    world.do("inspect/chief", f"cases/{case}/rounds/1/judge", verdict="on_track", reason="按序推进")
    the_office_is_registered(world)
    assert not [
        clock
        for clock, _ in world.case(case).state.clocks
        if clock in ("round_judgement", "objection_ruling")
    ]
    world.consistent()


def test_a_claim_waits_until_whoever_decides_on_it_is_registered(without_an_office: World) -> None:
    world = without_an_office
    task = world.task()
    world.told(assignment.CompletionClaimed, task, unit="fgw", note="完成", evidence=("照片",))
    assert [row.kind for row in world.opened["supervision"].reactor.parked()] == ["waiting"]
    the_office_is_registered(world)
    assert world.clock_row(world.case_of(task), "completion_check")["unit"] == "inspect"
    world.consistent()


def test_an_absence_waits_for_a_leader_who_has_the_clock_of_its_approval(tmp_path: Path) -> None:
    leader = stable_id("post", "gov/main-leader")
    clock = StoppedClock(shanghai("2021-03-01 09:00"))
    with Opened(tmp_path, clock, SERVICE) as opened:
        world = World(opened, clock)
        for fact_type, aggregate, what in registered():
            if aggregate != leader:
                world.say(fact_type, aggregate, **what)
        opened.settle()
        dates = {"first": "2021-03-02", "last": "2021-03-03", "purpose": "学习"}
        world.do("fgw/head", "absences", kind="leave", **dates)
        assert opened.rows("supervision", "clocks") == {}
        [parked] = opened["supervision"].reactor.parked()
        assert "nobody is registered who answers as leader_in_charge" in parked.reason
        for fact_type, aggregate, what in registered():
            if aggregate == leader:
                world.told(fact_type, aggregate, **what)
        [row] = opened.rows("supervision", "clocks").values()
        assert (row["clock"], row["unit"]) == ("absence_approval", "gov")
        assert world.case(UUID(row["case_id"])).state.unit == "fgw"
        world.consistent()
        world.close()
