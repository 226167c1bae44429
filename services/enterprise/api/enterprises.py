"""Enterprises 企业."""

from typing import Any
from uuid import UUID

from marshmallow import fields

from services.enterprise.api.visible import enterprise_for_caller, enterprises_for_caller
from services.enterprise.application import EnterpriseApplication
from services.enterprise.views.enterprises import EnterprisesView
from shared.domain.roles import Role
from shared.web.auth import allow
from shared.web.commands import Body, Commands
from shared.web.fields import CreditCode, Title
from shared.web.http import (
    Blueprint,
    Flag,
    PageArgs,
    PageSchema,
    Sort,
    Text,
)
from shared.web.shown import shown

blueprint = Blueprint("enterprises", __name__, url_prefix="/api/v1")

READERS = (
    Role.main_leader,
    Role.vice_leader,
    Role.government_office,
    Role.supervision_office,
    Role.unit_head,
    Role.officer,
    Role.enterprise,
    Role.auditor,
)


@Commands(blueprint, "/enterprises", EnterpriseApplication)(
    "",
    EnterpriseApplication.register_enterprise,
    Role.enterprise,
    Role.government_office,
    Role.officer,
    status=201,
    personal=True,
)
class RegisterEnterprise(Body):
    """企业登记 Register an enterprise: it registers itself, or a clerk does it."""

    credit_code = CreditCode(required=True)
    name = Title(required=True)
    contact_name = Text(80)
    contact_phone = Text(40)
    key_enterprise = Flag()


EnterpriseSchema = shown(
    "EnterpriseSchema",
    EnterprisesView,
    contact_name=fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "only for itself, the desk and the units that handle its whistle"},
    ),
    contact_phone=fields.String(required=True, allow_none=True),
)


class EnterpriseFilters(PageArgs):
    credit_code = CreditCode(load_default=None)
    name = Text(200, load_default=None)
    key_enterprise = Flag(load_default=None)
    sort = Sort("credit_code", "-credit_code", "name", "-name", "registered_at", "-registered_at")


@blueprint.get("/enterprises")
@allow(*READERS)
@blueprint.arguments(EnterpriseFilters, location="query")
@blueprint.response(200, PageSchema.of(EnterpriseSchema))
def list_enterprises(args: dict[str, Any]) -> Any:
    """企业名录: List the enterprises that the caller may see."""
    return enterprises_for_caller(args)


@blueprint.get("/enterprises/<uuid:enterprise_id>")
@allow(*READERS)
@blueprint.response(200, EnterpriseSchema)
def get_enterprise(enterprise_id: UUID) -> Any:
    """企业: One enterprise."""
    row, headers = enterprise_for_caller(enterprise_id)
    return row, 200, headers
