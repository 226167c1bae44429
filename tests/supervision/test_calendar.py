"""Releases of the calendar: what every process knows, what moves, who is told, and who revises a verdict."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.supervision.__main__ import SERVICE
from services.supervision.application import Supervision
from services.supervision.domain import CalendarDraft, Naming
from shared.calendar import Calendar, DayRule
from shared.domain.aggregate import stable_id
from shared.domain.clock import close_of
from shared.events import assignment, supervision
from shared.rulebook import parse_rulebook
from shared.testing import Opened, StoppedClock, an_act, kinds, shanghai
from tests.supervision.conftest import World

WEEK = [date(2021, 3, 1) + timedelta(days=n) for n in range(8)]
"""A week and a day, the weekend included."""


def drafted(app: Supervision, clock: StoppedClock, *days: date) -> UUID:
    """A draft by which these days turn: what is worked becomes a rest day, what is rest is worked."""
    now, calendar = clock(), app.calendar()
    turned = [{"day": day, "working": not calendar.is_working(day), "name": "调休"} for day in days]
    title = f"关于第{calendar.version}版的通知"
    drafter = an_act(now, post="inspect/officer")
    return UUID(app.draft_release(drafter, layer="banner", title=title, days=turned).id)


def release(app: Supervision, clock: StoppedClock, *days: date) -> None:
    """These days turn."""
    app.release_calendar(an_act(clock()), drafted(app, clock, *days))


# -- every process knows the newest release -----------------------------------------------------------------------

Step = tuple[str, int, list[date]]
histories = st.lists(
    st.tuples(
        st.sampled_from(["release", "fold", "read", "decide"]),
        st.integers(0, 1),
        st.lists(st.sampled_from(WEEK), min_size=1, max_size=3, unique=True),
    ),
    max_size=20,
)


def no_process_keeps_an_old_calendar(history: list[Step], **database: Any) -> None:
    """Two processes on one database release, fold and read in turn."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clock = StoppedClock(shanghai("2021-03-01 09:00"))
        processes = [stack.enter_context(Opened(folder, clock, SERVICE, **database)) for _ in range(2)]
        released: list[list[date]] = []
        folded = 0
        for what, process, days in history:
            app: Supervision = processes[process]["supervision"].app
            if what == "release":
                release(app, clock, *days)
                released.append(days)
            elif what == "fold":
                views = processes[process]["supervision"].views
                while views.project(processes[process]["supervision"].follower):
                    pass
                folded = len(released)
            else:
                count = folded if what == "read" else len(released)
                known = app.reference.calendar() if what == "read" else app.calendar()
                turned = [day for release in released[:count] for day in release]
                wanted = [Calendar.base().is_working(day) ^ (turned.count(day) % 2) for day in WEEK]
                assert known.version == Calendar.base().version + count
                assert [known.is_working(day) for day in WEEK] == wanted


@settings(max_examples=20, deadline=None)
@given(histories)
def test_any_sequence_of_releases_and_reads_in_any_process_gives_the_newest(history: list[Step]) -> None:
    no_process_keeps_an_old_calendar(history)


READS, FOLDS = ("read", 0, WEEK[:1]), ("fold", 1, WEEK[:1])
FIRST, SECOND, THIRD = (("release", 1, [day]) for day in WEEK[1:4])
SOME_HISTORIES: list[list[Step]] = [
    [READS, FIRST, FOLDS, READS, SECOND, FOLDS, READS],
    [READS, FIRST, SECOND, FOLDS, READS, THIRD, FOLDS, READS],
]


def test_two_releases_between_two_reads_are_both_seen() -> None:
    for history in SOME_HISTORIES:
        no_process_keeps_an_old_calendar(history)


# -- every open clock stands as the newest calendar reckons it ------------------------------------------------------

Event = tuple[str, int, list[date]]
lives = st.lists(
    st.tuples(
        st.sampled_from(["release", "reversal", "task", "whistle", "done", "pause", "resume", "later"]),
        st.integers(0, 9),
        st.lists(st.sampled_from(WEEK[1:]), min_size=1, max_size=2, unique=True),
    ),
    min_size=3,
    max_size=14,
)


