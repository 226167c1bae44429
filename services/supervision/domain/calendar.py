"""Releases of the calendar: one person drafts, another releases; versions follow each other without a gap."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, Self

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
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.refusal import Refusal
from shared.domain.words import Enumerated
from shared.events import supervision
from shared.events.matter import Secrecy
from shared.events.supervision import CalendarDay

DraftStatus = Literal["drafted", "released", "withdrawn", "overtaken"]


class ReleasingOnesOwnDraft(Refusal):
    """起草人不能发布自己起草的节假日安排，须由第二人发布。
    Whoever drafted a calendar release does not release it: that takes a second person."""

    status = 403


class CalendarDraftAlreadyReleased(Refusal):
    """该节假日安排已作为日历第 {version} 版发布。
    This draft was released already, as version {version} of the calendar."""


class CalendarDraftNotWaiting(Refusal, state=Enumerated(DraftStatus, "CalendarDraft.state")):
    """该节假日安排草案现为“{state}”，不再等待发布。
    This draft is {state}: it does not wait to be released any more."""


@dataclass(frozen=True, kw_only=True)
class CalendarDraftState:
    """节假日安排草案: days that wait for a second person, and what became of it.

    That a draft was released, an older log tells by the calendar's own fact alone.
    """

    layer: supervision.Layer
    title: str
    days: tuple[CalendarDay, ...]
    years: tuple[int, ...]
    unchanged: tuple[date, ...]
    """The days among them that were so already."""
    follows: int
    drafted_by: str
    drafted_at: datetime
    status: DraftStatus = "drafted"
    withdrawn_because: str | None = None

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


@evolve_draft.register
def _(fact: supervision.CalendarDraftReleased, draft: CalendarDraftState) -> CalendarDraftState:
    return replace(draft, status="released")


@evolve_draft.register
def _(fact: supervision.CalendarDraftWithdrawn, draft: CalendarDraftState) -> CalendarDraftState:
    return replace(draft, status="withdrawn", withdrawn_because=fact.reason)


@evolve_draft.register
def _(fact: supervision.CalendarDraftOvertaken, draft: CalendarDraftState) -> CalendarDraftState:
    return replace(draft, status="overtaken")


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


def waits(draft: CalendarDraftState, act: CommandContext) -> None:
    """It was neither withdrawn nor overtaken."""
    if draft.status != "drafted":
        raise CalendarDraftNotWaiting(state=draft.status)


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

    @requires(by_a_second_person, is_not_released, follows_the_calendar_in_force, waits)
    def release(
        self, act: CommandContext, *, current: Calendar, released_as: int | None
    ) -> "CalendarVersion":
        """The next version of the calendar; ``released_as``: the version that this draft is already, if any."""
        version = self.state.follows + 1
        self.record(supervision.CalendarDraftReleased, act, version=version)
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

    @requires(is_not_released, waits)
    def withdraw(self, act: CommandContext, *, reason: str, released_as: int | None) -> None:
        """It is not to be released; its drafter may say so too."""
        self.record(supervision.CalendarDraftWithdrawn, act, reason=reason)

    def overtake(self, act: CommandContext, *, version: int) -> None:
        """Another release came first; nothing happens if it does not wait."""
        if self.state.status == "drafted":
            self.record(supervision.CalendarDraftOvertaken, act, version=version)


class CalendarVersion(Aggregate, lifecycle=evolve_version):
    """日历的一个版本: its id follows from its number, so that no number can be given twice."""

    TOPIC = "supervision.calendar_version"
    state: CalendarVersionState
