"""Releases of the calendar and of the rulebook over HTTP."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.application import Supervision
from services.supervision.views.releases import calendar_draft, calendar_drafts
from shared.domain.roles import Role
from shared.web.auth import allow
from shared.web.http import (
    BaseSchema,
    Blueprint,
    CommandResultSchema,
    Day,
    Flag,
    Moment,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    answer,
)
from shared.web.lists import many, reading
from shared.web.request import application, perform

blueprint = Blueprint("releases", __name__, url_prefix="/api/v1", description="节假日安排与办理规则")


class DaySchema(BaseSchema):
    """One day that a release makes a working day or a rest day."""

    day = Day(required=True)
    working = Flag(required=True)
    name = fields.String(load_default="", validate=validate.Length(max=40))


class DraftReleaseSchema(BaseSchema):
    """A release to be drafted."""

    layer = fields.String(required=True, validate=validate.OneOf(["state_council", "banner"]))
    title = Text(200, required=True)
    days = fields.List(fields.Nested(DaySchema), required=True, validate=validate.Length(min=1, max=400))


class CalendarReleaseFilters(PageArgs):
    """Which drafts and releases."""

    sort = Sort("id", "drafted_at", "-drafted_at", "-calendar_version", "calendar_version")
    state = fields.String(validate=validate.OneOf(["drafted", "released"]))
    layer = fields.String(validate=validate.OneOf(["state_council", "banner"]))


class CalendarReleaseSchema(BaseSchema):
    """A draft or release of the calendar."""

    id = fields.UUID(required=True)
    layer = fields.String(required=True)
    title = fields.String(required=True)
    days = fields.List(fields.Nested(DaySchema), required=True)
    years = fields.List(fields.Integer(), required=True)
    follows = fields.Integer(required=True)
    state = fields.String(required=True)
    drafted_by = fields.String(required=True)
    drafted_at = Moment(required=True)
    released_by = fields.String(required=True, allow_none=True)
    released_at = Moment(required=True, allow_none=True)
    calendar_version = fields.Integer(required=True, allow_none=True)


class MovedClockSchema(BaseSchema):
    """An open clock that the release would move."""

    case_id = fields.UUID(required=True)
    number = fields.String(required=True)
    clock = fields.String(required=True)
    cycle = fields.Integer(required=True)
    unit = fields.String(required=True)
    due_on = Day(required=True, allow_none=True)
    new_due_on = Day(required=True, allow_none=True)


class PreviewSchema(BaseSchema):
    """What a release would move."""

    items = fields.List(fields.Nested(MovedClockSchema), required=True)


class RulebookSchema(BaseSchema):
    """A released rulebook."""

    rulebook_version = fields.Integer(required=True)
    effective = Day(required=True)
    released_at = Moment(required=True)
    text = fields.String(required=True)


@blueprint.post("/calendar-releases")
@allow(Role.supervision_office, Role.government_office)
@blueprint.arguments(DraftReleaseSchema)
@blueprint.response(201, CommandResultSchema)
def draft_release(body: dict[str, Any]) -> Any:
    """Draft a release of the calendar; a second person releases it."""
    return answer(perform(lambda act: application(Supervision).draft_release(act, **body)), 201)


@blueprint.get("/calendar-releases")
@allow(*Role)
@blueprint.arguments(CalendarReleaseFilters, location="query")
@blueprint.response(200, PageSchema.of(CalendarReleaseSchema))
def list_releases(args: dict[str, Any]) -> Any:
    """Drafts and releases of the calendar (the embedded base is version 1)."""
    return calendar_drafts(args)


@blueprint.get("/calendar-releases/<uuid:release_id>")
@allow(Role.supervision_office, Role.government_office, Role.main_leader, Role.vice_leader, Role.auditor)
@blueprint.response(200, CalendarReleaseSchema)
def show_release(release_id: UUID) -> Any:
    """One draft or release."""
    return calendar_draft(release_id)


@blueprint.get("/calendar-releases/<uuid:release_id>/preview")
@allow(Role.supervision_office, Role.government_office)
@blueprint.response(200, PreviewSchema)
def preview_release(release_id: UUID) -> Any:
    """Which open clocks the draft would move; nothing is written."""
    with reading():
        return {"items": application(Supervision).preview_release(release_id)}


@blueprint.post("/calendar-releases/<uuid:release_id>/release")
@allow(Role.supervision_office, Role.government_office)
@blueprint.response(200, CommandResultSchema)
def release_calendar(release_id: UUID) -> Any:
    """Release a draft, by a second person; open clocks are then recomputed."""
    return answer(perform(lambda act: application(Supervision).release_calendar(act, release_id)))


class RulebookFilters(PageArgs):
    """Which rulebooks."""

    sort = Sort("id", "-id")
    rulebook_version = Whole(1, 999_999_999)


@blueprint.get("/rulebooks")
@allow(*Role)
@blueprint.arguments(RulebookFilters, location="query")
@blueprint.response(200, PageSchema.of(RulebookSchema))
def list_rulebooks(args: dict[str, Any]) -> Any:
    """Every released rulebook with its text."""
    return many("rulebooks", args, "rulebook_version", all_see=True)
