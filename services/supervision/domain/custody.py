"""Who answers for a miss: a pure function of who had the matter when (domain.md §3 custody).

Who holds it at the miss answers for it, unless it came to them with less than the rule's fair share of the clock's
working days left (``fair_share``, rounded up to a working day); then who held it longest. A leader who has to decide
who gets it answers for it in any case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from services.supervision.domain.stay import Stay
from shared.calendar.due import Due
from shared.domain.clock import local_day
from shared.events.supervision import CustodyRole


@dataclass(frozen=True)
class Held:
    """One unit's part of a clock: its working days, and how long it held the matter in all."""

    unit: str
    days: tuple[date, ...]
    """The clock's working days that it had: the day on which it came is not among them."""
    time: timedelta


@dataclass(frozen=True)
class Charge:
    """Who answers for a miss, and why."""

    unit: str
    holder: str
    """Who had it at the miss."""
    left: int
    """The clock's working days that were left when it came to the holder."""
    needed: int
    """How many should have been left, for the holder to answer for it."""
    decides: bool
    """Whether the holder is the leader who has to decide who gets it."""
    held: tuple[Held, ...]

    def explain(self, language: str) -> list[str]:
        """Who had it on which working days, and who answers for it, ``"zh"`` or ``"en"``."""
        chinese = language == "zh"
        lines = []
        for one in self.held:
            days = ("、" if chinese else ", ").join(day.isoformat() for day in one.days)
            lines.append(
                f"{one.unit}：经手{len(one.days)}个工作日" + (f"（{days}）" if days else "")
                if chinese
                else f"{one.unit}: {len(one.days)} working days" + (f" ({days})" if days else "")
            )
        return [*lines, self._ground_zh() if chinese else self._ground_en()]

    def _ground_zh(self) -> str:
        if self.decides:
            return f"超时时由{self.unit}决定承办单位，由其负责"
        if self.unit == self.holder:
            return (
                f"超时时由{self.unit}经手，接手时剩余{self.left}个工作日（至少应有{self.needed}个），由其负责"
            )
        return (
            f"超时时由{self.holder}经手，但接手时只剩{self.left}个工作日（至少应有{self.needed}个），"
            f"由经手最久的{self.unit}负责"
        )

    def _ground_en(self) -> str:
        if self.decides:
            return f"{self.unit} had to decide who gets it when it was missed, and answers for it"
        if self.unit == self.holder:
            return (
                f"{self.unit} had it when it was missed, with {self.left} working days left when it came "
                f"(at least {self.needed} are fair), and answers for it"
            )
        return (
            f"{self.holder} had it when it was missed, but only {self.left} working days were left when it came "
            f"(at least {self.needed} are fair): {self.unit}, which had it longest, answers for it"
        )


def charge(stays: Sequence[Stay], due: Due, due_at: datetime, started_at: datetime) -> Charge:
    """Who answers for the miss of a clock that started at ``started_at`` and was due by ``due_at``.

    ``due`` tells its working days. Whoever has the matter several times in a row has it once.
    """
    spans = _spans(stays, started_at, due_at)
    days = [day.day for day in due.days if day.counted]
    needed = -(-len(days) * due.rule.fair_share // 100)
    last = spans[-1]
    came = local_day(last.since)
    left = len(days) if last.since <= started_at else sum(day > came for day in days)
    held = _held(spans, days)
    longest = max(held, key=lambda one: (len(one.days), one.time))
    decides = last.role == "decides"
    fair = decides or left >= needed
    return Charge(
        unit=last.unit if fair else longest.unit,
        holder=last.unit,
        left=left,
        needed=needed,
        decides=decides,
        held=held,
    )


class _Span(NamedTuple):
    unit: str
    since: datetime
    until: datetime
    role: CustodyRole


def _spans(stays: Sequence[Stay], started_at: datetime, due_at: datetime) -> list[_Span]:
    """The stays as far as they lie before the due moment, those of one unit in a row as one."""
    spans: list[_Span] = []
    ordered = sorted(stays, key=lambda stay: stay.since)
    first = max((stay for stay in ordered if stay.since <= started_at), key=ordered.index, default=ordered[0])
    for stay in ordered[ordered.index(first) :]:
        since = max(stay.since, started_at)
        if spans and stay.since >= due_at:
            break
        if spans:
            spans[-1] = spans[-1]._replace(until=since)
        if spans and (spans[-1].unit, spans[-1].role) == (stay.unit, stay.role):
            spans[-1] = spans[-1]._replace(until=due_at)
        else:
            spans.append(_Span(stay.unit, since, due_at, stay.role))
    return spans


def _held(spans: Sequence[_Span], days: Sequence[date]) -> tuple[Held, ...]:
    """What each unit had of the clock, in the order in which they first had it."""
    found: dict[str, Held] = {}
    for span in spans:
        first, last = local_day(span.since), local_day(span.until - timedelta(microseconds=1))
        before = found.get(span.unit, Held(span.unit, (), timedelta(0)))
        own = tuple(day for day in days if first < day <= last)
        found[span.unit] = Held(span.unit, before.days + own, before.time + (span.until - span.since))
    return tuple(found.values())
