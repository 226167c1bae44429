"""The rates of whistles: what is in the numerator, the denominator and the exclusions; and that the parts add up.

What the three rates of clocks count is tested in tests/shared/test_figures.py and test_one_count.py.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enterprise.domain.rates import OF_CLOCKS, RATES, Rates, Record, lines_of, six_rates
from services.enterprise.domain.whistle.state import Moment
from shared.domain.case_id import case_id
from shared.figures.clocks import CountedClock
from shared.testing import shanghai

BLOWN = shanghai("2021-02-05 16:00")
PERIOD = {"since": "2021-02-01", "until": "2021-03-31", "as_of": "2021-04-01 00:00"}
REASONS = {"cancelled", "merged", "not_due", "not_feasible", "unrated", "withdrawn"}


def record(*history: tuple[str, str] | tuple[str, str, str], blown: datetime = BLOWN, n: int = 1) -> Record:
    """A whistle with steps of kind, Shanghai time and detail, recorded when they happened."""
    return Record(
        id=str(UUID(int=n)),
        blown_at=blown,
        recorded_at=blown,
        desk_unit="office",
        history=tuple(Moment(step[0], shanghai(step[1]), shanghai(step[1]), *step[2:]) for step in history),
    )


def of_its_clock(one: Record, clock: str = "hard_limit", counted: Any = "cancelled") -> CountedClock:
    return CountedClock(str(case_id("whistle", UUID(one.id))), clock, 1, "fgw", counted)


def rates(
    *records: Record, clocks: Sequence[CountedClock] = (), **asked: str
) -> dict[str, tuple[int, int, dict[str, int]]]:
    asked = PERIOD | asked
    found = reckoned(
        records,
        clocks,
        since=date.fromisoformat(asked["since"]),
        until=date.fromisoformat(asked["until"]),
        as_of=shanghai(asked["as_of"]),
    )
    return {rate.id: (rate.numerator, rate.denominator, dict(rate.exclusions)) for rate in found.rates}


def reckoned(records: Sequence[Record], clocks: Sequence[CountedClock], **period: Any) -> Rates:
    return six_rates(lines_of(records, clocks, **period), **period)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (("withdrawn", "2021-02-06 11:00"), "withdrawn"),
        (("merged", "2021-02-06 11:00", "0002"), "merged"),
        (("closed", "2021-02-06 11:00", "not_feasible"), "not_feasible"),
        (("contacted", "2021-02-06 11:00"), "cancelled"),
    ],
)
def test_a_cancelled_clock_is_left_out_for_what_became_of_the_whistle(step: Any, reason: str) -> None:
    one = record(step)
    assert rates(one, clocks=[of_its_clock(one)])["resolved"] == (0, 0, {reason: 1})


def test_a_clock_is_counted_as_supervision_says_whatever_the_whistle_says() -> None:
    one = record(("contacted", "2021-02-05 17:00"), ("withdrawn", "2021-02-06 11:00"))
    assert rates(one, clocks=[of_its_clock(one, "contact", True)])["contacted"] == (1, 1, {})
    assert rates(one, clocks=[of_its_clock(one, "contact", False)])["contacted"] == (0, 1, {})
    assert rates(one, clocks=[of_its_clock(one, "contact", "not_due")])["contacted"] == (0, 0, {"not_due": 1})


def test_the_clocks_of_other_matters_are_none_of_a_whistle() -> None:
    assert rates(record(), clocks=[of_its_clock(record(n=2), "contact", True)])["contacted"] == (0, 0, {})


def test_what_is_not_feasible_is_not_solved() -> None:
    found = rates(record(("contacted", "2021-02-06 10:00"), ("closed", "2021-02-20 10:00", "not_feasible")))
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
        id=str(draw(st.uuids())),
        blown_at=blown,
        recorded_at=blown,
        desk_unit="office",
        history=tuple(history),
    )


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Record], list[CountedClock]]:
    records = draw(st.lists(histories(), max_size=12))
    clocks = [
        of_its_clock(one, clock, counted)._replace(unit=draw(st.sampled_from(["fgw", "czj", "office"])))
        for one in records
        for clock in OF_CLOCKS
        if (counted := draw(st.sampled_from([True, False, "cancelled", "not_due", None]))) is not None
    ]
    return records, clocks


@settings(max_examples=150, deadline=None)
@given(stories(), st.integers(0, 90), st.integers(0, 60), st.integers(0, 120))
def test_the_parts_add_up_to_the_totals(story: Any, begin: int, length: int, known: int) -> None:
    since = date(2021, 1, 20) + timedelta(days=begin)
    as_of = shanghai("2021-01-20 09:00") + timedelta(days=known)
    found = reckoned(*story, since=since, until=since + timedelta(days=length), as_of=as_of)
    found.must_add_up()
    assert [rate.id for rate in found.rates] == list(RATES)
    for rate in found.rates:
        assert 0 <= rate.numerator <= rate.denominator <= rate.total <= len(story[0])
        assert rate.total == rate.denominator + sum(count for _, count in rate.exclusions)
        assert all(count > 0 and reason in REASONS for reason, count in rate.exclusions)
        assert rate.value is None or 0 <= rate.value <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(histories(), max_size=8), st.integers(0, 100), st.integers(1, 60))
def test_adjoining_periods_add_up_to_the_whole_for_closures(
    records: list[Record], first: int, second: int
) -> None:
    start = date(2021, 1, 20)
    cut, end = start + timedelta(days=first), start + timedelta(days=first + second)

    def counted(since: date, until: date) -> list[tuple[int, int, int]]:
        found = reckoned(records, (), since=since, until=until, as_of=shanghai("2021-12-01 09:00"))
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
    period: dict[str, Any] = {"since": date(2021, 1, 1), "until": date(2021, 12, 31), "as_of": as_of}
    assert reckoned(then, (), **period) == reckoned(records, (), **period)
