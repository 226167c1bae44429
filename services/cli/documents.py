"""The documents that are drawn from the code: OpenAPI, AsyncAPI, the event map, golden files of new events."""

import dataclasses
import inspect
import json
import re
import tempfile
import types
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import yaml

from services.audit.web import web as audit_web
from services.suite import SUITE, open_suite
from shared.domain.clock import system_clock
from shared.events.base import VOCABULARY, Actor, Fact, Moment
from shared.log.codec import encode, personal_fields
from shared.messaging.handlers import handlers_of
from shared.process.config import Config
from shared.rulebook import RUN_BY_CODE, load_rulebook

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
CLOCKS = re.compile(r"(<!-- clocks: .*? -->\n).*(<!-- end of clocks -->)", re.DOTALL)
EVERY_LOG = "audit."
"""The topics of facts that may stand in any service's log."""


def documents() -> Iterator[tuple[Path, str]]:
    """Every generated document that follows the code, with its text."""
    with tempfile.TemporaryDirectory() as folder:
        for name, runtime in open_suite(Config(data=Path(folder)), system_clock).items():
            client = runtime.web().test_client()
            document = client.get(f"/api/v1/{name}/openapi.json").get_json()
            yield ROOT / "docs" / "api" / f"{name}.openapi.json", _json(document)
            runtime.close()
        client = audit_web(Config(data=Path(folder)), system_clock).test_client()
        document = client.get("/api/v1/audit/openapi.json").get_json()
        yield ROOT / "docs" / "api" / "audit.openapi.json", _json(document)
    yield ROOT / "docs" / "asyncapi.yaml", asyncapi()
    yield ROOT / "docs" / "events.md", event_map()
    readme = ROOT / "services" / "supervision" / "README.md"
    yield readme, CLOCKS.sub(lambda found: found[1] + clock_table() + found[2], readme.read_text("utf-8"))


def golden() -> Iterator[tuple[Path, str]]:
    """A stored example of every event at its present version; an old version's file stays for ever."""
    for topic, published in sorted(VOCABULARY.items()):
        if published.__module__.startswith("shared.events."):
            path = GOLDEN / f"{topic}.v{published.class_version}.json"
            yield path, _json(json.loads(encode(example(published))))


def stale() -> list[Path]:
    """Committed documents that the code has outgrown, and events without a golden file."""
    old = [path for path, text in documents() if not path.exists() or path.read_text("utf-8") != text]
    return old + [path for path, _ in golden() if not path.exists()]


def write() -> list[Path]:
    """Write what is not current; what was written. A golden file is never written twice."""
    changed = []
    for path, text in documents():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            changed.append(path)
    for path, text in golden():
        if not path.exists():
            path.write_text(text, "utf-8")
            changed.append(path)
    return changed


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


# -- golden files ---------------------------------------------------------------------------------------------


def example(published: type[Fact]) -> Fact:
    """One plausible event of this kind, the same each time."""
    hints = get_type_hints(published, include_extras=True)
    return published(
        **{field.name: _value(hints[field.name], field.name) for field in dataclasses.fields(published)}
    )


def _value(hint: Any, name: str) -> Any:
    if hint is Moment:
        return datetime(2021, 2, 5, 8, 0, tzinfo=UTC)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _value(arguments[0], name)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (_value(arguments[0], name),)
    if origin in (Union, types.UnionType):
        return _value(next(part for part in arguments if part is not type(None)), name)
    if hint is Actor:
        return Actor(unit="inspect", post="inspect/chief")
    if dataclasses.is_dataclass(hint):
        inner = get_type_hints(hint, include_extras=True)
        return hint(
            **{field.name: _value(inner[field.name], field.name) for field in dataclasses.fields(hint)}
        )  # type: ignore[operator]
    simple: dict[Any, Any] = {
        str: f"示例 {name}",
        int: 1,
        bool: True,
        Decimal: Decimal("12.5"),
        date: date(2021, 2, 7),
        datetime: datetime(2021, 2, 5, 8, 0, tzinfo=UTC),
        UUID: UUID("8f9b2a52-0a6e-5c1b-9d53-1f0c7d7c2021"),
    }
    return simple[hint]


# -- AsyncAPI -------------------------------------------------------------------------------------------------


