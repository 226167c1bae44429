"""The assignment service's use cases: load, decide, save."""

from services.assignment.application.directives import DirectiveUseCases
from services.assignment.application.lists import ListUseCases
from services.assignment.application.tasks import TaskUseCases
from services.assignment.application.units import UnitUseCases

__all__ = ["Assignment"]


class Assignment(UnitUseCases, DirectiveUseCases, ListUseCases, TaskUseCases):
    """The whole service."""

    name = "assignment"
