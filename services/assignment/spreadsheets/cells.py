"""What a person sees in one cell: its value in its number format, or why that cannot be said."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, ClassVar

from openpyxl.utils.datetime import from_excel

from shared.domain.refusal import Refusal

Value = str | date
"""What a cell holds: its text as the person sees it, ``""`` when blank, or a day when it is a real date."""

EXACT_DIGITS = 15
"""A spreadsheet program keeps no more digits of a number."""


class CellRefusal(Refusal):
    """这个单元格无法读取
    This cell cannot be read"""

    status: ClassVar[int] = 422
    field: ClassVar[str | None] = "file"


class FormatNotUnderstood(CellRefusal):
    """不能确定数字格式“{format}”把 {value} 显示成什么，请把单元格改为文本或常规格式
    It is not certain what the number format "{format}" shows for {value}; format the cell as text or General"""


class HiddenByFormat(CellRefusal):
    """单元格里有 {value}，但数字格式“{format}”不显示它
    The cell holds {value}, but its number format "{format}" shows nothing of it"""


class TooManyDigits(CellRefusal):
    """{value} 超过 15 位，表格软件会丢掉后面的数字，请把单元格设为文本后重新填写
    {value} has more than 15 digits, and spreadsheets lose the rest; make it a text cell and enter it again"""


class FormulaInCsv(CellRefusal):
    """“{text}”是公式，CSV 文件里没有它的结果，请填写结果
    "{text}" is a formula, and a CSV file does not hold its result; write the result"""


class Unread(str):
    """A cell that cannot be read: what is in it, and the refusal that says why."""

    refusal: CellRefusal

    def __new__(cls, text: str, refusal: CellRefusal) -> "Unread":
        """The text of the cell with its refusal."""
        unread = super().__new__(cls, text)
        unread.refusal = refusal
        return unread


class WithoutYear(str):
    """A date whose format does not show its year: the text, as 6月30日 or 6月, and the year in the cell."""

    year: int

    def __new__(cls, text: str, year: int) -> "WithoutYear":
        """The text that is seen with the year that is not."""
        shown = super().__new__(cls, text)
        shown.year = year
        return shown


def shown(cell: Any, epoch: datetime) -> Value:
    """What a person sees in a cell of a workbook; ``Unread`` where that cannot be said."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if cell.data_type == "e":
        return str(value)
    code = _BUILT_IN_FOR_CHINESE.get(cell.style_array.numFmtId) or cell.number_format or "General"
    try:
        return in_format(value, code, epoch)
    except CellRefusal as refusal:
        return Unread(str(value), refusal)


def in_csv(text: str) -> str:
    """What a person sees of a cell in a CSV file: ``="001"`` keeps a spreadsheet program from making a number of it."""
    if not text.startswith("="):
        return text
    if quoted := re.fullmatch(r'="((?:[^"]|"")*)"', text.strip()):
        return quoted[1].replace('""', '"')
    return Unread(text, FormulaInCsv(text=text[:80]))


_BUILT_IN_FOR_CHINESE = {
    **dict.fromkeys((27, 36, 50, 52, 57), 'yyyy"年"m"月"'),
    **dict.fromkeys((28, 29, 51, 53, 54, 58), 'm"月"d"日"'),
    30: "m-d-yy",
    31: 'yyyy"年"m"月"d"日"',
    32: 'h"时"mm"分"',
    33: 'h"时"mm"分"ss"秒"',
    **dict.fromkeys((34, 55), '上午/下午h"时"mm"分"'),
    **dict.fromkeys((35, 56), '上午/下午h"时"mm"分"ss"秒"'),
}
"""Number formats that Excel has built in for Chinese, and openpyxl does not know."""


