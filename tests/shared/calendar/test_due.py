import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.calendar import Calendar, CalendarRelease, DayRule, check_release
from shared.calendar.due import (
    ClockNotExtendable,
    ClockNotPausable,
    Due,
    Extension,
    ExtensionNeedsOneTerm,
    MomentNeeded,
    MomentWithoutZone,
    OwnDateNeeded,
    OwnDateNotAllowed,
    Pause,
    PauseEndsBeforeItBegins,
    due,
    due_on,
    verdict,
    warning_points,
)
from shared.domain.clock import SHANGHAI, close_of
from shared.rulebook import Rule, WarningPoint, load_rulebook

BASE = Calendar.base()
RULES = load_rulebook()
CONTACT, ARRANGE, HARD_LIMIT = (RULES.rule(name) for name in ("contact", "arrange", "hard_limit"))
RESOLVE, TASK_DUE, INCIDENT = (RULES.rule(name) for name in ("resolve_or_confirm", "task_due", "incident"))
ROUND, SERVICE_DAY, HALF_MONTH = (
    RULES.rule(name) for name in ("round_answer", "service_day", "half_month_report")
)
STAYS = replace(TASK_DUE, moves_off_rest_days=False)
"""A task's rule as it was before version 3 of the rulebook."""

AFTER_2027 = BASE.with_release(
    check_release(
        BASE,
        "state_council",
        "国务院办公厅关于2027年部分节假日安排的通知",
        [DayRule(date(2027, 1, day), False, "元旦") for day in (1, 2, 3)]
        + [DayRule(date(2027, 2, day), False, "春节") for day in range(5, 12)],
    )
)


def of(rule: Rule, start: date | datetime, calendar: Calendar = BASE, **terms: object) -> Due:
    return due(rule, calendar, start, rulebook_version=1, **terms)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("receipt", "one", "two", "three", "thirty"),
    [
        ("2021-01-01", "2021-01-04", "2021-01-05", "2021-01-06", "2021-02-18"),
        ("2021-02-05", "2021-02-07", "2021-02-08", "2021-02-09", "2021-03-24"),
        ("2021-04-30", "2021-05-06", "2021-05-07", "2021-05-08", "2021-06-16"),
        ("2022-09-30", "2022-10-08", "2022-10-09", "2022-10-10", "2022-11-16"),
        ("2025-12-31", "2026-01-04", "2026-01-05", "2026-01-06", "2026-02-12"),
    ],
)
def test_clocks_are_due_at_the_close_of_the_nth_working_day_after_receipt(receipt, one, two, three, thirty):
    start = date.fromisoformat(receipt)
    for rule, expected in ((CONTACT, one), (ARRANGE, two), (RESOLVE, three), (HARD_LIMIT, thirty)):
        clock = of(rule, start)
        assert clock.due_on == date.fromisoformat(expected)
        assert clock.due_at == close_of(date.fromisoformat(expected))
        assert clock.due_on == clock.original_on == due_on(rule, BASE, start)
        assert not clock.provisional


@pytest.mark.parametrize("hour", ["00:00", "08:30", "17:31", "23:59:59"])
def test_a_receipt_on_a_rest_day_or_after_hours_counts_the_same(hour: str):
    # Saturday and Sunday, 19 and 20 June 2021, and the Friday before them.
    for day in ("2021-06-18", "2021-06-19", "2021-06-20"):
        assert of(CONTACT, at(f"{day} {hour}")).due_on == date(2021, 6, 21)


def test_the_day_of_receipt_is_the_day_in_shanghai():
    evening = datetime(2021, 6, 8, 16, 30, tzinfo=UTC)
    assert of(CONTACT, evening).due_on == date(2021, 6, 10)
    assert of(CONTACT, evening - timedelta(hours=1)).due_on == date(2021, 6, 9)
    with pytest.raises(MomentWithoutZone):
        of(CONTACT, datetime(2021, 6, 8, 16, 30))


def test_in_time_is_before_the_close_and_the_close_itself_is_late():
    limit = of(CONTACT, date(2021, 6, 8)).due_at
    assert limit == at("2021-06-10 00:00")
    last = limit - timedelta(microseconds=1)
    assert verdict(limit, last, limit) == "in_time"
    assert verdict(limit, limit, limit) == "late"
    assert verdict(limit, None, last) == "open"
    assert verdict(limit, None, limit) == "overdue"
    assert verdict(None, None, limit) == "open"
    assert verdict(None, last, limit) == "in_time"


