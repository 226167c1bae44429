"""/directives (measure 8)."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.assignment.api.common import SecrecyField, blueprint
from services.assignment.application import Assignment
from services.assignment.domain import Directive
from services.assignment.domain.directives import Status
from services.assignment.views import DirectivesView
from shared.domain.roles import LEADERS, ON_TASK, READERS, Role
from shared.events import assignment
from shared.readmodels.rows import Row
from shared.web.auth import allow
from shared.web.commands import Commands, HappenedBody
from shared.web.fields import Choice, Narrative, Part, Parts, PostId, Reason, UnitId
from shared.web.http import BaseSchema, PageArgs, PageSchema, Sort, Text, context
from shared.web.lists import many, one
from shared.web.request import application
from shared.web.shown import shown

# -- commands -----------------------------------------------------------------------------------------------------

directives = Commands[Assignment, Directive](blueprint, "/directives", Assignment)
on_directive = Commands(blueprint, "/directives/<uuid:directive_id>/", Assignment, Directive)


@directives("", Assignment.register_directive, Role.government_office, status=201)
class RegisterDirective(HappenedBody):
    """交办事项登记 Register what came in; ``happened_at`` is when it was received."""

    number = Text(100, required=True)
    title = Text(300, required=True)
    kind = Choice(assignment.DirectiveKind, required=True)
    origin_level = Choice(assignment.OriginLevel)
    units = fields.List(UnitId(), load_default=list, validate=validate.Length(max=200))
    office_unit = UnitId()
    leader_post = PostId()
    requirement = Narrative()
    secrecy = SecrecyField(load_default="public")
    secrecy_ground = Text(300)


@on_directive("report-arrangement", Directive.report_arrangement, *ON_TASK)
class ReportArrangement(HappenedBody):
    """布置落实 One's own unit has arranged it."""

    text = Narrative(required=True)


class DispatchSchema(Part):
    """What one unit is to do."""

    makes = assignment.Dispatch
    unit = UnitId(required=True)
    what = Text(1000, lines=True, required=True)


@on_directive("decompose", Directive.decompose, Role.government_office)
class DecomposeDirective(HappenedBody):
    """分解交办 Dispatch its pieces, one to a unit."""

    dispatches = Parts(DispatchSchema, least=1, most=200, required=True)


@on_directive("give-feedback", Directive.give_feedback, *ON_TASK)
class GiveFeedback(HappenedBody):
    """反馈 One's own unit feeds back to the main leader."""

    text = Narrative(required=True)


@on_directive("reassign-duty", Directive.reassign_duty, *LEADERS)
class ReassignDuty(HappenedBody):
    """转办 The leader gives a unit's duty, which is not done, to another unit."""

    unit = UnitId(required=True, known=False)
    to_unit = UnitId(required=True)
    reason = Reason(required=True)


# -- what is shown ------------------------------------------------------------------------------------------------


class DutySchema(BaseSchema):
    """What one unit has to do about it."""

    unit = fields.String(required=True)
    duty = fields.String(required=True, validate=validate.OneOf(["arrange", "feedback"]))
    what = fields.String(required=True)
    since = fields.String(required=True)
    done_at = fields.String(required=True, allow_none=True)
    text = fields.String(required=True)
    taken_over = fields.List(fields.String(), required=True)


DirectiveSchema = shown(
    "DirectiveSchema",
    DirectivesView,
    hidden=("version", "referred"),
    duties=fields.List(fields.Nested(DutySchema), required=True),
    secrecy=SecrecyField(required=True),
)
OneDirectiveSchema = DirectiveSchema.from_dict({"may": on_directive.may_field()}, name="OneDirectiveSchema")


class DirectivesArgs(PageArgs):
    """Filters of /directives."""

    number = Text(100)
    kind = Choice(assignment.DirectiveKind)
    state = Choice(Status)
    sort = Sort("received_at", "-received_at", "number")


@blueprint.get("/directives")
@allow(*READERS)
@blueprint.arguments(DirectivesArgs, location="query")
@blueprint.response(200, PageSchema.of(DirectiveSchema))
def list_directives(args: dict[str, Any]) -> Any:
    """交办事项清单: Directives by the time of receipt"""
    page = many("directives", args, "number", "kind", "state")
    return {**page, "items": [_shown(row) for row in page["items"]]}


@blueprint.get("/directives/<uuid:directive_id>")
@allow(*READERS)
@blueprint.response(200, OneDirectiveSchema)
def get_directive(directive_id: UUID) -> Any:
    """交办事项: One directive with each unit's duty, and what its reader may do"""
    row, headers = one("directives", directive_id, kind="Directive")
    asked, state = context(), DirectivesView.state_of(row)
    may = on_directive.open_to(asked.identity, application(Assignment), state, asked.now)
    return {**_shown(row), "may": may}, headers


def _shown(row: Row) -> Row:
    duties = row["duties"]
    return {**row, "duties": [{"unit": unit, **duties[unit]} for unit in sorted(duties)]}
