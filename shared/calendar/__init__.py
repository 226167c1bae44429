"""Chinese working days: which day is worked, why, and which notice says so (domain.md §2, measures C).

A calendar is a value made of released versions: the base (PyPI ``chinesecalendar``), State Council notices
and banner overlays. It never asks what day it is. Every day here is a day in Asia/Shanghai; a ``datetime``
is refused with ``TypeError``, because the day it falls on depends on a zone that only
``shared.domain.clock.local_day`` knows.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from typing import Literal, TypeAlias

from chinese_calendar import constants

from shared.domain.refusal import Refusal
from shared.domain.words import Enumerated

Layer: TypeAlias = Literal["base", "state_council", "banner"]
"""Who released a version: the embedded base, the State Council, or the banner (旗) for its own holidays."""

BASE_YEARS = tuple(range(2004, 2027))
"""The years that the base makes known.

Bounded here, and not by whatever the installed package happens to hold: a newer package must not make a
year known behind the back of the two persons who release a calendar version.
"""

FIRST_YEAR, LAST_YEAR = 2004, 2100
"""The years that a release may speak about; no due date is set beyond them."""

LEAST_REST_DAYS = 5
"""A year's State Council notice names at least this many rest days; the shortest so far (2004) named 22."""

_RANK: dict[Layer, int] = {"base": 0, "state_council": 1, "banner": 2}
_DAY = timedelta(days=1)

_ENGLISH = {holiday.chinese: holiday.value for holiday in constants.Holiday}
_CHINESE = {holiday.value: holiday.chinese for holiday in constants.Holiday}

_WEEKDAYS = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}

_WORDS = {
    "zh": {
        "working_day": "工作日",
        "weekend": "周末",
        "holiday": "{name}放假",
        "make_up_day": "{name}调休上班",
        "provisional_working_day": "工作日（暂定：该年放假安排尚未发布）",
        "provisional_weekend": "周末（暂定：该年放假安排尚未发布）",
    },
    "en": {
        "working_day": "working day",
        "weekend": "weekend",
        "holiday": "holiday: {name}",
        "make_up_day": "make-up working day for {name}",
        "provisional_working_day": "working day (provisional: that year's holidays are not yet announced)",
        "provisional_weekend": "weekend (provisional: that year's holidays are not yet announced)",
    },
}


class NoDateInPeriod(Refusal):
    """“{text}”没有完成期限，请写明日期或时段
    "{text}" sets no date; state a day or a period
    """

    status = 422
    field = "due"


def check_has_an_end(due: date, field: str, *, text: str = "") -> None:
    """Whether a date that somebody sets is one: 9999-12-31 and its like say 长期坚持. Raises ``NoDateInPeriod``."""
    if due.year > LAST_YEAR:
        raise NoDateInPeriod(text=text or due, at_field=field)


class CalendarVersionOutOfOrder(Refusal):
    """日历第{given}版不能接在第{current}版之后，请重新拟定
    Calendar version {given} does not follow version {current}; draft the release again
    """

    status = 409


class ReleaseWithoutTitle(Refusal):
    """日历发布须写明依据（通知文号或标题）
    A calendar release must name its source (the notice's number or title)
    """

    status = 422
    field = "title"


class ReleaseFromUnknownLayer(Refusal, layer=Enumerated(Layer)):
    """日历只能由国务院办公厅通知或旗级安排发布，不能是“{layer}”
    A calendar is released from a State Council notice or a banner overlay, not from "{layer}"
    """

    status = 422
    field = "layer"


class ReleaseNamesNoDay(Refusal):
    """日历发布至少要列出一天
    A calendar release must list at least one day
    """

    status = 422
    field = "days"


class ReleaseNamesDayTwice(Refusal):
    """日期{day}重复出现
    The day {day} is listed twice
    """

    status = 422
    field = "days"


class ReleaseYearImplausible(Refusal):
    """日期{day}不在{first}年至{last}年之间，疑为笔误
    The day {day} lies outside {first} to {last}: probably a slip of the pen
    """

    status = 422
    field = "days"


class HolidayWithoutName(Refusal):
    """{day}与通常的周末安排不同，须写明节假日名称
    The day {day} differs from the weekday rule, so the holiday it belongs to must be named
    """

    status = 422
    field = "days"


class ReleaseChangesNothing(Refusal):
    """所列各日在现行日历（第{version}版）中均已如此，没有任何变更
    Every day listed already stands so in the present calendar (version {version}): nothing would change
    """

    status = 422
    field = "days"


