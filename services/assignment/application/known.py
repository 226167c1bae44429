"""What every use case asks: the units and posts of this service's own log, up to date to the last event."""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import select

from services.assignment.domain.directives import Directive
from services.assignment.domain.units import NoLeadersPost, Post, Unit, leader_in_charge
from shared.application.application import NoSuchThing
from shared.domain.aggregate import CommandContext
from shared.domain.units import PostState, UnitState, evolve_post, evolve_unit
from shared.log.codec import decode
from shared.log.recorder import rows_of
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.reference import (
    PostsView,
    Reference,
    UnitHasNoHead,
    UnitsView,
    UnknownPost,
    UnknownUnit,
)
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


class _Register(NamedTuple):
    """Units and posts by aggregate: version and state of each, after the facts up to a position."""

    upto: int
    things: Mapping[UUID, tuple[int, Any]]
    units: Mapping[str, UnitState]
    posts: Mapping[str, PostState]
    """By the ids that people gave them, in their order."""


class OwnReference(Reference):
    """Units and posts as this service's log has them, not as a view has them that may lag: what was registered, vacated
    or dissolved a moment ago is known.

    The views are read once; from then on the facts are folded that the log has beyond, at every decision.
    """

    _KEPT: tuple[tuple[type[LifecycleView], type[Unit | Post]], ...] = ((UnitsView, Unit), (PostsView, Post))
    _TOPICS = (*evolve_unit.facts, *evolve_post.facts)

    def __init__(self, views: Views, app: KnownUnits) -> None:
        super().__init__(views)
        self._app = app
        self._folding = Lock()
        self._register: _Register | None = None

    def units(self) -> Mapping[str, UnitState]:
        """Every unit by its id, in order; dissolved ones too."""
        return self._now().units

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

    def head_of(self, unit: str) -> str:
        for post in self.posts().values():
            if post.unit == unit and post.role == "unit_head":
                return post.post
        raise UnitHasNoHead(unit=unit)

    def leaders(self) -> Sequence[Mapping[str, Any]]:
        leading = [post for post in self.posts().values() if post.is_leader]
        return [{"id": post.post, **PostsView.row_of(post)} for post in leading]

    def _now(self) -> _Register:
        return self._views.keep("register", self._brought_up_to_date)

    def _brought_up_to_date(self) -> _Register:
        with self._folding:
            end = self._app.log.max_notification_id() or 0
            known = self._register or self._from_views()
            if known.upto < end:
                known = self._folded(known, end)
            self._register = known
            return known

    def _from_views(self) -> _Register:
        things: dict[UUID, tuple[int, Any]] = {}
        with self._views.snapshot(), self._views.reading() as connection:
            for view, kind in self._KEPT:
                for found in connection.execute(select(self._views.table(connection, view.name))):
                    row = dict(found._mapping)
                    things[kind.id_of(row["id"])] = row["version"], view.state_of(row)
            return _registered(self._views.received_upto(self._app.name), things)

    def _folded(self, known: _Register, end: int) -> _Register:
        things = dict(known.things)
        for batch in rows_of(self._app.log, known.upto, self._TOPICS):
            for row in batch:
                thing = cast("UUID", row.originator_id)
                version, state = things.get(thing, (0, None))
                if (
                    row.originator_version > version
                ):  # a view may hold more than it has received without a gap
                    evolve = evolve_unit if row.topic in evolve_unit.facts else evolve_post
                    state = evolve(decode(row.topic, row.state), state, row.originator_version)
                    things[thing] = row.originator_version, state
        return _registered(end, things)


def _registered(upto: int, things: Mapping[UUID, tuple[int, Any]]) -> _Register:
    states = [state for _, state in things.values()]
    units = {one.unit: one for one in states if isinstance(one, UnitState)}
    posts = {one.post: one for one in states if isinstance(one, PostState)}
    return _Register(upto, things, dict(sorted(units.items())), dict(sorted(posts.items())))
