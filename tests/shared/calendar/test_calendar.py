import hashlib
from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import (
    Calendar,
    CalendarRelease,
    CalendarVersionOutOfOrder,
    DayRule,
    HolidayWithoutName,
    Layer,
    NoDateInPeriod,
    ReleaseChangesNothing,
    ReleaseFromUnknownLayer,
    ReleaseNamesDayTwice,
    ReleaseNamesNoDay,
    ReleaseWithoutTitle,
    ReleaseYearImplausible,
    YearNoticeTooShort,
    check_has_an_end,
    check_release,
    unchanged_days,
)
from shared.domain.clock import close_of, midnight
from shared.domain.refusal import Refusal

BASE = Calendar.base()
NOTICE_2027 = "国务院办公厅关于2027年部分节假日安排的通知"
# An invented arrangement for a year not announced yet: New Year's Day with a make-up Sunday, then Spring Festival.
DAYS_2027 = (
    DayRule(date(2027, 1, 1), False, "元旦"),
    DayRule(date(2027, 1, 2), False, "元旦"),
    DayRule(date(2027, 1, 3), False, "元旦"),
    DayRule(date(2027, 1, 4), False, "元旦"),
    DayRule(date(2027, 1, 10), True, "元旦"),
    *(DayRule(date(2027, 2, day), False, "春节") for day in range(5, 12)),
)


def every_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def test_every_day_from_2007_to_2026_is_worked_exactly_when_chinese_calendar_says_so():
    for day in every_day(date(2007, 1, 1), date(2026, 12, 31)):
        assert BASE.is_working(day) == chinese_calendar.is_workday(day), day
        note = BASE.day(day)
        assert note.working == BASE.is_working(day)
        assert not note.provisional


PINNED_BASE = (681, "f2e5fa163c9229df")


def test_the_base_is_what_it_was_when_version_1_was_released():
    # If this fails the installed package changed a year already announced: release the change as a version instead.
    said = [f"{rule.day}{rule.working}" for rule in BASE.releases[0].days if rule.day.year >= 2007]
    assert (len(said), hashlib.sha256("".join(said).encode()).hexdigest()[:16]) == PINNED_BASE


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(2021, 1, 4), (2021, 5, 6), (2021, 10, 8), (2022, 10, 8), (2026, 1, 4), (2021, 6, 1)],
)
def test_the_first_working_day_of_a_month_may_be_a_make_up_weekend_day(year: int, month: int, day: int):
    assert BASE.first_working_day_of_month(year, month) == date(year, month, day)


def test_counting_by_table_is_the_same_as_counting_day_by_day():
    for start in every_day(date(2020, 12, 1), date(2022, 3, 31)):
        day, counted = start, 0
        while counted < 45:
            day += timedelta(days=1)
            if chinese_calendar.is_workday(day):
                counted += 1
                assert BASE.working_days_after(start, counted) == day
            assert BASE.working_days_between(start, day) == counted


def test_days_far_outside_the_table_follow_the_weekday_rule():
    assert BASE.working_days_after(date(1949, 9, 30), 1) == date(1949, 10, 3)
    assert BASE.working_days_between(date(1949, 9, 30), date(1949, 10, 10)) == 6
    assert BASE.working_days_after(date(2104, 12, 30), 300) > date(2105, 12, 31)
    assert BASE.working_days_between(date(2105, 12, 30), date(2106, 1, 4)) == 3
    assert BASE.is_working(date(3000, 1, 1))
    assert BASE.day(date(3000, 1, 1)).provisional


def test_day_zero_is_the_start_itself_and_nothing_is_counted_backwards():
    assert BASE.working_days_after(date(2021, 1, 2), 0) == date(2021, 1, 2)
    assert BASE.working_days_between(date(2021, 1, 5), date(2021, 1, 5)) == 0
    assert BASE.working_days_between(date(2021, 1, 6), date(2021, 1, 5)) == 0
    with pytest.raises(ValueError, match="counted forward"):
        BASE.working_days_after(date(2021, 1, 2), -1)


def test_the_working_days_around_a_holiday_are_the_last_before_and_the_first_after_it():
    assert BASE.working_days_around(date(2021, 10, 3)) == (date(2021, 9, 30), date(2021, 10, 8))
    assert BASE.working_days_around(date(2021, 6, 9)) == (date(2021, 6, 8), date(2021, 6, 10))
    assert BASE.roll_forward(date(2021, 10, 1)) == date(2021, 10, 8)
    assert BASE.roll_forward(date(2021, 10, 9)) == date(2021, 10, 9)
    assert BASE.last_working_day_on_or_before(date(2021, 10, 7)) == date(2021, 9, 30)


def test_a_moment_is_refused_because_its_day_depends_on_a_zone():
    with pytest.raises(TypeError, match="local_day"):
        BASE.is_working(datetime(2021, 1, 1, 20, tzinfo=UTC))