@pytest.mark.parametrize("day", range(20, 31))
def test_a_whistle_of_late_november_2026_is_provisional_until_the_notice_for_2027_is_released(day: int):
    blown = date(2026, 11, day)
    before, after = of(HARD_LIMIT, blown), of(HARD_LIMIT, blown, AFTER_2027)
    assert before.provisional
    assert not after.provisional
    assert (before.calendar_version, after.calendar_version) == (1, 2)
    assert before.due_on is not None
    assert before.due_on.year == 2027
    # Friday, 1 January 2027 becomes a holiday.
    assert after.due_on == BASE.working_days_after(before.due_on, 1)
    assert any(day.why == "provisional_working_day" for day in before.days)
    assert any("暂定" in line for line in before.explain("zh"))
    assert any("Provisional" in line for line in before.explain("en"))
    assert of(CONTACT, blown).provisional is False


def test_half_month_reports_are_due_at_the_period_end_rolled_forward():
    assert of(HALF_MONTH, date(2021, 1, 1)).due_on == date(2021, 1, 15)
    # 31 January 2021 was a Sunday; 15 February lay in Spring Festival; 28 February was a Sunday.
    assert of(HALF_MONTH, date(2021, 1, 16)).due_on == date(2021, 2, 1)
    assert of(HALF_MONTH, date(2021, 2, 1)).due_on == date(2021, 2, 18)
    assert of(HALF_MONTH, date(2021, 2, 16)).due_on == date(2021, 3, 1)
    assert of(HALF_MONTH, date(2026, 12, 16)).provisional is False
    assert of(HALF_MONTH, date(2027, 1, 1)).provisional


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        ("quota_group_study", date(2021, 1, 1), date(2021, 3, 31)),
        ("quota_group_study", date(2021, 5, 9), date(2021, 6, 30)),
        ("quota_group_study", date(2021, 10, 1), date(2021, 12, 31)),
        ("theory_session", date(2024, 2, 1), date(2024, 2, 29)),
        ("quota_article", date(2021, 1, 1), date(2021, 12, 31)),
        ("quota_lecture", date(2027, 1, 1), date(2027, 12, 31)),
    ],
)
def test_quotas_are_due_on_the_last_day_of_their_period_which_no_notice_moves(rule, start, expected):
    clock = of(RULES.rule(rule), start)
    assert clock.due_on == expected
    assert not clock.provisional


def test_the_service_day_is_the_first_working_day_of_the_month_and_says_why():
    clock = of(SERVICE_DAY, date(2026, 1, 1))
    assert clock.due_on == date(2026, 1, 4)
    assert [(day.day.day, day.counted, day.why) for day in clock.days] == [
        (1, False, "holiday:元旦"),
        (2, False, "holiday:元旦"),
        (3, False, "holiday:元旦"),
        (4, True, "make_up_day:元旦"),
    ]
    assert [day.day for day in of(SERVICE_DAY, date(2021, 6, 1)).days] == [date(2021, 6, 1)]


def test_incidents_run_in_minutes_day_and_night():
    known = at("2021-02-11 23:45")
    clock = of(INCIDENT, known.astimezone(UTC))
    assert clock.due_at == at("2021-02-12 00:15")
    assert clock.due_on == date(2021, 2, 12)
    assert clock.days == ()
    assert not of(INCIDENT, at("2030-01-01 00:00")).provisional
    assert clock.to_json()["start"] == "2021-02-11T23:45:00+08:00"
    assert clock.to_json()["due"] == "2021-02-12T00:15:00+08:00"
    assert "30分钟" in clock.explain("zh")[0]
    assert "30 minutes" in clock.explain("en")[0]
    with pytest.raises(MomentNeeded):
        of(INCIDENT, date(2021, 2, 11))
    with pytest.raises(ClockNotExtendable):
        of(INCIDENT, known, extensions=[Extension(working_days=1)])


