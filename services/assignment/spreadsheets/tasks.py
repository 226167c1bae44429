"""From a table to tasks: which row is the header, which rows are tasks, and why a row is refused."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from services.assignment.spreadsheets.cells import Unread, WithoutYear
from services.assignment.spreadsheets.columns import (
    REQUIRED,
    ROLES,
    Header,
    NoTaskHeader,
    SeveralDeadlines,
    find_header,
    header_at,
    is_repeated_header,
    without_heading,
)
from services.assignment.spreadsheets.left_out import LeftOut, bounded
from services.assignment.spreadsheets.parents import Parent, Parents
from services.assignment.spreadsheets.quantities import QuantityRefused, read_quantity
from services.assignment.spreadsheets.tables import FileRefusal, Table, read_tables
from services.assignment.spreadsheets.units import UnitNames, UnknownUnitName
from shared.calendar import check_has_an_end
from shared.domain.refusal import Refusal
from shared.domain.text import BLANK, fault, identity
from shared.domain.words import Title
from shared.domain.written import narrow

Progress = Callable[[int, int], None]
"""Told after every hundred rows: how many rows are done, and how many there are."""


class NoTasksInList(FileRefusal):
    """找到了表头，但表头之下没有任务。
    The header was found, but there is no task below it."""


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One task as its row says it; units by id."""

    row: int
    number: str
    task: str
    lead: str
    supporters: tuple[str, ...] = ()
    due: date
    due_text: str
    """The date in the row's own words, e.g. 三季度."""
    leader: str = ""
    post: str = ""
    metric: str = ""
    """What is measured, in the row's own words."""
    target: Decimal | None = None
    target_unit: str = ""
    category: str = ""
    weight: Decimal | None = None
    """As written: 5% and 5 are both 5."""
    remark: str = ""
    sheet: str = ""
    """The sheet's name, if the file has more than one task list."""


@dataclass(frozen=True, kw_only=True)
class RowProblem:
    """One reason why a row is refused; a row with several faults has several."""

    row: int
    field: str
    value: str
    reason_zh: str
    reason_en: str
    sheet: str = ""
    """The sheet's name, if the file has more than one task list."""

    def reason(self, language: str) -> str:
        """The reason in ``"zh"`` or ``"en"``, with the sheet's name where it is needed."""
        if language == "en":
            return f'sheet "{self.sheet}": {self.reason_en}' if self.sheet else self.reason_en
        return f"工作表“{self.sheet}”：{self.reason_zh}" if self.sheet else self.reason_zh


@dataclass(frozen=True, kw_only=True)
class ReadTasks:
    """What a list holds: the rows that can become tasks, and the reasons why others cannot."""

    accepted: tuple[TaskRow, ...]
    rejected: tuple[RowProblem, ...]
    ignored_columns: tuple[str, ...] = ()
    """Headings that mean nothing to the suite, so that nobody believes they were imported."""
    left_out: tuple[LeftOut, ...] = ()
    """Sheets, columns, rows and cells that were not taken, with the reasons."""

    def to_json(self, units: UnitNames, language: str = "zh") -> dict[str, list[Any]]:
        """The answer of ``duban import --dry-run --json``: units by full name."""
        return {
            "accepted": [
                {
                    "row": task.row,
                    "number": task.number,
                    "task": task.task,
                    "lead": units.full_name(task.lead),
                    "supporters": [units.full_name(unit) for unit in task.supporters],
                    "due": task.due.isoformat(),
                    "due_text": task.due_text,
                }
                for task in self.accepted
            ],
            "rejected": [
                {
                    "row": problem.row,
                    "field": problem.field,
                    "value": problem.value,
                    "reason": problem.reason(language),
                }
                for problem in self.rejected
            ],
            "ignored_columns": list(self.ignored_columns),
            "left_out": [one.to_json(language) for one in self.left_out],
        }


