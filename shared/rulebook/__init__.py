"""The rulebook: every clock of the fifteen measures as data, versioned and validated (domain.md §3,
measures B1).

A case pins the version it started under, so the very text of a rulebook is kept and can be parsed again. A
file that does not say everything, or says it wrongly, is refused with its name, line and reason; nothing is
guessed.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args, overload

from shared.domain.refusal import Refusal
from shared.domain.words import Title
from shared.events.base import VOCABULARY, Fact
from shared.events.matter import MatterFact
from shared.events.supervision import CreditKind

Unit: TypeAlias = Literal[
    "working_day",
    "minute",
    "half_month",
    "month",
    "quarter",
    "year",
    "own_date",
    "month_first_working_day",
]
"""How a clock runs. ``working_day``: the length in working days. ``minute``: 24×7. ``half_month``: the end
of the start's half month (1–15, 16–end), rolled forward to a working day. ``month``, ``quarter``, ``year``:
the last day of the period. ``own_date``: a date set with the case, or else the length in working days.
``month_first_working_day``: the first working day of the start's month."""

Level: TypeAlias = Literal["started", "approaching", "missed", "round1", "round2"]
"""The steps of an escalation ladder, from the start of the clock to the second supervision."""

PAUSABLE_UNITS = ("working_day", "own_date")
"""Units of which a pause means something: the others end with a period of the year or run day and night."""

PERIOD_UNITS = ("half_month", "month", "quarter", "year", "month_first_working_day")
"""Units whose due date is a period's, so that their length is 1."""

RECIPIENTS = (
    "officer",
    "unit_head",
    "vice_leader",
    "main_leader",
    "government_office",
    "supervision_office",
    "enterprise",
)
"""Whom a ladder may tell."""

ANSWERABLE = (
    "lead_unit",
    "unit",
    "government_office",
    "supervision_office",
    "leader_in_charge",
    "main_leader",
    "enterprise",
    "party_group",
    "person",
)
"""Who may answer for a clock."""

COLUMNS = (
    "id",
    "measure",
    "name_zh",
    "name_en",
    "subject",
    "starts_at",
    "stops_at",
    "length",
    "unit",
    "pausable",
    "cap",
    "max_extensions",
    "warnings",
    "answers_for",
    "ladder",
)
"""The columns that every version has, in any order but ``id`` first."""

LATER_COLUMNS = (
    "closes_at",
    "owed_by",
    "owed_from",
    "required",
    "prorated",
    "credit",
    "fair_share",
    "rest_day",
    "longest_extension",
)
"""Columns that version 1 or 2 did not have; a text without one of them takes what held before it."""

CLOSED_AT = {
    "arrange": "ArrangementReported",
    "decompose": "DirectiveDecomposed",
    "feedback": "FeedbackGiven",
    "task_due": "TaskClosed;TaskCancelled;TaskSuperseded",
    "hard_limit": "WhistleWithdrawn;WhistleClosed",
}
"""Where cases closed before there was a column ``closes_at``."""

ROUND_ANSWER = "round_answer"
"""The clock of a round's answer; its cycle is the round's number."""
OBJECTION_WINDOW = "objection_window"
"""The clock of a unit's time to object, to a verdict and to a naming."""

LATE_ENTRY = "late_entry"
"""The clock within which what was entered late is to be confirmed."""

RUN_BY_CODE = {
    ROUND_ANSWER: "its case, with the round",
    OBJECTION_WINDOW: "the naming",
    "remind_main_leader": "the notifier",
    "acknowledgement_expires": "the notifier",
    "rating_window": "the whistle",
    LATE_ENTRY: "its case, with what was entered late",
    "round_judgement": "its case, with the round",
    "objection_ruling": "its case, with the round",
}
"""The clocks whose length alone the rulebook gives, and who runs them: nothing starts or stops them by their row."""