def test_a_clock_with_a_date_of_its_own_is_due_on_it_worked_or_not():
    assert of(TASK_DUE, date(2021, 1, 4), own_date=date(2021, 6, 30)).due_on == date(2021, 6, 30)
    assert of(STAYS, date(2021, 1, 4), own_date=date(2021, 10, 3)).due_on == date(2021, 10, 3)
    assert of(STAYS, date(2021, 1, 4), own_date=date(2021, 10, 3)).moved == ()
    assert of(TASK_DUE, date(2021, 1, 4), own_date=date(2027, 3, 1)).provisional
    with pytest.raises(OwnDateNeeded):
        of(replace(TASK_DUE, length=None), date(2021, 1, 4))
    with pytest.raises(OwnDateNotAllowed):
        of(CONTACT, date(2021, 1, 4), own_date=date(2021, 1, 8))


@pytest.mark.parametrize(
    ("own_date", "meant"),
    [
        ("2021-03-06", "2021-03-08"),  # a Saturday
        ("2021-02-07", "2021-02-07"),  # a make-up Sunday
        ("2021-02-11", "2021-02-18"),  # the Spring Festival
        ("2021-10-03", "2021-10-08"),
        ("2022-01-01", "2022-01-04"),
        ("2030-01-06", "2030-01-07"),  # a Sunday of a year not announced
    ],
)
def test_a_date_of_its_own_that_is_a_rest_day_means_the_next_working_day(own_date: str, meant: str):
    set_on, due_day = date.fromisoformat(own_date), date.fromisoformat(meant)
    for rule in (TASK_DUE, ROUND):
        clock = of(rule, date(2021, 1, 4), own_date=set_on)
        assert (clock.due_on, clock.original_on, clock.due_at) == (due_day, set_on, close_of(due_day))
        assert clock.due_on == due_on(rule, BASE, date(2021, 1, 4), own_date=set_on)
        assert clock.provisional == (set_on.year > 2026)
        assert clock.to_json()["original"] == own_date
        for language, words in (("zh", "是休息日"), ("en", "is a rest day")):
            told = [line for line in clock.explain(language) if words in line]
            assert len(told) == (set_on != due_day)
            assert all(own_date in line and meant in line for line in told)


def test_an_extension_to_a_rest_day_and_days_lost_after_one_reach_a_working_day():
    start, saturday = date(2021, 3, 1), date(2021, 3, 6)
    to_sunday = Extension(to=date(2021, 3, 14), granted=date(2021, 3, 3))
    extended = of(TASK_DUE, start, own_date=saturday, extensions=[to_sunday])
    assert (extended.due_on, extended.original_on) == (date(2021, 3, 15), saturday)
    assert extended.moved == ((saturday, date(2021, 3, 8)), (to_sunday.to, date(2021, 3, 15)))
    assert of(STAYS, start, own_date=saturday, extensions=[to_sunday]).due_on == to_sunday.to
    one_day = of(TASK_DUE, start, own_date=saturday, extensions=[Extension(working_days=1)])
    assert one_day.due_on == date(2021, 3, 9)
    on_monday = Pause(date(2021, 3, 8), date(2021, 3, 9))
    assert of(TASK_DUE, start, own_date=saturday, pauses=[on_monday]).due_on == date(2021, 3, 9)
    two_days = Pause(date(2021, 3, 3), date(2021, 3, 5))
    assert of(TASK_DUE, start, own_date=saturday, pauses=[two_days]).due_on == date(2021, 3, 10)


def test_a_date_at_the_end_of_the_known_years_is_provisional_once_it_leads_beyond_them():
    assert not of(TASK_DUE, date(2026, 11, 2), own_date=date(2026, 12, 31)).provisional
    day = DayRule(date(2026, 12, 31), False, "旗庆")
    rest = BASE.with_release(check_release(BASE, "banner", "旗庆放假", [day]))
    moved = of(TASK_DUE, date(2026, 11, 2), rest, own_date=date(2026, 12, 31))
    assert (moved.due_on, moved.provisional) == (date(2027, 1, 1), True)


