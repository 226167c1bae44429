"""A figure: numerator, denominator, what is left out and why, as of when. Its parts add up, or it is not published."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from shared.domain.refusal import Refusal

MINIMUM_N = 5
"""Below this denominator only the counts are shown: no percentage and no ranking (measures C, small denominators)."""

Counted: TypeAlias = bool | str
"""What one thing in scope adds: in the numerator or not, or the reason why it is excluded."""


class PartsDoNotAddUp(Refusal):
    """{table} 不能公布：“{figure}”分项之和为 {parts}，合计为 {total}。
    {table} is not published: the parts of "{figure}" make {parts}, the total says {total}."""

    status = 409


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
class Figure:
    """One ratio, published with its parts; ``unit``: of one unit, or of all."""

    id: str
    numerator: int
    denominator: int
    exclusions: tuple[tuple[str, int], ...]
    """How many are left out, by reason."""
    unit: str | None = None

    @classmethod
    def of(cls, id: str, counted: Iterable[Counted], unit: str | None = None) -> "Figure":  # noqa: A002
        """What these things make."""
        found = Counter(counted)
        reasons = sorted(reason for reason in found if isinstance(reason, str))
        excluded = tuple((reason, found[reason]) for reason in reasons)
        return cls(id, found[True], found[True] + found[False], excluded, unit)

    @property
    def total(self) -> int:
        """All in scope: counted and excluded."""
        return self.denominator + sum(count for _, count in self.exclusions)

    @property
    def value(self) -> float | None:
        """The share, rounded to four places; None below MINIMUM_N."""
        if self.denominator < MINIMUM_N:
            return None
        return round(self.numerator / self.denominator, 4)

    def excluded(self, *reasons: str) -> int:
        """How many are left out for these reasons."""
        return sum(count for reason, count in self.exclusions if reason in reasons)

    @property
    def counts(self) -> dict[str, int]:
        """Every number by its name."""
        counts = {"numerator": self.numerator, "denominator": self.denominator, "total": self.total}
        return counts | dict(self.exclusions)


def must_add_up(table: str, total: Mapping[str, int], parts: Iterable[Mapping[str, int]]) -> None:
    """Every figure of ``total`` is the sum of that figure in the ``parts``. Raises PartsDoNotAddUp."""
    rows = list(parts)
    for figure, value in total.items():
        found = sum(row.get(figure, 0) for row in rows)
        if found != value:
            raise PartsDoNotAddUp(table=table, figure=figure, parts=found, total=value)


def asked_as_of(as_of: datetime | None, *, since: date, until: date, now: datetime) -> datetime:
    """The moment as of which a period is counted (default: now). Raises PeriodEndsBeforeItBegins, AsOfInTheFuture."""
    if until < since:
        raise PeriodEndsBeforeItBegins(since=since, until=until)
    if as_of is not None and as_of > now:
        raise AsOfInTheFuture(as_of=as_of)
    return as_of or now
