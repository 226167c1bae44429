"""A small real service, to see how the web layer behaves under one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import OperationalError
from flask import Flask, current_app
from flask.testing import FlaskClient
from flask_smorest.fields import Upload
from joserfc.jwk import OKPKey
from marshmallow import fields, validate

from shared.application.application import VersionIsStale
from shared.application.result import CommandResult
from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.process.config import Config
from shared.web.app import create_app
from shared.web.auth import allow, issue_token, load_key, verifier
from shared.web.body import max_body
from shared.web.http import (
    BaseSchema,
    Blueprint,
    CommandResultSchema,
    Day,
    Flag,
    Id,
    Moment,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    answer,
    context,
    etag,
    page,
    wait_for_positions,
    wanted_positions,
)

NOW = datetime(2021, 2, 5, 8, 0, tzinfo=UTC)


class TaskAlreadyClosed(Refusal):
    """任务 {number} 已办结
    Task {number} is closed already"""


class SupporterSchema(BaseSchema):
    unit = Text(40, required=True)
    part = Text(200, required=True)


class AssignSchema(BaseSchema):
    title = Text(20, required=True)
    note = Text(100, lines=True)
    due_on = Day(required=True)
    received_at = Moment(load_default=None)
    weight = Whole(1, 100, load_default=1)
    secret = Flag(load_default=False)
    follows = Id(load_default=None, allow_none=True)
    kind = fields.String(validate=validate.OneOf(["常规", "重点"]), load_default="常规")
    share = fields.Float(load_default=0.0)
    urgency = fields.String(validate=validate.OneOf(["normal", "urgent"]))
    state = fields.String(validate=validate.OneOf(["open", "waived"]))
    supporters = fields.List(fields.Nested(SupporterSchema), load_default=[], validate=validate.Length(max=5))


class TaskSchema(BaseSchema):
    id = fields.UUID(required=True)
    title = fields.String(required=True)


class TaskFilters(PageArgs):
    sort = Sort("title", "-title")
    unit = Text(40)
    due_from = Day()


class FileSchema(BaseSchema):
    file = Upload(required=True)


def toy_blueprint() -> Blueprint:
    blueprint = Blueprint("toy", __name__, url_prefix="/api/v1", description="Toys")

    @blueprint.post("/tasks")
    @allow(Role.unit_head, Role.officer)
    @blueprint.arguments(AssignSchema)
    @blueprint.response(201, CommandResultSchema)
    def assign_task(body: dict[str, Any]) -> Any:
        """Assign a task."""
        current_app.extensions["seen"].append((body, context()))
        task = str(uuid4())
        return answer(CommandResult(task, 1, 7, state="assigned", location=f"/api/v1/tasks/{task}"), 201)

    @blueprint.post("/tasks/<uuid:task_id>/close")
    @allow(Role.unit_head)
    @blueprint.response(200, CommandResultSchema)
    def close_task(task_id: UUID) -> Any:
        """Close it."""
        asked = context()
        if asked.expected_version not in (None, 3):
            raise VersionIsStale(expected=asked.expected_version, actual=3)
        if asked.idempotency_key == "closed":
            raise TaskAlreadyClosed(number="{7}")
        return answer(CommandResult(str(task_id), 4, 8, replayed=asked.idempotency_key == "again"))

    @blueprint.get("/tasks")
    @allow(*Role)
    @blueprint.arguments(TaskFilters, location="query")
    @blueprint.response(200, PageSchema.of(TaskSchema))
    def list_tasks(args: dict[str, Any]) -> Any:
        """The tasks."""
        wait_for_positions(
            wanted_positions(),
            lambda source, position: source == "toy" and position <= 7,
            0.02,
            lambda _: None,
        )
        rows = [{"id": UUID(int=n), "title": f"{n:03}"} for n in range(5)]
        if args["after"]:
            rows = [row for row in rows if row["title"] > args["after"][0]]
        return page(rows[: args["limit"] + 1], args, lambda row: [row["title"]])

    @blueprint.get("/tasks/<uuid:task_id>")
    @allow(*Role)
    @blueprint.response(200, TaskSchema)
    def show_task(task_id: UUID) -> Any:
        """One task."""
        return {"id": task_id, "title": "t"}, {"ETag": etag(3)}

    @blueprint.post("/imports")
    @allow(Role.officer)
    @max_body(3 * 1024 * 1024)
    @blueprint.arguments(FileSchema, location="files")
    @blueprint.response(200, CommandResultSchema)
    def import_tasks(files: dict[str, Any]) -> Any:
        """Import a file."""
        current_app.extensions["seen"].append((len(files["file"].read()), context()))
        return answer(CommandResult(str(uuid4()), 1, 9))

    return blueprint


def broken_blueprint() -> Blueprint:
    """Kept apart, so that schemathesis finds only what a service would show."""
    blueprint = Blueprint("broken", __name__, url_prefix="/api/v1")

    @blueprint.get("/broken")
    @allow(Role.operator)
    @blueprint.response(200)
    def broken() -> Any:
        raise RuntimeError("the password is 12345")

    @blueprint.get("/unavailable")
    @allow(Role.operator)
    @blueprint.response(200)
    def unavailable() -> Any:
        raise OperationalError("connection refused by 10.1.2.3")

    return blueprint


class Toy:
    """The app, its key, and a client that speaks as a role."""

    def __init__(self, key: OKPKey, blueprints: list[Blueprint]) -> None:
        self.key = key
        self.now = NOW
        self.reasons: list[str] = []
        self.seen: list[Any] = []
        self.app: Flask = create_app(
            "toy",
            config=Config(),
            clock=lambda: self.now,
            blueprints=blueprints,
            title="玩具",
            verify=verifier(key, clock=lambda: self.now, issuer="duban", audience="duban"),
            readiness=lambda: self.reasons,
            extras={"seen": self.seen},
        )
        self.client: FlaskClient = self.app.test_client()

    def token(self, role: Role = Role.unit_head, **changed: Any) -> str:
        claims: dict[str, Any] = {
            "post": "发改委主任",
            "unit": "发改委",
            "role": role,
            "now": self.now,
            "lifetime": timedelta(hours=1),
            "issuer": "duban",
            "audience": "duban",
        }
        return issue_token(changed.pop("key", self.key), **{**claims, **changed})

    def call(
        self, method: str, path: str, *, role: Role = Role.unit_head, headers: Any = None, **options: Any
    ) -> Any:
        sent = {"Authorization": f"Bearer {self.token(role)}"}
        if method == "POST":
            sent["Idempotency-Key"] = uuid4().hex
        return self.client.open(path, method=method, headers={**sent, **(headers or {})}, **options)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> OKPKey:
    return load_key(tmp_path_factory.mktemp("data"))


@pytest.fixture
def toy(key: OKPKey) -> Toy:
    return Toy(key, [toy_blueprint(), broken_blueprint()])


@pytest.fixture
def clean_toy(key: OKPKey) -> Toy:
    return Toy(key, [toy_blueprint()])


@pytest.fixture
def now() -> datetime:
    return NOW
