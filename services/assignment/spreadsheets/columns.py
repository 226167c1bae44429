"""Which row of a sheet is its header, and what each column means."""

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from openpyxl.utils import get_column_letter

from services.assignment.spreadsheets.left_out import LeftOut, address
from services.assignment.spreadsheets.markup import Place
from services.assignment.spreadsheets.tables import FileRefusal, Table
from shared.domain.text import plain
from shared.domain.words import Title

FILE = Path(__file__).with_name("headings.csv")
"""What people call the columns of their lists, one heading a line; of two headings with one meaning, the more specific
one stands first. ``match``: the whole heading, its end, a part of it, or a pattern."""

ROLES = frozenset(
    (
        "number",
        "category",
        "task",
        "lead",
        "supporters",
        "due",
        "due_text",
        "leader",
        "post",
        "metric",
        "target",
    )
) | {"target_unit", "weight", "remark"}
"""The columns of a task; each is one column of a sheet at most."""
EITHER = frozenset(("lead_or_all", "metric_or_target", "any_unit"))
"""Headings that mean one or another of them, whichever is free."""
PAST = "past"
"""Headings about what has happened already: they never compete with what is to be done."""
REQUIRED = {
    "task": "工作任务（任务、重点任务、工作内容、主要任务、目标任务）",
    "lead": "牵头单位（责任单位、主办单位、牵头部门）",
    "due": "完成时限（完成时间、办结时限、时间安排、时限要求）",
}
_REQUIRED_EN = {"task": "工作任务 (task)", "lead": "牵头单位 (lead unit)", "due": "完成时限 (due date)"}

_LONGEST_HEADING = 14
_LONGEST_REMARK = 6
_HEADER_WITHIN_ROWS = 200
_HEADER_LEVELS = 3
_LESS_SPECIFIC = 10_000


class NoTaskHeader(FileRefusal):
    """没有找到任务清单的表头，或表头缺少这些列：{missing}{seen}。
    No task list header found, or it lacks these columns: {missing}{seen}."""


class SeveralDeadlines(FileRefusal):
    """这几列都可能是完成时限：{columns}；请只留一列，或把说明进展的那一列改称“实际完成时间”。
    Each of these columns could be the due date: {columns}; keep one, or call the one about the past 实际完成时间."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Where the header is, which column holds what, and which columns mean nothing to the suite."""

    columns: dict[str, int]
    last_row: int = 0
    unused: tuple[LeftOut, ...] = ()
    deadlines: tuple[str, ...] = ()
    """The columns that could each be the due date, if there are several."""

    @classmethod
    def nothing(cls) -> "Header":
        """No header at all."""
        return cls(columns={})

    @property
    def missing(self) -> list[str]:
        """The columns without which there is no task."""
        return [role for role in REQUIRED if role not in self.columns]

    @property
    def ignored(self) -> tuple[str, ...]:
        """The headings of the columns that are not used."""
        return tuple(column.value for column in self.unused if column.value)

    def lacks(self) -> list[Title]:
        """The columns that were looked for and not found."""
        return [Title(REQUIRED[name], _REQUIRED_EN[name]) for name in self.missing]


def find_header(table: Table) -> Header | None:
    """The first complete header of a sheet, else the best incomplete one, else none."""
    best: Header | None = None
    for row in range(1, min(len(table.rows), _HEADER_WITHIN_ROWS) + 1):
        texts = _own_texts(table, row)
        if len(set(texts)) < 2 or not any(map(_meaning, texts)):
            continue
        header = header_at(table, row)
        if not header.missing:
            return header
        if len(header.missing) < len(REQUIRED) and (best is None or len(header.columns) > len(best.columns)):
            best = header
    return best if best and len(best.columns) > 1 else None


def header_at(table: Table, row: int) -> Header:
    """The header that begins in a row, over as many rows as continue it."""
    last = row
    while last < row + _HEADER_LEVELS - 1 and _continues_header(table, row, last + 1):
        last += 1
    return _header(table, row, last)


