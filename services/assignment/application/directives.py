"""Directives and what units do about them (measure 8)."""

from collections.abc import Sequence

from sqlalchemy import select

from services.assignment.application.known import KnownUnits
from services.assignment.domain.directives import Directive
from shared.application.application import AlreadyExists
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.domain.text import identity
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
        if (known := self._known_number(number)) is not None:
            raise AlreadyExists(kind="Directive", name=known, at_field="number")
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

    def _known_number(self, number: str) -> str | None:
        """The number of the directive that has this one, as it was spelled when it was registered; None if none has.

        The log knows it, also under its very spelling; only what was registered in another spelling before spellings
        were compared is known by the view alone, which has long folded it.
        """
        for id_ in (Directive.id_of(number), Directive.former_id_of(number)):
            if (found := self.find(Directive, id_)) is not None:
                return found.state.number
        with self.views.reading() as connection:
            table = self.views.table(connection, "directives")
            return connection.scalar(select(table.c.number).where(table.c.number_key == identity(number)))
