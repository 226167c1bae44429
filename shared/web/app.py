"""The Flask app of one service: the checks before every view, and what every answer carries."""

import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import flask_smorest
import structlog
from flask import Flask, Request, Response
from flask.globals import app_ctx, request_ctx
from flask.sessions import NullSession, SessionInterface, SessionMixin
from marshmallow import ValidationError, fields
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from shared.domain.clock import Clock
from shared.domain.text import fault
from shared.domain.words import Title
from shared.process.config import Config
from shared.process.logs import log
from shared.process.metrics import REGISTRY, merged
from shared.process.standing import Standing, StandingGauge, in_words
from shared.web import openapi
from shared.web.auth import Identity, RoleMayNot, Verify, allowed_roles, bearer, public, undecided_routes
from shared.web.body import FORM_TYPES, fingerprint, json_body, unprintable
from shared.web.http import Blueprint, idempotency_key
from shared.web.pages import add_pages
from shared.web.problems import BodyTypeNotSupported, NoSuchPage, language, problem
from shared.web.rates import rates_of

MAX_BODY = 1024 * 1024
UNBOUNDED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What is asked by probes and Prometheus, as often as they like."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class Web:
    """What belongs to one app; ``app.extensions["duban"]``."""

    service: str
    config: Config
    clock: Clock
    verify: Verify
    may_act: Callable[[Identity], None]
    readiness: Callable[[], Sequence[str | Title]]
    standing: Callable[[], Standing]
    notes: Callable[[], Sequence[Title]]
    registry: CollectorRegistry


class _App(Flask):
    def ensure_sync(self, func: Any) -> Any:
        """No view is a coroutine: Flask's eight checks a request cost 4 % of it (tests/bench/write.py)."""
        return func