@contextmanager
def a_world() -> Iterator[World]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clock = StoppedClock(shanghai("2021-03-01 09:00"))
        world = World(stack.enter_context(Opened(folder, clock, SERVICE)), clock)
        stack.callback(world.close)
        world.units()
        yield world


def standing(world: World) -> dict[tuple[str, str, int], Any]:
    """Every clock by case, name and cycle."""
    cases = world.opened.rows("supervision", "cases")
    found = [(case, clock) for case in cases for clock in world.case(UUID(case)).state.clocks.values()]
    return {(case, clock.clock, clock.cycle): clock for case, clock in found}


PEOPLES = ("CaseOpened", "ClockStopped", "ClockPaused", "CustodyMoved", "RoundAnswered", "VerdictRevised")
"""What only people do."""


def released_as_previewed(world: World, *days: date) -> None:
    """What the preview promises is what the release moves, and nothing else changes but what follows from that."""
    app = world.app
    draft = drafted(app, world.clock, *days)
    world.opened.settle()
    previewed = app.preview_release(draft).items
    before, size = standing(world), world.size()
    app.release_calendar(an_act(world.clock()), draft)
    world.opened.settle()
    after = standing(world)
    moved = {
        key: after[key].due_on
        for key, clock in before.items()
        if after[key].is_open
        and (after[key].due_on, after[key].provisional) != (clock.due_on, clock.provisional)
    }
    promised = {(one.case_id, one.clock, one.cycle): one.new_due_on for one in previewed}
    # The answer clock of a round that rested on a miss which is taken back is cancelled, and does not move.
    assert moved == {key: due_on for key, due_on in promised.items() if after[key].status != "cancelled"}
    own = world.case_of(draft, "release", "second_person")
    followed = [one for one in world.opened.log("supervision")[size:] if one.originator_id != own]
    assert not set(kinds(followed)).intersection(PEOPLES)
    for key, clock in after.items():
        terms = app.terms_of(world.case(UUID(key[0])))
        if clock.status == "open":
            due = clock.due(terms)
            wanted = (due.due_on, due.due_at, due.original_on, due.provisional, terms.warnings(due))
            stands = (clock.due_on, clock.due_at, clock.original_due_on, clock.provisional, clock.warn_on)
            assert stands == wanted
        elif clock.status == "stopped":
            due = clock.due(terms)
            in_time = due.due_at is None or clock.stopped_at < due.due_at
            assert (clock.recomputed or clock.verdict) == ("in_time" if in_time else "late")
            judged_now = UUID(key[0]) == own
            assert judged_now or clock.verdict == before[key].verdict, "as judged, for ever"


@settings(max_examples=15, deadline=None)
@given(lives)
def test_after_any_releases_every_clock_stands_as_the_newest_calendar_reckons_it(life: list[Event]) -> None:
    with a_world() as world:
        last = WEEK[2:3]
        for number, (what, at, days) in enumerate(life):
            tasks = [stable_id("test-task", str(n)) for n in range(number) if life[n][0] == "task"]
            task = tasks[at % len(tasks)] if tasks else None
            running = world.case(world.case_of(task)).running("task_due") if task else None
            if what in ("release", "reversal"):
                last = days if what == "release" else last
                released_as_previewed(world, *last)
            elif what == "task":
                world.task(str(number), due_on=date(2021, 3, 2) + timedelta(days=at))
            elif what == "whistle":
                world.whistle(str(number))
            elif what == "later":
                world.clock.advance(days=at / 4)
                world.opened.settle()
            elif task is None or running is None:
                continue
            elif what == "done":
                world.told(assignment.CompletionAccepted, task, claimed_at=world.clock())
            elif what == "pause" and running.status == "open":
                world.told(assignment.TaskSuspended, task, reason="等")
            elif what == "resume" and running.status == "paused":
                world.told(assignment.TaskResumed, task)
        world.consistent()


