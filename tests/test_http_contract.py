"""Every OpenAPI document of the suite, walked and attacked: nothing undeclared, nothing undecided, never a 500."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig

from services.audit.web import web as audit_web
from services.suite import SUITE, open_suite
from shared.domain.roles import Role
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.testing import WITHOUT_POST, StoppedClock, shanghai
from shared.web.auth import issue_token, load_key, undecided_routes

NOW = shanghai("2021-03-01 10:00")
TOKENS: dict[str, tuple[str, str, Role] | None] = {
    "a stranger": None,
    "the supervision office": ("inspect", "inspect/chief", Role.supervision_office),
    "the government office": ("office", "office/director", Role.government_office),
    "a unit's head": ("fgw", "fgw/head", Role.unit_head),
    "the main leader": ("gov", "gov/main-leader", Role.main_leader),
    "an enterprise": ("91150623MA0N00XX5X", "enterprise", Role.enterprise),
    "the operator": ("duban", "duban/operator", Role.operator),
    "an auditor": ("audit", "audit/auditor", Role.auditor),
}
WANTED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
]


@pytest.fixture(scope="module", params=[*SUITE, "audit"])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    data = tmp_path_factory.mktemp("data")
    config = Config(data=data, read_wait_seconds=0.05, without_post=WITHOUT_POST)
    clock = StoppedClock(NOW)
    if request.param == "audit":
        runtimes = list(open_suite(config, clock).values())
        app = audit_web(config, clock)
    else:
        runtimes = [open_service(SUITE[request.param], config, clock)]
        runtimes[0].start()
        app = runtimes[0].web()
    app.config["SERVICE"] = request.param

    def token(who: tuple[str, str, Role] | None) -> str:
        if who is None:
            return "x.y.z"
        unit, post, role = who
        return issue_token(
            load_key(data),
            post=post,
            unit=unit,
            role=role,
            now=NOW,
            lifetime=timedelta(hours=1),
            issuer=config.token_issuer,
            audience=config.token_audience,
        )

    app.config["TOKENS"] = {
        name: token(who) for name, who in TOKENS.items() if request.param == "audit" or name != "an auditor"
    }
    yield app
    if request.param == "audit":
        app.extensions["questions"].close()
    for runtime in runtimes:
        runtime.close()


def document_of(app: Any) -> str:
    return f"/api/v1/{app.config['SERVICE']}/openapi.json"


def test_no_route_lacks_a_decision_on_who_may(web: Any) -> None:
    assert undecided_routes(web) == []
    document = web.test_client().get(document_of(web)).get_json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            assert operation["x-roles"], f"{method} {path}"
            assert set(operation["x-roles"]) <= {role.value for role in Role}
    client = web.test_client()
    for path, operations in document["paths"].items():
        url = path.replace("{", "").replace("}", "")
        for method in operations.keys() & {"get", "post"}:
            if "{" not in path:
                assert client.open(url, method=method.upper()).status_code == 401, f"{method} {path}"


def test_commands_are_verbs_and_every_post_takes_an_idempotency_key(web: Any) -> None:
    document = web.test_client().get(document_of(web)).get_json()
    for path, operations in document["paths"].items():
        assert path.startswith("/api/v1/")
        for method, operation in operations.items():
            if method == "post":
                assert "Idempotency-Key" in {one["name"] for one in operation["parameters"]}, path


def test_schemathesis_finds_no_server_error_and_no_undeclared_answer(web: Any) -> None:
    schema = schemathesis.openapi.from_wsgi(document_of(web), app=web, config=SchemathesisConfig())
    checks = [CHECKS.get_one(name) for name in WANTED]
    answered: dict[str, set[int]] = {who: set() for who in web.config["TOKENS"]}

    @settings(
        max_examples=4,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    def attack(case: Any) -> None:
        # Making a case takes ten times as long as sending it: everybody sends each.
        for who, token in web.config["TOKENS"].items():
            answer = case.call(headers={"Authorization": f"Bearer {token}"})
            answered[who].add(answer.status_code)
            case.validate_response(answer, checks=checks)

    mode = schemathesis.GenerationMode
    for operation in schema.get_all_operations():
        ready = operation.ok()
        for wanted in (mode.POSITIVE, mode.NEGATIVE):
            if wanted is mode.NEGATIVE and not ready.body and not ready.query:
                continue
            given(case=ready.as_strategy(generation_mode=wanted))(attack)()
    for who, statuses in answered.items():
        assert 500 not in statuses
        if TOKENS[who] is None:
            assert statuses <= {401, 404}  # 404: a path that is none of ours
        else:
            assert statuses & {200, 201, 403, 404, 409, 422}, who
