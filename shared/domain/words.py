"""What people read instead of machine words: titles of things, fields and choices (``titles.csv``), and moments.

A field's line is named after the field, or ``Owner.field`` where the same name means something else. A choice's line is
named after its value, or ``field.value`` or ``Owner.field.value``. A thing's line is named after its aggregate, or what
else an address or a question calls it.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from shared.domain.clock import SHANGHAI

FILE = Path(__file__).with_name("titles.csv")
KINDS = ("field", "choice", "thing")


class Title(NamedTuple):
    """A short name in both languages."""

    zh: str
    en: str

    def within(self, language: str) -> str:
        """As it stands inside a sentence."""
        if language == "zh":
            return self.zh
        plain = self.en[1:] == self.en[1:].lower()
        return self.en[:1].lower() + self.en[1:] if plain else self.en


@cache
def titles() -> Mapping[tuple[str, str], Title]:
    """The titles by kind and name. Raises ValueError, with the line, for what is no title."""
    found: dict[tuple[str, str], Title] = {}
    with FILE.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        for line in reader:
            key, title = (line["kind"], line["name"]), Title(line["zh"], line["en"])
            if key[0] not in KINDS or not all((key[1], *title)) or key in found:
                raise ValueError(f"{FILE.name}, line {reader.line_num}: incomplete, or there twice")
            found[key] = title
    return found


def named(kind: str, names: Iterable[str]) -> str | None:
    """The first of the names that has a line of this kind."""
    return next((name for name in names if (kind, name) in titles()), None)


class Enumerated(NamedTuple):
    """The words that something is one of: a ``Literal`` of strings, or an enum.

    ``line`` is what its lines begin with where they are not named after the value alone: ``state``, ``Whistle.state``.
    """

    of: Any
    line: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """Every word."""
        return get_args(self.of) or tuple(self.of)

    def names(self, value: str) -> Iterator[str]:
        """What the line of a value may be called, the closest first."""
        owner = self.line
        while owner:
            yield f"{owner}.{value}"
            owner = owner.partition(".")[2]
        yield value

    def title(self, value: str) -> Title | None:
        """What the value is called."""
        name = named("choice", self.names(value))
        return None if name is None else titles()["choice", name]


class Things:
    """The kinds of things: aggregates, and what a question may be about."""

    @property
    def values(self) -> tuple[str, ...]:
        """Every kind."""
        return tuple(name for kind, name in titles() if kind == "thing")

    def title(self, value: str) -> Title | None:
        """What a thing of this kind is called."""
        return titles().get(("thing", value))


THINGS = Things()


def enumerated_in(kind: Any) -> Mapping[str, Enumerated]:
    """The fields of a dataclass that are enumerated words."""
    return _enumerated_in(kind)


@cache
def _enumerated_in(kind: Any) -> Mapping[str, Enumerated]:
    hints = get_type_hints(kind)
    found = ((one.name, _literal(hints[one.name])) for one in fields(kind))
    return {name: Enumerated(literal, name) for name, literal in found if literal is not None}


def _literal(hint: Any) -> Any:
    if get_origin(hint) is Literal:
        return hint
    return next((found for part in get_args(hint) if (found := _literal(part)) is not None), None)


SERVICE = Enumerated(Literal["assignment", "supervision", "enterprise", "notify"], "service")
"""The four services, each with its own log."""


def moment_said(moment: datetime, language: str, *, seconds: bool = False) -> str:
    """``2021-02-05 17:30（北京时间）``, ``2021-02-05 17:30 Beijing time``."""
    text = f"{moment.astimezone(SHANGHAI):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}}"
    return f"{text}（北京时间）" if language == "zh" else f"{text} Beijing time"


def said(value: Any, words: Enumerated | Things | None, language: str, *, seconds: bool = False) -> Any:
    """A value as it stands in a sentence; ``words`` if it is one of some words, or several of them."""
    if isinstance(value, datetime):
        return moment_said(value, language, seconds=seconds)
    if isinstance(value, Title):
        return value.within(language)
    if isinstance(value, tuple | list):
        return ("、" if language == "zh" else ", ").join(str(said(one, words, language)) for one in value)
    title = None if words is None else words.title(str(value))
    return value if title is None else title.within(language)


YEARS = range(1900, 3000)
"""The years that days and moments may lie in, at every door, so that no zone and no term overflows."""


def outside_the_years(day: date) -> Title | None:
    """That a day lies too far away, if it does."""
    if day.year in YEARS:
        return None
    first, last = YEARS[0], YEARS[-1]
    return Title(f"年份应在 {first} 与 {last} 之间", f"The year must lie between {first} and {last}")


def no_such_day(text: str) -> Title | None:
    """That there is no such day or month, if ``text`` is or begins with one that the calendar does not have."""
    found = re.match(r"([0-9]{4}-[0-9]{2})(-[0-9]{2}(?![0-9])|$)", text)
    if found is None:
        return None
    try:
        date.fromisoformat(f"{found[1]}{found[2] or '-01'}")
    except ValueError:
        zh, en = ("这一天", "day") if found[2] else ("这个月", "month")
        return Title(f"没有 {found[0]} {zh}", f"There is no {en} {found[0]}")
    return None
