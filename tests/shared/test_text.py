"""The one rule for texts, and what two spellings have in common (shared/domain/text.py)."""

import csv
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.text import RADICALS, fault, identity, is_blank, pattern_of, plain

SCRIPTS = [
    "修复乌兰陶勒盖水渠",
    "ᠮᠣᠩᠭᠣᠯ\u202fᠤᠨ",  # Mongolian with its narrow no-break space
    "ᠠ\u180eᠭ\u180b\u200dᠠ",  # the vowel separator, a variation selector, a joiner
    "क्\u200dष",  # Devanagari with a joiner
    "👨\u200d👩\u200d👧 一家",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "✔\ufe0f 完成",
    "عربي",
]
INVISIBLE = [
    *"\u00ad\u034f\u115f\u1160\u180b\u180e\u200b\u200c\u200d\u2060\u2800\u3164\ufe0f\uffa0",
    *"\U000e0041\U000e0100\u3000\u00a0\u2003\u202f\u205f",
]


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_text_of_any_script_is_taken_with_its_joiners(text):
    assert fault(text) is None
    assert re.search(pattern_of(), text)


@pytest.mark.parametrize("text", INVISIBLE)
def test_a_text_of_invisible_characters_is_blank(text):
    for blank in (text, text * 3, f" {text}\u200b"):
        assert is_blank(blank)
        assert fault(blank) is not None
        assert fault(blank).zh == "不能为空白"
    assert fault(f"甲{text}") is None


@pytest.mark.parametrize(
    "character",
    [
        *"\x00\x07\x1b\x7f\x85\u2028\u2029\u061c\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\ufffe\uffff",
        "\ud800",
    ],
)
def test_a_refused_character_is_named_by_its_code(character):
    for lines in (False, True):
        reason = fault(f"甲{character}乙", lines=lines)
        assert reason is not None
        assert f"U+{ord(character):04X}" in reason.zh
        assert f"U+{ord(character):04X}" in reason.en


def test_line_breaks_stand_only_in_a_text_of_several_lines():
    for text in ("一\n二", "一\t二"):
        assert fault(text) is not None
        assert fault(text, lines=True) is None


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.booleans())
def test_the_documented_pattern_refuses_what_the_rule_refuses(text, lines):
    beyond = re.compile(r"[\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]")
    text = beyond.sub("", text) or "甲"
    assert (re.fullmatch(pattern_of(lines=lines), text) is None) == (fault(text, lines=lines) is not None)


NUMBERS = [
    "鄂前政发〔2021〕1号",
    "鄂前政发［2021］1号",
    "鄂前政发[2021]1号",
    "鄂前政发【2021】1号",
    "鄂前政发（2021）1号",
    "鄂前政发(2021)1号",
    "鄂前政发〖2021〗1号",
    "鄂前政发﹝2021﹞1号",
    "鄂前政发〔２０２１〕１号",
    " 鄂前政发 〔2021〕 1 号 ",
    "鄂前政发〔2021〕\u200b1号\u2060",
    "鄂前政发〔\u30002021〕1号",
    "鄂前政发〔2021〕1号\ufeff",
    "鄂前政发〈2021〉1号",
]


def test_ten_spellings_of_a_document_number_are_one():
    assert {identity(number) for number in NUMBERS} == {identity(NUMBERS[0])}
    assert identity("鄂前政发〔2021〕11号") != identity(NUMBERS[0])
    assert identity("鄂前政办发〔2021〕1号") != identity(NUMBERS[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("旗⺠政局", "旗民政局"),
        ("⽔利局", "水利局"),
        ("⾏政审批局", "行政审批局"),
        ("农牧局（乡村振兴局）", "农牧局(乡村振兴局)"),
        ("Ａ－１", "a—1"),
        ("1‐2", "1–2"),
        ("１", "1\u200b"),
        ("㈠", "（一）"),
        ("Straße", "STRASSE"),
    ],
)
def test_spellings_that_say_the_same(one, other):
    assert identity(one) == identity(other)


def test_every_radical_is_an_ideograph_or_a_part_of_one():
    rows = list(csv.DictReader(RADICALS.read_text("utf-8").splitlines()))
    assert len(rows) == 114
    for row in rows:
        assert row["radical"] == chr(int(row["code"], 16))
        assert identity(row["radical"]) == identity(row["ideograph"]) == plain(row["ideograph"])
        assert unicodedata.name(row["ideograph"]).startswith("CJK UNIFIED IDEOGRAPH")


@given(st.text())
def test_the_identity_of_an_identity_is_the_same(text):
    assert identity(identity(text)) == identity(text)
    assert identity(f"\u200b{text} ") == identity(text)
