"""The document says what the app does."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig

from shared.domain.roles import Role

DOCUMENT = "/api/v1/toy/openapi.json"


def test_the_document_is_served_to_anybody_and_is_the_same_each_time(toy):
    first = toy.client.get(DOCUMENT)
    assert first.status_code == 200
    assert first.json["openapi"] == "3.1.0"
    assert first.data == toy.client.get(DOCUMENT).data


def test_every_operation_says_who_may_and_what_can_go_wrong(toy):
    document = toy.client.get(DOCUMENT).json
    operations = [
        one for path in document["paths"].values() for name, one in path.items() if name != "parameters"
    ]
    assert len(operations) == 7
    assert len({one["operationId"] for one in operations}) == 7
    for one in operations:
        assert one["x-roles"]
        assert one["security"] == [{"bearer": []}]
        assert {"400", "401", "403", "404", "409", "412", "413", "415", "422", "503", "default"} <= set(
            one["responses"]
        )
        assert list(one["responses"]["409"]["content"]) == ["application/problem+json"]
    post = document["paths"]["/api/v1/tasks"]["post"]
    assert {one["name"] for one in post["parameters"]} == {"Accept-Language", "Idempotency-Key", "If-Match"}
    assert set(post["responses"]["201"]["headers"]) >= {"ETag", "Duban-Position", "Location"}


def test_every_reference_and_every_schema_holds(toy):
    document = toy.client.get(DOCUMENT).json

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            node = list(node.values())
        if isinstance(node, list):
            for inner in node:
                yield from references(inner)

    for reference in references(document):
        _, *path = reference.split("/")
        found = document
        for step in path:
            found = found[step]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert document["components"]["schemas"]["Assign"]["additionalProperties"] is False


@pytest.mark.parametrize("role", [Role.unit_head, Role.officer, None])
def test_schemathesis_finds_no_server_error_and_no_undeclared_answer(clean_toy, role, capture_logs):
    schema = schemathesis.openapi.from_wsgi(DOCUMENT, app=clean_toy.app, config=SchemathesisConfig())
    token = clean_toy.token(role) if role else "x.y.z"
    names = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    ]
    checks = [CHECKS.get_one(name) for name in names]
    answered = set()

    @settings(
        max_examples=25, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), derandomize=True,
    )  # fmt: skip
    def run(case):
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        answered.add(answer.status_code)
        case.validate_response(answer, checks=checks)

    for operation in schema.get_all_operations():
        ready = operation.ok()
        mode = schemathesis.GenerationMode
        for wanted in (mode.POSITIVE, mode.NEGATIVE):
            if wanted is mode.NEGATIVE and not ready.body and not ready.query:
                continue
            from hypothesis import given

            given(case=ready.as_strategy(generation_mode=wanted))(run)()
    assert 401 in answered if role is None else answered & {200, 201}
