"""What the enterprise service shows: enterprises, whistles, their steps, and the rating windows that are open."""

from services.enterprise.views.enterprises import EnterprisesView
from services.enterprise.views.rating_windows import RatingWindowsView
from services.enterprise.views.whistle_steps import WhistleStepsView
from services.enterprise.views.whistles import WhistleClocksView, WhistlesView

VIEWS = (EnterprisesView, WhistlesView, WhistleStepsView, RatingWindowsView, WhistleClocksView)

__all__ = [
    "VIEWS",
    "EnterprisesView",
    "RatingWindowsView",
    "WhistleClocksView",
    "WhistleStepsView",
    "WhistlesView",
]
