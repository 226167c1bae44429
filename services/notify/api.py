"""HTTP of the notify service: the inbox of a post, escalations, digests."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import g
from marshmallow import fields
from sqlalchemy import ColumnElement, Table, or_, true

from services.notify.application import Notifier
from services.notify.domain import Matter
from services.notify.domain.notice import Status
from services.notify.views import DigestsView, EscalationsView, NoticesView
from services.notify.views.escalations import as_they_stand
from services.notify.views.notices import telling_no_secret
from shared.domain.roles import LEADERS, OFFICES, UNITS, Role
from shared.events.notify import Level
from shared.web.auth import allow
from shared.web.commands import Body, Commands
from shared.web.fields import Choice, Narrative
from shared.web.http import Blueprint, Day, Id, PageArgs, PageSchema, Sort, Text, context
from shared.web.lists import many, one
from shared.web.request import application
from shared.web.shown import shown

blueprint = Blueprint("notify", __name__, url_prefix="/api/v1")

TOLD = (*LEADERS, *OFFICES, *UNITS)
"""Whoever may be told something."""

# -- commands -----------------------------------------------------------------------------------------------------

on_notice = Commands[Notifier, Matter](blueprint, "/notices/<uuid:notice_id>/", Notifier)
on_escalation = Commands(
    blueprint,
    "/escalations/<uuid:escalation_id>/",
    Notifier,
    Matter,
    load=Notifier.escalated,
    supply={"expires_on": Notifier.expires_on},
)


@on_notice("acknowledge", Notifier.acknowledge_notice, *TOLD, guarded=Matter.acknowledge)
class AcknowledgeNotice(Body):
    """已阅 Only the post that was told; the answer's id and version are the matter's."""

    note = Narrative()


@on_escalation("acknowledge", Matter.acknowledge_escalation, Role.main_leader)
class AcknowledgeEscalation(Body):
    """签阅提级事项 Reminders rest until it expires because nothing moved."""

    note = Narrative()


# -- what is shown ------------------------------------------------------------------------------------------------

UNSEEN = ("deliver_at", "reference")
"""Columns for the delivery."""

NoticeSchema = shown("NoticeSchema", NoticesView, hidden=UNSEEN)
NoticeWithMaySchema = shown("NoticeWithMaySchema", NoticesView, hidden=UNSEEN, may=on_notice.may_field())
EscalationSchema = shown(
    "EscalationSchema",
    EscalationsView,
    hidden=("post", "leader_post", "units", "rulebook_version", "clock"),
    id=fields.UUID(required=True, metadata={"description": "the matter's id"}),
    to_post=fields.String(required=True),
    round=fields.Integer(required=True),
    state=Choice(Status, required=True),
    opened_at=fields.DateTime(required=True),
)
DigestSchema = shown("DigestSchema", DigestsView)


class NoticesArgs(PageArgs):
    """The inbox's filters."""

    level = Choice(Level)
    state = Choice(Status)
    matter = Id()
    case_id = Id()
    sort = Sort("-not_before", "not_before", "-issued_at", "issued_at", "id")


class EscalationsArgs(PageArgs):
    """Filters of the escalations."""

    state = Choice(Status)
    unit = Text(80)
    case_id = Id()
    sort = Sort("-opened_at", "opened_at", "id")


class DigestsArgs(PageArgs):
    """Filters of the digests."""

    unit = Text(80)
    day = Day()
    sort = Sort("-day", "day", "id")


# -- reads --------------------------------------------------------------------------------------------------------


def _no_secret_of_others(table: Table) -> ColumnElement[bool]:
    """An auditor, and a government office beside what its own unit is told, read of no secret matter."""
    identity = g.identity
    if identity.role not in (Role.auditor, Role.government_office):
        return true()
    views = application(Notifier).views
    with views.reading() as connection:
        open_to_all = telling_no_secret(connection, views, table)
    if identity.role == Role.auditor:
        return open_to_all
    return or_(open_to_all, table.c.concerned.contains(f",{identity.unit},", autoescape=True))


def _mine(table: Table) -> ColumnElement[bool]:
    return true() if g.identity.role == Role.auditor else table.c.to_post == g.identity.post


@blueprint.get("/notices")
@allow(*TOLD, Role.auditor)
@blueprint.arguments(NoticesArgs, location="query")
@blueprint.response(200, PageSchema.of(NoticeSchema))
def list_notices(args: dict[str, Any]) -> dict[str, Any]:
    """通知清单: The inbox of the caller's own post, as shown by now; an auditor reads all that tell of no secret."""
    where = [_mine, _no_secret_of_others, lambda table: table.c.not_before <= context().now]
    return many("notices", args, "level", "state", "matter", "case_id", where=where, all_see=True)


@blueprint.get("/notices/<uuid:notice_id>")
@allow(*TOLD, Role.auditor)
@blueprint.response(200, NoticeWithMaySchema)
def read_notice(notice_id: UUID) -> Any:
    """通知: One notice to the caller's unit; leaders and supervision office read all, others nothing secret."""
    row, headers = one("notices", notice_id, kind="Notice", where=[_no_secret_of_others])
    app, asked, notice = application(Notifier), context(), NoticesView.state_of(row)
    may = on_notice.open_to(asked.identity, app, notice, asked.now) if notice.level != "digest" else []
    return {**row, "may": may}, 200, headers


@blueprint.get("/escalations")
@allow(Role.main_leader, Role.vice_leader, Role.supervision_office, Role.auditor)
@blueprint.arguments(EscalationsArgs, location="query")
@blueprint.response(200, PageSchema.of(EscalationSchema))
def list_escalations(args: dict[str, Any]) -> dict[str, Any]:
    """提级事项清单: What is or was before the main leader; for an auditor without secret matters."""
    escalated = [lambda table: table.c.state.is_not(None)]
    standing = partial(as_they_stand, now=context().now)
    return many(standing, args, "state", "unit", "case_id", where=escalated)


@blueprint.get("/digests")
@allow(*TOLD, Role.auditor)
@blueprint.arguments(DigestsArgs, location="query")
@blueprint.response(200, PageSchema.of(DigestSchema))
def list_digests(args: dict[str, Any]) -> dict[str, Any]:
    """每日摘要: The digests of the caller's unit; leaders and supervision office see all, others nothing secret."""
    return many("digests", args, "unit", "day", where=[_no_secret_of_others])