def read_tasks(
    data: bytes,
    filename: str,
    *,
    units: UnitNames,
    dated: date,
    read_due: Callable[[str], date],
    is_working_day: Callable[[date], bool],
    progress: Progress | None = None,
) -> ReadTasks:
    """Read the task lists of a file: every visible sheet that has a header; of the others it says why not.

    ``dated`` is the list's own date; ``read_due`` turns the words of a due date into a day, or raises a Refusal
    whose text becomes the row's reason.
    """
    tables = [(table, find_header(table)) for table in read_tables(data, filename)]
    if rivals := [
        f"{table.sheet}!{column}" if len(tables) > 1 else column
        for table, header in tables
        if header and not header.missing
        for column in header.deadlines
    ]:
        raise SeveralDeadlines(columns=rivals)
    complete = [(table, header) for table, header in tables if header and not header.missing]
    unread = [_why_not(table, header) for table, header in tables if header is None or header.missing]
    left_out = [
        *unread,
        *(one for table, header in tables for one in (*table.left_out, *(header.unused if header else ()))),
    ]
    if not complete:
        found = next((header for _, header in tables if header), Header.nothing())
        raise NoTaskHeader(missing=found.lacks(), seen=_seen(left_out))
    rules = _Rules(units=units, dated=dated, read_due=read_due, is_working_day=is_working_day)
    total = sum(len(table.rows) - header.last_row for table, header in complete)
    accepted: list[TaskRow] = []
    rejected: list[RowProblem] = []
    done = 0
    for table, header in complete:
        reader = _ListReader(table, header, rules, table.sheet if len(complete) > 1 else "")
        for row in range(header.last_row + 1, len(table.rows) + 1):
            reader.read(row)
            done += 1
            if progress and done % 100 == 0:
                progress(done, total)
        reader.number_the_unnumbered({identity(task.number) for task in accepted})
        accepted += reader.accepted
        rejected += reader.rejected
        left_out = [one for one in left_out if one not in reader.headed_below] + reader.left_out
    if progress:
        progress(total, total)
    if not accepted and not rejected:
        raise NoTasksInList
    ignored = dict.fromkeys(name for _, header in complete for name in header.ignored)
    return ReadTasks(
        accepted=tuple(accepted),
        rejected=tuple(rejected),
        ignored_columns=tuple(ignored),
        left_out=bounded(left_out),
    )


def _why_not(table: Table, header: Header | None) -> LeftOut:
    """Why a sheet is not read."""
    if table.hidden:
        reason = Title("工作表已隐藏，没有读", "the sheet is hidden and was not read")
    elif not any(map(any, table.rows)):
        reason = Title("工作表上没有看得见的内容", "there is nothing to be seen on the sheet")
    elif header is None:
        reason = Title("没有任务清单的表头，没有读", "it has no header of a task list and was not read")
    else:
        reason = _lacking(header)
    return LeftOut(kind="sheet", sheet=table.sheet, reason=reason)


def _lacking(header: Header) -> Title:
    lacks = header.lacks()
    return Title(
        f"有表格，但缺少这些列：{'、'.join(one.zh for one in lacks)}；没有读",
        f"its table lacks these columns: {', '.join(one.en for one in lacks)}; it was not read",
    )


_SEEN_AT_MOST = 20


def _seen(left_out: list[LeftOut]) -> Title:
    """What was there instead, for the refusal of a whole file."""
    others = [one for one in left_out if one.kind != "cell" and (one.sheet or one.place)]
    if not others:
        return Title("", "")
    shown = others[:_SEEN_AT_MOST]
    return Title(
        "。没有用到的：" + "；".join(one.in_a_line("zh").removeprefix("未导入 ") for one in shown),
        ". Not used: " + "; ".join(one.in_a_line("en").removeprefix("not taken: ") for one in shown),
    )


# --- rows that are no tasks --------------------------------------------------------------------------------

