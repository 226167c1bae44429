"""Schemas, paging, versions, keys, positions and answers of every service's API."""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import flask_smorest
import msgspec
from flask import Request, Response, current_app, request
from flask.globals import app_ctx, request_ctx
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import CombinedMultiDict, Headers

from shared.application.result import CommandResult
from shared.domain.refusal import Refusal
from shared.domain.text import fault, pattern_of
from shared.domain.words import YEARS, no_such_day, outside_the_years
from shared.web.auth import Identity
from shared.web.body import FORM_TYPES, has_personal_body, json_body, plain_number
from shared.web.problems import BodyTypeNotSupported, language

View = TypeVar("View", bound=Callable[..., Any])
Row = TypeVar("Row")
CursorKey = tuple[str | int | None, ...]


class IdempotencyKeyMissing(Refusal):
    """每个写请求都要带 Idempotency-Key 头
    Every write needs an Idempotency-Key header"""

    status = 400
    field = "Idempotency-Key"


class IdempotencyKeyMalformed(Refusal):
    """Idempotency-Key 应为 1 至 100 个可见的 ASCII 字符
    Idempotency-Key must be 1 to 100 visible ASCII characters"""

    status = 400
    field = "Idempotency-Key"


class IfMatchMalformed(Refusal):
    """If-Match 应为一个版本，例如 "3"，或者 *
    If-Match must be one version, e.g. "3", or *"""

    status = 400
    field = "If-Match"


class PositionMalformed(Refusal):
    """位置应写成 服务名:数字，例如 assignment:1204
    A position is written service:number, e.g. assignment:1204"""

    status = 422
    field = "at_least"


class NotThereYet(Refusal):
    """数据还没有更新到所要求的位置 {wanted}，请稍后重试
    The data has not reached the position {wanted} yet; please try again"""

    status = 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


# --- schemas ---------------------------------------------------------------------------------------------


class BaseSchema(Schema):
    """Unknown fields are refused; the order is that of the class."""

    error_messages = {"type": "Must be an object."}  # noqa: RUF012 - as marshmallow declares it

    class Meta:
        unknown = RAISE


