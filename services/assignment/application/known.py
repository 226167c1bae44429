"""What every use case asks: the units and posts of this service's own log, up to date to the last event."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.assignment.domain.directives import Directive
from services.assignment.domain.units import NoLeadersPost, Post, Unit, leader_in_charge
from shared.application.application import NoSuchThing
from shared.domain.aggregate import CommandContext
from shared.domain.units import PostState
from shared.readmodels.reference import PostsView, Reference, UnitsView, UnknownPost, UnknownUnit
from shared.readmodels.views import Views
from shared.service.application import ServiceApplication


class NoSuchDirective(NoSuchThing):
    """没有编号为 {id} 的交办事项。
    There is no directive with the id {id}."""

    status = 422
    field = "directive_id"


class NoOneLeads(UnknownPost):
    """没有登记政府主要领导岗位，请写明分管领导的岗位。
    No main leader's post is registered: name the post of the leader in charge."""

    field = "leader_post"


class KnownUnits(ServiceApplication):
    """What every use case asks for."""

    def reference_from(self, views: Views) -> Reference:
        return OwnReference(views, self)

    def known_post(self, post: str, field: str | None) -> PostState:
        """A post. Raises UnknownPost."""
        found = self.find(Post, Post.id_of(post))
        if found is None:
            raise UnknownPost(post=post, at_field=field)
        return found.state

    def _leader(self, post: str | None) -> str:
        """A leader's post, by default the main leader's."""
        if post is None:
            main = self.reference.main_leader()
            if main is None:
                raise NoOneLeads(post="")
            post = str(main["id"])
        if not self.known_post(post, "leader_post").is_leader:
            raise NoLeadersPost(post=post)
        return post

    def _in_charge_of(self, unit: str, *, present: str | None = None) -> str | None:
        """The post of the leader in charge of a unit, or None. Raises SeveralLeadersInCharge."""
        leaders = [self.known_post(str(post["id"]), "leader_post") for post in self.reference.leaders()]
        return leader_in_charge(unit, leaders, present=present)

    def _directive(self, directive_id: UUID | None, act: CommandContext | None = None) -> Directive | None:
        """The directive from which something comes, if the actor may know of it."""
        if directive_id is None:
            return None
        found = self.find(Directive, directive_id, act)
        if found is None:
            raise NoSuchDirective(id=directive_id)
        return found


class OwnReference(Reference):
    """Looks at the log for units and posts, not at a view that may lag: one registered a moment ago is known."""

    def __init__(self, views: Views, app: KnownUnits) -> None:
        super().__init__(views)
        self._app = app

    def unit(self, unit: str, *, field: str | None = None) -> Mapping[str, Any]:
        found = self._app.find(Unit, Unit.id_of(unit))
        if found is None or found.state.dissolved:
            raise UnknownUnit(unit=unit, at_field=field)
        return UnitsView.row_of(found.state)

    def post(self, post: str, *, field: str | None = None) -> Mapping[str, Any]:
        return PostsView.row_of(self._app.known_post(post, field))
