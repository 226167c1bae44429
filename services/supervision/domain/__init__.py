"""What supervision decides: the calendar and the rulebook, cases with their clocks and rounds, namings."""

from services.supervision.domain.calendar import CalendarDraft, CalendarVersion
from services.supervision.domain.case import Case
from services.supervision.domain.naming import Naming
from services.supervision.domain.rulebook import RulebookVersion
from services.supervision.domain.series import NamingSeries
from services.supervision.domain.terms import Terms

__all__ = ["CalendarDraft", "CalendarVersion", "Case", "Naming", "NamingSeries", "RulebookVersion", "Terms"]
