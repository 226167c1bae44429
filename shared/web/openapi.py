"""The OpenAPI 3.1 document of a service: flask-smorest's, with what holds for every operation written in."""

import copy
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flask import Flask
from flask_smorest.spec.plugins import FlaskPlugin
from marshmallow import ValidationError, fields

from shared.application.application import ChangedMeanwhile, IdempotencyKeyReused
from shared.domain.refusal import Refusal
from shared.log.codec import EventTooLarge
from shared.readmodels.generations import ViewIsBeingBuilt
from shared.web import oidc  # noqa: F401 - its refusals are listed
from shared.web.auth import NotAuthenticated, RoleMayNot
from shared.web.commands import command_of
from shared.web.held_posts import TokenOfUnknownPost, TokenOfVacantPost
from shared.web.http import BaseSchema, IdempotencyKeyMalformed, IdempotencyKeyMissing, IfMatchMalformed
from shared.web.problems import (
    MEDIA_TYPE,
    BodyIsMalformed,
    BodyTooLarge,
    BodyTypeNotSupported,
    ContentNotAcceptable,
    MethodNotAllowed,
    NoSuchPage,
    RequestIsMalformed,
    StoreUnavailable,
    Unexpected,
)
from shared.web.rates import TooManyRequests
from shared.web.titles import TitleWriter

ERRORS = (400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 500, 503)


class FieldProblemSchema(BaseSchema):
    """One field at fault."""

    field = fields.String(required=True, metadata={"description": "path with dots, e.g. supporters.0.part"})
    reason = fields.String(required=True)
    row = fields.Integer(metadata={"description": "of the file that was sent"})
    value = fields.String(metadata={"description": "what stands there"})


class LeftOutSchema(BaseSchema):
    """What stands in a file and was not taken, and why."""

    kind = fields.String(required=True, metadata={"description": "sheet, column, row or cell"})
    sheet = fields.String(required=True)
    place = fields.String(required=True, metadata={"description": "e.g. F3, 5:17, D:D"})
    value = fields.String(required=True, metadata={"description": "what stands there"})
    reason = fields.String(required=True)


class ProblemSchema(BaseSchema):
    """A problem (RFC 9457)."""

    type = fields.String(required=True, metadata={"description": "/problems/ and the rule"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"description": "the request's path"})
    rule = fields.String(required=True, metadata={"description": "the name of the rule that was not met"})
    errors = fields.List(fields.Nested(FieldProblemSchema), required=True)
    left_out = fields.List(
        fields.Nested(LeftOutSchema), metadata={"description": "of the file that was sent"}
    )


def _header(name: str, description: str, required: bool = False, **schema: Any) -> dict[str, Any]:
    schema = {"type": "string", **schema}
    return {"in": "header", "name": name, "description": description, "required": required, "schema": schema}


LANGUAGE = _header("Accept-Language", "zh or en", examples=["zh", "en"])
KEY = _header(
    "Idempotency-Key",
    "The request's own name; repeated with the same body it answers the same again",
    required=True,
    pattern=r"^[\x21-\x7e]{1,100}$",
    minLength=1,
    maxLength=100,
)
MATCH = _header("If-Match", 'The version that you have seen, e.g. "3"', pattern=r'^("[0-9]{1,18}"|\*)$')
ABOUT = """Every read takes `?at_least=service:number` (or the header `Duban-At-Least`), repeated or by commas:
it waits, a little, until its answer reflects these positions, and else answers 503 with `Retry-After`.
A write gives its position in the header `Duban-Position`.

A declared command lists in `x-problems`, at the operation and at each status, the types of problem by which its own
rules may refuse it. What any request may be refused for (token, role, headers, body, idempotency, a conflict with
another writer, a store that is unavailable) is listed here once, in `info`."""
OF_EVERY_REQUEST: tuple[type[Refusal], ...] = (
    *NotAuthenticated.__subclasses__(),  # those of providers too
    RoleMayNot,
    TooManyRequests,
    TokenOfUnknownPost,
    TokenOfVacantPost,
    NoSuchPage,
    MethodNotAllowed,
    RequestIsMalformed,
    IdempotencyKeyMissing,
    IdempotencyKeyMalformed,
    IfMatchMalformed,
    BodyIsMalformed,
    BodyTypeNotSupported,
    BodyTooLarge,
    ContentNotAcceptable,
    EventTooLarge,
    IdempotencyKeyReused,
    ChangedMeanwhile,
    ViewIsBeingBuilt,
    StoreUnavailable,
    Unexpected,
)
"""What any request may be refused for, whatever it asks."""
# Not a parameter of each operation: a generated client, or a fuzzer, would ask for positions that never come.
WRITTEN_HEADERS = {
    "ETag": {"description": "The new version", "schema": {"type": "string"}, "required": True},
    "Duban-Position": {"description": "service:number", "schema": {"type": "string"}, "required": True},
    "Location": {"description": "Where the new thing is", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "true: answered again", "schema": {"type": "string"}},
}


