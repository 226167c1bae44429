"""The read models of the notify service."""

from services.notify.views.cases import CasesView
from services.notify.views.escalations import EscalationsView, TimersView
from services.notify.views.notices import DigestsView, NoticesView
from shared.readmodels.rulebooks import RulebooksView
from shared.readmodels.view import View

VIEWS: tuple[type[View], ...] = (
    NoticesView,
    DigestsView,
    EscalationsView,
    TimersView,
    CasesView,
    RulebooksView,
)

__all__ = [
    "VIEWS",
    "CasesView",
    "DigestsView",
    "EscalationsView",
    "NoticesView",
    "RulebooksView",
    "TimersView",
]
