"""The six rates 六项指标."""

from typing import Any

from marshmallow import fields, validate

from services.enterprise.application import EnterpriseApplication
from services.enterprise.domain.rates import RATES
from shared.domain.roles import Role
from shared.figures.figure import MINIMUM_N
from shared.web.auth import allow
from shared.web.http import BaseSchema, Blueprint, Day, Moment
from shared.web.lists import reading
from shared.web.request import application

blueprint = Blueprint("rates", __name__, url_prefix="/api/v1")


class PeriodSchema(BaseSchema):
    since = Day(required=True, data_key="from", metadata={"description": "the first day of the period"})
    until = Day(required=True, metadata={"description": "the last day of the period, included"})
    as_of = Moment(
        load_default=None, metadata={"description": "only what was recorded by then; default: now"}
    )


class ExclusionSchema(BaseSchema):
    reason = fields.String(required=True)
    count = fields.Integer(required=True)


class RateSchema(BaseSchema):
    id = fields.String(required=True, validate=validate.OneOf(RATES))
    numerator = fields.Integer(required=True)
    denominator = fields.Integer(required=True)
    total = fields.Integer(required=True, metadata={"description": "denominator and exclusions"})
    exclusions = fields.List(fields.Nested(ExclusionSchema), required=True)
    value = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": f"null below a denominator of {MINIMUM_N}"},
    )
    as_of = fields.DateTime(required=True)


class UnitRatesSchema(BaseSchema):
    unit = fields.String(required=True)
    rates = fields.List(fields.Nested(RateSchema), required=True)


class SixRatesSchema(BaseSchema):
    since = fields.Date(required=True, data_key="from")
    until = fields.Date(required=True)
    as_of = fields.DateTime(required=True)
    minimum_n = fields.Integer(required=True)
    rates = fields.List(fields.Nested(RateSchema), required=True)
    units = fields.List(fields.Nested(UnitRatesSchema), required=True)


@blueprint.get("/whistle-rates")
@allow(
    Role.main_leader,
    Role.vice_leader,
    Role.government_office,
    Role.supervision_office,
    Role.unit_head,
    Role.officer,
    Role.auditor,
)
@blueprint.arguments(PeriodSchema, location="query")
@blueprint.response(200, SixRatesSchema)
def get_rates(args: dict[str, Any]) -> Any:
    """六项指标: contacted, resolved or confirmed, resolved, solved, satisfied, rework; in all and by unit."""
    with reading():  # waits for the positions that the reader wants to be included
        return application(EnterpriseApplication).rates(**args)
