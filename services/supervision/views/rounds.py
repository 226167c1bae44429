"""Supervision rounds."""

from typing import Any

from services.supervision.domain.state import evolve_round
from shared.events.base import Message
from shared.readmodels.lifecycle import LifecycleView


class RoundsView(LifecycleView):
    """督办轮次: each round from its issue to its verdict, objection and ruling."""

    name = "rounds"
    version = 4
    lifecycle = evolve_round
    whole = "case_id"
    indexed = ("round", "unit", "trigger", "state", "due_on", "verdict")

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        """See LifecycleView."""
        return f"{message.aggregate_id}/{fact.round:04d}"
