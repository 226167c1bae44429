"""Drafted and released calendars, and released rulebooks."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, FromClause, case, select

from services.supervision.domain.calendar import CalendarDraftState, evolve_draft
from services.supervision.domain.rulebook import evolve
from shared.events.base import Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Row
from shared.readmodels.views import Views
from shared.web.lists import many, one


class CalendarDraftsView(LifecycleView):
    """节假日安排: every draft; as which version it was released is looked up when read."""

    name = "calendar_drafts"
    version = 5
    lifecycle = evolve_draft
    indexed = ("layer",)


class RulebooksView(LifecycleView):
    """办理规则: every released version with its text."""

    name = "rulebooks"
    version = 2
    lifecycle = evolve

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        """See LifecycleView."""
        return f"{fact.version:06d}"


# -- queries ------------------------------------------------------------------------------------------------------


def with_releases(connection: Connection, views: Views) -> FromClause:
    """The drafts, each with its release if there is one."""
    drafts, releases = (
        views.table(connection, "calendar_drafts"),
        views.table(connection, "calendar_releases"),
    )
    released = releases.c.id.is_not(None)
    return (
        select(
            *(column for column in drafts.c if column.name != "state"),
            case((released, "released"), else_=drafts.c.state).label("state"),
            case((released, releases.c.released_by)).label("released_by"),
            case((released, releases.c.released_at)).label("released_at"),
            case((released, releases.c.version)).label("calendar_version"),
        )
        .join(releases, releases.c.release_id == drafts.c.id, isouter=True)
        .subquery("calendar_drafts")
    )


def with_days(row: Row) -> Row:
    """The draft's row with its days."""
    draft: CalendarDraftState = CalendarDraftsView.state_of(row)
    return {**row, "days": draft.days, "unchanged": draft.unchanged}


def calendar_drafts(args: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the drafts."""
    found = many(with_releases, args, "state", "layer", all_see=True)
    return {**found, "items": [with_days(row) for row in found["items"]]}


def calendar_draft(draft_id: object) -> tuple[Row, dict[str, str]]:
    """One draft, with its ETag. Raises NoSuchThing."""
    return one(with_releases, draft_id, kind="CalendarDraft")
