"""Namings over HTTP."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.api.rounds import ReasonSchema, RulingSchema
from services.supervision.application import Supervision
from services.supervision.views.namings import naming_for_caller, namings_for_caller
from shared.domain.roles import Role
from shared.web.auth import allow
from shared.web.http import (
    BaseSchema,
    Blueprint,
    CommandResultSchema,
    Day,
    Flag,
    Id,
    Moment,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    answer,
)
from shared.web.request import application, perform

blueprint = Blueprint("namings", __name__, url_prefix="/api/v1", description="公开通报")

STATES = ["drafted", "checked", "approved", "published", "lifted", "corrected", "withdrawn"]


class NamingSchema(BaseSchema):
    """A naming or the correction of one."""

    id = fields.UUID(required=True)
    case_id = fields.UUID(required=True)
    case_number = fields.String(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True, allow_none=True)
    rounds = fields.List(fields.Integer(), required=True)
    text = fields.String(required=True)
    state = fields.String(required=True)
    drafted_by = fields.String(required=True)
    drafted_at = Moment(required=True)
    checked_by = fields.String(required=True, allow_none=True)
    objections_until = Day(required=True, allow_none=True)
    window_closes_at = Moment(required=True, allow_none=True)
    objection = fields.String(required=True, allow_none=True)
    objection_upheld = fields.Boolean(required=True, allow_none=True)
    ruling = fields.String(required=True, allow_none=True)
    approved_by = fields.String(required=True, allow_none=True)
    series = fields.String(required=True, allow_none=True)
    year = fields.Integer(required=True, allow_none=True)
    number = fields.Integer(required=True, allow_none=True)
    published_at = Moment(required=True, allow_none=True)
    ended_at = Moment(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    needs_correction = fields.Boolean(required=True)
    corrects = fields.UUID(required=True, allow_none=True)
    corrected_by = fields.UUID(required=True, allow_none=True)
    secrecy = fields.String(required=True)
    version = fields.Integer(required=True)


class NamingFilters(PageArgs):
    """Which namings."""

    sort = Sort("id", "number", "-number", "published_at", "-published_at", "drafted_at", "-drafted_at")
    case_id = Id()
    unit = Text(80)
    state = fields.String(validate=validate.OneOf(STATES))
    year = Whole(2000, 2999)
    needs_correction = Flag()


class ObjectionSchema(BaseSchema):
    """What the unit has to say against it."""

    text = Text(5000, lines=True, required=True)


class CorrectionSchema(BaseSchema):
    """The correction's own text, which says what was wrong."""

    text = Text(10000, lines=True, required=True)


@blueprint.get("/namings")
@allow(*Role)
@blueprint.arguments(NamingFilters, location="query")
@blueprint.response(200, PageSchema.of(NamingSchema))
def list_namings(args: dict[str, Any]) -> Any:
    """The namings that the caller may see; to overseers only those that were published."""
    return namings_for_caller(args)


@blueprint.get("/namings/<uuid:naming_id>")
@allow(
    Role.main_leader,
    Role.vice_leader,
    Role.government_office,
    Role.supervision_office,
    Role.unit_head,
    Role.officer,
    Role.auditor,
)
@blueprint.response(200, NamingSchema)
def show_naming(naming_id: UUID) -> Any:
    """One naming."""
    return naming_for_caller(naming_id)


@blueprint.post("/namings/<uuid:naming_id>/check")
@allow(Role.supervision_office)
@blueprint.response(200, CommandResultSchema)
def check_naming(naming_id: UUID) -> Any:
    """Check a draft, as a second person; the window for objections opens."""
    return answer(perform(lambda act: application(Supervision).check_naming(act, naming_id)))


@blueprint.post("/namings/<uuid:naming_id>/object")
@allow(Role.unit_head, Role.officer)
@blueprint.arguments(ObjectionSchema)
@blueprint.response(200, CommandResultSchema)
def object_to_naming(body: dict[str, Any], naming_id: UUID) -> Any:
    """Object to being named, while the window is open."""
    return answer(perform(lambda act: application(Supervision).object_to_naming(act, naming_id, **body)))


@blueprint.post("/namings/<uuid:naming_id>/rule-on-objection")
@allow(Role.supervision_office, Role.main_leader, Role.vice_leader)
@blueprint.arguments(RulingSchema)
@blueprint.response(200, CommandResultSchema)
def rule_on_naming_objection(body: dict[str, Any], naming_id: UUID) -> Any:
    """Rule on the unit's objection; upheld, the draft is withdrawn."""
    return answer(
        perform(lambda act: application(Supervision).rule_on_naming_objection(act, naming_id, **body))
    )


@blueprint.post("/namings/<uuid:naming_id>/approve")
@allow(Role.main_leader, Role.vice_leader)
@blueprint.response(200, CommandResultSchema)
def approve_naming(naming_id: UUID) -> Any:
    """Approve, once the window has closed."""
    return answer(perform(lambda act: application(Supervision).approve_naming(act, naming_id)))


@blueprint.post("/namings/<uuid:naming_id>/publish")
@allow(Role.supervision_office)
@blueprint.response(200, CommandResultSchema)
def publish_naming(naming_id: UUID) -> Any:
    """Publish under the next number of the year."""
    return answer(perform(lambda act: application(Supervision).publish_naming(act, naming_id)))


@blueprint.post("/namings/<uuid:naming_id>/lift")
@allow(Role.supervision_office)
@blueprint.arguments(ReasonSchema)
@blueprint.response(200, CommandResultSchema)
def lift_naming(body: dict[str, Any], naming_id: UUID) -> Any:
    """Lift: rectified."""
    return answer(perform(lambda act: application(Supervision).lift_naming(act, naming_id, **body)))


@blueprint.post("/namings/<uuid:naming_id>/correct")
@allow(Role.supervision_office)
@blueprint.arguments(CorrectionSchema)
@blueprint.response(201, CommandResultSchema)
def correct_naming(body: dict[str, Any], naming_id: UUID) -> Any:
    """Draft the linked correction of a published naming; it is checked, approved and numbered like one."""
    return answer(perform(lambda act: application(Supervision).correct_naming(act, naming_id, **body)), 201)
