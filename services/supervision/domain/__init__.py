"""What supervision decides: calendar and rulebook, cases with their clocks and rounds, namings, duties, absences."""

from services.supervision.domain.absence import Absence
from services.supervision.domain.calendar import CalendarDraft, CalendarVersion
from services.supervision.domain.case import Case
from services.supervision.domain.duty import Duty, Ower
from services.supervision.domain.half_month_report import HalfMonthReport
from services.supervision.domain.naming import Naming
from services.supervision.domain.periods import Periods
from services.supervision.domain.rulebook import RulebookVersion
from services.supervision.domain.series import NamingSeries
from services.supervision.domain.terms import Terms

__all__ = [
    "Absence",
    "CalendarDraft",
    "CalendarVersion",
    "Case",
    "Duty",
    "HalfMonthReport",
    "Naming",
    "NamingSeries",
    "Ower",
    "Periods",
    "RulebookVersion",
    "Terms",
]
