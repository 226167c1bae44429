"""What the assignment service shows: folds over its own log. The rest is in shared/readmodels/reference.py."""

from services.assignment.views.dates import TaskDatesView
from services.assignment.views.directives import DirectivesView
from services.assignment.views.history import TaskHistoryView
from services.assignment.views.lists import TaskListsView
from services.assignment.views.tasks import TasksView

__all__ = ["DirectivesView", "TaskDatesView", "TaskHistoryView", "TaskListsView", "TasksView"]
