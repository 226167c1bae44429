"""Duties of a period: half-month reports from their beginning to met, late, missed or excused."""

from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.supervision.__main__ import SERVICE
from services.supervision.domain import Case, Duty, Ower, RulebookVersion, Terms
from services.supervision.domain.duty import DutyIsMet, NoSuchCredit
from services.supervision.views.duties import DutiesView
from shared.calendar.period import Period, period_of
from shared.domain.aggregate import stable_id
from shared.domain.clock import midnight
from shared.domain.refusal import Refusal
from shared.events import assignment, supervision
from shared.rulebook import load_rulebook, parse_rulebook
from shared.testing import Opened, StoppedClock, an_act, facts, kinds, rows_of, shanghai
from tests.supervision.conftest import World

RULE = load_rulebook().rule("half_month_report")
SECOND_HALF_OF_MARCH = period_of("half_month", date(2021, 3, 16))
OWERS = ("czj", "fgw", "zrj")
"""The departments of the world; government, office and supervision office owe nothing."""


def duty_of(unit: str, first: str = "2021-03-16") -> UUID:
    return Duty.id_of("half_month_report", unit, date.fromisoformat(first))


def case_of(world: World, unit: str, first: str = "2021-03-16") -> UUID:
    return world.case_of(duty_of(unit, first), "period")


def report(world: World, unit: str, half_month: str, **more: Any) -> Any:
    return world.do(f"{unit}/officer", "half-month-reports", half_month=half_month, nil=True, **more)


# -- the aggregate -------------------------------------------------------------------------------------------------


def a_duty(required: int = 1) -> Duty:
    act = an_act(midnight(SECOND_HALF_OF_MARCH.first))
    duty = Duty.arise(act, RULE, SECOND_HALF_OF_MARCH, Ower("fgw", "fgw"), 2)
    if required != 1:
        duty.adjust(act, required=required, ground="两件")
    return duty


def done(day: str) -> Any:
    return an_act(shanghai("2021-04-10 09:00"), happened_at=shanghai(day))


def test_a_duty_is_met_when_the_last_credit_that_was_needed_happened_in_whatever_order_they_are_entered() -> (
    None
):
    duty = a_duty(required=2)
    duty.give_credit(done("2021-03-30 10:00"), credit_id=UUID(int=1))
    assert duty.state.status == "open"
    duty.give_credit(done("2021-03-20 10:00"), credit_id=UUID(int=2))
    assert (duty.state.status, duty.state.met_at) == ("met", shanghai("2021-03-30 10:00"))


def test_the_same_thing_counts_once() -> None:
    duty = a_duty(required=2)
    for _ in range(2):
        duty.give_credit(done("2021-03-30 10:00"), credit_id=UUID(int=1))
    assert (duty.state.status, len(duty.state.credits)) == ("open", 1)


def test_a_withdrawn_credit_opens_a_duty_again_unless_enough_are_left() -> None:
    duty = a_duty()
    duty.give_credit(done("2021-03-20 10:00"), credit_id=UUID(int=1))
    duty.give_credit(done("2021-03-21 10:00"), credit_id=UUID(int=2))
    duty.withdraw_credit(an_act(shanghai("2021-04-10 09:00")), credit_id=UUID(int=1), reason="重复")
    assert (duty.state.status, duty.state.met_at) == ("met", shanghai("2021-03-21 10:00"))
    duty.withdraw_credit(an_act(shanghai("2021-04-10 09:00")), credit_id=UUID(int=2), reason="不实")
    assert duty.state.status == "open"
    with pytest.raises(NoSuchCredit):
        duty.withdraw_credit(an_act(shanghai("2021-04-10 09:00")), credit_id=UUID(int=2), reason="不实")


def test_what_is_met_is_neither_excused_nor_adjusted() -> None:
    duty = a_duty()
    duty.give_credit(done("2021-03-20 10:00"), credit_id=UUID(int=1))
    with pytest.raises(DutyIsMet):
        duty.excuse(an_act(shanghai("2021-04-10 09:00")), ground="抗洪")
    assert kinds(facts(duty)) == ["DutyArose", "DutyCredited"]


