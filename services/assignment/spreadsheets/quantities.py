"""How much, in the words of a task list: 不少于12次, 95%以上, 1200万元, 每季度一次, 全覆盖.

Every number in a cell must be understood with what stands beside it: as a quantity, or as a part of a date, an ordinal
or a name. The words are data: ``measures.csv`` (units, and what they are worth in another) and ``number_words.csv``.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, Inexact, localcontext
from functools import cache
from pathlib import Path
from typing import NamedTuple

from shared.domain.refusal import Refusal
from shared.domain.written import DECIMALS, MOST, narrow, within_bounds

HERE = Path(__file__).parent


class QuantityRefused(Refusal):
    """量化目标无法读取
    The target cannot be read"""

    status = 422
    field = "target"


class NoQuantity(QuantityRefused):
    """量化目标“{text}”没有可以衡量的数量
    The target "{text}" is unmeasurable: it has no quantity"""


class SeveralQuantities(QuantityRefused):
    """“{text}”里有 {count} 个数量，一项任务只有一个目标值，请只写一个
    There are {count} quantities in "{text}", and a task has one target; write one"""


class QuantityNotUnderstood(QuantityRefused):
    """看不懂“{text}”里的“{part}”，请写成一个数和它的计量单位，如 30公里
    "{part}" in "{text}" is not understood; write one number and its unit, such as 30公里"""


class MayBeAName(QuantityRefused):
    """“{text}”里的“{part}”可能是数量，也可能是名称；是数量请用阿拉伯数字写
    "{part}" in "{text}" may be a quantity or a name; write a quantity in Arabic digits"""


class UnitsDiffer(QuantityRefused):
    """“{text}”的单位是“{written}”，计量单位一列写的是“{unit}”，不能换算
    The unit in "{text}" is "{written}", the column of units says "{unit}"; one cannot be converted into the other"""


class QuantityOutOfBounds(QuantityRefused):
    """“{text}”的数值须在 0 至 {most} 之间，小数最多 {decimals} 位
    The number in "{text}" must be between 0 and {most}, with {decimals} decimals at most"""


@dataclass(frozen=True)
class Quantity:
    """A number and what it counts."""

    value: Decimal
    unit: str
    at_least: bool
    """Whether the cell says no more than that: not 不超过, not 约, and no other words."""


class _Measure(NamedTuple):
    of: str
    times: Decimal


class _Found(NamedTuple):
    """A quantity at its place in a cell."""

    start: int
    number: Decimal
    multiple: str
    unit: str
    end: int = 0


@cache
def _measures() -> dict[str, _Measure]:
    with (HERE / "measures.csv").open(encoding="utf-8", newline="") as lines:
        return {
            narrow(line["unit"]): _Measure(line["of"], Decimal(line["times"]))
            for line in csv.DictReader(lines)
        }


@cache
def _words() -> dict[str, dict[str, str]]:
    """The words with what they mean, by kind."""
    kinds: dict[str, dict[str, str]] = {}
    with (HERE / "number_words.csv").open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            kinds.setdefault(line["kind"], {})[narrow(line["word"])] = line["means"]
    return kinds


def _any(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_CHINESE_DIGITS = {word: n for n, word in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000}
_CN = "零〇一二两三四五六七八九十百千万亿"
_D = "[一二两三四五六七八九]"
_BELOW_10000 = rf"(?:{_D}千(?:零?{_D}百)?|{_D}百)(?:零?{_D}十{_D}?|零{_D})?|{_D}?十{_D}?|{_D}"
_CHINESE = re.compile(rf"(零|〇)|(?:({_BELOW_10000})亿)?零?(?:({_BELOW_10000})万)?零?({_BELOW_10000})?")


def chinese_number(words: str) -> int | None:
    """一 … 九千九百九十九亿…, or None for what is no single number: 三五, 一百二, 千."""
    found = _CHINESE.fullmatch(words)
    if not words or not found or not any(found.groups()):
        return None
    total = 0
    for power, section in zip((10**8, 10**4, 1), found.groups()[1:], strict=True):
        digit = below = 0
        for word in section or "":
            if word in _POWERS:
                below += (digit or 1) * _POWERS[word]
                digit = 0
            else:
                digit = _CHINESE_DIGITS[word]
        total += (below + digit) * power
    return total


_UNITS, _MULTIPLES = _any(map(narrow, _measures())), _any(_words()["multiple"])
_BEFORE, _AFTER = (
    _any(word for kind in ("at_least", "at_most", "about") for word in _words()[kind + where])
    for where in ("", "_after")
)
_NUMBER = re.compile(
    r"\d{1,3}(?P<between>[ ,])\d{3}(?:(?P=between)\d{3}){0,3}(?:\.\d{1,15})?(?!\d)|\d{1,15}(?:\.\d{1,15})?(?!\d)"
)
_ALONE = re.compile(
    rf"(?P<before>(?:{_BEFORE})?)\s*(?P<money>[¥￥]?)\s*"
    rf"(?:(?P<number>[-+−]?(?:{_NUMBER.pattern}))\s*(?P<multiple>(?:{_MULTIPLES})?)|(?P<chinese>[{_CN}]{{1,20}}?))"
    rf"\s*(?P<unit>(?:{_UNITS})?)\s*(?P<after>(?:{_AFTER})?)[。.;、,]?"
)
_COUNTED = re.compile(
    rf"\s*(?P<multiple>(?:{_MULTIPLES})?)\s*"
    rf"(?P<unit>(?:(?!{_any(_words()['other'])})(?:{_UNITS}))?)"
)
_CHINESE_QUANTITY = re.compile(rf"(?<![{_CN}])(?P<number>[{_CN}]{{1,20}})(?P<unit>{_UNITS})")
_CLAUSE = r"。.;、,:!?(（“\"\n"
_STARTS = re.compile(rf"(?:[{_CLAUSE}\0]|{_BEFORE}|{_any(_words()['verb'])}|每\w{{1,3}})$")
_ENDS = re.compile(rf"\s*(?:$|[{_CLAUSE})）”](?!\s*\d)(?<![().](?=\s*(?:{_UNITS})))|{_AFTER})")
_QUALIFIED = re.compile(rf"(?:{_BEFORE})$")
_UNCLEAR_BEFORE = re.compile(r"[A-Za-z./+±·×*#~—–−<>$€£^_=\\\-第前\d]$")
_UNCLEAR_AFTER = re.compile(
    rf"\s*\d|[多余半几+×*^]|之[{_CN}\d]|(?<=个)[十百千万亿]|/(?![年月季周日天人户次亩])|(?<=日)(?!内|以内|之内)"
    r"|(?<=[A-Za-z])[A-Za-z]"
)

_Y, _M, _DAY = r"(?:19|20)\d\d", r"(?:1[0-2]|0?[1-9])", r"(?:3[01]|[12]\d|0?[1-9])"
_QUARTER = r"第?[一二三四1-4](?:[、至到-]第?[一二三四1-4])*季度"
_DATES = (
    rf"(?<![\d.])(?:{_Y}\s?(?:年度?)?\s?[-—–~至到]\s?{_Y}\s?年度?"
    rf"|{_Y}\s?年度?(?:{_QUARTER}|{_M}月份?(?:{_DAY}[日号])?)?"
    rf"|{_Y}(?P<mark>[-/.]){_M}(?P=mark){_DAY}(?!\d)"
    rf"|{_M}\s?[-—–~至到]\s?{_M}月份?|{_M}月份?(?:{_DAY}[日号])?|每月{_DAY}[日号])(?:[底末初]?[之以]?前)?"
    rf"|{_QUARTER}(?:末?[之以]?前)?|[年月度][底末初](?:[之以]?前)?"
    rf"|(?<![{_CN}])[一二三四五六七八九十]{{1,2}}月(?:[一二三四五六七八九十]{{1,3}}[日号])?"
)
_MARKS = (
    rf"第\s?(?:\d{{1,4}}|[{_CN}]+)|[(（][{_CN}]{{1,3}}[)）]|[〔\[]{_Y}[〕\]]\d{{1,4}}号|一[^\W\d]一[^\W\d]"
    rf"|(?:(?<=[。;\n])|^)(?:\d{{1,2}}[.、)](?![\s\d])|[(（]\d{{1,2}}[)）]|[{_CN}]{{1,3}}、(?![{_CN}]))"
    r"|每[十百千万]+(?=[人户名亩])|每(?:\d{1,2}|[一二两三四五六])个?(?:月|年|季度|周|天|工作日|小时)"
)
_NAMES = "|".join(
    re.escape(name).replace(r"\{n\}", rf"(?:\d{{1,3}}|[{_CN}双]{{1,9}})")
    + (r"(?![A-Za-z0-9])" if name.isascii() else "")
    for name in sorted(_words()["name"], key=len, reverse=True)
)
_LETTER_AND_NUMBER = rf"(?<![A-Za-z\d])[A-Z]\d{{1,4}}(?![\d.A-Za-z%‰]|\s*(?:{_MULTIPLES})?(?:{_UNITS}))"
"""A4, G307: no quantity, unless a unit follows."""
_NO_QUANTITIES = re.compile(rf"{_DATES}|{_MARKS}|{_LETTER_AND_NUMBER}|(?<![\d.{_CN}A-Za-z])(?:{_NAMES})")
_TIMES_A_YEAR = {"半月": 24, "月": 12, "个月": 12, "季度": 4, "季": 4, "半年": 2, "周": 52, "年": 1}
_FREQUENCY = re.compile(rf"每({_any(_TIMES_A_YEAR)})[^{_CLAUSE}]*$")
_PARTS_OF = re.compile(rf"(?<![\d{_CN}])(?<!\d )([百千])分(?:之\s*([{_CN}]+|\d{{1,3}}(?:\.\d{{1,9}})?)|百)")
_APPLIES_TO_ALL, _OF_NONE = (
    re.compile(_any(_words()["all"]) + "|应.{1,2}尽.{1,2}"),
    re.compile(_any(_words()["none"])),
)


def read_quantity(text: str, unit: str = "") -> Quantity:
    """The one quantity of a cell, in ``unit`` if the unit stands in a column of its own.

    Raises QuantityRefused for none, for several, for a number that is not understood or that no target can have.
    """
    found = _read(text, unit)
    if not within_bounds(found.value):
        raise QuantityOutOfBounds(text=text, most=MOST, decimals=DECIMALS)
    return found


def _read(text: str, unit: str) -> Quantity:
    plain = _in_digits(_plain(text))
    found = None if _NO_QUANTITIES.fullmatch(plain) else _ALONE.fullmatch(plain)
    number = found and (found["number"] or chinese_number(found["chinese"]))
    if found and number is not None:
        if found["money"] and found["unit"] not in ("", "元"):
            raise QuantityNotUnderstood(text=text, part=plain)
        if found["unit"] == "日" and "内" not in found["after"]:
            raise QuantityNotUnderstood(text=text, part=plain)
        counted = found["unit"] or ("元" if found["money"] else "")
        one = _Found(0, _decimal(number), found["multiple"] or "", counted)
        return _in_unit(
            text,
            one,
            unit,
            at_least=_says_at_least(found["before"], "") and _says_at_least(found["after"], "_after"),
        )
    # In a sentence a wide comma divides clauses, not thousands.
    plain = _in_digits(_plain(text.replace("，", "；")))
    return _in_unit(text, _the_one(text, plain), unit, at_least=False)


def _plain(text: str) -> str:
    """The text in plain signs, one blank or one line break where there were several."""
    return re.sub(r"\s+", lambda blanks: "\n" if "\n" in blanks[0] else " ", narrow(text).strip())


def _says_at_least(word: str, where: str) -> bool:
    return not word or word in _words()[f"at_least{where}"]


def _in_digits(plain: str) -> str:
    """百分之九十五 as 95%."""

    def digits(found: re.Match[str]) -> str:
        number = (
            100
            if found[2] in (None, "百")
            else found[2]
            if found[2][0].isdigit()
            else chinese_number(found[2])
        )
        return found[0] if number is None else f"{number}{'%' if found[1] == '百' else '‰'}"

    return _PARTS_OF.sub(digits, plain)


def _decimal(number: str | int) -> Decimal:
    return Decimal(str(number).replace(",", "").replace(" ", "").replace("−", "-"))


_OTHER_FORMS = re.compile(r".?分之.?|[一二三四五六七八九]、[一二三四五六七八九十]")
"""三分之一; 三、五个, which is not five."""


def _the_one(text: str, plain: str) -> _Found:
    """The one quantity of a sentence."""
    rest = _NO_QUANTITIES.sub(lambda known: "\0" * len(known[0]), plain)
    if at := _OTHER_FORMS.search(rest):
        raise QuantityNotUnderstood(text=text, part=at[0])
    found = [*_in_arabic(text, plain, rest)]
    for one in found:
        rest = f"{rest[: one.start]}{chr(0) * (one.end - one.start)}{rest[one.end :]}"
    if odd := next(
        (sign for sign in rest if unicodedata.category(sign) in _OTHER_NUMBERS and sign != "〇"), None
    ):
        raise QuantityNotUnderstood(text=text, part=odd)
    found += _in_chinese(text, rest)
    if len(found) == 1:
        return found[0]
    if not found and _APPLIES_TO_ALL.search(plain):
        return _Found(0, Decimal(100), "", "%")
    if not found and _OF_NONE.search(plain):
        return _Found(0, Decimal(0), "", "")
    if not found:
        raise NoQuantity(text=text)
    if total := _total_with_frequency(rest, found):
        return total
    raise SeveralQuantities(text=text, count=len(found))


_OTHER_NUMBERS = ("Nd", "Nl", "No")


def _in_arabic(text: str, plain: str, rest: str) -> Iterator[_Found]:
    at = 0
    while number := _NUMBER.search(rest, at):
        counted = _COUNTED.match(rest, number.end())
        assert counted is not None  # it may be empty
        at = counted.end()
        before = _QUALIFIED.sub("", _just_before(rest, number.start())).rstrip()
        clear = (
            _UNCLEAR_AFTER.match(rest, at) is None if counted["unit"] else _ENDS.match(rest, at) is not None
        )
        if _UNCLEAR_BEFORE.search(before) or not clear:
            part = plain[max(0, number.start() - 2) : at + 4].strip()
            raise QuantityNotUnderstood(text=text, part=part)
        yield _Found(number.start(), _decimal(number[0]), counted["multiple"], counted["unit"], at)


def _just_before(rest: str, at: int) -> str:
    """The last words before a place, no more than a pattern needs."""
    return rest[:at].rstrip()[-12:]


def _in_chinese(text: str, rest: str) -> Iterator[_Found]:
    for found in _CHINESE_QUANTITY.finditer(rest):
        number = chinese_number(found["number"])
        if number is None and len(found["number"]) == 1:
            continue  # 千家, 万户
        if number is None:
            raise QuantityNotUnderstood(text=text, part=found[0])
        before = _just_before(rest, found.start())
        if (before and not _STARTS.search(before)) or not _ENDS.match(rest, found.end()):
            raise MayBeAName(text=text, part=found[0])
        yield _Found(found.start(), Decimal(number), "", found["unit"])


def _total_with_frequency(rest: str, found: Sequence[_Found]) -> _Found | None:
    """全年24次，每半月1次: two numbers that say the same."""
    if len(found) != 2:
        return None
    often = [_FREQUENCY.search(re.split(f"[{_CLAUSE}]", rest[: one.start])[-1]) for one in found]
    if bool(often[0]) == bool(often[1]):
        return None
    each, total = (found[0], found[1]) if often[0] else (found[1], found[0])
    period = next(one[1] for one in often if one)
    same = (each.multiple, each.unit) == (total.multiple, total.unit)
    return total if same and each.number * _TIMES_A_YEAR[period] == total.number else None


def _in_unit(text: str, found: _Found, column: str, *, at_least: bool) -> Quantity:
    written, wanted = found.multiple + found.unit, narrow(column).strip()
    times = _times(found.multiple)
    if not wanted and found.unit:
        return Quantity(found.number, written, at_least)  # 1200万元 stays as it is written
    if not wanted:
        return Quantity(_whole(found.number * times), "", at_least)
    if not written or written in (wanted, *re.split("[/、或()]", wanted)):
        return Quantity(found.number, column, at_least)
    if not found.unit and (wanted in _measures() or not re.match(_MULTIPLES, wanted)):
        return Quantity(_whole(found.number * times), column, at_least)
    (of, worth), (wanted_of, wanted_worth) = _worth(written), _worth(wanted)
    if found.unit and of == wanted_of:
        with localcontext() as exact, suppress(Inexact):
            exact.traps[Inexact] = True
            return Quantity(_whole(found.number * worth / wanted_worth), column, at_least)
    raise UnitsDiffer(text=text, written=written, unit=column)


def _whole(number: Decimal) -> Decimal:
    """A whole number without decimals."""
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number


def _times(multiple: str) -> int:
    return int(_words()["multiple"][multiple]) if multiple else 1


def _worth(unit: str) -> _Measure:
    """What a unit measures, and how much of its kind's basic unit it is."""
    if unit in _measures():
        return _measures()[unit]
    if (multiple := re.match(_MULTIPLES, unit)) and (rest := unit[multiple.end() :]):
        of, times = _worth(rest)
        return _Measure(of, times * _times(multiple[0]))
    return _Measure(unit, Decimal(1))
