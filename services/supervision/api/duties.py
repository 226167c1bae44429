"""Duties of a period 应办 and half-month reports 半月专报: the commands and what is shown of them."""

from typing import Any, get_args
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.application import Supervision
from services.supervision.domain import Duty
from services.supervision.domain.duty import DutyState
from services.supervision.views.duties import DutiesView, HalfMonthReportsView
from shared.domain.clock import local_day
from shared.domain.roles import READERS, UNITS, Role
from shared.readmodels.rows import Row
from shared.web.auth import allow
from shared.web.commands import Body, Commands, HappenedBody
from shared.web.fields import Evidence, Narrative, Reason
from shared.web.http import (
    BaseSchema,
    Blueprint,
    Day,
    Flag,
    Id,
    Moment,
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

blueprint = Blueprint("duties", __name__, url_prefix="/api/v1", description="应办事项、半月专报")

# -- commands -----------------------------------------------------------------------------------------------------

on_duty = Commands(blueprint, "/duties/<uuid:duty_id>/", Supervision, Duty)


@on_duty("excuse", Duty.excuse, Role.supervision_office)
class ExcuseDuty(Body):
    """应办免除 Nothing is owed for this period."""

    ground = Reason(required=True)


@on_duty("adjust", Duty.adjust, Role.supervision_office)
class AdjustDuty(Body):
    """应办调整 More or less is required than when it arose."""

    required = Whole(1, 1000, required=True)
    ground = Reason(required=True)


@on_duty("withdraw-credit", Duty.withdraw_credit, Role.supervision_office)
class WithdrawCredit(Body):
    """撤销记账 What was done does not count; the clock runs on from the beginning of the period."""

    credit_id = Id(required=True)
    reason = Reason(required=True)


@Commands[Supervision, Duty](blueprint, "/half-month-reports", Supervision)(
    "", Supervision.submit_half_month_report, *UNITS, status=201
)
class SubmitHalfMonthReport(HappenedBody):
    """报送半月专报 Report on the half month in which a day lies; a nil report needs no text."""

    half_month = Day(required=True, metadata={"description": "a day of the half month"})
    nil = Flag(load_default=False)
    text = Narrative(load_default="")
    evidence = Evidence()


# -- what is shown ------------------------------------------------------------------------------------------------


class CreditSchema(BaseSchema):
    """One thing that was done, and when."""

    credit_id = fields.UUID(required=True)
    at = Moment(required=True)


CREDITS = fields.List(fields.Nested(CreditSchema), required=True)
DutySchema = shown("DutySchema", DutiesView, credits=CREDITS)
OneDutySchema = shown("OneDutySchema", DutiesView, credits=CREDITS, may=on_duty.may_field())
HalfMonthReportSchema = shown("HalfMonthReportSchema", HalfMonthReportsView)


class DutyFilters(PageArgs):
    """Which duties."""

    sort = Sort("first", "-first", "unit")
    rule = Text(80)
    ower = Text(80)
    unit = Text(80)
    first = Day()
    state = fields.String(validate=validate.OneOf(get_args(DutyState.__annotations__["status"])))


@blueprint.get("/duties")
@allow(*READERS)
@blueprint.arguments(DutyFilters, location="query")
@blueprint.response(200, PageSchema.of(DutySchema))
def list_duties(args: dict[str, Any]) -> Any:
    """应办清单: the duties that the caller may see."""
    today = local_day(context().now)  # the suite's clock may have been set ahead, and back
    begun = [lambda duties: duties.c.first <= today]
    found = many("duties", args, "rule", "ower", "unit", "first", "state", where=begun)
    return {**found, "items": [_as_duty(row) for row in found["items"]]}


@blueprint.get("/duties/<uuid:duty_id>")
@allow(*READERS)
@blueprint.response(200, OneDutySchema)
def show_duty(duty_id: UUID) -> Any:
    """应办事项: one duty, and what the caller may do with it now."""
    row, headers = one("duties", duty_id, kind="Duty")
    asked = context()
    may = on_duty.open_to(asked.identity, application(Supervision), DutiesView.state_of(row), asked.now)
    return {**_as_duty(row), "may": may}, headers


def _as_duty(row: Row) -> Row:
    return {**row, "credits": DutiesView.state_of(row).credits}


class ReportFilters(PageArgs):
    """Which reports."""

    sort = Sort("first", "-first", "submitted_at", "-submitted_at")
    unit = Text(80)
    first = Day()


@blueprint.get("/half-month-reports")
@allow(*READERS)
@blueprint.arguments(ReportFilters, location="query")
@blueprint.response(200, PageSchema.of(HalfMonthReportSchema))
def list_half_month_reports(args: dict[str, Any]) -> Any:
    """半月专报清单: the reports that the caller may see."""
    return many("half_month_reports", args, "unit", "first")


@blueprint.get("/half-month-reports/<uuid:report_id>")
@allow(*READERS)
@blueprint.response(200, HalfMonthReportSchema)
def show_half_month_report(report_id: UUID) -> Any:
    """半月专报: one report."""
    return one("half_month_reports", report_id, kind="HalfMonthReport")
