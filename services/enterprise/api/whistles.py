"""Whistles 企业吹哨: the commands and what is shown of them."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.enterprise.api.enterprises import READERS
from services.enterprise.views.whistles import (
    whistle_for_caller,
    whistle_with_clocks,
    whistles_for_caller,
)
from shared.runtime.service import application, perform
from shared.web.auth import Role, allow
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

blueprint = Blueprint("whistles", __name__, url_prefix="/api/v1")

STATES = (
    "raised",
    "routed",
    "contacted",
    "plan_proposed",
    "confirmed",
    "rework",
    "resolved",
    "infeasibility_claimed",
    "merged",
    "withdrawn",
    "closed",
)
MODES = ("none", "agent", "appointment", "door_to_door")


# -- what is sent -------------------------------------------------------------------------------------------------


class BlowSchema(BaseSchema):
    credit_code = Text(40, metadata={"description": "an enterprise's own token needs none"})
    category = Text(80, required=True)
    title = Text(200, required=True)
    text = Text(4000, required=True, lines=True)
    project = Text(200)
    urgency = fields.String(validate=validate.OneOf(("normal", "urgent")))
    channel = fields.String(validate=validate.OneOf(("web", "phone", "window", "service_day")))
    service_mode = fields.String(validate=validate.OneOf(MODES))
    confidential = Flag()
    desk_unit = Text(80, metadata={"description": "a government office; default: office"})
    leader_post = Text(80, metadata={"description": "default: the leader in charge of the desk"})
    repeats = Id(metadata={"description": "an earlier whistle, if the clerk knows that this repeats it"})
    happened_at = Moment()


class LinkRepeatSchema(BaseSchema):
    earlier = Id(required=True)


class RouteSchema(BaseSchema):
    lead_unit = Text(80, required=True)
    post = Text(80, metadata={"description": "default: the lead unit's main head"})
    supporters = fields.List(Text(80), validate=validate.Length(max=20))


class ReturnSchema(BaseSchema):
    reason = Text(1000, required=True, lines=True)
    suggested_unit = Text(80, required=True)


class ContactSchema(BaseSchema):
    how = fields.String(required=True, validate=validate.OneOf(("phone", "visit", "meeting", "online")))
    note = Text(2000, lines=True)
    happened_at = Moment()


class ProposePlanSchema(BaseSchema):
    plan = Text(4000, required=True, lines=True)
    steps = fields.List(Text(500), required=True, validate=validate.Length(min=1, max=50))
    promised_on = Day(required=True)


class ResolveSchema(BaseSchema):
    result = Text(4000, required=True, lines=True)
    happened_at = Moment()


class RateWhistleSchema(BaseSchema):
    solved = Flag(required=True)
    satisfied = Flag(required=True)
    score = Whole(1, 5, required=True)
    comment = Text(2000, lines=True)


class ClaimInfeasibleSchema(BaseSchema):
    legal_ground = Text(500, required=True)
    explanation = Text(4000, required=True, lines=True)


class ReviewInfeasibleSchema(BaseSchema):
    upheld = Flag(required=True)
    reason = Text(2000, required=True, lines=True)


class MergeSchema(BaseSchema):
    into = Id(required=True)


class ReasonSchema(BaseSchema):
    reason = Text(1000, required=True, lines=True)


# -- what is shown ------------------------------------------------------------------------------------------------


class WhistleSchema(BaseSchema):
    id = fields.UUID(required=True)
    number = fields.String(required=True)
    enterprise_id = fields.UUID(required=True)
    credit_code = fields.String(required=True)
    enterprise_name = fields.String(required=True)
    category = fields.String(required=True)
    title = fields.String(required=True)
    text = fields.String(required=True)
    project = fields.String(required=True)
    urgency = fields.String(required=True)
    channel = fields.String(required=True)
    service_mode = fields.String(required=True)
    confidential = fields.Boolean(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    desk_unit = fields.String(required=True)
    leader_post = fields.String(required=True)
    lead_unit = fields.String(required=True, allow_none=True)
    post = fields.String(required=True, allow_none=True)
    supporters = fields.List(fields.String(), required=True)
    blown_at = fields.DateTime(required=True)
    recorded_at = fields.DateTime(required=True)
    routed_at = fields.DateTime(required=True, allow_none=True)
    contacted_at = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "the first contact"}
    )
    confirmed_at = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "the first confirmation"}
    )
    promised_on = fields.Date(required=True, allow_none=True)
    resolved_at = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "the first resolution"}
    )
    rating_until = fields.Date(required=True, allow_none=True)
    rated_at = fields.DateTime(required=True, allow_none=True)
    closed_at = fields.DateTime(required=True, allow_none=True)
    closed_ground = fields.String(required=True, allow_none=True)
    solved = fields.Boolean(required=True, allow_none=True)
    satisfied = fields.Boolean(required=True, allow_none=True)
    score = fields.Integer(required=True, allow_none=True)
    transfers = fields.Integer(required=True)
    returns = fields.Integer(required=True)
    reworks = fields.Integer(required=True)
    raised_to = fields.String(required=True, allow_none=True)
    raised_grounds = fields.List(fields.String(), required=True)
    repeats = fields.List(fields.UUID(), required=True)
    merged_into = fields.UUID(required=True, allow_none=True)
    reporters = fields.List(fields.UUID(), required=True)
    version = fields.Integer(required=True)


class ClocksSchema(BaseSchema):
    contact_due = fields.Date(required=True)
    resolve_or_confirm_due = fields.Date(required=True)
    hard_limit_due = fields.Date(required=True)
    provisional = fields.Boolean(required=True)


class WhistleWithClocksSchema(WhistleSchema):
    clocks = fields.Nested(ClocksSchema, required=True)


class StepSchema(BaseSchema):
    id = fields.String(required=True)
    kind = fields.String(required=True)
    version = fields.Integer(required=True)
    happened_at = fields.DateTime(required=True)
    recorded_at = fields.DateTime(required=True)
    by_unit = fields.String(required=True)
    by_post = fields.String(required=True)
    details = fields.Dict(keys=fields.String(), required=True)


class WhistleFilters(PageArgs):
    number = Text(20, load_default=None)
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))
    open = Flag(load_default=None)
    credit_code = Text(40, load_default=None)
    enterprise_id = Id(load_default=None)
    category = Text(80, load_default=None)
    urgency = fields.String(load_default=None, validate=validate.OneOf(("normal", "urgent")))
    lead_unit = Text(80, load_default=None)
    desk_unit = Text(80, load_default=None)
    merged_into = Id(load_default=None)
    sort = Sort(
        "number",
        "-number",
        "blown_at",
        "-blown_at",
        "closed_at",
        "-closed_at",
        "state",
        "reworks",
        "-reworks",
    )


class StepFilters(PageArgs):
    sort = Sort("version", "-version")


# -- commands -----------------------------------------------------------------------------------------------------


@blueprint.post("/whistles")
@allow(Role.enterprise, Role.government_office, Role.officer)
@blueprint.arguments(BlowSchema)
@blueprint.response(201, CommandResultSchema)
def blow_whistle(body: dict[str, Any]) -> Any:
    """企业吹哨: by the enterprise itself, or by a clerk on its behalf. Blow the whistle."""
    happened_at = body.pop("happened_at", None)
    return answer(perform(lambda act: application().blow_whistle(act, **body), happened_at=happened_at), 201)


@blueprint.post("/whistles/<uuid:whistle_id>/link-repeat")
@allow(Role.government_office)
@blueprint.arguments(LinkRepeatSchema)
@blueprint.response(200, CommandResultSchema)
def link_repeat(body: dict[str, Any], whistle_id: UUID) -> Any:
    """重复诉求关联: Link it to the earlier whistle that it repeats."""
    return answer(perform(lambda act: application().link_repeat(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/route")
@allow(Role.government_office, Role.vice_leader, Role.main_leader)
@blueprint.arguments(RouteSchema)
@blueprint.response(200, CommandResultSchema)
def route_whistle(body: dict[str, Any], whistle_id: UUID) -> Any:
    """派单: Route it to a lead unit and supporters."""
    return answer(perform(lambda act: application().route_whistle(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/return")
@allow(Role.unit_head, Role.officer, Role.government_office)
@blueprint.arguments(ReturnSchema)
@blueprint.response(200, CommandResultSchema)
def return_whistle(body: dict[str, Any], whistle_id: UUID) -> Any:
    """退单: The lead gives it back to the desk and suggests another unit."""
    return answer(perform(lambda act: application().return_whistle(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/contact")
@allow(Role.unit_head, Role.officer, Role.government_office)
@blueprint.arguments(ContactSchema)
@blueprint.response(200, CommandResultSchema)
def contact_enterprise(body: dict[str, Any], whistle_id: UUID) -> Any:
    """联系企业: A unit that has it in hand got in touch with the enterprise."""
    happened_at = body.pop("happened_at", None)
    return answer(
        perform(
            lambda act: application().contact_enterprise(act, whistle_id, **body), happened_at=happened_at
        )
    )


@blueprint.post("/whistles/<uuid:whistle_id>/propose-plan")
@allow(Role.unit_head, Role.officer, Role.government_office)
@blueprint.arguments(ProposePlanSchema)
@blueprint.response(200, CommandResultSchema)
def propose_plan(body: dict[str, Any], whistle_id: UUID) -> Any:
    """提出服务方案: The lead proposes a plan with a date within 30 working days of the whistle."""
    return answer(perform(lambda act: application().propose_plan(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/agree-plan")
@allow(Role.enterprise)
@blueprint.response(200, CommandResultSchema)
def agree_plan(whistle_id: UUID) -> Any:
    """服务确认: The enterprise agrees to the plan."""
    return answer(perform(lambda act: application().agree_plan(act, whistle_id)))


@blueprint.post("/whistles/<uuid:whistle_id>/resolve")
@allow(Role.unit_head, Role.officer, Role.government_office)
@blueprint.arguments(ResolveSchema)
@blueprint.response(200, CommandResultSchema)
def resolve_whistle(body: dict[str, Any], whistle_id: UUID) -> Any:
    """诉求办结: The lead reports it resolved."""
    happened_at = body.pop("happened_at", None)
    return answer(
        perform(lambda act: application().resolve_whistle(act, whistle_id, **body), happened_at=happened_at)
    )


@blueprint.post("/whistles/<uuid:whistle_id>/rate")
@allow(Role.enterprise, Role.government_office, Role.unit_head, Role.officer)
@blueprint.arguments(RateWhistleSchema)
@blueprint.response(200, CommandResultSchema)
def rate_whistle(body: dict[str, Any], whistle_id: UUID) -> Any:
    """企业评价: The enterprise rates; anybody else is refused by that rule's name."""
    return answer(perform(lambda act: application().rate_whistle(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/claim-infeasible")
@allow(Role.unit_head, Role.officer, Role.government_office)
@blueprint.arguments(ClaimInfeasibleSchema)
@blueprint.response(200, CommandResultSchema)
def claim_infeasible(body: dict[str, Any], whistle_id: UUID) -> Any:
    """申报不可行: The lead says that it cannot be done, and on which legal ground."""
    return answer(perform(lambda act: application().claim_infeasible(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/review-infeasible")
@allow(Role.supervision_office, Role.government_office)
@blueprint.arguments(ReviewInfeasibleSchema)
@blueprint.response(200, CommandResultSchema)
def review_infeasible(body: dict[str, Any], whistle_id: UUID) -> Any:
    """不可行复核: A second reviewer of another unit upholds or rejects the claim."""
    return answer(perform(lambda act: application().review_infeasible(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/merge")
@allow(Role.government_office)
@blueprint.arguments(MergeSchema)
@blueprint.response(200, CommandResultSchema)
def merge_whistle(body: dict[str, Any], whistle_id: UUID) -> Any:
    """并案: It goes on within another open whistle; its reporter is kept."""
    return answer(perform(lambda act: application().merge_whistle(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/unmerge")
@allow(Role.government_office)
@blueprint.arguments(ReasonSchema)
@blueprint.response(200, CommandResultSchema)
def unmerge_whistle(body: dict[str, Any], whistle_id: UUID) -> Any:
    """撤销并案: It goes on by itself again."""
    return answer(perform(lambda act: application().unmerge_whistle(act, whistle_id, **body)))


@blueprint.post("/whistles/<uuid:whistle_id>/withdraw")
@allow(Role.enterprise)
@blueprint.arguments(ReasonSchema)
@blueprint.response(200, CommandResultSchema)
def withdraw_whistle(body: dict[str, Any], whistle_id: UUID) -> Any:
    """撤回诉求: The enterprise takes it back."""
    return answer(perform(lambda act: application().withdraw_whistle(act, whistle_id, **body)))


# -- reads --------------------------------------------------------------------------------------------------------


@blueprint.get("/whistles")
@allow(*READERS)
@blueprint.arguments(WhistleFilters, location="query")
@blueprint.response(200, PageSchema.of(WhistleSchema))
def list_whistles(args: dict[str, Any]) -> Any:
    """诉求清单: List the whistles that the caller may see."""
    return whistles_for_caller(
        args,
        "number",
        "state",
        "open",
        "credit_code",
        "enterprise_id",
        "category",
        "urgency",
        "lead_unit",
        "desk_unit",
        "merged_into",
    )


@blueprint.get("/whistles/<uuid:whistle_id>")
@allow(*READERS)
@blueprint.response(200, WhistleWithClocksSchema)
def get_whistle(whistle_id: UUID) -> Any:
    """诉求: One whistle with its three clocks."""
    app = application()
    row, headers = whistle_with_clocks(whistle_id, app.rulebook, app.reference)
    return row, 200, headers


@blueprint.get("/whistles/<uuid:whistle_id>/steps")
@allow(*READERS)
@blueprint.arguments(StepFilters, location="query")
@blueprint.response(200, PageSchema.of(StepSchema))
def list_whistle_steps(args: dict[str, Any], whistle_id: UUID) -> Any:
    """办理过程: Every step of one whistle."""
    whistle_for_caller(whistle_id)
    return many(
        "whistle_steps",
        {**args, "whistle_id": str(whistle_id)},
        "whistle_id",
        all_see=True,
    )
