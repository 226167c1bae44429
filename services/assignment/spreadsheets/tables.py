"""From the bytes of a file to its tables: what is too big, damaged or dangerous is refused before it is opened."""

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, ClassVar
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from openpyxl import load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.utils import get_column_letter, range_boundaries

from services.assignment.spreadsheets.cells import Value, in_csv, shown
from services.assignment.spreadsheets.left_out import LeftOut, address
from services.assignment.spreadsheets.markup import (
    STRICT,
    Markup,
    MarkupReader,
    Place,
    Runs,
    StrictMarkup,
    TooManyElements,
)
from services.assignment.spreadsheets.rules import Rule
from shared.domain.refusal import Refusal
from shared.domain.text import BLANK, fault, trimmed
from shared.domain.words import Title

MAX_BYTES = 10 * 1024 * 1024
MAX_EXPANDED = 128 * 1024 * 1024
MAX_RATIO = 250
SMALL_ENOUGH_FOR_ANY_RATIO = 16 * 1024 * 1024
MAX_PARTS = 2_000
MAX_SHEETS = 50
MAX_CELL_ELEMENTS = 2_000_000
MAX_ROW_ELEMENTS = 200_000
MAX_TAGS = 3_000_000
MAX_TOKEN = 131_072
"""Longer than any cell of Excel; the XML parser's time grows with the square of a single tag or comment."""
MAX_MERGES = 20_000
MAX_MERGED_CELLS = 500_000
MAX_ROWS = 20_000
MAX_COLUMNS = 100
MAX_CELL_TEXT = 4_000

_LAST_ROW_OF_EXCEL = 1_048_576
_COLUMNS_LOOKED_AT = 500
"""Further out nothing but formatting is found; a value beyond MAX_COLUMNS is still noticed and refused."""


class FileRefusal(Refusal):
    """这个文件不能导入。
    This file cannot be imported."""

    status: ClassVar[int] = 422
    field: ClassVar[str | None] = "file"


class EmptyFile(FileRefusal):
    """文件是空的，没有内容可以导入。
    The file is empty; there is nothing to import."""


class FileTooLarge(FileRefusal):
    """文件有 {megabytes} MB，超过 {limit} MB 的上限；请拆分后再导入。
    The file has {megabytes} MB, more than the {limit} MB allowed; please split it."""

    status: ClassVar[int] = 413


class ExpandsTooFar(FileRefusal):
    """文件解压后过大，疑似压缩炸弹，未打开；请把任务清单复制到新工作簿，另存为 xlsx。
    The file expands too far, as a zip bomb does, and was not opened; copy the list into a new workbook."""

    status: ClassVar[int] = 413


class TooManyRows(FileRefusal):
    """表格超过 {limit} 行；请拆分后再导入。
    The table has more than {limit} rows; please split it."""

    status: ClassVar[int] = 413


class TooManyColumns(FileRefusal):
    """第 {row} 行超过 {limit} 列；请删去多余的列后再导入。
    Row {row} has more than {limit} columns; please remove the superfluous ones."""

    status: ClassVar[int] = 413


class CellTooLong(FileRefusal):
    """第 {row} 行第 {column} 列的文字超过 {limit} 字；请缩短后再导入。
    Row {row}, column {column} holds more than {limit} characters; please shorten it."""

    status: ClassVar[int] = 413


class OldExcelFile(FileRefusal):
    """这是旧版 Excel（.xls）、WPS（.et）或加了密码的文件；请去掉密码，另存为 xlsx 后再导入。
    This is an old Excel (.xls), WPS (.et) or password-protected file; remove the password and save it as xlsx."""


class MacroWorkbook(FileRefusal):
    """这个工作簿带有宏（.xlsm）；请另存为不带宏的 xlsx 后再导入。
    This workbook carries macros (.xlsm); save it as xlsx without macros."""


class StrictWorkbook(FileRefusal):
    """这个工作簿存成了“Strict Open XML 电子表格”；请另存为普通的“Excel 工作簿（xlsx）”后再导入。
    This workbook is a "Strict Open XML Spreadsheet"; save it as an ordinary xlsx ("Excel Workbook")."""


class TooManySheets(FileRefusal):
    """这个工作簿有 {count} 张工作表，超过 {limit} 张；请拆分后再导入。
    The workbook has {count} sheets, more than the {limit} allowed; please split it."""

    status: ClassVar[int] = 413