def test_a_release_and_its_reversal_leave_every_clock_where_it_was(world: World) -> None:
    whistles = [world.case_of(world.whistle("1"), "whistle")]
    off = [date(2021, 3, 3), date(2021, 3, 4)]
    released_as_previewed(world, *off)
    whistles.append(world.case_of(world.whistle("2"), "whistle"))
    assert [world.clock_row(case, "resolve_or_confirm")["due_on"] for case in whistles] == [
        date(2021, 3, 8)
    ] * 2
    released_as_previewed(world, *off)
    assert [world.clock_row(case, "resolve_or_confirm")["due_on"] for case in whistles] == [
        date(2021, 3, 4)
    ] * 2
    assert {world.clock_row(case, "resolve_or_confirm")["calendar_version"] for case in whistles} == {3}
    world.consistent()


def test_a_verdict_follows_every_further_release(world: World) -> None:
    directive = world.directive("1", "fgw")
    case = world.case_of(directive, "duty", "arrange", "fgw")
    world.at("2021-03-09 10:00")
    world.told(assignment.ArrangementReported, directive, unit="fgw", number="1", text="已部署")
    verdicts = []
    days = [date(2021, 3, 3)], [date(2021, 3, 4), date(2021, 3, 5)], [date(2021, 3, 8)], [date(2021, 3, 4)]
    for released in days:  # due 03-03, then 03-04, 03-08, 03-09, 03-08 again
        released_as_previewed(world, *released)
        row = world.clock_row(case, "arrange")
        verdicts.append((row["verdict"], row["recomputed"]))
    assert verdicts == [("late", None), ("late", None), ("late", "in_time"), ("late", "late")]
    world.consistent()


def test_a_clock_that_an_older_calendar_started_after_the_release_is_found_the_next_day(world: World) -> None:
    older = world.app.terms()
    released_as_previewed(world, date(2021, 3, 3))
    terms, world.app.terms = world.app.terms, lambda: older  # decided before the release, saved after it
    case = world.case_of(world.whistle(), "whistle")
    world.app.terms = terms
    assert world.clock_row(case, "resolve_or_confirm")["due_on"] == date(2021, 3, 4)
    world.at("2021-03-02 09:00")
    assert world.clock_row(case, "resolve_or_confirm")["due_on"] == date(2021, 3, 5)


# -- own dates and windows move off rest days -----------------------------------------------------------------------


def test_a_task_due_on_a_new_rest_day_is_due_on_the_next_working_day_and_never_missed_inside_it(
    world: World,
) -> None:
    thursday, friday, monday = date(2021, 3, 11), date(2021, 3, 12), date(2021, 3, 15)
    case = world.case_of(world.task(due_on=thursday))
    released_as_previewed(world, thursday, friday)
    row = world.clock_row(case, "task_due")
    assert (row["due_on"], row["original_due_on"], row["provisional"]) == (monday, thursday, False)
    for day in (12, 13, 14, 15):
        world.at(f"2021-03-{day} 12:00")
        assert not world.clock_row(case, "task_due")["missed"]
    told = world.client("inspect/chief").get(f"/api/v1/cases/{case}/clocks/task_due/1/explanation").json
    assert (told["due"], told["original"]) == (str(monday), str(thursday))
    assert any("is a rest day" in line and str(monday) in line for line in told["lines"])
    world.at("2021-03-16 00:01")
    assert world.last(case, supervision.DeadlineMissed).due_on == monday
    world.consistent()


def test_a_miss_on_a_day_that_is_then_said_to_have_been_a_rest_day_is_taken_back(world: World) -> None:
    case = world.case_of(world.task(due_on=date(2021, 3, 5)))
    world.at("2021-03-06 09:00")
    assert world.clock_row(case, "task_due")["missed"]
    released_as_previewed(world, date(2021, 3, 5))
    row = world.clock_row(case, "task_due")
    assert (row["due_on"], row["missed"]) == (date(2021, 3, 8), False)
    assert world.last(case, supervision.RoundVoided).round == 1
    world.consistent()


