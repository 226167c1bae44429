import re
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.calendar import Calendar
from shared.calendar.periods import (
    AmbiguousMidnight,
    AmbiguousMonth,
    AmbiguousPeriod,
    NoDateInPeriod,
    NoSuchDay,
    PeriodNotUnderstood,
    read_period,
)
from shared.domain.refusal import Refusal

BASE = Calendar.base()
DATED = date(2021, 1, 15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021年6月30日", date(2021, 6, 30)),
        ("2021年6月30日前", date(2021, 6, 30)),
        ("2021年6月30日之前完成", date(2021, 6, 30)),
        ("2021.6.30", date(2021, 6, 30)),
        ("2021-6-30", date(2021, 6, 30)),
        ("2021-06-30 00:00:00", date(2021, 6, 30)),
        ("2021/6/30", date(2021, 6, 30)),
        ("20210630", date(2021, 6, 30)),
        ("２０２１年６月３０日", date(2021, 6, 30)),
        ("6月30日", date(2021, 6, 30)),
        (" 6 月 30 日 前。", date(2021, 6, 30)),
        ("明年6月30日", date(2022, 6, 30)),
        # A calendar day is taken as it stands, here a Sunday.
        ("2021年10月31日", date(2021, 10, 31)),
        ("6月底前", date(2021, 6, 30)),
        ("6月底", date(2021, 6, 30)),
        ("6月末", date(2021, 6, 30)),
        ("6月", date(2021, 6, 30)),
        ("6月份", date(2021, 6, 30)),
        ("６月内", date(2021, 6, 30)),
        ("2021.6", date(2021, 6, 30)),
        ("2021年12月底前", date(2021, 12, 31)),
        # A period ends on its last working day: 31 July 2021 was a Saturday, 31 October a Sunday.
        ("7月底前", date(2021, 7, 30)),
        ("10月", date(2021, 10, 29)),
        ("2022年4月底前", date(2022, 4, 29)),
        ("9月下旬", date(2021, 9, 30)),
        # Saturday, 18 September and Saturday, 9 October 2021 were make-up working days.
        ("9月中旬", date(2021, 9, 18)),
        ("10月上旬", date(2021, 10, 9)),
        ("上半年", date(2021, 6, 30)),
        ("2022年上半年", date(2022, 6, 30)),
        ("下半年", date(2021, 12, 31)),
        ("一季度", date(2021, 3, 31)),
        ("第一季度", date(2021, 3, 31)),
        ("第二季度末", date(2021, 6, 30)),
        ("2022年三季度", date(2022, 9, 30)),
        ("四季度", date(2021, 12, 31)),
        ("1季度", date(2021, 3, 31)),
        ("2021年Q3", date(2021, 9, 30)),
        ("年底前", date(2021, 12, 31)),
        ("年底", date(2021, 12, 31)),
        ("年末", date(2021, 12, 31)),
        ("今年底", date(2021, 12, 31)),
        ("2022年底前", date(2022, 12, 30)),
        ("全年", date(2021, 12, 31)),
        ("年内", date(2021, 12, 31)),
        ("2022年", date(2022, 12, 30)),
        ("2021年年底前完成", date(2021, 12, 31)),
    ],
)
def test_a_period_word_means_its_last_working_day(text: str, expected: date):
    assert read_period(text, dated=DATED, calendar=BASE) == expected


@pytest.mark.parametrize("text", ["长期坚持", "长期", "持续推进", "常态化", "2021年12月底前，并长期坚持"])
def test_a_task_without_an_end_has_no_date(text: str):
    with pytest.raises(NoDateInPeriod) as refused:
        read_period(text, dated=DATED, calendar=BASE)
    assert text in refused.value.text("zh")
    assert refused.value.field == "due"


@pytest.mark.parametrize("text", ["6月前", "6月之前", "2022年6月份以前", "三季度前", "下半年前", "2022年前"])
def test_before_a_period_is_refused_because_it_may_leave_the_period_out(text: str):
    with pytest.raises(AmbiguousPeriod):
        read_period(text, dated=DATED, calendar=BASE)