class YearNoticeTooShort(Refusal):
    """{year}年尚未公布，通知只列出{rest_days}个休息日，至少应有{least}个
    The year {year} is not known yet and the notice names only {rest_days} rest days, not {least} or more
    """

    status = 422
    field = "days"


def weekday_name(day: date, language: str) -> str:
    """The weekday of ``day`` in ``"zh"`` or ``"en"``."""
    return _WEEKDAYS["zh" if language == "zh" else "en"][day.weekday()]


@dataclass(frozen=True)
class DayNote:
    """One day of a calendar, and why it is worked or not.

    ``why`` is a stable word for machines: ``working_day``, ``weekend``, ``holiday:<name>``,
    ``make_up_day:<name>``, or ``provisional_working_day`` and ``provisional_weekend`` where the year is not
    announced yet and only the weekday rule speaks. ``notice`` is the release that says so, ``None`` where
    it is the plain weekday rule.
    """

    day: date
    working: bool
    why: str
    notice: str | None

    @property
    def kind(self) -> str:
        """``why`` without the holiday's name."""
        return self.why.partition(":")[0]

    @property
    def name(self) -> str:
        """The holiday's Chinese name, empty for a day that belongs to none."""
        return self.why.partition(":")[2]

    @property
    def provisional(self) -> bool:
        """Whether only the weekday rule speaks, because the year's notice is not released yet."""
        return self.why.startswith("provisional_")

    def describe(self, language: str) -> str:
        """The reason in words, ``"zh"`` or ``"en"``, with the notice it stands on."""
        if language == "zh":
            words = _WORDS["zh"][self.kind].format(name=self.name)
            return f"{words}（{self.notice}）" if self.notice else words
        words = _WORDS["en"][self.kind].format(name=_ENGLISH.get(self.name, self.name))
        return f"{words} ({self.notice})" if self.notice else words


@dataclass(frozen=True)
class DayRule:
    """What a release says about one day: worked or not, and for which holiday (Chinese name, may be empty
    for a day that returns to the weekday rule)."""

    day: date
    working: bool
    name: str = ""


@dataclass(frozen=True)
class CalendarRelease:
    """One released version of the calendar (measures B4).

    ``title`` is the notice it stands on, shown with each day it names. ``known_years`` are the years whose
    holidays it announces: from then on they are no longer provisional. A banner overlay announces none.
    """

    version: int
    title: str
    layer: Layer
    days: tuple[DayRule, ...]
    known_years: tuple[int, ...] = ()


def _ordinal(day: date) -> int:
    if isinstance(day, datetime):
        raise TypeError(f"{day!r} is a moment, not a day: take shared.domain.clock.local_day of it first")
    return day.toordinal()


@dataclass(frozen=True)
class _DayTable:
    """Two arrays over a span of days, so that counting working days is two look-ups however far they lie apart.

    Before and after the span, of which alone releases speak, a week has its five working days.
    """

    first: int
    upto: "array[int]"
    """upto[i]: how many days of the span are worked up to and including day ``first + i``."""
    worked: "array[int]"
    """The ordinals of the worked days, in order."""

    def worked_upto(self, ordinal: int) -> int:
        """How many days are worked up to and including this one, from the first day of the year 1."""
        before, place = _weekdays_upto(self.first - 1), ordinal - self.first
        if place < 0:
            return _weekdays_upto(ordinal)
        if place < len(self.upto):
            return before + self.upto[place]
        last = self.first + len(self.upto) - 1
        return before + len(self.worked) + _weekdays_upto(ordinal) - _weekdays_upto(last)

    def day_of(self, number: int) -> int:
        """The ordinal of the worked day of this number."""
        before = _weekdays_upto(self.first - 1)
        if number <= before:
            return _weekday_of(number)
        if number <= before + len(self.worked):
            return self.worked[number - before - 1]
        last = self.first + len(self.upto) - 1
        return _weekday_of(number - before - len(self.worked) + _weekdays_upto(last))


def _weekdays_upto(ordinal: int) -> int:
    """Monday to Friday from ordinal 1, which was a Monday."""
    return ordinal // 7 * 5 + min(ordinal % 7, 5)


def _weekday_of(number: int) -> int:
    """The ordinal of the weekday of this number."""
    return (number - 1) // 5 * 7 + (number - 1) % 5 + 1


_SPAN = (date(2000, 1, 1).toordinal(), date(LAST_YEAR + 5, 12, 31).toordinal())