@given(
    own=st.dates(date(2021, 1, 1), date(2027, 12, 31)),
    turned=st.lists(st.sets(st.integers(0, 20), max_size=9), max_size=4),
)
def test_by_any_releases_a_date_of_its_own_means_the_first_working_day_from_it_on(own, turned):
    calendar = BASE
    for offsets in turned:
        days = tuple(own + timedelta(days=n) for n in offsets)
        rules = tuple(DayRule(day, not calendar.is_working(day), "调休") for day in days)
        calendar = calendar.with_release(CalendarRelease(calendar.version + 1, "通知", "banner", rules))
    clock = of(TASK_DUE, date(2021, 1, 1), calendar, own_date=own)
    assert clock.original_on == own
    assert calendar.is_working(clock.due_on)
    assert not any(calendar.is_working(own + timedelta(days=n)) for n in range((clock.due_on - own).days))
    assert clock.provisional == (not calendar.all_known(own, clock.due_on))


def test_a_round_without_a_date_of_its_own_has_three_working_days():
    assert of(ROUND, date(2021, 2, 5)).due_on == date(2021, 2, 9)
    assert of(ROUND, date(2021, 2, 5), own_date=date(2021, 2, 8)).due_on == date(2021, 2, 8)


def test_the_day_a_pause_begins_is_not_counted_and_the_day_it_ends_is():
    # Monday 7 June to Thursday 10 June 2021 without a pause.
    start = date(2021, 6, 7)
    assert of(RESOLVE, start).due_on == date(2021, 6, 10)
    paused = of(RESOLVE, start, pauses=[Pause(date(2021, 6, 8), date(2021, 6, 10))])
    assert paused.due_on == date(2021, 6, 15)
    assert paused.original_on == date(2021, 6, 10)
    assert [(day.day.day, day.counted, day.number, day.why) for day in paused.days] == [
        (8, False, None, "paused"),
        (9, False, None, "paused"),
        (10, True, 1, "working_day"),
        (11, True, 2, "working_day"),
        (12, False, None, "holiday:端午"),
        (13, False, None, "holiday:端午"),
        (14, False, None, "holiday:端午"),
        (15, True, 3, "working_day"),
    ]


def test_a_pause_of_moments_within_one_day_takes_no_day():
    within = Pause(at("2021-06-08 09:00"), at("2021-06-08 17:00"))
    assert of(RESOLVE, date(2021, 6, 7), pauses=[within]).due_on == date(2021, 6, 10)


def test_a_pause_after_the_due_day_or_before_the_start_changes_nothing():
    for pause in (Pause(date(2021, 6, 11)), Pause(date(2021, 5, 1), date(2021, 6, 8))):
        assert of(RESOLVE, date(2021, 6, 7), pauses=[pause]).due_on == date(2021, 6, 10)


def test_a_clock_that_is_paused_has_no_due_date_until_it_is_resumed():
    clock = of(RESOLVE, date(2021, 6, 7), pauses=[Pause(date(2021, 6, 9))])
    assert clock.paused
    assert (clock.due_on, clock.due_at, clock.original_on) == (None, None, date(2021, 6, 10))
    assert [day.why for day in clock.days] == ["working_day", "paused"]
    assert clock.to_json()["due"] is None
    assert any("暂停中" in line for line in clock.explain("zh"))
    assert any("until it is resumed" in line for line in clock.explain("en"))
    # Two of three days are left when it resumes on Tuesday the 22nd.
    resumed = of(RESOLVE, date(2021, 6, 7), pauses=[Pause(date(2021, 6, 9), date(2021, 6, 22))])
    assert resumed.due_on == date(2021, 6, 23)


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.pausable], ids=lambda rule: rule.id)
def test_a_clock_that_never_pauses_refuses_a_pause(rule: Rule):
    with pytest.raises(ClockNotPausable) as refused:
        of(rule, at("2021-06-07 10:00"), pauses=[Pause(date(2021, 6, 8))], own_date=None)
    assert rule.name_zh in refused.value.text("zh")


def test_a_pause_of_a_task_moves_its_own_date_by_the_working_days_lost():
    own = date(2021, 6, 30)
    pause = Pause(date(2021, 6, 10), date(2021, 6, 16))
    assert of(TASK_DUE, date(2021, 6, 1), own_date=own, pauses=[pause]).due_on == date(2021, 7, 5)


