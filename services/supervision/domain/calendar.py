"""Releases of the calendar: one person drafts, another releases; versions follow each other without a gap."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Self

from shared.calendar import (
    Calendar,
    CalendarRelease,
    CalendarVersionOutOfOrder,
    DayRule,
    Layer,
    check_release,
    unchanged_days,
)
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.guards import requires
from shared.domain.lifecycle import Lifecycle
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.matter import Secrecy
from shared.events.supervision import CalendarDay


class ReleasingOnesOwnDraft(Refusal):
    """起草人不能发布自己起草的节假日安排，须由第二人发布。
    Whoever drafted a calendar release does not release it: that takes a second person."""

    status = 403


class CalendarDraftAlreadyReleased(Refusal):
    """该节假日安排已作为日历第 {version} 版发布。
    This draft was released already, as version {version} of the calendar."""


@dataclass(frozen=True, kw_only=True)
class CalendarDraftState:
    """节假日安排草案: days that wait for a second person; what became of it is the calendar's own fact."""

    layer: supervision.Layer
    title: str
    days: tuple[CalendarDay, ...]
    years: tuple[int, ...]
    unchanged: tuple[date, ...]
    """The days among them that were so already."""
    follows: int
    drafted_by: str
    drafted_at: datetime

    status: ClassVar[str] = "drafted"
    secrecy: ClassVar[Secrecy] = "public"
    concerned: ClassVar[tuple[str, ...]] = ()


evolve_draft = Lifecycle(CalendarDraftState, begins=supervision.CalendarReleaseDrafted)


@evolve_draft.register
def _(fact: supervision.CalendarReleaseDrafted) -> CalendarDraftState:
    return CalendarDraftState(
        layer=fact.layer,
        title=fact.title,
        days=fact.days,
        years=fact.years,
        unchanged=fact.unchanged,
        follows=fact.follows,
        drafted_by=fact.by.post,
        drafted_at=fact.timestamp,
    )


@dataclass(frozen=True)
class CalendarVersionState:
    """A version of the calendar, as it was released."""

    fact: supervision.CalendarReleased

    status: ClassVar[str] = "released"

    @property
    def number(self) -> str:
        """The version."""
        return str(self.fact.version)


evolve_version = Lifecycle(CalendarVersionState, begins=supervision.CalendarReleased)


@evolve_version.register
def _(fact: supervision.CalendarReleased) -> CalendarVersionState:
    return CalendarVersionState(fact)


def by_a_second_person(draft: CalendarDraftState, act: CommandContext) -> None:
    """Whoever drafted it does not release it."""
    if act.by.post == draft.drafted_by:
        raise ReleasingOnesOwnDraft()


def is_not_released(draft: CalendarDraftState, act: CommandContext, released_as: int | None) -> None:
    """No version of the calendar is this draft."""
    if released_as is not None:
        raise CalendarDraftAlreadyReleased(version=released_as)


def follows_the_calendar_in_force(draft: CalendarDraftState, act: CommandContext, current: Calendar) -> None:
    """No other release came first: what was checked and shown was then another calendar."""
    if current.version != draft.follows:
        raise CalendarVersionOutOfOrder(given=draft.follows + 1, current=current.version)


class CalendarDraft(Aggregate, lifecycle=evolve_draft):
    """节假日安排草案 (measures B4)."""

    TOPIC = "supervision.calendar_draft"
    state: CalendarDraftState

    @classmethod
    def draft(
        cls, act: CommandContext, calendar: Calendar, layer: Layer, title: str, days: tuple[DayRule, ...]
    ) -> Self:
        """Draft a release that follows ``calendar``. Raises what ``check_release`` refuses."""
        release = check_release(calendar, layer, title, days)
        return cls.begin(
            supervision.CalendarReleaseDrafted,
            act,
            id=act.new_id("calendar-draft"),
            layer=layer,
            title=release.title,
            days=tuple(
                CalendarDay(day=rule.day, working=rule.working, name=rule.name) for rule in release.days
            ),
            years=release.known_years,
            follows=calendar.version,
            unchanged=unchanged_days(calendar, release),
        )

    def as_release(self) -> CalendarRelease:
        """What the calendar would become with it."""
        return CalendarRelease(
            version=self.state.follows + 1,
            title=self.state.title,
            layer=self.state.layer,
            days=tuple(DayRule(day.day, day.working, day.name) for day in self.state.days),
            known_years=self.state.years,
        )

    @requires(by_a_second_person, is_not_released, follows_the_calendar_in_force)
    def release(
        self, act: CommandContext, *, current: Calendar, released_as: int | None
    ) -> "CalendarVersion":
        """The next version of the calendar; ``released_as``: the version that this draft is already, if any."""
        version = self.state.follows + 1
        return CalendarVersion.begin(
            supervision.CalendarReleased,
            act,
            id=stable_id("calendar", version),
            release_id=self.id,
            version=version,
            layer=self.state.layer,
            title=self.state.title,
            days=self.state.days,
            years=self.state.years,
        )


class CalendarVersion(Aggregate, lifecycle=evolve_version):
    """日历的一个版本: its id follows from its number, so that no number can be given twice."""

    TOPIC = "supervision.calendar_version"
    state: CalendarVersionState