class NotASpreadsheet(FileRefusal):
    """“{filename}”不是 xlsx 或 csv 表格；请用 Excel 或 WPS 打开清单，另存为 xlsx 后再导入。
    "{filename}" is neither an xlsx nor a csv table; open the list in Excel or WPS and save it as xlsx."""


class DamagedFile(FileRefusal):
    """文件不完整或已损坏，可能没有传完；请重新保存、重新上传。
    The file is truncated or damaged, perhaps not fully uploaded; save it again and upload it again."""


class UnsafeMarkup(FileRefusal):
    """文件里有普通表格不会有的 XML 内容（实体、文档类型声明或超长标记），因此未打开；请把清单复制到新工作簿后再导入。
    The file holds XML that no table has (entities, a document type or endless tags) and was not opened; copy the list.
    """


@dataclass(frozen=True, kw_only=True)
class Table:
    """One sheet: row n of the spreadsheet is ``rows[n - 1]``; a merged cell is held by every place it covers."""

    sheet: str
    rows: tuple[tuple[Value, ...], ...]
    merged: Mapping[Place, Place] = field(default_factory=dict)
    """For each place covered by a merged cell (its own first place too): that first place."""
    uncalculated: frozenset[Place] = frozenset()
    """Formulas that were saved without their value."""
    struck: frozenset[Place] = frozenset()
    """Places whose whole text is struck out; they are blank here."""
    hidden: bool = False
    """Whether the sheet itself is; it is not read then."""
    left_out: tuple[LeftOut, ...] = ()
    """What a person does not see, or sees struck out."""

    def at(self, row: int, column: int) -> Value:
        """The value at a place; blank outside the table."""
        if not 1 <= row <= len(self.rows):
            return ""
        cells = self.rows[row - 1]
        return cells[column - 1] if 1 <= column <= len(cells) else ""

    def origin(self, row: int, column: int) -> Place:
        """Where the value at a place was written: the first place of its merged cell, or the place itself."""
        return self.merged.get((row, column), (row, column))

    @cached_property
    def width(self) -> int:
        """The number of columns."""
        return max((len(cells) for cells in self.rows), default=0)


