"""When a clock is due, and why: a pure function of rule, calendar, start, pauses and extensions (domain.md
§2, §3).

The day of receipt is day 0, whether worked or not and whatever the hour; a clock is due at the close (24:00
in Asia/Shanghai) of its last day, and a fact is in time if it happened *before* that moment. All terms are
sets: in which order they came to be does not matter, and changing one never loses another.

A pause takes whole days away: the day on which it begins and every day up to the day before it ends are not
counted, the day on which it ends is. While a pause is open the clock has no due date. A pause that begins
after the due day changes nothing. No clock falls due on a paused day.

A date that somebody set, the clock's own or that of an extension, may become a rest day by a later release. By the
rulebook's column ``rest_day`` it then means the next working day; the date as it was set stays visible.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeAlias

from shared.calendar import LAST_YEAR, Calendar, check_has_an_end, weekday_name
from shared.calendar.period import period_of
from shared.domain.clock import SHANGHAI, close_of, local_day
from shared.domain.refusal import Refusal
from shared.rulebook import PAUSABLE_UNITS, Rule

Verdict: TypeAlias = Literal["in_time", "late", "open", "overdue"]
"""What a clock came to: stopped in time or late; not stopped and not yet due, or past due."""

_DAY = timedelta(days=1)


class ClockNotPausable(Refusal):
    """“{name_zh}”时限不得暂停
    The clock "{name_en}" never pauses
    """

    status = 409
    field = "pauses"


class ClockNotExtendable(Refusal):
    """“{name_zh}”以分钟计，不得延期
    The clock "{name_en}" runs in minutes and is never put off
    """

    status = 409
    field = "extensions"


class OwnDateNeeded(Refusal):
    """“{name_zh}”须单独确定期限
    The clock "{name_en}" needs a date of its own
    """

    status = 422
    field = "own_date"


class OwnDateNotAllowed(Refusal):
    """“{name_zh}”的期限由规则手册确定，不能另定日期
    The rulebook sets the date of the clock "{name_en}"; it cannot have one of its own
    """

    status = 422
    field = "own_date"


class MomentNeeded(Refusal):
    """“{name_zh}”以分钟计，须写明开始的时刻
    The clock "{name_en}" runs in minutes and needs the moment at which it started
    """

    status = 422
    field = "start"


class MomentWithoutZone(Refusal):
    """时刻{moment}没有写明时区
    The moment {moment} does not say in which time zone it is
    """

    status = 422
    field = "start"


class PauseEndsBeforeItBegins(Refusal):
    """暂停结束的时间 {until} 早于开始的时间 {since}
    The pause ends at {until}, before it begins at {since}
    """

    status = 422
    field = "pauses"


class ExtensionNeedsOneTerm(Refusal):
    """延期须写明新的日期，或延长的工作日数（正数），二者取一
    An extension states either a new date or a positive number of working days, and not both
    """

    status = 422
    field = "extensions"


def day_of(moment: date | datetime) -> date:
    """The day in Asia/Shanghai of a day or of an aware moment. Raises ``MomentWithoutZone`` for a naive one."""
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise MomentWithoutZone(moment=f"{moment:%Y-%m-%d %H:%M}")
    return local_day(moment)


@dataclass(frozen=True)
class Pause:
    """A clock stood still from the day of ``since`` up to, but not on, the day of ``until``; open while
    that is None.

    Raises ``PauseEndsBeforeItBegins`` and ``MomentWithoutZone``.
    """

    since: date | datetime
    until: date | datetime | None = None

    def __post_init__(self) -> None:
        if self.until is None:
            day_of(self.since)
        elif day_of(self.until) < day_of(self.since):
            raise PauseEndsBeforeItBegins(since=self.since, until=self.until)

    @property
    def first(self) -> date:
        """The first day that does not count."""
        return day_of(self.since)

    @property
    def resumed(self) -> date | None:
        """The first day that counts again."""
        return None if self.until is None else day_of(self.until)


@dataclass(frozen=True)
class Extension:
    """A due date put off: by a number of working days, or to a date.

    Working days add up. Of several dates the latest holds, and it never brings a due date forward. A date
    stands as it was granted, whatever was paused before; give ``granted``, the day of the decision, and
    pauses from that day on push it further as well. Raises ``ExtensionNeedsOneTerm``.
    """

    working_days: int | None = None
    to: date | None = None
    granted: date | None = None

    def __post_init__(self) -> None:
        if (self.working_days is None) == (self.to is None):
            raise ExtensionNeedsOneTerm()
        if self.working_days is not None and self.working_days < 1:
            raise ExtensionNeedsOneTerm()


@dataclass(frozen=True)
class CountedDay:
    """One day on the way to a due date.

    ``number`` is which counted day it is. ``why`` is the word of ``DayNote.why``, or ``paused`` for a
    working day that fell into a pause; ``reason_zh`` and ``reason_en`` say it in words, with the notice it
    stands on.
    """

    day: date
    counted: bool
    number: int | None
    why: str
    notice: str | None
    reason_zh: str = field(repr=False)
    reason_en: str = field(repr=False)

    def describe(self, language: str) -> str:
        """The reason in words, ``"zh"`` or ``"en"``."""
        return self.reason_zh if language == "zh" else self.reason_en


@dataclass(frozen=True)
class _Span:
    """Merged pauses: no day from ``first`` up to the day before ``resumed`` counts."""

    first: date
    resumed: date | None

    def holds(self, day: date) -> bool:
        return self.first <= day and (self.resumed is None or day < self.resumed)


@dataclass(frozen=True)
class _Reckoned:
    original: date
    due: date | None
    moment: datetime | None
    """The exact moment, for a clock in minutes."""
    clipped: bool
    """Whether the cap took part of an extension back."""


@dataclass(frozen=True)
class Due:
    """A due date with every term it follows from, able to explain itself.

    ``due_on`` and ``due_at`` are ``None`` while ``paused``. ``due_at`` is the first moment that is too
    late: the close of ``due_on`` in Asia/Shanghai, or start and minutes. ``original_on`` is the due date
    without pauses and extensions. ``provisional`` says that a day that it depends on lies in a year not
    announced yet.
    """

    rule: Rule = field(repr=False)
    calendar: Calendar = field(repr=False)
    start: date | datetime
    due_on: date | None
    due_at: datetime | None
    original_on: date
    provisional: bool
    paused: bool
    clipped: bool
    rulebook_version: int
    pauses: tuple[Pause, ...]
    extensions: tuple[Extension, ...]

    @property
    def rule_id(self) -> str:
        """The rule's id in the rulebook."""
        return self.rule.id

    @property
    def calendar_version(self) -> int:
        """The version of the calendar it was reckoned with."""
        return self.calendar.version

    @property
    def moved(self) -> tuple[tuple[date, date], ...]:
        """The dates that were set and are rest days, each with the working day that it means."""
        if not self.rule.moves_off_rest_days:
            return ()
        dates = [
            self.original_on,
            *(extension.to for extension in self.extensions if extension.to is not None),
        ]
        meant = [(day, self.calendar.roll_forward(day)) for day in dict.fromkeys(dates)]
        return tuple((day, to) for day, to in meant if day != to)

    @cached_property
    def days(self) -> tuple[CountedDay, ...]:
        """Each day from the day after receipt to the due day; while paused, to the day the open pause began.

        Made when first asked for, and not beyond the years of which a calendar can tell. Empty for a clock in minutes.
        A project service day is told from the 1st of its month, because that is where the looking for a working day
        began.
        """
        if self.rule.unit == "minute":
            return ()
        spans = _merge(self.pauses)
        last = self.due_on or next(span.first for span in spans if span.resumed is None)
        day = day_of(self.start)
        day = day.replace(day=1) if self.rule.unit == "month_first_working_day" else day + _DAY
        days: list[CountedDay] = []
        number = 0
        for ordinal in range(day.toordinal(), min(last, date(LAST_YEAR, 12, 31)).toordinal() + 1):
            day = date.fromordinal(ordinal)
            note = self.calendar.day(day)
            if note.working and any(span.holds(day) for span in spans):
                days.append(CountedDay(day, False, None, "paused", None, "时限暂停", "clock paused"))
            else:
                number += note.working
                days.append(
                    CountedDay(
                        day,
                        note.working,
                        number if note.working else None,
                        note.why,
                        note.notice,
                        note.describe("zh"),
                        note.describe("en"),
                    )
                )
        return tuple(days)

    def explain(self, language: str) -> list[str]:
        """The due date told line by line, ``"zh"`` or ``"en"``: receipt, each day, pauses, extensions, versions."""
        return _explain_zh(self) if language == "zh" else _explain_en(self)

    def to_json(self) -> dict[str, Any]:
        """The due date as plain values. Dates are ISO; moments (clocks in minutes) are ISO with ``+08:00``."""
        due: str | None = None
        if self.rule.unit == "minute" and self.due_at is not None:
            due = self.due_at.isoformat()
        elif self.due_on is not None:
            due = self.due_on.isoformat()
        return {
            "rule": self.rule_id,
            "start": _iso(self.start),
            "due": due,
            "provisional": self.provisional,
            "days": [
                {"date": day.day.isoformat(), "counted": day.counted, "why": day.why, "notice": day.notice}
                for day in self.days
            ],
            "original": self.original_on.isoformat(),
            "paused": self.paused,
            "clipped": self.clipped,
            "pauses": [
                {
                    "since": pause.first.isoformat(),
                    "until": None if pause.resumed is None else pause.resumed.isoformat(),
                }
                for pause in self.pauses
            ],
            "extensions": [
                {"working_days": extension.working_days}
                if extension.to is None
                else {
                    "to": extension.to.isoformat(),
                    "granted": None if extension.granted is None else extension.granted.isoformat(),
                }
                for extension in self.extensions
            ],
            "rulebook_version": self.rulebook_version,
            "calendar_version": self.calendar_version,
        }


