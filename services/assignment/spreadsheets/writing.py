"""Writing a task list: the columns that are read, so that importing an export changes nothing."""

import csv
import io
import re
import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter

from services.assignment.spreadsheets.tables import tidy
from services.assignment.spreadsheets.units import UnitNames

HEADINGS = {
    "number": "序号",
    "category": "类别",
    "task": "工作任务",
    "lead": "牵头单位",
    "supporters": "配合单位",
    "post": "责任岗位",
    "metric": "量化目标",
    "target": "目标值",
    "target_unit": "计量单位",
    "due": "完成时限",
    "due_text": "时限原文",
    "leader": "分管领导",
    "weight": "权重",
    "remark": "备注",
}
"""What is written, in this order. 时限原文 keeps 三季度 beside the day it meant, whatever year it is read again."""

_WIDTHS = {"number": 7, "task": 50, "supporters": 30, "metric": 26, "lead": 24, "category": 24}
_LIKE_A_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")
_NOT_IN_A_TABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that no door takes, but that old logs may hold, and that no table can."""
_NO_TIME = datetime(2000, 1, 1)
_EXACT_DIGITS = 15


class ExportableTask(Protocol):
    """What an exported task must say; ``TaskRow`` does."""

    @property
    def number(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def lead(self) -> str: ...
    @property
    def supporters(self) -> tuple[str, ...]: ...
    @property
    def post(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def target(self) -> Decimal | None: ...
    @property
    def target_unit(self) -> str: ...
    @property
    def due(self) -> date: ...
    @property
    def due_text(self) -> str: ...
    @property
    def leader(self) -> str: ...
    @property
    def weight(self) -> Decimal | None: ...
    @property
    def remark(self) -> str: ...


def write_tasks(
    rows: Iterable[ExportableTask], units: UnitNames, file_format: Literal["xlsx", "csv"]
) -> bytes:
    """The tasks as a file; the same tasks give the same bytes."""
    table = [_cells(row, units) for row in rows]
    if file_format == "csv":
        return _csv(table)
    if file_format == "xlsx":
        return _xlsx(table)
    raise ValueError(f"tasks are written as xlsx or csv, not as {file_format!r}")


def _cells(row: ExportableTask, units: UnitNames) -> list[str | date | Decimal]:
    cells: dict[str, Any] = {name: getattr(row, name) for name in HEADINGS}
    cells["lead"] = units.full_name(row.lead)
    cells["supporters"] = "、".join(map(units.full_name, row.supporters))
    return [
        tidy(_NOT_IN_A_TABLE.sub("", value)) if isinstance(value, str) else "" if value is None else value
        for value in cells.values()
    ]


def _csv(table: list[list[str | date | Decimal]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADINGS.values())
    writer.writerows([_in_csv(value) for value in row] for row in table)
    return out.getvalue().encode("utf-8-sig")  # without the mark Excel takes it for GBK


def _in_csv(value: str | date | Decimal) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    # A spreadsheet program runs what begins with these signs; the apostrophe makes it text, and is read away again.
    return f"'{value}" if _LIKE_A_FORMULA.match(value) else value


def _xlsx(table: list[list[str | date | Decimal]]) -> bytes:
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "任务清单"
    line = Side(style="thin", color="999999")
    border = Border(left=line, right=line, top=line, bottom=line)
    for column, (name, heading) in enumerate(HEADINGS.items(), 1):
        cell = sheet.cell(1, column, heading)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="DDE6F0")
        cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
        cell.border = border
        sheet.column_dimensions[get_column_letter(column)].width = _WIDTHS.get(name, 14)
    wrapped = Alignment(vertical="center", wrap_text=True)
    for number, row in enumerate(table, 2):
        for column, value in enumerate(row, 1):
            cell = sheet.cell(number, column)
            cell.alignment, cell.border = wrapped, border
            put(cell, value)
    sheet.freeze_panes = "A2"
    return saved(book)


def put(cell: Any, value: str | date | Decimal) -> None:
    """Fill a cell with a text, a day or a number; never with a formula."""
    if isinstance(value, date):
        cell.value, cell.number_format = value, "yyyy-mm-dd"
    elif isinstance(value, Decimal) and len(value.as_tuple().digits) <= _EXACT_DIGITS and abs(value) < 10**9:
        cell.value = value
    elif text := str(value) if isinstance(value, str) else format(value, "f"):
        cell.value = text
        cell.data_type = "s"  # openpyxl makes a formula of "=…" and an error of "#N/A"
        if _LIKE_A_FORMULA.match(text):
            cell.quotePrefix = True  # and so does Excel, when somebody edits the cell


def saved(book: Workbook) -> bytes:
    """The workbook's bytes without the time of saving, which openpyxl would put in."""
    book.properties.created = book.properties.modified = _NO_TIME
    book.properties.creator = "duban"
    raw = io.BytesIO()
    book.save(raw)
    out = io.BytesIO()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as settled:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "docProps/core.xml":
                content = re.sub(
                    rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + b"2000-01-01T00:00:00Z", content
                )
            fixed = zipfile.ZipInfo(entry.filename, (2000, 1, 1, 0, 0, 0))
            fixed.compress_type = zipfile.ZIP_DEFLATED
            settled.writestr(fixed, content)
    return out.getvalue()