@dataclass(frozen=True)
class Calendar:
    """An immutable calendar: the base and the releases after it, in order.

    For one day a banner overlay outranks the State Council, which outranks the base; within a layer the
    later release wins. Years that no release made known follow the weekday rule and are *provisional*:
    never an error, never silently certain. Two calendars of the same releases are equal.
    """

    releases: tuple[CalendarRelease, ...]

    @staticmethod
    def base() -> "Calendar":
        """Version 1: what ``chinesecalendar`` holds for 2004–2026."""
        return _base()

    @property
    def version(self) -> int:
        """The version of the last release."""
        return self.releases[-1].version

    def with_release(self, release: CalendarRelease) -> "Calendar":
        """The calendar after ``release``.

        Raises ``CalendarVersionOutOfOrder`` unless it carries the next version: a release drafted against
        an older calendar was checked, and its moved clocks shown, against something else.
        """
        if release.version != self.version + 1:
            raise CalendarVersionOutOfOrder(given=release.version, current=self.version)
        return Calendar((*self.releases, release))

    def day(self, day: date) -> DayNote:
        """``day``, worked or not, and why."""
        ordinal = _ordinal(day)
        weekend = day.weekday() >= 5
        said = self._said.get(ordinal)
        if said is not None:
            rule, notice = said
            if rule.working:
                why = f"make_up_day:{rule.name}" if weekend else "working_day"
            else:
                why = f"holiday:{rule.name}" if rule.name else "weekend"
            return DayNote(day, rule.working, why, notice)
        why = "weekend" if weekend else "working_day"
        return DayNote(day, not weekend, why if self.is_known(day) else f"provisional_{why}", None)

    def is_working(self, day: date) -> bool:
        """Whether ``day`` is worked."""
        ordinal = _ordinal(day)
        table = self._table
        place = ordinal - table.first
        if 1 <= place < len(table.upto):
            return table.upto[place] != table.upto[place - 1]
        return self._works(ordinal)

    def is_known(self, day: date) -> bool:
        """Whether the holidays of that day's year are announced, so that the day is not provisional."""
        return day.year in self.known_years

    def all_known(self, first: date, last: date) -> bool:
        """Whether no day from ``first`` to ``last``, both included, is provisional."""
        return all(year in self.known_years for year in range(first.year, last.year + 1))

    @cached_property
    def known_years(self) -> frozenset[int]:
        """The years whose holidays are announced."""
        return frozenset(year for release in self.releases for year in release.known_years)

    def working_days_after(self, start: date, n: int) -> date:
        """The ``n``-th working day after ``start``; ``start`` itself is day 0, worked or not.

        Time ends with the year 9999: nothing is later than its last day. Raises ``ValueError`` if ``n`` is negative.
        """
        if n < 0:
            raise ValueError(f"working days are counted forward, not {n}")
        ordinal = _ordinal(start)
        if n == 0:
            return start
        table = self._table
        wanted = table.worked_upto(ordinal) + n
        return date.fromordinal(min(table.day_of(wanted), date.max.toordinal()))

    def working_days_between(self, after: date, upto: date) -> int:
        """How many working days lie after ``after``, up to and including ``upto``; 0 if ``upto`` is not later."""
        first, last = _ordinal(after), _ordinal(upto)
        if last <= first:
            return 0
        table = self._table
        return table.worked_upto(last) - table.worked_upto(first)

    def roll_forward(self, day: date) -> date:
        """``day`` if it is worked, else the next working day."""
        return day if self.is_working(day) else self.working_days_after(day, 1)

    def last_working_day_on_or_before(self, day: date) -> date:
        """``day`` if it is worked, else the working day before it."""
        while not self.is_working(day):
            day -= _DAY  # the first day of the year 1 was a Monday
        return day

    def first_working_day_of_month(self, year: int, month: int) -> date:
        """The month's first working day, the project service day (measure 14); a make-up weekend day is one."""
        return self.roll_forward(date(year, month, 1))

    def working_days_around(self, day: date) -> tuple[date, date]:
        """The nearest working day before ``day`` and the nearest after it, ``day`` itself left out."""
        before = day - _DAY if day > date.min else day
        return self.last_working_day_on_or_before(before), self.working_days_after(day, 1)

    def changed_days(self, other: "Calendar") -> tuple[date, ...]:
        """The days, in order, on which ``other`` says something else about working or resting than this calendar."""
        said = sorted(self._said.keys() | other._said.keys())
        return tuple(date.fromordinal(day) for day in said if self._works(day) != other._works(day))

    @cached_property
    def _said(self) -> dict[int, tuple[DayRule, str]]:
        said: dict[int, tuple[DayRule, str]] = {}
        # A stable sort keeps the order of release within a layer.
        for release in sorted(self.releases, key=lambda release: _RANK[release.layer]):
            for rule in release.days:
                said[rule.day.toordinal()] = (rule, _notice(release, rule))
        return said

    def _works(self, ordinal: int) -> bool:
        said = self._said.get(ordinal)
        # Ordinal 1 was a Monday.
        return said[0].working if said is not None else (ordinal - 1) % 7 < 5

    @cached_property
    def _table(self) -> _DayTable:
        first, last = _SPAN
        upto, worked = array("i"), array("i")
        for ordinal in range(first, last + 1):
            if self._works(ordinal):
                worked.append(ordinal)
            upto.append(len(worked))
        return _DayTable(first, upto, worked)


