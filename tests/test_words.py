"""No machine word in a sentence for people: each is said in the reader's language (shared/domain/words.py)."""

import ast
import importlib
import json
import pkgutil
import re
import string
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest

import services
import shared
from services.notify.domain import words
from services.notify.domain.matter.state import MatterState
from shared.calendar import Calendar
from shared.domain.aggregate import Aggregate
from shared.domain.refusal import Refusal
from shared.domain.words import SERVICE, THINGS, Enumerated, Title, enumerated_in, moment_said, named, titles
from shared.events.base import VOCABULARY, Fact
from shared.events.matter import CaseKind, Secrecy
from shared.runtime.event_log import SERVICES
from shared.web.titles import TitleWriter

ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    importlib.import_module(found.name)
    for package in (shared, services)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.endswith("__main__")
]
FILES = [path for top in ("shared", "services") for path in sorted((ROOT / top).rglob("*.py"))]
SNAKE_OR_CAMEL = re.compile(r"[a-z]+_[a-z_]+|[A-Z][a-z]+[A-Z]\w*")
CHINESE = re.compile(r"[\u4e00-\u9fff]+")
PLAIN = {"csv", "xlsx", "EdDSA", "NaN"}
"""Machine words that people say themselves."""


IDS = {"id", "unit", "before"}
"""Enumerated words in one place (a rate, the unit of a length, a state), free ones in all others."""

FREE = {
    ("BeforeWhatItRestsOn", "fact_en"),
    ("ErasedAlready", "ground"),
    ("PublishedAddressRefuses", "status"),
}
"""Facts of refusals that are no enumerated words although their field's name is that of such words elsewhere."""


def below(cls: type[Any]) -> Iterator[type[Any]]:
    for one in cls.__subclasses__():
        yield one
        yield from below(one)


def is_ours(cls: type[Any]) -> bool:
    return cls.__module__.startswith(("shared.", "services."))


REFUSALS = sorted(
    {one for one in below(Refusal) if is_ours(one)},
    key=lambda one: (one.__module__, one.__name__),
)


def words_of(hint: Any) -> set[str]:
    """The words of the ``Literal``s and enums in a type."""
    if get_origin(hint) is Literal:
        return {one for one in get_args(hint) if isinstance(one, str)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {str(one.value) for one in hint}
    return set().union(*(words_of(part) for part in get_args(hint)))


def hints(cls: type[Any]) -> dict[str, Any]:
    try:
        return get_type_hints(cls)
    except (NameError, TypeError):  # a hint for the type checker only
        return {}


def enumerated() -> tuple[set[str], set[str]]:
    """The fields of every dataclass and named tuple that are enumerated words, and all those words."""
    fields, known = {"clock"}, set[str]()
    for module in MODULES:
        for cls in vars(module).values():
            if isinstance(cls, type) and (is_dataclass(cls) or hasattr(cls, "_fields")) and is_ours(cls):
                found = {name: words_of(hint) for name, hint in hints(cls).items()}
                fields |= {name for name, some in found.items() if some}
                known = known.union(*found.values())
    return fields - IDS, known


FIELDS, WORDS = enumerated()
PUBLISHED = [fact for fact in VOCABULARY.values() if fact.__module__.startswith("shared.events.")]


def machine_words_in(text: str) -> list[str]:
    """The machine words in a Chinese text."""
    # What stands before a colon is to be typed as it is: naming:2/2021.
    enumerated_words = [word for word in re.findall(r"[A-Za-z_]+(?!:)\b", text) if word in WORDS]
    return [word for word in enumerated_words + SNAKE_OR_CAMEL.findall(text) if word not in PLAIN]


def facts_in(refusal: type[Refusal]) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(refusal.__doc__ or "") if name}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.__name__)
def test_a_refusal_has_one_sentence_in_each_language_without_a_machine_word(refusal: type[Refusal]) -> None:
    chinese, english = [line.strip() for line in (refusal.__doc__ or "").strip().splitlines()]
    assert CHINESE.search(chinese)
    assert not machine_words_in(re.sub(r"\{\w+\}", "", chinese))
    assert not {*SNAKE_OR_CAMEL.findall(re.sub(r"\{\w+\}", "", english))} - PLAIN


