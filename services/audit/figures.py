"""Explains a figure: the facts in its numerator, in its denominator, and those excluded (指标溯源)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.audit.past import Past
from services.audit.why import FORMS, Facts, SubjectMalformed, Why, follow, is_secret
from services.enterprise.domain.rates import RATES
from shared.calendar.periods import NoSuchDay
from shared.domain.clock import SHANGHAI
from shared.domain.words import no_such_day
from shared.events.base import Message
from shared.figures.clocks import CountedClock, CountedClocksView, counted_clocks
from shared.figures.figure import Counted, Figure, asked_as_of

ON_TIME = "on_time."
"""``on_time.task_due``: the on-time rate of a clock of the rulebook."""


@dataclass(frozen=True)
class Asked:
    """``rate:contacted/spj@2021-02-01..2021-02-28``, with an as-of after another ``@``."""

    subject: str
    id: str
    unit: str | None
    since: date
    until: date
    as_of: datetime | None

    @classmethod
    def read(cls, subject: str) -> "Asked":
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
            for day in (found[3], found[4], found[5] or "") if found else ():
                if no_such_day(day):
                    raise NoSuchDay(text=day, at_field="subject") from error
            raise SubjectMalformed(subject=subject, forms="  ".join(FORMS)) from error


Line = tuple[Counted, list[Message]]
"""What one thing in scope adds to the figure, and the facts that prove it."""


def figure(past: Past, facts: Facts, asked: Asked, *, cleared: bool, language: str = "zh") -> Why:
    """The figure as of the Past's moment, with the facts that it counts. Raises PeriodEndsBeforeItBegins."""
    asked_as_of(None, since=asked.since, until=asked.until, now=past.cut.at)
    lines = list(_whistles(past, facts, asked) if asked.id in RATES else _clocks(past, facts, asked))
    made = Figure.of(asked.id, [counted for counted, _ in lines])
    items: list[dict[str, Any]] = []
    roots: list[Message] = []
    for counted, found in lines:
        withheld = not cleared and any(is_secret(one, facts) for one in found)
        items.append(
            {
                "counted_as": PLACES[counted] if isinstance(counted, bool) else "excluded",
                "reason": None if isinstance(counted, bool) else counted,
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
        "numerator": made.numerator,
        "denominator": made.denominator,
        "exclusions": [{"reason": reason, "count": count} for reason, count in made.exclusions],
        "total": made.total,
        "items": items,
    }
    return answer


PLACES = {True: "numerator", False: "denominator"}


def _whistles(past: Past, facts: Facts, asked: Asked) -> Iterator[Line]:
    app: Any = past.runtimes["enterprise"].app
    for line in app.counted(since=asked.since, until=asked.until, as_of=past.cut.at):
        if line.rate == asked.id and asked.unit in (None, line.unit):
            of_it = [one for one in facts.of("enterprise", UUID(line.whistle)) if past.cut_holds(one)]
            yield line.counted, of_it + ([] if line.clock is None else _facts_of(past, facts, line.clock))


def _clocks(past: Past, facts: Facts, asked: Asked) -> Iterator[Line]:
    views = past.runtimes["supervision"].views
    with views.reading() as connection:
        clocks = counted_clocks(
            connection,
            views,
            since=asked.since,
            until=asked.until,
            as_of=past.cut.at,
            clock=asked.id.removeprefix(ON_TIME),
            unit=asked.unit,
        )
    for clock in clocks:
        yield clock.counted, _facts_of(past, facts, clock)


def _facts_of(past: Past, facts: Facts, clock: CountedClock) -> list[Message]:
    """What supervision has told of a clock, as far as it is counted."""
    return [
        one
        for one in facts.of("supervision", UUID(clock.case_id))
        if one.fact.TOPIC in CountedClocksView.handlers
        and (getattr(one.fact, "clock", None), getattr(one.fact, "cycle", None)) == (clock.clock, clock.cycle)
        and past.cut_holds(one)
    ]
