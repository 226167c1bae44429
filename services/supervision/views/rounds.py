"""Supervision rounds."""

from collections.abc import Sequence
from typing import Any

from services.supervision.domain.state import ANSWER, evolve_round
from shared.events import supervision
from shared.events.base import Fact, Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows


class RoundsView(LifecycleView):
    """督办轮次: each round from its issue to its verdict, objection and ruling."""

    name = "rounds"
    version = 4
    lifecycle = evolve_round
    whole = "case_id"
    indexed = ("round", "unit", "trigger", "state", "due_on", "verdict")

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        """See LifecycleView; the date in force is that of the round's answer clock."""
        number = fact.cycle if isinstance(fact, supervision.ClockRescheduled) else fact.round
        return f"{message.aggregate_id}/{number:04d}"

    def keys(self, rows: Rows, fact: Fact, message: Message) -> Sequence[str]:
        """See LifecycleView: most clocks are no round's."""
        if isinstance(fact, supervision.ClockRescheduled) and fact.clock != ANSWER:
            return ()
        return super().keys(rows, fact, message)