# --- the format --------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)" | [\\!](?P<escaped>.) | _(?P<width>.) | \*(?P<fill>.) | \[(?P<bracket>[^\]]*)\]
    | (?P<next>;) | (?P<general>General|G/通用格式) | (?P<half>AM/PM|A/P|上午/下午) | (?P<power>E[+-])
    | (?P<clock>h+|s+(?:\.0+)?) | (?P<day>y+|e+|m+|d+|a{3,4}) | (?P<digit>[0#?]) | (?P<point>\.) | (?P<comma>,)
    | (?P<percent>%) | (?P<text>@) | (?P<slash>/) | (?P<literal>[-+$():^&'~{}<>=\x20]|[^\x00-\x7f])
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_COLOUR = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|color *[0-9]{1,2}", re.IGNORECASE)
_COLOUR_IN_CHINESE = re.compile(r"(黑|蓝|蓝绿|青|绿|洋红|红|白|黄)色?|颜色 *[0-9]{1,2}")
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d{1,15}(?:\.\d{1,15})?)")
_HOLDS = {
    "<": Decimal.__lt__,
    "<=": Decimal.__le__,
    ">": Decimal.__gt__,
    ">=": Decimal.__ge__,
    "=": Decimal.__eq__,
    "<>": Decimal.__ne__,
}
_LITERAL = ("quoted", "escaped", "literal", "slash")


class _NotUnderstood(Exception):
    """Something in a format whose meaning is not known, or does not fit the value."""


@dataclass(frozen=True)
class _Section:
    """One of the parts of a format that semicolons divide: pairs of kind and text."""

    tokens: tuple[tuple[str, str], ...]
    condition: tuple[str, Decimal] | None = None
    chinese_digits: bool = False

    def has(self, *kinds: str) -> bool:
        return any(kind in kinds for kind, _ in self.tokens)


def in_format(value: Any, code: str, epoch: datetime) -> Value:
    """A value in the number format ``code``. Raises CellRefusal where it is not certain what is shown."""
    try:
        if isinstance(value, str) and "@" not in code and code.count(";") < 3:
            return _text(value, None)  # what a format for numbers says does not concern it
        return _in_sections(value, _sections(code), epoch)
    except (_NotUnderstood, ArithmeticError) as problem:
        raise FormatNotUnderstood(format=code[:80], value=_plain(value)) from problem
    except _Hidden as problem:
        raise HiddenByFormat(format=code[:80], value=_plain(value)) from problem


class _Hidden(Exception):
    """The format shows nothing of a value that is there."""


def _plain(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)[:80]


@lru_cache(maxsize=1_000)
def _sections(code: str) -> tuple[_Section, ...]:
    return tuple(_parsed(code))


def _parsed(code: str) -> Iterator[_Section]:
    tokens: list[tuple[str, str]] = []
    condition, chinese_digits = None, False
    at = 0
    while at < len(code):
        found = _TOKEN.match(code, at)
        if found is None:
            raise _NotUnderstood(code[at:])
        at = found.end()
        kind = str(found.lastgroup)
        text = found[kind]
        if kind == "next":
            yield _Section(tuple(tokens), condition, chinese_digits)
            tokens, condition, chinese_digits = [], None, False
        elif kind != "bracket":
            tokens.append((kind, text))
        elif text.startswith("$"):
            tokens.append(("quoted", text[1:].split("-")[0]))  # [$¥-804], [$-804]
        elif found := _CONDITION.fullmatch(text):
            condition = (found[1], Decimal(found[2]))
        elif re.fullmatch(r"DBNum[1-4]", text, re.IGNORECASE):
            chinese_digits = True
        elif not _COLOUR.fullmatch(text) and not _COLOUR_IN_CHINESE.fullmatch(text):
            raise _NotUnderstood(text)  # [h], for one: a length of time
    yield _Section(tuple(tokens), condition, chinese_digits)


def _in_sections(value: Any, sections: Sequence[_Section], epoch: datetime) -> Value:
    for_text: _Section | None = None
    if len(sections) > 4:
        raise _NotUnderstood
    if len(sections) == 4 or sections[-1].has("text"):
        *sections, for_text = sections
    if isinstance(value, str):
        return _text(value, for_text)
    sections = sections or [_Section((("general", ""),))]
    if isinstance(value, date | time) and not sections[0].has("digit", "point"):
        if sections[0].condition:
            raise _NotUnderstood
        return _moment(value, sections[0])
    if isinstance(value, datetime):  # openpyxl takes a letter that is escaped by ! for a part of a date
        value = (value - epoch) / timedelta(days=1)
    if not isinstance(value, int | float):
        raise _NotUnderstood(type(value))
    if abs(value) >= 10**EXACT_DIGITS:
        raise TooManyDigits(value=str(value)[:40] if isinstance(value, int) else f"{value:.0f}")
    number = Decimal(f"{value:.{EXACT_DIGITS}g}")
    section, negative = _section_for(number, sections)
    if section.has(*_OF_MOMENTS):
        if negative or number < 0:
            raise _NotUnderstood
        return _moment(from_excel(value, epoch), section)
    seen = _number(abs(number), section)
    if number and not seen.strip():
        raise _Hidden
    if number < 0 and not negative and re.fullmatch(r"[\d.,%\s]*", seen):
        raise _NotUnderstood  # only a colour says that it is below zero
    return f"-{seen}" if negative else seen


def _text(value: str, section: _Section | None) -> str:
    value = value.replace("_x000D_", "\n")
    if section is None or not value:
        return value
    if not section.tokens:
        raise _Hidden
    if not section.has("text", "general"):
        raise _NotUnderstood
    return "".join(
        value if kind in ("text", "general") else _literal(kind, text) for kind, text in section.tokens
    )


def _section_for(number: Decimal, sections: Sequence[_Section]) -> tuple[_Section, bool]:
    """The section that shows a number, and whether a minus sign stands before it."""
    if any(section.condition for section in sections):
        if number < 0 or any(section.condition is None for section in sections[:-1]):
            raise _NotUnderstood  # which sign is shown, and what the other sections are for, is intricate
        for section in sections:
            if section.condition is None or _HOLDS[section.condition[0]](number, section.condition[1]):
                return section, False
        raise _NotUnderstood
    if number < 0:
        return (sections[1], False) if len(sections) > 1 else (sections[0], True)
    return sections[2 if number == 0 and len(sections) > 2 else 0], False


def _literal(kind: str, text: str) -> str:
    if kind in _LITERAL:
        return text
    if kind == "width" or (kind == "fill" and text == " "):
        return " "
    raise _NotUnderstood(text)


# --- numbers -----------------------------------------------------------------------------------------------


def _number(number: Decimal, section: _Section) -> str:
    tokens = list(section.tokens)
    if section.has("power") or (section.chinese_digits and section.has("digit", "general", "text")):
        raise _NotUnderstood
    if not section.has("digit"):
        return "".join(
            _general(number) if kind in ("general", "text") else _literal(kind, text) for kind, text in tokens
        )
    if section.has("general", "text"):
        raise _NotUnderstood
    digits = [at for at, (kind, _) in enumerate(tokens) if kind == "digit"]
    point = next((at for at, (kind, _) in enumerate(tokens) if kind == "point"), len(tokens))
    whole, fraction = [at for at in digits if at < point], [at for at in digits if at > point]
    if any(kind == "slash" for kind, _ in tokens[digits[0] : digits[-1]]):
        raise _NotUnderstood  # a fraction
    grouped, thousands = _commas(tokens, whole, digits[-1], point)
    percents = sum(kind == "percent" for kind, _ in tokens)
    number = (number.scaleb(2 * percents - 3 * thousands)).quantize(
        Decimal(1).scaleb(-len(fraction)), ROUND_HALF_UP
    )
    integer, _, decimals = f"{number:f}".partition(".")
    places = dict(
        zip(whole, _whole([tokens[at][1] for at in whole], integer.lstrip("0"), grouped), strict=True)
    )
    exact = len(decimals.rstrip("0"))
    for n, at in enumerate(fraction):
        places[at] = decimals[n] if n < exact else _UNUSED[tokens[at][1]]
    if any(places[at].strip() for at in fraction):
        places[point] = "."
    return "".join(
        places.get(at, "")
        if kind in ("digit", "point", "comma")
        else text
        if kind == "percent"
        else _literal(kind, text)
        for at, (kind, text) in enumerate(tokens)
    )


_UNUSED = {"0": "0", "#": "", "?": " "}


def _whole(places: Sequence[str], digits: str, grouped: bool) -> list[str]:
    """The digits in their places, from the right; the leftmost takes all that are left."""
    if not places:
        if digits:
            raise _NotUnderstood
        return []
    if grouped:
        digits = digits.rjust(len("".join(places).lstrip("#")), "0")
        return [re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", digits), *[""] * (len(places) - 1)]
    unused = len(places) - len(digits)
    if unused >= 0:
        return [*(_UNUSED[place] for place in places[:unused]), *digits]
    return [digits[: 1 - unused], *digits[1 - unused :]]


def _commas(
    tokens: Sequence[tuple[str, str]], whole: Sequence[int], last_digit: int, point: int
) -> tuple[bool, int]:
    """Whether thousands are grouped, and by how many thousands the number is divided."""
    grouped, divided = False, 0
    for at, (kind, _) in enumerate(tokens):
        if kind == "point" and at != point:
            raise _NotUnderstood
        if kind != "comma":
            continue
        if whole and whole[0] < at < whole[-1]:
            grouped = True
        elif (
            at
            and tokens[at - 1][0] in ("digit", "comma")
            and (at > last_digit or (whole and whole[-1] < at < point))
        ):
            divided += 1
        else:
            raise _NotUnderstood
    if grouped and any(text not in "0#," for _, text in tokens[whole[0] : whole[-1]]):
        raise _NotUnderstood
    return grouped, divided


def _general(number: Decimal) -> str:
    """A number as the format General shows it in a cell that is wide enough: eleven signs, no exponent."""
    if number == number.to_integral_value():
        return f"{number:.0f}"
    whole = len(f"{number:.0f}".partition(".")[0])
    rounded = number.quantize(Decimal(1).scaleb(-max(10 - whole, 0)), ROUND_HALF_UP)
    if not rounded:
        raise _NotUnderstood  # shown as 1E-12
    return f"{rounded:f}".rstrip("0").rstrip(".") if "." in f"{rounded:f}" else f"{rounded:f}"


# --- days --------------------------------------------------------------------------------------------------

_SEPARATORS = re.compile(r"[年月日号/.,\s-]*")


def _moment(value: date | time, section: _Section) -> Value:
    """A day, or the words in which a format shows a part of it: 2021年6月, 6月底前."""
    if isinstance(value, time):
        return value.isoformat("minutes")
    if not section.has(*_OF_MOMENTS):
        if section.has("general", "text") or not section.tokens:
            return _day_and_time(value, True)
        raise _NotUnderstood
    day, before, between, after, with_time = _taken_apart(section)
    if re.search(r"\d", before + between + after):
        raise _NotUnderstood
    after = after.strip(" )）")
    if day >= set("ymd"):
        seen = _day_and_time(value, with_time)
        after = after.removeprefix(after[:1] if after[:1] in "日号时点分秒" else "")
        if before.strip() or after:
            return f"{before}{seen}{after}".strip()
        return seen
    if not day or not _SEPARATORS.fullmatch(between) or with_time:
        raise _NotUnderstood
    words = {"y": f"{value.year}年", "m": f"{value.month}月", "d": f"{value.day}日"}
    last = words[max(day, key="ymd".index)][-1]
    text = (
        f"{before}{''.join(words[part] for part in 'ymd' if part in day)}{after.removeprefix(last)}".strip()
    )
    return text if "y" in day else WithoutYear(text, value.year)


def _day_and_time(value: date, with_time: bool) -> Value:
    if not isinstance(value, datetime):
        return value
    if with_time and value.time().replace(second=0, microsecond=0) != time():
        return value.isoformat(" ", "minutes")
    return value.date()


def _taken_apart(section: _Section) -> tuple[set[str], str, str, str, bool]:
    """Which of year, month and day are shown; the words before, between and after them; whether a time is shown."""
    tokens = section.tokens
    parts = [at for at, (kind, _) in enumerate(tokens) if kind in _OF_MOMENTS]
    letters = [tokens[at][1][0].lower().replace("e", "y") for at in parts]
    for n, letter in enumerate(letters):
        if letter == "m" and (letters[n - 1 : n] == ["h"] or letters[n + 1 : n + 2] == ["s"]):
            letters[n] = "minute"
        elif letter == "d" and len(tokens[parts[n]][1]) > 2:
            letters[n] = "weekday"

    def words(first: int, end: int) -> str:
        return "".join(
            text if kind in ("point", "comma") else _literal(kind, text)
            for kind, text in tokens[first:end]
            if kind not in _OF_MOMENTS
        )

    with_time = not {"h", "s", "minute"}.isdisjoint(letters)
    return (
        set("ymd") & set(letters),
        words(0, parts[0]),
        words(parts[0], parts[-1]),
        words(parts[-1], len(tokens)),
        with_time,
    )


_OF_MOMENTS = ("day", "clock", "half")
