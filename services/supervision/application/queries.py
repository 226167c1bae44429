"""Questions to the read models that are more than a list."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from services.supervision.application.use_cases import Supervision
from shared.calendar import Calendar
from shared.domain.clock import local_day
from shared.figures.clocks import counted_clocks
from shared.figures.figure import MINIMUM_N, Counted, Figure


def on_time(
    app: Supervision, *, since: date, until: date, as_of: datetime, clock: str | None, unit: str | None
) -> list[dict[str, Any]]:
    """On-time figures per clock and unit of the clocks due from ``since`` to ``until``, both included."""
    with app.views.reading() as connection:
        found = counted_clocks(
            connection, app.views, since=since, until=until, as_of=as_of, clock=clock, unit=unit
        )
    counts: dict[tuple[str, str], list[Counted]] = defaultdict(list)
    for one in found:
        counts[one.clock, one.unit].append(one.counted)
    figures = [Figure.of(of, counted, of_unit) for (of, of_unit), counted in sorted(counts.items())]
    return [
        {
            "clock": figure.id,
            "unit": figure.unit,
            "numerator": figure.numerator,
            "denominator": figure.denominator,
            "excluded": figure.excluded("cancelled"),
            "not_yet_due": figure.excluded("not_due"),
            "rank": _rank(figure, figures),
        }
        for figure in figures
    ]


def _rank(figure: Figure, figures: list[Figure]) -> int | None:
    """The unit's place among those with as many clocks due as a rank needs (domain.md §7)."""
    if figure.denominator < MINIMUM_N:
        return None
    better = sum(
        1
        for other in figures
        if other.id == figure.id
        and other.denominator >= MINIMUM_N
        and other.numerator * figure.denominator > figure.numerator * other.denominator
    )
    return better + 1


def custody_days(found: Mapping[str, Any], calendar: Calendar, now: datetime) -> dict[str, Any]:
    """The page of stays, each with its working days: the day of arrival is day 0, as for every clock."""
    items = [
        {
            **row,
            "working_days": calendar.working_days_between(
                local_day(row["since"]), local_day(row["until"] or now)
            ),
        }
        for row in found["items"]
    ]
    return {**found, "items": items}