def read_tables(data: bytes, filename: str) -> list[Table]:
    """The sheets of an XLSX workbook, hidden ones without their rows, or the one table of a CSV file.

    What the file is, is told by its content; the name only decides what is refused with which advice.
    """
    if len(data) > MAX_BYTES:
        raise FileTooLarge(megabytes=-(-len(data) // 1024**2), limit=MAX_BYTES // 1024**2)
    if not data.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise EmptyFile
    suffix = PurePath(filename).suffix.lower()
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise OldExcelFile
    if suffix in (".xlsm", ".xltm", ".xlam", ".xlsb"):
        raise MacroWorkbook
    if data.startswith(b"PK") and suffix in (".xlsx", ".csv", ""):
        return _read_workbook(data, filename)
    if suffix == ".xlsx" and data.startswith(
        (b"%PDF", b"\x89PNG", b"\xff\xd8", b"{\\rtf", b"<", b"Rar!", b"7z")
    ):
        raise NotASpreadsheet(filename=_short(filename))
    if suffix == ".xls":
        raise OldExcelFile
    if suffix not in (".csv", ".tsv", ".txt", ""):
        raise NotASpreadsheet(filename=_short(filename))
    return [_read_csv(data, filename)]


def tidy(text: str) -> str:
    """A cell's text without outer blanks, with plain line breaks; empty if nobody sees anything of it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "" if fault(text, lines=True) is BLANK else trimmed(text)


def _tidied(value: Value) -> Value:
    return tidy(value) if type(value) is str else value


def _short(filename: str) -> str:
    return PurePath(filename).name[:80]


# --- CSV ---------------------------------------------------------------------------------------------------

_ESCAPED = re.compile(r"'+[=+\-@＝＋－＠]")
"""How ``write_tasks`` marks a text that a spreadsheet program would take for a formula."""


def _read_csv(data: bytes, filename: str) -> Table:
    text = _decoded(data, filename)
    rows: list[tuple[Value, ...]] = []
    last = 0
    try:
        for number, cells in enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)), 1
        ):
            values = [tidy(cell[1:]) if _ESCAPED.match(cell) else _tidied(in_csv(cell)) for cell in cells]
            rows.append(_checked(number, values))
            if any(values):
                last = number
            if last > MAX_ROWS or number > 10 * MAX_ROWS:
                raise TooManyRows(limit=MAX_ROWS)
    except csv.Error as problem:
        if "field larger" in str(problem):
            raise CellTooLong(row=len(rows) + 1, column="?", limit=MAX_CELL_TEXT) from problem
        raise DamagedFile from problem
    return Table(sheet="", rows=tuple(rows[:last]))


def _decoded(data: bytes, filename: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # what Excel calls "Unicode text"
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as problem:
            raise DamagedFile from problem
    if data.startswith((b"%PDF", b"{\\rtf", b"<!DOCTYPE", b"<html", b"<?xml", b"PK")) or b"\0" in data:
        raise NotASpreadsheet(filename=_short(filename))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if problem.reason == "unexpected end of data" and not data[: problem.start].isascii():
            raise DamagedFile from problem
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError as problem:
        if problem.reason == "incomplete multibyte sequence":
            raise DamagedFile from problem
        raise NotASpreadsheet(filename=_short(filename)) from problem


def _delimiter(text: str) -> str:
    """The delimiter that cuts the most rows into the same number of cells."""

    def score(delimiter: str) -> int:
        records = csv.reader(io.StringIO(text[:100_000], newline=""), delimiter=delimiter)
        widths: Counter[int] = Counter()
        try:
            for _, cells in zip(range(200), records, strict=False):
                widths[len(cells)] += 1
        except csv.Error:
            return 0
        return max(((width - 1) * count for width, count in widths.items()), default=0)

    return max(",\t;，", key=score)


def _checked(row: int, values: list[Value]) -> tuple[Value, ...]:
    while values and values[-1] == "":
        values.pop()
    if len(values) > MAX_COLUMNS:
        raise TooManyColumns(row=row, limit=MAX_COLUMNS)
    for column, value in enumerate(values, 1):
        if isinstance(value, str) and len(value) > MAX_CELL_TEXT:
            raise CellTooLong(row=row, column=column, limit=MAX_CELL_TEXT)
    return tuple(values)


# --- XLSX --------------------------------------------------------------------------------------------------

_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""")
_ENDLESS = re.compile(rb"<[^<]{%d}" % MAX_TOKEN)
_PICTURE = re.compile(r"xl/media/[^/]+\.(png|jpe?g|gif|bmp|emf|wmf|tiff?|svg)", re.IGNORECASE)


def _read_workbook(data: bytes, filename: str) -> list[Table]:
    parts = _inspected(data, filename)
    try:
        # openpyxl warns of what it leaves out (drawings, validations, extensions): nothing a task list needs.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(
                io.BytesIO(data), read_only=True, data_only=True, keep_links=False, rich_text=True
            )
            try:
                if len(book.worksheets) > MAX_SHEETS:
                    raise TooManySheets(count=len(book.worksheets), limit=MAX_SHEETS)
                return [_read_sheet(sheet, parts, book) for sheet in book.worksheets]
            finally:
                book.close()
    except Refusal:
        raise
    except (ParseError, zipfile.BadZipFile, OSError, ValueError, KeyError, IndexError, TypeError) as problem:
        raise DamagedFile from problem
    except (AttributeError, AssertionError, ArithmeticError, EOFError, RecursionError) as problem:
        # openpyxl meets a part that is valid XML but no workbook with whatever exception it stumbles into.
        raise DamagedFile from problem


