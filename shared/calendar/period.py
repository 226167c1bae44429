"""Periods of the year (时段): half months, months, quarters and years, one after the other without a gap."""

import calendar as gregorian
from dataclasses import dataclass
from datetime import date, timedelta

from shared.rulebook import Unit


@dataclass(frozen=True)
class Period:
    """The days from ``first`` to ``last``."""

    first: date
    last: date

    @property
    def after(self) -> date:
        """The first day of the period that follows."""
        return self.last + timedelta(days=1)

    @property
    def name_zh(self) -> str:
        """What people call it: 2021年3月上半月, 2021年3月, 2021年第1季度, 2021年."""
        year, month = f"{self.first.year}年", f"{self.first.month}月"
        match (self.last - self.first).days:
            case days if days < 20:
                return f"{year}{month}{'上' if self.first.day == 1 else '下'}半月"
            case days if days < 31:
                return year + month
            case days if days < 100:
                return f"{year}第{self.last.month // 3}季度"
            case _:
                return year


def period_of(unit: Unit, day: date) -> Period:
    """The period of the rulebook's ``unit`` in which ``day`` lies. Raises ValueError for a unit without periods."""
    match unit:
        case "half_month" if day.day <= 15:
            return Period(day.replace(day=1), day.replace(day=15))
        case "half_month":
            return Period(day.replace(day=16), _month_end(day.year, day.month))
        case "month" | "month_first_working_day":
            return Period(day.replace(day=1), _month_end(day.year, day.month))
        case "quarter":
            last = (day.month + 2) // 3 * 3
            return Period(date(day.year, last - 2, 1), _month_end(day.year, last))
        case "year":
            return Period(date(day.year, 1, 1), date(day.year, 12, 31))
        case _:
            raise ValueError(f"{unit} is no period of the year")


def first_period(unit: Unit, day: date) -> Period:
    """The first period of the rulebook's ``unit`` that begins on ``day`` or later."""
    period = period_of(unit, day)
    return period if period.first == day else period_of(unit, period.after)


def _month_end(year: int, month: int) -> date:
    return date(year, month, gregorian.monthrange(year, month)[1])
