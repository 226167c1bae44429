"""What every use case asks: the units and posts of this service's own log, up to date to the last event."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select

from services.assignment.domain.directives import Directive
from services.assignment.domain.units import NoLeadersPost, Post, Unit, leader_in_charge
from shared.application.application import NoSuchThing
from shared.domain.aggregate import CommandContext
from shared.domain.text import identity
from shared.domain.units import PostState, UnitState
from shared.events.assignment import UnitRegistered, UnitRenamed
from shared.log.codec import decode
from shared.log.recorder import Basis
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.reference import (
    PostsView,
    Reference,
    UnitHasNoHead,
    UnitsView,
    UnknownPost,
    UnknownUnit,
)
from shared.readmodels.register import Register, Registered, Things
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

    reference: "OwnReference"

    def reference_from(self, views: Views) -> "OwnReference":
        return OwnReference(views, self)

    def known_post(self, post: str, field: str | None) -> PostState:
        """A post. Raises UnknownPost."""
        found = self.reference.posts().get(post)
        if found is None:
            raise UnknownPost(post=post, at_field=field)
        return found

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
        leaders = [post for post in self.reference.posts().values() if post.is_leader]
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
    """Units and posts as this service's log has them, not as a view has them that may lag: what was registered, vacated
    or dissolved a moment ago is known.
    """

    _KEPT: tuple[tuple[type[LifecycleView], type[Unit | Post]], ...] = ((UnitsView, Unit), (PostsView, Post))

    def __init__(self, views: Views, app: KnownUnits) -> None:
        super().__init__(views)
        self._app = app
        self._register = Register(app.log, self._folded_by_the_views)

    def units(self) -> Mapping[str, UnitState]:
        """Every unit by its id, in order; dissolved ones too."""
        return self._now().units

    def basis_of_names(self, changed: Iterable[UnitState]) -> Basis:
        """What it rests on that no other of ``units`` bears a name of these: nobody gives one to a unit meanwhile."""
        names = {identity(name) for unit in changed for name in unit.names}

        def matters(topic: str, state: bytes) -> bool:
            fact = cast("UnitRegistered | UnitRenamed", decode(topic, state))
            return not names.isdisjoint(map(identity, (fact.name, *fact.short_names)))

        return Basis(self._now().upto, (UnitRegistered.TOPIC, UnitRenamed.TOPIC), matters)

    def posts(self) -> Mapping[str, PostState]:
        """Every post by its id, in order."""
        return self._now().posts

    def unit(self, unit: str, *, field: str | None = None) -> Mapping[str, Any]:
        found = self.units().get(unit)
        if found is None or found.dissolved:
            raise UnknownUnit(unit=unit, at_field=field)
        return UnitsView.row_of(found)

    def unit_name(self, unit: str) -> str | None:
        found = self.units().get(unit)
        return None if found is None else found.name

    def unit_of_kind(self, kind: str) -> str | None:
        found = (one.unit for one in self.units().values() if one.kind == kind and not one.dissolved)
        return next(found, None)

    def post(self, post: str, *, field: str | None = None) -> Mapping[str, Any]:
        return PostsView.row_of(self._app.known_post(post, field))

    def official(self, post: str) -> PostState | None:
        return self._now().official(post)

    def takes_first_steps(self, unit: str, kind: str) -> bool:
        return self._now().takes_first_steps(unit, kind)

    def head_of(self, unit: str) -> str:
        for post in self.posts().values():
            if post.unit == unit and post.role == "unit_head":
                return post.post
        raise UnitHasNoHead(unit=unit)

    def leaders(self) -> Sequence[Mapping[str, Any]]:
        leading = [post for post in self.posts().values() if post.is_leader]
        return [{"id": post.post, **PostsView.row_of(post)} for post in leading]

    def _now(self) -> Registered:
        return self._views.keep("register", self._register.now)

    def _folded_by_the_views(self) -> tuple[int, Things]:
        things: dict[UUID, tuple[int, Any]] = {}
        with self._views.snapshot(), self._views.reading() as connection:
            for view, kind in self._KEPT:
                for found in connection.execute(select(self._views.table(connection, view.name))):
                    row = dict(found._mapping)
                    things[kind.id_of(row["id"])] = row["version"], view.state_of(row)
            return self._views.received_upto(self._app.name), things