def test_a_case_of_an_older_rulebook_keeps_its_date_as_it_was_set(world: World) -> None:
    stays = world.app.rulebook.text.replace("# version: 4", "# version: 2").replace("50%,next,", "50%,,")
    world.app.rulebook = parse_rulebook(stays, "an older one")
    world.app.release_rulebook()
    case = world.case_of(world.task(due_on=date(2021, 3, 11)))
    released_as_previewed(world, date(2021, 3, 11))
    assert world.clock_row(case, "task_due")["due_on"] == date(2021, 3, 11)


def test_a_date_in_a_year_not_announced_moves_once_its_notice_makes_it_a_rest_day(world: World) -> None:
    world.clock.set("2026-12-01 09:00")
    case = world.case_of(world.task(due_on=date(2027, 2, 8)))
    assert world.clock_row(case, "task_due")["provisional"]
    released_as_previewed(world, *(date(2027, 2, day) for day in (5, 8, 9, 10, 11)))
    row = world.clock_row(case, "task_due")
    assert (row["due_on"], row["provisional"]) == (date(2027, 2, 12), True), (
        "a banner's days announce no year"
    )


def test_the_answer_date_of_a_round_follows_its_clock_in_every_list(world: World) -> None:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    wednesday, thursday = date(2021, 3, 10), date(2021, 3, 11)
    world.do("inspect/chief", f"cases/{case}/issue-round", requirement="说明进展", due_on=str(wednesday))
    world.issued(world.case_of(world.task("2", due_on=date(2021, 12, 31))))
    released_as_previewed(world, wednesday)
    items = world.client("inspect/chief").get(f"/api/v1/rounds?case_id={case}&sort=due_on").json["items"]
    shown = [(item["due_on"], item["original_due_on"], item["due_at"][:10]) for item in items]
    assert shown == [(str(thursday), str(wednesday), "2021-03-11")]
    assert world.case(case).state.issued[1].due_on == thursday
    world.do("fgw/officer", f"cases/{case}/rounds/1/answer", text="正在办理")
    world.at("2021-03-11 18:00")
    world.do("fgw/head", f"cases/{case}/rounds/1/sign")
    assert world.clock_row(case, "round_answer")["verdict"] == "in_time"
    world.consistent()
    later = {"requirement": "再说明", "due_on": "2021-03-13"}
    world.do("inspect/chief", f"cases/{case}/rounds/1/judge", verdict="on_track", reason="有进展")
    world.refused("round-date-on-a-rest-day", "inspect/chief", f"cases/{case}/issue-round", **later)


def checked(world: World) -> UUID:
    """A naming that a second person has checked on Monday 1 March: the unit may object until the 4th."""
    _, naming = world.named()
    world.do("inspect/officer", f"namings/{naming}/check")
    return naming


def window(world: World, naming: UUID) -> Any:
    return world.client("inspect/chief").get(f"/api/v1/namings/{naming}").json["objections_until"]


def test_a_window_for_objections_never_closes_on_a_day_that_became_a_rest_day(world: World) -> None:
    naming = checked(world)
    assert window(world, naming) == "2021-03-04"
    off = [date(2021, 3, 4), date(2021, 3, 5)]
    draft = drafted(world.app, world.clock, *off)
    [moved] = [one for one in world.app.preview_release(draft).items if one.clock == "objection_window"]
    assert (moved.unit, moved.cycle, moved.due_on, moved.new_due_on) == ("fgw", 2, off[0], date(2021, 3, 8))
    world.app.release_calendar(an_act(world.clock()), draft)
    world.opened.settle()
    fact = world.last(naming, supervision.NamingWindowMoved)
    assert (fact.moved_from, fact.objections_until) == (off[0], date(2021, 3, 8))
    assert window(world, naming) == "2021-03-08"
    world.at("2021-03-08 17:00")
    world.refused("objection-window-still-open", "gov/main-leader", f"namings/{naming}/approve")
    world.do("fgw/head", f"namings/{naming}/object", text="有异议")
    world.consistent()