def test_no_clock_falls_due_on_a_paused_day():
    saturday = date(2021, 6, 26)
    over_it = Pause(date(2021, 6, 26), date(2021, 6, 29))
    clock = of(TASK_DUE, date(2021, 6, 1), own_date=saturday, pauses=[over_it])
    assert clock.due_on == date(2021, 6, 29)
    extended = of(
        RESOLVE,
        date(2021, 6, 7),
        pauses=[Pause(date(2021, 6, 18), date(2021, 6, 22))],
        extensions=[Extension(to=date(2021, 6, 21))],
    )
    assert extended.due_on == date(2021, 6, 22)


def test_extensions_in_working_days_add_up_and_of_dates_the_latest_holds():
    start = date(2021, 6, 7)
    assert of(RESOLVE, start, extensions=[Extension(working_days=1)] * 2).due_on == date(2021, 6, 15)
    dates = [Extension(to=date(2021, 6, 18)), Extension(to=date(2021, 6, 16))]
    clock = of(RESOLVE, start, extensions=dates)
    assert (clock.due_on, clock.original_on) == (date(2021, 6, 18), date(2021, 6, 10))
    assert of(RESOLVE, start, extensions=[Extension(to=date(2021, 6, 9))]).due_on == date(2021, 6, 10)
    assert any("延期：至2021-06-18" in line for line in clock.explain("zh"))
    assert any("Originally due: 2021-06-10 (Thursday)" in line for line in clock.explain("en"))


def test_a_pause_after_an_extension_was_granted_pushes_its_date_on_and_one_before_does_not():
    to = Extension(to=date(2021, 6, 30), granted=date(2021, 6, 9))
    after = [Pause(date(2021, 6, 22), date(2021, 6, 24))]
    before = [Pause(date(2021, 6, 8), date(2021, 6, 9))]
    assert of(RESOLVE, date(2021, 6, 7), pauses=after, extensions=[to]).due_on == date(2021, 7, 2)
    assert of(RESOLVE, date(2021, 6, 7), pauses=before, extensions=[to]).due_on == date(2021, 6, 30)
    same_day = Extension(to=date(2021, 6, 30), granted=date(2021, 6, 22))
    assert of(RESOLVE, date(2021, 6, 7), pauses=after, extensions=[same_day]).due_on == date(2021, 7, 2)
    bare = Extension(to=date(2021, 6, 30))
    assert of(RESOLVE, date(2021, 6, 7), pauses=after, extensions=[bare]).due_on == date(2021, 6, 30)


def test_no_extension_leads_past_the_hard_limit():
    limit = of(HARD_LIMIT, date(2021, 1, 1))
    for extension in (Extension(working_days=5), Extension(to=date(2021, 12, 31))):
        clock = of(HARD_LIMIT, date(2021, 1, 1), extensions=[extension])
        assert clock.due_on == limit.due_on == date(2021, 2, 18)
        assert clock.clipped
        assert any("上限30个工作日" in line for line in clock.explain("zh"))
        assert any("cut back to 30" in line for line in clock.explain("en"))
    assert not limit.clipped


def test_an_extension_of_both_terms_or_none_is_refused():
    for wrong in ({}, {"working_days": 0}, {"working_days": 1, "to": date(2021, 1, 1)}):
        with pytest.raises(ExtensionNeedsOneTerm):
            Extension(**wrong)
    with pytest.raises(PauseEndsBeforeItBegins):
        Pause(date(2021, 6, 8), date(2021, 6, 7))
    with pytest.raises(MomentWithoutZone):
        Pause(datetime(2021, 6, 8))


def test_a_due_date_lists_each_day_counted_or_skipped_and_why():
    clock = of(ARRANGE, date(2021, 2, 5))
    assert clock.to_json() == {
        "rule": "arrange",
        "start": "2021-02-05",
        "due": "2021-02-08",
        "provisional": False,
        "days": [
            {"date": "2021-02-06", "counted": False, "why": "weekend", "notice": None},
            {
                "date": "2021-02-07",
                "counted": True,
                "why": "make_up_day:春节",
                "notice": "国务院办公厅2021年节假日安排（chinesecalendar）",
            },
            {"date": "2021-02-08", "counted": True, "why": "working_day", "notice": None},
        ],
        "original": "2021-02-08",
        "paused": False,
        "clipped": False,
        "pauses": [],
        "extensions": [],
        "rulebook_version": 1,
        "calendar_version": 1,
    }
    assert clock.explain("zh") == [
        "布置落实：2021-02-05（星期五）收到或开始，当日为第0日",
        "2021-02-06（星期六）：不计，周末",
        "2021-02-07（星期日）：第1个工作日，春节调休上班（国务院办公厅2021年节假日安排（chinesecalendar））",
        "2021-02-08（星期一）：第2个工作日，工作日",
        "截止：2021-02-08（星期一）24:00（北京时间）",
        "规则手册第1版，日历第1版",
    ]
    assert clock.explain("en")[-2] == "Due: 2021-02-08 (Monday) 24:00, Beijing time"


