"""The auditor's questions over HTTP: ``/api/v1/audit/…`` of the whole suite, read only but for the record of who asked.

In a cluster it is a process of its own, ``duban audit serve``.
"""

from typing import Any

from flask import Flask, Response, current_app
from marshmallow import ValidationError, fields, validate

from services.audit import audit
from services.audit.past import Cut
from services.audit.questions import Questions
from services.suite import SUITE
from shared.database.unavailable import UNAVAILABLE
from shared.domain.clock import Clock
from shared.domain.roles import Role
from shared.personal_data.keystore import check_keys
from shared.process.config import Config
from shared.readmodels.register import Register
from shared.runtime.opening import REGISTRAR
from shared.runtime.roles import settings
from shared.web.app import create_app
from shared.web.auth import allow
from shared.web.held_posts import HeldPosts
from shared.web.http import BaseSchema, Blueprint, Moment, Text, context
from shared.web.oidc import verifier_of
from shared.web.problems import MEDIA_TYPE
from shared.web.server import serve

blueprint = Blueprint("audit", __name__, url_prefix="/api/v1/audit", description="审计")


class AsOfArgs(BaseSchema):
    """Which address, and as of when: by recorded time, by happened time, or of what had happened by one moment and
    was recorded by another."""

    path = Text(2000, required=True, metadata={"description": "e.g. /api/v1/tasks?unit=fgw"})
    recorded = Moment(load_default=None)
    happened = Moment(load_default=None)


class AsOfSchema(BaseSchema):
    """What the address would have answered."""

    path = fields.String(required=True)
    service = fields.String(required=True)
    recorded = fields.DateTime(required=True, allow_none=True)
    happened = fields.DateTime(required=True, allow_none=True)
    not_folded = fields.Integer(
        required=True,
        metadata={"description": "facts left aside because they rest on one that had not happened yet"},
    )
    answer = fields.Raw(required=True, metadata={"description": "the very answer of that address"})


class WhyArgs(BaseSchema):
    """What is to be explained."""

    subject = Text(300, required=True, metadata={"description": "e.g. naming:1/2021 or task:12"})


class NodeSchema(BaseSchema):
    """A fact of the chain."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    name = fields.String(required=True)
    says = fields.String(required=True)
    recorded_at = fields.String(required=True, metadata={"format": "date-time"})
    happened_at = fields.String(required=True, metadata={"format": "date-time"})
    unit = fields.String(required=True, allow_none=True)
    post = fields.String(required=True, allow_none=True)
    because = fields.String(required=True, metadata={"description": "request:… or event:…"})
    rulebook_version = fields.Integer(required=True, allow_none=True)
    calendar_version = fields.Integer(required=True, allow_none=True)
    due = fields.List(
        fields.String(), required=True, metadata={"description": "the due date, explained day by day"}
    )
    withheld = fields.Boolean(required=True, metadata={"description": "a secret item: only that it is there"})


class EdgeSchema(BaseSchema):
    """From a fact to one that it rests on, or to one that it led to."""

    from_ = fields.String(required=True, data_key="from", attribute="from")
    to = fields.String(required=True)


class WhySchema(BaseSchema):
    """A subject's facts, what they rest on, what they led to."""

    subject = fields.String(required=True)
    figure = fields.Dict(keys=fields.String(), required=True, allow_none=True)
    roots = fields.List(fields.String(), required=True)
    nodes = fields.List(fields.Nested(NodeSchema), required=True)
    rests_on = fields.List(fields.Nested(EdgeSchema), required=True)
    led_to = fields.List(fields.Nested(EdgeSchema), required=True)
    more = fields.Boolean(required=True)


class DiffArgs(BaseSchema):
    """Two moments, and perhaps one item or one unit."""

    since = Moment(required=True)
    until = Moment(required=True)
    by = fields.String(load_default="recorded", validate=validate.OneOf(["recorded", "happened"]))
    item = Text(160, load_default=None)
    unit = Text(80, load_default=None)


class ChangeSchema(BaseSchema):
    """A row that is otherwise."""

    service = fields.String(required=True)
    view = fields.String(required=True)
    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["new", "gone", "changed"]))
    says = fields.String(required=True)
    columns = fields.Dict(keys=fields.String(), required=True)


class OtherwiseSchema(BaseSchema):
    """A judgement as it was made, and what stands beside it since."""

    case_id = fields.String(required=True)
    number = fields.String(required=True)
    clock = fields.String(required=True)
    cycle = fields.Integer(required=True)
    as_judged = fields.String(required=True)
    recomputed = fields.String(required=True)
    because = fields.String(required=True)
    calendar_version = fields.Integer(required=True, allow_none=True)
    fact = fields.String(required=True)
    says = fields.String(required=True)


class DiffSchema(BaseSchema):
    """What changed."""

    since = fields.String(required=True)
    until = fields.String(required=True)
    by = fields.String(required=True)
    item = fields.String(required=True, allow_none=True)
    unit = fields.String(required=True, allow_none=True)
    changes = fields.List(fields.Nested(ChangeSchema), required=True)
    judged_otherwise = fields.List(fields.Nested(OtherwiseSchema), required=True)


class ReplayArgs(BaseSchema):
    """Which service (default: all)."""

    service = fields.String(load_default=None, validate=validate.OneOf(list(SUITE)))


class ReplayedViewSchema(BaseSchema):
    """A read model that was compared."""

    view = fields.String(required=True)
    rows = fields.Integer(required=True)


