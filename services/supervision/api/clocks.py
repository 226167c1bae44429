"""Clocks, due dates, on-time figures and timers over HTTP."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from marshmallow import fields, validate
from sqlalchemy import and_, not_

from services.supervision.application import Supervision
from services.supervision.application.queries import on_time
from services.supervision.domain import Case
from services.supervision.views.cases import CLOCKS
from services.supervision.views.clocks import ClocksView, TimersView, timers_with_units
from shared.calendar.due import Due
from shared.domain.roles import LEADERS, Role
from shared.events import supervision
from shared.events.matter import CaseKind
from shared.figures.figure import MINIMUM_N, asked_as_of
from shared.web.auth import allow
from shared.web.commands import Body, Commands, HappenedBody
from shared.web.fields import Choice, Reason
from shared.web.http import (
    BaseSchema,
    Blueprint,
    Day,
    DueDay,
    Flag,
    Id,
    Moment,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    context,
)
from shared.web.lists import many, one, reading
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("clocks", __name__, url_prefix="/api/v1", description="时限")


# -- commands -----------------------------------------------------------------------------------------------------

on_clock = Commands(
    blueprint,
    "/cases/<uuid:case_id>/clocks/<string:clock>/<int:cycle>/",
    Supervision,
    Case,
    supply={
        "terms": Supervision.terms_for,
        "head_of": Supervision.heads,
        "released_by": Supervision.releasers,
    },
)


@on_clock("pause", Case.pause, Role.supervision_office)
class PauseClock(HappenedBody):
    """暂停计时 Pause a clock; the contact clock never."""

    reason = Reason(required=True)


@on_clock("resume", Case.resume, Role.supervision_office)
class ResumeClock(HappenedBody):
    """恢复计时 Let a paused clock run on with the working days that were left."""


@on_clock("confirm-earlier-time", Case.confirm_earlier_time, Role.supervision_office, Role.enterprise)
class ConfirmEarlierTime(Body):
    """补录核实 Confirm, or not, that what was entered after the due date happened before it.

    The enterprise does so for a contact, the supervision office for everything else.
    """

    confirmed = Flag(required=True)
    reason = Reason(required=True)


@on_clock("revise", Case.revise_verdict, *LEADERS, Role.supervision_office)
class ReviseVerdict(Body):
    """判定修正 Let the verdict that a released calendar gave stand, by a leader or the supervision office's head."""

    ground = Reason(required=True)


# -- what is shown ------------------------------------------------------------------------------------------------

ClockSchema = shown(
    "ClockSchema",
    ClocksView,
    hidden=(
        "id",
        "version",
        "started_on",
        "follows_lead",
        "silent",
        "reckoned_upto",
        "warn_on",
        "warned_upto",
        "pauses",
        "extensions",
        "judged_with",
        "cancelled_at",
        "cancelled_because",
    ),
    kind=fields.String(required=True),
    number=fields.String(required=True),
    overdue=fields.Boolean(required=True, metadata={"description": "derived for this very moment"}),
)


class ClockFilters(PageArgs):
    """Which clocks."""

    sort = Sort("id", "due_at", "-due_at")
    case_id = Id()
    kind = Choice(CaseKind)
    clock = Text(40)
    unit = Text(80)
    state = fields.String(validate=validate.OneOf(["open", "paused", "stopped", "cancelled"]))
    verdict = Choice(supervision.Timeliness)
    provisional = Flag()
    missed = Flag()
    overdue = Flag()
    due_from = Day()
    due_until = Day()


class StartField(fields.Field[Any]):
    """A day, or an aware moment as RFC 3339 writes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date | datetime:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            day: date = Day().deserialize(value)
            return day
        moment: datetime = Moment().deserialize(value)
        return moment


class DueArgs(BaseSchema):
    """A clock that might have started then."""

    rule = Text(60, required=True)
    start = StartField(required=True, metadata={"type": "string", "description": "2021-02-05, or a moment"})
    own_date = DueDay(load_default=None)


class CountedDaySchema(BaseSchema):
    """A day on the way to a due date."""

    date = Day(required=True)
    counted = fields.Boolean(required=True)
    why = fields.String(required=True)
    notice = fields.String(required=True, allow_none=True)


class DueSchema(BaseSchema):
    """A due date that explains itself, day by day and in words."""

    rule = fields.String(required=True)
    start = fields.String(required=True)
    due = fields.String(required=True, allow_none=True)
    provisional = fields.Boolean(required=True)
    days = fields.List(fields.Nested(CountedDaySchema), required=True)
    original = fields.String(required=True)
    paused = fields.Boolean(required=True)
    clipped = fields.Boolean(required=True)
    pauses = fields.List(fields.Dict(), required=True)
    extensions = fields.List(fields.Dict(), required=True)
    rulebook_version = fields.Integer(required=True)
    calendar_version = fields.Integer(required=True)
    lines = fields.List(fields.String(), required=True)


class ExplanationSchema(DueSchema):
    """A clock's due date and, if it was missed, who answers for that and why, day by day."""

    charged = fields.String(required=True, allow_none=True)
    charge_lines = fields.List(fields.String(), required=True)


