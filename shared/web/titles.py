"""Writes the titles of fields and choices (``shared/domain/titles.csv``) into the OpenAPI documents.

The owner of a field is a schema (and those whose names begin with its words), or ``path`` for the parts of an address.
A parameter is titled as the field of what the operation answers with. Words for sorting and operations need no line:
they are named after fields and commands.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.domain.words import Title, named, titles


class TitleWriter:
    """Writes the titles into one OpenAPI document; ``used`` are their lines, ``lacking`` what has none."""

    def __init__(self) -> None:
        self.used: set[tuple[str, str]] = set()
        self.lacking: set[str] = set()
        self._operations: dict[str, Title] = {}

    def write(self, document: dict[str, Any]) -> None:
        """Write a title at every property, parameter and choice that has one."""
        self._operations = {
            operation["operationId"]: Title(operation["x-title"], operation["x-title-en"])
            for path in document["paths"].values()
            for method, operation in path.items()
            if method != "parameters" and "x-title" in operation
        }
        for schema, properties in document["components"]["schemas"].items():
            for name, field in properties.get("properties", {}).items():
                self._field(field, name, _owners(schema))
        for path in document["paths"].values():
            for method, operation in path.items():
                if method == "parameters":
                    parameters, owners = operation, ["path"]
                else:
                    parameters, owners = operation.get("parameters", []), _owners(_shown_by(operation))
                for parameter in parameters:
                    self._field(parameter["schema"], parameter["name"], owners)

    def _field(self, schema: dict[str, Any], name: str, owners: Sequence[str]) -> None:
        title = self._find("field", [*(f"{owner}.{name}" for owner in owners), name])
        if title is not None:
            schema.update({"title": title.zh, "x-title-en": title.en})
        for choice in _choices(schema):
            named = {
                value: self._choice(value, name, owners) for value in choice["enum"] if value is not None
            }
            choice["x-choices"] = {
                value: {"title": title.zh, "x-title-en": title.en}
                for value, title in named.items()
                if title is not None
            }

    def _choice(self, value: str, field: str, owners: Sequence[str]) -> Title | None:
        if field == "sort":
            column = self._find(
                "field", [*(f"{one}.{value.lstrip('-')}" for one in owners), value.lstrip("-")]
            )
            if column is None:
                return None
            down = value.startswith("-")
            return Title(
                f"{column.zh}{'降序' if down else '升序'}",
                f"{column.en}, {'descending' if down else 'ascending'}",
            )
        if field == "may":
            return self._operations.get(value)
        return self._find(
            "choice", [*(f"{one}.{field}.{value}" for one in owners), f"{field}.{value}", value]
        )

    def _find(self, kind: str, names: Sequence[str]) -> Title | None:
        name = named(kind, names)
        if name is None:
            self.lacking.add(f"{kind},{names[-1]}")
            return None
        self.used.add((kind, name))
        return titles()[kind, name]


def _owners(schema: str) -> list[str]:
    """The schema's name and what it begins with, the longest first: ``WhistleWithClocks``, …, ``Whistle``.

    ``OneDuty``, what is shown of one thing, is a ``Duty``.
    """
    words = re.findall(r"[A-Z][^A-Z]*", schema.removeprefix("One"))
    return ["".join(words[:end]) for end in range(len(words), 0, -1)]


def _shown_by(operation: Mapping[str, Any]) -> str:
    """The schema of what a successful answer shows: of one thing, or of each item of a page."""
    references = re.findall(r"schemas/(\w+)", str(operation["responses"].get("200", "")))
    return references[0].removesuffix("Page") if references else ""


def _choices(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of a field's schema that list choices."""
    if "enum" in schema:
        yield schema
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from _choices(schema[part])
    for part in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(part, []):
            yield from _choices(inner)
