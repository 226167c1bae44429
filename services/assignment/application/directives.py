"""Directives and what units do about them (measure 8)."""

from collections.abc import Sequence

from services.assignment.application.known import KnownUnits
from services.assignment.domain.directives import Directive
from shared.application.application import AlreadyExists
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.events.assignment import DirectiveKind, OriginLevel
from shared.events.matter import Secrecy


class DirectiveUseCases(KnownUnits):
    """What is done with directives beside loading, deciding and committing."""

    def register_directive(
        self,
        act: CommandContext,
        *,
        number: str,
        title: str,
        kind: DirectiveKind,
        origin_level: OriginLevel | None = None,
        units: Sequence[str] = (),
        office_unit: str | None = None,
        leader_post: str | None = None,
        requirement: str = "",
        secrecy: Secrecy = "public",
        secrecy_ground: str = "",
    ) -> CommandResult:
        """Register what came in at ``act.happened_at``.

        By default the actor's own unit is the office that decomposes it, and the main leader is its leader.
        """
        if self.find(Directive, Directive.id_of(number)) is not None:
            raise AlreadyExists(kind="Directive", name=number, at_field="number")
        for unit in units:
            self.reference.unit(unit, field="units")
        office = office_unit or act.by.unit
        self.reference.unit(office, field="office_unit")
        directive = Directive.register(
            act,
            number=number,
            title=title,
            kind=kind,
            origin_level=origin_level,
            units=units,
            office_unit=office,
            leader_post=self._leader(leader_post),
            requirement=requirement,
            secrecy=secrecy,
            secrecy_ground=secrecy_ground,
        )
        return self.commit(act, directive, location=f"/api/v1/directives/{directive.id}")
