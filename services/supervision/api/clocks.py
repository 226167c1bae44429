"""Clocks, due dates, on-time figures and timers over HTTP."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, get_args
from uuid import UUID

from marshmallow import ValidationError, fields, validate
from sqlalchemy import and_, not_

from services.supervision.application import Supervision
from services.supervision.application.queries import LEAST_FOR_A_RANK, on_time
from shared.calendar.due import Due
from shared.domain.roles import Role
from shared.events.matter import CaseKind
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
    answer,
    context,
)
from shared.web.lists import many, one, reading
from shared.web.request import application, perform

blueprint = Blueprint("clocks", __name__, url_prefix="/api/v1", description="时限")


class ClockSchema(BaseSchema):
    """A clock in one cycle. ``overdue`` is derived for this very moment."""

    case_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    number = fields.String(required=True)
    clock = fields.String(required=True)
    cycle = fields.Integer(required=True)
    unit = fields.String(required=True)
    state = fields.String(required=True)
    overdue = fields.Boolean(required=True)
    started_at = Moment(required=True)
    own_date = Day(required=True, allow_none=True)
    due_on = Day(required=True)
    due_at = Moment(required=True)
    original_due_on = Day(required=True)
    provisional = fields.Boolean(required=True)
    missed = fields.Boolean(required=True)
    missed_due_at = Moment(required=True, allow_none=True)
    missed_detected_at = Moment(required=True, allow_none=True)
    stopped_at = Moment(required=True, allow_none=True)
    verdict = fields.String(required=True, allow_none=True)
    recomputed = fields.String(required=True, allow_none=True)
    calendar_version = fields.Integer(required=True)
    rulebook_version = fields.Integer(required=True)


class ClockFilters(PageArgs):
    """Which clocks."""

    sort = Sort("id", "due_at", "-due_at")
    case_id = Id()
    kind = fields.String(validate=validate.OneOf(get_args(CaseKind)))
    clock = Text(40)
    unit = Text(80)
    state = fields.String(validate=validate.OneOf(["open", "paused", "stopped", "cancelled"]))
    verdict = fields.String(validate=validate.OneOf(["in_time", "late"]))
    provisional = Flag()
    missed = Flag()
    overdue = Flag()
    due_from = Day()
    due_until = Day()


class StartField(fields.Field[Any]):
    """A day, or an aware moment as RFC 3339 writes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date | datetime:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            day: date = Day().deserialize(value)
            return day
        moment: datetime = Moment().deserialize(value)
        return moment


class DueArgs(BaseSchema):
    """A clock that might have started then."""

    rule = Text(60, required=True)
    start = StartField(required=True, metadata={"type": "string", "description": "2021-02-05, or a moment"})
    own_date = Day(load_default=None)


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


class RateArgs(BaseSchema):
    """Which clocks, due when."""

    since = Day(required=True)
    until = Day(required=True)
    clock = Text(40, load_default=None)
    unit = Text(80, load_default=None)


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


class PauseSchema(BaseSchema):
    """Why the clock is paused, and since when."""

    reason = Text(500, required=True)
    happened_at = Moment(load_default=None)


class ResumeSchema(BaseSchema):
    """Since when it runs on."""

    happened_at = Moment(load_default=None)


class TimerSchema(BaseSchema):
    """The next moment at which a clock has something to say; ``point`` 0 is the due moment itself."""

    case_id = fields.UUID(required=True)
    clock = fields.String(required=True)
    cycle = fields.Integer(required=True)
    unit = fields.String(required=True)
    due_at = Moment(required=True, allow_none=True)
    point = fields.Integer(required=True)


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
    """The clocks that the caller may see."""
    now = context().now
    where: list[Any] = [lambda clocks: clocks.c.clock != ""]
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
    found = many("clocks", args, *filters, where=where)
    return {**found, "items": [as_clock(row, now) for row in found["items"]]}


@blueprint.get("/cases/<uuid:case_id>/clocks/<string:clock>/<int:cycle>/explanation")
@allow(*Role)
@blueprint.response(200, DueSchema)
def explain_clock(case_id: UUID, clock: str, cycle: int) -> Any:
    """Why this clock is due then: each day counted or skipped, pauses, extensions, versions."""
    one("cases", case_id, kind="Case")
    return _explained(application(Supervision).explain(case_id, clock, cycle))


@blueprint.post("/cases/<uuid:case_id>/clocks/<string:clock>/<int:cycle>/pause")
@allow(Role.supervision_office)
@blueprint.arguments(PauseSchema)
@blueprint.response(200, CommandResultSchema)
def pause_clock(body: dict[str, Any], case_id: UUID, clock: str, cycle: int) -> Any:
    """Pause a clock; the contact clock never."""
    at = body.pop("happened_at")
    return answer(
        perform(
            lambda act: application(Supervision).pause_clock(act, case_id, clock, cycle, **body),
            happened_at=at,
        )
    )


@blueprint.post("/cases/<uuid:case_id>/clocks/<string:clock>/<int:cycle>/resume")
@allow(Role.supervision_office)
@blueprint.arguments(ResumeSchema)
@blueprint.response(200, CommandResultSchema)
def resume_clock(body: dict[str, Any], case_id: UUID, clock: str, cycle: int) -> Any:
    """Let a paused clock run on with the working days that were left."""
    at = body.pop("happened_at")
    return answer(
        perform(lambda act: application(Supervision).resume_clock(act, case_id, clock, cycle), happened_at=at)
    )


@blueprint.get("/due")
@allow(*Role)
@blueprint.arguments(DueArgs, location="query")
@blueprint.response(200, DueSchema)
def what_if(args: dict[str, Any]) -> Any:
    """When would it be due? The what-if calculator, for everybody."""
    return _explained(application(Supervision).what_if(args["rule"], args["start"], args["own_date"]))


@blueprint.get("/rates")
@allow(Role.main_leader, Role.vice_leader, Role.supervision_office, Role.government_office, Role.auditor)
@blueprint.arguments(RateArgs, location="query")
@blueprint.response(200, RatesSchema)
def show_rates(args: dict[str, Any]) -> Any:
    """On-time figures per clock and unit, with numerator, denominator and what is excluded."""
    if args["until"] < args["since"]:
        raise ValidationError({"until": ["早于起始日期\nIs before since"]})
    now = context().now
    with reading():
        items = on_time(application(Supervision), as_of=now, **args)
    return {
        "since": args["since"],
        "until": args["until"],
        "as_of": now,
        "least_for_a_rank": LEAST_FOR_A_RANK,
        "items": items,
    }


@blueprint.get("/timers")
@allow(Role.supervision_office, Role.operator, Role.auditor)
@blueprint.arguments(TimerFilters, location="query")
@blueprint.response(200, PageSchema.of(TimerSchema))
def list_timers(args: dict[str, Any]) -> Any:
    """What the scheduler waits for, the next first; no content of any case."""
    return many("timers", args, "clock", "unit", all_see=True)


def _explained(due: Due) -> dict[str, Any]:
    return {
        **due.to_json(),
        "days": [
            {"date": day.day, "counted": day.counted, "why": day.why, "notice": day.notice}
            for day in due.days
        ],
        "lines": due.explain(context().language),
    }