@pytest.mark.parametrize(
    "day", [date(2021, 6, 30), date(2021, 9, 10), date(2021, 11, 20), date(2021, 12, 31)]
)
@pytest.mark.parametrize(
    "written",
    [
        "{0.year}/{0.month}/{0.day} 0:00",
        "{0.year}/{0.month}/{0.day} 0:00:00",
        "{0.year}-{0.month:02}-{0.day:02} 00:00:00.000",
        "{0.year}-{0.month:02}-{0.day:02}T00:00:00",
        "{0.year}.{0.month}.{0.day} 8:30",
        "{0.year}. {0.month}. {0.day}",
        "{0.year}/{0.month}/{0.day} 下午 5:00",
        "{0.year}/{0.month}/{0.day} 5:00 PM",
        "{0:%Y%m%d} 0:00",
        "{0.year}年{0.month}月{0.day}日 0时",
        "{0.year} 年 {0.month} 月 {0.day} 日 18 时 30 分前",
        "{0.year}年{0.month}月{0.day}日24:00前",
        "{0.year}年{0.month}月{0.day}日\n17点前完成",
    ],
)
def test_the_time_of_day_beside_a_day_adds_no_digit_to_it(written: str, day: date):
    assert read_period(written.format(day), dated=DATED, calendar=BASE) == day


@pytest.mark.parametrize(
    "text", ["2021年6月30日0时前", "2021/6/30 0:00前", "6月30日零时前", "2021-06-30 00:00之前"]
)
def test_before_midnight_of_a_day_may_be_the_day_before(text: str):
    with pytest.raises(PeriodNotUnderstood if "零" in text else AmbiguousMidnight):
        read_period(text, dated=DATED, calendar=BASE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2021.10", date(2021, 10, 29)), ("2021.01", date(2021, 1, 29)), ("2021-1", date(2021, 1, 29))],
)
def test_a_month_is_january_or_october_by_its_digits(text: str, expected: date):
    assert read_period(text, dated=DATED, calendar=BASE) == expected


@pytest.mark.parametrize("text", ["2021.1", "２０２１．１", " 2022 . 1 "])
def test_a_number_that_may_have_lost_its_last_zero_is_refused(text: str):
    with pytest.raises(AmbiguousMonth):
        read_period(text, dated=DATED, calendar=BASE)


@pytest.mark.parametrize("text", ["2月30日", "2021年13月", "2021-6-31", "0000年6月", "0月底"])
def test_a_day_that_no_calendar_has_is_refused(text: str):
    with pytest.raises(NoSuchDay):
        read_period(text, dated=DATED, calendar=BASE)


@pytest.mark.parametrize(
    "text",
    # 6.30 may be the 30th of June or what a spreadsheet made of 6.3; a bare number may be anything.
    [
        "",
        "  ",
        "尽快",
        "6.30",
        "2021",
        "44377",
        "前",
        "年",
        "3月至6月",
        "2021年五季度",
        "21年6月",
        "{6}",
        "内",
        "2021-6/30",
        # Digits that stood apart are never joined.
        "2021.6.3 0",
        "2021/6/3 0",
        "6月3 0日",
        "1 2月",
        "2021年1\n0月",
        "2 021年6月",
        "2021 6 30",
        "2021/6/3017:00",
        "2021/6/30 25:00",
        "2021/6/30 0:60",
        "2021/6/30 17",
        "30/6/2021",
        "6/30/21",
        "6月3①日",
        "10²月",
        "2021-06-30T00:00:00Z",
    ],
)
def test_what_cannot_be_read_is_refused_and_never_guessed(text: str):
    with pytest.raises(PeriodNotUnderstood) as refused:
        read_period(text, dated=DATED, calendar=BASE)
    assert text in refused.value.text("en")


# A busy machine is no defect of the reading.
@settings(deadline=None)
@given(
    text=st.text(alphabet="0123456789年月日底前末内上下半季度全一二三四今明Qq.-/ :至时点上午", max_size=12)
)
def test_whatever_stands_in_the_cell_it_is_a_day_or_a_refusal(text: str):
    # Any other exception fails the test.
    with suppress(Refusal):
        assert isinstance(read_period(text, dated=DATED, calendar=BASE), date)


@settings(deadline=None)
@given(text=st.text(alphabet="0123456789/-. :\n", max_size=16))
def test_digits_that_stood_apart_are_never_read_as_one_number(text: str):
    with suppress(Refusal):
        day = read_period(text, dated=DATED, calendar=BASE)
        numbers = [int(number) for number in re.findall("[0-9]+", text)]
        assert f"{day.year}" in text
        assert day.month in numbers or f"{day:%Y%m%d}" in text
