"""The supervision service's use cases and its questions to the read models."""

from services.supervision.application.use_cases import Supervision, at_start, steps

__all__ = ["Supervision", "at_start", "steps"]