DONE = st.tuples(st.just("credit"), st.integers(1, 4), st.integers(17, 40))
TAKEN_BACK = st.tuples(st.just("withdraw"), st.integers(1, 4), st.just(0))
CHANGED = st.tuples(st.just("adjust"), st.integers(1, 3), st.just(0))
EXCUSED = st.tuples(st.just("excuse"), st.just(0), st.just(0))


@given(st.lists(st.one_of(DONE, DONE, TAKEN_BACK, CHANGED, EXCUSED)))
def test_after_any_history_a_duty_is_met_if_and_only_if_enough_counts_for_it(
    steps: list[tuple[str, int, int]],
) -> None:
    duty = a_duty()
    for command, number, day in steps:
        act = an_act(shanghai("2021-04-20 09:00"))
        with suppress(Refusal):
            if command == "credit":
                at = shanghai("2021-03-01 09:00") + timedelta(days=day)
                duty.give_credit(act.at(at), credit_id=UUID(int=number))
            elif command == "withdraw":
                duty.withdraw_credit(act, credit_id=UUID(int=number), reason="不实")
            elif command == "adjust":
                duty.adjust(act, required=number, ground="调整")
            else:
                duty.excuse(act, ground="抗洪")
    state = duty.state
    assert len({credit.credit_id for credit in state.credits}) == len(state.credits)
    assert (state.met_at is not None) == (len(state.credits) >= state.required)
    assert (state.status == "excused") == (state.excused is not None)
    if state.met_at is not None:
        assert sum(credit.at <= state.met_at for credit in state.credits) >= state.required
    assert rows_of(DutiesView, "supervision", duty.pending_events) == {str(duty.id): state}


# -- periods begin -------------------------------------------------------------------------------------------------


def test_periods_follow_each_other_without_a_gap() -> None:
    for unit in ("half_month", "month", "quarter", "year"):
        period = period_of(unit, date(2020, 1, 1))
        while period.last.year < 2023:
            following = period_of(unit, period.after)
            assert following.first == period.after
            assert period_of(unit, period.last) == period == period_of(unit, period.first)
            period = following
    assert Period(date(2021, 2, 16), date(2021, 2, 28)) == period_of("half_month", date(2021, 2, 20))


def test_a_half_month_begins_for_every_department_town_and_zone(world: World) -> None:
    world.at("2021-03-15 23:59")
    assert world.opened.of_kind("supervision", supervision.DutyArose) == []
    world.at("2021-03-16 00:00")
    arose = world.opened.of_kind("supervision", supervision.DutyArose)
    assert [duty.ower for duty in arose] == list(OWERS)
    assert {(duty.first, duty.last, duty.happened_at) for duty in arose} == {
        (date(2021, 3, 16), date(2021, 3, 31), shanghai("2021-03-16 00:00"))
    }
    for unit in OWERS:
        assert world.kinds_of(case_of(world, unit)) == ["CaseOpened", "ClockStarted"]
        assert world.clock_row(case_of(world, unit), "half_month_report")["due_on"] == date(2021, 3, 31)
    world.consistent()


def test_a_half_month_that_ends_on_a_rest_day_is_due_on_the_next_working_day(world: World) -> None:
    world.at("2021-05-01 09:00")
    row = world.clock_row(case_of(world, "fgw", "2021-05-01"), "half_month_report")
    assert row["due_on"] == date(2021, 5, 17)  # 15 May 2021 is a Saturday


def test_a_unit_registered_within_a_period_owes_nothing_for_it(world: World) -> None:
    world.at("2021-03-17 09:00")
    unit = {"unit": "new", "name": "新局", "kind": "department"}
    world.told(assignment.UnitRegistered, stable_id("unit", "new"), **unit)
    world.at("2021-03-31 09:00")
    assert duty_of("new") not in {UUID(row) for row in world.opened.rows("supervision", "duties")}
    world.at("2021-04-01 09:00")
    assert world.kinds_of(duty_of("new", "2021-04-01")) == ["DutyArose"]