def leave_out_unsendable_default(
    converter: object, field: fields.Field[Any], *, ret: dict[str, Any]
) -> dict[str, Any]:
    """A default that the field itself refuses stands for "not given": the document does not offer it.

    Called for every field of every schema, see ``add_attribute_function`` of apispec.
    """
    try:
        if "default" in ret:
            field.deserialize(ret["default"])
    except ValidationError:
        del ret["default"]
    return {}


def _types(refusals: Iterable[type[Refusal]]) -> list[str]:
    return sorted(f"/problems/{refusal.name()}" for refusal in refusals)


def complete(document: dict[str, Any], app: Flask) -> dict[str, Any]:
    """The document with operation ids, headers and every error status; same code, same bytes."""
    document = copy.deepcopy(document)
    document["info"] |= {"description": ABOUT, "x-problems": _types(OF_EVERY_REQUEST)}
    document["components"].setdefault("securitySchemes", {})["bearer"] = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }
    document["components"].pop("responses", None)
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for rule in app.url_map.iter_rules():
        for method, operation in document["paths"].get(FlaskPlugin.flaskpath2openapi(rule.rule), {}).items():
            if method.upper() not in (rule.methods or ()):
                continue
            operation["operationId"] = rule.endpoint.rpartition(".")[2]
            if chinese := re.match(r"([\u4e00-\u9fff]+):? ", operation.get("summary", "")):
                operation.setdefault("x-title", chinese[1])
                operation.setdefault("x-title-en", operation["operationId"].replace("_", " ").capitalize())
            extra: list[dict[str, Any]] = [LANGUAGE]
            if method == "post":
                extra += [KEY, MATCH]
            operation["parameters"] = [*operation.get("parameters", []), *copy.deepcopy(extra)]
            responses = operation["responses"]
            responses.pop("default", None)
            for answer in responses.values():
                if '"#/components/schemas/CommandResult"' in repr(answer).replace("'", '"'):
                    answer["headers"] = {**answer.get("headers", {}), **copy.deepcopy(WRITTEN_HEADERS)}
            for status in ERRORS:
                described = {"description": HTTPStatus(status).phrase, "content": copy.deepcopy(problem)}
                responses[str(status)] = described
            command = command_of(app.view_functions[rule.endpoint])
            if command is not None:
                operation["x-problems"] = _types(command.refusals)
                for status in {refusal.status for refusal in command.refusals}:
                    of_status = [refusal for refusal in command.refusals if refusal.status == status]
                    responses[str(status)]["x-problems"] = _types(of_status)
            responses["default"] = {"description": "Any other problem", "content": copy.deepcopy(problem)}
    TitleWriter().write(document)
    for part in ("schemas", "securitySchemes"):
        document["components"][part] = dict(sorted(document["components"][part].items()))
    document["paths"] = dict(sorted(document["paths"].items()))
    return document
