"""Releases of the calendar: one person drafts, another releases; versions follow each other without a gap."""

from typing import Self
from uuid import UUID

from shared.calendar import (
    Calendar,
    CalendarRelease,
    CalendarVersionOutOfOrder,
    DayRule,
    Layer,
    check_release,
)
from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.supervision import CalendarDay


class ReleasingOnesOwnDraft(Refusal):
    """起草人不能发布自己起草的节假日安排，须由第二人发布。
    Whoever drafted a calendar release does not release it: that takes a second person."""

    status = 403


class CalendarDraftAlreadyReleased(Refusal):
    """该节假日安排已作为日历第 {version} 版发布。
    This draft was released already, as version {version} of the calendar."""


class CalendarDraft(Aggregate):
    """节假日安排草案: days that wait for a second person (measures B4)."""

    TOPIC = "supervision.calendar_draft"
    layer: Layer
    title: str
    days: tuple[CalendarDay, ...]
    years: tuple[int, ...]
    follows: int
    drafted_by: str

    @property
    def status(self) -> str:
        """A draft stays one; its release is the calendar's own fact."""
        return "drafted"

    @classmethod
    def draft(
        cls, act: CommandContext, calendar: Calendar, layer: Layer, title: str, days: tuple[DayRule, ...]
    ) -> Self:
        """Draft a release that follows ``calendar``. Raises what ``check_release`` refuses."""
        release = check_release(calendar, layer, title, days)
        return cls.begin(
            cls.Drafted,
            act,
            id=act.new_id("calendar-draft"),
            layer=layer,
            title=release.title,
            days=tuple(
                CalendarDay(day=rule.day, working=rule.working, name=rule.name) for rule in release.days
            ),
            years=release.known_years,
            follows=calendar.version,
        )

    def as_release(self) -> CalendarRelease:
        """What the calendar would become with it."""
        return CalendarRelease(
            version=self.follows + 1,
            title=self.title,
            layer=self.layer,
            days=tuple(DayRule(day.day, day.working, day.name) for day in self.days),
            known_years=self.years,
        )

    class Drafted(supervision.CalendarReleaseDrafted, Creation):
        def apply(self, draft: "CalendarDraft") -> None:
            draft.layer, draft.title = self.layer, self.title
            draft.days, draft.years, draft.follows = self.days, self.years, self.follows
            draft.drafted_by = self.by.post


class CalendarVersion(Aggregate):
    """日历的一个版本: its id follows from its number, so that no number can be given twice."""

    TOPIC = "supervision.calendar_version"
    calendar_version: int
    release_id: UUID
    fact: supervision.CalendarReleased

    @property
    def status(self) -> str:
        """It is in force."""
        return "released"

    @property
    def number(self) -> str:
        """The version."""
        return str(self.calendar_version)

    @classmethod
    def release(
        cls, act: CommandContext, draft: CalendarDraft, current: Calendar, later: "CalendarVersion | None"
    ) -> Self:
        """Release the draft; ``later`` is the version that followed the one it was drafted against, if any.

        Raises ReleasingOnesOwnDraft, CalendarDraftAlreadyReleased, and CalendarVersionOutOfOrder if another
        release came first: what was checked and shown was then another calendar.
        """
        if act.by.post == draft.drafted_by:
            raise ReleasingOnesOwnDraft()
        if later is not None and later.release_id == draft.id:
            raise CalendarDraftAlreadyReleased(version=later.calendar_version)
        if current.version != draft.follows:
            raise CalendarVersionOutOfOrder(given=draft.follows + 1, current=current.version)
        version = draft.follows + 1
        return cls.begin(
            cls.Released,
            act,
            id=stable_id("calendar", version),
            release_id=draft.id,
            version=version,
            layer=draft.layer,
            title=draft.title,
            days=draft.days,
            years=draft.years,
        )

    class Released(supervision.CalendarReleased, Creation):
        def apply(self, calendar: "CalendarVersion") -> None:
            calendar.calendar_version = self.version
            calendar.release_id = self.release_id
            calendar.fact = self