def _inspected(data: bytes, filename: str) -> dict[str, Markup]:
    """Every part of the package unpacked once, counting what really comes out, before openpyxl may see it."""
    try:
        package = zipfile.ZipFile(io.BytesIO(data))
        entries = package.infolist()
        names = {entry.filename for entry in entries}
        if len(entries) > MAX_PARTS:
            raise ExpandsTooFar
        if any(name.lower().endswith("vbaproject.bin") for name in names):
            raise MacroWorkbook
        if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
            raise NotASpreadsheet(filename=_short(filename))
        promised = sum(entry.file_size for entry in entries)
        if promised > MAX_EXPANDED or promised > max(SMALL_ENOUGH_FOR_ANY_RATIO, MAX_RATIO * len(data)):
            raise ExpandsTooFar
        parts: dict[str, Markup] = {}
        reader = MarkupReader(
            most_rows=MAX_ROW_ELEMENTS, most_cells=MAX_CELL_ELEMENTS, columns=_COLUMNS_LOOKED_AT
        )
        left = MAX_EXPANDED
        tags = 0
        for entry in entries:
            if entry.flag_bits & 0x1:
                raise OldExcelFile
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotASpreadsheet(filename=_short(filename))
            with package.open(entry) as stream:
                content = stream.read(left + 1)
            left -= len(content)
            if left < 0:
                raise ExpandsTooFar
            if _PICTURE.fullmatch(entry.filename):
                continue
            _refuse_unsafe(entry.filename, content)
            if entry.filename == "[Content_Types].xml" and b"macroEnabled" in content:
                raise MacroWorkbook
            tags += content.count(b"<")
            if tags > MAX_TAGS:
                raise ExpandsTooFar
            if b"sheetData" in content or STRICT.encode() in content:
                parts[entry.filename] = reader.read(content)
    except TooManyElements as problem:
        raise TooManyRows(limit=MAX_ROWS) from problem
    except StrictMarkup as problem:
        raise StrictWorkbook from problem
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        LookupError,
        OverflowError,
        NotImplementedError,
        ExpatError,
    ) as problem:
        raise DamagedFile from problem
    return parts


def _refuse_unsafe(name: str, content: bytes) -> None:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnsafeMarkup
    # In another encoding the declarations above would go unseen; every spreadsheet program writes UTF-8.
    encoding = _ENCODING.search(content[:500])
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\0")) or (
        encoding is not None and encoding[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")
    ):
        raise UnsafeMarkup
    if name.endswith((".xml", ".rels")) and b"\0" in content:
        raise DamagedFile
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and _has_endless_token(content):
        raise UnsafeMarkup


def _has_endless_token(content: bytes) -> bool:
    if _ENDLESS.search(content):
        return True
    for opening, closing in ((b"<!--", b"-->"), (b"<?", b"?>")):
        at = content.find(opening)
        while at >= 0:
            end = content.find(closing, at, at + MAX_TOKEN)
            if end < 0:
                return True
            at = content.find(opening, end)
    return False


def _read_sheet(sheet: Any, parts: Mapping[str, Markup], book: Any) -> Table:
    if sheet.sheet_state != "visible":
        return Table(sheet=sheet.title, rows=(), hidden=True)
    sheet.reset_dimensions()  # a program may have written a wrong size, and hidden rows behind it
    markup = parts.get(str(sheet._worksheet_path).lstrip("/"), Markup())
    struck_fonts = {number for number, font in enumerate(book._fonts) if font.strike}
    rows: list[tuple[Value, ...]] = []
    struck: dict[Place, tuple[str, bool]] = {}
    blank: object = None
    for number, cells in enumerate(
        sheet.iter_rows(max_row=_LAST_ROW_OF_EXCEL, max_col=_COLUMNS_LOOKED_AT), 1
    ):
        if cells is blank:
            continue
        seen: list[Value] = []
        struck_above = len(struck)
        for cell in _used(cells):
            removed = _strike_out(cell, markup.runs, struck_fonts)
            value = _tidied(shown(cell, book.epoch))
            if removed is None and cell.value is not None and cell.style_array.fontId in struck_fonts:
                removed, value = (value if isinstance(value, str) else value.isoformat()), ""
            if removed:
                struck[cell.row, cell.column] = (tidy(removed), value == "")
            seen.append(value)
        values = _checked(number, seen)
        if not values and len(struck) == struck_above:
            blank = cells  # openpyxl fills a gap, which may be a million rows, with one and the same row
            continue
        if number > MAX_ROWS:
            raise TooManyRows(limit=MAX_ROWS)
        rows.extend(() for _ in range(number - 1 - len(rows)))
        rows.append(values)
    unjudged = _strike_by_rules(rows, struck, markup, book)
    return _as_seen(sheet.title, rows, markup, struck, unjudged)


