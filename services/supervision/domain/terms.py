"""The terms that a clock is reckoned with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from services.supervision.domain.stay import Stay
from shared.calendar import Calendar
from shared.calendar.due import Due, Extension, Pause, day_of, due, warning_points
from shared.rulebook import Rule, Rulebook


@dataclass(frozen=True)
class Terms:
    """A pinned rulebook and a calendar: all that a due date needs beside the clock's own facts (domain.md §2).

    ``elsewhere``: of a merged matter, who has had the one within which it goes on.
    """

    rulebook: Rulebook
    calendar: Calendar
    elsewhere: tuple[Stay, ...] = ()
    office: str = ""
    """The supervision office's unit; empty if none is registered: then its clocks wait, and nobody else has them."""

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

    def fixed(
        self, clock: str, start: date | datetime, *, own_date: date | None = None
    ) -> tuple[Due, date, datetime]:
        """``due`` of a clock that nothing has paused, with its due day and moment: it has both."""
        reckoned = self.due(clock, start, own_date=own_date)
        assert reckoned.due_on is not None
        assert reckoned.due_at is not None
        return reckoned, reckoned.due_on, reckoned.due_at

    def warnings(self, reckoned: Due) -> tuple[date, ...]:
        """The mornings of the yellow notices; none while the clock is paused."""
        if reckoned.due_on is None:
            return ()
        return warning_points(reckoned.rule, self.calendar, day_of(reckoned.start), reckoned.due_on)