def test_the_days_are_made_only_when_asked_for():
    clock = of(HARD_LIMIT, date(2021, 1, 1))
    assert "days" not in vars(clock)
    assert sum(day.counted for day in clock.days) == 30
    assert clock.days[0].day == date(2021, 1, 2)
    assert clock.days[-1].day == clock.due_on


@pytest.mark.parametrize(
    ("warnings", "length", "expected"),
    [
        # Working days after 31 May 2021: 1, 2, 3, 4, 7, 8, 9, 10, 11, 15 June.
        ("50%", 1, ["2021-06-01"]),
        ("50%", 2, ["2021-06-02"]),
        ("80%", 2, ["2021-06-02"]),
        ("50%", 3, ["2021-06-02"]),
        ("50% 80%", 10, ["2021-06-08", "2021-06-11"]),
        ("2wd", 10, ["2021-06-10"]),
        ("0wd", 10, ["2021-06-15"]),
        ("2wd", 2, []),
        ("2wd", 3, ["2021-06-01"]),
    ],
)
def test_the_yellow_notice_goes_out_on_the_mornings_that_the_rulebook_sets(warnings, length, expected):
    points = tuple(
        WarningPoint(percent=int(word[:-1])) if word[-1] == "%" else WarningPoint(working_days=int(word[:-2]))
        for word in warnings.split()
    )
    rule = replace(ARRANGE, length=length, warnings=points)
    start = date(2021, 5, 31)
    last = due_on(rule, BASE, start)
    assert last is not None
    assert warning_points(rule, BASE, start, last) == tuple(map(date.fromisoformat, expected))


def test_the_service_day_is_announced_before_its_month_begins():
    start = date(2021, 5, 1)
    assert warning_points(SERVICE_DAY, BASE, start, date(2021, 5, 6)) == (date(2021, 4, 29),)


# --- what must hold whatever the terms -------------------------------------------------------------------------

# A busy machine is no defect of the reckoning.
unhurried = settings(deadline=None)
days = st.dates(date(2020, 6, 1), date(2026, 6, 30))


@st.composite
def terms(draw: st.DrawFn) -> tuple[date, list[Pause], list[Extension]]:
    start = draw(days)
    near = st.integers(0, 60).map(lambda n: start + timedelta(days=n))
    pauses = [
        Pause(since, since + timedelta(days=length))
        for since, length in draw(st.lists(st.tuples(near, st.integers(0, 20)), max_size=4))
    ]
    extensions = draw(
        st.lists(
            st.integers(1, 10).map(lambda n: Extension(working_days=n))
            | near.map(lambda to: Extension(to=to))
            | st.tuples(near, near).map(lambda pair: Extension(to=max(pair), granted=min(pair))),
            max_size=4,
        )
    )
    return start, pauses, extensions


@unhurried
@given(terms=terms(), seed=st.integers())
def test_in_which_order_pauses_and_extensions_came_does_not_matter(terms, seed):
    start, pauses, extensions = terms
    ordered = of(RESOLVE, start, pauses=pauses, extensions=extensions)
    order = random.Random(seed)
    pauses, extensions = (order.sample(list(those), len(those)) for those in (pauses, extensions))
    assert of(RESOLVE, start, pauses=pauses, extensions=extensions) == ordered


@unhurried
@given(terms=terms(), more=st.integers(1, 12))
def test_a_longer_rule_midway_is_worth_as_much_as_an_extension_and_loses_no_pause(terms, more):
    start, pauses, extensions = terms
    extensions = [extension for extension in extensions if extension.to is None]
    longer = of(replace(RESOLVE, length=3 + more), start, pauses=pauses, extensions=extensions)
    extended = of(RESOLVE, start, pauses=pauses, extensions=[*extensions, Extension(working_days=more)])
    assert longer.due_on == extended.due_on
    assert longer.pauses == extended.pauses


