"""Questions to the read models that are more than a list."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select

from services.supervision.application.use_cases import Supervision
from shared.calendar import Calendar
from shared.domain.clock import local_day

LEAST_FOR_A_RANK = 5
"""No rank is given to a unit with fewer clocks due (domain.md §7)."""


@dataclass(frozen=True)
class OnTime:
    """One line of the on-time figures (measures D): parts that add up, and what is left out.

    ``numerator`` stopped in time, of ``denominator`` due in the period (stopped by then or open past due);
    ``excluded`` were cancelled before they were due, ``not_yet_due`` are open, and neither is counted.
    """

    clock: str
    unit: str
    numerator: int
    denominator: int
    excluded: int
    not_yet_due: int
    rank: int | None = None


def on_time(
    app: Supervision, *, since: date, until: date, as_of: datetime, clock: str | None, unit: str | None
) -> list[OnTime]:
    """On-time figures per clock and unit of the clocks due from ``since`` to ``until``, both included."""
    with app.views.reading() as connection:
        clocks = app.views.table(connection, "clocks")
        answers = func.coalesce(clocks.c.charged, clocks.c.unit)
        query = select(
            clocks.c.clock,
            answers.label("unit"),
            clocks.c.state,
            clocks.c.due_at,
            clocks.c.stopped_at,
            clocks.c.verdict,
            clocks.c.revised,
            clocks.c.cancelled_at,
        ).where(clocks.c.due_on >= since, clocks.c.due_on <= until)
        if clock is not None:
            query = query.where(clocks.c.clock == clock)
        if unit is not None:
            query = query.where(answers == unit)
        rows = connection.execute(query).all()
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        total = counts[row.clock, row.unit]
        for place, value in enumerate(counted(row, as_of)):
            total[place] += value
    lines = [OnTime(clock, unit, *four) for (clock, unit), four in sorted(counts.items())]
    return [_ranked(line, lines) for line in lines]


def counted(row: Any, as_of: datetime) -> tuple[int, int, int, int]:
    """What a clock's row adds to numerator, denominator, excluded and not yet due."""
    if row.state == "stopped":
        return int((row.revised or row.verdict) == "in_time"), 1, 0, 0
    if row.state == "cancelled" and row.cancelled_at < row.due_at:
        return 0, 0, 1, 0
    if row.state == "cancelled" or (row.state == "open" and row.due_at <= as_of):
        return 0, 1, 0, 0
    return 0, 0, 0, 1


def _ranked(line: OnTime, lines: list[OnTime]) -> OnTime:
    if line.denominator < LEAST_FOR_A_RANK:
        return line
    better = sum(
        1
        for other in lines
        if other.clock == line.clock
        and other.denominator >= LEAST_FOR_A_RANK
        and other.numerator * line.denominator > line.numerator * other.denominator
    )
    return OnTime(
        line.clock,
        line.unit,
        line.numerator,
        line.denominator,
        line.excluded,
        line.not_yet_due,
        rank=better + 1,
    )


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
