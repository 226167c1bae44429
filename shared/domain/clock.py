"""The only place where the suite asks what time it is.

A clock is chosen in the composition root and passed in; domain code, folds and rules never ask.
"""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""The zone in which every working day begins and ends (北京时间)."""

Clock = Callable[[], datetime]
"""Answers the present moment, aware, in UTC."""


def system_clock() -> datetime:
    """The machine's own clock."""
    return datetime.now(UTC)


def local_day(moment: datetime) -> date:
    """The calendar day in Asia/Shanghai on which ``moment`` falls."""
    return moment.astimezone(SHANGHAI).date()


def midnight(day: date) -> datetime:
    """The first moment of ``day`` in Asia/Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def close_of(day: date) -> datetime:
    """The moment at which ``day`` has passed in Asia/Shanghai: a fact is in time if it happened *before* it.

    The last day of the year 9999 passes with the last moment there is.
    """
    if day == date.max:
        return datetime.max.replace(tzinfo=SHANGHAI)
    return midnight(day + timedelta(days=1))


class SteppedClock:
    """A clock that stands still until somebody writes another moment into its file.

    Several processes may share one file, so that a demo or a test moves a whole suite at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> datetime:
        return datetime.fromisoformat(self.path.read_text(encoding="ascii")).astimezone(UTC)

    def set(self, moment: datetime) -> None:
        """Step to ``moment``; readers see either the old moment or the new one, never half a line."""
        beside = self.path.with_name(self.path.name + f".{os.getpid()}")
        beside.write_text(moment.astimezone(UTC).isoformat(), encoding="ascii")
        beside.replace(self.path)