def is_repeated_header(table: Table, header: Header, row: int) -> bool:
    """Whether a row below is the header once more, as on every printed page."""
    means = [_meaning(str(table.at(row, header.columns[role]))) for role in REQUIRED]
    return sum(meaning is not None for meaning in means) >= 2


def _own_texts(table: Table, row: int) -> list[str]:
    places = {table.origin(row, column): None for column in range(1, table.width + 1)}
    return [text for place in places if place[0] == row and (text := str(table.at(*place)).strip())]


def _continues_header(table: Table, first: int, row: int) -> bool:
    if row > len(table.rows):
        return False
    texts = _own_texts(table, row)
    columns = range(1, table.width + 1)
    if not texts:
        return any(first <= table.origin(row, c)[0] < row and table.at(row, c) != "" for c in columns)
    if len(texts) > 3 and texts == [str(n) for n in range(1, len(texts) + 1)]:
        return True  # the columns numbered 1, 2, 3 below their headings
    own = [c for c in columns if table.origin(row, c)[0] == row and table.at(row, c) != ""]
    if not any(_meaning(text) or _is_past(text) for text in texts):
        # 第一阶段, 第二阶段 below one heading, beside headings that reach down to this row.
        return all(_is_below_a_merged_cell(table, row, c) for c in own) and any(
            first <= table.origin(row, c)[0] < row for c in columns
        )
    return all(
        _meaning(text := str(table.at(row, c))) is not None
        or _is_past(text)
        or _is_below_a_merged_cell(table, row, c)
        or table.at(row - 1, c) == ""
        for c in own
    )


def _is_below_a_merged_cell(table: Table, row: int, column: int) -> bool:
    """Whether what stands above reaches over more columns."""
    above = table.origin(row - 1, column)
    return table.origin(row - 1, column - 1) == above or table.origin(row - 1, column + 1) == above


@dataclass(frozen=True, kw_only=True)
class _Heading:
    """A column's heading, its levels from the top, each with its place."""

    column: int
    levels: tuple[tuple[Place, str], ...]

    @property
    def place(self) -> Place:
        """Where its lowest level stands: the same for columns under one merged cell."""
        return self.levels[-1][0]

    @property
    def name(self) -> str:
        return re.sub(r"\s+", "", "/".join(dict.fromkeys(text for _, text in self.levels)))

    def is_past(self, titles: Collection[Place]) -> bool:
        """Whether it is about what has happened; what stands over the whole table says nothing of a column."""
        texts = [text for place, text in self.levels if place not in titles]
        # 完成 above 时限 is one heading over two rows.
        together = _whole("".join(texts[-2:])) if len(texts) > 1 else None
        return together is None and any(map(_is_past, texts))

    def meaning(self) -> tuple[str, int] | None:
        """Its role and how specific it is, by its lowest level, by the lowest two together, or by the one above."""
        texts = [text for _, text in self.levels]
        if found := _meaning(texts[-1]) or _meaning("".join(texts[-2:])):
            return found
        if len(texts) > 1 and not re.search("起|开始|启动", texts[-1]) and (above := _meaning(texts[-2])):
            return above[0], above[1] + _LESS_SPECIFIC
        return None


