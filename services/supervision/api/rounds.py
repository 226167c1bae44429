"""Supervision rounds over HTTP."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.application import Supervision
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
from shared.web.lists import many
from shared.web.request import application, perform

blueprint = Blueprint("rounds", __name__, url_prefix="/api/v1", description="督办轮次")

VERDICTS = ["resolved", "on_track", "slow"]


class RoundSchema(BaseSchema):
    """A supervision round."""

    case_id = fields.UUID(required=True)
    number = fields.String(required=True)
    round = fields.Integer(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True, allow_none=True)
    kind = fields.String(required=True)
    trigger = fields.String(required=True)
    requirement = fields.String(required=True)
    state = fields.String(required=True)
    issued_at = Moment(required=True)
    due_on = Day(required=True)
    due_at = Moment(required=True)
    answer = fields.String(required=True, allow_none=True)
    answered_at = Moment(required=True, allow_none=True)
    signed_by = fields.String(required=True, allow_none=True)
    signed_at = Moment(required=True, allow_none=True)
    verdict = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    unsigned = fields.Boolean(required=True)
    judged_by = fields.String(required=True, allow_none=True)
    judged_at = Moment(required=True, allow_none=True)
    void_reason = fields.String(required=True, allow_none=True)
    objection = fields.String(required=True, allow_none=True)
    objection_upheld = fields.Boolean(required=True, allow_none=True)
    ruling = fields.String(required=True, allow_none=True)


class RoundFilters(PageArgs):
    """Which rounds."""

    sort = Sort("id", "due_on", "-due_on", "issued_at", "-issued_at")
    case_id = Id()
    unit = Text(80)
    round = Whole(1, 9999)
    state = fields.String(
        validate=validate.OneOf(["issued", "answered", "signed", "concluded", "objected", "voided"])
    )
    verdict = fields.String(validate=validate.OneOf(VERDICTS))
    trigger = fields.String(validate=validate.OneOf(["deadline_missed", "own_initiative", "slow_round"]))


class IssueSchema(BaseSchema):
    """What the unit is asked, and by when (default: the rulebook's working days)."""

    requirement = Text(2000, lines=True, required=True)
    kind = fields.String(load_default="immediate", validate=validate.OneOf(["special", "immediate"]))
    due_on = Day(load_default=None)


class TextSchema(BaseSchema):
    """A text, and since when it holds."""

    text = Text(5000, lines=True, required=True)
    happened_at = Moment(load_default=None)


class MomentSchema(BaseSchema):
    """When it happened (default: now)."""

    happened_at = Moment(load_default=None)


class JudgeSchema(BaseSchema):
    """The verdict and its reason."""

    verdict = fields.String(required=True, validate=validate.OneOf(VERDICTS))
    reason = Text(2000, lines=True, required=True)
    happened_at = Moment(load_default=None)


class ReasonSchema(BaseSchema):
    """A reason."""

    reason = Text(2000, lines=True, required=True)


class RulingSchema(BaseSchema):
    """Whether the objection is upheld, and why."""

    upheld = Flag(required=True)
    reason = Text(2000, lines=True, required=True)


@blueprint.get("/rounds")
@allow(*Role)
@blueprint.arguments(RoundFilters, location="query")
@blueprint.response(200, PageSchema.of(RoundSchema))
def list_rounds(args: dict[str, Any]) -> Any:
    """The rounds that the caller may see."""
    filters = ("case_id", "unit", "round", "state", "verdict", "trigger")
    return many("rounds", args, *filters, where=[lambda rounds: rounds.c.round > 0])


@blueprint.post("/cases/<uuid:case_id>/issue-round")
@allow(Role.supervision_office)
@blueprint.arguments(IssueSchema)
@blueprint.response(200, CommandResultSchema)
def issue_round(body: dict[str, Any], case_id: UUID) -> Any:
    """Issue the next round on the office's own initiative."""
    return answer(perform(lambda act: application(Supervision).issue_round(act, case_id, **body)))


@blueprint.post("/cases/<uuid:case_id>/rounds/<int:number>/answer")
@allow(Role.unit_head, Role.officer)
@blueprint.arguments(TextSchema)
@blueprint.response(200, CommandResultSchema)
def answer_round(body: dict[str, Any], case_id: UUID, number: int) -> Any:
    """Answer a round; it counts once the main head has signed."""
    at = body.pop("happened_at")
    return answer(
        perform(
            lambda act: application(Supervision).answer_round(act, case_id, number, **body), happened_at=at
        )
    )


@blueprint.post("/cases/<uuid:case_id>/rounds/<int:number>/sign")
@allow(Role.unit_head, Role.officer, Role.supervision_office)
@blueprint.arguments(MomentSchema)
@blueprint.response(200, CommandResultSchema)
def sign_round(body: dict[str, Any], case_id: UUID, number: int) -> Any:
    """Sign the answer, as the unit's main head; anybody else is refused by that rule."""
    at = body.pop("happened_at")
    return answer(
        perform(lambda act: application(Supervision).sign_round(act, case_id, number), happened_at=at)
    )


@blueprint.post("/cases/<uuid:case_id>/rounds/<int:number>/judge")
@allow(Role.supervision_office)
@blueprint.arguments(JudgeSchema)
@blueprint.response(200, CommandResultSchema)
def judge_round(body: dict[str, Any], case_id: UUID, number: int) -> Any:
    """Judge a signed answer: resolved, on track or slow."""
    at = body.pop("happened_at")
    return answer(
        perform(
            lambda act: application(Supervision).judge_round(act, case_id, number, **body), happened_at=at
        )
    )


@blueprint.post("/cases/<uuid:case_id>/rounds/<int:number>/void")
@allow(Role.supervision_office)
@blueprint.arguments(ReasonSchema)
@blueprint.response(200, CommandResultSchema)
def void_round(body: dict[str, Any], case_id: UUID, number: int) -> Any:
    """Declare a round void: it neither counts nor resets."""
    return answer(perform(lambda act: application(Supervision).void_round(act, case_id, number, **body)))


@blueprint.post("/cases/<uuid:case_id>/rounds/<int:number>/object")
@allow(Role.unit_head, Role.officer)
@blueprint.arguments(TextSchema)
@blueprint.response(200, CommandResultSchema)
def object_to_round(body: dict[str, Any], case_id: UUID, number: int) -> Any:
    """Object to a verdict, within the window."""
    at = body.pop("happened_at")
    return answer(
        perform(
            lambda act: application(Supervision).object_to_round(act, case_id, number, **body), happened_at=at
        )
    )


@blueprint.post("/cases/<uuid:case_id>/rounds/<int:number>/rule-on-objection")
@allow(Role.supervision_office, Role.main_leader, Role.vice_leader)
@blueprint.arguments(RulingSchema)
@blueprint.response(200, CommandResultSchema)
def rule_on_round_objection(body: dict[str, Any], case_id: UUID, number: int) -> Any:
    """Rule on an objection; upheld, the round neither counts nor resets. Not by whoever judged it."""
    return answer(
        perform(lambda act: application(Supervision).rule_on_round_objection(act, case_id, number, **body))
    )
