"""Reading task lists in tests: the sample's units and the shipped calendar."""

from datetime import date
from typing import Any

from services.assignment.samples.build import UNITS
from services.assignment.spreadsheets import ReadTasks, UnitNames, read_tasks, read_units
from shared.calendar import Calendar
from shared.calendar.periods import read_period

CALENDAR = Calendar.base()
DATED = date(2021, 1, 1)
NAMES = UnitNames(read_units(UNITS.read_bytes(), "units.csv").accepted)


def read(data: bytes, filename: str = "清单.xlsx", dated: date = DATED, **changes: Any) -> ReadTasks:
    """What is read of a list that is dated so."""
    given: dict[str, Any] = {
        "units": NAMES,
        "dated": dated,
        "read_due": lambda text: read_period(text, dated=dated, calendar=CALENDAR),
        "is_working_day": CALENDAR.is_working,
    }
    return read_tasks(data, filename, **(given | changes))
