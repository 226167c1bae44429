"""What stands in a file and was not taken, so that nobody believes it was imported."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from openpyxl.utils import get_column_letter

from shared.domain.words import Title

Kind = Literal["sheet", "column", "row", "cell"]
MOST = 500
"""How many are named; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A sheet, a column, a row or a cell, where it stands, what it says and why it was not taken."""

    kind: Kind
    sheet: str
    place: str = ""
    """As spreadsheet programs write it: ``F3``, ``5:17``, ``D:D``; of a column with a heading, its heading's place."""
    value: str = ""
    reason: Title

    def to_json(self, language: str) -> dict[str, Any]:
        """As an answer says it."""
        return {
            "kind": self.kind,
            "sheet": self.sheet,
            "place": self.place,
            "value": self.value,
            "reason": self.reason.zh if language == "zh" else self.reason.en,
        }

    def in_a_line(self, language: str) -> str:
        """As the command line says it."""
        at = ("!" if self.sheet and self.place else "").join((self.sheet, self.place))
        if language == "zh":
            return f"未导入 {at}" + (f"“{self.value}”：" if self.value else "：") + self.reason.zh
        return f"not taken: {at}" + (f' "{self.value}": ' if self.value else ": ") + self.reason.en


def bounded(found: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """Each once; beyond the bound only how many there are."""
    all_of_them = list(dict.fromkeys(found))
    if (more := len(all_of_them) - MOST) <= 0:
        return tuple(all_of_them)
    rest = LeftOut(
        kind="cell", sheet="", reason=Title(f"另有 {more} 处，未逐一列出", f"{more} more are not listed")
    )
    return (*islice(all_of_them, MOST), rest)


def address(row: int, column: int) -> str:
    """``F3``."""
    return f"{get_column_letter(column)}{row}"