class Text(fields.String):
    """A line of text that is not blank, or with ``lines=True`` several lines (shared/domain/text.py).

    ``empty``: no text at all may be said.
    """

    def __init__(
        self,
        max: int = 200,  # noqa: A002
        *,
        lines: bool = False,
        empty: bool = False,
        **options: Any,
    ) -> None:
        self._lines = lines
        validators = [validate.Length(min=0 if empty else 1, max=max), *options.pop("validate", [])]
        pattern = pattern_of(lines=lines)
        metadata = {"pattern": f"^$|{pattern}" if empty else pattern, **options.pop("metadata", {})}
        super().__init__(validate=validators, metadata=metadata, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text and (reason := fault(text, lines=self._lines)):
            raise ValidationError("\n".join(reason))
        return text


def _refuse_far_day(day: date) -> None:
    if reason := outside_the_years(day):
        raise ValidationError("\n".join(reason))


def _refuse_no_day(value: Any) -> None:
    if isinstance(value, str) and (reason := no_such_day(value)):
        raise ValidationError("\n".join(reason))


class Moment(fields.DateTime):
    """An RFC 3339 date-time with offset, converted to UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        _refuse_no_day(value)
        pattern = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?"
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise self.make_error("invalid", obj_type="aware datetime")
        try:
            moment = datetime.fromisoformat(value.upper())
            if moment.tzinfo is None:
                raise ValueError
        except ValueError as error:
            raise self.make_error("invalid", obj_type="aware datetime") from error
        _refuse_far_day(moment)
        return moment.astimezone(UTC)


class Day(fields.Date):
    """A calendar day as ``2021-03-05``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        _refuse_no_day(value)
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            raise self.make_error("invalid")
        day = super()._deserialize(value, attr, data, **kwargs)
        self._check(day)
        return day

    def _check(self, day: date) -> None:
        _refuse_far_day(day)


class DueDay(Day):
    """A day until which something is to be done; whoever decides refuses one without end (9999-12-31)."""

    def _check(self, day: date) -> None:
        if day.year < YEARS[0]:
            super()._check(day)


class Id(fields.UUID):
    """A UUID in its one usual form of 36 characters."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> uuid.UUID:
        if not isinstance(value, str) or not re.fullmatch(
            r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value
        ):
            raise self.make_error("invalid_uuid")
        return uuid.UUID(value)


class Whole(fields.Integer):
    """A whole number: a JSON number (3.0 is 3), or plain digits in a query; nothing else is converted."""

    def __init__(self, low: int = 0, high: int = 2**53, **options: Any) -> None:
        super().__init__(validate=validate.Range(min=low, max=high), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        digits = isinstance(data, Mapping) and not isinstance(data, dict) and isinstance(value, str)
        if digits and re.fullmatch(r"-?[0-9]{1,18}", value):
            return int(value)
        value = plain_number(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return value


class Flag(fields.Boolean):
    """A boolean: JSON true or false, or these words in a query; never 1, "yes" or "on"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(data, Mapping) and not isinstance(data, dict) and value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class CommandResultSchema(BaseSchema):
    """The answer to a command."""

    id = fields.UUID(required=True)
    version = fields.Integer(required=True, metadata={"description": "also in the ETag"})
    position = fields.Integer(
        required=True, metadata={"description": "of the service's log; ask reads for it"}
    )
    state = fields.String(required=True, allow_none=True)
    number = fields.String(required=True, allow_none=True)


# --- lists -----------------------------------------------------------------------------------------------


def encode_cursor(key: Sequence[str | int | None], sort: str = "") -> str:
    """The last row's sort key as an opaque cursor."""
    payload = json.dumps([sort, *key], ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(payload).digest()[:6] + payload).decode().rstrip("=")


def decode_cursor(cursor: str, sort: str = "") -> CursorKey:
    """The sort key of a cursor; one that this list with this ``sort`` did not give is refused (422)."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if hashlib.sha256(raw[6:]).digest()[:6] != raw[:6]:
            raise ValueError
        made_for, *key = json.loads(raw[6:])
        if made_for != sort or not all(part is None or isinstance(part, str | int) for part in key):
            raise ValueError
    except (ValueError, TypeError) as error:
        reason = "不是本列表给出的游标\nThis list did not give that cursor"
        raise ValidationError({"cursor": [reason]}) from error
    return tuple(key)


def Sort(*names: str) -> fields.String:  # noqa: N802 - reads as the field that it makes
    """The orders of a list; the first is the default, ``-name`` is descending."""
    return fields.String(validate=validate.OneOf(names), load_default=names[0])


class PageArgs(BaseSchema):
    """The query of every list; inherit to add filters. Gives ``limit``, ``sort`` and ``after`` (a key or None)."""

    limit = Whole(1, 200, load_default=50)
    cursor = fields.String(load_default=None, validate=validate.Length(min=1, max=2000))
    sort = Sort("id")

    @post_load
    def _open_cursor(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        cursor = data.pop("cursor")
        return {**data, "after": None if cursor is None else decode_cursor(cursor, data["sort"])}


class PageSchema(BaseSchema):
    """A page of a list."""

    @staticmethod
    @cache  # one class per item schema, or the document would hold it twice
    def of(item: type[Schema]) -> type[Schema]:
        """``{"items": […], "next": cursor or null}`` with items of that schema."""
        name = item.__name__.removesuffix("Schema") + "PageSchema"
        members: dict[str, fields.Field[Any]] = {
            "items": fields.List(fields.Nested(item), required=True),
            "next": fields.String(required=True, allow_none=True),
        }
        return BaseSchema.from_dict(members, name=name)


def page(
    rows: Sequence[Row], args: Mapping[str, Any], key: Callable[[Row], Sequence[str | int | None]]
) -> dict[str, Any]:
    """The page of ``rows``; the query fetches one more than ``limit`` to know whether more follow."""
    shown = list(rows[: args["limit"]])
    more = len(rows) > len(shown)
    return {"items": shown, "next": encode_cursor(key(shown[-1]), args["sort"]) if more else None}


# --- versions, keys, positions ---------------------------------------------------------------------------


def etag(version: int) -> str:
    """A version as an entity tag."""
    return f'"{version}"'


def expected_version(asked: Request) -> int | None:
    """The client's version (``If-Match``); None without the header or for ``*``."""
    text = asked.headers.get("If-Match")
    if text is None or text.strip() == "*":
        return None
    found = re.fullmatch(r'\s*"([0-9]{1,18})"\s*', text)
    if not found:
        raise IfMatchMalformed
    return int(found[1])


def idempotency_key(asked: Request) -> str:
    """The request's Idempotency-Key: under it the command is carried out at most once."""
    text = asked.headers.get("Idempotency-Key")
    if text is None:
        raise IdempotencyKeyMissing
    return checked_key(text)


def checked_key(text: str) -> str:
    """A request's key as it may be written. Raises IdempotencyKeyMalformed."""
    if not re.fullmatch(r"[\x21-\x7e]{1,100}", text):
        raise IdempotencyKeyMalformed
    return text


def wanted_positions() -> dict[str, int]:
    """The positions that a read waits for: ``?at_least=service:n`` or ``Duban-At-Least``, repeated or by commas."""
    wanted: dict[str, int] = {}
    for text in [*request.args.getlist("at_least"), *request.headers.getlist("Duban-At-Least")]:
        for part in text.split(","):
            found = re.fullmatch(r"\s*([a-z][a-z_]{0,40}):([0-9]{1,18})\s*", part)
            if not found:
                raise PositionMalformed
            wanted[found[1]] = max(int(found[2]), wanted.get(found[1], 0))
    return wanted


def wait_for_positions(
    wanted: Mapping[str, int],
    reached: Callable[[str, int], bool],
    timeout: float,
    sleep: Callable[[float], None],
) -> None:
    """Return when all that is wanted is ``reached``; raise :class:`NotThereYet` after ``timeout``."""
    waited, pause = 0.0, 0.01
    while wanted:
        missing = {source: n for source, n in wanted.items() if not reached(source, n)}
        if not missing:
            return
        if waited >= timeout:
            raise NotThereYet(wanted=",".join(f"{source}:{n}" for source, n in sorted(missing.items())))
        pause = min(pause * 1.5, 0.1, timeout - waited)
        sleep(pause)
        waited += pause


# --- the request and the answer --------------------------------------------------------------------------


class RequestContext(NamedTuple):
    """The request without its body, as commands need it."""

    identity: Identity
    request_id: str
    now: datetime
    idempotency_key: str | None
    expected_version: int | None
    fingerprint: str
    personal: bool
    """Whether the body holds personal data."""

    @property
    def language(self) -> str:
        """``zh`` or ``en``, as the client asked; read only when needed."""
        return language()


def context() -> RequestContext:
    """Identity, time, key and version of the present request. Not for public routes, which have no identity."""
    # Not Flask's proxies: each use of one costs more than the attribute (tests/bench/write.py).
    asked, app, known = request_ctx.request, app_ctx.app, app_ctx.g
    return RequestContext(
        identity=known.identity,
        request_id=known.request_id,
        now=app.extensions["duban"].clock(),
        idempotency_key=asked.headers.get("Idempotency-Key"),
        expected_version=expected_version(asked),
        fingerprint=known.get("fingerprint", ""),
        personal=has_personal_body(app.view_functions[asked.endpoint or ""]),
    )


def written_headers(written: CommandResult) -> dict[str, str]:
    """The headers of the answer to a command: version, position, location of a new thing."""
    service: str = current_app.extensions["duban"].service
    headers = {"ETag": etag(written.version), "Duban-Position": f"{service}:{written.position}"}
    if written.location:
        headers["Location"] = written.location
    if written.replayed:
        headers["Idempotency-Replayed"] = "true"
    return headers


class _Answer(Response):
    def get_wsgi_headers(self, environ: Any) -> Headers:
        return self.headers  # its Location is a URI already and its length is known


def answer(written: CommandResult, status: int = 200) -> Response:
    """The response to a command."""
    # Encoded here: these values are JSON already, so the schema only documents them.
    body = {name: getattr(written, name) for name in ("id", "version", "position", "state", "number")}
    headers = written_headers(written)
    return _Answer(msgspec.json.encode(body), status, headers, mimetype="application/json")


class _Parser(FlaskParser):
    # Unknown query parameters are refused once for the whole request (app.py), because a route may take its
    # query in several schemas; everywhere else a schema's own ``unknown`` holds.
    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - as webargs declares it
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "form": None,
        "files": None,
    }

    def get_default_request(self) -> Request:
        return request_ctx.request  # itself, not Flask's proxy: see context

    def load_json(self, req: Any, schema: Schema) -> Any:
        return json_body(req)

    def load_form(self, req: Any, schema: Schema) -> Any:
        self._require_type("form", "files")
        return super().load_form(req, schema)

    def load_files(self, req: Any, schema: Schema) -> Any:
        """The whole multipart form, its files and its plain parts: one body, one schema, one documented request."""
        self._require_type("files")
        return self._makeproxy(CombinedMultiDict([req.files, req.form]), schema)

    def _require_type(self, *locations: str) -> None:
        expected = [FORM_TYPES[location] for location in locations]
        if request.mimetype not in expected:
            raise BodyTypeNotSupported(expected=" / ".join(expected))


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """flask-smorest's blueprint over the strict parser; its decorators typed."""

    ARGUMENTS_PARSER = _Parser()

    def get(self, rule: str, **options: Any) -> Callable[[View], View]:
        """A read."""
        return cast("Callable[[View], View]", self.route(rule, methods=["GET"], **options))

    def post(self, rule: str, **options: Any) -> Callable[[View], View]:
        """A write."""
        return cast("Callable[[View], View]", self.route(rule, methods=["POST"], **options))

    def arguments(self, schema: Any, **options: Any) -> Callable[[View], View]:
        """What the view takes, as its first argument; ``location`` is ``json``, ``query``, ``form`` or ``files``."""
        # Made once: a new schema at each request cost a seventh of the whole answer.
        made = schema() if isinstance(schema, type) else schema
        return cast("Callable[[View], View]", super().arguments(made, **options))

    def response(self, status: int, schema: Any = None, **options: Any) -> Callable[[View], View]:
        """What the view answers."""
        return cast("Callable[[View], View]", super().response(status, schema, **options))
