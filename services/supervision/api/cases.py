"""Cases and custody over HTTP."""

from typing import Any, get_args
from uuid import UUID

from marshmallow import fields, validate
from sqlalchemy import select

from services.supervision.api.clocks import ClockSchema, as_clock
from services.supervision.api.rounds import RoundSchema
from services.supervision.application import Supervision
from services.supervision.application.queries import concluded_rounds, custody_days
from services.supervision.domain.streaks import naming_streaks
from shared.domain.roles import Role
from shared.events.matter import CaseKind
from shared.web.auth import allow
from shared.web.http import (
    BaseSchema,
    Blueprint,
    CommandResultSchema,
    Id,
    Moment,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    answer,
    context,
)
from shared.web.lists import many, one, reading
from shared.web.request import application, perform

blueprint = Blueprint("cases", __name__, url_prefix="/api/v1", description="督查事项")


class CaseSchema(BaseSchema):
    """A case."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    duty = fields.String(required=True, allow_none=True)
    subject_id = fields.UUID(required=True)
    number = fields.String(required=True)
    title = fields.String(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True, allow_none=True)
    supporters = fields.List(fields.String(), required=True)
    leader_post = fields.String(required=True, allow_none=True)
    custodian = fields.String(required=True)
    state = fields.String(required=True)
    ground = fields.String(required=True, allow_none=True)
    opened_at = Moment(required=True)
    closed_at = Moment(required=True, allow_none=True)
    rounds = fields.Integer(required=True)
    missed = fields.Integer(required=True)
    namings_due = fields.Integer(required=True)
    secrecy = fields.String(required=True)
    rulebook_version = fields.Integer(required=True)
    version = fields.Integer(required=True)


class StreakSchema(BaseSchema):
    """Consecutive slow rounds for which a unit is to be named."""

    unit = fields.String(required=True)
    rounds = fields.List(fields.Integer(), required=True)
    aggravated = fields.Boolean(required=True)


class CaseDetailSchema(CaseSchema):
    """A case with its clocks, rounds and streaks."""

    clocks = fields.List(fields.Nested(ClockSchema), required=True)
    round_list = fields.List(fields.Nested(RoundSchema), required=True)
    streaks = fields.List(fields.Nested(StreakSchema), required=True)


class CaseFilters(PageArgs):
    """Which cases."""

    sort = Sort("id", "number", "-number", "opened_at", "-opened_at")
    kind = fields.String(validate=validate.OneOf(get_args(CaseKind)))
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
    """The cases that the caller may see."""
    filters = ("kind", "duty", "unit", "custodian", "leader_post", "state", "number", "subject_id")
    return many("cases", args, *filters)


@blueprint.get("/cases/<uuid:case_id>")
@allow(*Role)
@blueprint.response(200, CaseDetailSchema)
def show_case(case_id: UUID) -> Any:
    """A case with its clocks, rounds and streaks."""
    row, headers = one("cases", case_id, kind="Case")
    now = context().now
    with reading() as (connection, views):
        clocks = views.table(connection, "clocks")
        rounds = views.table(connection, "rounds")
        mine = select(clocks).where(clocks.c.case_id == str(case_id), clocks.c.clock != "")
        row["clocks"] = [
            as_clock(dict(clock._mapping), now) for clock in connection.execute(mine.order_by(clocks.c.id))
        ]
        asked = select(rounds).where(rounds.c.case_id == str(case_id), rounds.c.round > 0)
        row["round_list"] = [
            dict(one_round._mapping) for one_round in connection.execute(asked.order_by(rounds.c.round))
        ]
    row["streaks"] = naming_streaks(concluded_rounds(application(Supervision), case_id))
    return row, headers


class CustodySchema(BaseSchema):
    """One unit's stay of a case, in working days so far or in all."""

    case_id = fields.UUID(required=True)
    number = fields.String(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True, allow_none=True)
    leads = fields.Boolean(required=True)
    since = Moment(required=True)
    until = Moment(required=True, allow_none=True)
    working_days = fields.Integer(required=True)


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
    """How long which unit had what in hand, in working days: a slow router is not charged to the next unit."""
    found = many("custody", args, "case_id", "unit", "stay")
    return custody_days(found, application(Supervision).calendar(), context().now)


@blueprint.post("/cases/<uuid:case_id>/draft-naming")
@allow(Role.supervision_office)
@blueprint.response(201, CommandResultSchema)
def draft_naming(case_id: UUID) -> Any:
    """Draft the naming that is due; refused without two concluded slow rounds, or when it is drafted already."""
    return answer(perform(lambda act: application(Supervision).draft_naming(act, case_id)), 201)