MANDATORY = (
    ROUND_ANSWER,
    OBJECTION_WINDOW,
    "remind_main_leader",
    "acknowledgement_expires",
    "rating_window",
    "arrange",
    "decompose",
    "feedback",
    "task_due",
    "acknowledge",
    "contact",
    "resolve_or_confirm",
    "hard_limit",
)
"""The clocks that code asks for by name: without one of them the suite cannot run."""

DUTY_STARTS_AT, DUTY_STOPS_AT = ("DutyArose",), ("DutyCredited", "DutyAdjusted")
DUTY_CLOSES_AT = (*DUTY_STOPS_AT, "DutyExcused")
"""What is owed for a period starts with the period itself, and stops once there are enough credits."""

SELECTORS = ("all_units", "departments", "towns_and_zone", "government_office", "leaders", "unit_heads")
"""Who of the roster may owe a duty: units by their kind, posts by their role."""

LARGEST_FILE = 128 * 1024
"""Bytes of a rulebook's file: its text stands whole in an event."""
HARD_LIMIT_WORKING_DAYS = 30
"""Measure 13: 难度较大的事项最多不超过30个工作日. No rulebook may allow more."""

CONTACT_WORKING_DAYS = 1
"""Measure 13: 1个工作日内与诉求企业取得联系. No rulebook may allow more."""


class BadRulebook(Refusal):
    """规则手册 {source} 第{line}行有误：{reason_zh}
    Rulebook {source}, line {line}: {reason}
    """

    status = 422
    field = "rulebook"

    def __init__(self, source: str, line: int, reason: str, reason_zh: str | None = None) -> None:
        self.source = source
        self.line = line
        self.reason = reason
        super().__init__(source=source, line=line, reason=reason, reason_zh=reason_zh or reason)


class UnknownRule(Refusal):
    """规则手册第{version}版中没有“{rule}”，只有：{known}
    Rulebook version {version} has no rule "{rule}"; it has: {known}
    """

    status = 422
    field = "rule"


@dataclass(frozen=True)
class WarningPoint:
    """When the yellow notice of an approaching due date goes out.

    Either ``percent`` of the clock's working days have passed, or ``working_days`` are left before the due
    day.
    """

    percent: int | None = None
    working_days: int | None = None

    def __str__(self) -> str:
        return f"{self.percent}%" if self.percent is not None else f"{self.working_days}wd"


@dataclass(frozen=True)
class Rule:
    """One clock of the rulebook.

    ``length``, ``cap`` and warnings in ``wd`` are working days (minutes for unit ``minute``, 1 for a
    period). ``cap`` bounds the whole length from the start, extensions included. ``max_extensions`` bounds
    how often a due date may be put off, ``None`` if the rulebook does not. ``ladder`` gives for each level
    who is told.

    ``starts_at``, ``stops_at`` and ``closes_at`` name facts: the clock starts at the first, stops at the second, and
    its case closes at the third. Empty: no fact of this release does. A rule with ``owed_by`` is owed by those of the
    roster, anew for each period that begins on or after ``owed_from``: ``required`` credits of the kind ``credit``.
    """

    id: str
    measure: int
    name_zh: str
    name_en: str
    subject: str
    starts_at: tuple[str, ...]
    stops_at: tuple[str, ...]
    length: int | None
    unit: Unit
    pausable: bool
    cap: int | None
    max_extensions: int | None
    warnings: tuple[WarningPoint, ...]
    answers_for: str
    ladder: Mapping[str, tuple[str, ...]]
    closes_at: tuple[str, ...] = ()
    owed_by: tuple[str, ...] = ()
    owed_from: date | None = None
    required: int = 1
    prorated: bool = False
    credit: str | None = None
    fair_share: int = 50
    """Per cent of the clock's working days that must be left to whoever takes the matter over and answers for it."""
    moves_off_rest_days: bool = False
    """Whether an own date that becomes a rest day moves to the next working day."""
    longest_extension: int | None = None
    """How many working days one extension may add; None: not bounded."""

    def __hash__(self) -> int:
        # The ladder is a mapping and has no hash; within one rulebook the id alone tells rules apart.
        return hash((self.id, self.length, self.unit))

    def name(self, language: str) -> str:
        """What the clock is called on screen, ``"zh"`` or ``"en"``."""
        return self.name_zh if language == "zh" else self.name_en


