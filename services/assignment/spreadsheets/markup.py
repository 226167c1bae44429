"""What the markup of a worksheet says beside its values: what is merged, hidden, struck out, or not calculated.

The parser knows namespaces: prefixes, quotes and the order of attributes make no difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from openpyxl.utils import coordinate_to_tuple
from openpyxl.utils.exceptions import CellCoordinatesException

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
"""The namespace of ISO/IEC 29500 Strict, which Excel offers under the same suffix, and which openpyxl does not read."""

Place = tuple[int, int]
"""Row and column, both counted from 1."""
Runs = tuple[tuple[str, bool | None], ...]
"""A text in pieces, each with whether it is struck out; None: as the cell's own font has it."""

_FLAT_ROW, _NARROW_COLUMN = 1.0, 0.2
"""A row lower than a point, a column narrower than a fifth of a character: nobody sees what stands there."""


_WITH_TEXT = {"v", "t", "formula"}


class TooManyElements(Exception):
    """More rows or cells than are read."""


class StrictMarkup(Exception):
    """The part is Strict Open XML."""


@dataclass(frozen=True, kw_only=True)
class Markup:
    """One worksheet's."""

    merges: tuple[str, ...] = ()
    uncalculated: frozenset[Place] = frozenset()
    """Formulas that were saved without their value."""
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    runs: Mapping[Place, Runs] = field(default_factory=dict)
    """The texts that stand in the sheet itself in pieces of several fonts."""
    rules: tuple[tuple[str, Mapping[str, str], str], ...] = ()
    """Conditional formats: the cells they are for, their attributes, and the formula."""


class MarkupReader:
    """Reads the markup of one package; what it counts is bounded over all its parts."""

    def __init__(self, *, most_rows: int, most_cells: int, columns: int) -> None:
        self._rows_left, self._cells_left, self._columns = most_rows, most_cells, columns

    def read(self, content: bytes) -> Markup:
        """What the markup of a worksheet says; raises ExpatError, ValueError, TooManyElements, StrictMarkup."""
        reading = _Reading(self._columns)
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True

        def start(name: str, attributes: dict[str, str]) -> None:
            namespace, _, local = name.rpartition(" ")
            if namespace == STRICT:
                raise StrictMarkup
            if namespace != MAIN:
                return
            if local == "c":
                self._cells_left -= 1
            elif local == "row":
                self._rows_left -= 1
            if self._cells_left < 0 or self._rows_left < 0:
                raise TooManyElements
            reading.start(local, attributes)

        def end(name: str) -> None:
            namespace, _, local = name.rpartition(" ")
            if namespace == MAIN:
                reading.end(local)

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = reading.characters
        try:
            parser.Parse(content, True)
        except CellCoordinatesException as problem:
            raise ValueError(str(problem)) from problem
        return reading.markup()


def is_on(attributes: Mapping[str, str], name: str, absent: str = "0") -> bool:
    """A boolean attribute of XML Schema."""
    return attributes.get(name, absent) in ("1", "true")


class _Reading:
    """The state between two elements of one part."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._merges: list[str] = []
        self._uncalculated: set[Place] = set()
        self._hidden_rows: set[int] = set()
        self._hidden_columns: set[int] = set()
        self._runs: dict[Place, Runs] = {}
        self._rules: list[tuple[str, Mapping[str, str], str]] = []
        self._rule: Mapping[str, str] = {}
        self._row = self._column = 0
        self._inside: set[str] = set()
        self._text = ""
        self._is_formula = self._has_value = self._is_text = False
        self._pieces: list[tuple[str, bool | None]] = []
        self._struck: bool | None = None
        self._sqref = ""

    def start(self, local: str, attributes: Mapping[str, str]) -> None:
        match local:
            case "row":
                self._row = int(float(attributes.get("r", self._row + 1)))
                self._column = 0
                if is_on(attributes, "hidden") or float(attributes.get("ht", _FLAT_ROW)) < _FLAT_ROW:
                    self._hidden_rows.add(self._row)
            case "c":
                self._column += 1
                if reference := attributes.get("r"):
                    self._row, self._column = coordinate_to_tuple(reference)
                self._is_formula = self._has_value = False
                self._is_text = attributes.get("t") == "str"
                self._inside.add("c")
                self._pieces = []
            case "f" | "v" | "t" | "rPh" | "is" | "formula":
                self._is_formula |= local == "f" and "c" in self._inside
                # The empty text is a result too.
                self._has_value |= local == "v" and self._is_text
                self._inside.add(local)
                if local != "rPh":
                    self._text = ""
            case "r":
                self._struck = None
                self._inside.add("r")
            case "rPr" if "r" in self._inside:
                self._struck = False
            case "strike" if self._struck is not None:
                self._struck = is_on(attributes, "val", "1")
            case "col":
                first, last = int(attributes["min"]), int(attributes["max"])
                if is_on(attributes, "hidden") or float(attributes.get("width", 1)) < _NARROW_COLUMN:
                    self._hidden_columns.update(range(first, min(last, self._columns) + 1))
            case "mergeCell":
                self._merges.append(attributes["ref"])
            case "conditionalFormatting":
                self._sqref = attributes.get("sqref", "")
            case "cfRule":
                self._rule, self._text = attributes, ""

    def end(self, local: str) -> None:
        match local:
            case "v" if "c" in self._inside:
                self._has_value |= bool(self._text.strip())
            case "t" if "r" in self._inside and "is" in self._inside and "rPh" not in self._inside:
                self._pieces.append((self._text, self._struck))
            case "cfRule" if "dxfId" in self._rule and self._sqref:
                self._rules.append((self._sqref, self._rule, self._text))
            case "c":
                if self._is_formula and not self._has_value:
                    self._uncalculated.add((self._row, self._column))
                if self._pieces:
                    self._runs[self._row, self._column] = tuple(self._pieces)
        self._inside.discard(local)

    def characters(self, text: str) -> None:
        if self._inside & _WITH_TEXT:
            self._text += text

    def markup(self) -> Markup:
        return Markup(
            merges=tuple(self._merges),
            uncalculated=frozenset(self._uncalculated),
            hidden_rows=frozenset(self._hidden_rows),
            hidden_columns=frozenset(self._hidden_columns),
            runs=self._runs,
            rules=tuple(self._rules),
        )
