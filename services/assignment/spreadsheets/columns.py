"""Which row of a sheet is its header, and what each column means."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from services.assignment.spreadsheets.tables import FileRefusal, Table
from shared.domain.words import Title

SYNONYMS: dict[str, tuple[str, ...]] = {
    "number": ("序号", "编号", "任务编号", "任务序号", "项目编号", "序", "号", "no", "no."),
    "category": (
        "类别",
        "任务类别",
        "工作类别",
        "任务分类",
        "分类",
        "所属领域",
        "工作领域",
        "领域",
        "板块",
        "大类",
        "项目类别",
    ),
    # Of two task columns the one named earlier here is the task: the other then names its group.
    "task": (
        "具体任务",
        "具体工作任务",
        "具体工作内容",
        "具体内容",
        "工作内容",
        "任务内容",
        "主要内容",
        "主要工作内容",
        "工作任务",
        "任务",
        "任务名称",
        "工作事项",
        "任务事项",
        "督办事项",
        "交办事项",
        "事项",
        "工作举措",
        "工作措施",
        "重点工作任务",
        "重点任务",
        "重点工作",
        "主要任务",
        "主要工作任务",
        "目标任务",
        "工作要点",
        "工作项目",
        "task",
    ),
    "lead": (
        "牵头单位",
        "牵头部门",
        "主办单位",
        "主办部门",
        "牵头责任单位",
        "第一责任单位",
        "主责单位",
        "牵头",
        "主办",
        "lead",
    ),
    "lead_or_all": (
        "责任单位",
        "责任部门",
        "承办单位",
        "承办部门",
        "落实单位",
        "落实部门",
        "实施单位",
        "牵头责任部门",
    ),
    "supporters": (
        "配合单位",
        "配合部门",
        "协办单位",
        "协办部门",
        "协作单位",
        "协作部门",
        "配合责任单位",
        "责任配合单位",
        "参与单位",
        "参加单位",
        "配合",
        "协办",
        "协作",
        "supporters",
    ),
    "due": (
        "完成时限",
        "完成时间",
        "办结时限",
        "办结时间",
        "时限要求",
        "完成日期",
        "完成期限",
        "完成时间节点",
        "限定完成时间",
        "要求完成时间",
        "计划完成时间",
        "截止时间",
        "截止日期",
        "办理时限",
        "工作时限",
        "时间要求",
        "时间节点",
        "时限",
        "期限",
        "due",
    ),
    "due_text": ("时限原文",),
    "leader": (
        "分管领导",
        "牵头领导",
        "责任领导",
        "分管旗领导",
        "牵头旗领导",
        "包联领导",
        "督办领导",
        "leader",
    ),
    "post": (
        "责任岗位",
        "岗位",
        "具体责任人",
        "直接责任人",
        "责任人",
        "责任人岗位",
        "责任人员",
        "第一责任人",
        "经办人",
        "负责人",
        "post",
    ),
    "metric": ("指标", "量化指标", "考核指标", "指标名称", "metric"),
    "target": ("目标值", "指标值", "目标数", "target"),
    "metric_or_target": (
        "量化目标",
        "目标",
        "年度目标",
        "工作目标",
        "预期目标",
        "完成目标",
        "目标要求",
        "量化目标任务",
    ),
    "target_unit": ("计量单位", "指标单位", "目标单位"),
    "any_unit": ("单位",),
    "weight": ("权重", "分值", "权重分值", "考核分值", "weight"),
    "remark": ("备注", "说明", "备注说明", "remark"),
}
REQUIRED = {
    "task": "工作任务（任务、重点任务、工作内容、主要任务、目标任务）",
    "lead": "牵头单位（责任单位、主办单位、牵头部门）",
    "due": "完成时限（完成时间、办结时限、时限要求）",
}
_REQUIRED_EN = {"task": "工作任务 (task)", "lead": "牵头单位 (lead unit)", "due": "完成时限 (due date)"}

_RANKS = {name: (role, rank) for role, names in SYNONYMS.items() for rank, name in enumerate(names)}
_LONGEST_HEADING = 14
_HEADER_WITHIN_ROWS = 60
_HEADER_LEVELS = 3
# What a longer heading must contain: 旗直牵头部门, 计划完成时限, 具体工作任务及要求.
_CONTAINS = (
    ("lead_or_all", re.compile(r"(牵头|主办).*(配合|协办|协作)")),
    ("lead", re.compile(r"(牵头|主办)(责任)?(单位|部门)$")),
    ("supporters", re.compile(r"(配合|协办|协作)(责任)?(单位|部门)$")),
    ("lead_or_all", re.compile(r"(责任|承办|落实)(单位|部门)$")),
    ("due", re.compile(r"(完成|办结|截止|整改)(时限|时间|日期|期限)(要求)?$")),
    ("leader", re.compile(r"(分管|牵头|责任|包联)(旗)?(级)?领导$")),
    ("post", re.compile(r"责任(人|岗位)$")),
    ("task", re.compile(r"(工作任务|任务内容|工作内容|重点任务)$")),
)


class NoTaskHeader(FileRefusal):
    """没有找到任务清单的表头，或表头缺少这些列：{missing}。
    No task list header found, or it lacks these columns: {missing}."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Where the header is, which column holds what, and which headings mean nothing to the suite."""

    columns: dict[str, int]
    last_row: int = 0
    ignored: tuple[str, ...] = ()

    @classmethod
    def nothing(cls) -> "Header":
        """No header at all."""
        return cls(columns={})

    @property
    def missing(self) -> list[str]:
        """The columns without which there is no task."""
        return [role for role in REQUIRED if role not in self.columns]

    def refusal(self) -> NoTaskHeader:
        """What was looked for and not found."""
        return NoTaskHeader(missing=[Title(REQUIRED[name], _REQUIRED_EN[name]) for name in self.missing])


