"""A log's checkpoints, keys and proofs over HTTP: ``/api/v1/audit/<service>/…`` on each service's own face.

For auditors only, and every look is recorded in the log that is looked into. The service's name stands in the path, so
that the addresses are the same whether the services share a port or not.
"""

from collections.abc import Mapping
from typing import Any

from flask import current_app
from marshmallow import fields

from shared.application.application import Application
from shared.audit.access import act_of, record_access
from shared.audit.proofs import NotSealedYet, consistency, inclusion
from shared.audit.seal import chain
from shared.audit.tree import Signed, Tree
from shared.domain.roles import Role
from shared.log.recorder import LogRecorder
from shared.web.auth import allow
from shared.web.http import BaseSchema, Blueprint, Id, PageArgs, PageSchema, Whole, context, page


class CheckpointSchema(BaseSchema):
    """A signed checkpoint (C2SP tlog-checkpoint)."""

    id = fields.Integer(required=True, metadata={"description": "from 1, in the order of signing"})
    size = fields.Integer(required=True, metadata={"description": "events of the log"})
    made_at = fields.DateTime(required=True)
    note = fields.String(required=True, metadata={"description": "the signed note"})


class KeySchema(BaseSchema):
    """A public key (C2SP signed-note)."""

    name = fields.String(required=True)
    id = fields.String(required=True)
    vkey = fields.String(required=True)


class KeysSchema(BaseSchema):
    """The public keys as each one named the next; compare the first with the one on paper."""

    keys = fields.List(fields.Nested(KeySchema), required=True)


class InclusionArgs(BaseSchema):
    """Which event, and under which checkpoint (default: the newest)."""

    aggregate = Id(required=True)
    version = Whole(1, 2**53, required=True)
    size = Whole(1, 2**53, load_default=None)


class InclusionSchema(BaseSchema):
    """The proof that an event stands in a signed tree (RFC 9162 §2.1.3); hashes in hexadecimal."""

    service = fields.String(required=True)
    position = fields.Integer(required=True)
    index = fields.Integer(required=True)
    size = fields.Integer(required=True)
    leaf = fields.String(required=True)
    path = fields.List(fields.String(), required=True)
    checkpoint = fields.String(required=True)


class ConsistencyArgs(BaseSchema):
    """The sizes of two checkpoints; the second is the newest unless it is named."""

    first = Whole(1, 2**53, required=True)
    second = Whole(1, 2**53, load_default=None)


class ConsistencySchema(BaseSchema):
    """The proof that a later tree only adds to an earlier one (RFC 9162 §2.1.4); hashes in hexadecimal."""

    service = fields.String(required=True)
    first = fields.Integer(required=True)
    second = fields.Integer(required=True)
    path = fields.List(fields.String(), required=True)
    first_checkpoint = fields.String(required=True)
    second_checkpoint = fields.String(required=True)


def _asked(question: str, about: Mapping[str, Any]) -> LogRecorder:
    """Record the look; the log that is looked into."""
    app: Application = current_app.extensions["runtime"].app
    asked = context()
    said = {name: str(value) for name, value in about.items() if value is not None}
    record_access(app, act_of(asked.identity, asked.now), question, said)
    return app.log


def proof_blueprint(service: str) -> Blueprint:
    """The routes over one service's log."""
    blueprint = Blueprint(
        "proof",
        __name__,
        url_prefix=f"/api/v1/audit/{service}",
        description="封存与证明 the log's seals and proofs",
    )

    @blueprint.get("/checkpoints")
    @allow(Role.auditor)
    @blueprint.arguments(PageArgs, location="query")
    @blueprint.response(200, PageSchema.of(CheckpointSchema))
    def checkpoints(args: dict[str, Any]) -> Any:
        """检查点: Signed checkpoints in the order in which they were made."""
        tree = Tree(_asked("checkpoints", {}))
        after = args["after"][0] if args["after"] else 0
        return page(tree.checkpoints(after=int(after), limit=args["limit"] + 1), args, lambda one: (one.id,))

    @blueprint.get("/checkpoints/latest")
    @allow(Role.auditor)
    @blueprint.response(200, CheckpointSchema)
    def latest() -> Signed:
        """最新检查点: The newest signed checkpoint."""
        found = Tree(_asked("checkpoints/latest", {})).last()
        if found is None:
            raise NotSealedYet(service=service, size=1)
        return found

    @blueprint.get("/keys")
    @allow(Role.auditor)
    @blueprint.response(200, KeysSchema)
    def keys() -> Any:
        """公钥: The public keys as each one named the next."""
        return {"keys": chain(Tree(_asked("keys", {})).keys())}

    @blueprint.get("/inclusion")
    @allow(Role.auditor)
    @blueprint.arguments(InclusionArgs, location="query")
    @blueprint.response(200, InclusionSchema)
    def included(args: dict[str, Any]) -> Any:
        """在册证明: The proof that an event stands in the log as it was sealed."""
        return inclusion(service, _asked("inclusion", args), args["aggregate"], args["version"], args["size"])

    @blueprint.get("/consistency")
    @allow(Role.auditor)
    @blueprint.arguments(ConsistencyArgs, location="query")
    @blueprint.response(200, ConsistencySchema)
    def consistent(args: dict[str, Any]) -> Any:
        """只增证明: The proof that the later checkpoint's log only adds to the earlier one's."""
        return consistency(service, _asked("consistency", args), args["first"], args["second"])

    return blueprint
