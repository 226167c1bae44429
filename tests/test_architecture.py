"""What holds the suite's structure: who imports whom, names for ever, tables that say what the code does."""

import ast
import inspect
import json
import re
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from services.cli import documents
from services.suite import SUITE
from shared.events.base import VOCABULARY, Fact
from shared.log.codec import decode, encode

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.json"))
PUBLISHED = {topic: cls for topic, cls in VOCABULARY.items() if cls.__module__.startswith("shared.events.")}
FILES = {
    "gauges",
    "README.md",
    "__init__.py",
    "__main__.py",
    "api",
    "application",
    "domain",
    "reactions",
    "views",
    # beside the common names: what only one service has
    "samples",
    "spreadsheets",
}


ROOMS = (
    "events",
    "domain",
    "rulebook",
    "calendar",
    "process",
    "database",
    "log",
    "application",
    "messaging",
    "readmodels",
    "figures",
    "personal_data",
    "service",
    "web",
    "audit",
    "runtime",
    "testing",
)
"""The rooms of shared/, lowest first: a room imports only from those before it."""


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def modules() -> dict[str, Path]:
    """Every module of shared/ and services/ by its name."""
    paths = [path for top in ("shared", "services") for path in (ROOT / top).rglob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return {name.removesuffix(".__init__"): path for name, path in zip(names, paths, strict=True)}


def modules_imported_by(path: Path, known: Collection[str]) -> set[str]:
    """Those of the ``known`` modules that a file imports anywhere in it, also in a function or for type checking."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in known else str(node.module))
    return found & {*known}


def test_no_files_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {name: modules_imported_by(path, known) for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(reversed(error.args[1]))}")


def test_a_room_of_shared_imports_only_from_the_rooms_below_it() -> None:
    known = modules()
    for name, path in known.items():
        if name.startswith("shared."):
            room = ROOMS.index(name.split(".")[1])
            for imported in modules_imported_by(path, known):
                if imported.startswith("shared."):
                    assert ROOMS.index(imported.split(".")[1]) <= room, f"{name} imports {imported}"


@pytest.mark.parametrize("service", SUITE)
def test_a_service_never_imports_another(service: str) -> None:
    for path in (ROOT / "services" / service).rglob("*.py"):
        foreign = [
            name
            for name in imports_of(path)
            if name.startswith("services") and not name.startswith(f"services.{service}")
        ]
        assert not foreign, f"{path} imports {foreign}"


def test_shared_never_imports_services() -> None:
    for path in (ROOT / "shared").rglob("*.py"):
        assert not [name for name in imports_of(path) if name.startswith("services")], path


@pytest.mark.parametrize("service", SUITE)
def test_the_same_file_names_in_every_service(service: str) -> None:
    present = {
        path.stem if path.suffix == ".py" and not path.stem.startswith("__") else path.name
        for path in (ROOT / "services" / service).iterdir()
        if path.name != "__pycache__"
    }
    assert present <= FILES
    assert {"README.md", "__main__.py", "api", "application", "domain", "views"} <= present


def test_no_view_can_refuse_a_text_because_of_its_length() -> None:
    """On PostgreSQL a fact would be parked for it; SQLite would not tell."""
    columns = [column for service in SUITE.values() for view in service.views for column in view.columns()]
    assert not [column for column in columns if getattr(column.type, "length", None) is not None]


def test_no_clock_randomness_or_network_inside_a_domain_a_view_or_a_rule() -> None:
    forbidden = {"random", "time", "secrets", "socket", "requests", "os", "flask"}
    for name in ("domain", "views"):
        for path in (ROOT / "services").rglob("*.py"):
            if name in path.relative_to(ROOT).parts or path.stem == name:
                assert not imports_of(path) & forbidden, path
                assert not re.search(r"\b(datetime\.now|date\.today|uuid4)\b", path.read_text("utf-8")), path


@pytest.mark.parametrize("topic", PUBLISHED)
def test_every_event_has_a_pinned_name_a_meaning_and_a_golden_file(topic: str) -> None:
    published = PUBLISHED[topic]
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", published.__name__).lower()
    assert topic == f"{published.__module__.rpartition('.')[2]}.{words}"
    meaning = inspect.getdoc(published) or ""
    assert re.match(r"[\u4e00-\u9fff]", meaning), "the docstring begins with the event's Chinese name"
    assert (ROOT / "tests" / "golden" / f"{topic}.v{published.class_version}.json").exists()


def test_an_event_belongs_to_one_service_or_to_every_log() -> None:
    owners = {topic.partition(".")[0] for topic in PUBLISHED}
    assert owners == {*SUITE, "audit"}
    followed = {topic for one in SUITE.values() for view in one.views for topic in view.handlers}
    assert not [topic for topic in followed if topic.startswith("audit.")], "what auditors do moves no view"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_every_event_ever_stored_can_still_be_read(path: Path) -> None:
    topic, _, version = path.stem.rpartition(".v")
    fact = decode(topic, path.read_bytes())
    assert isinstance(fact, Fact)
    if int(version) == type(fact).class_version:
        stored = json.loads(path.read_text("utf-8"))
        again = json.loads(encode(fact))
        assert {name: again[name] for name in stored} == stored


def test_the_generated_documents_are_current() -> None:
    assert documents.stale() == []


def test_aggregate_names_and_application_names_are_pinned() -> None:
    for name, service in SUITE.items():
        assert service.application.name == name == service.name
        assert "name" in vars(service.application)


@pytest.mark.parametrize("service", SUITE)
def test_the_readme_tables_say_what_the_code_does(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text("utf-8")
    one = SUITE[service]
    events = {cls.__name__ for topic, cls in PUBLISHED.items() if topic.startswith(f"{service}.")}
    reactions = {
        name for names in (one.reactions.handlers.values() if one.reactions else ()) for name in names
    }
    views = {view.name for view in one.views}
    missing = [name for name in sorted(events | reactions | views) if not re.search(rf"\b{name}\b", text)]
    assert missing == []
    gone = set(re.findall(r"\bwhen_[a-z0-9_]+\b", text)) - reactions
    assert not gone


@pytest.mark.parametrize("service", SUITE)
def test_the_readme_says_what_each_command_refuses(service: str) -> None:
    """A row's last column names each refusal after its words, as `not-the-lead`; *a phrase* stands for the names after
    **A phrase** further down. A row's commands are those whose Chinese titles stand in its first column."""
    document = json.loads((ROOT / "docs" / "api" / f"{service}.openapi.json").read_text("utf-8"))
    commands = [methods["post"] for methods in document["paths"].values() if "post" in methods]
    undeclared = [
        one["operationId"]
        for one in commands
        if "x-problems" not in one
        and "multipart/form-data" not in one.get("requestBody", {}).get("content", {})
    ]
    if undeclared:
        pytest.skip(f"not declared yet: {', '.join(undeclared)}")
    declared = [one for one in commands if "x-problems" in one]
    refused = {
        one["x-title"]: {kind.removeprefix("/problems/") for kind in one["x-problems"]} for one in declared
    }
    assert len(refused) == len(declared), "two commands of one title"
    text = (ROOT / "services" / service / "README.md").read_text("utf-8")
    phrases = {
        name.lower(): named(words)
        for name, words in re.findall(r"^- \*\*(.+?)\*\*(.+?)\n(?=\S)", text, re.M | re.S)
    }
    told: set[str] = set()
    for row in re.findall(r"^\|.+\|$", text, re.M):
        first, *_, last = row.strip("|").split("|")
        titles = refused.keys() & set(re.findall(r"[\u4e00-\u9fff]+", first))
        if titles:
            names = named(last).union(*(phrases[phrase] for phrase in re.findall(r"\*(.+?)\*", last)))
            answers = set().union(*(refused[title] for title in titles))
            assert names <= answers, first
            assert {name for name in answers - names if not is_said_once(name)} == set(), first
            told |= titles
    assert told == refused.keys()


def named(words: str) -> set[str]:
    """The refusals that a text names."""
    return set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", words))


def is_said_once(refusal: str) -> bool:
    """Whether a README need not name it command by command: no such thing, an old version, a time that cannot be."""
    return refusal.startswith("no-such-") or refusal in (
        "version-is-stale",
        "happened-in-the-future",
        "before-what-it-rests-on",
    )


@pytest.mark.parametrize("service", SUITE)
def test_every_view_and_reaction_follows_facts_that_exist(service: str) -> None:
    one = SUITE[service]
    for handled in [view.handlers for view in one.views] + (
        [one.reactions.handlers] if one.reactions else []
    ):
        assert set(handled) <= set(PUBLISHED)


def test_an_event_is_named_once_so_that_the_rulebook_can_name_it() -> None:
    names = [cls.__name__ for cls in PUBLISHED.values()]
    assert sorted(names) == sorted(set(names))
