"""No event can grow beyond what a record of the broker may hold: bounds at the doors, and at whatever composes texts.

A field of an event takes what the commands' fields of that name take, or is bounded by its type, or its bound is said
here, with the reason.
"""

from collections.abc import Iterator
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from marshmallow import fields, validate

import services.suite  # noqa: F401 - which declares every command
from services.notify.domain import words
from shared.calendar import Calendar
from shared.events.base import VOCABULARY, Actor
from shared.events.notify import DigestSent
from shared.log.codec import LARGEST_EVENT, EventTooLarge, WireMapper
from shared.rulebook import LARGEST_FILE, BadRulebook, load_rulebook
from shared.web.commands import OPERATIONS

CHARACTER = 4
"""Bytes of one character at most: UTF-8, or an escaped quote or line end. The doors refuse control characters."""
ENVELOPE = 4 * 1024
"""Bytes for braces, actor, cause and both times."""


def ways_in() -> dict[str, list[Any]]:
    """The commands' fields and those of their parts, by the name of what they give."""
    found: dict[str, list[Any]] = {}

    def take(declared: Any) -> None:
        for name, made in declared.items():
            found.setdefault(made.attribute or name, []).append(made)
            inner = made.inner if isinstance(made, fields.List) else made
            if isinstance(inner, fields.Nested):
                take(inner.schema._declared_fields)

    for command in OPERATIONS.values():
        take(command.body._declared_fields)
    return found


def length_of(made: Any) -> int:
    """The most characters, or members, that a field takes. Raises ValueError if it takes any number."""
    bounds = [one.max for one in made.validators if isinstance(one, validate.Length) and one.max is not None]
    bounds += [max(map(len, one.choices)) for one in made.validators if isinstance(one, validate.OneOf)]
    return min(bounds)


def size_of(made: Any) -> int:
    """The most bytes that the value of a field takes as JSON."""
    if isinstance(made, fields.List):
        return length_of(made) * (size_of(made.inner) + 1) + 2
    if isinstance(made, fields.Nested):
        return sum(len(name) + 4 + size_of(part) for name, part in made.schema._declared_fields.items()) + 2
    if isinstance(made, fields.UUID | fields.Boolean | fields.Number | fields.DateTime | fields.Date):
        return 40
    assert isinstance(made, fields.String), made
    return length_of(made) * CHARACTER + 2


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_command_has_bounds_that_an_event_can_hold(operation: str) -> None:
    declared = OPERATIONS[operation].body._declared_fields
    assert sum(len(name) + 4 + size_of(made) for name, made in declared.items()) + ENVELOPE < LARGEST_EVENT


ID, WORD, DAYS = 80 * CHARACTER + 2, LARGEST_FILE, 400 * 13
UNITS = 200 * (ID + 1)
"""Bytes of an id, of a word of the rulebook (whose file has a bound), of the days of a calendar release, of the
units of a directive."""
COMPOSED: dict[str, int] = {
    "approved_by": ID,
    "case_number": 200 * CHARACTER,
    "clock": WORD,
    "drafted_by": ID,
    "duty": WORD,
    "enterprise_name": 200 * CHARACTER,
    "from_unit": ID,
    "missed_clock": WORD,
    "ower": ID,
    "owers": UNITS,
    "reference": 400 * CHARACTER,
    "referred_to": ID,
    "reporter": ID,
    "rounds": 1000 * 8,
    "rule": WORD,
    "series": ID,
    "signed_by": ID,
    "taken_over": UNITS,
    "subject": 1000 * CHARACTER + WORD,
    "to_post": ID,
    "unchanged": DAYS,
    "years": DAYS,
    "warn_on": LARGEST_FILE * 5,
    "question": ID,
    "about": 128 * 1024,
}
"""Bytes of the fields that no command gives: ids and numbers of other things, words of the rulebook, what the line of a
request holds."""
TEXTS = {("notify.notice_issued", "text"): 16_000 * CHARACTER + WORD, ("notify.digest_sent", "text"): 500_000}
"""Bytes of composed texts: see the tests below."""