def test_after_a_downtime_each_period_begins_once_with_its_own_dates_and_is_missed_at_its_own_time(
    world: World,
) -> None:
    world.at("2021-03-15 09:00")
    world.at("2021-05-06 09:00")
    arose = world.opened.of_kind("supervision", supervision.DutyArose)
    firsts = [date(2021, 3, 16), date(2021, 4, 1), date(2021, 4, 16), date(2021, 5, 1)]
    assert [duty.first for duty in arose if duty.ower == "fgw"] == firsts
    missed = [
        world.last(case_of(world, "fgw", str(first)), supervision.DeadlineMissed) for first in firsts[:3]
    ]
    assert [fact.due_on for fact in missed] == [date(2021, 3, 31), date(2021, 4, 15), date(2021, 4, 30)]
    assert {fact.detected_at for fact in missed} == {shanghai("2021-05-06 09:00")}
    before = world.size()
    world.opened.settle()
    assert world.size() == before
    world.consistent()


def test_a_fresh_installation_begins_with_the_next_period(tmp_path: Path) -> None:
    clock = StoppedClock(shanghai("2026-11-28 09:00"))
    with Opened(tmp_path, clock, SERVICE) as opened:
        world = World(opened, clock)
        world.units()
        world.at("2026-11-30 09:00")
        assert opened.of_kind("supervision", supervision.DutyArose) == []
        world.at("2026-12-01 09:00")
        arose = opened.of_kind("supervision", supervision.DutyArose)
        assert [duty.first for duty in arose] == [date(2026, 12, 1)] * 3
        world.close()


def test_two_ticks_at_once_begin_a_period_once(world: World) -> None:
    world.at("2021-03-15 09:00")
    world.clock.set("2021-03-16 09:00")
    original, calls = world.app._save, list[int]()

    def slower(aggregates: list[Any]) -> None:
        if not calls:
            calls.append(1)
            assert world.app.begin_periods() is True  # the other process comes in between
        original(aggregates)

    world.app._save = slower
    world.app.begin_periods()
    world.app._save = original
    world.opened.settle()
    assert len(world.opened.of_kind("supervision", supervision.DutyArose)) == len(OWERS)
    assert len(world.opened.of_kind("supervision", supervision.PeriodBegan)) == 1
    world.consistent()


def test_a_period_that_could_not_be_saved_begins_at_the_next_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(aggregates: list[Any]) -> None:
        raise ConnectionError

    world.at("2021-03-15 09:00")
    world.clock.set("2021-03-16 09:00")
    with monkeypatch.context() as patch:
        patch.setattr(world.app, "_save", unavailable)
        with pytest.raises(ConnectionError):
            world.app.begin_periods()
    world.opened.settle()
    assert len(world.opened.of_kind("supervision", supervision.DutyArose)) == len(OWERS)


def test_until_the_next_first_day_nothing_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.at("2021-03-16 09:00")
    monkeypatch.setattr(world.app, "find", None)
    monkeypatch.setattr(world.app, "views", None)
    world.clock.set("2021-03-31 23:59")
    assert world.app.begin_periods() is False


MOVES = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from(["a", "b", "c"])),
    max_size=5,
    unique_by=lambda move: move[1],
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES, at_work=st.sets(st.integers(1, 60), max_size=4))
def test_whoever_ticks_seldom_finds_the_duties_of_who_ticks_daily(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, str]], at_work: set[int]
) -> None:
    def duties(days: set[int]) -> list[tuple[Any, ...]]:
        clock = StoppedClock(shanghai("2021-03-10 09:00"))
        with Opened(tmp_path_factory.mktemp("world"), clock, SERVICE) as opened:
            world = World(opened, clock)
            world.units()
            for day in range(1, 62):
                clock.set(shanghai("2021-03-10 09:00") + timedelta(days=day))
                for when, unit in moves:
                    what = {"unit": unit, "name": unit, "kind": "town"}
                    if when == day:
                        world.say(assignment.UnitRegistered, stable_id("unit", unit), **what)
                    elif when + 20 == day:
                        world.say(assignment.UnitDissolved, stable_id("unit", unit), unit=unit)
                if day in days:
                    opened.settle()
            opened.settle()
            arose = opened.of_kind("supervision", supervision.DutyArose)
            began = opened.of_kind("supervision", supervision.PeriodBegan)
            world.close()
            return [(duty.ower, duty.first, duty.last, duty.happened_at) for duty in arose] + [
                (fact.rule, fact.first, fact.last, fact.owers) for fact in began
            ]

    assert duties(at_work) == duties(set(range(1, 62)))