def _strike_out(cell: Any, runs: Mapping[Place, Runs], struck_fonts: set[int]) -> str | None:
    """Leave of a text in several fonts what is not struck out; gives what is, or None if the text has one font."""
    if isinstance(cell.value, CellRichText):
        pieces: Runs = tuple(
            (piece.text, bool(piece.font.strike)) if isinstance(piece, TextBlock) else (str(piece), None)
            for piece in cell.value
        )
    elif cell.value is None or not (pieces := runs.get((cell.row, cell.column), ())):
        return None
    own = cell.style_array.fontId in struck_fonts
    kept = {False: "", True: ""}
    for text, is_struck in pieces:
        kept[own if is_struck is None else is_struck] += text
    cell._value = kept[False]
    return kept[True]


def _used(cells: Any) -> Any:
    end = len(cells)
    while end and cells[end - 1].value is None:
        end -= 1
    return cells[:end]


def _as_seen(
    title: str,
    rows: list[tuple[Value, ...]],
    markup: Markup,
    struck: Mapping[Place, tuple[str, bool]],
    unjudged: tuple[str, ...],
) -> Table:
    """The sheet as a person sees it: merged cells over all their places, nothing where it is hidden."""
    if len(markup.merges) > MAX_MERGES:
        raise ExpandsTooFar
    grid: dict[int, list[Value]] = {}
    merged: dict[Place, Place] = {}
    shown: dict[Place, Place] = {}
    """First places of merged cells, and where the first of it is to be seen."""
    width = max((len(row) for row in rows), default=0)
    for left, top, right, bottom in _boxes(markup.merges):
        bottom, right = min(bottom, len(rows)), min(right, max(width, left))
        if top > len(rows) or left > MAX_COLUMNS:
            continue
        value = rows[top - 1][left - 1] if left <= len(rows[top - 1]) else ""
        first = (
            next((row for row in range(top, bottom + 1) if row not in markup.hidden_rows), top),
            next((column for column in range(left, right + 1) if column not in markup.hidden_columns), left),
        )
        shown[top, left] = first
        for row in range(top, bottom + 1):
            cells = grid.setdefault(row, list(rows[row - 1]))
            cells.extend("" for _ in range(right - len(cells)))
            cells[left - 1 : right] = [value] * (right - left + 1)
            merged.update(((row, column), first) for column in range(left, right + 1))
        if len(merged) > MAX_MERGED_CELLS:
            raise ExpandsTooFar

    def is_hidden(place: Place) -> bool:
        return place[0] in markup.hidden_rows or place[1] in markup.hidden_columns

    written = {
        (row, column): value
        for row, cells in enumerate(rows, 1)
        for column, value in enumerate(cells, 1)
        if value != "" and is_hidden(shown.get((row, column), (row, column)))
    }
    for row in markup.hidden_rows & {*range(1, len(rows) + 1)}:
        grid[row] = []
    for row in range(1, len(rows) + 1) if markup.hidden_columns else ():
        cells = grid.setdefault(row, list(rows[row - 1]))
        for column in markup.hidden_columns:
            if column <= len(cells):
                cells[column - 1] = ""
    filled = tuple(tuple(grid[n]) if n in grid else row for n, row in enumerate(rows, 1))
    seen = {place: shown.get(place, place) for place in markup.uncalculated | struck.keys()}
    return Table(
        sheet=title,
        rows=filled,
        merged=merged,
        uncalculated=frozenset(seen[place] for place in markup.uncalculated if not is_hidden(seen[place])),
        struck=frozenset(seen[place] for place, (_, whole) in struck.items() if whole),
        left_out=(
            *_hidden(title, markup, written),
            *_struck(title, {seen[p]: text for p, (text, _) in struck.items() if not is_hidden(seen[p])}),
            *(LeftOut(kind="cell", sheet=title, place=cells, reason=_UNJUDGED) for cells in unjudged),
        ),
    )


_HIDDEN_ROWS = Title("所在行已隐藏", "the row is hidden")
_HIDDEN_COLUMNS = Title("所在列已隐藏", "the column is hidden")
_STRUCK = Title("文字已划去", "the text is struck out")
_UNJUDGED = Title(
    "条件格式可能会划去其中一些文字；条件不能识别，照原文读入",
    "a conditional format may strike these out; its condition is not understood, they are read as written",
)
_LONGEST_SHOWN = 80


