"""Reference data that every service needs: units, posts with their holders, the calendar.

Each service folds its own copy from the logs of those who own the facts (assignment, supervision).
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import JSON, Column, Connection, Integer, String, select

from shared.calendar import Calendar, CalendarRelease, DayRule
from shared.database.columns import MomentColumn
from shared.domain.aggregate import stable_id
from shared.domain.refusal import Refusal
from shared.domain.roles import LEADERS, Role
from shared.domain.units import PostState, evolve_post, evolve_unit
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views

T = TypeVar("T")


class UnknownUnit(Refusal):
    """没有编号为 {unit} 的单位。
    There is no unit with the id {unit}."""

    status = 422
    field = "unit"


class UnknownPost(Refusal):
    """没有编号为 {post} 的岗位。
    There is no post with the id {post}."""

    status = 422
    field = "post"


class UnitHasNoHead(Refusal):
    """单位 {unit} 没有登记在任的主要负责人岗位。
    The unit {unit} has no main head's post registered."""


class UnitsView(LifecycleView):
    """单位: every unit by the id that people gave it."""

    name = "units"
    version = 3
    lifecycle = evolve_unit
    indexed = ("kind",)

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        """The unit's own id."""
        return str(fact.unit)


class PostsView(LifecycleView):
    """岗位: every post by the id that people gave it."""

    name = "posts"
    version = 5
    lifecycle = evolve_post
    indexed = ("unit",)

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        """The post's own id."""
        return str(fact.post)


