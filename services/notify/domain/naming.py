"""A naming as far as notices need it: which case and unit it is about."""

from uuid import UUID

from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.events import notify


class Naming(Aggregate):
    """通报: knows its case, so that a fact of the naming alone finds the matter (measure 10)."""

    TOPIC = "notify.naming"
    naming_id: UUID
    case_id: UUID
    unit: str
    cycle: int

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
            cls.Followed,
            act,
            cls.id_of(naming_id),
            naming_id=naming_id,
            case_id=case_id,
            unit=unit,
            cycle=cycle,
        )

    class Followed(notify.NamingFollowed, Creation):
        def apply(self, naming: "Naming") -> None:
            naming.naming_id = self.naming_id
            naming.case_id = self.case_id
            naming.unit = self.unit
            naming.cycle = self.cycle