def find_header(table: Table) -> Header | None:
    """The first complete header of a sheet, else the best incomplete one, else none."""
    best: Header | None = None
    for row in range(1, min(len(table.rows), _HEADER_WITHIN_ROWS) + 1):
        texts = _own_texts(table, row)
        if len(set(texts)) < 2 or not any(map(_meaning, texts)):
            continue
        last = row
        while last < row + _HEADER_LEVELS - 1 and _continues_header(table, row, last + 1):
            last += 1
        header = _header(table, row, last)
        if not header.missing:
            return header
        if len(header.missing) < len(REQUIRED) and (best is None or len(header.columns) > len(best.columns)):
            best = header
    return best if best and len(best.columns) > 1 else None


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
    if not any(map(_meaning, texts)):
        return False
    for column in columns:
        if table.origin(row, column)[0] != row or table.at(row, column) == "":
            continue
        above = table.origin(row - 1, column)
        under_a_group = (
            table.origin(row - 1, column - 1) == above or table.origin(row - 1, column + 1) == above
        )
        if _meaning(str(table.at(row, column))) is None and not under_a_group:
            return False
    return True


def _header(table: Table, first: int, last: int) -> Header:
    found: dict[str, list[tuple[int, int]]] = {}
    headings: dict[int, str] = {}
    for column in range(1, table.width + 1):
        levels = list(
            dict.fromkeys(
                text for row in range(first, last + 1) if (text := str(table.at(row, column)).strip())
            )
        )
        levels = [text for text in levels if not text.isdigit()]
        if not levels:
            continue
        headings[column] = re.sub(r"\s+", "", "/".join(levels))
        meaning = _meaning(levels[-1]) or _meaning("".join(levels[-2:]))
        if meaning is None and len(levels) > 1 and not re.search("起|开始|启动", levels[-1]):
            meaning = _meaning(levels[-2])
            meaning = (meaning[0], meaning[1] + 100) if meaning else None
        if meaning:
            found.setdefault(meaning[0], []).append((meaning[1], column))
    columns = _assigned({role: [column for _, column in sorted(places)] for role, places in found.items()})
    used = set(columns.values())
    return Header(
        columns=columns,
        last_row=last,
        ignored=tuple(heading for column, heading in headings.items() if column not in used),
    )


def _assigned(found: dict[str, list[int]]) -> dict[str, int]:
    """One column per role; headings that can mean two things take the role that is still free."""
    columns = {role: places[0] for role, places in found.items() if role in _PLAIN_ROLES}

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


_PLAIN_ROLES = frozenset(SYNONYMS) - {"lead_or_all", "metric_or_target", "any_unit"}


def _meaning(heading: str) -> tuple[str, int] | None:
    """The role of a heading and how specific it is (0 first), or none."""
    text = re.sub(r"\s+", "", unicodedata.normalize("NFKC", heading)).lower().rstrip(":")
    without_brackets = re.sub(r"\([^)]*\)|\[[^\]]*\]|【[^】]*】", "", text)
    for form in (text, without_brackets):
        if form in _RANKS:
            return _RANKS[form]
    if len(without_brackets) <= _LONGEST_HEADING:
        for role, pattern in _CONTAINS:
            if pattern.search(without_brackets):
                return role, 50
    return None