_TOTAL = re.compile(r"(合计|总计|小计|共计|累计)([:：（(共\d]|$)")
_FOOTNOTE = re.compile(
    r"(注|备注|附注|说明|填表说明|填报说明|填表人|填报人|填表单位|填报单位|填表日期|填报日期|制表人?|审核人?|审批人|"
    r"联系人|联系电话|联系方式|单位负责人|主要负责人签字|负责人签字|签字|打印日期)[0-9一二三四五]{0,2}([:：]|[.．、][^.]|$)"
)
_SECTION = re.compile(r"([一二三四五六七八九十]{1,3}[、.．]|第[一二三四五六七八九十]{1,3}(部分|类|篇|章))")
_SUBSECTION = re.compile(r"[（(][一二三四五六七八九十]{1,3}[）)]")
_CHINESE_NUMBER = re.compile(r"[（(]?[一二三四五六七八九十]{1,3}[）)]?[、.．]?")
_BLANK = re.compile(r"[-—–－_/\\／\s]+|无|暂无")
_DITTO = re.compile(r"\(?(-*〃-*|″|′′|[\"”]|''|’’|同上[一]?[行项条栏格]?|同前|ditto)\)?", re.IGNORECASE)
"""同上: the cell says what the one above it says."""
_BAD_VALUE = re.compile(r"#(REF!|N/A|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!)")

_MAY_REPEAT = ROLES - {"number", "due_text"}
_TASK_STRUCK = Title("工作任务已划去，整行不导入", "the task is struck out; the row was not taken")
_FIELDS_ZH = {
    "number": "序号",
    "task": "工作任务",
    "lead": "牵头单位",
    "supporters": "配合单位",
    "due": "完成时限",
    "leader": "分管领导",
    "post": "责任岗位",
    "metric": "量化目标",
    "target": "目标值",
    "target_unit": "计量单位",
    "category": "类别",
    "weight": "权重",
    "remark": "备注",
    "due_text": "时限原文",
}
_REST_DAYS_SEARCHED = 40


@dataclass(frozen=True, kw_only=True)
class _Rules:
    units: UnitNames
    dated: date
    read_due: Callable[[str], date]
    is_working_day: Callable[[date], bool]


