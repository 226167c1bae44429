"""Conditional formats: which cells one of them applies to, as far as its condition is one of the usual ones."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from openpyxl.utils import column_index_from_string, range_boundaries

from services.assignment.spreadsheets.markup import Place

At = Callable[[int, int], str]
"""What a cell says; an empty text outside the sheet."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A conditional format of some ranges, which starts from the first cell of the first of them."""

    ranges: str
    style: int
    kind: str
    """``expression``, ``cellIs``, ``containsText`` …"""
    operator: str
    text: str
    formula: str

    def places(self, rows: int, columns: int) -> Iterator[Place]:
        """The cells that it is for."""
        for each in self.ranges.split():
            left, top, right, bottom = range_boundaries(each)
            for row in range(top or 1, min(bottom or rows, rows) + 1):
                for column in range(left or 1, min(right or columns, columns) + 1):
                    yield row, column

    def condition(self) -> Callable[[At, Place], bool] | None:
        """Whether it applies to a cell; none if that cannot be told here."""
        if self.kind == "expression":
            return self._expression()
        wanted = _constant(self.formula) if self.kind == "cellIs" else self.text.lower()
        compare = _COMPARED.get(self.operator if self.kind == "cellIs" else self.kind)
        if wanted is None or compare is None:
            return None
        return lambda at, place: compare(at(*place).lower(), wanted)

    def _expression(self) -> Callable[[At, Place], bool] | None:
        formula = self.formula.strip().lstrip("=")
        if re.fullmatch(r"(?i)true(\(\))?|1", formula):
            return lambda at, place: True
        for pattern, compare in _FORMULAS:
            if found := pattern.fullmatch(formula):
                wanted = _constant(found["value"]) if "value" in found.groupdict() else ""
                return None if wanted is None else self._of_another(found, compare, wanted)
        return None

    def _of_another(
        self, found: re.Match[str], compare: "_Compare", wanted: str
    ) -> Callable[[At, Place], bool]:
        first_column, first_row, _, _ = range_boundaries(self.ranges.split()[0])
        row, column = int(found["row"]), column_index_from_string(found["column"].upper())

        def applies(at: At, place: Place) -> bool:
            down = 0 if found["fixed_row"] else place[0] - (first_row or 1)
            right = 0 if found["fixed_column"] else place[1] - (first_column or 1)
            return compare(at(row + down, column + right).lower(), wanted)

        return applies


_Compare = Callable[[str, str], bool]
_COMPARED: Mapping[str, _Compare] = {
    "equal": str.__eq__,
    "notEqual": str.__ne__,
    "containsText": str.__contains__,
    "notContainsText": lambda text, part: part not in text,
    "beginsWith": str.startswith,
    "endsWith": str.endswith,
}
_CELL = r"(?P<fixed_column>\$?)(?P<column>[A-Za-z]{1,3})(?P<fixed_row>\$?)(?P<row>\d{1,7})"
_VALUE = r'(?P<value>"(?:[^"]|"")*"|-?\d+(?:\.\d+)?)'
_FORMULAS: tuple[tuple[re.Pattern[str], _Compare], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), compare)
    for pattern, compare in (
        (rf"{_CELL}\s*=\s*{_VALUE}", str.__eq__),
        (rf"{_VALUE}\s*=\s*{_CELL}", str.__eq__),
        (rf"{_CELL}\s*<>\s*{_VALUE}", str.__ne__),
        (rf"ISNUMBER\((?:SEARCH|FIND)\({_VALUE},\s*{_CELL}\)\)", str.__contains__),
        (rf"NOT\(ISERROR\((?:SEARCH|FIND)\({_VALUE},\s*{_CELL}\)\)\)", str.__contains__),
        (rf"NOT\(ISBLANK\({_CELL}\)\)", str.__ne__),
        (rf"ISBLANK\({_CELL}\)", str.__eq__),
    )
)


def _constant(formula: str) -> str | None:
    """A text or a number as it stands in a formula, in lower case; none if it is neither."""
    found = re.fullmatch(_VALUE, formula.strip())
    return None if found is None else found["value"].strip('"').replace('""', '"').lower()
