"""The six rates of measure 13 (measures.md A13 and D): a pure function of whistles, calendar and rulebook.

A rate speaks of the whistles in its scope, whose number is ``total``; each is either counted (``denominator``) or
excluded for one named reason, so that ``total = denominator + exclusions`` always. Only what was *recorded* by
``as_of`` is known: the same as-of gives the same figures for ever.

Scope and count, for a period of whole days in Asia/Shanghai:

* ``contacted``, ``resolved_or_confirmed``, ``resolved``: the clocks due in the period. In the numerator: stopped
  before the close of the due day. Open and not due by ``as_of``: excluded (``not_due``); open and past due: counted,
  as a failure.
* ``solved``: ended in the period. In the numerator: rated as solved by the enterprise, in its last rating.
* ``satisfied``: rated, or closed unrated, in the period; ``unrated`` is excluded, it is neither satisfied nor not.
  A whistle counts once, with its last rating within the period.
* ``rework``: resolved for the first time in the period. In the numerator: sent back at least once.

Withdrawn and merged whistles are excluded from all. What a second reviewer closed as not feasible before a clock
was due is excluded from that clock (``not_feasible``); in ``solved`` it counts, as not solved.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from services.enterprise.domain.clocks import clocks_of
from services.enterprise.domain.whistle.state import Moment
from shared.audit.tables import must_add_up
from shared.calendar import Calendar
from shared.domain.clock import close_of, local_day
from shared.domain.refusal import Refusal
from shared.rulebook import Rulebook

RateId: TypeAlias = Literal["contacted", "resolved_or_confirmed", "resolved", "solved", "satisfied", "rework"]
RATES: tuple[RateId, ...] = (
    "contacted",
    "resolved_or_confirmed",
    "resolved",
    "solved",
    "satisfied",
    "rework",
)

REASONS = ("merged", "not_due", "not_feasible", "unrated", "withdrawn")
"""Why a whistle in scope is not counted, in the order in which they are shown."""

MINIMUM_N = 5
"""Below this denominator only the counts are shown: no percentage and no ranking (measures C, small denominators)."""


class PeriodEndsBeforeItBegins(Refusal):
    """统计期的截止日 {until} 早于开始日 {since}。
    The period ends ({until}) before it begins ({since})."""

    status = 422
    field = "until"


class AsOfInTheFuture(Refusal):
    """统计时点 {as_of} 晚于现在，不能统计尚未发生的情况。
    The as-of, {as_of}, is later than now: what has not happened cannot be counted."""

    status = 422
    field = "as_of"


@dataclass(frozen=True)
class Record:
    """A whistle as the rates see it: its blowing and its history, in the order of the log."""

    id: str
    blown_at: datetime
    recorded_at: datetime
    desk_unit: str
    history: tuple[Moment, ...]


@dataclass(frozen=True)
class Rate:
    """One rate, published with its parts (domain.md §7)."""

    id: RateId
    numerator: int
    denominator: int
    exclusions: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """The whistles in scope: counted and excluded."""
        return self.denominator + sum(count for _, count in self.exclusions)

    @property
    def value(self) -> float | None:
        """The share, rounded to four places; None below MINIMUM_N."""
        if self.denominator < MINIMUM_N:
            return None
        return round(self.numerator / self.denominator, 4)


@dataclass(frozen=True)
class Rates:
    """The six rates of a period, in all and by the unit that has the whistle in hand at ``as_of``."""

    since: date
    until: date
    as_of: datetime
    rates: tuple[Rate, ...]
    units: tuple[tuple[str, tuple[Rate, ...]], ...]

    def must_add_up(self) -> None:
        """The units' figures make the whole. Raises PartsDoNotAddUp."""
        for place, rate in enumerate(self.rates):
            must_add_up(
                f"六项指标 {rate.id}", _figures(rate), [_figures(rates[place]) for _, rates in self.units]
            )

    def plain(self) -> dict[str, Any]:
        """The figures as plain values, each rate with its as-of. Raises PartsDoNotAddUp."""
        self.must_add_up()

        def shown(rates: Sequence[Rate]) -> list[dict[str, Any]]:
            return [
                {
                    "id": rate.id,
                    "numerator": rate.numerator,
                    "denominator": rate.denominator,
                    "total": rate.total,
                    "exclusions": [{"reason": reason, "count": count} for reason, count in rate.exclusions],
                    "value": rate.value,
                    "as_of": self.as_of,
                }
                for rate in rates
            ]

        return {
            "since": self.since,
            "until": self.until,
            "as_of": self.as_of,
            "minimum_n": MINIMUM_N,
            "rates": shown(self.rates),
            "units": [{"unit": unit, "rates": shown(rates)} for unit, rates in self.units],
        }


def _figures(rate: Rate) -> dict[str, int]:
    counts = {"numerator": rate.numerator, "denominator": rate.denominator, "total": rate.total}
    return counts | dict(rate.exclusions)


Verdict: TypeAlias = "bool | str | None"
"""In the numerator or not; the reason why it is not counted; or not in scope."""