# -- met, late, missed ----------------------------------------------------------------------------------------------


def test_a_report_in_time_meets_the_duty_and_closes_its_case(world: World) -> None:
    world.at("2021-03-31 17:00")
    report(world, "fgw", "2021-03-20")
    assert world.kinds_of(duty_of("fgw")) == ["DutyArose", "DutyCredited"]
    case = case_of(world, "fgw")
    assert world.last(case, supervision.ClockStopped).verdict == "in_time"
    assert world.kinds_of(case)[-1] == "CaseClosed"
    row = world.opened.rows("supervision", "duties")[str(duty_of("fgw"))]
    assert (row["state"], row["credit"]) == ("met", "half_month_report")
    [shown] = world.client("fgw/head").get("/api/v1/duties?state=met").json["items"]
    assert [credit["at"] for credit in shown["credits"]] == ["2021-03-31T09:00:00+00:00"]
    [reported] = world.client("fgw/head").get("/api/v1/half-month-reports").json["items"]
    assert (reported["nil"], reported["id"]) == (True, shown["credits"][0]["credit_id"])
    world.at("2021-04-02 09:00")
    assert world.count(case, supervision.DeadlineMissed) == 0
    assert world.count(case_of(world, "czj"), supervision.DeadlineMissed) == 1
    world.consistent()


def test_a_late_report_counts_as_late(world: World) -> None:
    world.at("2021-04-01 09:00")
    case = case_of(world, "fgw")
    assert world.count(case, supervision.RoundIssued) == 1
    report(world, "fgw", "2021-03-31")
    assert world.last(case, supervision.ClockStopped).verdict == "late"
    assert world.count(case, supervision.DeadlineMissRetracted) == 0
    world.consistent()


def test_a_report_given_in_time_and_entered_late_takes_the_miss_back_once_it_is_confirmed(
    world: World,
) -> None:
    world.at("2021-04-01 09:00")
    report(world, "fgw", "2021-03-16", happened_at="2021-03-31T20:00:00+08:00")
    case = case_of(world, "fgw")
    assert world.last(case, supervision.ClockStopped).verdict == "late"
    assert world.count(case, supervision.DeadlineMissRetracted) == 0
    world.confirmed(case, "half_month_report")
    assert world.clock_row(case, "half_month_report")["verdict"] == "in_time"
    assert world.count(case, supervision.DeadlineMissRetracted) == 1
    world.consistent()


def test_what_is_not_owed_is_not_reported(world: World) -> None:
    world.at("2021-03-20 09:00")
    answer = {"half_month": "2021-03-20", "nil": True}
    world.refused("no-report-owed", "office/head", "half-month-reports", "unit_head", **answer)
    early = {"half_month": "2021-04-01", "nil": True}
    world.refused("no-report-owed", "fgw/officer", "half-month-reports", **early)
    world.refused("nothing-reported", "fgw/officer", "half-month-reports", half_month="2021-03-20")
    before = {**answer, "happened_at": "2021-03-15T23:59:00+08:00"}
    world.refused("reported-before-it-began", "fgw/officer", "half-month-reports", **before)
    report(world, "fgw", "2021-03-20")
    world.refused("report-submitted-already", "fgw/officer", "half-month-reports", **answer)


