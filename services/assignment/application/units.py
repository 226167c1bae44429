"""Units, posts, portfolios (measure 6)."""

from collections.abc import Iterable, Sequence
from datetime import date

from services.assignment.application.known import KnownUnits
from services.assignment.domain.units import Post, Unit, UnitKindIsFixed, check_names
from services.assignment.spreadsheets import UnitName
from shared.application.application import AlreadyExists
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.domain.refusal import Refusal
from shared.events.assignment import PostRole, UnitKind
from shared.log.recorder import Basis
from shared.readmodels.reference import UnknownUnit

HEADS: dict[str, tuple[str, str, PostRole]] = {
    "government": ("main-leader", "政府主要领导", "main_leader"),
    "": ("head", "主要负责人", "unit_head"),
}
"""By kind of unit, else ``""``: the short name, title and role of its head's post."""
UNNAMED = "（姓名未登记）"


class NoUnitsGiven(Refusal):
    """名册里没有单位
    The list holds no unit"""

    status = 422
    field = "units"


class UnitUseCases(KnownUnits):
    """What is done with units and posts."""

    def register_unit(
        self, act: CommandContext, *, unit: str, name: str, kind: UnitKind, short_names: Sequence[str] = ()
    ) -> CommandResult:
        """Register a unit under the id that the clerk gives."""
        new = Unit.register(act, unit=unit, name=name, short_names=short_names, kind=kind)
        known = AlreadyExists(kind="Unit", name=unit, at_field="id")
        return self.commit_new(
            act, new, known, location=f"/api/v1/units/{unit}", basis=self._names_checked(new)
        )

    def rename_unit(
        self, act: CommandContext, unit: str, *, name: str, short_names: Sequence[str] = ()
    ) -> CommandResult:
        """Give a unit another name, which no other has."""
        renamed = self.unit_at(act, unit)
        renamed.rename(act, name=name, short_names=short_names)
        return self.commit(act, renamed, basis=self._names_checked(renamed))

    def _names_checked(self, *units: Unit) -> Basis:
        """On what it rests that no other unit bears one of their names. Raises NameOfAnotherUnit."""
        changed = {unit.state.unit: unit.state for unit in units if unit.pending_events}
        basis = self.reference.basis_of_names(changed.values())
        check_names({**self.reference.units(), **changed}, changed)
        return basis

    def register_units(
        self, act: CommandContext, rows: Iterable[UnitName], *, heads_since: date | None = None
    ) -> CommandResult:
        """Register a whole list, all or nothing: an equal row changes nothing, another name renames the unit.

        With ``heads_since`` a new unit also gets its main head's post (a government its main leader's), held since
        that day by somebody whose name is not registered: enough to assign tasks to posts before all names are known.
        """
        units: list[Unit] = []
        posts: list[Post] = []
        for row in rows:
            unit = self.find(Unit, Unit.id_of(row.id))
            if unit is None:
                unit = Unit.register(
                    act,
                    unit=row.id,
                    name=row.name,
                    short_names=row.short_names,
                    kind=row.kind,  # type: ignore[arg-type]  # read_units accepts only the kinds there are
                )
                if heads_since is not None:
                    posts += self._head(act, unit, heads_since)
            elif unit.state.kind != row.kind:
                raise UnitKindIsFixed(unit=row.id, kind=unit.state.kind)
            elif not unit.state.is_named(row.name, row.short_names):
                unit.rename(act, name=row.name, short_names=row.short_names)
            units.append(unit)
        if not units:
            raise NoUnitsGiven()
        basis = self._names_checked(*units)
        return self.commit(act, *units, *posts, location="/api/v1/units", basis=basis)

    def _head(self, act: CommandContext, unit: Unit, since: date) -> list[Post]:
        name, title, role = HEADS.get(unit.state.kind, HEADS[""])
        post = f"{unit.state.unit}/{name}"
        if self.find(Post, Post.id_of(post)) is not None:
            return []
        new = Post.create(act, post=post, title=title, role=role)
        new.appoint(act, holder=UNNAMED, since=since)
        return [new]

    def create_post(self, act: CommandContext, *, post: str, title: str, role: PostRole) -> CommandResult:
        """Create a post ``unit/name``."""
        new = Post.create(act, post=post, title=title, role=role)
        self.reference.unit(new.state.unit, field="id")
        known = AlreadyExists(kind="Post", name=post, at_field="id")
        return self.commit_new(act, new, known, location=f"/api/v1/posts/{post}")

    def assign_portfolio(
        self, act: CommandContext, unit: str, name: str, *, units: Sequence[str], fields: Sequence[str] = ()
    ) -> CommandResult:
        """Put units in the charge of the leader's post ``unit/name``; dissolved ones may be among them."""
        post = self.post_at(act, unit, name)
        for one in units:
            if self.find(Unit, Unit.id_of(one)) is None:
                raise UnknownUnit(unit=one, at_field="units")
        post.assign_portfolio(act, units=units, fields=fields)
        return self.commit(act, post)

    def unit_at(self, act: CommandContext, unit: str) -> Unit:
        """The unit under this id."""
        return self.load(Unit, Unit.id_of(unit), act)

    def post_at(self, act: CommandContext, unit: str, name: str) -> Post:
        """The post ``unit/name``."""
        return self.load(Post, Post.id_of(f"{unit}/{name}"), act)