def test_a_window_that_had_closed_is_open_again_until_the_naming_is_approved(world: World) -> None:
    naming = checked(world)
    world.at("2021-03-05 09:00")
    world.refused("objection-window-closed", "fgw/head", f"namings/{naming}/object", text="有异议")
    release(world.app, world.clock, date(2021, 3, 4))
    world.opened.settle()
    assert window(world, naming) == "2021-03-05"
    release(world.app, world.clock, date(2021, 3, 4))
    world.opened.settle()
    assert window(world, naming) == "2021-03-04", "a release and its reversal"
    world.do("gov/main-leader", f"namings/{naming}/approve")
    release(world.app, world.clock, date(2021, 3, 3))
    world.opened.settle()
    assert window(world, naming) == "2021-03-04"
    world.consistent()


def test_nobody_approves_by_an_older_calendar_though_no_worker_has_run_since(world: World) -> None:
    naming = checked(world)
    world.at("2021-03-05 09:00")
    release(world.app, world.clock, date(2021, 3, 4))
    approval = world.client("gov/main-leader").post(f"/api/v1/namings/{naming}/approve")
    assert approval.json["rule"] == "objection-window-still-open"
    objection = world.client("fgw/head").post(f"/api/v1/namings/{naming}/object", {"text": "有异议"})
    assert objection.status_code == 200
    world.opened.settle()
    world.consistent()


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WEEK[1:]), min_size=1, max_size=3, unique=True), max_size=5))
def test_after_any_releases_a_window_closes_where_the_newest_calendar_says(turned: list[list[date]]) -> None:
    with a_world() as world:
        naming = checked(world)
        for days in turned:
            release(world.app, world.clock, *days)
            world.opened.settle()
            calendar = world.app.calendar()
            until = calendar.working_days_after(date(2021, 3, 1), 3)
            state = world.app.load(Naming, naming).state
            assert (state.objections_until, state.window_closes_at) == (until, close_of(until))
            assert calendar.is_working(until)
        world.consistent()


# -- a notice is typed as it was published --------------------------------------------------------------------------


def days_of(*spans: tuple[str, str, bool, str]) -> list[dict[str, Any]]:
    """The days from one to another, each worked or not, of this holiday."""
    return [
        {"day": str(date.fromisoformat(first) + timedelta(days=n)), "working": working, "name": name}
        for first, last, working, name in spans
        for n in range((date.fromisoformat(last) - date.fromisoformat(first)).days + 1)
    ]


def test_a_change_is_drafted_as_the_notice_says_it_and_what_is_so_already_is_said(world: World) -> None:
    # May Day 2021 was announced as 1 to 5 May; a change to 6 May lists all of it anew.
    days = days_of(
        ("2021-05-01", "2021-05-06", False, "劳动节"),
        ("2021-04-25", "2021-04-25", True, "劳动节"),
        ("2021-05-08", "2021-05-09", True, "劳动节"),
    )
    body = {"layer": "state_council", "title": "国办关于调整2021年劳动节假期安排的通知", "days": days}
    draft = world.do("inspect/officer", "calendar-releases", **body)["id"]
    so_already = ["2021-04-25", *(f"2021-05-0{day}" for day in (1, 2, 3, 4, 5, 8))]
    client = world.client("inspect/chief")
    assert client.get(f"/api/v1/calendar-releases/{draft}").json["unchanged"] == so_already
    assert client.get(f"/api/v1/calendar-releases/{draft}/preview").json["unchanged"] == so_already
    world.do("inspect/chief", f"calendar-releases/{draft}/release")
    calendar = world.app.calendar()
    assert not calendar.is_working(date(2021, 5, 6))
    assert calendar.is_working(date(2021, 5, 9))
    world.refused("release-changes-nothing", "inspect/officer", "calendar-releases", **body)
    world.consistent()


def test_a_whole_year_with_days_of_the_year_before_is_drafted_as_it_was_published(world: World) -> None:
    days = days_of(
        ("2027-01-01", "2027-01-03", False, "元旦"),
        ("2026-12-27", "2026-12-27", True, "元旦"),
        ("2027-02-05", "2027-02-12", False, "春节"),
        ("2027-02-14", "2027-02-14", True, "春节"),
    )
    body = {"layer": "state_council", "title": "国办关于2027年部分节假日安排的通知", "days": days}
    draft = world.do("inspect/officer", "calendar-releases", **body)["id"]
    world.do("inspect/chief", f"calendar-releases/{draft}/release")
    assert 2027 in world.app.calendar().known_years
    world.refused("release-changes-nothing", "inspect/officer", "calendar-releases", **body)


