"""Figures: one count of clocks, as they stood after what was recorded by the as-of."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine
from sqlalchemy.schema import CreateTable

from shared.events import supervision
from shared.events.base import Actor, Fact, Message
from shared.figures.clocks import CountedClocksView, Standing, counted, standing_at
from shared.figures.figure import (
    MINIMUM_N,
    AsOfInTheFuture,
    Figure,
    PeriodEndsBeforeItBegins,
    asked_as_of,
)
from shared.readmodels.rows import Rows
from shared.testing import shanghai

CASE = UUID(int=1)
DUE = {"due_on": date(2021, 2, 7), "due_at": shanghai("2021-02-08 00:00")}
LATER = {"due_on": date(2021, 2, 9), "due_at": shanghai("2021-02-10 00:00")}


def at(recorded: str, kind: type[Fact], clock: str = "contact", cycle: int = 1, **what: Any) -> Fact:
    """A fact recorded when it happened, unless it says otherwise."""
    of_clock = {} if kind is supervision.CustodyMoved else {"clock": clock, "cycle": cycle}
    return kind(
        timestamp=shanghai(recorded),
        happened_at=what.pop("happened_at", shanghai(recorded)),
        by=Actor(unit="duban", post="supervision"),
        because="event:test",
        **of_clock,
        **what,
    )


def started(recorded: str = "2021-02-05 16:00", **more: Any) -> Fact:
    what = {"unit": "office", "started_at": shanghai("2021-02-05 16:00"), "provisional": False, **DUE}
    return at(
        recorded,
        supervision.ClockStarted,
        **what,
        calendar_version=1,
        rulebook_version=1,
        **more,  # type: ignore[arg-type]
    )


def missed(unit: str = "office") -> Fact:
    detected = shanghai("2021-02-08 08:00")
    return at("2021-02-08 08:00", supervision.DeadlineMissed, unit=unit, detected_at=detected, **DUE)


def stopped(recorded: str, verdict: str, unit: str = "fgw", **more: Any) -> Fact:
    what = {"stopped_at": shanghai(recorded), "due_on": DUE["due_on"], "calendar_version": 1}
    return at(recorded, supervision.ClockStopped, unit=unit, verdict=verdict, **what, **more)


def cancelled(recorded: str) -> Fact:
    return at(recorded, supervision.ClockCancelled, reason="事项已结案")


def moved(recorded: str, unit: str, *, leads: bool = True) -> Fact:
    return at(recorded, supervision.CustodyMoved, from_unit="office", to_unit=unit, leads=leads)


def rescheduled(recorded: str, ground: str, **more: Any) -> Fact:
    what = {"original_due_on": DUE["due_on"], "provisional": False, "calendar_version": 2}
    return at(recorded, supervision.ClockRescheduled, ground=ground, **LATER, **what, **more)


def known(as_of: datetime, *facts: Fact, row: str = "contact/1") -> tuple[str, Any] | None:
    """Unit and count of one clock at that moment, after these facts."""
    table = Table("t", MetaData(), Column("id", String, primary_key=True), *CountedClocksView.columns())
    with create_engine("sqlite://").begin() as connection:
        connection.execute(CreateTable(table))
        rows = Rows(connection, table, {}, complete=True)
        for version, fact in enumerate(facts, 1):
            CountedClocksView().fold(rows, Message("supervision", 0, version, CASE, version, fact))
        found = standing_at(rows.get(f"{CASE}/{row}") or {}, as_of)
    return None if found is None else (found.unit, counted(found, as_of))


END = shanghai("2021-04-01 00:00")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([started(), stopped("2021-02-05 17:00", "in_time")], ("fgw", True)),
        ([started(), stopped("2021-02-08 09:00", "late")], ("fgw", False)),
        ([started()], ("office", False)),
        ([started(), cancelled("2021-02-07 23:59")], ("office", "cancelled")),
        ([started(), cancelled("2021-02-08 00:00")], ("office", False)),
        ([started(), at("2021-02-06 09:00", supervision.ClockPaused, reason="补件")], ("office", "not_due")),
        ([started(), stopped("2021-02-08 09:00", "late"), cancelled("2021-02-09 09:00")], ("office", False)),
    ],
)
def test_what_a_clock_adds(facts: list[Fact], expected: Any) -> None:
    found = known(END, *facts)
    assert found is not None
    assert found[1] == expected[1]


def test_open_and_not_due_is_outside_and_open_past_due_is_a_failure() -> None:
    assert known(shanghai("2021-02-07 23:59"), started()) == ("office", "not_due")
    assert known(shanghai("2021-02-08 00:00"), started()) == ("office", False)


def test_only_what_was_recorded_by_then_is_known() -> None:
    facts = [started(), missed(), stopped("2021-02-09 09:00", "in_time")]
    assert known(shanghai("2021-02-05 15:59"), *facts) is None
    assert known(shanghai("2021-02-09 08:59"), *facts) == ("office", False)
    assert known(shanghai("2021-02-09 09:00"), *facts) == ("fgw", True)


def test_a_moved_due_date_counts_from_its_recording_on() -> None:
    facts = [started(), rescheduled("2021-02-06 09:00", "calendar")]
    assert known(shanghai("2021-02-08 12:00"), *facts) == ("office", "not_due")
    assert known(shanghai("2021-02-10 00:00"), *facts) == ("office", False)


def test_a_later_calendar_changes_no_verdict() -> None:
    recomputed = at(
        "2021-02-20 09:00",
        supervision.VerdictRecomputed,
        as_judged="late",
        recomputed="in_time",
        due_on=LATER["due_on"],
        calendar_version=2,
    )
    assert known(END, started(), stopped("2021-02-08 09:00", "late"), recomputed) == ("fgw", False)


def test_the_unit_is_the_lead_of_the_moment_until_a_fact_charges_one() -> None:
    custody = [moved("2021-02-06 09:00", "fgw"), moved("2021-02-06 10:00", "office", leads=False)]
    assert known(shanghai("2021-02-06 08:00"), started(), *custody) == ("office", "not_due")
    assert known(shanghai("2021-02-07 08:00"), started(), *custody) == ("fgw", "not_due")
    after = [missed("office"), moved("2021-02-09 09:00", "czj")]
    assert known(END, started(), *custody, *after) == ("office", False)
    assert known(END, started(), *custody, *after, stopped("2021-02-10 09:00", "late", "office")) == (
        "office",
        False,
    )
    retracted = at("2021-02-10 09:00", supervision.DeadlineMissRetracted, unit="office", ground="calendar")
    assert known(END, started(), *custody, *after, retracted) == ("czj", False)


def test_the_answer_of_a_round_stays_with_the_unit_that_was_asked() -> None:
    facts = [started(clock="round_answer"), moved("2021-02-06 09:00", "fgw")]
    assert known(END, *facts, row="round_answer/1") == ("office", False)


def test_a_cycle_that_another_of_the_same_start_takes_up_is_not_counted_beside_it() -> None:
    again = started("2021-02-20 09:00", cycle=2)
    facts = [started(), stopped("2021-02-06 09:00", "in_time"), again]
    assert known(shanghai("2021-02-19 09:00"), *facts) == ("fgw", True)
    assert known(END, *facts) == ("fgw", None)
    assert known(END, *facts, row="contact/2") == ("office", False)


def test_a_miss_is_counted_with_the_unit_to_which_it_is_charged_anew() -> None:
    anew = at("2021-02-09 09:00", supervision.MissRecharged, from_unit="office", unit="czj")
    assert known(shanghai("2021-02-09 08:00"), started(), missed("office"), anew) == ("office", False)
    assert known(END, started(), missed("office"), anew) == ("czj", False)
    late = stopped("2021-02-10 09:00", "late", "office")
    assert known(END, started(), missed("office"), late, anew) == ("czj", False)


def test_what_was_entered_late_counts_in_time_from_its_confirmation_on() -> None:
    confirmed = at(
        "2021-02-12 09:00",
        supervision.EarlierTimeConfirmed,
        stopped_at=shanghai("2021-02-06 10:00"),
        reason="属实",
    )
    facts = [
        started(),
        moved("2021-02-06 09:00", "fgw"),
        missed(),
        stopped("2021-02-09 09:00", "late", "office"),
        confirmed,
    ]
    assert known(shanghai("2021-02-12 08:59"), *facts) == ("office", False)
    assert known(END, *facts) == ("fgw", True)


@pytest.mark.parametrize(("judged", "revised"), [("late", "in_time"), ("in_time", "late")])
def test_a_revised_verdict_counts_from_its_revision_on(judged: str, revised: str) -> None:
    revision = at(
        "2021-02-20 09:00",
        supervision.VerdictRevised,
        unit="czj",
        as_judged=judged,
        revised=revised,
        calendar_version=2,
        ground="日历更正",
    )
    facts = [started(), moved("2021-02-06 09:00", "fgw"), stopped("2021-02-07 09:00", judged), revision]
    assert known(shanghai("2021-02-20 08:59"), *facts) == ("fgw", judged == "in_time")
    assert known(END, *facts) == (("fgw", True) if revised == "in_time" else ("czj", False))


def test_a_clock_that_rests_on_two_grounds_runs_again_when_both_are_over() -> None:
    facts = [
        started(),
        at("2021-02-06 09:00", supervision.ClockPaused, reason="补件", rest="office"),
        at("2021-02-06 10:00", supervision.ClockPaused, reason="待认定", rest="claimed"),
        rescheduled("2021-02-07 09:00", "resumed", rest="office"),
        rescheduled("2021-02-08 09:00", "resumed", rest="claimed"),
    ]
    assert known(END, *facts[:-1]) == ("office", "not_due")
    assert known(END, *facts) == ("office", False)
    unnamed = [*facts[:2], rescheduled("2021-02-07 09:00", "resumed")]
    assert known(END, *unnamed) == ("office", False)


def test_a_standing_without_a_time_of_its_cancellation_is_a_failure() -> None:
    assert counted(Standing(END, "cancelled", "fgw", **DUE), END) is False  # type: ignore[arg-type]


def test_a_figure_adds_up() -> None:
    figure = Figure.of("contacted", [True, False, True, "merged", "not_due", "merged"], "fgw")
    assert figure == Figure("contacted", 2, 3, (("merged", 2), ("not_due", 1)), "fgw")
    assert (figure.total, figure.excluded("merged"), figure.value) == (6, 2, None)


def test_a_small_denominator_has_no_value() -> None:
    assert Figure("solved", 0, 0, ()).value is None
    assert Figure("solved", MINIMUM_N - 1, MINIMUM_N - 1, ()).value is None
    assert Figure("solved", 2, 6, ()).value == 0.3333


def test_a_period_that_ends_before_it_begins_and_a_future_as_of_are_refused() -> None:
    day, now = date(2021, 2, 1), shanghai("2021-02-05 16:00")
    assert asked_as_of(None, since=day, until=day, now=now) == now
    with pytest.raises(PeriodEndsBeforeItBegins):
        asked_as_of(None, since=day, until=date(2021, 1, 31), now=now)
    with pytest.raises(AsOfInTheFuture):
        asked_as_of(END, since=day, until=day, now=now)
