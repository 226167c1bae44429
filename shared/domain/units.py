"""Units and posts (measure 6) as every service knows them: their states, and what each fact does to them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from shared.domain.aggregate import COMMAND_LINE
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.roles import LEADERS
from shared.events import assignment


@dataclass(frozen=True, kw_only=True)
class UnitState:
    """单位: a department, town, zone or office by the id that people gave it."""

    unit: str
    name: str
    short_names: tuple[str, ...]
    kind: assignment.UnitKind
    dissolved: bool = False
    dissolved_at: datetime | None = None
    successor: str | None = None

    @property
    def status(self) -> str:
        """Registered or dissolved."""
        return "dissolved" if self.dissolved else "registered"

    @property
    def number(self) -> str:
        """Its id."""
        return self.unit

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, then its short names."""
        return (self.name, *self.short_names)

    def is_named(self, name: str, short_names: tuple[str, ...]) -> bool:
        """Whether it has exactly these names."""
        return (self.name, self.short_names) == (name, short_names)


evolve_unit = Lifecycle(UnitState, begins=assignment.UnitRegistered)


@evolve_unit.register
def _(fact: assignment.UnitRegistered) -> UnitState:
    return UnitState(unit=fact.unit, name=fact.name, short_names=fact.short_names, kind=fact.kind)


@evolve_unit.register
def _(fact: assignment.UnitRenamed, unit: UnitState) -> UnitState:
    return replace(unit, name=fact.name, short_names=fact.short_names)


@evolve_unit.register
def _(fact: assignment.UnitDissolved, unit: UnitState) -> UnitState:
    return replace(unit, dissolved=True, dissolved_at=fact.happened_at, successor=fact.successor)


class Held(NamedTuple):
    """任期: from when until when somebody has held a post; who, stands in the event and is personal data."""

    since: date
    until: date | None = None


@dataclass(frozen=True, kw_only=True)
class PostState:
    """岗位: a post in a unit with its present holder; responsibility is the post's, not the person's."""

    post: str
    unit: str
    title: str
    role: assignment.PostRole
    holder: str | None = None
    """A token of personal data once it is stored; None if the post is vacant."""
    since: date | None = None
    appointed_at: datetime | None = None
    """When whoever holds it was appointed."""
    held: tuple[Held, ...] = ()
    """Every time that somebody has held it, in order."""
    named: bool = False
    """Whether somebody has ever been appointed by name; a register's import appoints who is not named yet."""
    portfolio: tuple[str, ...] = ()
    """分管单位: the units of which a leader is in charge."""

    @property
    def status(self) -> str:
        """Held or vacant."""
        return "vacant" if self.holder is None else "held"

    @property
    def number(self) -> str:
        """Its id."""
        return self.post

    def holder_since(self, day: date) -> date | None:
        """Since when whoever held it on that day had held it; None if nobody did, or nobody says."""
        term = self._term_of(day)
        return None if term is None or self.is_vacant_on(day) else term.since

    def is_vacant_on(self, day: date) -> bool:
        """Whether it had been vacated by then; a post of which no holder has ever been told is not."""
        term = self._term_of(day)
        return term is not None and term.until is not None and term.until <= day

    def _term_of(self, day: date) -> Held | None:
        """The last time that had begun by then."""
        return next((term for term in reversed(self.held) if term.since <= day), None)

    @property
    def is_leader(self) -> bool:
        """Whether it is the main leader's or a vice leader's post."""
        return self.role in LEADERS

    def is_in_charge_of(self, unit: str) -> bool:
        """分管: whether this leader's portfolio holds the unit."""
        return self.is_leader and unit in self.portfolio


evolve_post = Lifecycle(PostState, begins=assignment.PostCreated)


@evolve_post.register
def _(fact: assignment.PostCreated) -> PostState:
    return PostState(post=fact.post, unit=fact.unit, title=fact.title, role=fact.role)


@evolve_post.register
def _(fact: assignment.PostHolderAppointed, post: PostState) -> PostState:
    return replace(
        post,
        holder=fact.holder,
        since=fact.since,
        appointed_at=fact.happened_at,
        held=(*_ended(post.held, fact.since), Held(fact.since)),
        named=post.named or fact.by.post != COMMAND_LINE,
    )


@evolve_post.register
def _(fact: assignment.PostVacated, post: PostState) -> PostState:
    return replace(post, holder=None, since=None, appointed_at=None, held=_ended(post.held, fact.on))


def _ended(held: tuple[Held, ...], on: date) -> tuple[Held, ...]:
    """The last time has ended on that day, if it had not."""
    return held and (*held[:-1], held[-1] if held[-1].until else Held(held[-1].since, on))


@evolve_post.register
def _(fact: assignment.PortfolioAssigned, post: PostState) -> PostState:
    return replace(post, portfolio=fact.units)
