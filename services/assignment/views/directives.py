"""Directives with each unit's duty (measure 8)."""

from services.assignment.domain.directives import evolve
from shared.readmodels.lifecycle import LifecycleView


class DirectivesView(LifecycleView):
    """交办事项: every directive; ``duties`` holds, by unit, what it has to do and when it did it."""

    name = "directives"
    version = 3
    lifecycle = evolve
    derived = ("status", "number_key")
    indexed = ("number", "number_key", "kind", "received_at", "state")
