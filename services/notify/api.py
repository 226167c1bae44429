"""HTTP of the notify service: the inbox of a post, escalations, digests."""

from typing import Any
from uuid import UUID

from flask import g
from marshmallow import fields, validate
from sqlalchemy import ColumnElement, Table, true

from services.notify.application import Notifier
from services.notify.views.notices import telling_no_secret
from shared.domain.roles import Role
from shared.events.notify import Level
from shared.web.auth import allow
from shared.web.http import (
    BaseSchema,
    Blueprint,
    CommandResultSchema,
    Day,
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
from shared.web.lists import many, one
from shared.web.request import application, perform

blueprint = Blueprint("notify", __name__, url_prefix="/api/v1")

READERS = (
    Role.unit_head,
    Role.officer,
    Role.main_leader,
    Role.vice_leader,
    Role.government_office,
    Role.supervision_office,
)

LEVELS: tuple[Level, ...] = (
    "assigned",
    "approaching",
    "missed",
    "round1",
    "round2",
    "unresolved",
    "naming",
    "digest",
)


def _is_one_of(*words: str) -> validate.OneOf:
    return validate.OneOf(words)


class NoticeSchema(BaseSchema):
    """A notice to one post."""

    id = Id(required=True)
    matter = Id(required=True)
    case_id = Id(required=True, allow_none=True)
    clock = fields.String(required=True)
    cycle = Whole(required=True)
    level = fields.String(required=True)
    colour = fields.String(required=True)
    to_unit = fields.String(required=True)
    to_post = fields.String(required=True)
    subject = fields.String(required=True)
    text = fields.String(required=True)
    not_before = Moment(required=True)
    needs_acknowledgement = fields.Boolean(required=True)
    reminder = Whole(required=True)
    state = fields.String(required=True)
    issued_at = Moment(required=True)
    acknowledged_at = Moment(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)
    withdrawn_at = Moment(required=True, allow_none=True)
    ground = fields.String(required=True, allow_none=True)
    delivered_at = Moment(required=True, allow_none=True)
    version = Whole(required=True)


class NoticesArgs(PageArgs):
    """The inbox's filters."""

    level = fields.String(validate=_is_one_of(*LEVELS))
    state = fields.String(validate=_is_one_of("open", "acknowledged", "withdrawn"))
    matter = Id()
    case_id = Id()
    sort = Sort("-not_before", "not_before", "-issued_at", "issued_at", "id")


class EscalationSchema(BaseSchema):
    """What the main leader was told after the second supervision; one a matter, the present or the last."""

    id = Id(required=True, metadata={"description": "the matter's id"})
    case_id = Id(required=True)
    kind = fields.String(required=True)
    number = fields.String(required=True)
    title = fields.String(required=True)
    unit = fields.String(required=True)
    to_post = fields.String(required=True)
    round = Whole(required=True)
    state = fields.String(required=True)
    opened_at = Moment(required=True)
    reminders = Whole(required=True)
    next_reminder_at = Moment(required=True, allow_none=True)
    acknowledged_at = Moment(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)
    expires_at = Moment(required=True, allow_none=True)
    last_progress = fields.String(required=True, allow_none=True)
    withdrawn_at = Moment(required=True, allow_none=True)
    ground = fields.String(required=True, allow_none=True)
    version = Whole(required=True)


class EscalationsArgs(PageArgs):
    """Filters of the escalations."""

    state = fields.String(validate=_is_one_of("open", "acknowledged", "withdrawn"))
    unit = Text(80)
    case_id = Id()
    sort = Sort("-opened_at", "opened_at", "id")


class DigestSchema(BaseSchema):
    """A unit's digest of one working day."""

    id = Id(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True)
    day = Day(required=True)
    subject = fields.String(required=True)
    text = fields.String(required=True)
    sent_at = Moment(required=True)
    version = Whole(required=True)


class DigestsArgs(PageArgs):
    """Filters of the digests."""

    unit = Text(80)
    day = Day()
    sort = Sort("-day", "day", "id")


class AcknowledgeSchema(BaseSchema):
    """A remark on reading, if there is one."""

    note = Text(500, lines=True)


def _for_auditors(table: Table) -> ColumnElement[bool]:
    if g.identity.role != Role.auditor:
        return true()
    views = application(Notifier).views
    with views.reading() as connection:
        return telling_no_secret(connection, views, table)


def _mine(table: Table) -> ColumnElement[bool]:
    return true() if g.identity.role == Role.auditor else table.c.to_post == g.identity.post


@blueprint.get("/notices")
@allow(*READERS, Role.auditor)
@blueprint.arguments(NoticesArgs, location="query")
@blueprint.response(200, PageSchema.of(NoticeSchema))
def list_notices(args: dict[str, Any]) -> dict[str, Any]:
    """The inbox of the caller's own post: what may be shown by now. An auditor reads all that tell of no secret."""
    where = [_mine, _for_auditors, lambda table: table.c.not_before <= context().now]
    return many("notices", args, "level", "state", "matter", "case_id", where=where, all_see=True)


@blueprint.get("/notices/<uuid:notice_id>")
@allow(*READERS, Role.auditor)
@blueprint.response(200, NoticeSchema)
def read_notice(notice_id: UUID) -> Any:
    """One notice to the caller's unit; the leaders and the supervision office read all, an auditor as in the list."""
    return one("notices", notice_id, kind="Notice", where=[_for_auditors])


@blueprint.post("/notices/<uuid:notice_id>/acknowledge")
@allow(*READERS)
@blueprint.arguments(AcknowledgeSchema)
@blueprint.response(200, CommandResultSchema)
def acknowledge_notice(body: dict[str, Any], notice_id: UUID) -> Any:
    """已阅: only the post that was told. The answer's id and version are the matter's."""
    return answer(perform(lambda act: application(Notifier).acknowledge_notice(act, notice_id, **body)))


@blueprint.get("/escalations")
@allow(Role.main_leader, Role.vice_leader, Role.supervision_office, Role.auditor)
@blueprint.arguments(EscalationsArgs, location="query")
@blueprint.response(200, PageSchema.of(EscalationSchema))
def list_escalations(args: dict[str, Any]) -> dict[str, Any]:
    """What is or was before the main leader; for an auditor without secret matters."""
    escalated = [lambda table: table.c.state.is_not(None)]
    return many("escalations", args, "state", "unit", "case_id", where=escalated)


@blueprint.post("/escalations/<uuid:escalation_id>/acknowledge")
@allow(Role.main_leader)
@blueprint.arguments(AcknowledgeSchema)
@blueprint.response(200, CommandResultSchema)
def acknowledge_escalation(body: dict[str, Any], escalation_id: UUID) -> Any:
    """签阅提级事项: reminders rest until it expires because nothing moved."""
    return answer(
        perform(lambda act: application(Notifier).acknowledge_escalation(act, escalation_id, **body))
    )


@blueprint.get("/digests")
@allow(*READERS, Role.auditor)
@blueprint.arguments(DigestsArgs, location="query")
@blueprint.response(200, PageSchema.of(DigestSchema))
def list_digests(args: dict[str, Any]) -> dict[str, Any]:
    """The digests of the caller's unit; the leaders and the two offices see all, an auditor what tells no secret."""
    return many("digests", args, "unit", "day", where=[_for_auditors])