@dataclass(frozen=True)
class Rulebook:
    """One version of the rules. ``text`` is the very file, to be kept in an event and parsed again years later."""

    version: int
    effective: date
    text: str
    rules: tuple[Rule, ...]
    second_verifier: bool = False
    """Whether a round that is judged slow takes effect only once a second person has verified it."""

    def rule(self, rule_id: str) -> Rule:
        """The rule of that id. Raises ``UnknownRule``, which lists the ids there are."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        known = [Title(f"{rule.name_zh}（{rule.id}）", f"{rule.name_en} ({rule.id})") for rule in self.rules]
        raise UnknownRule(rule=rule_id, version=self.version, known=known)

    def started_by(self, fact: Fact, only: str | None = None) -> tuple[Rule, ...]:
        """The rules whose clocks start at the fact by their row; of them ``only`` one, if that is named."""
        name = type(fact).__name__
        return tuple(
            rule
            for rule in self.rules
            if name in rule.starts_at and only in (None, rule.id) and rule.id not in RUN_BY_CODE
        )

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def __contains__(self, rule_id: object) -> bool:
        return any(rule.id == rule_id for rule in self.rules)


def load_rulebook(path: Path | None = None) -> Rulebook:
    """The rulebook in the file at ``path``, or the one shipped with the suite.

    What it names must be there in this release: facts, selectors, kinds of credit. Raises ``BadRulebook`` if the file
    does not hold a rulebook, ``OSError`` if it cannot be read.
    """
    if path is None:
        shipped = files("shared.rulebook").joinpath("rulebook.csv").read_text(encoding="utf-8")
        return parse_rulebook(shipped, "rulebook.csv", of_this_release=True)
    if path.stat().st_size > LARGEST_FILE:
        raise BadRulebook(str(path), 1, f"larger than {LARGEST_FILE} bytes", f"文件超过 {LARGEST_FILE} 字节")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise BadRulebook(str(path), line, "not UTF-8", "不是 UTF-8 编码") from error
    return parse_rulebook(text, str(path), of_this_release=True)


def parse_rulebook(text: str, source: str, *, of_this_release: bool = False) -> Rulebook:
    """The rulebook that ``text`` holds; ``source`` is what a refusal calls the file.

    Lines that start with ``#`` are comments, of which ``# version: 1``, ``# effective: 2021-01-01`` and
    ``# second_verifier: yes`` are read. A stored text may name what only another release knows; with
    ``of_this_release`` that is refused.
    Raises ``BadRulebook`` with source, line and reason at the first line that cannot be relied on.
    """
    # Spreadsheet programs put a byte order mark before the first line.
    lines = [line.rstrip("\r") for line in text.removeprefix("\ufeff").rstrip("\r\n").split("\n")]
    last = len(lines)
    _, version = _header(lines, "version", r"[1-9][0-9]{0,8}", source)
    effective_line, effective_text = _header(lines, "effective", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", source)
    try:
        effective = date.fromisoformat(effective_text)
    except ValueError as error:
        raise BadRulebook(
            source,
            effective_line,
            f"there is no day {effective_text}",
            f"没有{effective_text}这一天",
        ) from error

    columns: tuple[str, ...] | None = None
    rules: dict[str, tuple[int, Rule]] = {}
    for number, line in enumerate(lines, start=1):
        if _is_comment(line) or not line.strip():
            continue
        row = _Row(source, number)
        cells = row.cells(line)
        if columns is None:
            columns = row.columns(cells)
            continue
        if len(cells) != len(columns):
            raise row.bad(
                f"{len(cells)} cells where {len(columns)} are expected",
                f"有{len(cells)}格，应为{len(columns)}格",
            )
        rule = row.rule(dict(zip(columns, cells, strict=True)))
        if of_this_release:
            row.must_be_known(rule)
        if rule.id in rules:
            raise row.bad(
                f"id {rule.id!r} stands on line {rules[rule.id][0]} already",
                f"编号“{rule.id}”已在第{rules[rule.id][0]}行出现",
            )
        rules[rule.id] = (number, rule)
    if columns is None:
        raise BadRulebook(source, last, "no line of column names", "缺少列名行")
    missing = [rule_id for rule_id in MANDATORY if rule_id not in rules]
    if missing:
        names = ", ".join(missing)
        raise BadRulebook(source, last, f"mandatory clock missing: {names}", f"缺少必备时限：{names}")
    switch = _header(lines, "second_verifier", r"yes|no", source, needed=of_this_release)
    return Rulebook(
        int(version),
        effective,
        text,
        tuple(rule for _, rule in rules.values()),
        second_verifier=switch is not None and switch[1] == "yes",
    )


def _is_comment(line: str) -> bool:
    # A spreadsheet program that saves the file again puts a comment with a comma in quotation marks.
    return line.removeprefix('"').startswith("#")


@overload
def _header(lines: list[str], key: str, value: str, source: str) -> tuple[int, str]: ...
@overload
def _header(
    lines: list[str], key: str, value: str, source: str, *, needed: bool
) -> tuple[int, str] | None: ...
def _header(
    lines: list[str], key: str, value: str, source: str, *, needed: bool = True
) -> tuple[int, str] | None:
    found: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        match = re.match(rf'"?#\s*{key}:\s*(.*?)[\s,"]*$', line)
        if match is None:
            continue
        if found is not None:
            raise BadRulebook(
                source,
                number,
                f"'# {key}:' stands on line {found[0]} already",
                f"“# {key}:”已在第{found[0]}行出现",
            )
        if re.fullmatch(value, match[1]) is None:
            raise BadRulebook(
                source, number, f"{key} {match[1]!r} cannot be read", f"{key} 的值“{match[1]}”无法识别"
            )
        found = (number, match[1])
    if found is None and needed:
        raise BadRulebook(source, 1, f"no line '# {key}:'", f"缺少“# {key}:”一行")
    return found


def published(name: str) -> type[Fact] | None:
    """The event of that name."""
    return next((fact for fact in VOCABULARY.values() if fact.__name__ == name), None)


@dataclass(frozen=True)
class _Row:
    """One line of the file: reads its cells, and names file and line in every refusal."""

    source: str
    number: int

    def bad(self, reason: str, reason_zh: str) -> BadRulebook:
        return BadRulebook(self.source, self.number, reason, reason_zh)

    def cells(self, line: str) -> list[str]:
        # One line at a time, so that an unclosed quotation mark is found on its own line, not at the end of
        # the file.
        try:
            return [cell.strip() for cell in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            raise self.bad(f"not a CSV line: {error}", f"不是 CSV 行：{error}") from error

    def columns(self, cells: list[str]) -> tuple[str, ...]:
        unknown = [name for name in cells if name not in COLUMNS + LATER_COLUMNS]
        if unknown:
            raise self.bad(f"unknown column {unknown[0]!r}", f"未知的列“{unknown[0]}”")
        twice = [name for name in cells if cells.count(name) > 1]
        if twice:
            raise self.bad(f"column {twice[0]!r} twice", f"列“{twice[0]}”重复")
        missing = [name for name in COLUMNS if name not in cells]
        if missing:
            raise self.bad(f"column {missing[0]!r} missing", f"缺少列“{missing[0]}”")
        if cells[0] != "id":
            raise self.bad("the first column must be 'id'", "第一列必须是“id”")
        return tuple(cells)

    def rule(self, cell: dict[str, str]) -> Rule:
        for name in ("id", "measure", "name_zh", "name_en", "subject", "unit"):
            if not cell[name]:
                raise self.bad(f"{name} is empty", f"{name} 为空")
        if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", cell["id"]) is None:
            raise self.bad(f"id {cell['id']!r} is not snake_case", f"编号“{cell['id']}”须为小写下划线形式")
        measure = self.count(cell, "measure", least=1)
        if measure is None or measure > 15:
            raise self.bad(f"there is no measure {cell['measure']}", f"没有第{cell['measure']}条措施")
        unit = cell["unit"]
        if unit not in get_args(Unit):
            raise self.bad(
                f"bad unit {unit!r}, one of: {', '.join(get_args(Unit))}",
                f"单位“{unit}”无效，应为：{'、'.join(get_args(Unit))}",
            )
        for name, answer in (("pausable", cell["pausable"]), ("prorated", cell.get("prorated") or "no")):
            if answer not in ("yes", "no"):
                raise self.bad(f"{name} is {answer!r}, not yes or no", f"{name} 为“{answer}”，应为 yes 或 no")
        if cell["answers_for"] not in ANSWERABLE:
            raise self.bad(
                f"answers_for is {cell['answers_for']!r}, not one of: {', '.join(ANSWERABLE)}",
                f"answers_for 为“{cell['answers_for']}”，应为：{'、'.join(ANSWERABLE)}",
            )
        rule = Rule(
            id=cell["id"],
            measure=measure,
            name_zh=cell["name_zh"],
            name_en=cell["name_en"],
            subject=cell["subject"],
            starts_at=self.names(cell, "starts_at"),
            stops_at=self.names(cell, "stops_at"),
            closes_at=self.names({"closes_at": CLOSED_AT.get(cell["id"], ""), **cell}, "closes_at"),
            length=self.count(cell, "length", least=1),
            unit=cast(Unit, unit),
            pausable=cell["pausable"] == "yes",
            cap=self.count(cell, "cap", least=1),
            max_extensions=self.count(cell, "max_extensions", least=0),
            warnings=self.warnings(cell["warnings"]),
            answers_for=cell["answers_for"],
            ladder=self.ladder(cell["ladder"]),
            owed_by=self.names(cell, "owed_by"),
            owed_from=self.day(cell, "owed_from"),
            required=self.count(cell, "required", least=1) or 1,
            prorated=cell.get("prorated") == "yes",
            credit=cell.get("credit") or None,
            fair_share=self.per_cent(cell, "fair_share", default=50),
            moves_off_rest_days=self.one_of(cell, "rest_day", ("next",)) is not None,
            longest_extension=self.count(cell, "longest_extension", least=1),
        )
        self.hold_together(rule)
        return self.as_duty(rule) if rule.owed_by else rule

    def hold_together(self, rule: Rule) -> None:
        """What the cells of one line must not say at once, and what measure 13 fixes for good."""
        if rule.length is None and rule.unit != "own_date":
            raise self.bad(f"length is empty for unit {rule.unit}", f"单位 {rule.unit} 须写 length")
        if rule.unit in PERIOD_UNITS and rule.length != 1:
            raise self.bad(
                f"length is {rule.length} for unit {rule.unit}, which has 1",
                f"单位 {rule.unit} 的 length 应为 1，不是{rule.length}",
            )
        if rule.id == "contact" and rule.pausable:
            raise self.bad("the contact clock is never pausable", "联系企业的时限不得暂停")
        if rule.pausable and rule.unit not in PAUSABLE_UNITS:
            raise self.bad(f"unit {rule.unit} cannot be pausable", f"单位 {rule.unit} 的时限不能暂停")
        if rule.unit == "minute" and rule.warnings:
            raise self.bad("a clock in minutes has no warnings", "以分钟计的时限不设预警点")
        if (rule.moves_off_rest_days or rule.longest_extension) and rule.unit != "own_date":
            raise self.bad(
                f"rest_day and longest_extension need unit own_date, not {rule.unit}",
                f"rest_day 和 longest_extension 只用于单位 own_date，不能用于 {rule.unit}",
            )
        if rule.cap is not None and rule.unit != "working_day":
            raise self.bad(
                f"a cap needs unit working_day, not {rule.unit}",
                f"单位 {rule.unit} 不能设上限，只有工作日可以",
            )
        if rule.cap is not None and rule.length is not None and rule.length > rule.cap:
            raise self.bad(
                f"length {rule.length} is beyond the cap {rule.cap}", f"时长{rule.length}超过上限{rule.cap}"
            )
        limit = {"contact": CONTACT_WORKING_DAYS, "hard_limit": HARD_LIMIT_WORKING_DAYS}.get(rule.id)
        if limit is None:
            return
        if rule.unit != "working_day":
            raise self.bad(f"{rule.id} counts working days", f"{rule.id} 必须以工作日计")
        if rule.id == "hard_limit" and rule.cap is None:
            raise self.bad(f"hard_limit needs a cap of at most {limit}", f"hard_limit 须设上限，至多{limit}")
        longest = rule.cap or rule.length or 0
        if longest > limit:
            raise self.bad(
                f"{rule.id} is at most {limit} working days (measure 13), not {longest}",
                f"{rule.id} 至多{limit}个工作日（第13条措施），不能是{longest}",
            )

    def as_duty(self, rule: Rule) -> Rule:
        """A rule that is owed for each period: it starts, stops and closes with its duty."""
        if rule.unit not in PERIOD_UNITS:
            raise self.bad(
                f"owed_by needs a period, not unit {rule.unit}", f"owed_by 须以时段计，不能用单位 {rule.unit}"
            )
        if rule.starts_at or rule.stops_at or rule.closes_at:
            raise self.bad(
                "what is owed for a period starts with it and stops with its credits: name no facts",
                "按时段应办的，随时段开始、随完成停止，不得另写事实",
            )
        if rule.credit is None:
            raise self.bad("owed_by needs the kind of credit", "owed_by 须写明 credit")
        if rule.prorated:
            raise self.bad("prorating is not part of this release", "本版本尚不支持按比例折算")
        return replace(rule, starts_at=DUTY_STARTS_AT, stops_at=DUTY_STOPS_AT, closes_at=DUTY_CLOSES_AT)

    def must_be_known(self, rule: Rule) -> None:
        """What the line names is there in this release, and fits together."""
        found = {
            name: self.fact(name, column, run_by_code=rule.id in RUN_BY_CODE)
            for column in ("starts_at", "stops_at", "closes_at")
            for name in getattr(rule, column)
        }
        kinds = sorted({fact.MATTER for fact in found.values() if issubclass(fact, MatterFact)})
        if len(kinds) > 1 and rule.id not in RUN_BY_CODE:
            raise self.bad(
                f"its facts are about different matters: {', '.join(kinds)}",
                f"所列事实不属于同一类事项：{'、'.join(kinds)}",
            )
        for column, named, known in (
            ("owed_by", rule.owed_by, SELECTORS),
            ("credit", (rule.credit,) if rule.credit else (), get_args(CreditKind)),
        ):
            for name in named:
                if name not in known:
                    raise self.bad(
                        f"{column} is {name!r}, not one of: {', '.join(known)}",
                        f"{column} 为“{name}”，应为：{'、'.join(known)}",
                    )

    def fact(self, name: str, column: str, *, run_by_code: bool) -> type[Fact]:
        """The fact of that name, which tells its matter unless code runs the clock."""
        found = published(name)
        if found is None:
            raise self.bad(f"{column}: there is no fact {name!r}", f"{column}：没有名为“{name}”的事实")
        if not run_by_code and not issubclass(found, MatterFact):
            raise self.bad(
                f"{column}: {name} does not say which matter it belongs to",
                f"{column}：{name} 没有说明其所属的事项",
            )
        return found

    def day(self, cell: dict[str, str], name: str) -> date | None:
        text = cell.get(name)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError as error:
            raise self.bad(f"{name} {text!r} is no day", f"{name} 的“{text}”不是日期") from error

    def count(self, cell: dict[str, str], name: str, *, least: int) -> int | None:
        text = cell.get(name)
        if not text:
            return None
        if re.fullmatch(r"-?[0-9]{1,6}", text) is None:
            raise self.bad(f"{name} {text!r} is not a whole number", f"{name} 的“{text}”不是整数")
        if int(text) < least:
            raise self.bad(
                f"{name} is {text}, at least {least} is needed", f"{name} 为{text}，至少应为{least}"
            )
        return int(text)

    def per_cent(self, cell: dict[str, str], name: str, *, default: int) -> int:
        text = cell.get(name)
        if not text:
            return default
        found = re.fullmatch(r"([0-9]{1,3})%", text)
        if found is None or int(found[1]) > 100:
            raise self.bad(
                f"{name} {text!r} is not a share from 0% to 100%", f"{name} 的“{text}”应为 0% 至 100%"
            )
        return int(found[1])

    def one_of(self, cell: dict[str, str], name: str, words: tuple[str, ...]) -> str | None:
        text = cell.get(name)
        if text and text not in words:
            raise self.bad(
                f"{name} is {text!r}, not empty or one of: {', '.join(words)}",
                f"{name} 为“{text}”，应为空或：{'、'.join(words)}",
            )
        return text or None

    def names(self, cell: dict[str, str], column: str) -> tuple[str, ...]:
        text = cell.get(column)
        names = tuple(name.strip() for name in text.split(";")) if text else ()
        if not all(names):
            raise self.bad(f"{column} {text!r} holds an empty name", f"{column}“{text}”中有空名")
        return names

    def warnings(self, text: str) -> tuple[WarningPoint, ...]:
        points: list[WarningPoint] = []
        for word in text.split(";") if text else ():
            match = re.fullmatch(r"([0-9]{1,3})(%|wd)", word.strip())
            if match is None or (match[2] == "%" and not 0 < int(match[1]) < 100):
                raise self.bad(
                    f"warning {word.strip()!r} is neither like 50% nor like 2wd",
                    f"预警点“{word.strip()}”应形如 50% 或 2wd",
                )
            number = int(match[1])
            point = WarningPoint(percent=number) if match[2] == "%" else WarningPoint(working_days=number)
            if point in points:
                raise self.bad(f"warning {point} twice", f"预警点 {point} 重复")
            points.append(point)
        return tuple(points)

    def ladder(self, text: str) -> Mapping[str, tuple[str, ...]]:
        rungs: dict[str, tuple[str, ...]] = {}
        for rung in text.split():
            level, colon, told = rung.partition(":")
            if not colon or level not in get_args(Level):
                raise self.bad(
                    f"ladder rung {rung!r} does not begin with one of: {', '.join(get_args(Level))}",
                    f"升级阶梯“{rung}”须以下列之一开头：{'、'.join(get_args(Level))}",
                )
            if level in rungs:
                raise self.bad(f"ladder level {level!r} twice", f"升级阶梯 {level} 重复")
            recipients = tuple(told.split(","))
            for recipient in recipients:
                if recipient not in RECIPIENTS:
                    raise self.bad(
                        f"ladder tells {recipient!r}, not one of: {', '.join(RECIPIENTS)}",
                        f"升级阶梯中的“{recipient}”应为：{'、'.join(RECIPIENTS)}",
                    )
            rungs[level] = recipients
        return rungs
