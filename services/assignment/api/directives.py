"""/directives (measure 8)."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.assignment.api.common import (
    ON_TASK,
    READERS,
    Choice,
    Happened,
    SecrecyField,
    blueprint,
    done,
)
from services.assignment.application import Assignment
from shared.domain.roles import Role
from shared.events import assignment
from shared.readmodels.rows import Row
from shared.web.auth import allow
from shared.web.http import BaseSchema, CommandResultSchema, PageArgs, PageSchema, Sort, Text
from shared.web.lists import many, one
from shared.web.request import application

ORIGINS = ("superior", "banner", "leader")


class DutySchema(BaseSchema):
    """What one unit has to do about it."""

    unit = fields.String(required=True)
    duty = fields.String(required=True, validate=validate.OneOf(["arrange", "feedback"]))
    what = fields.String(required=True)
    since = fields.String(required=True)
    done_at = fields.String(required=True, allow_none=True)
    text = fields.String(required=True)


class DirectiveSchema(BaseSchema):
    """A directive with each unit's duty."""

    id = fields.UUID(required=True)
    number = fields.String(required=True)
    title = fields.String(required=True)
    kind = Choice(assignment.DirectiveKind, required=True)
    origin_level = fields.String(required=True)
    received_at = fields.DateTime(required=True)
    recorded_at = fields.DateTime(required=True)
    office_unit = fields.String(required=True)
    leader_post = fields.String(required=True)
    requirement = fields.String(required=True)
    decomposed_at = fields.DateTime(required=True, allow_none=True)
    duties = fields.List(fields.Nested(DutySchema), required=True)
    state = fields.String(required=True)
    secrecy = SecrecyField(required=True)
    secrecy_ground = fields.String(required=True)


class DirectivesArgs(PageArgs):
    """Filters of /directives."""

    number = Text(100)
    kind = Choice(assignment.DirectiveKind)
    state = fields.String(validate=validate.OneOf(["registered", "dispatched", "arranged", "fed_back"]))
    sort = Sort("received_at", "-received_at", "number")


class NewDirectiveSchema(Happened):
    """What came in; ``happened_at`` is when it was received."""

    number = Text(100, required=True)
    title = Text(300, required=True)
    kind = Choice(assignment.DirectiveKind, required=True)
    origin_level = fields.String(validate=validate.OneOf(ORIGINS))
    units = fields.List(Text(40), load_default=list, validate=validate.Length(max=200))
    office_unit = Text(40)
    leader_post = Text(80)
    requirement = Text(2000, lines=True, load_default="")
    secrecy = SecrecyField(load_default="public")
    secrecy_ground = Text(300, load_default="")


class ReportSchema(Happened):
    """What the unit reports."""

    text = Text(4000, lines=True, required=True)


class DispatchSchema(BaseSchema):
    """What one unit is to do."""

    unit = Text(40, required=True)
    what = Text(1000, lines=True, required=True)


class DecomposeSchema(Happened):
    """The pieces, one to a unit."""

    dispatches = fields.List(
        fields.Nested(DispatchSchema), required=True, validate=validate.Length(min=1, max=200)
    )


@blueprint.get("/directives")
@allow(*READERS)
@blueprint.arguments(DirectivesArgs, location="query")
@blueprint.response(200, PageSchema.of(DirectiveSchema))
def list_directives(args: dict[str, Any]) -> Any:
    """Directives by the time of receipt"""
    page = many("directives", args, "number", "kind", "state")
    return {**page, "items": [_shown(row) for row in page["items"]]}


@blueprint.get("/directives/<uuid:directive_id>")
@allow(*READERS)
@blueprint.response(200, DirectiveSchema)
def get_directive(directive_id: UUID) -> Any:
    """One directive with each unit's duty"""
    row, headers = one("directives", directive_id, kind="Directive")
    return _shown(row), headers


@blueprint.post("/directives")
@allow(Role.government_office)
@blueprint.arguments(NewDirectiveSchema)
@blueprint.response(201, CommandResultSchema)
def register_directive(body: dict[str, Any]) -> Any:
    """Register what came in"""
    return done(application(Assignment).register_directive, body, status=201)


@blueprint.post("/directives/<uuid:directive_id>/report-arrangement")
@allow(*ON_TASK)
@blueprint.arguments(ReportSchema)
@blueprint.response(200, CommandResultSchema)
def report_arrangement(body: dict[str, Any], directive_id: UUID) -> Any:
    """One's own unit has arranged it"""
    return done(application(Assignment).report_arrangement, body, directive_id)


@blueprint.post("/directives/<uuid:directive_id>/decompose")
@allow(Role.government_office)
@blueprint.arguments(DecomposeSchema)
@blueprint.response(200, CommandResultSchema)
def decompose_directive(body: dict[str, Any], directive_id: UUID) -> Any:
    """Dispatch its pieces to units"""
    return done(application(Assignment).decompose_directive, body, directive_id)


@blueprint.post("/directives/<uuid:directive_id>/give-feedback")
@allow(*ON_TASK)
@blueprint.arguments(ReportSchema)
@blueprint.response(200, CommandResultSchema)
def give_feedback(body: dict[str, Any], directive_id: UUID) -> Any:
    """One's own unit feeds back to the main leader"""
    return done(application(Assignment).give_feedback, body, directive_id)


def _shown(row: Row) -> Row:
    duties = row["duties"]
    return {**row, "duties": [{"unit": unit, **duties[unit]} for unit in sorted(duties)]}
