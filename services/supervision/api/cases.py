"""Cases and custody over HTTP."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.api.clocks import ClockSchema, as_clock
from services.supervision.api.rounds import RoundSchema
from services.supervision.application import Supervision
from services.supervision.application.queries import custody_days
from services.supervision.domain import Case
from services.supervision.views.cases import CasesView, CustodyView, parts_of, with_parts
from shared.domain.roles import Role
from shared.events import supervision
from shared.events.matter import CaseKind
from shared.web.auth import allow
from shared.web.commands import Body, Commands
from shared.web.fields import Choice, Narrative
from shared.web.http import (
    BaseSchema,
    Blueprint,
    DueDay,
    Id,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    context,
)
from shared.web.lists import many, one
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("cases", __name__, url_prefix="/api/v1", description="督查事项")


# -- commands -----------------------------------------------------------------------------------------------------

on_case = Commands(
    blueprint,
    "/cases/<uuid:case_id>/",
    Supervision,
    Case,
    supply={"terms": Supervision.terms_for, "drafted": Supervision.is_drafted},
)


@on_case("issue-round", Case.issue_round, Role.supervision_office, tag="rounds")
class IssueRound(Body):
    """督办通知 Issue the next round on the office's own initiative."""

    requirement = Narrative(required=True)
    kind = Choice(supervision.RoundKind, load_default="immediate")
    due_on = DueDay(load_default=None, metadata={"description": "default: the rulebook's working days"})


@on_case(
    "draft-naming",
    Supervision.draft_naming,
    Role.supervision_office,
    guarded=Case.naming_to_draft,
    status=201,
)
class DraftNaming(Body):
    """通报起草 Draft the naming that is due; refused without two concluded slow rounds, or if it is drafted."""


# -- what is shown ------------------------------------------------------------------------------------------------

INTERNAL = ("reporter", "namings", "extended_at", "stays", "asked", "unresolved", "merged_at")
"""Columns for rules and for who may see a case."""
CaseSchema = shown("CaseSchema", CasesView, hidden=INTERNAL, secrecy=fields.String(required=True))


class StreakSchema(BaseSchema):
    """Consecutive slow rounds for which a unit is to be named."""

    unit = fields.String(required=True)
    rounds = fields.List(fields.Integer(), required=True)
    aggravated = fields.Boolean(required=True)


CaseDetailSchema = shown(
    "CaseDetailSchema",
    CasesView,
    hidden=INTERNAL,
    secrecy=fields.String(required=True),
    clocks=fields.List(fields.Nested(ClockSchema), required=True),
    round_list=fields.List(fields.Nested(RoundSchema), required=True),
    streaks=fields.List(fields.Nested(StreakSchema), required=True),
    may=on_case.may_field(),
)


class CaseFilters(PageArgs):
    """Which cases."""

    sort = Sort("id", "number", "-number", "opened_at", "-opened_at")
    kind = Choice(CaseKind)
    duty = Text(80)
    unit = Text(80)
    custodian = Text(80)
    leader_post = Text(80)
    state = fields.String(validate=validate.OneOf(["open", "closed"]))
    number = Text(80)
    subject_id = Id()


@blueprint.get("/cases")
@allow(*Role)
@blueprint.arguments(CaseFilters, location="query")
@blueprint.response(200, PageSchema.of(CaseSchema))
def list_cases(args: dict[str, Any]) -> Any:
    """督查事项清单: The cases that the caller may see."""
    filters = ("kind", "duty", "unit", "custodian", "leader_post", "state", "number", "subject_id")
    return many("cases", args, *filters)


@blueprint.get("/cases/<uuid:case_id>")
@allow(*Role)
@blueprint.response(200, CaseDetailSchema)
def show_case(case_id: UUID) -> Any:
    """督查事项: A case with its clocks, rounds and streaks, and what the caller may do with it now."""
    row, headers = one("cases", case_id, kind="Case")
    asked, found = context(), parts_of(row)
    case = with_parts(row, found)
    return {
        **row,
        "clocks": [as_clock(clock, asked.now) for clock in found.clocks],
        "round_list": found.rounds,
        "streaks": case.streaks,
        "may": on_case.open_to(asked.identity, application(Supervision), case, asked.now),
    }, headers


CustodySchema = shown(
    "CustodySchema",
    CustodyView,
    hidden=("id", "version", "since_day", "stay", "stays"),
    case_id=fields.UUID(required=True),
    working_days=fields.Integer(required=True),
)
"""One unit's stay of a case, in working days so far or in all."""


class CustodyFilters(PageArgs):
    """Whose stays of which case."""

    sort = Sort("id", "since", "-since")
    case_id = Id()
    unit = Text(80)
    stay = Whole(1, 9999)


@blueprint.get("/custody")
@allow(*Role)
@blueprint.arguments(CustodyFilters, location="query")
@blueprint.response(200, PageSchema.of(CustodySchema))
def list_custody(args: dict[str, Any]) -> Any:
    """经手时段: How long which unit had what in hand, in working days; a slow router is not charged to the next."""
    found = many("custody", args, "case_id", "unit", "stay")
    return custody_days(found, application(Supervision).calendar(), context().now)