def _header(table: Table, first: int, last: int) -> Header:
    headings = [
        heading for column in range(1, table.width + 1) if (heading := _heading(table, first, last, column))
    ]
    written = {column: _written_below(table, last, column) for column in range(1, table.width + 1)}
    tasks = {h.column for h in headings if (h.meaning() or ("",))[0] == "task"}
    titles = {place for h in headings if h.column in tasks for place, _ in h.levels if place != h.place}
    past = {h.column for h in headings if h.is_past(titles)}
    found: dict[str, list[tuple[int, int]]] = {}
    for heading in headings:
        if heading.column not in past and (meaning := heading.meaning()):
            found.setdefault(meaning[0], []).append((meaning[1], heading.column))
    by_column = {heading.column: heading for heading in headings}
    # Columns under one merged heading are one column, unless several of them are filled in.
    ranked = {
        role: [
            column
            for nth, (_, column) in enumerate(sorted(places))
            if written[column]
            or by_column[column].place not in {by_column[other].place for _, other in sorted(places)[:nth]}
        ]
        for role, places in found.items()
    }
    if len(ranked.get("due", [])) > 1:
        # A column that nobody has filled in says of no task when it is due; one of a quarter is a step on the way.
        ranked["due"] = [column for column in ranked["due"] if written[column]] or ranked["due"]
        steps = {column for column in ranked["due"] if _STEP.match(by_column[column].levels[-1][1])}
        ranked["due"] = [column for column in ranked["due"] if column not in steps] or ranked["due"]
    if "task" in ranked:
        ranked["task"] = _finest_first(table, last, ranked["task"], written)
    columns = _assigned(ranked)
    used = set(columns.values())
    places_used = {by_column[column].place for column in used}
    unused = [
        LeftOut(
            kind="column",
            sheet=table.sheet,
            place=address(*heading.place)
            if heading.place not in places_used
            else get_column_letter(heading.column),
            value=heading.name,
            reason=_ABOUT_THE_PAST if heading.column in past else _NOT_USED,
        )
        for heading in headings
        if heading.column not in used and (written[heading.column] or heading.place not in places_used)
    ]
    unnamed = [
        without_heading(table, column)
        for column, cells in written.items()
        if cells and column not in by_column
    ]
    due = ranked.get("due", [])
    return Header(
        columns=columns,
        last_row=last,
        unused=(*dict.fromkeys(unused), *unnamed),
        deadlines=tuple(
            f"{by_column[column].name} {address(by_column[column].place[0], column)}"
            for column in sorted(due)
        )
        if len(due) > 1
        else (),
    )


_STEP = re.compile(r"第?[一二三四五六1-6]([个]?季度|阶段|步)|\d{1,2}月|[上下]半年|[一二三四]季")
_NOT_USED = Title("导入用不到这一列", "nothing is imported from this column")
_ABOUT_THE_PAST = Title(
    "说的是已经发生的情况，不导入", "it is about what has happened already, and is not imported"
)
_WITHOUT_HEADING = Title("这一列没有表头，不导入", "the column has no heading, and is not imported")


def without_heading(table: Table, column: int) -> LeftOut:
    """A column in which something stands, but no heading."""
    return LeftOut(kind="column", sheet=table.sheet, place=get_column_letter(column), reason=_WITHOUT_HEADING)


def _heading(table: Table, first: int, last: int, column: int) -> _Heading | None:
    levels: dict[Place, str] = {}
    for row in range(first, last + 1):
        if place := _level(table, row, last, column):
            text = str(table.at(*place)).strip()
            if not text.isdigit() and text not in levels.values():
                levels[place] = text
    return _Heading(column=column, levels=tuple(levels.items())) if levels else None


def _level(table: Table, row: int, last: int, column: int) -> Place | None:
    """Where the heading over a column stands in a row: without merged cells, in the first column of its group."""

    def text(row: int, column: int) -> str:
        return str(table.at(row, column)).strip()

    if text(row, column):
        return table.origin(row, column)
    if row < last and text(row + 1, column):
        left = next((left for left in range(column - 1, 0, -1) if text(row, left)), None)
        if left and (
            _is_past(text(row, left)) or (table.origin(row + 1, left)[0] == row + 1 and text(row + 1, left))
        ):
            return table.origin(row, left)
    return None


def _written_below(table: Table, last: int, column: int) -> int:
    """How many cells of a column are filled in, those merged with a column before it not counted."""
    return sum(
        table.at(row, column) != "" and table.origin(row, column) == (row, column)
        for row in range(last + 1, len(table.rows) + 1)
    )


def _finest_first(table: Table, last: int, ranked: list[int], written: Mapping[int, int]) -> list[int]:
    """A task column merged over several rows names what the rows of a finer one belong to."""
    best = ranked[0]
    rows = range(last + 1, len(table.rows) + 1)
    if any(table.origin(row, best)[0] < row for row in rows):
        finer = next((column for column in ranked if written[column] > written[best]), best)
        return [finer, *(column for column in ranked if column != finer)]
    return ranked


