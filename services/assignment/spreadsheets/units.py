"""The names people write for units, and the list of units itself."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from services.assignment.spreadsheets.cells import Unread, Value
from services.assignment.spreadsheets.left_out import LeftOut, address, bounded
from services.assignment.spreadsheets.tables import FileRefusal, Table, read_tables
from shared.domain.text import fault, plain
from shared.domain.text import identity as _key
from shared.domain.words import Enumerated, Title, said
from shared.events.assignment import UnitKind

BANNER_PREFIXES = ("鄂托克前旗", "鄂前旗", "旗")
"""May stand before a name or be left out: 旗发改委 and 发改委 are the same unit."""

KIND = Enumerated(UnitKind)
_KINDS_IN_CHINESE = {
    **{str(said(kind, KIND, "zh")): kind for kind in KIND.values},
    "办公室": "office",
    "督查室": "supervision",
    "督查": "supervision",
    "开发区": "zone",
    "乡镇": "town",
}

_TOWNS = ("各镇", "各镇人民政府", "各镇政府", "全旗各镇", "各乡镇", "各镇党委政府")
_TOWNS_AND_ZONE = ("各镇(开发区)", "各镇(管委会)", "各镇(上海庙经济开发区)", "各镇开发区", "开发区各镇")
_DEPARTMENTS = (
    "旗直各部门",
    "旗直各有关部门",
    "旗直各相关部门",
    "旗直部门",
    "旗直有关部门",
    "旗直相关部门",
    "旗直属各部门",
    "旗政府直属各部门",
    "旗人民政府直属各部门",
    "旗人民政府直属部门",
    "旗政府各部门",
    "各部门",
    "各有关部门",
    "各相关部门",
)
_ZONE = ("开发区", "管委会", "开发区管委会")
GROUPS: dict[str, frozenset[str]] = {
    **dict.fromkeys(_TOWNS, frozenset({"town"})),
    **dict.fromkeys(_TOWNS_AND_ZONE, frozenset({"town", "zone"})),
    **dict.fromkeys(_DEPARTMENTS, frozenset({"department"})),
    **dict.fromkeys(_ZONE, frozenset({"zone"})),
    "各地各部门": frozenset({"town", "zone", "department"}),
}
"""Names that stand for every unit of some kinds."""

_HARD_SEPARATOR = re.compile(r"[、，,；;/／|]+")
_AND = re.compile(r"以及|[和及与]")
_AND_OTHERS = re.compile(r"等(部门|单位|有关部门|相关部门|有关单位|相关单位)?$")
_WORDS_IN_A_NAME = 4
_REASONS_KEPT = 5_000
_LONGEST_LIST = 200
_MAX_ID, _MAX_NAME = 40, 60


@dataclass(frozen=True)
class UnitName:
    """A unit as the register knows it."""

    id: str
    name: str
    short_names: tuple[str, ...]
    kind: str


class UnknownUnitName(Exception):
    """A written name that stands for no unit, or for more than one; carries the reason in both languages."""

    def __init__(self, written: str, reason_zh: str, reason_en: str) -> None:
        super().__init__(reason_en)
        self.written, self.reason_zh, self.reason_en = written, reason_zh, reason_en


class UnitNames:
    """Resolves written names to unit ids."""

    def __init__(self, units: Iterable[UnitName | tuple[str, str, Iterable[str], str]]) -> None:
        self._units: dict[str, UnitName] = {}
        for given in units:
            unit = (
                given
                if isinstance(given, UnitName)
                else UnitName(given[0], given[1], tuple(given[2]), given[3])
            )
            self._units[unit.id] = unit
        self._by_full_name: dict[str, list[str]] = {}
        self._by_short_name: dict[str, list[str]] = {}
        self._by_bare_name: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        for unit in self._units.values():
            self._note(self._by_full_name, _key(unit.name), unit.id)
            written = [unit.name, *unit.short_names]
            if unit.kind == "town" and (town := re.sub(r"(人民)?政府$", "", unit.name)):
                written += [town, f"{town}政府", f"{town}人民政府"]
            for name in filter(None, map(_key, written)):
                self._note(self._by_short_name, name, unit.id)
                self._note(self._by_bare_name, _bare(name), unit.id)
                self._names.setdefault(name, unit.name)
        self._by_pair: dict[str, dict[str, None]] = {}
        for name in self._names:
            for pair in pairwise(name):
                self._by_pair.setdefault("".join(pair), {})[name] = None
        self._refused: dict[str, tuple[str, str]] = {}

    @staticmethod
    def _note(index: dict[str, list[str]], name: str, unit: str) -> None:
        if unit not in index.setdefault(name, []):
            index[name].append(unit)

    def full_name(self, unit: str) -> str:
        """The full name of a unit."""
        return self._units[unit].name

    def resolve(self, written: str) -> tuple[str, ...]:
        """The unit that a name means, or every unit of a group; raises ``UnknownUnitName``."""
        found = self._find(written)
        if found:
            return found
        if len(self._refused) > _REASONS_KEPT:
            self._refused.clear()
        if written not in self._refused:
            self._refused[written] = self._reason(written.strip(), _key(written))
        raise UnknownUnitName(written.strip(), *self._refused[written])

    def split(self, cell: str) -> list[str]:
        """The names in a cell, in order: cut at 、，；/ and line breaks, and at blanks where a name does not go on."""
        if self._find(cell):
            return [cell.strip()]
        names: list[str] = []
        for piece in _HARD_SEPARATOR.split(cell):
            words = piece.split()
            while words:
                # The longest run of words that together are one name: people break a long name over two lines.
                take = next(
                    (
                        n
                        for n in range(min(len(words), _WORDS_IN_A_NAME), 1, -1)
                        if self._find("".join(words[:n]))
                    ),
                    1,
                )
                names.extend(self._split_at_and("".join(words[:take])))
                del words[:take]
        return names

    def _split_at_and(self, name: str) -> list[str]:
        """和 is part of many names (发展和改革); it only separates where both sides are names and the whole is none."""
        if len(name) <= _LONGEST_LIST and not self._find(name):
            for match in _AND.finditer(name):
                before, after = name[: match.start()], name[match.end() :]
                if self._find(before) and (rest := self._split_at_and(after)) and all(map(self._find, rest)):
                    return [before, *rest]
        return [name]

    def _find(self, written: str) -> tuple[str, ...]:
        key = _key(written)
        single = self._single(key)
        if len(single) == 1:
            return tuple(single)
        if not single and (kinds := GROUPS.get(key)):
            return tuple(unit.id for unit in self._units.values() if unit.kind in kinds)
        return ()

    def _single(self, key: str) -> list[str]:
        return (
            self._by_full_name.get(key)
            or self._by_short_name.get(key)
            or self._by_bare_name.get(_bare(key))
            or []
        )

    def _akin(self, key: str) -> list[str]:
        """Names that share two neighbouring characters with a key: comparing with every name takes too long."""
        shared = Counter(name for pair in pairwise(key) for name in self._by_pair.get("".join(pair), ()))
        return [name for name, _ in shared.most_common(12)]

    def _reason(self, written: str, key: str) -> tuple[str, str]:
        several = self._single(key)
        if len(several) > 1:
            names = "、".join(self.full_name(unit) for unit in several)
            return (
                f"“{written}”可指多个单位：{names}；请写全称",
                f'"{written}" may mean several units: {names}; write the full name',
            )
        if key in GROUPS:
            return f"单位名册中没有属于“{written}”的单位", f'no unit in the register belongs to "{written}"'
        if (stem := _AND_OTHERS.sub("", written)) != written and (not stem or self._find(stem)):
            return (
                f"“{written}”没有说清是哪些单位，请逐一写明",
                f'"{written}" leaves units unnamed; name each one',
            )
        near = (
            difflib.get_close_matches(key, self._akin(key), n=1, cutoff=0.4) if len(key) <= _MAX_NAME else []
        )
        if near:
            meant = self._names[near[0]]
            return (
                f"单位名册中没有“{written}”，是否为“{meant}”？",
                f'the register has no unit "{written}"; did you mean "{meant}"?',
            )
        return f"单位名册中没有“{written}”", f'the register has no unit "{written}"'


def _bare(key: str) -> str:
    for prefix in BANNER_PREFIXES:
        if key.startswith(prefix) and len(key) > len(prefix) + 1:
            return key[len(prefix) :]
    return key


# --- the list of units -------------------------------------------------------------------------------------


class NoUnitHeader(FileRefusal):
    """没有找到表头；需要这些列：编号、单位名称、类型，可另有简称。
    No header found; these columns are needed: id, name, kind; short names may stand in another."""


@dataclass(frozen=True, kw_only=True)
class UnitProblem:
    """Why a row of the list of units is refused."""

    row: int
    field: str
    value: str
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, kw_only=True)
class ReadUnits:
    """What a list of units holds: rows that can be registered, and reasons for the others."""

    accepted: tuple[UnitName, ...]
    rejected: tuple[UnitProblem, ...]
    left_out: tuple[LeftOut, ...] = ()


_UNIT_COLUMNS = {
    "id": ("id", "编号", "单位编号", "标识", "代码"),
    "name": ("name", "单位名称", "名称", "全称", "单位"),
    "short_names": ("short_names", "shortnames", "short names", "简称", "别名", "简称(分号隔开)"),
    "kind": ("kind", "类型", "类别", "单位类型"),
}
_UNIT_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def read_units(data: bytes, filename: str) -> ReadUnits:
    """The units in a CSV or XLSX file with the columns id, name, short_names (separated by ``;``) and kind."""
    found: ReadUnits | None = None
    left_out: list[LeftOut] = []
    for table in read_tables(data, filename):
        header = None if found or table.hidden else _unit_header(table)
        if header is None:
            reason = _HIDDEN if table.hidden else _ONE_LIST if found else _NO_HEADER
            left_out.append(LeftOut(kind="sheet", sheet=table.sheet, reason=reason))
            continue
        row, columns = header
        left_out += [*table.left_out, *_unused(table, row, columns)]
        found = _units_below(
            {
                n: {name: table.at(n, column) for name, column in columns.items()}
                for n in range(row + 1, len(table.rows) + 1)
            }
        )
    if found is None:
        raise NoUnitHeader
    return replace(found, left_out=bounded(left_out))


_HIDDEN = Title("工作表已隐藏，没有读", "the sheet is hidden and was not read")
_NO_HEADER = Title("没有单位名册的表头，没有读", "it has no header of a list of units and was not read")
_ONE_LIST = Title("单位名册只读第一张，没有读", "only the first list of units is read")
_NOT_USED = Title("导入用不到这一列", "nothing is imported from this column")


def _unit_header(table: Table) -> tuple[int, dict[str, int]] | None:
    """The header's row, and the column of each of its names."""
    for row in range(1, min(len(table.rows), 50) + 1):
        columns: dict[str, int] = {}
        for column in range(1, table.width + 1):
            heading = plain(str(table.at(row, column))).lower()
            for name, synonyms in _UNIT_COLUMNS.items():
                if heading in synonyms:
                    columns.setdefault(name, column)
        if {"id", "name", "kind"} <= set(columns):
            return row, columns
    return None


