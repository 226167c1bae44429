"""Enterprises 企业."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from services.enterprise.views.enterprises import enterprise_for_caller, enterprises_for_caller
from shared.runtime.service import application, perform
from shared.web.auth import Role, allow
from shared.web.body import personal
from shared.web.http import (
    BaseSchema,
    Blueprint,
    CommandResultSchema,
    Flag,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    answer,
)

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


class RegisterSchema(BaseSchema):
    credit_code = Text(40, required=True, metadata={"description": "GB 32100-2015, 18 characters"})
    name = Text(200, required=True)
    contact_name = Text(80)
    contact_phone = Text(40)
    key_enterprise = Flag()


class EnterpriseSchema(BaseSchema):
    id = fields.UUID(required=True)
    credit_code = fields.String(required=True)
    name = fields.String(required=True)
    contact_name = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "only for itself, the desk and the units that handle its whistle"},
    )
    contact_phone = fields.String(required=True, allow_none=True)
    key_enterprise = fields.Boolean(required=True)
    registered_at = fields.DateTime(required=True)
    version = fields.Integer(required=True)


class EnterpriseFilters(PageArgs):
    credit_code = fields.String(load_default=None, validate=validate.Length(min=1, max=40))
    name = Text(200, load_default=None)
    key_enterprise = Flag(load_default=None)
    sort = Sort("credit_code", "-credit_code", "name", "-name", "registered_at", "-registered_at")


@blueprint.post("/enterprises")
@allow(Role.enterprise, Role.government_office, Role.officer)
@personal
@blueprint.arguments(RegisterSchema)
@blueprint.response(201, CommandResultSchema)
def register_enterprise(body: dict[str, Any]) -> Any:
    """企业登记: an enterprise itself, or a clerk for it. Register an enterprise."""
    return answer(perform(lambda act: application().register_enterprise(act, **body)), 201)


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
