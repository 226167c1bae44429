"""The supervision service's use cases and its questions to the read models."""

from services.supervision.application.periods import PeriodsStep
from services.supervision.application.use_cases import Supervision, at_start
from shared.runtime.worker import Step


def steps(app: Supervision) -> list[Step]:
    """What a worker does beside projecting and reacting."""
    return [app.recompute, PeriodsStep(app), app.tick]


__all__ = ["Supervision", "at_start", "steps"]