class RateArgs(BaseSchema):
    """Which clocks, due when."""

    since = Day(required=True)
    until = Day(required=True)
    clock = Text(40, load_default=None)
    unit = Text(80, load_default=None)
    as_of = Moment(
        load_default=None, metadata={"description": "only what was recorded by then; default: now"}
    )


class RateSchema(BaseSchema):
    """On-time figures of one unit and clock."""

    clock = fields.String(required=True)
    unit = fields.String(required=True)
    numerator = fields.Integer(required=True)
    denominator = fields.Integer(required=True)
    excluded = fields.Integer(required=True)
    not_yet_due = fields.Integer(required=True)
    rank = fields.Integer(required=True, allow_none=True)


class RatesSchema(BaseSchema):
    """On-time figures, as of when, and from how many on there is a rank."""

    since = Day(required=True)
    until = Day(required=True)
    as_of = Moment(required=True)
    least_for_a_rank = fields.Integer(required=True)
    items = fields.List(fields.Nested(RateSchema), required=True)


TimerSchema = shown(
    "TimerSchema",
    TimersView,
    hidden=("id", "version", "final_at", "missed", "warn_on", "warned_upto"),
    case_id=fields.UUID(required=True),
    unit=fields.String(required=True),
    point=fields.Integer(required=True, metadata={"description": "0 is the due moment itself"}),
)
"""The next moment at which a clock has something to say."""


class TimerFilters(PageArgs):
    """Which timers."""

    sort = Sort("due_at", "id")
    clock = Text(40)
    unit = Text(80)


def as_clock(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A clock's row with whether it is overdue now."""
    return {**row, "overdue": row["state"] == "open" and row["due_at"] <= now}


@blueprint.get("/clocks")
@allow(*Role)
@blueprint.arguments(ClockFilters, location="query")
@blueprint.response(200, PageSchema.of(ClockSchema))
def list_clocks(args: dict[str, Any]) -> Any:
    """时限清单: The clocks that the caller may see."""
    now = context().now
    where: list[Any] = []
    if "overdue" in args:
        late = args["overdue"]
        where.append(
            lambda clocks: (
                and_(clocks.c.state == "open", clocks.c.due_at <= now)
                if late
                else not_(and_(clocks.c.state == "open", clocks.c.due_at <= now))
            )
        )
    if "due_from" in args:
        where.append(lambda clocks: clocks.c.due_on >= args["due_from"])
    if "due_until" in args:
        where.append(lambda clocks: clocks.c.due_on <= args["due_until"])
    filters = ("case_id", "kind", "clock", "unit", "state", "verdict", "provisional", "missed")
    found = many(CLOCKS, args, *filters, where=where)
    return {**found, "items": [as_clock(row, now) for row in found["items"]]}


@blueprint.get("/cases/<uuid:case_id>/clocks/<string:clock>/<int:cycle>/explanation")
@allow(*Role)
@blueprint.response(200, ExplanationSchema)
def explain_clock(case_id: UUID, clock: str, cycle: int) -> Any:
    """时限说明: Why this clock is due then, and who answers for its miss: each day, pauses, extensions, custody."""
    one("cases", case_id, kind="Case")
    app = application(Supervision)
    charge = app.explain_charge(case_id, clock, cycle)
    return {
        **_explained(app.explain(case_id, clock, cycle)),
        "charged": None if charge is None else charge.unit,
        "charge_lines": [] if charge is None else charge.explain(context().language),
    }


@blueprint.get("/due")
@allow(*Role)
@blueprint.arguments(DueArgs, location="query")
@blueprint.response(200, DueSchema)
def what_if(args: dict[str, Any]) -> Any:
    """时限测算: When would it be due? The what-if calculator, for everybody."""
    return _explained(application(Supervision).what_if(args["rule"], args["start"], args["own_date"]))


@blueprint.get("/rates")
@allow(Role.main_leader, Role.vice_leader, Role.supervision_office, Role.government_office, Role.auditor)
@blueprint.arguments(RateArgs, location="query")
@blueprint.response(200, RatesSchema)
def show_rates(args: dict[str, Any]) -> Any:
    """按时办结率: On-time figures per clock and unit, with numerator, denominator and what is excluded."""
    period = {"since": args["since"], "until": args["until"]}
    args["as_of"] = asked_as_of(args["as_of"], now=context().now, **period)
    with reading():
        items = on_time(application(Supervision), **args)
    return {**period, "as_of": args["as_of"], "least_for_a_rank": MINIMUM_N, "items": items}


@blueprint.get("/timers")
@allow(Role.supervision_office, Role.operator, Role.auditor)
@blueprint.arguments(TimerFilters, location="query")
@blueprint.response(200, PageSchema.of(TimerSchema))
def list_timers(args: dict[str, Any]) -> Any:
    """待触发时限: What the scheduler waits for, the next first; no content of any case."""
    return many(timers_with_units, args, "clock", "unit", all_see=True)


def _explained(due: Due) -> dict[str, Any]:
    return {
        **due.to_json(),
        "days": [
            {"date": day.day, "counted": day.counted, "why": day.why, "notice": day.notice}
            for day in due.days
        ],
        "lines": due.explain(context().language),
    }