def due(
    rule: Rule,
    calendar: Calendar,
    start: date | datetime,
    *,
    own_date: date | None = None,
    pauses: Sequence[Pause] = (),
    extensions: Sequence[Extension] = (),
    rulebook_version: int,
) -> Due:
    """The due date of a clock that started at ``start``, with what it takes to explain it.

    ``own_date`` is for rules of unit ``own_date`` only: the task's or the round's date. A rule with a
    length goes without one and then counts that many working days. A cap counts working days from the start
    that were not paused; an extension beyond it is cut back to it.

    Raises ``ClockNotPausable``, ``ClockNotExtendable``, ``OwnDateNeeded``, ``OwnDateNotAllowed``,
    ``MomentNeeded`` and ``MomentWithoutZone``.
    """
    reckoned = _reckon(rule, calendar, start, own_date, pauses, extensions)
    if reckoned.moment is not None:
        due_at: datetime | None = reckoned.moment
    else:
        due_at = None if reckoned.due is None else close_of(reckoned.due)
    return Due(
        rule=rule,
        calendar=calendar,
        start=start,
        due_on=reckoned.due,
        due_at=due_at,
        original_on=reckoned.original,
        provisional=_is_provisional(rule, calendar, day_of(start), reckoned, bool(extensions)),
        paused=reckoned.due is None,
        clipped=reckoned.clipped,
        rulebook_version=rulebook_version,
        # In one order whatever the order they came in, so that equal terms make equal due dates.
        pauses=tuple(sorted(pauses, key=lambda pause: (pause.first, pause.resumed or date.max))),
        extensions=tuple(sorted(extensions, key=_extension_order)),
    )