def _notice(release: CalendarRelease, rule: DayRule) -> str:
    if release.layer == "base":
        return f"国务院办公厅{rule.day.year}年节假日安排（chinesecalendar）"
    return release.title


@cache
def _base() -> Calendar:
    # Cached because it is a constant of the installed package: every caller shares one day table.
    rules = [DayRule(day, False, _CHINESE.get(name, name)) for day, name in constants.holidays.items()]
    rules += [DayRule(day, True, _CHINESE.get(name, name)) for day, name in constants.workdays.items()]
    known = sorted((rule for rule in rules if rule.day.year in BASE_YEARS), key=lambda rule: rule.day)
    release = CalendarRelease(
        1, "国务院办公厅节假日安排（chinesecalendar）", "base", tuple(known), BASE_YEARS
    )
    return Calendar((release,))


def check_release(calendar: Calendar, layer: Layer, title: str, days: Iterable[DayRule]) -> CalendarRelease:
    """The release of ``days`` that would follow ``calendar``, days in order of date, once nothing speaks
    against it.

    A State Council notice makes known every year, not known before, of which it names at least
    ``LEAST_REST_DAYS`` rest days; days of years already known are amendments, of any number. A banner
    overlay makes no year known. A notice is released as it was published: days that are so already are no fault,
    see ``unchanged_days``.

    Raises ``ReleaseFromUnknownLayer``, ``ReleaseWithoutTitle``, ``ReleaseNamesNoDay``,
    ``ReleaseYearImplausible``, ``ReleaseNamesDayTwice``, ``HolidayWithoutName``, ``YearNoticeTooShort`` and
    ``ReleaseChangesNothing`` (not a single day).
    """
    rules = tuple(sorted(days, key=lambda rule: rule.day))
    if layer not in ("state_council", "banner"):
        raise ReleaseFromUnknownLayer(layer=layer)
    if not title.strip():
        raise ReleaseWithoutTitle()
    if not rules:
        raise ReleaseNamesNoDay()
    seen: set[date] = set()
    for rule in rules:
        if not FIRST_YEAR <= rule.day.year <= LAST_YEAR:
            raise ReleaseYearImplausible(day=rule.day, first=FIRST_YEAR, last=LAST_YEAR)
        if rule.day in seen:
            raise ReleaseNamesDayTwice(day=rule.day)
        seen.add(rule.day)
        differs_from_weekday_rule = rule.working == (rule.day.weekday() >= 5)
        if differs_from_weekday_rule and not rule.name.strip():
            raise HolidayWithoutName(day=rule.day)

    unknown = sorted({rule.day.year for rule in rules if not calendar.is_known(rule.day)})
    announced: tuple[int, ...] = ()
    if layer == "state_council":
        for year in unknown:
            rest_days = sum(1 for rule in rules if rule.day.year == year and not rule.working)
            if rest_days < LEAST_REST_DAYS:
                raise YearNoticeTooShort(year=year, rest_days=rest_days, least=LEAST_REST_DAYS)
        announced = tuple(unknown)

    release = CalendarRelease(calendar.version + 1, title.strip(), layer, rules, announced)
    if not announced and len(unchanged_days(calendar, release)) == len(rules):
        raise ReleaseChangesNothing(version=calendar.version)
    return release


def unchanged_days(calendar: Calendar, release: CalendarRelease) -> tuple[date, ...]:
    """The days of ``release`` that ``calendar`` says already, or that a layer above says otherwise: no change."""
    after = calendar.with_release(release)
    days = [rule.day for rule in release.days]
    return tuple(day for day in days if _said_of(calendar, day) == _said_of(after, day))


def _said_of(calendar: Calendar, day: date) -> tuple[bool, str]:
    note = calendar.day(day)
    return note.working, note.why
