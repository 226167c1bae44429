"""Directives and what units do about them (measure 8)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.assignment.application.known import KnownUnits
from services.assignment.domain.directives import Directive
from shared.application.application import AlreadyExists
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.events.assignment import DirectiveKind, Dispatch
from shared.events.matter import Secrecy


class DirectiveUseCases(KnownUnits):
    """What is done with directives."""

    def register_directive(
        self,
        act: CommandContext,
        *,
        number: str,
        title: str,
        kind: DirectiveKind,
        origin_level: str | None = None,
        units: Sequence[str] = (),
        office_unit: str | None = None,
        leader_post: str | None = None,
        requirement: str = "",
        secrecy: Secrecy = "public",
        secrecy_ground: str = "",
    ) -> CommandResult:
        """Register what came in at ``act.happened_at``. Raises AlreadyExists for a number registered before.

        By default the actor's own unit is the office that decomposes it, and the main leader is its leader.
        Raises UnknownUnit, UnknownPost, NoLeadersPost, and what ``Directive.register`` raises.
        """
        if self.find(Directive, Directive.id_of(number)) is not None:
            raise AlreadyExists(kind="交办事项", name=number, at_field="number")
        for unit in units:
            self._unit(unit, "units")
        office = self._unit(office_unit or act.by.unit, "office_unit")
        directive = Directive.register(
            act,
            number=number,
            title=title,
            kind=kind,
            origin_level=origin_level,
            units=units,
            office_unit=office.unit,
            leader_post=self._leader(leader_post).post,
            requirement=requirement,
            secrecy=secrecy,
            secrecy_ground=secrecy_ground,
        )
        return self.commit(act, directive, location=f"/api/v1/directives/{directive.id}")

    def report_arrangement(self, act: CommandContext, directive_id: UUID, *, text: str) -> CommandResult:
        """The actor's unit has arranged it; stops that unit's arrange clock (2 working days)."""
        directive = self.load(Directive, directive_id, act)
        directive.report_arrangement(act, text=text)
        return self.commit(act, directive)

    def decompose_directive(
        self, act: CommandContext, directive_id: UUID, *, dispatches: Sequence[dict[str, Any]]
    ) -> CommandResult:
        """Dispatch the pieces; starts each unit's feedback clock (2 working days). Raises UnknownUnit."""
        directive = self.load(Directive, directive_id, act)
        pieces = [Dispatch(**one) for one in dispatches]
        for piece in pieces:
            self._unit(piece.unit, "dispatches")
        directive.decompose(act, dispatches=pieces)
        return self.commit(act, directive)

    def give_feedback(self, act: CommandContext, directive_id: UUID, *, text: str) -> CommandResult:
        """The actor's unit feeds back to the main leader; stops its feedback clock."""
        directive = self.load(Directive, directive_id, act)
        directive.give_feedback(act, text=text)
        return self.commit(act, directive)