@pytest.mark.parametrize(
    ("refusal", "fact"),
    [
        pytest.param(one, fact, id=f"{one.__name__}-{fact}")
        for one in REFUSALS
        for fact in sorted(facts_in(one) & one.words.keys())
    ],
)
def test_every_enumerated_word_in_a_refusal_is_said_in_the_readers_language(
    refusal: type[Refusal], fact: str
) -> None:
    known = refusal.words[fact]
    assert known.values
    for value in known.values:
        title = known.title(value)
        assert title is not None, f"{value} has no line in shared/domain/titles.csv"
        said = Refusal.__new__(refusal)
        Refusal.__init__(said, **{**dict.fromkeys(facts_in(refusal), "7"), fact: value})
        for language, word in zip(("zh", "en"), (title.zh, title.within("en")), strict=True):
            assert word in said.text(language)
        assert not machine_words_in(said.text("zh"))
        assert not SNAKE_OR_CAMEL.search(said.text("en"))
        assert not CHINESE.search(title.en)
        several = Refusal.__new__(refusal)
        Refusal.__init__(several, **{**dict.fromkeys(facts_in(refusal), "7"), fact: [value, value]})
        assert f"{title.zh}、{title.zh}" in several.text("zh")
        assert f"{title.within('en')}, {title.within('en')}" in several.text("en")


def refused() -> Iterator[tuple[str, type[Refusal], str, ast.expr]]:
    """Where in the code which refusal is given which fact, and as what."""
    by_name = {one.__name__: one for one in REFUSALS}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                for given in node.keywords if name in by_name else ():
                    if given.arg is not None:
                        yield f"{path}:{node.lineno}", by_name[name], given.arg, given.value


def test_no_refusal_is_given_an_enumerated_word_that_it_does_not_know_as_one() -> None:
    for where, refusal, fact, value in refused():
        if fact in refusal.words or fact not in facts_in(refusal) or (refusal.__name__, fact) in FREE:
            continue
        parts = [*ast.walk(value)]
        holders = {id(part.value) for part in parts if isinstance(part, ast.Attribute)}
        names = {getattr(part, "attr", getattr(part, "id", "")) for part in parts if id(part) not in holders}
        texts = {
            part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)
        }
        assert not names & {*FIELDS, "__name__", "isoformat"}, f"{where}: {fact}"
        assert not texts & WORDS, f"{where}: {fact}"


@pytest.mark.parametrize("secrecy", get_args(Secrecy))
@pytest.mark.parametrize("kind", get_args(CaseKind))
def test_no_notice_has_a_machine_word(kind: CaseKind, secrecy: Secrecy) -> None:
    followed = MatterState(
        case_id=UUID(int=1),
        kind=kind,
        number="〔2021〕3号",
        title="标题",
        unit="fgw",
        post=None,
        leader_post=None,
        units=("fgw",),
        secrecy=secrecy,
        rulebook_version=1,
        version=1,
    )
    lines = {"missed": ["一"], "approaching": ["二"], "open": ["三"]}
    free: dict[type, Any] = {
        str: "某",
        int: 2,
        bool: True,
        date: date(2021, 2, 7),
        dict[str, list[str]]: lines,
    }
    given = {MatterState: followed, Calendar: Calendar.base(), **free}
    sentences = [
        make(**{name: given[hint] for name, hint in get_type_hints(make).items() if name != "return"})
        for make in vars(words).values()
        if isinstance(make, FunctionType) and get_type_hints(make).get("return") is words.Said
    ]
    assert len(sentences) > 5
    for said in sentences:
        assert not re.search("[A-Za-z]", said.subject + said.text)


