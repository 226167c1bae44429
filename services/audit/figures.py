"""Explains a figure: the facts in its numerator, in its denominator, and those excluded (指标溯源)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.audit.past import Past
from services.audit.why import FORMS, Facts, SubjectMalformed, Why, follow, is_secret
from services.enterprise.domain.rates import RATES, Record, six_rates
from services.enterprise.views.whistles import records
from services.supervision.application.queries import counted
from shared.domain.clock import SHANGHAI
from shared.events import supervision
from shared.events.base import Message

ON_TIME = "on_time."
"""``on_time.task_due``: the on-time rate of a clock of the rulebook."""


@dataclass(frozen=True)
class Figure:
    """``rate:contacted/spj@2021-02-01..2021-02-28``, with an as-of after another ``@``."""

    subject: str
    id: str
    unit: str | None
    since: date
    until: date
    as_of: datetime | None

    @classmethod
    def read(cls, subject: str) -> "Figure":
        """What a subject names. Raises SubjectMalformed."""
        found = re.fullmatch(r"rate:([\w.]+)(?:/([^@/]+))?@([\d-]{10})\.\.([\d-]{10})(?:@(.+))?", subject)
        try:
            if found is None or not (found[1] in RATES or found[1].startswith(ON_TIME)):
                raise ValueError(subject)
            as_of = None if found[5] is None else datetime.fromisoformat(found[5])
            if as_of is not None and as_of.tzinfo is None:
                as_of = as_of.replace(tzinfo=SHANGHAI)
            return cls(
                subject,
                found[1],
                found[2],
                date.fromisoformat(found[3]),
                date.fromisoformat(found[4]),
                as_of,
            )
        except ValueError as error:
            raise SubjectMalformed(subject=subject, forms="  ".join(FORMS)) from error


Counted = tuple[str, str | None, list[Message]]
"""Numerator, denominator only, or excluded; why; and the facts that prove it."""


def figure(past: Past, facts: Facts, asked: Figure, *, cleared: bool, language: str = "zh") -> Why:
    """The figure as of the Past's moment, with the facts that it counts. Raises PeriodEndsBeforeItBegins."""
    lines = list(_whistles(past, facts, asked) if asked.id in RATES else _clocks(past, facts, asked))
    parts: dict[str, int] = {"numerator": 0, "denominator": 0}
    reasons: dict[str, int] = {}
    items: list[dict[str, Any]] = []
    roots: list[Message] = []
    for place, reason, found in lines:
        if place == "excluded":
            reasons[str(reason)] = reasons.get(str(reason), 0) + 1
        else:
            parts["denominator"] += 1
            parts["numerator"] += place == "numerator"
        withheld = not cleared and any(is_secret(one, facts) for one in found)
        items.append(
            {
                "counted_as": place,
                "reason": reason,
                "facts": [] if withheld else [one.id for one in found],
                "withheld": withheld,
            }
        )
        roots += [] if withheld else found
    answer = follow(facts, asked.subject, roots, cleared=cleared, language=language, onward=False)
    answer.figure = {
        "id": asked.id,
        "unit": asked.unit,
        "since": asked.since.isoformat(),
        "until": asked.until.isoformat(),
        "as_of": past.cut.at.isoformat(),
        **parts,
        "exclusions": [{"reason": reason, "count": count} for reason, count in sorted(reasons.items())],
        "total": len(lines),
        "items": items,
    }
    return answer


def _whistles(past: Past, facts: Facts, asked: Figure) -> Iterator[Counted]:
    app: Any = past.runtimes["enterprise"].app
    calendar = app.reference.calendar()

    def alone(record: Record) -> Any:
        return six_rates(
            [record],
            since=asked.since,
            until=asked.until,
            as_of=past.cut.at,
            rulebook=app.rulebook,
            calendar=calendar,
        )

    for record in records(app.views):
        found = alone(record)
        if not found.units or asked.unit not in (None, found.units[0][0]):
            continue
        rate = next(one for one in found.rates if one.id == asked.id)
        of_it = [one for one in facts.of("enterprise", UUID(record.id)) if past.cut_holds(one)]
        if rate.exclusions:
            yield "excluded", rate.exclusions[0][0], of_it
        elif rate.denominator:
            yield ("numerator" if rate.numerator else "denominator"), None, of_it


OF_CLOCKS = (
    supervision.ClockStarted,
    supervision.ClockRescheduled,
    supervision.ClockStopped,
    supervision.ClockCancelled,
    supervision.DeadlineMissed,
    supervision.DeadlineMissRetracted,
    supervision.VerdictRevised,
)


def _clocks(past: Past, facts: Facts, asked: Figure) -> Iterator[Counted]:
    views = past.runtimes["supervision"].views
    with views.reading() as connection:
        clocks = views.table(connection, "clocks")
        query = select(clocks).where(
            clocks.c.clock == asked.id.removeprefix(ON_TIME),
            clocks.c.due_on >= asked.since,
            clocks.c.due_on <= asked.until,
        )
        if asked.unit is not None:
            query = query.where(clocks.c.unit == asked.unit)
        rows = connection.execute(query.order_by(clocks.c.id)).all()
    for row in rows:
        numerator, denominator, excluded, _ = counted(row, past.cut.at)
        of_it = [
            one
            for one in facts.of("supervision", UUID(row.case_id))
            if isinstance(one.fact, OF_CLOCKS)
            and (one.fact.clock, one.fact.cycle) == (row.clock, row.cycle)
            and past.cut_holds(one)
        ]
        if denominator:
            yield ("numerator" if numerator else "denominator"), None, of_it
        else:
            yield "excluded", ("cancelled" if excluded else "not_yet_due"), of_it