def test_what_a_layer_above_says_otherwise_is_no_change(world: World) -> None:
    banner = {
        "layer": "banner",
        "title": "旗庆放假",
        "days": days_of(("2021-08-02", "2021-08-03", False, "旗庆")),
    }
    draft = world.do("inspect/officer", "calendar-releases", **banner)["id"]
    world.do("inspect/chief", f"calendar-releases/{draft}/release")
    days = days_of(("2021-08-03", "2021-08-03", True, ""), ("2021-08-04", "2021-08-04", False, "哀悼日"))
    body = {"layer": "state_council", "title": "国办通知", "days": days}
    draft = world.do("inspect/officer", "calendar-releases", **body)["id"]
    found = world.client("inspect/chief").get(f"/api/v1/calendar-releases/{draft}").json
    assert found["unchanged"] == ["2021-08-03"]


# -- a verdict is revised by a second person ------------------------------------------------------------------------


def judged(world: World, unit: str = "fgw", name: str = "1") -> UUID:
    """The unit arranged on Friday 5 March what was due on the 3rd, and has had a round for it."""
    directive = world.directive(name, unit)
    case = world.case_of(directive, "duty", "arrange", unit)
    world.at("2021-03-05 10:00")
    world.told(assignment.ArrangementReported, directive, unit=unit, number=name, text="已部署")
    return case


OFF = (date(2021, 3, 3), date(2021, 3, 4))


def revise(case: UUID) -> str:
    return f"cases/{case}/clocks/arrange/1/revise"


def in_time_of(world: World) -> tuple[int, int]:
    rates = world.client("inspect/chief").get("/api/v1/rates?since=2021-03-01&until=2021-03-31&clock=arrange")
    [line] = rates.json["items"]
    return line["numerator"], line["denominator"]


def test_a_second_person_lets_a_recomputed_verdict_stand_and_what_rested_on_the_miss_goes(
    world: World,
) -> None:
    case = judged(world)
    by_the_leader = "gov/vice-leader", revise(case)
    world.refused("nothing-recomputed", *by_the_leader, ground="复算")
    released_as_previewed(world, *OFF)
    row = world.clock_row(case, "arrange")
    assert (row["verdict"], row["recomputed"], row["revised"]) == ("late", "in_time", None)
    assert in_time_of(world) == (0, 1)
    world.refused("only-a-head-revises", "inspect/officer", revise(case), ground="复算")
    world.refused("revising-after-ones-own-release", "inspect/chief", revise(case), ground="复算")
    world.do(*by_the_leader, ground="3月3日、4日旗庆放假")
    row = world.clock_row(case, "arrange")
    assert (row["verdict"], row["recomputed"], row["revised"]) == ("late", "in_time", "in_time")
    assert (row["revised_by"], row["revised_because"]) == ("gov/vice-leader", "3月3日、4日旗庆放假")
    assert in_time_of(world) == (1, 1)
    assert world.last(case, supervision.DeadlineMissRetracted).ground == "calendar"
    assert not row["missed"]
    world.refused("verdict-already-revised", "gov/main-leader", revise(case), ground="复算")
    items = world.client("inspect/chief").get(f"/api/v1/clocks?case_id={case}&clock=arrange").json["items"]
    assert [(one["verdict"], one["recomputed"], one["revised"]) for one in items] == [
        ("late", "in_time", "in_time")
    ]
    world.consistent()