def what_if(
    rule: Rule, calendar: Calendar, start: date | datetime, own_date: date | None, *, rulebook_version: int
) -> Due:
    """``due`` of a clock that might have started then, for whoever asks. Raises ``NoDateInPeriod`` as well."""
    if own_date is not None:
        check_has_an_end(own_date, "own_date")
    return due(rule, calendar, start, own_date=own_date, rulebook_version=rulebook_version)


def due_on(
    rule: Rule,
    calendar: Calendar,
    start: date | datetime,
    *,
    own_date: date | None = None,
    pauses: Sequence[Pause] = (),
    extensions: Sequence[Extension] = (),
) -> date | None:
    """Only the due day of ``due``, for many clocks at once; ``None`` while paused. Raises what ``due`` raises."""
    return _reckon(rule, calendar, start, own_date, pauses, extensions).due


def warning_points(rule: Rule, calendar: Calendar, start_day: date, due_on: date) -> tuple[date, ...]:
    """The days, in order, on whose morning the yellow notice of an approaching due date goes out.

    ``50%`` of a clock of N working days is the morning after that share of them, rounded down, has passed,
    at the latest the last working morning. ``2wd`` is the working day two before the due day, ``0wd`` the
    last working morning itself. A point on or before the day of receipt is left out, except for the project
    service day, which is known before its month begins.
    """
    count = calendar.working_days_between(start_day, due_on)
    last = calendar.last_working_day_on_or_before(due_on)
    points: set[date] = set()
    for warning in rule.warnings:
        if warning.percent is not None:
            if count:
                elapsed = min(count * warning.percent // 100, count - 1)
                points.add(calendar.working_days_after(start_day, elapsed + 1))
        else:
            day = last
            for _ in range(warning.working_days or 0):
                day = calendar.last_working_day_on_or_before(day - _DAY)
            if day > start_day or rule.unit == "month_first_working_day":
                points.add(day)
    return tuple(sorted(points))


def verdict(due_at: datetime | None, stopped_at: datetime | None, now: datetime) -> Verdict:
    """How a clock stands at ``now``: derived, never stored.

    In time is what happened before ``due_at``; the moment itself is too late. A paused clock (``due_at``
    ``None``) is open, and in time if it was stopped.
    """
    if stopped_at is not None:
        return "in_time" if due_at is None or stopped_at < due_at else "late"
    return "open" if due_at is None or now < due_at else "overdue"


def _reckon(
    rule: Rule,
    calendar: Calendar,
    start: date | datetime,
    own_date: date | None,
    pauses: Sequence[Pause],
    extensions: Sequence[Extension],
) -> _Reckoned:
    if own_date is not None and rule.unit != "own_date":
        raise OwnDateNotAllowed(name_zh=rule.name_zh, name_en=rule.name_en)
    if pauses and not (rule.pausable and rule.unit in PAUSABLE_UNITS):
        raise ClockNotPausable(name_zh=rule.name_zh, name_en=rule.name_en)
    if rule.unit == "minute":
        return _reckon_minutes(rule, start, extensions)
    start_day = day_of(start)
    original = _original(rule, calendar, start_day, own_date)
    meant = _meant(rule, calendar, original)
    if not pauses and not extensions:
        return _Reckoned(original, meant, None, False)

    spans = _merge(pauses)
    more = sum(extension.working_days or 0 for extension in extensions)
    candidates = [_past_pauses(calendar, spans, start_day, calendar.working_days_after(meant, more))]
    for extension in extensions:
        if extension.to is None:
            continue
        to = _meant(rule, calendar, extension.to)
        if extension.granted is None:
            candidates.append(_out_of_pause(calendar, spans, to))
        else:
            candidates.append(_past_pauses(calendar, spans, max(extension.granted - _DAY, start_day), to))
    reached = _latest(candidates)
    # The latest candidate may be a date beyond the pause that holds another one up.
    reached = None if reached is None else _out_of_pause(calendar, spans, reached)
    if rule.cap is not None and extensions:
        capped = _past_pauses(calendar, spans, start_day, calendar.working_days_after(start_day, rule.cap))
        if capped is not None and (reached is None or reached > capped):
            return _Reckoned(original, capped, None, True)
    return _Reckoned(original, reached, None, False)


def _meant(rule: Rule, calendar: Calendar, day: date) -> date:
    """The due day that a date means which somebody set."""
    return calendar.roll_forward(day) if rule.moves_off_rest_days else day


def _reckon_minutes(rule: Rule, start: date | datetime, extensions: Sequence[Extension]) -> _Reckoned:
    if not isinstance(start, datetime):
        raise MomentNeeded(name_zh=rule.name_zh, name_en=rule.name_en)
    if extensions:
        raise ClockNotExtendable(name_zh=rule.name_zh, name_en=rule.name_en)
    day_of(start)
    moment = (start.astimezone(UTC) + timedelta(minutes=rule.length or 0)).astimezone(SHANGHAI)
    return _Reckoned(moment.date(), moment.date(), moment, False)


def _original(rule: Rule, calendar: Calendar, start: date, own_date: date | None) -> date:
    """The due day that the rule alone gives."""
    match rule.unit:
        case "working_day":
            return calendar.working_days_after(start, rule.length or 0)
        case "own_date":
            if own_date is not None:
                return own_date
            if rule.length is None:
                raise OwnDateNeeded(name_zh=rule.name_zh, name_en=rule.name_en)
            return calendar.working_days_after(start, rule.length)
        case "half_month":
            return calendar.roll_forward(period_of(rule.unit, start).last)
        case "month" | "quarter" | "year":
            return period_of(rule.unit, start).last
        case "month_first_working_day":
            return calendar.first_working_day_of_month(start.year, start.month)
        case "minute":
            raise AssertionError("minutes are reckoned from a moment, not from a day")


def _merge(pauses: Sequence[Pause]) -> tuple[_Span, ...]:
    """The pauses as spans that neither touch nor overlap, in order; only the last can be open."""
    spans: list[_Span] = []
    for first, resumed in sorted(
        ((pause.first, pause.resumed) for pause in pauses), key=lambda pair: (pair[0], pair[1] or date.max)
    ):
        if resumed == first:
            continue
        if spans and (spans[-1].resumed is None or first <= spans[-1].resumed):
            before = spans.pop()
            ends = None if before.resumed is None or resumed is None else max(before.resumed, resumed)
            spans.append(_Span(before.first, ends))
        else:
            spans.append(_Span(first, resumed))
    return tuple(spans)


def _past_pauses(calendar: Calendar, spans: Sequence[_Span], anchor: date, target: date) -> date | None:
    """``target``, later by every working day after ``anchor`` that a pause took; ``None`` if an open pause
    holds it.

    A pause that has not begun by the day reached so far takes nothing.
    """
    reached = target
    for span in spans:
        if span.first > reached:
            break
        if span.resumed is None:
            return None
        lost = calendar.working_days_between(max(span.first - _DAY, anchor), span.resumed - _DAY)
        reached = calendar.working_days_after(reached, lost)
        # A date of its own may be a rest day, from which the lost days do not lead out of the pause.
        if span.holds(reached):
            reached = calendar.roll_forward(span.resumed)
    return reached


def _out_of_pause(calendar: Calendar, spans: Sequence[_Span], day: date) -> date | None:
    """``day``, or the first working day after the pauses it falls into; ``None`` if an open pause began by then."""
    for span in spans:
        if span.first > day:
            break
        if span.resumed is None:
            return None
        if span.holds(day):
            day = calendar.roll_forward(span.resumed)
    return day


def _latest(days: Sequence[date | None]) -> date | None:
    known = [day for day in days if day is not None]
    return max(known) if len(known) == len(days) else None


def _is_provisional(rule: Rule, calendar: Calendar, start: date, reckoned: _Reckoned, extended: bool) -> bool:
    last = reckoned.due or reckoned.original
    match rule.unit:
        case "minute":
            return False
        case "month" | "quarter" | "year":
            # The last day of a period is the same whatever is announced, unless working days were added to
            # it.
            return extended and not calendar.is_known(last)
        case "own_date" if last == _meant(rule, calendar, reckoned.original) and rule.length is None:
            # It depends on no day before the date that was set; whether that is a working day is still open.
            return not calendar.all_known(min(reckoned.original, last), last)
        case "month_first_working_day":
            first = start.replace(day=1)
        case _:
            first = start + _DAY
    return not calendar.all_known(min(first, last), last)


def _extension_order(extension: Extension) -> tuple[int, date, date]:
    return (extension.working_days or 0, extension.to or date.min, extension.granted or date.min)


def _iso(moment: date | datetime) -> str:
    return moment.astimezone(SHANGHAI).isoformat() if isinstance(moment, datetime) else moment.isoformat()


def _said(moment: date | datetime, language: str) -> str:
    """A day with its weekday, and the hour if there is one, in Asia/Shanghai."""
    day = day_of(moment)
    hour = f" {moment.astimezone(SHANGHAI):%H:%M}" if isinstance(moment, datetime) else ""
    weekday = weekday_name(day, language)
    return (
        f"{day.isoformat()}{hour}（{weekday}）"
        if language == "zh"
        else f"{day.isoformat()}{hour} ({weekday})"
    )


def _explain_zh(due: Due) -> list[str]:
    rule = due.rule
    if rule.unit == "minute" and due.due_at is not None:
        return [
            f"{rule.name_zh}：{_said(due.start, 'zh')}起{rule.length}分钟，不分昼夜和休息日",
            f"截止：{_said(due.due_at, 'zh')}（北京时间）之前",
            f"规则手册第{due.rulebook_version}版",
        ]
    lines = [f"{rule.name_zh}：{_said(due.start, 'zh')}收到或开始，当日为第0日"]
    for day in due.days:
        counted = f"第{day.number}个工作日" if day.counted else "不计"
        lines.append(f"{_said(day.day, 'zh')}：{counted}，{day.describe('zh')}")
    for pause in due.pauses:
        until = f"{pause.resumed.isoformat()}恢复（当日计入）" if pause.resumed else "尚未恢复"
        lines.append(f"暂停：{pause.first.isoformat()}起不计，{until}")
    for extension in due.extensions:
        if extension.to is None:
            lines.append(f"延期：{extension.working_days}个工作日")
        else:
            granted = f"（{extension.granted.isoformat()}批准）" if extension.granted else ""
            lines.append(f"延期：至{extension.to.isoformat()}{granted}")
    lines += [f"{_said(day, 'zh')}是休息日，顺延至{_said(to, 'zh')}" for day, to in due.moved]
    if due.clipped:
        lines.append(f"延期超过上限，按上限{rule.cap}个工作日计")
    if due.due_on is None:
        lines.append(f"时限暂停中，恢复后方有截止日；原截止日{_said(due.original_on, 'zh')}")
    else:
        lines.append(f"截止：{_said(due.due_on, 'zh')}24:00（北京时间）")
        if due.due_on != due.original_on:
            lines.append(f"原截止日：{_said(due.original_on, 'zh')}")
    if due.provisional:
        lines.append("暂定：涉及的年份尚未公布放假安排，公布后重新计算")
    lines.append(f"规则手册第{due.rulebook_version}版，日历第{due.calendar_version}版")
    return lines


def _explain_en(due: Due) -> list[str]:
    rule = due.rule
    if rule.unit == "minute" and due.due_at is not None:
        return [
            f"{rule.name_en}: {rule.length} minutes from {_said(due.start, 'en')}, day and night",
            f"Due: before {_said(due.due_at, 'en')}, Beijing time",
            f"Rulebook version {due.rulebook_version}",
        ]
    lines = [f"{rule.name_en}: received or begun {_said(due.start, 'en')}, which is day 0"]
    for day in due.days:
        counted = f"working day {day.number}" if day.counted else "not counted"
        lines.append(f"{_said(day.day, 'en')}: {counted}, {day.describe('en')}")
    for pause in due.pauses:
        until = f"resumed {pause.resumed.isoformat()}, which counts" if pause.resumed else "not yet resumed"
        lines.append(f"Paused: from {pause.first.isoformat()}, {until}")
    for extension in due.extensions:
        if extension.to is None:
            lines.append(f"Extended: by {extension.working_days} working days")
        else:
            granted = f", granted {extension.granted.isoformat()}" if extension.granted else ""
            lines.append(f"Extended: to {extension.to.isoformat()}{granted}")
    lines += [
        f"{_said(day, 'en')} is a rest day: due on the next working day, {_said(to, 'en')}"
        for day, to in due.moved
    ]
    if due.clipped:
        lines.append(f"The extension goes beyond the cap and is cut back to {rule.cap} working days")
    if due.due_on is None:
        lines.append(f"Paused: no due date until it is resumed; originally {_said(due.original_on, 'en')}")
    else:
        lines.append(f"Due: {_said(due.due_on, 'en')} 24:00, Beijing time")
        if due.due_on != due.original_on:
            lines.append(f"Originally due: {_said(due.original_on, 'en')}")
    if due.provisional:
        lines.append("Provisional: a year it reaches is not announced yet; it is reckoned again once it is")
    lines.append(f"Rulebook version {due.rulebook_version}, calendar version {due.calendar_version}")
    return lines
