"""The six rates: what is in the numerator, the denominator and the exclusions; and that the parts add up."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enterprise.domain.rates import (
    MINIMUM_N,
    RATES,
    REASONS,
    PeriodEndsBeforeItBegins,
    Rate,
    Record,
    six_rates,
)
from services.enterprise.domain.whistle.state import Moment
from shared.calendar import Calendar
from shared.rulebook import load_rulebook
from shared.testing import shanghai

RULEBOOK, CALENDAR = load_rulebook(), Calendar.base()
BLOWN = shanghai("2021-02-05 16:00")


def record(*history: tuple[str, str] | tuple[str, str, str], blown: datetime = BLOWN, n: int = 1) -> Record:
    """A whistle with steps of kind, Shanghai time and detail, recorded when they happened."""
    return Record(
        id=f"{n:04d}",
        blown_at=blown,
        recorded_at=blown,
        desk_unit="office",
        history=tuple(Moment(step[0], shanghai(step[1]), shanghai(step[1]), *step[2:]) for step in history),
    )


def rates(
    *records: Record, since: str = "2021-02-01", until: str = "2021-03-31", as_of: str = "2021-04-01 00:00"
) -> dict[str, tuple[int, int, dict[str, int]]]:
    found = six_rates(
        records,
        since=date.fromisoformat(since),
        until=date.fromisoformat(until),
        as_of=shanghai(as_of),
        rulebook=RULEBOOK,
        calendar=CALENDAR,
    )
    return {rate.id: (rate.numerator, rate.denominator, dict(rate.exclusions)) for rate in found.rates}


@pytest.mark.parametrize(
    ("contacted", "expected"),
    [
        ("2021-02-07 23:59", (1, 1, {})),
        ("2021-02-08 00:00", (0, 1, {})),
    ],
)
def test_contacted_in_time_is_before_the_close_of_the_make_up_sunday(contacted: str, expected: Any) -> None:
    assert rates(record(("contacted", contacted)))["contacted"] == expected


def test_the_first_contact_counts() -> None:
    late_and_in_time = record(("contacted", "2021-02-09 10:00"), ("contacted", "2021-02-06 10:00"))
    assert rates(late_and_in_time)["contacted"] == (1, 1, {})


def test_open_and_not_due_is_outside_and_open_past_due_is_a_failure() -> None:
    assert rates(record(), as_of="2021-02-07 23:59")["contacted"] == (0, 0, {"not_due": 1})
    assert rates(record(), as_of="2021-02-08 00:00")["contacted"] == (0, 1, {})


def test_only_clocks_due_in_the_period_are_in_scope() -> None:
    whistle = record(("contacted", "2021-02-05 17:00"))
    assert rates(whistle, since="2021-02-07", until="2021-02-07")["contacted"] == (1, 1, {})
    assert rates(whistle, since="2021-02-08", until="2021-03-31")["contacted"] == (0, 0, {})
    assert rates(whistle, since="2021-02-01", until="2021-02-06")["contacted"] == (0, 0, {})


def test_a_confirmation_stops_the_three_day_clock_and_not_the_hard_limit() -> None:
    found = rates(record(("confirmed", "2021-02-09 10:00")))
    assert (found["resolved_or_confirmed"], found["resolved"]) == ((1, 1, {}), (0, 1, {}))
    found = rates(record(("confirmed", "2021-02-09 10:00"), ("resolved", "2021-03-24 23:59")))
    assert found["resolved"] == (1, 1, {})
    found = rates(record(("resolved", "2021-03-25 00:00")))
    assert (found["resolved_or_confirmed"], found["resolved"]) == ((0, 1, {}), (0, 1, {}))


@pytest.mark.parametrize("kind", ["withdrawn", "merged"])
def test_withdrawn_and_merged_are_excluded_and_listed(kind: str) -> None:
    found = rates(record(("contacted", "2021-02-06 10:00"), (kind, "2021-02-06 11:00", "0002")))
    assert [found[name] for name in ("contacted", "resolved_or_confirmed", "resolved")] == [
        (0, 0, {kind: 1})
    ] * 3


def test_an_unmerged_whistle_counts_again_from_its_own_blowing() -> None:
    again = record(("merged", "2021-02-06 10:00", "0002"), ("unmerged", "2021-02-20 10:00"))
    assert rates(again)["contacted"] == (0, 1, {})


def test_not_feasible_ends_the_clocks_that_were_not_due_and_is_not_solved() -> None:
    found = rates(record(("contacted", "2021-02-06 10:00"), ("closed", "2021-02-20 10:00", "not_feasible")))
    assert found["contacted"] == (1, 1, {})
    assert found["resolved_or_confirmed"] == (0, 1, {})
    assert found["resolved"] == (0, 0, {"not_feasible": 1})
    assert found["solved"] == (0, 1, {})


def test_unrated_is_neither_solved_nor_satisfied() -> None:
    found = rates(record(("resolved", "2021-02-08 10:00"), ("closed", "2021-02-22 00:00", "unrated")))
    assert found["solved"] == (0, 1, {})
    assert found["satisfied"] == (0, 0, {"unrated": 1})
    assert found["rework"] == (0, 1, {})


def test_a_whistle_counts_once_with_its_last_rating_in_the_period() -> None:
    whistle = record(
        ("resolved", "2021-02-08 10:00"),
        ("rated", "2021-02-09 10:00", "solved"),
        ("rework", "2021-02-09 10:00"),
        ("resolved", "2021-03-02 10:00"),
        ("rated", "2021-03-03 10:00", "solved satisfied"),
        ("closed", "2021-03-03 10:00", "rated"),
    )
    assert rates(whistle)["satisfied"] == (1, 1, {})
    assert rates(whistle, until="2021-02-28")["satisfied"] == (0, 1, {})
    assert rates(whistle)["solved"] == (1, 1, {})
    assert rates(whistle, until="2021-02-28")["solved"] == (0, 0, {})
    assert rates(whistle)["rework"] == (1, 1, {})
    assert rates(whistle, as_of="2021-02-09 09:00")["rework"] == (0, 1, {})


def test_a_small_denominator_has_no_value() -> None:
    assert Rate("solved", 0, 0, ()).value is None
    assert Rate("solved", MINIMUM_N - 1, MINIMUM_N - 1, ()).value is None
    assert Rate("solved", 2, 6, ()).value == 0.3333


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(PeriodEndsBeforeItBegins):
        rates(since="2021-02-02", until="2021-02-01")


KINDS = ["routed", "returned", "contacted", "confirmed", "resolved", "rated", "rework", "merged", "unmerged"]
DETAILS = {
    "routed": ["fgw", "czj", "zrj"],
    "rated": ["", "solved ", "satisfied", "solved satisfied"],
    "merged": ["0002"],
    "closed": ["rated", "unrated", "not_feasible"],
}


@st.composite
def histories(draw: st.DrawFn) -> Record:
    at = blown = shanghai("2021-01-25 09:00") + timedelta(hours=draw(st.integers(0, 24 * 40)))
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=10))
    kinds += draw(st.sampled_from([[], [], ["closed"], ["withdrawn"]]))
    history = []
    for kind in kinds:
        at += timedelta(hours=draw(st.integers(0, 200)))
        detail = draw(st.sampled_from(DETAILS.get(kind, [""])))
        history.append(Moment(kind, at, at + timedelta(hours=draw(st.integers(0, 30))), detail))
    return Record(
        id=draw(st.uuids()).hex, blown_at=blown, recorded_at=blown, desk_unit="office", history=tuple(history)
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(histories(), max_size=12), st.integers(0, 90), st.integers(0, 60), st.integers(0, 120))
def test_the_parts_add_up_to_the_totals(records: list[Record], begin: int, length: int, known: int) -> None:
    since = date(2021, 1, 20) + timedelta(days=begin)
    found = six_rates(
        records,
        since=since,
        until=since + timedelta(days=length),
        as_of=shanghai("2021-01-20 09:00") + timedelta(days=known),
        rulebook=RULEBOOK,
        calendar=CALENDAR,
    )
    assert [rate.id for rate in found.rates] == list(RATES)
    for place, rate in enumerate(found.rates):
        parts = [unit[place] for _, unit in found.units]
        assert 0 <= rate.numerator <= rate.denominator <= rate.total <= len(records)
        assert rate.total == rate.denominator + sum(count for _, count in rate.exclusions)
        assert all(count > 0 and reason in REASONS for reason, count in rate.exclusions)
        assert rate.numerator == sum(part.numerator for part in parts)
        assert rate.denominator == sum(part.denominator for part in parts)
        assert rate.total == sum(part.total for part in parts)
        for reason in REASONS:
            assert dict(rate.exclusions).get(reason, 0) == sum(
                dict(part.exclusions).get(reason, 0) for part in parts
            )
        assert rate.value is None or 0 <= rate.value <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(histories(), max_size=8), st.integers(0, 100), st.integers(1, 60))
def test_adjoining_periods_add_up_to_the_whole_for_clocks_and_closures(
    records: list[Record], first: int, second: int
) -> None:
    start = date(2021, 1, 20)
    cut, end = start + timedelta(days=first), start + timedelta(days=first + second)

    def counted(since: date, until: date) -> list[tuple[int, int, int]]:
        found = six_rates(
            records,
            since=since,
            until=until,
            as_of=shanghai("2021-12-01 09:00"),
            rulebook=RULEBOOK,
            calendar=CALENDAR,
        )
        return [
            (rate.numerator, rate.denominator, rate.total) for rate in found.rates if rate.id != "satisfied"
        ]

    parts = zip(counted(start, cut), counted(cut + timedelta(days=1), end), strict=True)
    assert counted(start, end) == [
        tuple(one + other for one, other in zip(*pair, strict=True)) for pair in parts
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(histories(), max_size=6), st.integers(0, 60))
def test_what_is_recorded_later_changes_nothing_about_an_earlier_as_of(
    records: list[Record], known: int
) -> None:
    as_of = shanghai("2021-01-25 09:00") + timedelta(days=known)
    then = [
        Record(
            id=one.id,
            blown_at=one.blown_at,
            recorded_at=one.recorded_at,
            desk_unit=one.desk_unit,
            history=tuple(step for step in one.history if step.recorded_at <= as_of),
        )
        for one in records
        if one.recorded_at <= as_of
    ]
    period = {"since": date(2021, 1, 1), "until": date(2021, 12, 31), "as_of": as_of}
    terms: dict[str, Any] = {**period, "rulebook": RULEBOOK, "calendar": CALENDAR}
    assert six_rates(then, **terms) == six_rates(records, **terms)