def test_a_round_that_rested_on_the_revised_miss_is_void(world: World) -> None:
    task = world.task(due_on=date(2021, 3, 3))
    case = world.case_of(task)
    world.at("2021-03-04 10:00")
    world.answered(case, 1)
    world.at("2021-03-05 10:00")
    world.told(assignment.CompletionAccepted, task, claimed_at=world.clock())
    world.slow(case, 1)
    released_as_previewed(world, *OFF)
    assert not world.case(case).state.issued[1].voided, "a recomputed verdict alone changes nothing"
    world.do("gov/main-leader", f"cases/{case}/clocks/task_due/1/revise", ground="旗庆放假")
    state = world.case(case).state
    assert (state.issued[1].voided, state.clocks["task_due", 1].missed) == (True, False)
    world.consistent()


def test_after_a_further_recalculation_a_revised_verdict_may_be_revised_again(world: World) -> None:
    case = judged(world)
    released_as_previewed(world, *OFF)
    world.do("gov/main-leader", revise(case), ground="放假")
    released_as_previewed(world, *OFF)  # taken back
    row = world.clock_row(case, "arrange")
    assert (row["verdict"], row["recomputed"], row["revised"]) == ("late", "late", "in_time")
    world.do("gov/vice-leader", revise(case), ground="放假通知撤回")
    row = world.clock_row(case, "arrange")
    assert (row["revised"], row["charged"]) == ("late", "fgw")
    assert in_time_of(world) == (0, 1)
    world.consistent()


def test_nobody_revises_the_verdict_on_their_own_unit_and_the_offices_head_may(world: World) -> None:
    own = judged(world, "gov")
    title = "旗庆放假"
    days = [{"day": day, "working": False, "name": "旗庆"} for day in OFF]
    clerk = an_act(world.clock(), "office", "office/head")
    draft = world.app.draft_release(clerk, layer="banner", title=title, days=days).id
    world.app.release_calendar(an_act(world.clock(), post="inspect/officer"), UUID(draft))
    world.opened.settle()
    world.refused("revising-ones-own-unit", "gov/main-leader", revise(own), ground="放假")
    world.do("inspect/chief", revise(own), ground="放假")
    world.refused("no-such-clock", "inspect/chief", f"cases/{own}/clocks/arrange/7/revise", ground="放假")
    world.consistent()


turns = st.lists(
    st.one_of(st.none(), st.lists(st.sampled_from(WEEK[1:5]), min_size=1, max_size=2, unique=True)),
    max_size=7,
)


@settings(max_examples=10, deadline=None)
@given(turns)
def test_a_verdict_is_revised_exactly_if_the_newest_calendar_gives_another_than_what_stands(
    turned: list[list[date] | None],
) -> None:
    with a_world() as world:
        case = judged(world)
        for days in turned:
            before = world.clock_row(case, "arrange")
            if days is not None:
                release(world.app, world.clock, *days)
                world.opened.settle()
            elif before["recomputed"] in (None, before["revised"] or "late"):
                rule = "verdict-already-revised" if before["revised"] else "nothing-recomputed"
                world.refused(rule, "gov/main-leader", revise(case), ground="放假")
            else:
                world.do("gov/main-leader", revise(case), ground="放假")
            row = world.clock_row(case, "arrange")
            in_time = world.app.calendar().working_days_between(date(2021, 3, 1), date(2021, 3, 4)) <= 1
            assert row["verdict"] == "late"
            assert (row["recomputed"] or "late") == ("in_time" if in_time else "late")
            assert (
                row["revised"] == (before["revised"] if days is not None else row["recomputed"]) or not days
            )
            assert in_time_of(world) == (int((row["revised"] or "late") == "in_time"), 1)
        world.consistent()


# -- a draft waits for its second person, and somebody knows --------------------------------------------------------


def draft_of(world: World, post: str = "inspect/officer", day: str = "2021-03-10") -> UUID:
    days = [{"day": day, "working": False, "name": "旗庆"}]
    drafted = world.do(post, "calendar-releases", layer="banner", title=f"旗庆{day}", days=days)
    return UUID(drafted["id"])


def waiting(world: World, draft: UUID) -> tuple[str, str | None]:
    """The state of the clock of the second person, and the ground on which its case closed."""
    case = world.case_of(draft, "release", "second_person")
    return world.clock_row(case, "calendar_release")["state"], world.case(case).state.ground


