"""Releases of the calendar 节假日安排 and of the rulebook 办理规则: the commands and what is shown of them."""

from typing import Any, Literal
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.application import Supervision
from services.supervision.domain import CalendarDraft
from services.supervision.domain.calendar import DraftStatus
from services.supervision.views.releases import (
    CalendarDraftsView,
    RulebooksView,
    calendar_draft,
    calendar_drafts,
    with_days,
)
from shared.domain.roles import LEADERS, OFFICES, Role
from shared.web.auth import allow
from shared.web.commands import Body, Commands
from shared.web.fields import Choice, Reason, Title
from shared.web.http import (
    BaseSchema,
    Blueprint,
    Day,
    Flag,
    Moment,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    context,
)
from shared.web.lists import many, reading
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("releases", __name__, url_prefix="/api/v1", description="节假日安排与办理规则")

Layer = Literal["state_council", "banner"]
"""The layers of the calendar that can be amended."""


class DaySchema(BaseSchema):
    """One day that a release makes a working day or a rest day."""

    day = Day(required=True)
    working = Flag(required=True)
    name = Text(40, empty=True, load_default="")


# -- commands -----------------------------------------------------------------------------------------------------

releases = Commands[Supervision, CalendarDraft](blueprint, "/calendar-releases", Supervision)
on_release = Commands(blueprint, "/calendar-releases/<uuid:release_id>/", Supervision, CalendarDraft)


@releases("", Supervision.draft_release, *OFFICES, status=201)
class DraftRelease(Body):
    """节假日安排起草 Draft a release of the calendar; a second person releases it."""

    layer = Choice(Layer, required=True)
    title = Title(required=True)
    days = fields.List(fields.Nested(DaySchema), required=True, validate=validate.Length(min=1, max=400))


@on_release("release", Supervision.release_calendar, *OFFICES, guarded=CalendarDraft.release)
class ReleaseCalendar(Body):
    """节假日安排发布 Release a draft, by a second person; open clocks are then recomputed."""


@on_release("withdraw", Supervision.withdraw_draft, *OFFICES, guarded=CalendarDraft.withdraw)
class WithdrawCalendarDraft(Body):
    """节假日安排草案撤回 Withdraw a draft that is not to be released."""

    reason = Reason(required=True)


# -- what is shown ------------------------------------------------------------------------------------------------

RELEASED: dict[str, fields.Field[Any]] = {
    "days": fields.List(fields.Nested(DaySchema), required=True),
    "unchanged": fields.List(Day(), required=True),
    "state": fields.String(required=True),
    "released_by": fields.String(required=True, allow_none=True),
    "released_at": Moment(required=True, allow_none=True),
    "calendar_version": fields.Integer(required=True, allow_none=True),
}
CalendarReleaseSchema = shown(
    "CalendarReleaseSchema", CalendarDraftsView, hidden=("version", *RELEASED), **RELEASED
)
OneReleaseSchema = shown(
    "OneReleaseSchema",
    CalendarDraftsView,
    hidden=("version", *RELEASED),
    **RELEASED,
    may=on_release.may_field(),
)
RulebookSchema = shown("RulebookSchema", RulebooksView, hidden=("id", "version"))


class CalendarReleaseFilters(PageArgs):
    """Which drafts and releases."""

    sort = Sort("id", "drafted_at", "-drafted_at", "-calendar_version", "calendar_version")
    state = Choice(DraftStatus)
    layer = Choice(Layer)


class MovedClockSchema(BaseSchema):
    """An open clock, or window for objections, that the release would move."""

    case_id = fields.UUID(required=True)
    number = fields.String(required=True)
    clock = fields.String(required=True)
    cycle = fields.Integer(required=True)
    unit = fields.String(required=True)
    due_on = Day(required=True, allow_none=True)
    new_due_on = Day(required=True, allow_none=True)


class PreviewSchema(BaseSchema):
    """What a release would move, and which of its days are so already."""

    items = fields.List(fields.Nested(MovedClockSchema), required=True)
    unchanged = fields.List(Day(), required=True)


@blueprint.get("/calendar-releases")
@allow(*Role)
@blueprint.arguments(CalendarReleaseFilters, location="query")
@blueprint.response(200, PageSchema.of(CalendarReleaseSchema))
def list_releases(args: dict[str, Any]) -> Any:
    """节假日安排清单: Drafts and releases of the calendar (the embedded base is version 1)."""
    return calendar_drafts(args)


@blueprint.get("/calendar-releases/<uuid:release_id>")
@allow(*OFFICES, *LEADERS, Role.auditor)
@blueprint.response(200, OneReleaseSchema)
def show_release(release_id: UUID) -> Any:
    """节假日安排: One draft or release, and what the caller may do with it now."""
    asked, app = context(), application(Supervision)
    row, headers = calendar_draft(release_id)
    may = on_release.open_to(
        asked.identity,
        app,
        CalendarDraftsView.state_of(row),
        asked.now,
        current=app.calendar(),
        released_as=row["calendar_version"],
    )
    return {**with_days(row), "may": may}, headers


@blueprint.get("/calendar-releases/<uuid:release_id>/preview")
@allow(*OFFICES)
@blueprint.response(200, PreviewSchema)
def preview_release(release_id: UUID) -> Any:
    """发布预览: Which open clocks and windows the draft would move; nothing is written."""
    with reading():
        return application(Supervision).preview_release(release_id)


class RulebookFilters(PageArgs):
    """Which rulebooks."""

    sort = Sort("id", "-id")
    rulebook_version = Whole(1, 999_999_999)


@blueprint.get("/rulebooks")
@allow(*Role)
@blueprint.arguments(RulebookFilters, location="query")
@blueprint.response(200, PageSchema.of(RulebookSchema))
def list_rulebooks(args: dict[str, Any]) -> Any:
    """办理规则: Every released rulebook with its text."""
    return many("rulebooks", args, "rulebook_version", all_see=True)
