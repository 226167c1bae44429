"""Absences 外出、请销假: the commands and what is shown of them."""

from typing import Any, get_args
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.application import Supervision
from services.supervision.domain import Absence
from services.supervision.domain.absence import AbsenceState
from services.supervision.views.duties import AbsencesView
from shared.domain.roles import LEADERS, OFFICES, READERS, UNITS
from shared.events import supervision
from shared.web.auth import allow
from shared.web.commands import Body, Commands, HappenedBody
from shared.web.fields import Choice, Evidence, Narrative, PostId, Reason, Title
from shared.web.http import Blueprint, Day, PageArgs, PageSchema, Sort, Text, context
from shared.web.lists import many, one
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("absences", __name__, url_prefix="/api/v1", description="外出、请销假")

EVERYBODY = (*LEADERS, *OFFICES, *UNITS)

# -- commands -----------------------------------------------------------------------------------------------------

on_absence = Commands(blueprint, "/absences/<uuid:absence_id>/", Supervision, Absence)


@Commands[Supervision, Absence](blueprint, "/absences", Supervision)(
    "", Supervision.request_absence, *EVERYBODY, status=201
)
class RequestAbsence(Body):
    """申请外出 Ask to be away, on a study trip or on leave, before it begins."""

    kind = Choice(supervision.AbsenceKind, required=True)
    first = Day(required=True)
    last = Day(required=True)
    purpose = Title(required=True)
    destination = Title()
    deputy = PostId()


@on_absence("approve", Absence.approve, *LEADERS)
class ApproveAbsence(Body):
    """批准外出 A leader approves."""


@on_absence("refuse", Absence.refuse, *LEADERS)
class RefuseAbsence(Body):
    """不批准外出 A leader refuses."""

    reason = Reason(required=True)


@on_absence("begin", Absence.leave, *EVERYBODY)
class BeginAbsence(HappenedBody):
    """离岗外出 Who is away says that it has begun."""


@on_absence("end", Absence.come_back, *EVERYBODY)
class EndAbsence(HappenedBody):
    """返岗 Who was away is back; after a study trip a report is owed."""


@on_absence("submit-report", Absence.submit_report, *EVERYBODY)
class SubmitTripReport(HappenedBody):
    """提交考察报告 The report on a study trip."""

    text = Narrative(required=True)
    evidence = Evidence()


@on_absence("cancel", Absence.cancel, *EVERYBODY)
class CancelAbsence(Body):
    """取消外出 They do not go."""

    reason = Reason(required=True)


# -- what is shown ------------------------------------------------------------------------------------------------

AbsenceSchema = shown("AbsenceSchema", AbsencesView)
OneAbsenceSchema = shown("OneAbsenceSchema", AbsencesView, may=on_absence.may_field())


class AbsenceFilters(PageArgs):
    """Which absences."""

    sort = Sort("first", "-first")
    kind = Choice(supervision.AbsenceKind)
    state = fields.String(validate=validate.OneOf(get_args(AbsenceState.__annotations__["status"])))
    unit = Text(80)
    post = Text(80)


@blueprint.get("/absences")
@allow(*READERS)
@blueprint.arguments(AbsenceFilters, location="query")
@blueprint.response(200, PageSchema.of(AbsenceSchema))
def list_absences(args: dict[str, Any]) -> Any:
    """外出清单: the absences that the caller may see."""
    return many("absences", args, "kind", "state", "unit", "post")


@blueprint.get("/absences/<uuid:absence_id>")
@allow(*READERS)
@blueprint.response(200, OneAbsenceSchema)
def show_absence(absence_id: UUID) -> Any:
    """外出: one absence, and what the caller may do with it now."""
    row, headers = one("absences", absence_id, kind="Absence")
    asked = context()
    state = AbsencesView.state_of(row)
    may = on_absence.open_to(asked.identity, application(Supervision), state, asked.now)
    return {**row, "may": may}, headers