def _hidden(title: str, markup: Markup, written: Mapping[Place, Value]) -> Iterator[LeftOut]:
    in_rows: dict[int, list[str]] = {}
    in_columns: dict[int, list[str]] = {}
    for (row, column), value in written.items():
        if row in markup.hidden_rows:
            in_rows.setdefault(row, []).append(str(value))
        else:
            in_columns.setdefault(column, []).append(str(value))
    for first, last in _stretches(sorted(in_rows)):
        yield LeftOut(
            kind="row",
            sheet=title,
            place=f"{first}:{last}",
            value=_shown(in_rows[first]),
            reason=_HIDDEN_ROWS,
        )
    for first, last in _stretches(sorted(in_columns)):
        yield LeftOut(
            kind="column",
            sheet=title,
            place=f"{get_column_letter(first)}:{get_column_letter(last)}",
            value=_shown(in_columns[first][:1]),
            reason=_HIDDEN_COLUMNS,
        )


def _struck(title: str, struck: Mapping[Place, str]) -> Iterator[LeftOut]:
    by_row: dict[int, list[int]] = {}
    for row, column in sorted(struck):
        by_row.setdefault(row, []).append(column)
    for row, columns in by_row.items():
        for first, last in _stretches(columns):
            texts = [struck[row, column] for column in range(first, last + 1)]
            place = address(row, first) + (f":{address(row, last)}" if last > first else "")
            yield LeftOut(kind="cell", sheet=title, place=place, value=_shown(texts), reason=_STRUCK)


def _stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Consecutive numbers as their first and last."""
    first = last = None
    for number in numbers:
        if last is not None and number != last + 1:
            yield first or last, last
            first = None
        first = first or number
        last = number
    if last is not None:
        yield first or last, last


def _shown(texts: Iterable[str]) -> str:
    return re.sub(r"\s+", " ", " ".join(texts))[:_LONGEST_SHOWN]


_MOST_JUDGED = 2_000_000
"""Cells that conditional formats are judged for, each for itself."""


def _strike_by_rules(
    rows: list[tuple[Value, ...]], struck: dict[Place, tuple[str, bool]], markup: Markup, book: Any
) -> tuple[str, ...]:
    """Leave out what conditional formats strike out; gives the ranges of those whose condition is not understood."""
    if not markup.rules:
        return ()
    styles = book._differential_styles.styles
    texts = [tuple(value if isinstance(value, str) else value.isoformat() for value in row) for row in rows]
    width = max(map(len, rows), default=0)
    unjudged: list[str] = []
    left = _MOST_JUDGED

    def at(row: int, column: int) -> str:
        return (
            texts[row - 1][column - 1] if 0 < row <= len(texts) and 0 < column <= len(texts[row - 1]) else ""
        )

    for ranges, attributes, formula in markup.rules:
        rule = Rule(
            ranges=ranges,
            style=int(attributes["dxfId"]),
            kind=attributes.get("type", ""),
            operator=attributes.get("operator", ""),
            text=attributes.get("text", ""),
            formula=formula,
        )
        if not 0 <= rule.style < len(styles) or not (font := styles[rule.style].font) or not font.strike:
            continue
        applies = rule.condition()
        if applies is None:
            unjudged.append(ranges)
            continue
        for place in rule.places(len(rows), width):
            left -= 1
            if left < 0:
                raise ExpandsTooFar
            if at(*place) and applies(at, place):
                struck[place] = (at(*place), True)
    for row, column in struck:
        if column <= len(rows[row - 1]) and struck[row, column][1]:
            cells = list(rows[row - 1])
            cells[column - 1] = ""
            rows[row - 1] = tuple(cells)
    return tuple(dict.fromkeys(unjudged))


def _boxes(merges: tuple[str, ...]) -> Iterator[tuple[int, int, int, int]]:
    work = 0
    for reference in merges:
        left, top, right, bottom = range_boundaries(reference)
        if None in (left, top, right, bottom):
            continue  # whole rows or columns: no program merges those
        work += (min(right, MAX_COLUMNS) - left + 1) * (min(bottom, MAX_ROWS) - top + 1)  # type: ignore[operator,type-var]
        if work > 4 * MAX_MERGED_CELLS:
            raise ExpandsTooFar
        yield left, top, right, bottom  # type: ignore[misc]
