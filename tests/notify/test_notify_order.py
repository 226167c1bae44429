"""Facts of different aggregates arrive in any order: after retries the same facts are out, and nothing is parked."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.notify.__main__ import SERVICE
from shared.domain.aggregate import stable_id
from shared.domain.case_id import case_id
from shared.domain.clock import close_of
from shared.events import assignment, enterprise, notify, supervision
from shared.events.base import Fact
from shared.log.codec import encode
from shared.rulebook import load_rulebook
from shared.testing import Opened, StoppedClock, kinds, shanghai
from tests.notify.conftest import BLOWN, KINDS, NAMES, POSTS, TITLE, World

Said = tuple[type[Fact], UUID, dict[str, Any]]

TASK, OTHER_TASK = stable_id("test-task", "case-1"), stable_id("test-task", "case-2")
CASE, OTHER = case_id("task", TASK), case_id("task", OTHER_TASK)
NAMING, CORRECTION = stable_id("test-naming", 1), stable_id("test-naming", 2)
DUE = date(2021, 3, 12)


def registered() -> Iterator[Said]:
    """Units and posts, each an aggregate of its own, and a second rulebook."""
    for unit, posts in POSTS.items():
        what: dict[str, Any] = {"unit": unit, "name": NAMES[unit], "kind": KINDS.get(unit, "department")}
        yield assignment.UnitRegistered, stable_id("unit", unit), what
        for post, role in posts.items():
            what = {"post": post, "unit": unit, "title": role, "role": role}
            yield assignment.PostCreated, stable_id("post", post), what
    text = load_rulebook().text.replace("# version: 4", "# version: 5")
    released = {"version": 5, "effective": date(2021, 1, 1), "text": text}
    yield supervision.RulebookReleased, stable_id("rulebook", 2), released


def opened(case: UUID, **other: Any) -> Said:
    what = {
        "kind": "task",
        "subject_id": TASK if case == CASE else OTHER_TASK,
        "number": "2021-1",
        "title": TITLE,
        "unit": "fgw",
        "supporters": ("czj",),
        "post": "fgw/officer",
        "leader_post": "gov/vice-leader",
        "rulebook_version": 4,
    }
    return supervision.CaseOpened, case, {**what, **other}


def missed(case: UUID, **other: Any) -> Said:
    what = {"clock": "task_due", "cycle": 1, "unit": "fgw", "due_on": DUE, "due_at": close_of(DUE)}
    return supervision.DeadlineMissed, case, {**what, "detected_at": close_of(DUE), **other}


def slow(case: UUID, number: int) -> Iterator[Said]:
    issued = {"round": number, "unit": "fgw", "post": "fgw/officer", "kind": "special"}
    due = {"due_on": DUE, "due_at": close_of(DUE)}
    yield (
        supervision.RoundIssued,
        case,
        {**issued, **due, "requirement": "说明原因", "trigger": "own_initiative"},
    )
    judged = {"round": number, "unit": "fgw", "verdict": "slow", "reason": "未见进展"}
    yield supervision.RoundJudged, case, judged


def due(case: UUID) -> Said:
    what = {"unit": "fgw", "post": "fgw/officer", "rounds": (1, 2), "naming_id": NAMING}
    return supervision.NamingBecameDue, case, what


def lost(case: UUID) -> Said:
    return supervision.NamingNoLongerDue, case, {"naming_id": NAMING, "ground": "签字补录"}


def unresolved(case: UUID) -> Said:
    return supervision.SupervisionUnresolved, case, {"unit": "fgw", "round": 2, "reason": "未见进展"}


def resolved(case: UUID) -> Said:
    what = {"unit": "fgw", "round": 2, "ground": "签字补录"}
    return supervision.SupervisionNoLongerUnresolved, case, what


def drafted(naming: UUID, **other: Any) -> Said:
    what = {"case_id": CASE, "case_number": "2021-1", "unit": "fgw", "post": "fgw/officer", "rounds": (1, 2)}
    return supervision.NamingDrafted, naming, {**what, "text": "拟通报", **other}


def checked(naming: UUID, until: date = DUE) -> Said:
    what = {"drafted_by": "inspect/chief", "objections_until": until, "window_closes_at": close_of(until)}
    return supervision.NamingChecked, naming, what


def published(naming: UUID, number: int, **other: Any) -> Said:
    what = {"case_id": CASE, "unit": "fgw", "post": "fgw/officer", "series": "通报", "year": 2021}
    return supervision.NamingPublished, naming, {**what, "number": number, "text": "全文", **other}


def redrafted_and_checked() -> list[Said]:
    """The naming's own facts: withdrawn once, drafted and checked anew."""
    return [
        drafted(NAMING),
        checked(NAMING),
        (supervision.NamingWithdrawn, NAMING, {"reason": "签字补录"}),
        (supervision.NamingRedrafted, NAMING, {"text": "拟通报"}),
        checked(NAMING),
    ]