def said_in(path: Path) -> Iterator[tuple[ast.expr, str, list[ast.expr]]]:
    """The Chinese texts in a file's code, but for docstrings, each with what is put into it."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(one) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for one in node.values}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings | parts:
                values: list[ast.expr] = []
            case ast.JoinedStr():
                text = "".join(str(one.value) for one in node.values if isinstance(one, ast.Constant))
                values = [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
            case _:
                continue
        if CHINESE.search(text):
            yield node, text, values


NAMES = {"clock", "colour", "fact.ground"}
"""What is put into a text under the name of an enumerated word, and is a name or a text for people already."""


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in FILES
        if {"domain", "application", "reactions", "spreadsheets", "web"} & {*path.parts, path.stem}
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_text_in_the_code_has_a_machine_word(path: Path) -> None:
    for node, text, values in said_in(path):
        chinese, _, english = text.partition("\n")
        if not CHINESE.search(english):  # both languages, a line each
            assert not SNAKE_OR_CAMEL.search(english), f"{path}:{node.lineno}"
        chinese = re.sub(r" \([^)]*\)$", "", chinese)  # 工作任务 (task): a heading in an English sentence
        assert not machine_words_in(chinese), f"{path}:{node.lineno}: {chinese}"
        for value in values:
            said = ast.unparse(value)
            assert said in NAMES or said.rpartition(".")[2] not in FIELDS, f"{path}:{node.lineno}: {said}"


def test_every_field_and_choice_has_a_title_and_every_title_is_used() -> None:
    writer = TitleWriter()
    for path in sorted((ROOT / "docs" / "api").glob("*.openapi.json")):
        document = json.loads(path.read_text("utf-8"))
        published = deepcopy(document)
        writer.write(document)
        assert document == published, path.name
    assert not writer.lacking, "add them to shared/domain/titles.csv"
    said = {
        ("choice", named("choice", known.names(value)))
        for refusal in REFUSALS
        for known in refusal.words.values()
        if isinstance(known, Enumerated)
        for value in known.values
    }
    of_facts = {
        ("choice", named("choice", known.names(value)))
        for fact in PUBLISHED
        for known in enumerated_in(fact).values()
        for value in known.values
    }
    assert ("choice", None) not in said | of_facts
    unused = {one for one in titles().keys() - writer.used - said - of_facts if one[0] != "thing"}
    assert not unused, "take them out of shared/domain/titles.csv"


@pytest.mark.parametrize("fact", PUBLISHED, ids=lambda one: one.__name__)
def test_every_enumerated_word_of_a_fact_has_a_title(fact: type[Fact]) -> None:
    for name, known in enumerated_in(fact).items():
        for value in known.values:
            assert known.title(value) is not None, (
                f"choice,{name}.{value}: add it to shared/domain/titles.csv"
            )


def test_every_kind_of_thing_has_a_title() -> None:
    kinds = {one.__name__ for one in below(Aggregate) if is_ours(one) and hasattr(one, "lifecycle")}
    given = {
        value.value
        for _, refusal, fact, value in refused()
        if refusal.words.get(fact) is THINGS and isinstance(value, ast.Constant)
    }
    for path in FILES:  # shared.web.lists.one(…, kind="Task")
        given |= set(re.findall(r"\bone\([^)]*kind=\"(\w+)\"", path.read_text("utf-8")))
    assert (kinds | given) - {"Concern", "Periods", "NamingSeries", "Register"} <= {*THINGS.values}


def test_a_title_reads_well_inside_a_sentence() -> None:
    assert Title("已撤销", "Cancelled").within("en") == "cancelled"
    assert Title("国务院安排", "State Council").within("en") == "State Council"
    assert Title("XLSX 表格", "XLSX").within("en") == "XLSX"
    for title in titles().values():
        assert title.within("zh") == title.zh
        assert not SNAKE_OR_CAMEL.search(title.en)


def test_the_closest_line_names_a_choice() -> None:
    status = Enumerated(Literal["closed", "gone"], "Whistle.state")
    assert [*status.names("closed")] == ["Whistle.state.closed", "state.closed", "closed"]
    assert status.title("closed") == Title("已归档", "Closed")
    assert status.title("nowhere") is None


def test_the_services_are_those_of_the_logs() -> None:
    assert {*SERVICE.values} == {*SERVICES}


class _Later(Refusal):
    """{later} 晚于 {earlier}
    {later} is later than {earlier}"""


def test_moments_stand_in_beijing_time_as_people_write_them() -> None:
    moment = datetime(2021, 2, 5, 16, 30, 45, tzinfo=UTC)
    assert moment_said(moment, "zh") == "2021-02-06 00:30（北京时间）"
    assert moment_said(moment, "en") == "2021-02-06 00:30 Beijing time"
    apart = _Later(later=moment, earlier=moment.replace(hour=3))
    assert apart.text("zh") == "2021-02-06 00:30（北京时间）晚于 2021-02-05 11:30（北京时间）"
    close = _Later(later=moment, earlier=moment.replace(second=2))
    assert (
        close.text("en") == "2021-02-06 00:30:45 Beijing time is later than 2021-02-06 00:30:02 Beijing time"
    )
