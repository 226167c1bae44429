"""How much, in the words of a task list: 不少于12次, 95%以上, 每季度一次, 全覆盖."""

import re
import unicodedata
from decimal import Decimal

Quantity = tuple[Decimal, str]
"""A number and what it counts."""

_UNITS = (
    "个工作日|个百分点|平方公里|平方米|立方米|万平方米|万立方米|万千瓦|兆瓦|公里|千米|公顷|万亩|亿元|万元|万人次|"
    "万人|人次|万吨|万头|万只|户次|小时|分钟|件次|场次|[个项次件名人户家篇份场期处座台套批类条天吨亩元米辆所例起"
    "层间轮遍步张门节课本册站点分%‰]"
)
_NUMBER = r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d{1,15}(?:\.\d{1,9})?"
_QUALIFIER = r"(?:不少于|不低于|不超过|至少|达到|达|超过|约|≥|>=|≤|<=|>|<|=)?"
_BARE = re.compile(rf"{_QUALIFIER}\s*({_NUMBER})\s*((?:{_UNITS})?)(?:以上|以内|及以上)?")
_WITH_UNIT = re.compile(rf"({_NUMBER})\s*({_UNITS})")
_ANY = re.compile(rf"(?<![\d.第])({_NUMBER})(?!\s*[.、)）\d])")
_NOT_QUANTITIES = re.compile(
    r"(19|20)\d\d\s*年(度)?(第?[一二三四1-4]季度)?|\d{1,2}月(份)?(\d{1,2}[日号])?|\d{1,2}[日号]|"
    r"第\s*\d+|[一二三四1-4]季度|[(（]\d+[)）]|(?m:^\s*\d+[.、](?!\d))|(19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}"
)
_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_CHINESE = re.compile(rf"([一二两三四五六七八九十百]{{1,5}})({_UNITS})")
_PER_CENT = re.compile(r"百分之([一二三四五六七八九十百]{1,5}|\d{1,3}(?:\.\d+)?)")
_ALL = re.compile(r"全覆盖|全部|百分百|全面完成|应.{1,2}尽.{1,2}")
_NONE = re.compile(r"清零|零(?!售|星|部件|工)[个起次件发]?")


def quantity_in(text: str) -> Quantity | None:
    """The quantity that is all a cell says, apart from 不少于, 以上 and the like."""
    match = _BARE.fullmatch(_plain(text))
    return (Decimal(match[1].replace(",", "")), match[2]) if match else None


def quantity_in_words(text: str) -> Quantity | None:
    """The first quantity within a sentence; dates, ordinals and list numbers are none."""
    plain = _NOT_QUANTITIES.sub(" ", _plain(text))
    if match := _WITH_UNIT.search(plain):
        return Decimal(match[1].replace(",", "")), match[2]
    if match := _PER_CENT.search(plain):
        return Decimal(match[1]) if match[1][0].isdigit() else Decimal(_chinese(match[1])), "%"
    if match := _ANY.search(plain):
        return Decimal(match[1].replace(",", "")), ""
    if match := _CHINESE.search(plain):
        return Decimal(_chinese(match[1])), match[2]
    if _ALL.search(plain):
        return Decimal(100), "%"
    if _NONE.search(plain):
        return Decimal(0), ""
    return None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _chinese(words: str) -> int:
    """一 … 九百九十九, as far as targets are written in words."""
    total, digit = 0, 0
    for word in words:
        if word in _DIGITS:
            digit = _DIGITS[word]
        else:
            total += (digit or 1) * (100 if word == "百" else 10)
            digit = 0
    return total + digit