def test_each_day_says_why_in_both_languages_and_on_which_notice():
    said = {
        date(2021, 2, 7): ("make_up_day:春节", "春节调休上班", "make-up working day for Spring Festival"),
        date(2021, 2, 12): ("holiday:春节", "春节放假", "holiday: Spring Festival"),
        date(2021, 2, 21): ("weekend", "周末", "weekend"),
        date(2021, 2, 22): ("working_day", "工作日", "working day"),
        date(2027, 2, 22): ("provisional_working_day", "暂定", "provisional"),
        date(2027, 2, 21): ("provisional_weekend", "暂定", "provisional"),
    }
    for day, (why, chinese, english) in said.items():
        note = BASE.day(day)
        assert note.why == why
        assert chinese in note.describe("zh")
        assert english in note.describe("en")
    assert BASE.day(date(2021, 2, 7)).notice == "国务院办公厅2021年节假日安排（chinesecalendar）"
    assert "国务院办公厅2021年" in BASE.day(date(2021, 2, 7)).describe("zh")
    assert BASE.day(date(2021, 2, 22)).notice is None


def test_a_state_council_notice_makes_its_year_known():
    assert not BASE.is_known(date(2027, 1, 4))
    after = BASE.with_release(check_release(BASE, "state_council", NOTICE_2027, DAYS_2027))
    assert (BASE.version, after.version) == (1, 2)
    assert after.is_known(date(2027, 6, 1))
    assert not after.is_known(date(2028, 6, 1))
    assert after.day(date(2027, 1, 10)).why == "make_up_day:元旦"
    assert after.day(date(2027, 1, 10)).notice == NOTICE_2027
    assert after.day(date(2027, 6, 1)).why == "working_day"
    assert not after.is_working(date(2027, 1, 4))
    assert BASE.is_working(date(2027, 1, 4)), "the earlier version stays as it was"


def test_a_banner_overlay_makes_no_year_known():
    overlay = check_release(BASE, "banner", "那达慕放假", [DayRule(date(2027, 8, 4), False, "那达慕")])
    assert overlay.known_years == ()
    assert not BASE.with_release(overlay).is_known(date(2027, 8, 4))


def test_a_banner_overlay_outranks_a_later_state_council_notice_for_its_day():
    day = date(2026, 8, 5)
    banner = CalendarRelease(2, "那达慕放假", "banner", (DayRule(day, False, "那达慕"),))
    council = CalendarRelease(3, "国办更正", "state_council", (DayRule(day, True, ""),))
    calendar = BASE.with_release(banner).with_release(council)
    assert calendar.day(day).why == "holiday:那达慕"
    assert calendar.day(day).notice == "那达慕放假"


def test_a_state_council_notice_outranks_the_base_and_a_later_one_the_earlier():
    day = date(2026, 10, 7)
    first = BASE.with_release(
        CalendarRelease(2, "国办甲", "state_council", (DayRule(day, True),)),
    )
    second = first.with_release(
        CalendarRelease(3, "国办乙", "state_council", (DayRule(day, False, "国庆节"),))
    )
    assert [calendar.is_working(day) for calendar in (BASE, first, second)] == [False, True, False]
    assert (first.day(day).why, first.day(day).notice) == ("working_day", "国办甲")
    assert second.day(day).notice == "国办乙"


def test_the_days_that_a_release_moves_are_listed_before_it_is_released():
    after = BASE.with_release(check_release(BASE, "state_council", NOTICE_2027, DAYS_2027))
    assert after.changed_days(BASE) == BASE.changed_days(after)
    assert BASE.changed_days(after) == (
        date(2027, 1, 1),
        date(2027, 1, 4),
        date(2027, 1, 10),
        date(2027, 2, 5),
        *every_day(date(2027, 2, 8), date(2027, 2, 11)),
    )


def test_two_calendars_of_the_same_releases_are_equal():
    release = check_release(BASE, "state_council", NOTICE_2027, reversed(DAYS_2027))
    assert BASE.with_release(release) == Calendar((*BASE.releases, release))
    assert release == check_release(BASE, "state_council", NOTICE_2027, DAYS_2027)


def test_a_release_drafted_against_an_older_version_is_refused():
    release = check_release(BASE, "state_council", NOTICE_2027, DAYS_2027)
    after = BASE.with_release(release)
    with pytest.raises(CalendarVersionOutOfOrder) as refused:
        after.with_release(release)
    assert "第2版" in refused.value.text("zh")


def test_an_amendment_of_a_known_year_may_be_a_single_day():
    amendment = check_release(BASE, "state_council", "国办更正", [DayRule(date(2026, 9, 3), False, "纪念日")])
    assert amendment.known_years == ()


WORKDAY, WEEKEND = date(2026, 8, 5), date(2026, 8, 8)


