"""Composition root of the assignment service: ``python -m services.assignment web | relay | react | project``."""

from services.assignment.api import blueprint
from services.assignment.application import Assignment
from services.assignment.reactions import AssignmentReactions
from services.assignment.views import DirectivesView, TaskDatesView, TaskHistoryView, TaskListsView, TasksView
from shared.readmodels.reference import REFERENCE_VIEWS
from shared.readmodels.rulebooks import RulebooksView
from shared.runtime.roles import main
from shared.runtime.service import Service

SERVICE = Service(
    name="assignment",
    title="交办 assignment: units and posts, directives, task lists and tasks",
    application=Assignment,
    views=[
        TasksView,
        TaskDatesView,
        TaskHistoryView,
        TaskListsView,
        DirectivesView,
        RulebooksView,
        *REFERENCE_VIEWS,
    ],
    blueprints=[blueprint],
    reactions=AssignmentReactions,
)

if __name__ == "__main__":
    main(SERVICE)
