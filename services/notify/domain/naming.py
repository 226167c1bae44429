"""A naming as far as notices need it: which case and unit it is about."""

from dataclasses import dataclass
from uuid import UUID

from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.lifecycle import Lifecycle
from shared.events import notify


@dataclass(frozen=True, kw_only=True)
class NamingState:
    """通报: its case and unit, and the last round of the streak that led to it."""

    case_id: UUID
    unit: str
    cycle: int


evolve = Lifecycle(NamingState, begins=notify.NamingFollowed)


@evolve.register
def _(fact: notify.NamingFollowed) -> NamingState:
    return NamingState(case_id=fact.case_id, unit=fact.unit, cycle=fact.cycle)


class Naming(Aggregate, lifecycle=evolve):
    """通报: knows its case, so that a fact of the naming alone finds the matter (measure 10)."""

    TOPIC = "notify.naming"
    state: NamingState

    @staticmethod
    def id_of(naming_id: UUID) -> UUID:
        """The id under which the naming is followed."""
        return stable_id("naming-followed", naming_id)

    @classmethod
    def follow(
        cls, act: CommandContext, *, naming_id: UUID, case_id: UUID, unit: str, cycle: int
    ) -> "Naming":
        """Follow a naming from its draft on."""
        return cls.begin(
            notify.NamingFollowed,
            act,
            cls.id_of(naming_id),
            naming_id=naming_id,
            case_id=case_id,
            unit=unit,
            cycle=cycle,
        )