def test_a_draft_has_a_clock_of_two_working_days_that_its_release_stops(world: World) -> None:
    draft = draft_of(world)
    case = world.case_of(draft, "release", "second_person")
    state = world.case(case).state
    assert (state.unit, state.number, state.title) == ("inspect", "日历第2版（草案）", "旗庆2021-03-10")
    assert world.clock_row(case, "calendar_release")["due_on"] == date(2021, 3, 3)
    world.at("2021-03-04 09:00")
    assert world.last(case, supervision.DeadlineMissed).unit == "inspect"
    world.do("office/head", f"calendar-releases/{draft}/release")
    assert waiting(world, draft) == ("stopped", "resolved")
    assert world.clock_row(case, "calendar_release")["verdict"] == "late"
    world.refused("calendar-draft-already-released", "office/head", f"calendar-releases/{draft}/release")
    world.refused(
        "calendar-draft-already-released", "office/head", f"calendar-releases/{draft}/withdraw", reason="误"
    )
    world.consistent()


def test_a_withdrawn_draft_waits_for_nobody_and_is_not_released(world: World) -> None:
    draft = draft_of(world)
    world.do("inspect/officer", f"calendar-releases/{draft}/withdraw", reason="日期有误")
    assert waiting(world, draft) == ("stopped", "withdrawn")
    world.refused("calendar-draft-not-waiting", "office/head", f"calendar-releases/{draft}/release")
    world.refused(
        "calendar-draft-not-waiting", "office/head", f"calendar-releases/{draft}/withdraw", reason="误"
    )
    shown = world.client("inspect/chief").get(f"/api/v1/calendar-releases/{draft}").json
    assert (shown["state"], shown["withdrawn_because"], shown["may"]) == ("withdrawn", "日期有误", [])
    world.consistent()


def test_every_draft_that_another_release_overtakes_waits_for_nobody(world: World) -> None:
    first, second, third = (draft_of(world, day=f"2021-03-1{n}") for n in (0, 1, 2))
    world.do("inspect/officer", f"calendar-releases/{third}/withdraw", reason="不办")
    world.do("inspect/chief", f"calendar-releases/{first}/release")
    assert [waiting(world, one) for one in (first, second, third)] == [
        ("stopped", "resolved"),
        ("stopped", "superseded"),
        ("stopped", "withdrawn"),
    ]
    world.refused("calendar-version-out-of-order", "inspect/chief", f"calendar-releases/{second}/release")
    states = {
        one["id"]: one["state"]
        for one in world.client("inspect/chief").get("/api/v1/calendar-releases").json["items"]
    }
    assert states == {str(first): "released", str(second): "overtaken", str(third): "withdrawn"}
    again = draft_of(world, day="2021-03-11")
    assert waiting(world, again) == ("open", None)
    world.consistent()


def test_a_draft_that_was_under_way_at_the_release_is_overtaken_the_next_day(world: World) -> None:
    before = world.app.calendar()
    release(world.app, world.clock, date(2021, 3, 10))
    world.opened.settle()
    late = CalendarDraft.draft(
        an_act(world.clock()), before, "banner", "演练", (DayRule(date(2021, 3, 11), False, "演练"),)
    )
    world.app.perform(an_act(world.clock()), lambda act: world.app.commit(act, late))
    world.at("2021-03-02 00:01")
    assert waiting(world, late.id) == ("stopped", "superseded")
    world.consistent()


def test_a_draft_of_an_older_release_without_a_matter_is_released_and_nothing_is_parked(world: World) -> None:
    """Under version 3 of the rulebook a draft began no case."""
    current = world.app.rulebook
    world.app.rulebook = parse_rulebook(
        "\n".join(line for line in current.text.split("\n") if not line.startswith("calendar_release,")), "3"
    )
    draft = draft_of(world)
    assert world.opened.rows("supervision", "cases") == {}
    world.app.rulebook = current
    world.do("inspect/chief", f"calendar-releases/{draft}/release")
    assert world.opened.rows("supervision", "cases") == {}
    world.consistent()
