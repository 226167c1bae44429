"""Supervision rounds 督办轮次: the commands and what is shown of them."""

from typing import Any, get_args
from uuid import UUID

from marshmallow import fields, validate

from services.supervision.application import Supervision
from services.supervision.domain import Case
from services.supervision.domain.state.round import RoundStatus
from services.supervision.views.cases import ROUNDS, parts_of, with_parts
from services.supervision.views.rounds import RoundsView
from shared.domain.roles import LEADERS, UNITS, Role
from shared.events import supervision
from shared.web.auth import allow
from shared.web.commands import Body, Commands, HappenedBody
from shared.web.fields import Choice, Narrative, Reason
from shared.web.http import Blueprint, Flag, Id, PageArgs, PageSchema, Sort, Text, Whole, context
from shared.web.lists import many, one
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("rounds", __name__, url_prefix="/api/v1", description="督办轮次")

# -- commands -----------------------------------------------------------------------------------------------------

on_round = Commands(
    blueprint,
    "/cases/<uuid:case_id>/rounds/<int:number>/",
    Supervision,
    Case,
    supply={"terms": Supervision.terms_for, "head_of": Supervision.heads, "is_vacant": Supervision.vacancies},
)


@on_round("answer", Case.answer_round, *UNITS)
class AnswerRound(HappenedBody):
    """督办答复 Answer a round; it counts once the main head has signed."""

    text = Narrative(required=True)


@on_round("sign", Case.sign_round, *UNITS, Role.supervision_office)
class SignRound(HappenedBody):
    """签字背书 Sign the answer, as the unit's main head; anybody else is refused by that rule."""


@on_round("judge", Case.judge_round, Role.supervision_office)
class JudgeRound(HappenedBody):
    """督办认定 Judge a signed answer: resolved, on track or slow."""

    verdict = Choice(supervision.Verdict, required=True)
    reason = Reason(required=True)


@on_round("verify-slow", Case.verify_slow, Role.supervision_office, *LEADERS)
class VerifySlow(Body):
    """缓慢认定复核 Verify, or not, that a round is slow; by another person than who found it slow."""

    agreed = Flag(required=True)
    reason = Reason(required=True)


@on_round("void", Case.void_round, Role.supervision_office)
class VoidRound(Body):
    """督办作废 Declare a round void: it neither counts nor resets."""

    reason = Reason(required=True)


@on_round("object", Case.object_to_round, *UNITS)
class ObjectToRound(HappenedBody):
    """提出异议 Object to a verdict, within the window."""

    text = Narrative(required=True)


@on_round("rule-on-objection", Case.rule_on_objection, Role.supervision_office, *LEADERS)
class RuleOnRoundObjection(Body):
    """异议裁定 Rule on an objection; upheld, the round neither counts nor resets. Not by whoever judged it."""

    upheld = Flag(required=True)
    reason = Reason(required=True)


# -- what is shown ------------------------------------------------------------------------------------------------

INTERNAL = ("id", "version", "followed", "judged_by_unit", "concluded_at", "voided_at", "proposed_by_unit")
"""Columns for rules, which nobody asks for."""

RoundSchema = shown("RoundSchema", RoundsView, hidden=INTERNAL, number=fields.String(required=True))
OneRoundSchema = shown(
    "OneRoundSchema",
    RoundsView,
    hidden=INTERNAL,
    number=fields.String(required=True),
    may=on_round.may_field(),
)


class RoundFilters(PageArgs):
    """Which rounds."""

    sort = Sort("id", "due_on", "-due_on", "issued_at", "-issued_at")
    case_id = Id()
    unit = Text(80)
    round = Whole(1, 9999)
    state = fields.String(validate=validate.OneOf(get_args(RoundStatus)))
    verdict = Choice(supervision.Verdict)
    trigger = Choice(supervision.Trigger)


@blueprint.get("/rounds")
@allow(*Role)
@blueprint.arguments(RoundFilters, location="query")
@blueprint.response(200, PageSchema.of(RoundSchema))
def list_rounds(args: dict[str, Any]) -> Any:
    """督办轮次清单: The rounds that the caller may see."""
    return many(ROUNDS, args, "case_id", "unit", "round", "state", "verdict", "trigger")


@blueprint.get("/cases/<uuid:case_id>/rounds/<int:number>")
@allow(*Role)
@blueprint.response(200, OneRoundSchema)
def show_round(case_id: UUID, number: int) -> Any:
    """督办轮次: One round, and what the caller may do with it now."""
    asked = context()
    row, _ = one(ROUNDS, f"{case_id}/{number:04d}", kind="Round")
    found, headers = one("cases", case_id, kind="Case")
    case = with_parts(found, parts_of(found))
    may = on_round.open_to(asked.identity, application(Supervision), case, asked.now, number=number)
    return {**row, "may": may}, headers
