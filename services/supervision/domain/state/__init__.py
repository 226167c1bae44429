"""The states of a case, of its clocks and of its rounds, and what each fact does to them: written once."""

from services.supervision.domain.state.case import CaseState, DueNaming, Unresolved, evolve, hands
from services.supervision.domain.state.clock import ANSWER, Clock, evolve_clock
from services.supervision.domain.state.round import Round, evolve_round

__all__ = [
    "ANSWER",
    "CaseState",
    "Clock",
    "DueNaming",
    "Round",
    "Unresolved",
    "evolve",
    "evolve_clock",
    "evolve_round",
    "hands",
]
