"""What supervision shows."""

from services.supervision.views.cases import CasesView, CustodyView
from services.supervision.views.clocks import ClocksView, TimersView
from services.supervision.views.duties import AbsencesView, DutiesView, HalfMonthReportsView, RosterView
from services.supervision.views.namings import NamingGroundsView, NamingsView
from services.supervision.views.releases import CalendarDraftsView, RulebooksView
from services.supervision.views.rounds import RoundsView
from shared.figures.clocks import CountedClocksView
from shared.readmodels.view import View

VIEWS: tuple[type[View], ...] = (
    CasesView,
    ClocksView,
    TimersView,
    CountedClocksView,
    RoundsView,
    NamingsView,
    NamingGroundsView,
    CustodyView,
    CalendarDraftsView,
    RulebooksView,
    DutiesView,
    HalfMonthReportsView,
    AbsencesView,
    RosterView,
)

__all__ = ["VIEWS"]