def story() -> list[Said]:
    """Two cases, one unresolved twice, its naming withdrawn, drafted anew, published and corrected."""
    progress = {"unit": "fgw", "value": 3, "narrative": "完成三公里"}
    today = date(2021, 3, 8)
    return [
        *registered(),
        opened(CASE),
        (assignment.ProgressReported, TASK, progress),
        missed(CASE),
        *slow(CASE, 1),
        *slow(CASE, 2),
        due(CASE),
        unresolved(CASE),
        lost(CASE),
        resolved(CASE),
        due(CASE),
        unresolved(CASE),
        *redrafted_and_checked(),
        published(NAMING, 1),
        drafted(CORRECTION, corrects=NAMING),
        checked(CORRECTION, today),
        published(CORRECTION, 2, corrects=NAMING),
        (supervision.NamingCorrected, NAMING, {"correction_id": CORRECTION, "reason": "认定有误"}),
        opened(OTHER, number="2021-2", rulebook_version=5, unit="czj", post="czj/officer"),
        missed(OTHER, unit="czj"),
        (supervision.CaseClosed, CASE, {"ground": "resolved"}),
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


def out(folder: Path, said: list[Said]) -> tuple[Counter[bytes], dict[str, str]]:
    """What the notifier records about these facts, deliveries left out, and the state of every notice.

    A third of the facts are read before the second, and the second before the last. A matter hears of several
    aggregates, so that the order of what it records may differ, but nothing else.
    """
    clock = StoppedClock(shanghai("2021-03-08 09:00"))
    with Opened(folder, clock, SERVICE) as opened:
        world = World(opened, clock)
        for number, (fact_type, aggregate, what) in enumerate(said):
            world.say(fact_type, aggregate, **what)
            if number in (len(said) // 3, len(said) * 2 // 3):
                opened.settle()
        opened.settle()
        world.close()
        assert opened["notify"].reactor.parked() == []  # type: ignore[union-attr]
        left_out = (notify.NoticeDelivered.TOPIC, notify.DigestSent.TOPIC)
        facts = Counter(encode(fact) for fact in opened.log("notify") if fact.TOPIC not in left_out)
        rows = opened.rows("notify", "notices").values()
        return facts, {row["id"]: row["state"] for row in rows if row["level"] != "digest"}


def test_in_every_order_of_aggregates_the_same_facts_are_out(tmp_path: Path) -> None:
    said = story()
    expected = out(tmp_path / "as-told", said)
    assert Counter(expected[1].values()) == {"open": 3, "withdrawn": 11}
    reference = (assignment.UnitRegistered, assignment.PostCreated, supervision.RulebookReleased)
    assert out(tmp_path / "reference", sorted(said, key=lambda one: one[0] in reference)) == expected
    for aggregate in (CASE, NAMING, CORRECTION, stable_id("rulebook", 2)):
        delayed = sorted(said, key=lambda one: one[1] == aggregate)
        assert out(tmp_path / str(aggregate), delayed) == expected, aggregate
    for seed in range(5):
        assert out(tmp_path / str(seed), interleaved(said, seed)) == expected, seed


def told(world: World, *said: Said) -> None:
    for fact_type, aggregate, what in said:
        world.told(fact_type, aggregate, **what)


def test_a_case_heard_late_takes_no_notice_that_its_naming_was_given_anew(world: World) -> None:
    told(world, opened(CASE), *slow(CASE, 1), *slow(CASE, 2), due(CASE), unresolved(CASE))
    told(world, *redrafted_and_checked())
    assert world.standing(clock="objection_window") == [("naming", "fgw/head")]
    told(world, lost(CASE), resolved(CASE), due(CASE))
    assert world.standing(clock="objection_window") == [("naming", "fgw/head")]
    assert world.escalation(CASE)["state"] == "withdrawn"
    world.nothing_new_when_delivered_again()


def test_a_withdrawal_heard_before_the_case_leaves_nothing_standing(world: World) -> None:
    told(world, *redrafted_and_checked()[:3])
    assert {parked.kind for parked in world.opened["notify"].reactor.parked()} == {"waiting", "behind"}
    told(world, opened(CASE))
    assert world.opened["notify"].reactor.parked() == []
    assert [row["state"] for row in world.notices(clock="objection_window")] == ["withdrawn"]
    world.nothing_new_when_delivered_again()


def test_of_a_correction_no_window_is_told_for_it_has_none(world: World) -> None:
    told(world, opened(CASE), drafted(NAMING), checked(NAMING), published(NAMING, 1))
    told(world, drafted(CORRECTION, corrects=NAMING), checked(CORRECTION, date(2021, 3, 8)))
    assert len(world.notices(clock="objection_window")) == 1
    told(world, published(CORRECTION, 2, corrects=NAMING))
    assert world.standing() == [
        ("assigned", "fgw/officer"),
        ("naming", "fgw/head"),
        ("naming", "fgw/head"),
    ]


def test_movement_of_what_has_no_case_yet_waits_for_nothing(world: World) -> None:
    told(world, (assignment.ProgressReported, TASK, {"unit": "fgw", "value": 3, "narrative": "进展"}))
    assert world.opened["notify"].reactor.parked() == []
    told(world, opened(CASE))
    assert world.kinds(CASE) == ["MatterFollowed", "NoticeIssued"]


WHISTLE = stable_id("test-whistle", 1)


def a_whistle(case: UUID) -> list[Said]:
    """What the notifier hears of a whistle from its desk to its end, and of its case."""
    of_case: dict[str, Any] = {"kind": "whistle", "subject_id": WHISTLE, "secrecy": "internal"}
    of_case |= {"number": BLOWN["number"], "post": None, "supporters": ()}
    moved = {"from_unit": "fgw", "to_unit": "czj", "to_post": "czj/officer", "leads": True}
    return [
        *registered(),
        (enterprise.WhistleBlown, WHISTLE, BLOWN),
        opened(case, **of_case),
        missed(case, clock="contact"),
        (supervision.CustodyMoved, case, moved),
        (enterprise.EnterpriseContacted, WHISTLE, {"unit": "czj", "how": "phone"}),
        (supervision.CaseClosed, case, {"ground": "resolved"}),
    ]


def test_whether_a_whistle_or_its_case_is_heard_first_the_same_notices_are_out(tmp_path: Path) -> None:
    case = case_id("whistle", WHISTLE)
    said = a_whistle(case)

    def heard(folder: str, said: list[Said]) -> tuple[Counter[str], dict[str, str]]:
        facts, states = out(tmp_path / folder, said)
        # The matter, and the desk's notice, rest on what was heard first.
        told = [{**json.loads(fact), "because": None} for fact in facts.elements()]
        return Counter(json.dumps(fact, sort_keys=True) for fact in told), states

    expected = heard("as-told", said)
    assert Counter(expected[1].values()) == {"withdrawn": 3}
    for last in (WHISTLE, case):
        assert heard(str(last), sorted(said, key=lambda one: one[1] == last)) == expected, last
    for seed in range(5):
        assert heard(str(seed), interleaved(said, seed)) == expected, seed


def test_the_matters_of_what_comes_together_are_read_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reactor, log, asked = world.opened["notify"].reactor, world.opened["notify"].app.log, list[int]()
    streams = log.streams

    def counted(wanted: Sequence[tuple[UUID, bool]]) -> Sequence[Any]:
        asked.append(len(wanted))
        return streams(wanted)

    monkeypatch.setattr(log, "streams", counted)
    whistles = [stable_id("test-whistle", number) for number in range(5)]
    cases = [case_id("whistle", whistle) for whistle in whistles]
    of_case = {"kind": "whistle", "secrecy": "internal", "number": BLOWN["number"], "post": None}

    def read_for(said: Iterable[Said]) -> list[int]:
        for kind, aggregate, what in said:
            world.say(kind, aggregate, **what)
        asked.clear()
        reactor.step()
        return list(asked)

    assert read_for((enterprise.WhistleBlown, whistle, BLOWN) for whistle in whistles) == []
    assert read_for(opened(case, **of_case) for case in cases) == [5]
    contact = {"unit": "fgw", "how": "phone"}
    assert read_for((enterprise.EnterpriseContacted, whistle, contact) for whistle in whistles) == [5]
    assert [world.kinds(case) for case in cases] == [["MatterFollowed", "NoticeIssued"]] * 5
    assert reactor.parked() == []


def test_a_notice_waits_for_the_name_of_its_unit(world: World) -> None:
    told(world, opened(CASE, unit="zrj", post="zrj/officer"))
    [parked] = world.opened["notify"].reactor.parked()
    assert "zrj" in parked.reason
    world.told(
        assignment.UnitRegistered,
        stable_id("unit", "zrj"),
        unit="zrj",
        name="旗自然资源局",
        kind="department",
    )
    assert world.kinds(CASE) == ["MatterFollowed", "NoticeIssued"]
    assert "旗自然资源局" in world.notices()[0]["text"]
    world.nothing_new_when_delivered_again()


def test_a_dissolved_unit_is_told_by_its_name(world: World) -> None:
    world.told(assignment.UnitDissolved, stable_id("unit", "fgw"), unit="fgw", successor="czj")
    told(world, opened(CASE))
    assert kinds(world.facts(CASE)) == ["MatterFollowed", "NoticeIssued"]
    assert NAMES["fgw"] in world.notices()[0]["text"]


def test_a_case_closed_before_or_after_leaves_its_namings_window_open(world: World) -> None:
    told(world, opened(CASE), drafted(NAMING), (supervision.CaseClosed, CASE, {"ground": "resolved"}))
    told(world, checked(NAMING))
    assert world.standing() == [("naming", "fgw/head")]
    told(world, (supervision.CaseReopened, CASE, {"reason": "领导有新批示"}))
    told(world, (supervision.CaseClosed, CASE, {"ground": "resolved"}))
    assert world.standing() == [("naming", "fgw/head")]
    world.nothing_new_when_delivered_again()


def test_a_calendar_release_waits_for_the_one_before_it(world: World) -> None:
    def released(version: int, day: date) -> Said:
        days = (supervision.CalendarDay(day=day, working=False, name="旗庆"),)
        what = {"release_id": stable_id("draft", version), "version": version, "layer": "banner"}
        return (
            supervision.CalendarReleased,
            stable_id("calendar", version),
            {**what, "title": "旗庆", "days": days},
        )

    reference = world.opened["notify"].app.reference
    told(world, released(3, date(2021, 3, 10)))
    assert reference.calendar().version == 1
    told(world, released(2, date(2021, 3, 11)))
    assert reference.calendar().version == 3
