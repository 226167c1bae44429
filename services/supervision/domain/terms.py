"""The terms that a clock is reckoned with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.calendar import Calendar
from shared.calendar.due import Due, Extension, Pause, day_of, due, warning_points
from shared.rulebook import Rule, Rulebook


@dataclass(frozen=True)
class Terms:
    """A pinned rulebook and a calendar: all that a due date needs beside the clock's own facts (domain.md §2)."""

    rulebook: Rulebook
    calendar: Calendar

    def rule(self, clock: str) -> Rule:
        """The clock's rule. Raises UnknownRule."""
        return self.rulebook.rule(clock)

    def due(
        self,
        clock: str,
        start: date | datetime,
        *,
        own_date: date | None = None,
        pauses: Sequence[Pause] = (),
        extensions: Sequence[Extension] = (),
    ) -> Due:
        """When the clock is due. Raises what ``shared.calendar.due.due`` raises."""
        return due(
            self.rule(clock),
            self.calendar,
            start,
            own_date=own_date,
            pauses=pauses,
            extensions=extensions,
            rulebook_version=self.rulebook.version,
        )

    def warnings(self, reckoned: Due) -> tuple[date, ...]:
        """The mornings of the yellow notices; none while the clock is paused."""
        if reckoned.due_on is None:
            return ()
        return warning_points(reckoned.rule, self.calendar, day_of(reckoned.start), reckoned.due_on)
