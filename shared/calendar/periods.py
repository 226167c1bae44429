"""Due dates as people write them in spreadsheets: 6月底前, 上半年, 三季度, 2021年6月30日 (measure 7)."""

import calendar as gregorian
import re
from datetime import date

from shared.calendar import Calendar, NoDateInPeriod, check_has_an_end
from shared.domain.refusal import Refusal
from shared.domain.written import closed_up, narrow


class AmbiguousPeriod(Refusal):
    """“{text}”可理解为含或不含该时段，请写明某月底前
    "{text}" may or may not include the period itself; write the month by whose end, like 6月底前
    """

    status = 422
    field = "due"


class AmbiguousMonth(Refusal):
    """“{text}”可能是1月，也可能是表格软件去掉末尾的零后的10月，请写成 2021年1月 的形式
    "{text}" may be January, or October without the zero that a spreadsheet drops; write it like 2021年1月
    """

    status = 422
    field = "due"


class AmbiguousMidnight(Refusal):
    """“{text}”可指当日结束，也可指前一日结束，请只写日期
    "{text}" may mean the end of that day or of the day before; write the day alone
    """

    status = 422
    field = "due"


class NoSuchDay(Refusal):
    """没有“{text}”这一天
    There is no day "{text}"
    """

    status = 422
    field = "due"


class PeriodNotUnderstood(Refusal):
    """看不懂完成期限“{text}”，请写成 2021年6月30日、6月底前、上半年、三季度 或 年底前
    The due date "{text}" is not understood; write 2021年6月30日, 6月底前, 上半年, 三季度 or 年底前
    """

    status = 422
    field = "due"


_ENDLESS = re.compile(r"长期|持续|常态化|经常性|不定期|随时")
_YEAR = r"(?:(?P<year>[0-9]{4})年度?|(?P<this>今年|本年度?|当年)|(?P<next>明年))?"
_BY = r"(?P<by>前|之前|以前|内|之内|以内)?(?:完成)?"
_END_AND_BY = r"(?P<end>底|末|终)?" + _BY
_QUARTERS = {"一": 1, "二": 2, "三": 3, "四": 4, "1": 1, "2": 2, "3": 3, "4": 4}

_OF_DAY = "凌晨|早上|上午|中午|下午|晚上|晚"
# A spreadsheet saves a date cell with its time: 2021/6/30 0:00. Clocks know days, so the time says nothing more.
_TIME = (
    rf"(?:(?:[T ]|(?<=[日号])|(?=[{_OF_DAY}]))(?P<time>(?:{_OF_DAY})?"
    r"(?:(?:[01]?[0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9](?:\.0+)?)?|[时点](?:[0-5]?[0-9]分|整|半)?)"
    r"|24(?::00(?::00)?|[时点]整?))(?:[AaPp][Mm])?))?"
)
_DAY_BY = _TIME + _BY
_MIDNIGHT = re.compile(r"(凌晨)?00?(:00(:00(\.0+)?)?|[时点](00?分|整)?)")

_DAY = (
    re.compile(r"(?P<year>[0-9]{4})(?P<sep>[-./])(?P<month>[0-9]{1,2})(?P=sep)(?P<day>[0-9]{1,2})" + _DAY_BY),
    re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})" + _DAY_BY),
    re.compile(_YEAR + r"(?P<month>[0-9]{1,2})月(?P<day>[0-9]{1,2})[日号]" + _DAY_BY),
)
_MONTH = (
    re.compile(_YEAR + r"(?P<month>[0-9]{1,2})月份?(?P<part>上旬|中旬|下旬)?" + _END_AND_BY),
    # 6.30 is not read as a day: a spreadsheet may have made 6.3 of it.
    re.compile(r"(?P<year>[0-9]{4})(?P<sep>[-./])(?P<month>[0-9]{1,2})(?P<part>)(?P<end>)(?P<by>)"),
)
_HALF = re.compile(_YEAR + r"(?P<half>[上下])半年" + _END_AND_BY)
_QUARTER = re.compile(_YEAR + r"(?:第?(?P<quarter>[一二三四1-4])季度?|Q(?P<q>[1-4]))" + _END_AND_BY)
_WHOLE_YEAR = re.compile(_YEAR + r"(?:全年|年(?=[底末终内]))?" + _END_AND_BY)


def read_period(text: str, *, dated: date, calendar: Calendar) -> date:
    """The due day that ``text`` means, not later than the calendar can ever know.

    A calendar day is taken as it stands, worked or not; a period means its last working day. A year left
    out is that of ``dated``, the day of the document.

    Raises ``NoDateInPeriod`` for 长期坚持, 9999-12-31 and their like, ``AmbiguousPeriod`` for 6月前 (which may or may
    not include June), ``AmbiguousMonth`` for 2021.1, ``AmbiguousMidnight`` for 6月30日0时前, ``NoSuchDay`` for
    2月30日 and ``PeriodNotUnderstood`` for everything else.
    """
    due = _read(text, dated, calendar)
    check_has_an_end(due, "due", text=text)
    return due


def _read(text: str, dated: date, calendar: Calendar) -> date:
    words = closed_up(narrow(text).strip()).rstrip("。.;,、")
    if _ENDLESS.search(words):
        raise NoDateInPeriod(text=text)

    for pattern in _DAY:
        if match := pattern.fullmatch(words):
            if _is_before(match) and _MIDNIGHT.fullmatch(match["time"] or ""):
                raise AmbiguousMidnight(text=text)
            try:
                return date(_year(match, dated), int(match["month"]), int(match["day"]))
            except ValueError as error:
                raise NoSuchDay(text=text) from error
    for pattern in _MONTH:
        if match := pattern.fullmatch(words):
            month = int(match["month"])
            if match.groupdict().get("sep") == "." and match["month"] == "1":
                raise AmbiguousMonth(text=text)
            if not 1 <= month <= 12:
                raise NoSuchDay(text=text)
            last = {"上旬": 10, "中旬": 20}.get(match["part"] or "")
            return _close(text, match, calendar, _year(match, dated), month, last)
    if match := _HALF.fullmatch(words):
        return _close(text, match, calendar, _year(match, dated), 6 if match["half"] == "上" else 12)
    if match := _QUARTER.fullmatch(words):
        quarter = _QUARTERS[match["quarter"] or match["q"]]
        return _close(text, match, calendar, _year(match, dated), 3 * quarter)
    if "年" in words and (match := _WHOLE_YEAR.fullmatch(words)):
        return _close(text, match, calendar, _year(match, dated), 12)
    raise PeriodNotUnderstood(text=text)


def _year(match: re.Match[str], dated: date) -> int:
    groups = match.groupdict()
    return int(groups["year"]) if groups.get("year") else dated.year + bool(groups.get("next"))


def _is_before(match: re.Match[str]) -> bool:
    return match["by"] in ("前", "之前", "以前")


def _close(
    text: str, match: re.Match[str], calendar: Calendar, year: int, month: int, last: int | None = None
) -> date:
    """The last working day of the period that ends in ``month``, or on its day ``last``."""
    # 6月底前 ends with June; 6月前 may well mean May.
    if not match["end"] and last is None and _is_before(match):
        raise AmbiguousPeriod(text=text)
    if not year:
        raise NoSuchDay(text=text)
    day = date(year, month, last or gregorian.monthrange(year, month)[1])
    return calendar.last_working_day_on_or_before(day)
