"""The whistle 企业吹哨: its state and steps, what it refuses, what may be decided."""

from services.enterprise.domain.whistle.decisions import Whistle
from services.enterprise.domain.whistle.state import WhistleState, evolve

__all__ = ["Whistle", "WhistleState", "evolve"]
