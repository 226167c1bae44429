"""Namings 公开通报: the commands and what is shown of them."""

from typing import Any, get_args
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.application import Supervision
from services.supervision.domain import Naming
from services.supervision.domain.naming import Status
from services.supervision.views.namings import NamingsView, naming_for_caller, namings_for_caller
from shared.domain.roles import LEADERS, UNITS, Role
from shared.web.auth import allow
from shared.web.commands import Body, Commands
from shared.web.fields import FullText, Narrative, Reason
from shared.web.http import Blueprint, Flag, Id, PageArgs, PageSchema, Sort, Text, Whole, context
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("namings", __name__, url_prefix="/api/v1", description="公开通报")

# -- commands -----------------------------------------------------------------------------------------------------

on_naming = Commands(
    blueprint,
    "/namings/<uuid:naming_id>/",
    Supervision,
    Naming,
    supply={"terms": Supervision.terms_of_its_case, "ground": Supervision.ground},
)


@on_naming("check", Naming.check, Role.supervision_office)
class CheckNaming(Body):
    """核稿 Check a draft, as a second person; the window for objections opens."""


@on_naming("object", Naming.object, *UNITS)
class ObjectToNaming(Body):
    """对通报提出异议 Object to being named, while the window is open."""

    text = Narrative(required=True)


@on_naming("rule-on-objection", Naming.rule_on_objection, Role.supervision_office, *LEADERS)
class RuleOnNamingObjection(Body):
    """通报异议裁定 Rule on the unit's objection; upheld, the draft is withdrawn."""

    upheld = Flag(required=True)
    reason = Reason(required=True)


@on_naming("approve", Naming.approve, *LEADERS)
class ApproveNaming(Body):
    """批准通报 Approve, once the window has closed."""


@on_naming("publish", Supervision.publish_naming, Role.supervision_office, guarded=Naming.publish)
class PublishNaming(Body):
    """公开通报 Publish under the next number of the year."""


@on_naming("lift", Naming.lift, Role.supervision_office, *LEADERS)
class LiftNaming(Body):
    """撤销通报 Lift: rectified; before the matter is resolved a leader decides so, with a reason."""

    reason = Reason(required=True)


@on_naming(
    "correct",
    Supervision.correct_naming,
    Role.supervision_office,
    guarded=Naming.begin_correction,
    status=201,
)
class CorrectNaming(Body):
    """更正通报 Draft the linked correction of a published naming; it is checked, approved and numbered like one."""

    text = FullText(required=True, metadata={"description": "it says what was wrong"})


# -- what is shown ------------------------------------------------------------------------------------------------

NEEDED: dict[str, fields.Field[Any]] = {
    "needs_correction": fields.Boolean(required=True),
    "secrecy": fields.String(required=True),
}
NamingSchema = shown("NamingSchema", NamingsView, hidden=(), **NEEDED)
OneNamingSchema = shown("OneNamingSchema", NamingsView, hidden=(), **NEEDED, may=on_naming.may_field())


class NamingFilters(PageArgs):
    """Which namings."""

    sort = Sort("id", "number", "-number", "published_at", "-published_at", "drafted_at", "-drafted_at")
    case_id = Id()
    unit = Text(80)
    state = fields.String(validate=validate.OneOf(get_args(Status)))
    year = Whole(2000, 2999)
    needs_correction = Flag()


@blueprint.get("/namings")
@allow(*Role)
@blueprint.arguments(NamingFilters, location="query")
@blueprint.response(200, PageSchema.of(NamingSchema))
def list_namings(args: dict[str, Any]) -> Any:
    """通报清单: The namings that the caller may see: what was published, and drafts that concern them."""
    return namings_for_caller(args)


@blueprint.get("/namings/<uuid:naming_id>")
@allow(*Role)
@blueprint.response(200, OneNamingSchema)
def show_naming(naming_id: UUID) -> Any:
    """通报: One naming, and what the caller may do with it now."""
    asked = context()
    row, headers = naming_for_caller(naming_id)
    state = NamingsView.state_of(row)
    may = on_naming.open_to(asked.identity, application(Supervision), state, asked.now)
    return {**row, "may": may}, headers
