"""Units, posts, portfolios (measure 6)."""

from collections.abc import Iterable, Sequence
from datetime import date

from services.assignment.application.known import KnownUnits
from services.assignment.domain.units import Post, Unit, UnitKindIsFixed
from services.assignment.spreadsheets import UnitName
from shared.application.application import AlreadyExists
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.domain.refusal import Refusal
from shared.events.assignment import PostRole, UnitKind
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
        """Register a unit under the id that the clerk gives. Raises AlreadyExists, UnitIdMalformed."""
        new = Unit.register(act, unit=unit, name=name, short_names=short_names, kind=kind)
        known = AlreadyExists(kind="单位", name=unit, at_field="id")
        return self.commit_new(act, new, known, location=f"/api/v1/units/{unit}")

    def register_units(
        self, act: CommandContext, rows: Iterable[UnitName], *, heads_since: date | None = None
    ) -> CommandResult:
        """Register a whole list, all or nothing: an equal row changes nothing, another name renames the unit.

        With ``heads_since`` a new unit also gets its main head's post (a government its main leader's), held since
        that day by somebody whose name is not registered: enough to assign tasks to posts before all names are known.
        Raises NoUnitsGiven, UnitKindIsFixed, and what registering and renaming raise.
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
            elif unit.kind != row.kind:
                raise UnitKindIsFixed(unit=row.id, kind=unit.kind)
            elif not unit.is_named(row.name, row.short_names):
                unit.rename(act, name=row.name, short_names=row.short_names)
            units.append(unit)
        if not units:
            raise NoUnitsGiven()
        return self.commit(act, *units, *posts, location="/api/v1/units")

    def _head(self, act: CommandContext, unit: Unit, since: date) -> list[Post]:
        name, title, role = HEADS.get(unit.kind, HEADS[""])
        post = f"{unit.unit}/{name}"
        if self.find(Post, Post.id_of(post)) is not None:
            return []
        new = Post.create(act, post=post, title=title, role=role)
        new.appoint(act, holder=UNNAMED, since=since)
        return [new]

    def rename_unit(
        self, act: CommandContext, unit: str, *, name: str, short_names: Sequence[str] = ()
    ) -> CommandResult:
        """Give a unit another name; its id stays."""
        found = self.load(Unit, Unit.id_of(unit), act)
        found.rename(act, name=name, short_names=short_names)
        return self.commit(act, found)

    def dissolve_unit(self, act: CommandContext, unit: str, *, successor: str | None = None) -> CommandResult:
        """Dissolve a unit; its successor, if any, must be another known unit. Raises UnknownUnit."""
        found = self.load(Unit, Unit.id_of(unit), act)
        if successor is not None and successor != unit:
            self._unit(successor, "successor")
        found.dissolve(act, successor=successor)
        return self.commit(act, found)

    def create_post(self, act: CommandContext, *, post: str, title: str, role: PostRole) -> CommandResult:
        """Create a post ``unit/name``. Raises PostIdMalformed, UnknownUnit, AlreadyExists."""
        new = Post.create(act, post=post, title=title, role=role)
        self._unit(new.unit, "id")
        known = AlreadyExists(kind="岗位", name=post, at_field="id")
        return self.commit_new(act, new, known, location=f"/api/v1/posts/{post}")

    def appoint_holder(self, act: CommandContext, post: str, *, holder: str, since: date) -> CommandResult:
        """Somebody holds the post since a day. Raises DayIsInTheFuture, AppointedBeforePredecessor."""
        found = self.load(Post, Post.id_of(post), act)
        found.appoint(act, holder=holder, since=since)
        return self.commit(act, found)

    def vacate_post(self, act: CommandContext, post: str, *, on: date) -> CommandResult:
        """Nobody holds the post from a day on: it takes no new tasks."""
        found = self.load(Post, Post.id_of(post), act)
        found.vacate(act, on=on)
        return self.commit(act, found)

    def assign_portfolio(
        self, act: CommandContext, post: str, *, units: Sequence[str], fields: Sequence[str] = ()
    ) -> CommandResult:
        """Put units in a leader's charge. Raises UnknownUnit, NoLeadersPost."""
        found = self.load(Post, Post.id_of(post), act)
        for unit in units:
            if self.find(Unit, Unit.id_of(unit)) is None:
                raise UnknownUnit(unit=unit, at_field="units")
        found.assign_portfolio(act, units=units, fields=fields)
        return self.commit(act, found)
