"""Rows that are no tasks but the heading of the rows numbered below them: 1 优化营商环境, then 1.1, （1） or 1."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.assignment.spreadsheets.cells import Value

Cells = Mapping[str, Value]
Style = Literal["dotted", "own", "unnumbered"]
"""How the rows below are numbered: 1.1, 1-1; anew from 1 or （1）; not at all."""

_PLAIN = re.compile(r"\d{1,4}([.\-]\d{1,4}){0,4}")
_IN_BRACKETS = re.compile(r"\(?(\d{1,3})\)")
_CIRCLED = re.compile("[\u2460-\u2473\u2776-\u277f\u24f5-\u24fe]")
HANDED_DOWN = {"lead": ("lead", "supporters", "post"), "due": ("due", "due_text"), "leader": ("leader",)}
"""Where a row below leaves a cell blank, which cells it takes from its heading."""
ALLOWED = frozenset(("number", "task", "category")) | {
    name for names in HANDED_DOWN.values() for name in names
}
"""What a heading may say; a row that says more is a task."""


def plain_number(written: str) -> str:
    """``1.`` as 1, ``1．2`` as 1.2; of any other text nothing."""
    number = (
        unicodedata.normalize("NFKC", written).strip().rstrip(".、。 ").replace("—", "-").replace("－", "-")
    )
    return number if _PLAIN.fullmatch(number) else ""


def own_number(written: str) -> str:
    """The digits of （1）, 1） and ①, which count anew below each heading; of any other text nothing."""
    number = unicodedata.normalize("NFKC", written).strip()
    if _CIRCLED.fullmatch(written.strip()):
        return number if number.isdigit() else ""
    found = _IN_BRACKETS.fullmatch(number)
    return found[1] if found else ""


@dataclass(kw_only=True)
class Parent:
    """A heading under a plain number."""

    number: str
    text: str
    cells: Cells
    style: Style
    counted: int = 0
    """The last number below it, where they count anew."""

    @property
    def level(self) -> int:
        """1 is above 1.1."""
        return len(re.findall(r"\d+", self.number))

    @classmethod
    def of(cls, cells: Cells, next_row: Callable[[], Cells]) -> "Parent | None":
        """The heading that a row is, by the next row; none if it is a task, perhaps one that lacks something."""
        number = plain_number(_text(cells, "number"))
        said = {name for name in cells if _text(cells, name)}
        if not number or not _text(cells, "task") or not said <= ALLOWED or {"lead", "due"} <= said:
            return None
        below = next_row()
        style = _style(number, _text(below, "number"))
        if style is None or not _text(below, "task"):
            return None
        # Unless the numbers say so, the two rows together must be a whole task that neither is by itself twice.
        if style != "dotted" and any(
            bool(_text(cells, name)) == bool(_text(below, name)) for name in ("lead", "due")
        ):
            return None
        text = re.sub(r"\s*\n\s*", "", _text(cells, "task"))
        return cls(number=number, text=text, cells=cells, style=style)

    def number_below(self, written: str) -> str | None:
        """The whole number of a row below, or None if the row is not below this heading."""
        plain, own = plain_number(written), own_number(written)
        if not written.strip():
            return ""
        if plain.startswith((f"{self.number}.", f"{self.number}-")):
            return plain
        if own:
            return f"{self.number}-{own}"
        if self.style == "own" and plain.isdigit() and int(plain) == self.counted + 1:
            self.counted += 1
            return f"{self.number}-{plain}"
        return None


def _style(number: str, below: str) -> Style | None:
    if not below.strip():
        return "unnumbered"
    plain = plain_number(below)
    if plain.startswith((f"{number}.", f"{number}-")):
        return "dotted"
    return "own" if plain == "1" or own_number(below) == "1" else None


@dataclass
class Parents:
    """The headings over the row that is being read, the innermost last."""

    over: list[Parent] = field(default_factory=list)

    def number(self, written: str) -> str:
        """A row's whole number; headings that it does not stand below are over."""
        while self.over:
            if (number := self.over[-1].number_below(written)) is not None:
                return number
            self.over.pop()
        return written

    def add(self, parent: Parent) -> None:
        """Another heading begins; those of its own level and below are over."""
        while self.over and self.over[-1].level >= parent.level:
            self.over.pop()
        self.over.append(parent)

    def close(self) -> None:
        """A section begins."""
        self.over.clear()

    def handed_down(self, cells: Cells) -> dict[str, Value]:
        """The cells of a row with what it leaves to its headings."""
        full = dict(cells)
        for parent in reversed(self.over):
            for name, taken in HANDED_DOWN.items():
                if not _text(full, name):
                    full.update({each: parent.cells[each] for each in taken if each in full})
        return full

    @property
    def category(self) -> list[str]:
        """As the category of the tasks below has it."""
        return [f"{parent.number}、{parent.text}" for parent in self.over]


def _text(cells: Cells, name: str) -> str:
    return str(cells.get(name, "")).strip()