def _assigned(found: dict[str, list[int]]) -> dict[str, int]:
    """One column per role; headings that can mean two things take the role that is still free."""
    columns = {role: places[0] for role, places in found.items() if role in ROLES and places}

    def take(places: Iterable[int], *roles: str) -> None:
        free = [role for role in roles if role not in columns]
        columns.update(zip(free, places, strict=False))

    take(found.get("lead_or_all", []), "lead", *(() if "lead" not in columns else ("supporters",)))
    if "lead" not in columns:
        take(found.get("any_unit", []), "lead")
    take(found.get("metric_or_target", []), "metric", "target")
    if ("metric" in columns or "target" in columns) and columns.get("lead") not in found.get("any_unit", []):
        take(found.get("any_unit", []), "target_unit")
    broader = [column for column in found.get("task", [])[1:] if column < columns["task"]]
    take(broader, "category")
    return columns


# --- what a heading means ----------------------------------------------------------------------------------


class _Words(NamedTuple):
    """The lines of ``headings.csv``."""

    whole: Mapping[str, tuple[str, int]]
    patterns: tuple[tuple[str, int, re.Pattern[str]], ...]
    """The lines that match a part of a heading, in their order."""
    past: re.Pattern[str]


@cache
def _words() -> _Words:
    whole: dict[str, tuple[str, int]] = {}
    patterns: list[tuple[str, int, re.Pattern[str]]] = []
    past: list[str] = []
    with FILE.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        for rank, line in enumerate(reader):
            meaning, heading = line["meaning"], line["heading"]
            is_whole = line["match"] == "whole"
            if meaning not in ROLES | EITHER | {PAST} or not heading or (is_whole and heading in whole):
                raise ValueError(f"{FILE.name}, line {reader.line_num}: incomplete, unknown, or there twice")
            if is_whole:
                whole[heading] = meaning, rank
            else:
                ways = {"part": re.escape(heading), "end": re.escape(heading) + "$", "pattern": heading}
                pattern = ways[line["match"]]
                if meaning == PAST:
                    past.append(pattern)
                else:
                    patterns.append((meaning, rank, re.compile(pattern)))
    return _Words(whole, tuple(patterns), re.compile("|".join(past)))


_BRACKETS = re.compile(r"\(([^)]*)\)|\[([^\]]*)\]|【([^】]*)】")


def _spelt(heading: str) -> tuple[str, str]:
    """A heading as it is looked up, with its remarks in brackets and without them."""
    text = plain(heading).lower().strip(":*")
    return text, _BRACKETS.sub("", text)


def _whole(heading: str) -> tuple[str, int] | None:
    """What a heading means that is listed as a whole and not about the past."""
    for form in _spelt(heading):
        if (found := _words().whole.get(form)) and found[0] != PAST:
            return found
    return None


def _is_past(heading: str) -> bool:
    """Whether a heading, or a short remark in its brackets, is about what has happened already."""
    text, without_remarks = _spelt(heading)
    remarks = [
        part for found in _BRACKETS.findall(text) for part in found if 0 < len(part) <= _LONGEST_REMARK
    ]
    words = _words()
    return any(
        words.whole[form][0] == PAST if form in words.whole else words.past.search(form)
        for form in (without_remarks, *remarks)
    )


def _meaning(heading: str) -> tuple[str, int] | None:
    """The role of a heading and how specific it is (0 first), or none; none of what is about the past."""
    found = _whole(heading)
    _, text = _spelt(heading)
    if found is None and len(text) <= _LONGEST_HEADING:
        found = next(
            (
                (meaning, rank + _LESS_SPECIFIC // 2)
                for meaning, rank, pattern in _words().patterns
                if pattern.search(text)
            ),
            None,
        )
    return None if found is None or _is_past(heading) else found
