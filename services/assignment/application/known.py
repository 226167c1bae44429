"""What every use case asks: the units and posts of this service's own log, up to date to the last event."""

from uuid import UUID

from services.assignment.domain.directives import Directive
from services.assignment.domain.units import NoLeadersPost, Post, Unit
from shared.application.application import NoSuchThing
from shared.domain.aggregate import CommandContext
from shared.readmodels.reference import UnknownPost, UnknownUnit
from shared.service.application import ServiceApplication


class NoSuchDirective(NoSuchThing):
    """没有编号为 {id} 的交办事项。
    There is no directive with the id {id}."""

    status = 422
    field = "directive_id"


class NoOneLeads(UnknownPost):
    """没有登记政府主要领导岗位，请写明 leader_post。
    No main leader's post is registered: name a leader_post."""

    field = "leader_post"


class KnownUnits(ServiceApplication):
    """Looks at the log, not at a view that may lag: a unit registered a moment ago is known."""

    def _unit(self, unit: str, field: str) -> Unit:
        """A unit that takes tasks. Raises UnknownUnit, also for a dissolved one."""
        found = self.find(Unit, Unit.id_of(unit))
        if found is None or found.dissolved:
            raise UnknownUnit(unit=unit, at_field=field)
        return found

    def _post(self, post: str, field: str) -> Post:
        """A post. Raises UnknownPost."""
        found = self.find(Post, Post.id_of(post))
        if found is None:
            raise UnknownPost(post=post, at_field=field)
        return found

    def _leader(self, post: str | None) -> Post:
        """A leader's post, by default the main leader's. Raises UnknownPost, NoLeadersPost."""
        if post is None:
            main = self.reference.main_leader()
            if main is None:
                raise NoOneLeads(post="")
            post = str(main["id"])
        found = self._post(post, "leader_post")
        if not found.is_leader:
            raise NoLeadersPost(post=post)
        return found

    def _portfolio(self, act: CommandContext) -> tuple[str, ...]:
        """The units of which the actor is in charge, if the actor is a leader."""
        found = self.find(Post, Post.id_of(act.by.post))
        return found.units if found is not None and found.is_leader else ()

    def _directive(self, directive_id: UUID | None) -> Directive | None:
        """The directive from which something comes. Raises NoSuchDirective."""
        if directive_id is None:
            return None
        found = self.find(Directive, directive_id)
        if found is None:
            raise NoSuchDirective(kind="Directive", id=directive_id)
        return found
