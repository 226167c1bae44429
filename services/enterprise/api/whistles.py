"""Whistles 企业吹哨: the commands and what is shown of them."""

from typing import Any, get_args
from uuid import UUID

from marshmallow import fields, validate

from services.enterprise.api.enterprises import READERS
from services.enterprise.api.visible import whistle_for_caller, whistles_for_caller
from services.enterprise.application import EnterpriseApplication
from services.enterprise.domain.whistle import Whistle
from services.enterprise.domain.whistle.state import Status
from services.enterprise.views.whistles import WhistlesView
from shared.domain.roles import LEADERS, ON_WHISTLE, Role
from shared.events import enterprise
from shared.web.auth import allow
from shared.web.commands import Body, Commands, HappenedBody
from shared.web.fields import Choice, CreditCode, Narrative, PostId, Reason, SeriesNumber, Title, UnitId
from shared.web.http import (
    BaseSchema,
    Blueprint,
    Day,
    Flag,
    Id,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    context,
)
from shared.web.lists import many
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("whistles", __name__, url_prefix="/api/v1")

# -- commands -----------------------------------------------------------------------------------------------------

whistles = Commands[EnterpriseApplication, Whistle](blueprint, "/whistles", EnterpriseApplication)
on_whistle = Commands(
    blueprint,
    "/whistles/<uuid:whistle_id>/",
    EnterpriseApplication,
    Whistle,
    load=EnterpriseApplication.whistle,
    supply={
        "hands": EnterpriseApplication.hands,
        "last_day": EnterpriseApplication.last_day,
        "calendar": EnterpriseApplication.released_calendar,
    },
)


@whistles(
    "", EnterpriseApplication.blow_whistle, Role.enterprise, Role.government_office, Role.officer, status=201
)
class BlowWhistle(HappenedBody):
    """企业吹哨 Blow the whistle: the enterprise itself, or a clerk on its behalf."""

    credit_code = CreditCode(metadata={"description": "an enterprise's own token needs none"})
    category = Text(80, required=True)
    title = Title(required=True)
    text = Narrative(required=True)
    project = Title()
    urgency = Choice(enterprise.Urgency)
    channel = Choice(enterprise.Channel)
    service_mode = Choice(enterprise.ServiceMode)
    confidential = Flag()
    desk_unit = UnitId(metadata={"description": "a government office; default: office"})
    leader_post = PostId(metadata={"description": "default: the leader in charge of the desk"})
    repeats = Id(metadata={"description": "an earlier whistle, if the clerk knows that this repeats it"})


@on_whistle(
    "link-repeat", EnterpriseApplication.link_repeat, Role.government_office, guarded=Whistle.link_repeat
)
class LinkRepeat(Body):
    """重复诉求关联 Link it to the earlier whistle that it repeats."""

    earlier = Id(required=True)


@on_whistle(
    "route", EnterpriseApplication.route_whistle, Role.government_office, *LEADERS, guarded=Whistle.route
)
class RouteWhistle(Body):
    """派单 Route it to a lead unit and supporters."""

    lead_unit = UnitId(required=True)
    post = PostId(metadata={"description": "default: the lead unit's main head"})
    supporters = fields.List(UnitId(), validate=validate.Length(max=20))


@on_whistle("return", Whistle.return_it, *ON_WHISTLE)
class ReturnWhistle(Body):
    """退单 The lead gives it back to the desk and suggests another unit."""

    reason = Reason(required=True)
    suggested_unit = UnitId(required=True)


@on_whistle("contact", Whistle.contact, *ON_WHISTLE)
class ContactEnterprise(HappenedBody):
    """联系企业 A unit that has it in hand got in touch with the enterprise."""

    how = Choice(enterprise.ContactedBy, required=True)
    note = Narrative()


@on_whistle("propose-plan", Whistle.propose_plan, *ON_WHISTLE)
class ProposePlan(Body):
    """提出服务方案 The lead proposes a plan with a working day within 30 working days of the whistle."""

    plan = Narrative(required=True)
    steps = fields.List(Text(500), required=True, validate=validate.Length(min=1, max=50))
    promised_on = Day(required=True)