def _unused(table: Table, row: int, columns: Mapping[str, int]) -> Iterator[LeftOut]:
    for column in range(1, table.width + 1):
        if column not in columns.values() and (heading := str(table.at(row, column)).strip()):
            yield LeftOut(
                kind="column",
                sheet=table.sheet,
                place=address(row, column),
                value=heading,
                reason=_NOT_USED,
            )


def _units_below(rows: dict[int, dict[str, Value]]) -> ReadUnits:
    accepted: list[UnitName] = []
    rejected: list[UnitProblem] = []
    ids: dict[str, int] = {}
    names: dict[str, tuple[int, str]] = {}
    for row, values in rows.items():
        cells = {name: str(value) for name, value in values.items()}
        if not any(cells.values()):
            continue
        problems: list[UnitProblem] = []

        def refuse(
            field: str, value: str, zh: str, en: str, row: int = row, into: list[UnitProblem] = problems
        ) -> None:
            into.append(UnitProblem(row=row, field=field, value=value, reason_zh=zh, reason_en=en))

        for field, value in values.items():
            if isinstance(value, Unread):
                refuse(field, value, value.refusal.text("zh"), value.refusal.text("en"))
        identifier, name = cells["id"], cells["name"]
        if not _UNIT_ID.fullmatch(identifier) or len(identifier) > _MAX_ID:
            refuse(
                "id",
                identifier,
                f"编号须为小写字母、数字和连字符，以字母开头，不超过 {_MAX_ID} 字",
                f"an id is lower-case letters, digits and hyphens, starts with a letter, at most {_MAX_ID} long",
            )
        elif identifier in ids:
            refuse(
                "id",
                identifier,
                f"编号与第 {ids[identifier]} 行重复",
                f"the id repeats row {ids[identifier]}",
            )
        if not name:
            refuse("name", name, "缺少单位名称", "the name is missing")
        kind = _KINDS_IN_CHINESE.get(cells["kind"], cells["kind"].lower())
        if kind not in KIND.values:
            refuse(
                "kind",
                cells["kind"],
                f"类型须为：{said(KIND.values, KIND, 'zh')}",
                f"the kind must be one of: {', '.join(KIND.values)}",
            )
        short_names = [s.strip() for s in re.split("[;；]", cells.get("short_names", "")) if s.strip()]
        short_names = list(dict.fromkeys(s for s in short_names if _key(s) != _key(name)))
        for field, written in [("name", name), *(("short_names", short) for short in short_names)]:
            if len(written) > _MAX_NAME:
                refuse(
                    field, written, f"名称超过 {_MAX_NAME} 字", f"a name has at most {_MAX_NAME} characters"
                )
            elif written and (reason := fault(written)):
                refuse(field, written, reason.zh, reason.en)
            elif written and _key(written) in names:
                at, whose = names[_key(written)]
                refuse(
                    field, written, f"名称与第 {at} 行“{whose}”重复", f'the name repeats row {at}, "{whose}"'
                )
        rejected.extend(problems)
        if not problems:
            accepted.append(UnitName(identifier, name, tuple(short_names), kind))
        ids.setdefault(identifier, row)
        for written in (name, *short_names):
            if written:
                names.setdefault(_key(written), (row, name))
    return ReadUnits(accepted=tuple(accepted), rejected=tuple(rejected))
