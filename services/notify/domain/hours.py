"""Working hours: nobody is disturbed outside them, except for an incident (domain.md §3)."""

from datetime import UTC, date, datetime, time

from shared.calendar import Calendar
from shared.domain.clock import SHANGHAI

OPENS = time(8, 30)
"""The working morning begins, in Asia/Shanghai. The notice names no hours: these are ours."""

CLOSES = time(17, 30)
"""The working day is over, in Asia/Shanghai."""

INCIDENT = "incident"
"""The clocks whose name begins so run day and night and are told at once (measure 9)."""


def morning(day: date) -> datetime:
    """The moment at which the working morning of ``day`` begins."""
    return datetime.combine(day, OPENS, SHANGHAI).astimezone(UTC)


def in_hours(calendar: Calendar, moment: datetime) -> bool:
    """Whether ``moment`` lies in the working hours of a working day."""
    local = moment.astimezone(SHANGHAI)
    return calendar.is_working(local.date()) and OPENS <= local.time() < CLOSES


def next_morning(calendar: Calendar, moment: datetime) -> datetime:
    """The first beginning of a working morning after ``moment``."""
    local = moment.astimezone(SHANGHAI)
    day = local.date()
    if calendar.is_working(day) and local.time() < OPENS:
        return morning(day)
    return morning(calendar.working_days_after(day, 1))


def not_before(calendar: Calendar, moment: datetime, clock: str) -> datetime:
    """When a notice about ``clock`` may be shown: now, or outside working hours the next working morning."""
    if clock.startswith(INCIDENT) or in_hours(calendar, moment):
        return moment
    return next_morning(calendar, moment)