@pytest.mark.parametrize(
    ("layer", "title", "days", "refusal"),
    [
        ("banner", "那达慕", [], ReleaseNamesNoDay),
        ("banner", "  ", [DayRule(WORKDAY, False, "那达慕")], ReleaseWithoutTitle),
        ("base", "甲", [DayRule(WORKDAY, False, "那达慕")], ReleaseFromUnknownLayer),
        ("banner", "甲", [DayRule(WORKDAY, False, "甲"), DayRule(WORKDAY, True, "甲")], ReleaseNamesDayTwice),
        ("banner", "甲", [DayRule(date(2003, 8, 5), False, "甲")], ReleaseYearImplausible),
        ("banner", "甲", [DayRule(date(2101, 8, 5), False, "甲")], ReleaseYearImplausible),
        ("banner", "甲", [DayRule(WORKDAY, False)], HolidayWithoutName),
        ("banner", "甲", [DayRule(WEEKEND, True, " ")], HolidayWithoutName),
        ("banner", "甲", [DayRule(WORKDAY, True)], ReleaseChangesNothing),
        ("banner", "甲", [DayRule(date(2026, 10, 1), False, "国庆节")], ReleaseChangesNothing),
        (
            "banner",
            "甲",
            [DayRule(date(2026, 10, 1), False, "国庆节"), DayRule(WORKDAY, True)],
            ReleaseChangesNothing,
        ),
        ("state_council", "甲", [DayRule(date(2027, 1, 1), False, "元旦")], YearNoticeTooShort),
    ],
)
def test_a_release_that_cannot_be_right_is_refused_by_name(
    layer: Layer, title: str, days: list[DayRule], refusal: type[Refusal]
):
    with pytest.raises(refusal) as refused:
        check_release(BASE, layer, title, days)
    assert refused.value.status == 422
    assert refused.value.text("zh") != refused.value.text("en")


def test_days_that_are_so_already_are_no_fault_and_are_told():
    days = [DayRule(WORKDAY, False, "那达慕"), DayRule(date(2026, 10, 1), False, "国庆节")]
    release = check_release(BASE, "banner", "甲", days)
    assert unchanged_days(BASE, release) == (date(2026, 10, 1),)
    only_a_name = check_release(BASE, "banner", "甲", [DayRule(WEEKEND, False, "那达慕")])
    assert unchanged_days(BASE, only_a_name) == ()


@given(
    days=st.sets(st.dates(date(2026, 8, 1), date(2026, 10, 31)), min_size=1, max_size=12),
    rest=st.booleans(),
)
def test_a_release_is_refused_exactly_if_no_day_of_it_changes_anything(days: set[date], rest: bool):
    rules = [DayRule(day, not rest, "调休") for day in sorted(days)]
    once = CalendarRelease(BASE.version + 1, "甲", "banner", tuple(rules))
    so_already = unchanged_days(BASE, once)
    if len(so_already) == len(rules):
        with pytest.raises(ReleaseChangesNothing):
            check_release(BASE, "banner", "甲", rules)
        return
    after = BASE.with_release(check_release(BASE, "banner", "甲", rules))
    assert all(after.is_working(day) == BASE.is_working(day) for day in so_already)
    with pytest.raises(ReleaseChangesNothing):
        check_release(after, "banner", "甲", rules)


EDGES = [
    date(1, 1, 1),
    date(1900, 1, 1),
    date(1999, 12, 28),
    date(2100, 12, 30),
    date(2105, 12, 28),
    date(9990, 1, 2),
]


@pytest.mark.parametrize("start", EDGES)
@pytest.mark.parametrize("n", [1, 2, 7, 260])
def test_beyond_the_years_of_any_release_a_week_has_five_working_days(start, n):
    calendar, day, left = Calendar.base(), start, n
    while left:
        day += timedelta(days=1)
        left -= calendar.day(day).working
    assert calendar.working_days_after(start, n) == day
    assert calendar.working_days_between(start, day) == n
    assert calendar.is_working(day)


def test_nothing_is_later_than_the_last_day_there_is():
    calendar, last = Calendar.base(), date.max
    assert (
        calendar.working_days_after(last, 1) == calendar.working_days_after(date(2021, 1, 4), 10**7) == last
    )
    assert calendar.roll_forward(last) == last
    assert calendar.working_days_around(last) == (date(9999, 12, 30), last)
    assert (
        calendar.working_days_between(date(2021, 1, 4), last)
        == calendar.working_days_between(date(2021, 1, 4), date(9999, 12, 30)) + 1
    )
    assert close_of(last) > midnight(last)
    assert close_of(last).astimezone(UTC).year == 9999
    with pytest.raises(NoDateInPeriod):
        check_has_an_end(date(2101, 1, 3), "due_on")
    check_has_an_end(date(2100, 12, 31), "due_on")
