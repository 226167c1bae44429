"""The questions over HTTP: for auditors only, each of them recorded, beside the services on one port."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import Client

from services.audit.web import web
from services.suite import SUITE
from shared.domain.roles import Role
from shared.events.audit import AuditAccessed
from shared.testing import Caller
from shared.web.auth import issue_token, load_key
from shared.web.server import dispatch
from tests.audit.story import Told, told


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with told(tmp_path_factory.mktemp("told")) as suite:
        yield suite


@pytest.fixture(scope="module")
def app(suite: Told) -> Iterator[Any]:
    app = web(suite.opened.config, suite.clock)
    yield app
    app.extensions["questions"].close()


def token(suite: Told, role: Role = Role.auditor) -> str:
    config = suite.opened.config
    return issue_token(
        load_key(config.data),
        post="audit/auditor",
        unit="audit",
        role=role,
        now=suite.clock(),
        lifetime=timedelta(days=1),
        issuer=config.token_issuer,
        audience=config.token_audience,
    )


@pytest.fixture(scope="module")
def auditor(suite: Told, app: Any) -> Caller:
    return Caller(app.test_client(), token(suite))


QUESTIONS = {
    "as-of": "as-of?path=/api/v1/tasks&recorded=2021-01-18T04:00:00Z",
    "why": "why?subject=naming:1/2021",
    "diff": "diff?since=2021-01-06T01:00:00Z&until=2021-01-18T04:00:00Z&unit=fgw",
    "replay": "replay?service=assignment",
    "recount": "recount?subject=rate:2021-01-01..2021-01-31",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_is_answered_and_stands_in_all_four_logs(
    suite: Told, auditor: Caller, question: str
) -> None:
    before = {name: len(suite.facts_of(name, AuditAccessed)) for name in SUITE}
    answer = auditor.get(f"/api/v1/audit/{QUESTIONS[question]}", **{"X-Request-ID": "always-the-same"})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    for name in SUITE:
        asked = suite.facts_of(name, AuditAccessed)[before[name] :]
        assert [(one.question, one.by.post) for one in asked] == [(question, "audit/auditor")]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("role", [Role.main_leader, Role.supervision_office, Role.operator, Role.overseer])
def test_nobody_but_an_auditor_asks(suite: Told, app: Any, question: str, role: Role) -> None:
    answer = Caller(app.test_client(), token(suite, role)).get(f"/api/v1/audit/{QUESTIONS[question]}")
    assert answer.status_code == 403
    assert answer.json["rule"] == "role-may-not"


def test_the_answers_are_those_of_the_command_line(suite: Told, auditor: Caller) -> None:
    shown = auditor.get(f"/api/v1/audit/{QUESTIONS['as-of']}").json
    assert shown["service"] == "assignment"
    assert shown["answer"]["items"]
    assert shown["not_folded"] == 0
    assert auditor.get(f"/api/v1/audit/{QUESTIONS['recount']}").json["equal"] is True
    assert auditor.get(f"/api/v1/audit/{QUESTIONS['replay']}").json["differences"] == []
    kinds = {node["kind"] for node in auditor.get(f"/api/v1/audit/{QUESTIONS['why']}").json["nodes"]}
    assert {"NamingPublished", "RoundJudged", "TaskAssigned"} <= kinds


@pytest.mark.parametrize(
    ("asked", "status", "rule"),
    [
        ("as-of?path=/api/v1/tasks", 422, "content-not-acceptable"),
        ("as-of?path=/nix&recorded=2021-01-18T04:00:00Z", 422, "no-such-answer"),
        ("as-of?path=/api/v1/tasks&recorded=2031-01-18T04:00:00Z", 422, "moment-has-not-come"),
        (
            f"as-of?path=/api/v1/calendar-releases/{UUID(int=1)}/preview&recorded=2021-01-18T04:00:00Z",
            403,
            "role-may-not",
        ),
        ("why?subject=nix", 422, "subject-malformed"),
        ("why?subject=task:密1", 404, "no-such-thing"),
        ("why?subject=task:1", 422, "several-bear-this-number"),
        ("diff?since=2021-01-18T04:00:00Z&until=2021-01-06T01:00:00Z", 422, "diff-needs-two-moments"),
        ("replay?service=nix", 422, "content-not-acceptable"),
        ("recount?subject=nix", 422, "nothing-to-recount"),
    ],
)
def test_a_mistake_is_answered_by_its_name(auditor: Caller, asked: str, status: int, rule: str) -> None:
    answer = auditor.get(f"/api/v1/audit/{asked}")
    assert (answer.status_code, answer.json["rule"]) == (status, rule)
    assert answer.content_type.startswith("application/problem+json")


def test_they_stand_beside_the_services_on_one_port(suite: Told, app: Any) -> None:
    apps = {name: runtime.web() for name, runtime in suite.opened.runtimes.items()}
    client = Client(dispatch({**apps, "audit": app}))
    headers = {"Authorization": f"Bearer {token(suite)}"}
    assert client.get("/api/v1/audit/why?subject=naming:1/2021", headers=headers).status_code == 200
    assert client.get("/api/v1/tasks", headers=headers).status_code == 200
    assert client.get("/api/v1/audit/openapi.json").json["info"]["summary"].startswith("审计")
    assert client.get("/readyz").json == {"reasons": []}