class RowDifferenceSchema(BaseSchema):
    """A row that the logs make otherwise than the live read model has it."""

    service = fields.String(required=True)
    view = fields.String(required=True)
    id = fields.String(required=True)
    columns = fields.Dict(
        keys=fields.String(), required=True, metadata={"description": "empty where the row is secret"}
    )


class ReplaySchema(BaseSchema):
    """What was compared, and what differed."""

    equal = fields.Boolean(
        required=True, allow_none=True, metadata={"description": "null: something was not compared"}
    )
    behind = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "services whose read models had not received so many facts yet"},
    )
    not_folded = fields.Integer(
        required=True, metadata={"description": "facts that could not be folded, here as in the read models"}
    )
    events = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    views = fields.List(fields.Nested(ReplayedViewSchema), required=True)
    differences = fields.List(fields.Nested(RowDifferenceSchema), required=True)


class RecountArgs(BaseSchema):
    """What is to be recounted, and as of when (default: now)."""

    subject = Text(
        2000,
        required=True,
        metadata={"description": "rate:since..until, on-time:since..until, board:path, naming:number/year"},
    )
    as_of = Moment(load_default=None)


class PlaceSchema(BaseSchema):
    """A place in the document that differs."""

    at = fields.String(required=True)
    published = fields.Raw(required=True, allow_none=True)
    recounted = fields.Raw(required=True, allow_none=True)


class RecountSchema(BaseSchema):
    """What the events give, what is published, and whether they are the same bytes."""

    subject = fields.String(required=True)
    as_of = fields.String(required=True)
    equal = fields.Boolean(required=True, allow_none=True, metadata={"description": "null: not compared"})
    bytes = fields.Integer(required=True)
    recounted = fields.String(required=True)
    published = fields.String(required=True, allow_none=True)
    differences = fields.List(fields.Nested(PlaceSchema), required=True)


def questions() -> Questions:
    """What the present process answers with."""
    found: Questions = current_app.extensions["questions"]
    return found


@blueprint.get("/as-of")
@allow(Role.auditor)
@blueprint.arguments(AsOfArgs, location="query")
@blueprint.response(200, AsOfSchema)
def as_of(args: dict[str, Any]) -> Any:
    """当时所见: What an address would have answered as of a moment; its own problem document, if it refuses."""
    if args["recorded"] is None and args["happened"] is None:
        raise ValidationError(
            {"recorded": ["请写明登记时点或发生时点\nName a recorded or a happened moment"]}
        )
    cut = Cut(recorded=args["recorded"], happened=args["happened"])
    found = questions().as_of(context().identity, args["path"], cut)
    if found.status >= 400:
        return Response(found.body, found.status, mimetype=MEDIA_TYPE)
    return {**args, "service": found.service, "not_folded": found.not_folded, "answer": found.json}


@blueprint.get("/why")
@allow(Role.auditor)
@blueprint.arguments(WhyArgs, location="query")
@blueprint.response(200, WhySchema)
def why(args: dict[str, Any]) -> Any:
    """溯因: From a naming, miss, round, due date or figure back to the facts, and forward to what they led to."""
    asked = context()
    return questions().why(asked.identity, args["subject"], asked.language).plain()


@blueprint.get("/diff")
@allow(Role.auditor)
@blueprint.arguments(DiffArgs, location="query")
@blueprint.response(200, DiffSchema)
def diff(args: dict[str, Any]) -> Any:
    """比对: What changed between two moments, and which judgements were taken otherwise."""
    since, until = (Cut(**{args["by"]: args[name]}) for name in ("since", "until"))
    return questions().diff(context().identity, since, until, item=args["item"], unit=args["unit"])


@blueprint.get("/replay")
@allow(Role.auditor)
@blueprint.arguments(ReplayArgs, location="query")
@blueprint.response(200, ReplaySchema)
def replay(args: dict[str, Any]) -> Any:
    """重放: Fold the logs into an empty folder and compare with the live read models; writes nothing live."""
    found = questions().replay(context().identity, args["service"]).plain()
    # Which columns differ is for whoever may see the row; that one differs is for everybody who audits.
    return {**found, "differences": [{**one, "columns": {}} for one in found["differences"]]}


@blueprint.get("/recount")
@allow(Role.auditor)
@blueprint.arguments(RecountArgs, location="query")
@blueprint.response(200, RecountSchema)
def recount(args: dict[str, Any]) -> Any:
    """复算: A figure, a list or a naming from the events, held against what is published, byte for byte."""
    return questions().recount(context().identity, args["subject"], args["as_of"]).plain()


def web(config: Config, clock: Clock) -> Flask:
    """The HTTP face of the suite-wide questions."""
    asked = Questions(config, clock)
    verify = verifier_of(config, clock)
    register = Register(asked.logs[REGISTRAR].log)

    def unready() -> list[str]:
        try:
            return [*asked.away(), *verify.unready()]
        except UNAVAILABLE as error:
            return [f"the database is away: {error}"]

    return create_app(
        "audit",
        config=config,
        clock=clock,
        blueprints=[blueprint],
        title="审计: as-of, why, diff, replay, recount over all four services",
        verify=verify,
        may_act=HeldPosts(register.now, config.without_post),
        readiness=unready,
        extras={"questions": asked},
    )


@audit.command("serve")
def serve_() -> None:
    """审计服务进程 Serve /api/v1/audit/… of the suite as a process of its own (DUBAN_HOST, DUBAN_PORT)."""
    config = settings()
    check_keys(config, config.make_clock())
    serve(lambda: web(config, config.make_clock()), config)