@unhurried
@given(terms=terms(), holidays=st.sets(st.integers(1, 40), max_size=5))
def test_on_any_calendar_exactly_the_working_days_outside_the_pauses_are_counted(terms, holidays):
    start, pauses, extensions = terms
    extensions = [extension for extension in extensions if extension.to is None]
    overlay = tuple(DayRule(start + timedelta(days=n), False, "那达慕") for n in sorted(holidays))
    calendar = BASE.with_release(CalendarRelease(2, "那达慕放假", "banner", overlay)) if overlay else BASE
    clock = of(RESOLVE, start, calendar, pauses=pauses, extensions=extensions)
    wanted = 3 + sum(extension.working_days or 0 for extension in extensions)
    day, counted = start, 0
    while counted < wanted:
        day += timedelta(days=1)
        paused = any(pause.first <= day < (pause.resumed or date.max) for pause in pauses)
        resting = (day - start).days in holidays
        counted += BASE.is_working(day) and not paused and not resting
    assert clock.due_on == day
    assert sum(day.counted for day in clock.days) == wanted
    assert [day.number for day in clock.days if day.counted] == list(range(1, wanted + 1))


@unhurried
@given(terms=terms(), more=st.integers(0, 30), length=st.integers(0, 20))
def test_one_pause_or_extension_more_never_brings_the_due_date_forward(terms, more, length):
    start, pauses, extensions = terms
    before = due_on(RESOLVE, BASE, start, pauses=pauses, extensions=extensions)
    since = start + timedelta(days=more)
    pause = Pause(since, since + timedelta(days=length))
    assert before is not None
    for later in (
        due_on(RESOLVE, BASE, start, pauses=[*pauses, pause], extensions=extensions),
        due_on(RESOLVE, BASE, start, pauses=pauses, extensions=[*extensions, Extension(working_days=1)]),
        due_on(RESOLVE, BASE, start, pauses=pauses, extensions=[*extensions, Extension(to=since)]),
    ):
        assert later is not None
        assert later >= before


@unhurried
@given(terms=terms(), split=st.integers(0, 20))
def test_overlapping_pauses_count_once(terms, split):
    start, pauses, extensions = terms
    assume(pauses)
    whole = pauses[0]
    assert whole.resumed is not None
    middle = min(whole.first + timedelta(days=split), whole.resumed)
    parts = [Pause(whole.first, middle), Pause(middle, whole.resumed), whole]
    assert due_on(RESOLVE, BASE, start, pauses=[*parts, *pauses], extensions=extensions) == due_on(
        RESOLVE, BASE, start, pauses=pauses, extensions=extensions
    )


@unhurried
@given(terms=terms())
def test_no_due_day_lies_in_a_pause_and_each_explains_itself(terms):
    start, pauses, extensions = terms
    clock = of(RESOLVE, start, pauses=pauses, extensions=extensions)
    assert clock.due_on is not None
    assert not any(pause.first <= clock.due_on < (pause.resumed or date.max) for pause in pauses)
    assert clock.days[-1].day == clock.due_on
    for language in ("zh", "en"):
        assert len(clock.explain(language)) >= len(clock.days) + len(pauses) + len(extensions) + 3


@unhurried
@given(terms=terms(), cap=st.integers(3, 12))
def test_no_extension_leads_past_a_cap_whatever_was_paused(terms, cap):
    start, pauses, extensions = terms
    capped = replace(RESOLVE, cap=cap)
    clock = of(capped, start, pauses=pauses, extensions=extensions)
    free = of(RESOLVE, start, pauses=pauses, extensions=extensions)
    assert clock.due_on is not None
    assert free.due_on is not None
    assert sum(day.counted for day in clock.days) <= cap
    assert clock.clipped == (clock.due_on < free.due_on)


@unhurried
@given(day=st.dates(date(1950, 1, 1), date(2150, 1, 1)))
def test_no_year_is_ever_a_crash_and_an_unknown_one_is_always_marked(day: date):
    for rule in (CONTACT, HARD_LIMIT, SERVICE_DAY, HALF_MONTH):
        clock = of(rule, day)
        assert clock.due_on is not None
        if not BASE.is_known(clock.due_on):
            assert clock.provisional