def test_an_excused_duty_has_no_clock_and_a_withdrawn_credit_lets_it_run_on(world: World) -> None:
    world.at("2021-03-20 09:00")
    world.do("inspect/officer", f"duties/{duty_of('czj')}/excuse", ground="抗洪抢险")
    assert world.kinds_of(case_of(world, "czj"))[-2:] == ["ClockCancelled", "CaseClosed"]
    credit = report(world, "fgw", "2021-03-20")["id"]
    path = f"duties/{duty_of('fgw')}/withdraw-credit"
    world.do("inspect/officer", path, credit_id=credit, reason="内容不实")
    case = case_of(world, "fgw")
    assert world.kinds_of(case)[-2:] == ["CaseReopened", "ClockStarted"]
    again = world.clock_row(case, "half_month_report", 2)
    assert (again["state"], again["due_on"]) == ("open", date(2021, 3, 31))
    world.at("2021-04-01 09:00")
    assert world.last(case, supervision.DeadlineMissed).cycle == 2
    world.consistent()


def test_who_may_do_what_with_a_duty_is_said(world: World) -> None:
    world.at("2021-03-20 09:00")
    path = f"/api/v1/duties/{duty_of('fgw')}"
    assert world.client("inspect/officer").get(path).json["may"] == [
        "excuse_duty",
        "adjust_duty",
        "withdraw_credit",
    ]
    assert world.client("fgw/officer").get(path).json["may"] == []
    assert world.client("czj/officer").get(path).status_code == 404


# -- open cases keep their rulebook ---------------------------------------------------------------------------------


def test_a_case_pinned_to_the_rulebook_of_the_first_release_runs_on(world: World) -> None:
    folder = Path(__file__).parent.parent / "shared" / "rulebook"
    first = parse_rulebook((folder / "version_1.csv").read_text("utf-8"), "version 1")
    terms, act = Terms(first, world.app.calendar()), an_act(world.clock())
    task, directive = stable_id("test-task", "1"), stable_id("test-directive", "1")
    about: dict[str, Any] = {"number": "1", "title": "旧", "unit": "fgw", "leader_post": "gov/vice-leader"}
    old_task = Case.open(act, terms, kind="task", subject_id=task, **about)
    old_task.start(act, terms, "task_due", "fgw", own_date=date(2021, 3, 5))
    old_task.start(act, terms, "acknowledge", "fgw")
    old_duty = Case.open(
        act, terms, "arrange", "fgw", kind="duty", subject_id=directive, duty="arrange", **about
    )
    old_duty.start(act, terms, "arrange", "fgw")
    for one in (RulebookVersion.release(act, first), old_task, old_duty):
        world.app._save([one])

    world.task()
    world.directive("1", "fgw")
    world.told(assignment.TaskAccepted, task, unit="czj")
    world.told(assignment.TaskAccepted, task, unit="fgw")
    world.told(assignment.ArrangementReported, directive, number="1", unit="fgw", text="已布置")
    world.told(assignment.TaskCancelled, task, reason="不再需要")
    assert world.kinds_of(old_task.id)[3:] == ["ClockStopped", "ClockCancelled", "CaseClosed"]
    assert world.kinds_of(old_duty.id)[2:] == ["ClockStopped", "CaseClosed"]
    assert world.last(old_task.id, supervision.CaseClosed).ground == "cancelled"
    world.consistent()


def test_a_report_is_owed_from_the_first_moment_of_its_period_though_no_worker_has_run(world: World) -> None:
    world.at("2021-03-17 09:00")
    world.clock.set("2021-04-16 00:00")  # two more half months have begun, unsaid
    answer = world.client("fgw/officer").post(
        "/api/v1/half-month-reports", {"half_month": "2021-04-20", "nil": True}
    )
    assert answer.status_code == 201, answer.json
    world.opened.settle()
    assert world.kinds_of(duty_of("fgw", "2021-04-16")) == ["DutyArose", "DutyCredited"]
    assert world.kinds_of(duty_of("fgw", "2021-04-01")) == ["DutyArose"]
    world.consistent()