def bytes_of(topic: str, name: str, hint: Any) -> int:
    """The most bytes that a field of an event takes as JSON.

    Raises KeyError if nothing bounds it: then say in COMPOSED how large it can become, and why.
    """
    if (topic, name) in TEXTS:
        return TEXTS[topic, name]
    if get_origin(hint) is Annotated:
        return bytes_of(topic, name, get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return max(bytes_of(topic, name, one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return max(map(len, get_args(hint))) + 2
    if hint in (UUID, datetime, date, Decimal, int, bool, NoneType):
        return 40
    given = [made for made in ways_in().get(name, ()) if isinstance(made, fields.List | fields.String)]
    if hint is str:
        return max([size_of(made) for made in given if isinstance(made, fields.String)] or [COMPOSED[name]])
    if get_origin(hint) is tuple:
        return max([size_of(made) for made in given if isinstance(made, fields.List)] or [COMPOSED[name]])
    assert is_dataclass(hint), hint
    return sum(len(of.name) + 4 + size for of, size in parts_of(topic, hint))


def parts_of(topic: str, kind: Any) -> Iterator[tuple[Any, int]]:
    hints = get_type_hints(kind, include_extras=True)
    for one in fields_of(kind):
        if one.name not in ("timestamp", "happened_at", "by", "because"):
            yield one, bytes_of(topic, one.name, hints[one.name])


@pytest.mark.parametrize(
    "topic", sorted(topic for topic, of in VOCABULARY.items() if of.__module__.startswith("shared.events."))
)
def test_every_event_fits_into_a_record_with_the_largest_values(topic: str) -> None:
    if topic == "supervision.rulebook_released":
        return  # its text is the whole file: below
    size = sum(len(of.name) + 4 + size for of, size in parts_of(topic, VOCABULARY[topic]))
    assert size + ENVELOPE < LARGEST_EVENT


def test_a_rulebook_is_refused_before_its_text_is_too_large_for_an_event(tmp_path: Any) -> None:
    shipped = load_rulebook().text
    largest = tmp_path / "largest.csv"
    largest.write_text(shipped + "#" * (LARGEST_FILE - len(shipped.encode())), "utf-8")
    assert load_rulebook(largest).text.startswith(shipped)
    assert LARGEST_FILE * 6 + ENVELOPE < LARGEST_EVENT, "a control character takes six bytes"
    larger = tmp_path / "larger.csv"
    larger.write_text(shipped + "#" * (LARGEST_FILE - len(shipped.encode()) + 1), "utf-8")
    with pytest.raises(BadRulebook, match="larger than"):
        load_rulebook(larger)


@pytest.mark.parametrize(("count", "length"), [(0, 1), (1, 1), (100, 40), (101, 40), (400, 1100), (3000, 50)])
def test_a_digest_names_so_many_and_counts_the_rest(count: int, length: int) -> None:
    line = "\U00020000" * length
    lines = {state: [f"{n:05}{line}" for n in range(count)] for state in ("missed", "approaching", "open")}
    said = words.digest("单位", Calendar.base(), date(2021, 3, 8), lines)
    named = [one for one in said.text.split("\n") if line in one]
    missing = {int(one.split()[1]) for one in said.text.split("\n") if one.startswith("  另有 ")}
    assert len(named) == 3 * (count - sum(missing))
    assert len(named) == 3 * min(count, words.MOST_NAMED, words.ROOM_FOR_NAMED // (length + 5))
    assert f"超时{count}、临近{count}、其他在办{count}" in said.subject
    assert len(said.text.encode()) < TEXTS["notify.digest_sent", "text"]


def test_a_notice_fits_with_the_longest_text_that_it_repeats() -> None:
    longest = max(size_of(made) for name in ("text", "requirement", "reason") for made in ways_in()[name])
    title = max(size_of(made) for made in ways_in()["title"])
    assert longest + title + 200 * 10 * CHARACTER < TEXTS["notify.notice_issued", "text"]


@pytest.mark.parametrize("size", [LARGEST_EVENT, LARGEST_EVENT + 1])
def test_a_larger_event_is_refused_before_it_is_stored(size: int) -> None:
    now = datetime.fromisoformat("2021-03-08T09:00:00+08:00")
    by = Actor(unit="duban", post="notify")
    given: dict[str, Any] = {
        "unit": "fgw",
        "post": "fgw/head",
        "day": now.date(),
        "notice_id": UUID(int=1),
        "subject": "摘要",
        "timestamp": now,
        "happened_at": now,
        "by": by,
        "because": "event:x",
        "originator_id": UUID(int=2),
        "originator_version": 1,
    }

    class Recorded(DigestSent):
        """As the aggregate records it."""

    def stored(text: str) -> int:
        event = object.__new__(Recorded)
        event.__dict__.update(given, text=text)
        return len(WireMapper().to_stored_event(event).state)

    text = "x" * (size - stored(""))
    if size <= LARGEST_EVENT:
        assert stored(text) == size
        return
    with pytest.raises(EventTooLarge) as refused:
        stored(text)
    assert (refused.value.status, refused.value.facts["size"]) == (413, size)
    assert "每日摘要" in refused.value.text("zh")
    assert "digest sent" in refused.value.text("en")