@dataclass(frozen=True)
class _Standing:
    """What was known about a whistle at ``as_of``."""

    record: Record
    history: tuple[Moment, ...]
    since: date
    until: date
    as_of: datetime
    contact_due: date
    resolve_or_confirm_due: date
    hard_limit_due: date

    def first(self, *kinds: str) -> datetime | None:
        return min((step.happened_at for step in self.history if step.kind in kinds), default=None)

    def in_period(self, day: date) -> bool:
        return self.since <= day <= self.until

    @property
    def unit(self) -> str:
        """The lead, or the desk while nobody leads."""
        unit = self.record.desk_unit
        for step in self.history:
            if step.kind == "routed":
                unit = step.detail
            elif step.kind == "returned":
                unit = self.record.desk_unit
        return unit

    @property
    def set_aside(self) -> str | None:
        """``withdrawn`` or ``merged``, if it stands so."""
        merged = False
        for step in self.history:
            if step.kind == "withdrawn":
                return "withdrawn"
            if step.kind in ("merged", "unmerged"):
                merged = step.kind == "merged"
        return "merged" if merged else None

    @property
    def end(self) -> Moment | None:
        return next((step for step in self.history if step.kind in ("closed", "withdrawn")), None)

    def on_time(self, due_on: date, *stops: str) -> Verdict:
        if not self.in_period(due_on):
            return None
        if self.set_aside:
            return self.set_aside
        due_at = close_of(due_on)
        stopped = self.first(*stops)
        if stopped is not None and stopped < due_at:
            return True
        end = self.end
        if end is not None and end.detail == "not_feasible" and end.happened_at < due_at:
            return "not_feasible"
        return "not_due" if stopped is None and self.as_of < due_at else False

    def solved(self) -> Verdict:
        if self.end is None or not self.in_period(local_day(self.end.happened_at)):
            return None
        if self.set_aside:
            return self.set_aside
        last = next((step for step in reversed(self.history) if step.kind == "rated"), None)
        return self.end.detail == "rated" and last is not None and "solved" in last.detail.split()

    def satisfied(self) -> Verdict:
        rated = [
            step
            for step in self.history
            if step.kind == "rated" and self.in_period(local_day(step.happened_at))
        ]
        end = self.end
        unrated = end is not None and end.detail == "unrated" and self.in_period(local_day(end.happened_at))
        if not rated and not unrated:
            return None
        if self.set_aside:
            return self.set_aside
        return "unrated" if unrated else "satisfied" in rated[-1].detail.split()

    def rework(self) -> Verdict:
        resolved = self.first("resolved")
        if resolved is None or not self.in_period(local_day(resolved)):
            return None
        return self.set_aside or any(step.kind == "rework" for step in self.history)


_JUDGES: dict[RateId, Callable[[_Standing], Verdict]] = {
    "contacted": lambda whistle: whistle.on_time(whistle.contact_due, "contacted"),
    "resolved_or_confirmed": lambda whistle: whistle.on_time(
        whistle.resolve_or_confirm_due, "resolved", "confirmed"
    ),
    "resolved": lambda whistle: whistle.on_time(whistle.hard_limit_due, "resolved"),
    "solved": _Standing.solved,
    "satisfied": _Standing.satisfied,
    "rework": _Standing.rework,
}


def six_rates(
    whistles: Iterable[Record],
    *,
    since: date,
    until: date,
    as_of: datetime,
    rulebook: Rulebook,
    calendar: Calendar,
) -> Rates:
    """The six rates of the days from ``since`` to ``until``, both included, as known at ``as_of``.

    Raises PeriodEndsBeforeItBegins.
    """
    if until < since:
        raise PeriodEndsBeforeItBegins(since=since, until=until)
    standings = [
        _standing(record, since, until, as_of, rulebook, calendar)
        for record in whistles
        if record.recorded_at <= as_of
    ]
    by_unit: dict[str, list[_Standing]] = {}
    for standing in standings:
        by_unit.setdefault(standing.unit, []).append(standing)
    return Rates(
        since=since,
        until=until,
        as_of=as_of,
        rates=_count(standings),
        units=tuple((unit, _count(by_unit[unit])) for unit in sorted(by_unit)),
    )


def _standing(
    record: Record, since: date, until: date, as_of: datetime, rulebook: Rulebook, calendar: Calendar
) -> _Standing:
    clocks = clocks_of(rulebook, calendar, record.blown_at)
    return _Standing(
        record=record,
        history=tuple(step for step in record.history if step.recorded_at <= as_of),
        since=since,
        until=until,
        as_of=as_of,
        contact_due=clocks.contact_due,
        resolve_or_confirm_due=clocks.resolve_or_confirm_due,
        hard_limit_due=clocks.hard_limit_due,
    )


def _count(standings: Sequence[_Standing]) -> tuple[Rate, ...]:
    rates = []
    for rate_id, judge in _JUDGES.items():
        verdicts = [judge(standing) for standing in standings]
        excluded = [verdict for verdict in verdicts if isinstance(verdict, str)]
        counted = [verdict for verdict in verdicts if isinstance(verdict, bool)]
        rates.append(
            Rate(
                id=rate_id,
                numerator=sum(counted),
                denominator=len(counted),
                exclusions=tuple(
                    (reason, excluded.count(reason)) for reason in REASONS if reason in excluded
                ),
            )
        )
    return tuple(rates)