class _RowRefused(Exception):
    def __init__(self, field: str, value: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.field, self.value, self.zh, self.en = field, value, zh, en


class _ListReader:
    """Reads one list from top to bottom: sections and footnotes colour the rows that follow them."""

    def __init__(self, table: Table, header: Header, rules: _Rules, sheet: str) -> None:
        self.table, self.header, self.rules, self.sheet = table, header, rules, sheet
        self.accepted: list[TaskRow] = []
        self.rejected: list[RowProblem] = []
        self.left_out: list[LeftOut] = []
        self.headed_below: set[LeftOut] = set()
        """Columns without a heading in the first table that have one in a table below it."""
        self._section = self._subsection = ""
        self._parents = Parents()
        self._whole_number = ""
        self._above: Mapping[str, str | date] = {}
        self._in_footnotes = self._is_unread = False
        self._header_until = 0
        self._numbers: dict[str, int] = {}
        self._order: list[int] = []
        self._unnumbered: dict[int, int] = {}

    def read(self, row: int) -> None:
        """Take a row: as a task, a section, a footnote, a total, or nothing at all."""
        texts = self._own_texts(row)
        if not texts or row <= self._header_until:
            return
        if is_repeated_header(self.table, self.header, row):
            self._turn_to(header_at(self.table, row), row)
            return
        if self._is_unread:
            return
        cells = {name: self._cell(row, name) for name in self.header.columns}
        if not cells["task"] and self.table.origin(row, self.header.columns["task"]) in self.table.struck:
            self.left_out.append(
                LeftOut(kind="row", sheet=self.table.sheet, place=f"{row}:{row}", reason=_TASK_STRUCK)
            )
            return
        first = re.sub(r"\s", "", texts[0])
        if _TOTAL.match(first) or _TOTAL.match(re.sub(r"\s", "", str(cells["task"]))):
            return
        bare = not _text(cells["lead"]) and not _text(cells["due"])
        if _FOOTNOTE.match(first) and (bare or len(texts) == sum(bool(_FOOTNOTE.match(t)) for t in texts)):
            self._in_footnotes = True
            return
        if bare and self._is_section(row, texts, cells):
            return
        if len(texts) == 1 and (self._in_footnotes or texts[0] == _text(cells.get("number", ""))):
            return
        self._in_footnotes = False
        if parent := Parent.of(cells, partial(self._cells_below, row)):
            self._parents.add(parent)
            return
        if written := _text(cells.get("number", "")):
            if self.table.origin(row, self.header.columns["number"])[0] == row:
                self._whole_number = self._parents.number(written)
            if self._whole_number != written:
                cells["number"] = self._whole_number
        self._take(row, self._parents.handed_down(self._with_dittos(cells)))

    def _turn_to(self, header: Header, row: int) -> None:
        """The header once more, as on every printed page, or that of another table with other columns."""
        if len(header.columns) <= len(REQUIRED) - 1:
            return
        self._header_until = header.last_row
        if header.deadlines:
            raise SeveralDeadlines(columns=header.deadlines)
        self._is_unread = bool(header.missing)
        if header.missing:
            reason = _lacking(header)
            self.left_out.append(
                LeftOut(kind="row", sheet=self.table.sheet, place=f"{row}:{row}", reason=reason)
            )
        elif header.columns != self.header.columns:
            self.header = header
            self.left_out += header.unused
            self.headed_below |= {without_heading(self.table, column) for column in header.columns.values()}
            self._parents.close()

    def _cells_below(self, row: int) -> dict[str, str | date]:
        """The next row that says something and is not the header once more."""
        for below in range(row + 1, len(self.table.rows) + 1):
            if self._own_texts(below) and not is_repeated_header(self.table, self.header, below):
                return {name: self._cell(below, name) for name in self.header.columns}
        return {}

    def _with_dittos(self, cells: Mapping[str, str | date]) -> dict[str, str | date]:
        """The cells with what stands above in place of 同上; without anything above they stay as they are."""
        meant = {
            name: (self._above.get(name) or value) if name in _MAY_REPEAT and _is_ditto(value) else value
            for name, value in cells.items()
        }
        self._above = meant
        return meant

    def _own_texts(self, row: int) -> list[str]:
        """What was written in this row, each merged cell once; nothing that a merged cell brings from above."""
        places = {self.table.origin(row, column): None for column in range(1, self.table.width + 1)}
        own = [self.table.at(*place) for place in places if place[0] == row]
        uncalculated = any(place in self.table.uncalculated for place in places)
        return [text for value in own if (text := _text(value))] or (["…"] if uncalculated else [])

    def _cell(self, row: int, name: str) -> str | date:
        column = self.header.columns[name]
        _, origin_column = self.table.origin(row, column)
        # A neighbour's merged cell that reaches over this column says nothing about it.
        return self.table.at(row, column) if origin_column == column else ""

    def _is_section(self, row: int, texts: list[str], cells: Mapping[str, str | date]) -> bool:
        number, task = _text(cells.get("number", "")), _text(cells["task"])
        if len(texts) == 1:
            text = texts[0]
            place = next(
                place
                for column in range(1, self.table.width + 1)
                if (place := self.table.origin(row, column))[0] == row and self.table.at(*place)
            )
            merged_over = sum(
                self.table.origin(row, column) == place for column in range(1, self.table.width + 1)
            )
            marked = _SECTION.match(text) or _SUBSECTION.match(text)
            if self._in_footnotes and not marked:
                return False
            if not marked and merged_over < 2 and (text == task or re.fullmatch(r"[\dA-Za-z.．、-]+", text)):
                return False
        elif len(texts) == 2 and task and number and _CHINESE_NUMBER.fullmatch(number):
            text = f"{number}{task}" if number[-1] in "、.．）)" else f"{number}、{task}"
        else:
            return False
        text = re.sub(r"\s*\n\s*", "", text)
        if _SUBSECTION.match(text):
            self._subsection = text
        else:
            self._section, self._subsection = text, ""
        self._parents.close()
        self._in_footnotes = False
        return True

    # --- one task ---

    def _take(self, row: int, cells: dict[str, str | date]) -> None:
        problems: list[_RowRefused] = []
        self._order.append(row)
        for name, column in self.header.columns.items():
            written = self._cell(row, name)
            if name != "number" and self.table.origin(row, column) in self.table.uncalculated:
                problems.append(
                    _RowRefused(
                        name,
                        "",
                        f"{_FIELDS_ZH[name]}是公式，文件里没有保存它的结果；请用 Excel 或 WPS 打开后重新保存",
                        f"{name} is a formula saved without its value; open the file and save it again",
                    )
                )
            elif name in REQUIRED and not cells[name] and self.table.origin(row, column) in self.table.struck:
                problems.append(
                    _RowRefused(
                        name, "", f"{_FIELDS_ZH[name]}的文字已划去", f"the text of {name} is struck out"
                    )
                )
            elif name != "due_text" and _is_ditto(cells[name]):
                problems.append(
                    _RowRefused(
                        name,
                        _text(cells[name]),
                        f"{_FIELDS_ZH[name]}写的是“同上”，但上面没有可以照用的内容",
                        f"{name} says ditto, and there is nothing above to repeat",
                    )
                )
            elif unread := [one for one in (written, cells[name]) if isinstance(one, Unread)]:
                reason = unread[0].refusal
                problems.append(_RowRefused(name, unread[0], reason.text("zh"), reason.text("en")))
            elif name == "number" and _was_changed(written):
                problems.append(
                    _RowRefused(
                        name,
                        _text(written),
                        f"序号“{_text(written)}”被表格软件改成了日期或科学计数；请把单元格设为文本后重新填写",
                        f'a spreadsheet program made a date or a power of ten of the number "{_text(written)}"; '
                        "make it a text cell and enter it again",
                    )
                )
            elif (odd := fault(str(cells[name]), lines=True)) not in (None, BLANK):
                problems.append(_RowRefused(name, _text(cells[name]), odd.zh, odd.en))
            elif _BAD_VALUE.fullmatch(_text(cells[name])):
                problems.append(
                    _RowRefused(
                        name,
                        _text(cells[name]),
                        f"{_FIELDS_ZH[name]}的公式出错",
                        f"the formula in {name} has failed",
                    )
                )
        spoilt = {problem.field for problem in problems}

        def attempt(field: str, read: Callable[[], Any]) -> Any:
            if field in spoilt:
                return None
            try:
                return read()
            except _RowRefused as problem:
                problems.append(problem)
                return None

        number = attempt("number", lambda: self._number(row, _text(cells.get("number", ""))))
        task = attempt("task", lambda: self._required("task", cells["task"]))
        lead, supporters = self._units(row, cells, problems, spoilt)
        due = attempt("due", lambda: self._due(cells["due"]))
        metric, target, target_unit = attempt("target", lambda: _target(cells)) or ("", None, "")
        weight = attempt("weight", lambda: _weight(_text(cells.get("weight", ""))))
        if problems:
            self.rejected += [
                RowProblem(
                    row=row,
                    field=problem.field,
                    value=problem.value,
                    reason_zh=problem.zh,
                    reason_en=problem.en,
                    sheet=self.sheet,
                )
                for problem in problems
            ]
            self._unnumbered.pop(row, None)
            return
        self.accepted.append(
            TaskRow(
                row=row,
                number=number,
                task=task,
                lead=lead,
                supporters=supporters,
                due=due,
                due_text=_text(cells.get("due_text", "")) or _text(cells["due"]),
                leader=_text(cells.get("leader", "")),
                post=_text(cells.get("post", "")),
                metric=metric,
                target=target,
                target_unit=target_unit,
                category=_text(cells.get("category", "")) or self._category(),
                weight=weight,
                remark=_text(cells.get("remark", "")),
                sheet=self.sheet,
            )
        )

    def _category(self) -> str:
        return " / ".join(filter(None, (self._section, self._subsection, *self._parents.category)))

    def _required(self, field: str, value: str | date) -> str:
        text = _text(value)
        if not text or _BLANK.fullmatch(text):
            raise _RowRefused(field, text, f"缺少{_FIELDS_ZH[field]}", f"{field} is missing")
        return text

    def _number(self, row: int, written: str) -> str:
        number = re.sub(r"[.．、。]+$", "", written)
        if not number:
            self._unnumbered[row] = len(self._order)
            return ""
        column = self.header.columns["number"]
        first, rows = self.table.origin(row, column), 0
        while (
            self.table.origin(first[0] + rows, column) == first
            and (first[0] + rows, column) in self.table.merged
        ):
            rows += 1
        if rows > 1 and self._tasks_within(first[0], rows, column) > 1:
            # One number merged over several tasks: each is a part of it.
            number = f"{number}-{row - first[0] + 1}"
        if (before := self._numbers.get(identity(number))) is not None:
            raise _RowRefused(
                "number",
                written,
                f"序号“{number}”与第 {before} 行重复",
                f'number "{number}" repeats row {before}',
            )
        self._numbers[identity(number)] = row
        return number

    def _tasks_within(self, first: int, rows: int, number_column: int) -> int:
        return sum(
            any(
                self.table.origin(row, column)[0] == row and self.table.at(row, column) != ""
                for column in self.header.columns.values()
                if column != number_column
            )
            for row in range(first, first + rows)
        )

    def number_the_unnumbered(self, taken_elsewhere: set[str]) -> None:
        """Give a number by row order to tasks without one; tell apart equal numbers of several sheets."""
        for index, task in enumerate(self.accepted):
            number = task.number
            if task.row in self._unnumbered:
                derived = self._unnumbered[task.row]
                if str(derived) in self._numbers:
                    used = [int(n) for n in self._numbers if re.fullmatch(r"[0-9]{1,6}", n)]
                    derived = max([derived, *used]) + 1
                number = str(derived)
                self._numbers[number] = task.row
            if identity(number) in taken_elsewhere:
                number = f"{self.table.sheet}-{number}"
            if number != task.number:
                self.accepted[index] = replace(task, number=number)

    def _units(
        self, row: int, cells: Mapping[str, str | date], problems: list[_RowRefused], spoilt: set[str]
    ) -> tuple[str, tuple[str, ...]]:
        written = _text(cells["lead"])
        supporting = _text(cells.get("supporters", ""))
        column = self.header.columns.get("supporters")
        # One cell merged over both columns is like having one column: the first unit in it leads.
        separate = column is not None and self.table.origin(row, column)[1] != self.header.columns["lead"]
        leads, others = _labelled(written)
        lead_names = self._names(leads)
        marked = [name for name in lead_names if _LEADS.search(name)]
        lead_names = [_ROLE_MARK.sub("", name) for name in lead_names]
        support_names = self._names(others)
        if not separate and not others and len(marked) != len(lead_names):
            chosen = [_ROLE_MARK.sub("", name) for name in marked] or lead_names[:1]
            support_names = [name for name in lead_names if name not in chosen]
            lead_names = chosen
        lead = ""
        try:
            lead = self._lead(written, list(dict.fromkeys(lead_names))) if "lead" not in spoilt else ""
        except _RowRefused as problem:
            problems.append(problem)
        if "supporters" in spoilt:
            return lead, ()
        support_names += [_ROLE_MARK.sub("", name) for name in self._names(supporting)]
        supporters: list[str] = []
        for name in support_names:
            try:
                supporters += self.rules.units.resolve(name)
            except UnknownUnitName as unknown:
                field = "supporters" if separate else "lead"
                problems.append(_RowRefused(field, unknown.written, unknown.reason_zh, unknown.reason_en))
        return lead, tuple(unit for unit in dict.fromkeys(supporters) if unit != lead)

    def _names(self, cell: str) -> list[str]:
        return [name for name in self.rules.units.split(cell) if name and not _BLANK.fullmatch(name)]

    def _lead(self, written: str, names: list[str]) -> str:
        found: list[str] = []
        for name in names:
            try:
                meant = self.rules.units.resolve(name)
            except UnknownUnitName as unknown:
                raise _RowRefused("lead", unknown.written, unknown.reason_zh, unknown.reason_en) from unknown
            if len(meant) > 1:
                raise _RowRefused(
                    "lead",
                    written,
                    f"“{name}”是 {len(meant)} 个单位，不能都来牵头；一项任务只能有一个牵头单位",
                    f'"{name}" is {len(meant)} units, two leads or more; a task has exactly one lead unit',
                )
            found += meant
        found = list(dict.fromkeys(found))
        if len(found) > 1:
            raise _RowRefused(
                "lead",
                written,
                f"有 {len(found)} 个牵头单位；一项任务只能有一个牵头单位，其余请写入配合单位",
                f"two leads or more ({len(found)}); a task has exactly one lead unit, the others are supporters",
            )
        if not found:
            raise _RowRefused("lead", written, "缺少牵头单位", "lead is missing")
        return found[0]

    def _due(self, value: str | date) -> date:
        text = self._required("due", value)
        try:
            due = value if isinstance(value, date) else self.rules.read_due(value)
            check_has_an_end(due, "due", text=text)
        except Refusal as refusal:
            raise _RowRefused("due", text, refusal.text("zh"), refusal.text("en")) from refusal
        if isinstance(value, WithoutYear) and value.year != self.rules.dated.year:
            raise _RowRefused(
                "due",
                text,
                f"单元格只显示“{text}”，所存的日期却在 {value.year} 年；请写明年份",
                f'the cell shows only "{text}", but its date is in {value.year}; write the year',
            )
        if due < self.rules.dated:
            raise _RowRefused(
                "due",
                text,
                f"完成时限 {due} 早于清单日期 {self.rules.dated}",
                f"the due date {due} is before the list's own date {self.rules.dated}",
            )
        if not self.rules.is_working_day(due):
            around = [
                day.isoformat() for day in (self._working_day(due, -1), self._working_day(due, 1)) if day
            ]
            raise _RowRefused(
                "due",
                text,
                f"{due} 是休息日；前后的工作日是 {'、'.join(around)}",
                f"{due} is a rest day; the working days around it are {' and '.join(around)}",
            )
        return due

    def _working_day(self, day: date, step: int) -> date | None:
        for distance in range(1, _REST_DAYS_SEARCHED):
            if not date.min.toordinal() <= day.toordinal() + step * distance <= date.max.toordinal():
                return None
            other = day + timedelta(days=step * distance)
            if self.rules.is_working_day(other):
                return other
        return None


_LABEL = re.compile(r"(牵头|主办|责任|配合|协办|协作)(单位|部门)?[:：]")
_ROLE_MARK = re.compile(r"[（(](牵头|主办|主责|配合|协办|协作)(单位|部门)?[）)]")
_LEADS = re.compile(r"[（(](牵头|主办|主责)(单位|部门)?[）)]")


def _labelled(cell: str) -> tuple[str, str]:
    """A cell that says 牵头单位：… 配合单位：… by itself, taken apart; else all of it leads."""
    labels = list(_LABEL.finditer(cell))
    if not labels or cell[: labels[0].start()].strip():
        return cell, ""
    ends = [label.start() for label in labels[1:]] + [len(cell)]
    parts = [(label[1], cell[label.end() : end]) for label, end in zip(labels, ends, strict=True)]
    leads = "、".join(text for role, text in parts if role in ("牵头", "主办", "责任"))
    return leads, "、".join(text for role, text in parts if role in ("配合", "协办", "协作"))


def _is_ditto(value: str | date) -> bool:
    return isinstance(value, str) and _DITTO.fullmatch(identity(value)) is not None


def _text(value: str | date) -> str:
    return value.isoformat() if isinstance(value, date) else value.strip()


def _was_changed(number: str | date) -> bool:
    """Whether a list number is one no more: 1-2 as a date, a long one as 1.5E+17."""
    return isinstance(number, date | WithoutYear) or bool(re.fullmatch(r"\d(\.\d+)?[Ee]\+\d+", number))


def _target(cells: Mapping[str, str | date]) -> tuple[str, Decimal | None, str]:
    """What is measured, how much of it, and in which unit; refused when there are words but nothing to measure."""
    metric, words = _text(cells.get("metric", "")), _text(cells.get("target", ""))
    unit = _text(cells.get("target_unit", ""))
    metric, words = ("" if _BLANK.fullmatch(text) else text for text in (metric, words))
    if not metric and not words:
        return "", None, unit
    try:
        found = read_quantity(words or metric, unit)
    except QuantityRefused as refusal:
        raise _RowRefused(
            "target" if words else "metric", words or metric, refusal.text("zh"), refusal.text("en")
        ) from refusal
    if words and not found.at_least:
        # More than a bare quantity was written: keep the words.
        metric = f"{metric}（{words}）" if metric and words not in metric else metric or words
    return metric or words, found.value, found.unit


def _weight(written: str) -> Decimal | None:
    if not written or _BLANK.fullmatch(written):
        return None
    number = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*[%分]?", narrow(written), re.ASCII)
    if number is None:
        raise _RowRefused(
            "weight", written, "权重须为不小于零的数", "the weight must be a number not below zero"
        )
    return Decimal(number[1])