def asyncapi() -> str:
    """The published language as an AsyncAPI 3 document: one channel a service, one message an event."""
    published = {
        topic: cls for topic, cls in sorted(VOCABULARY.items()) if cls.__module__.startswith("shared.events.")
    }
    schemas, components = msgspec.json.schema_components(
        published.values(), ref_template="#/components/schemas/{name}"
    )
    components = dict(components)
    for cls in published.values():
        for name, mark in personal_fields(cls.TOPIC).items():
            components[cls.__name__]["properties"][name]["x-personal-data-of"] = mark.subject
    messages = {}
    for (topic, cls), schema in zip(published.items(), schemas, strict=True):
        messages[cls.__name__] = {
            "name": topic,
            "title": (inspect.getdoc(cls) or "").split(":")[0],
            "summary": " ".join((inspect.getdoc(cls) or "").split()),
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
            "bindings": {"kafka": {"key": {"type": "string", "format": "uuid"}, "bindingVersion": "0.5.0"}},
            "payload": schema,
        }
    components["CloudEventHeaders"] = {
        "type": "object",
        "description": "CloudEvents 1.0 attributes, on Kafka in binary mode with the prefix ce_.",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {"type": "string", "description": "service/aggregate id/version"},
            "ce_source": {"type": "string"},
            "ce_type": {"type": "string", "description": "the event's pinned topic"},
            "ce_time": {"type": "string", "format": "date-time"},
            "ce_partitionkey": {"type": "string", "description": "the aggregate id, also the record's key"},
            "ce_sequence": {"type": "string", "description": "the position in the service's log"},
            "ce_sent": {
                "type": "string",
                "description": "the last position in every partition before this one, so that a loss is noticed",
            },
            "content-type": {"type": "string", "const": "application/json"},
            "traceparent": {"type": "string", "description": "W3C; one trace id for all events of a command"},
        },
    }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "duban 督办: the published language",
            "version": "1",
            "description": "Every event that the four services tell each other, and the auditors replay.",
        },
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": f"duban.{name}.events",
                "description": service.title,
                "bindings": {
                    "kafka": {
                        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1},
                        "bindingVersion": "0.5.0",
                    }
                },
                "messages": {
                    cls.__name__: {"$ref": f"#/components/messages/{cls.__name__}"}
                    for topic, cls in published.items()
                    if topic.startswith((f"{name}.", EVERY_LOG))
                },
            }
            for name, service in SUITE.items()
        },
        "operations": {
            f"{action}{name.capitalize()}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
            }
            for name in SUITE
            for action in ("send", "receive")
        },
        "components": {"messages": messages, "schemas": dict(sorted(components.items()))},
    }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


# -- the clocks ---------------------------------------------------------------------------------------------------


def clock_table() -> str:
    """Which facts start and stop each clock, and at which its case closes, as the shipped rulebook says."""
    rows = ["| clock | starts at | stops at | its case closes at |", "| --- | --- | --- | --- |"]
    for rule in load_rulebook():
        at = [", ".join(names) or "–" for names in (rule.starts_at, rule.stops_at, rule.closes_at)]
        if rule.id in RUN_BY_CODE:
            at[2] = f"(run by {RUN_BY_CODE[rule.id]})"
        if rule.starts_at:
            rows.append(f"| `{rule.id}` {rule.name_zh} | {' | '.join(at)} |")
    return "\n".join(rows) + "\n"


# -- the event map --------------------------------------------------------------------------------------------


def event_map() -> str:
    """Who emits, who reacts, which views: drawn from the code."""
    lines = [
        "# The event map",
        "",
        "Drawn from the code by `make docs`; a test keeps it current. Emitted by the service of the heading.",
        "",
        "```mermaid",
        "flowchart LR",
    ]
    flows: dict[tuple[str, str], int] = {}
    for name, service in SUITE.items():
        handlers = handlers_of(service.reactions, "when_") if service.reactions else {}
        for topic in handlers:
            source = topic.partition(".")[0]
            flows[source, name] = flows.get((source, name), 0) + 1
    lines += [
        f"  {source} -- {number} kinds of fact --> {name}" for (source, name), number in sorted(flows.items())
    ]
    lines += ["```", ""]
    for name, service in SUITE.items():
        lines += [
            f"## {name}: {service.title}",
            "",
            "| event | 中文 | reactions | views |",
            "| --- | --- | --- | --- |",
        ]
        for topic, cls in sorted(VOCABULARY.items()):
            if not topic.startswith(f"{name}.") or not cls.__module__.startswith("shared.events."):
                continue
            reactions = [
                f"{other}: {method.replace('_', ' ')}"
                for other, one in SUITE.items()
                if one.reactions is not None
                for method in one.reactions.handlers.get(topic, ())
            ]
            views = [
                f"{other}.{view.name}"
                for other, one in SUITE.items()
                for view in one.views
                if topic in view.handlers
            ]
            chinese = (inspect.getdoc(cls) or "").split(":")[0]
            lines.append(f"| `{cls.__name__}` | {chinese} | {'<br>'.join(reactions)} | {', '.join(views)} |")
        lines.append("")
    lines += [
        "## In every log",
        "",
        "Nobody reacts, no view is moved.",
        "",
        "| event | 中文 |",
        "| --- | --- |",
    ]
    for topic, cls in sorted(VOCABULARY.items()):
        if topic.startswith(EVERY_LOG):
            lines.append(f"| `{cls.__name__}` | {(inspect.getdoc(cls) or '').split(':')[0]} |")
    lines.append("")
    return "\n".join(lines)
