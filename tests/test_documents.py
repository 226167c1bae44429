"""The published documents, as a generator of clients reads them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

API = Path(__file__).resolve().parents[1] / "docs" / "api"
OPENAPI = sorted(API.glob("*.openapi.json"))


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document that holds a schema: those with a type, and what contains one."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from schemas(inner)


def offered(schema: dict[str, Any]) -> list[Any]:
    """The values that the schema, or the parameter or medium that holds it, offers to its reader."""
    single = [schema[name] for name in ("default", "example") if name in schema]
    several = schema.get("examples", [])
    return single + [
        one["value"] if isinstance(several, dict) else one
        for one in (several.values() if isinstance(several, dict) else several)
    ]


@pytest.mark.parametrize("path", OPENAPI, ids=lambda path: path.name)
def test_every_default_and_example_is_valid(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    registry = Registry().with_resource("", Resource(document, DRAFT202012))
    checked = 0
    for holder in schemas(document):
        schema = holder["schema"] if isinstance(holder.get("schema"), dict) else holder
        if not schema.keys() & {"type", "enum", "$ref", "anyOf", "allOf", "oneOf"}:
            continue
        validator = Draft202012Validator(
            schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        for value in offered(holder):
            assert validator.is_valid(value), f"{path.name}: {value!r} in {schema}"
            checked += 1
    assert checked


@pytest.mark.parametrize("path", OPENAPI, ids=lambda path: path.name)
def test_the_title_is_a_short_name(path: Path) -> None:
    info = json.loads(path.read_text("utf-8"))["info"]
    assert info["title"] == f"duban {path.name.partition('.')[0]}"
    assert info["summary"]


@pytest.mark.parametrize("path", OPENAPI, ids=lambda path: path.name)
def test_every_operation_is_titled_in_both_languages(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    for methods in document["paths"].values():
        for operation in (one for method, one in methods.items() if method != "parameters"):
            assert re.fullmatch(r"[\u4e00-\u9fff]+", operation.get("x-title", "")), operation["operationId"]
            assert operation["x-title-en"].isascii(), operation["operationId"]
            assert operation["summary"], operation["operationId"]
