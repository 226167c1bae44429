"""The six rates of measure 13 (measures.md A13 and D): a pure function of whistles and of their clocks.

A rate speaks of what is in its scope, whose number is ``total``; each is either counted (``denominator``) or
excluded for one named reason, so that ``total = denominator + exclusions`` always. Only what was *recorded* by
``as_of`` is known: the same as-of gives the same figures for ever.

* ``contacted``, ``resolved_or_confirmed``, ``resolved``: the clocks due in the period, counted from what supervision
  tells of them by the one rule of shared/figures/clocks.py.
* ``solved``: ended in the period. In the numerator: rated as solved by the enterprise, in its last rating.
* ``satisfied``: rated, or closed unrated, in the period; ``unrated`` is excluded, it is neither satisfied nor not.
  A whistle counts once, with its last rating within the period.
* ``rework``: resolved for the first time in the period. In the numerator: sent back at least once.

The last three leave out withdrawn and merged whistles; what a second reviewer closed as not feasible counts as not
solved. Periods are whole days in Asia/Shanghai.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from services.enterprise.domain.whistle.state import Moment
from shared.domain.case_id import case_id
from shared.domain.clock import local_day
from shared.figures.clocks import CountedClock
from shared.figures.figure import MINIMUM_N, Counted, Figure, must_add_up

RateId: TypeAlias = Literal["contacted", "resolved_or_confirmed", "resolved", "solved", "satisfied", "rework"]
RATES: tuple[RateId, ...] = (
    "contacted",
    "resolved_or_confirmed",
    "resolved",
    "solved",
    "satisfied",
    "rework",
)

OF_CLOCKS: dict[str, RateId] = {
    "contact": "contacted",
    "resolve_or_confirm": "resolved_or_confirmed",
    "hard_limit": "resolved",
}
"""The rates that supervision's clocks give."""


@dataclass(frozen=True)
class Record:
    """A whistle as the rates see it: its blowing and its history, in the order of the log."""

    id: str
    blown_at: datetime
    recorded_at: datetime
    desk_unit: str
    history: tuple[Moment, ...]


@dataclass(frozen=True)
class Rates:
    """The six rates of a period, in all and by unit."""

    since: date
    until: date
    as_of: datetime
    rates: tuple[Figure, ...]
    units: tuple[tuple[str, tuple[Figure, ...]], ...]

    def must_add_up(self) -> None:
        """The units' figures make the whole. Raises PartsDoNotAddUp."""
        for place, rate in enumerate(self.rates):
            must_add_up(f"六项指标 {rate.id}", rate.counts, [rates[place].counts for _, rates in self.units])

    def plain(self) -> dict[str, Any]:
        """The figures as plain values, each rate with its as-of. Raises PartsDoNotAddUp."""
        self.must_add_up()

        def shown(rates: Sequence[Figure]) -> list[dict[str, Any]]:
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


class Line(NamedTuple):
    """One whistle in the scope of one rate, the unit with which it is counted, and what it adds."""

    rate: RateId
    unit: str
    counted: Counted
    whistle: str
    clock: CountedClock | None = None


@dataclass(frozen=True)
class _Standing:
    """What was known about a whistle at ``as_of``."""

    record: Record
    history: tuple[Moment, ...]
    since: date
    until: date

    def in_period(self, moment: datetime) -> bool:
        return self.since <= local_day(moment) <= self.until

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

    def of_clock(self, clock: CountedClock) -> Counted:
        """As the clock is counted, with the whistle's own word for why it was cancelled."""
        if clock.counted != "cancelled":
            return clock.counted
        not_feasible = self.end is not None and self.end.detail == "not_feasible"
        return self.set_aside or ("not_feasible" if not_feasible else "cancelled")

    def solved(self) -> Counted | None:
        if self.end is None or not self.in_period(self.end.happened_at):
            return None
        if self.set_aside:
            return self.set_aside
        last = next((step for step in reversed(self.history) if step.kind == "rated"), None)
        return self.end.detail == "rated" and last is not None and "solved" in last.detail.split()

    def satisfied(self) -> Counted | None:
        rated = [step for step in self.history if step.kind == "rated" and self.in_period(step.happened_at)]
        end = self.end
        unrated = end is not None and end.detail == "unrated" and self.in_period(end.happened_at)
        if not rated and not unrated:
            return None
        if self.set_aside:
            return self.set_aside
        return "unrated" if unrated else "satisfied" in rated[-1].detail.split()

    def rework(self) -> Counted | None:
        resolved = min((step.happened_at for step in self.history if step.kind == "resolved"), default=None)
        if resolved is None or not self.in_period(resolved):
            return None
        return self.set_aside or any(step.kind == "rework" for step in self.history)


_OF_WHISTLES: dict[RateId, Callable[[_Standing], Counted | None]] = {
    "solved": _Standing.solved,
    "satisfied": _Standing.satisfied,
    "rework": _Standing.rework,
}


def lines_of(
    whistles: Iterable[Record],
    clocks: Iterable[CountedClock],
    *,
    since: date,
    until: date,
    as_of: datetime,
) -> list[Line]:
    """Every whistle in the scope of every rate of the days from ``since`` to ``until``, as known at ``as_of``."""
    lines, cases = [], {}
    for record in whistles:
        if record.recorded_at > as_of:
            continue
        history = tuple(step for step in record.history if step.recorded_at <= as_of)
        standing = _Standing(record, history, since, until)
        cases[str(case_id("whistle", UUID(record.id)))] = standing
        for rate, judge in _OF_WHISTLES.items():
            counted = judge(standing)
            if counted is not None:
                lines.append(Line(rate, standing.unit, counted, record.id))
    for clock in clocks:
        if (of := cases.get(clock.case_id)) is not None:
            lines.append(Line(OF_CLOCKS[clock.clock], clock.unit, of.of_clock(clock), of.record.id, clock))
    return lines


def six_rates(lines: Sequence[Line], *, since: date, until: date, as_of: datetime) -> Rates:
    """The six rates that these lines make."""
    units = sorted({line.unit for line in lines})
    return Rates(
        since=since,
        until=until,
        as_of=as_of,
        rates=_figures(lines),
        units=tuple((unit, _figures([line for line in lines if line.unit == unit])) for unit in units),
    )


def _figures(lines: Sequence[Line]) -> tuple[Figure, ...]:
    return tuple(Figure.of(rate, (line.counted for line in lines if line.rate == rate)) for rate in RATES)