@on_whistle("agree-plan", Whistle.agree_plan, Role.enterprise)
class AgreePlan(Body):
    """服务确认 The enterprise agrees to the plan."""


@on_whistle("resolve", EnterpriseApplication.resolve_whistle, *ON_WHISTLE, guarded=Whistle.resolve)
class ResolveWhistle(HappenedBody):
    """诉求办结 The lead reports it resolved."""

    result = Narrative(required=True)


@on_whistle("rate", EnterpriseApplication.rate_whistle, Role.enterprise, *ON_WHISTLE, guarded=Whistle.rate)
class RateWhistle(Body):
    """企业评价 The enterprise rates; anybody else is refused by that rule's name."""

    solved = Flag(required=True)
    satisfied = Flag(required=True)
    score = Whole(1, 5, required=True)
    comment = Narrative()


@on_whistle("claim-infeasible", Whistle.claim_infeasible, *ON_WHISTLE)
class ClaimInfeasible(Body):
    """申报不可行 The lead says that it cannot be done, and on which legal ground."""

    legal_ground = Text(500, required=True)
    explanation = Narrative(required=True)


@on_whistle(
    "review-infeasible",
    EnterpriseApplication.review_infeasible,
    Role.supervision_office,
    Role.government_office,
    guarded=Whistle.review_infeasible,
)
class ReviewInfeasible(Body):
    """不可行复核 A second reviewer of another unit upholds or rejects the claim."""

    upheld = Flag(required=True)
    reason = Reason(required=True)


@on_whistle("merge", EnterpriseApplication.merge_whistle, Role.government_office, guarded=Whistle.merge)
class MergeWhistle(Body):
    """并案 It goes on within another open whistle; its reporter is kept."""

    into = Id(required=True)


@on_whistle("unmerge", Whistle.unmerge, Role.government_office)
class UnmergeWhistle(Body):
    """撤销并案 It goes on by itself again."""

    reason = Reason(required=True)


@on_whistle("withdraw", EnterpriseApplication.withdraw_whistle, Role.enterprise, guarded=Whistle.withdraw)
class WithdrawWhistle(Body):
    """撤回诉求 The enterprise takes it back."""

    reason = Reason(required=True)


# -- what is shown ------------------------------------------------------------------------------------------------

INTERNAL = ("before", "open", "routed_before", "proposed", "rework_at", "claimed_by", "joined", "history")
"""Columns for rules and counts, which nobody asks for."""

WhistleSchema = shown(
    "WhistleSchema", WhistlesView, hidden=INTERNAL, reporters=fields.List(fields.UUID(), required=True)
)


class ClocksSchema(BaseSchema):
    contact_due = fields.Date(required=True)
    resolve_or_confirm_due = fields.Date(required=True)
    hard_limit_due = fields.Date(required=True)
    provisional = fields.Boolean(required=True)


ONE_WHISTLE = {
    "clocks": fields.Nested(ClocksSchema, required=True),
    "may": on_whistle.may_field(),
}
WhistleWithClocksSchema = shown(
    "WhistleWithClocksSchema",
    WhistlesView,
    hidden=INTERNAL,
    reporters=fields.List(fields.UUID(), required=True),
    **ONE_WHISTLE,
)


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
    number = SeriesNumber(load_default=None)
    state = fields.String(load_default=None, validate=validate.OneOf(get_args(Status)))
    open = Flag(load_default=None)
    credit_code = CreditCode(load_default=None)
    enterprise_id = Id(load_default=None)
    category = Text(80, load_default=None)
    urgency = Choice(enterprise.Urgency, load_default=None)
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
    app, asked = application(EnterpriseApplication), context()
    row, headers = whistle_for_caller(whistle_id)
    clocks = app.clocks(whistle_id, row["blown_at"])
    may = on_whistle.open_to(asked.identity, app, WhistlesView.state_of(row), asked.now)
    return {**row, "clocks": vars(clocks), "may": may}, 200, headers


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