class _NoSessions(SessionInterface):
    """No sessions: every request carries its own token."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        return _NO_SESSION

    def is_null_session(self, obj: object) -> bool:
        return True


_NO_SESSION = NullSession()


class _Api(flask_smorest.Api):  # type: ignore[misc]
    def _register_error_handlers(self) -> None:
        """Not used: problems.py answers every error."""

    def _register_responses(self) -> None:
        self.spec.components.schema("Problem", schema=openapi.ProblemSchema)
        self.spec.components.response("DEFAULT_ERROR", {"description": "A problem"}, lazy=True)


def create_app(
    service: str,
    *,
    config: Config,
    clock: Clock,
    blueprints: Sequence[Blueprint],
    title: str,
    verify: Verify,
    may_act: Callable[[Identity], None] = lambda identity: None,
    readiness: Callable[[], Sequence[str | Title]] = list,
    standing: Callable[[], Standing] = dict,
    notes: Callable[[], Sequence[Title]] = list,
    extras: Mapping[str, object] | None = None,
    registry: CollectorRegistry | None = None,
    shown: CollectorRegistry | None = None,
    documents: Mapping[str, str] | None = None,
) -> Flask:
    """The app of ``service``; refuses to start while a route lacks a decision.

    ``may_act`` raises why the post of a token does not act. ``extras`` are what the views need (the application, the
    views' store): ``current_app.extensions[name]``. ``readiness``: why it is not ready. ``/readyz`` tells as well, and
    is ready all the same, which roles beside it refuse to go on (``standing``), and ``notes``.
    ``registry`` takes this app's counters; ``/metrics`` shows that one, or ``shown``. ``documents``: whose API
    ``/docs`` shows, with their titles; its own by default.
    """
    app = _App(service, static_folder=None)
    app.config.update(
        API_TITLE=f"duban {service}",  # short: generated clients are named after it
        API_VERSION="v1",
        API_SPEC_OPTIONS={"info": {"summary": title}},
        OPENAPI_VERSION="3.1.0",
        MAX_CONTENT_LENGTH=MAX_BODY,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.session_interface = _NoSessions()
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False  # a doubled slash is another address: 404, not a redirect
    app.url_map.strict_slashes = True
    web = Web(
        service, config, clock, verify, may_act, readiness, standing, notes, registry or CollectorRegistry()
    )
    app.extensions.update(extras or {})
    app.extensions["duban"] = web

    api = _Api(app)
    api.ma_plugin.converter.add_attribute_function(openapi.leave_out_unsendable_default)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    _add_own_routes(
        app,
        web,
        notes,
        shown or merged([web.registry, REGISTRY]),
        cache(lambda: openapi.complete(api.spec.to_dict(), app)),
    )
    add_pages(app, {service: title} if documents is None else documents)
    if undecided := undecided_routes(app):
        raise RuntimeError(f"{service}: nobody declared who may use {'; '.join(undecided)}")

    _observe(app, web)
    app.before_request(_gate(app, web))
    app.register_error_handler(Exception, problem)
    return app


def _add_own_routes(
    app: Flask,
    web: Web,
    notes: Callable[[], Sequence[Title]],
    shown: CollectorRegistry,
    document: Callable[[], dict[str, Any]],
) -> None:
    refusing = CollectorRegistry()
    refusing.register(StandingGauge(web.standing))

    @public
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @public
    def readyz() -> tuple[dict[str, list[str]], int, dict[str, str]]:
        unready = web.readiness()
        notes = [] if unready else web.notes()  # what they are read from may not be there yet
        lines = dict.fromkeys([*unready, *in_words(web.standing()), *notes])
        reasons = [
            line if isinstance(line, str) else line.zh if language() == "zh" else line.en for line in lines
        ]
        return {"reasons": reasons}, 503 if unready else 200, {"Cache-Control": "no-store"}

    @public
    def metrics() -> Response:
        registry = shown
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(
            generate_latest(registry) + generate_latest(refusing), content_type=CONTENT_TYPE_PLAIN_0_0_4
        )

    @public
    def openapi_json() -> dict[str, Any]:
        return document()

    for view in (healthz, readyz, metrics):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    app.add_url_rule(f"/api/v1/{web.service}/openapi.json", view_func=openapi_json)


# --- the gate --------------------------------------------------------------------------------------------


def _gate(app: Flask, web: Web) -> Callable[[], None]:
    """Checks before every view: token, role, size of the body, idempotency key, unknown parameters."""
    arguments = {endpoint: _arguments(view) for endpoint, view in app.view_functions.items()}
    rates = rates_of(web.config)

    def gate() -> None:
        asked = request_ctx.request  # itself: each use of Flask's proxy costs more than what is asked of it
        if asked.path not in UNBOUNDED:
            rates.before_authentication(asked)
        if asked.url_rule is None:
            return  # 404 and 405 are raised right after
        endpoint = asked.url_rule.endpoint
        view = app.view_functions[endpoint]
        roles = allowed_roles(view)
        identity = None
        if roles:
            app_ctx.g.identity = identity = web.verify(bearer(asked.headers.get("Authorization")))
            rates.of(identity.subject)
            if identity.role not in roles:
                raise RoleMayNot(role=identity.role, allowed=sorted(roles))
            web.may_act(identity)
        if asked.view_args and any(fault(str(value)) for value in asked.view_args.values()):
            raise NoSuchPage
        asked.max_content_length = getattr(view, "duban_max_body", None)
        if asked.method == "POST":
            idempotency_key(asked)
        taken = arguments[endpoint]
        if asked.query_string:
            _refuse_unknown_query(asked, taken.get("query", {}))
        asked.get_data()  # bounded; read even if the view does not, or the connection could not be used again
        if asked.method == "POST" and not taken.keys() & {"json", *FORM_TYPES}:
            _refuse_any_body(asked)
        if asked.method == "POST" and identity:
            app_ctx.g.fingerprint = fingerprint(
                asked, identity.subject
            )  # now: a view may read a file to its end

    return gate


def _arguments(view: Any) -> dict[str, dict[str, fields.Field[Any]]]:
    """location → the fields that the view takes from there."""
    taken: dict[str, dict[str, fields.Field[Any]]] = {}
    for argument in getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", []):
        schema = argument["schema"]
        schema = schema() if isinstance(schema, type) else schema
        location = "query" if argument["in"] == "querystring" else argument["in"]
        names = {one.data_key or name: one for name, one in schema.fields.items()}
        taken.setdefault(location, {}).update(names)
    return taken


def _refuse_unknown_query(asked: Request, known: Mapping[str, fields.Field[Any]]) -> None:
    errors: dict[str, list[str]] = {}
    for name, values in asked.args.lists():
        if name not in known and not (name == "at_least" and asked.method in ("GET", "HEAD")):
            errors[name] = ["Unknown field."]
        elif any(unprintable(value) for value in values):
            errors[name] = ["含有不能保存的字符\nHolds characters that cannot be stored"]
        elif len(values) > 1 and name != "at_least" and not isinstance(known[name], fields.List):
            errors[name] = ["只能给一次\nMay stand only once"]
    if errors:
        raise ValidationError(errors)


def _refuse_any_body(asked: Request) -> None:
    """Refuse a body that is sent to a route without one, instead of ignoring it."""
    if not asked.get_data():
        return
    if asked.mimetype != "application/json":
        raise BodyTypeNotSupported(expected="application/json")
    body = json_body(asked)
    if body != {}:
        raise ValidationError(
            {name: ["Unknown field."] for name in body} if isinstance(body, dict) else ["Must be an object."]
        )


# --- what is seen of it ----------------------------------------------------------------------------------


def _observe(app: Flask, web: Web) -> None:
    """Request id, one log line, and the counters; by route template, never by path, and nothing personal."""
    counter = Counter(
        "duban_http_requests",
        "Answered requests",
        ["service", "method", "route", "status"],
        registry=web.registry,
    )
    seconds = Histogram(
        "duban_http_request_seconds", "Time to answer", ["service", "method", "route"], registry=web.registry
    )
    refused = Counter(
        "duban_commands_refused",
        "Commands that a rule refused",
        ["service", "rule"],
        registry=web.registry,
    )
    logger = log("http").bind()  # made once, and not at every line

    @cache  # as many as there are routes and statuses
    def counts(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return (
            counter.labels(web.service, method, route, status),
            seconds.labels(web.service, method, route),
        )

    def arrive() -> None:
        structlog.contextvars.unbind_contextvars("because")  # a thread serves one request after the other
        known = app_ctx.g
        given = request_ctx.request.headers.get("X-Request-ID", "")
        sane = re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given)
        known.request_id = given if sane else secrets.token_hex(16)
        known.arrived = time.perf_counter()

    def leave(answer: Response) -> Response:
        asked, known = request_ctx.request, app_ctx.g
        answer.headers["X-Request-ID"] = known.request_id
        route = asked.url_rule.rule if asked.url_rule else "(none)"
        method = asked.method if asked.method in METHODS else "(other)"
        taken = time.perf_counter() - known.arrived
        requests, times = counts(method, route, answer.status_code)
        requests.inc()
        times.observe(taken)
        if method == "POST" and "rule" in known:
            refused.labels(web.service, known.rule).inc()
        identity = known.get("identity")
        logger.info(  # with ``because``, the causation id, if a command was carried out
            "request",
            service=web.service,
            request_id=known.request_id,
            method=method,
            route=route,
            status=answer.status_code,
            ms=round(taken * 1000, 1),
            role=str(identity.role) if identity else None,
            unit=identity.unit if identity else None,
        )
        return answer

    app.before_request(arrive)
    app.after_request(leave)