class CalendarView(View):
    """节假日安排: every released version of the calendar."""

    name = "calendar_releases"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The release as it was published, from which draft and by whom."""
        return [
            Column("release_id", String, nullable=False, info={"index": True}),
            Column("released_by", String, nullable=False),
            Column("released_at", MomentColumn, nullable=False),
            Column("version", Integer, nullable=False),
            Column("layer", String, nullable=False),
            Column("title", String, nullable=False),
            Column("days", JSON, nullable=False),
            Column("years", JSON, nullable=False),
        ]

    def on_calendar_released(self, rows: Rows, fact: supervision.CalendarReleased, message: Message) -> None:
        rows.put(
            f"{fact.version:06d}",
            release_id=str(fact.release_id),
            released_by=fact.by.post,
            released_at=fact.timestamp,
            version=fact.version,
            layer=fact.layer,
            title=fact.title,
            days=[[day.day.isoformat(), day.working, day.name] for day in fact.days],
            years=list(fact.years),
        )


REFERENCE_VIEWS: tuple[type[View], ...] = (UnitsView, PostsView, CalendarView)


@lru_cache(maxsize=16)
def _calendar(releases: tuple[CalendarRelease, ...]) -> Calendar:
    calendar = Calendar.base()
    for release in releases:
        calendar = calendar.with_release(release)
    return calendar


def calendar_of(released: Iterable[supervision.CalendarReleased]) -> Calendar:
    """The calendar after these releases, in their order of version."""
    return _calendar(
        tuple(
            CalendarRelease(
                version=fact.version,
                title=fact.title,
                layer=fact.layer,
                days=tuple(DayRule(day.day, day.working, day.name) for day in fact.days),
                known_years=tuple(fact.years),
            )
            for fact in released
        )
    )


_STATE = (
    "SELECT 'live', name, version, generation, 0 FROM views WHERE live "
    "UNION ALL SELECT 'mark', '', partition, position, place FROM inbox_marks "
    "WHERE consumer='project' AND source='assignment' "
    "UNION ALL SELECT 'hole', '', partition, after, before FROM inbox_holes "
    "WHERE consumer='project' AND source='assignment' "
    "UNION ALL SELECT 'parked', handler || ' ' || source, partition, position, 0 FROM inbox_parked "
    f"WHERE consumer='project' AND handler IN ('', {', '.join(repr(view.name) for view in REFERENCE_VIEWS)}) "
    "UNION ALL SELECT 'next calendar', '', 0, version, 0 FROM inbox_versions "
    "WHERE consumer='project' AND source='supervision' AND aggregate_id=?"
)
"""All on which an answer depends: the live tables, what has been received of their owner's log, the parked messages
(one may be folded later), and whether the release after the known calendar has arrived. No two states may look alike:
what has come and gone is named, never counted."""


class _Known:
    """Cached answers about reference data, valid while its state is unchanged."""

    def __init__(self, state: tuple[int, frozenset[tuple[Any, ...]]]) -> None:
        self.state = state
        self.answers: dict[Hashable, Any] = {}

    @property
    def calendar(self) -> int:
        """The version of the known calendar."""
        known: Calendar | None = self.answers.get("calendar")
        return self.state[0] if known is None else known.version


class Reference:
    """Queries of the reference data, as the service has folded them so far.

    They change seldom and are needed by every command: answers are cached until one query says that something changed.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._known = _Known((Calendar.base().version, frozenset()))

    def answer(self, question: Hashable, ask: Callable[[Connection], T]) -> T:
        """The result of ``ask``, a query of reference data only, cached until any of them changes."""
        answers = self._views.keep("reference", self._present).answers
        if question not in answers:
            with self._views.reading() as connection:
                answers[question] = ask(connection)
        found: T = answers[question]
        return found

    def _present(self) -> _Known:
        known = self._known
        calendar = known.calendar
        rows = self._views.query_now(_STATE, (str(stable_id("calendar", calendar + 1)),))
        # "The next one has arrived" is another state for every known calendar.
        state = calendar, frozenset(tuple(row) for row in rows)
        if state != known.state:
            # Read before any answer, or in the same snapshot: an answer may belong to a later state, and is then
            # queried again next time, but never to an earlier one.
            known = self._known = _Known(state)
        return known

    def unit(self, unit: str, *, field: str | None = None) -> Mapping[str, Any]:
        """The unit. Raises UnknownUnit, also for a dissolved one."""
        row = self._row("units", unit)
        if row is None or row["dissolved"]:
            raise UnknownUnit(unit=unit, at_field=field)
        return row

    def unit_name(self, unit: str) -> str | None:
        """What the unit is called, also after it was dissolved; None if it is not registered here."""
        row = self._row("units", unit)
        return None if row is None else str(row["name"])

    def unit_of_kind(self, kind: str) -> str | None:
        """The first unit of a kind, by id, that has not been dissolved."""

        def ask(connection: Connection) -> str | None:
            units = self._views.table(connection, "units")
            return connection.execute(
                select(units.c.id).where(units.c.kind == kind, ~units.c.dissolved).order_by(units.c.id)
            ).scalar()

        return self.answer(("unit of kind", kind), ask)

    def post(self, post: str, *, field: str | None = None) -> Mapping[str, Any]:
        """The post. Raises UnknownPost."""
        row = self._row("posts", post)
        if row is None:
            raise UnknownPost(post=post, at_field=field)
        return row

    def head_of(self, unit: str) -> str:
        """The post of the unit's main head (主要负责人). Raises UnitHasNoHead."""

        def ask(connection: Connection) -> str | None:
            posts = self._views.table(connection, "posts")
            return connection.execute(
                select(posts.c.id)
                .where(posts.c.unit == unit, posts.c.role == "unit_head")
                .order_by(posts.c.id)
            ).scalar()

        found = self.answer(("head", unit), ask)
        if found is None:
            raise UnitHasNoHead(unit=unit)
        return found

    def post_state(self, post: str) -> PostState:
        """The post with every time that somebody has held it. Raises UnknownPost."""
        state: PostState = PostsView.state_of(self.post(post))
        return state

    def official(self, post: str) -> PostState | None:
        """The post with every time that somebody has held it, or None."""
        row = self._row("posts", post)
        return None if row is None else PostsView.state_of(row)

    def takes_first_steps(self, unit: str, kind: str) -> bool:
        """Whether nobody has ever been appointed by name in the unit, which is of this kind, or no unit is."""

        def ask(connection: Connection) -> bool:
            units, posts = self._views.table(connection, "units"), self._views.table(connection, "posts")
            kinds = dict(connection.execute(select(units.c.id, units.c.kind)).all())
            named = select(posts.c.id).where(posts.c.unit == unit, posts.c.named)
            of_that_kind = kinds.get(unit) == kind or kind not in kinds.values()
            return of_that_kind and connection.execute(named).first() is None

        return self.answer(("first steps", unit, kind), ask)

    def leaders(self) -> Sequence[Mapping[str, Any]]:
        """The posts of the main leader and the vice leaders (政府领导), by id."""

        def ask(connection: Connection) -> Sequence[Mapping[str, Any]]:
            posts = self._views.table(connection, "posts")
            leading = posts.c.role.in_(LEADERS)
            return [
                _fixed(row) for row in connection.execute(select(posts).where(leading).order_by(posts.c.id))
            ]

        return self.answer("leaders", ask)

    def in_charge_of(self, unit: str) -> Sequence[str]:
        """The vice leaders who are in charge of the unit (分管领导), by id."""
        return [
            str(post["id"])
            for post in self.leaders()
            if post["role"] == Role.vice_leader and PostsView.state_of(post).is_in_charge_of(unit)
        ]

    def main_leader(self) -> Mapping[str, Any] | None:
        """The main leader's post (政府主要领导), if it is registered."""
        return next((post for post in self.leaders() if post["role"] == "main_leader"), None)

    def calendar(self) -> Calendar:
        """The calendar in force: the last version before any gap."""
        return self.answer("calendar", self._calendar)

    def _calendar(self, connection: Connection) -> Calendar:
        table = self._views.table(connection, "calendar_releases")
        found = connection.execute(select(table).order_by(table.c.version)).all()
        first = Calendar.base().version + 1
        rows = [row for version, row in enumerate(found, first) if row.version == version]
        return _calendar(
            tuple(
                CalendarRelease(
                    version=row.version,
                    title=row.title,
                    layer=row.layer,
                    days=tuple(
                        DayRule(date.fromisoformat(day), working, name) for day, working, name in row.days
                    ),
                    known_years=tuple(row.years),
                )
                for row in rows
            )
        )

    def _row(self, view: str, id: str) -> Mapping[str, Any] | None:  # noqa: A002
        def ask(connection: Connection) -> Mapping[str, Any] | None:
            table = self._views.table(connection, view)
            row = connection.execute(select(table).where(table.c.id == id)).first()
            return None if row is None else _fixed(row)

        return self.answer((view, id), ask)


def _fixed(row: Any) -> Mapping[str, Any]:
    """A row shared by many readers, read-only."""
    return MappingProxyType(dict(row._mapping))
