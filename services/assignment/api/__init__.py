"""The assignment service over HTTP: one module per resource."""

from services.assignment.api import directives, lists, tasks, units
from services.assignment.api.common import blueprint

__all__ = ["blueprint", "directives", "lists", "tasks", "units"]
