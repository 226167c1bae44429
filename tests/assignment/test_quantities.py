"""Every number in a target is understood with what stands beside it, or the cell is refused."""

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.assignment.spreadsheets.quantities import (
    MayBeAName,
    NoQuantity,
    QuantityNotUnderstood,
    QuantityOutOfBounds,
    QuantityRefused,
    SeveralQuantities,
    UnitsDiffer,
    chinese_number,
    read_quantity,
)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1200万元", "1200", "万元"),
        ("1 200万元", "1200", "万元"),
        ("3 500 000元", "3500000", "元"),
        ("3，500", "3500", ""),
        ("1200万", "12000000", ""),
        ("0.5亿", "50000000", ""),
        ("3亿斤", "3", "亿斤"),
        ("12.5万亩", "12.5", "万亩"),
        ("￥350万", "350", "万元"),
        ("１２％", "12", "%"),
        ("8‰", "8", "‰"),
        ("千分之八", "8", "‰"),
        ("百分之九十五", "95", "%"),
        ("百分之 12.5", "12.5", "%"),
        ("百分百", "100", "%"),
        ("5个", "5", "个"),
        ("5 个", "5", "个"),
        ("5+", "5", ""),
        ("≥5", "5", ""),
        (">= 5项", "5", "项"),
        ("不少于5个", "5", "个"),
        ("5个及以上", "5", "个"),
        ("5个百分点", "5", "个百分点"),
        ("两个", "2", "个"),
        ("一百零五个", "105", "个"),
        ("十五万元", "150000", "元"),
        ("零起", "0", "起"),
    ],
)
def test_a_bare_quantity_is_read_with_its_multiple_and_unit(text, value, unit):
    found = read_quantity(text)
    assert (str(found.value), found.unit, found.at_least) == (value, unit, True)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("不超过5个", "5", "个"),
        ("≤30微克", "30", "微克"),
        ("约5个", "5", "个"),
        ("5个左右", "5", "个"),
        ("2小时以内", "2", "小时"),
        ("增长5%", "5", "%"),
        ("完成投资1,200万元", "1200", "万元"),
        ("2021年完成50个", "50", "个"),
        ("2021年6月底前完成50个", "50", "个"),
        ("2021-2023年完成50个", "50", "个"),
        ("6月30日前完成50%", "50", "%"),
        ("年底前50个", "50", "个"),
        ("第一批3个", "3", "个"),
        ("1.完成3个", "3", "个"),
        ("1、完成100%", "100", "%"),
        ("（一）培训3期", "3", "期"),
        ("每季度一次", "1", "次"),
        ("每两个月1次", "1", "次"),
        ("建成两个", "2", "个"),
        ("每千人5张床位", "5", "张床位"),
        ("12次/年", "12", "次"),
        ("30日内", "30", "日"),
        ("全覆盖", "100", "%"),
        ("应收尽收", "100", "%"),
        ("动态清零", "0", ""),
        ("零投诉", "0", ""),
        ("鄂前政发〔2021〕1号文件落实率100%", "100", "%"),
    ],
)
def test_a_quantity_within_words_is_read_and_the_words_say_more(text, value, unit):
    found = read_quantity(text)
    assert (str(found.value), found.unit, found.at_least) == (value, unit, False)


@pytest.mark.parametrize(
    "name",
    [
        "四个一批",
        "三个一批",
        "最多跑一次",
        "一次性告知",
        "5G基站",
        "PM2.5",
        "PM10",
        "“十四五”",
        "5A级景区",
        "A4纸",
        "G307国道",
        "三年行动",
        "12345热线",
        "两个责任",
        "进一步提升",
        "统一部署",
        "第三方",
        "第3季度",
        "一季度",
        "2021年",
        "500强企业",
        "一户一策",
        "一人一档",
    ],
)
def test_a_name_that_holds_a_number_is_no_quantity(name):
    with pytest.raises(NoQuantity):
        read_quantity(name)
    found = read_quantity(f"{name}：达到70%")
    assert (found.value, found.unit) == (Decimal(70), "%")


@pytest.mark.parametrize(
    "text",
    [
        "3-5个",
        "3~5个",
        "3～5个",
        "3—5个",
        "3至5个",
        "3到5个",
        "3或5个",
        "2万-3万",
        "1/3",
        "1／3",
        "三分之一",
        "3分之1",
        "½",
        "①",
        "①5个",
        "10²",
        "1e5",
        "0x10",
        "1,20",
        "1 2000",
        "5 10",
        "1.2.3",
        "1. 5公里",
        ".5",
        "10:30",
        "7×3",
        "1+3+N",
        "5±1",
        "±5",
        "$5",
        "5多个",
        "50余个",
        "3千5百元",
        "5个亿",
        "5（个）",
        "5成",
        "GDP6000亿元",
        "R5个",
        "15部门",
        "2周年",
        "前3名",
        "新建30学校",
        "30日",
        "30元/平方米",
        "三五个",
        "三、五个",
        "3百分之五",
        "3 百分之一百",
        "完成投资1，200万元",
        "5" * 16,
    ],
)
def test_a_number_with_something_beside_it_that_is_not_understood_is_refused(text):
    with pytest.raises(QuantityNotUnderstood) as refusal:
        read_quantity(text)
    assert text in refusal.value.text("zh")


@pytest.mark.parametrize("text", ["-5", "−5%", "－3个", "3.1415927", "0.333333333", "2万亿", "1000000000001"])
def test_a_number_that_json_refuses_for_a_quantity_is_refused_in_a_cell_too(text):
    with pytest.raises(QuantityOutOfBounds):
        read_quantity(text)


@pytest.mark.parametrize(
    "text",
    [
        "一季度30%、全年100%",
        "培训3期、200人次",
        "由60%提高到70%",
        "3个月内完成80%",
        "造林2万亩，种草3万亩",
        "全年10次，每月1次",
        "80%以上（含80%）",
    ],
)
def test_several_quantities_are_refused(text):
    with pytest.raises(SeveralQuantities):
        read_quantity(text)


@pytest.mark.parametrize(
    ("text", "total"), [("全年24次，每半月1次", 24), ("每季度2场，全年8场", 8), ("全年12次，每月一次", 12)]
)
def test_a_total_beside_the_frequency_that_makes_it_is_one_quantity(text, total):
    assert read_quantity(text).value == total


@pytest.mark.parametrize("text", ["开展两次检查", "落实三项制度，完成率100%", "十五条举措完成100%"])
def test_a_chinese_number_in_the_middle_of_words_may_be_a_name(text):
    with pytest.raises(MayBeAName):
        read_quantity(text)


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("1200万", "元", "12000000"),
        ("1200万元", "元", "12000000"),
        ("1200万元", "万元", "1200"),
        ("1200万元", "亿元", "0.12"),
        ("1200", "万元", "1200"),
        ("30km", "公里", "30"),
        ("30公里", "米", "30000"),
        ("2平方公里", "公顷", "200"),
        ("3亿斤", "吨", "150000"),
        ("5‰", "%", "0.5"),
        ("95%", "％", "95"),
        ("95", "座桥", "95"),
        ("2小时", "分钟", "120"),
        ("3万", "座桥", "30000"),
        ("30微克", "微克/立方米", "30"),
        ("5个", "个（项）", "5"),
    ],
)
def test_a_quantity_is_converted_into_the_unit_of_its_column(text, column, value):
    found = read_quantity(text, column)
    assert (str(found.value), found.unit) == (value, column)


@pytest.mark.parametrize(
    ("text", "column"),
    [("5个", "项"), ("30公里", "个"), ("1200万", "万元"), ("100分钟", "小时"), ("95%", "分")],
)
def test_a_quantity_that_cannot_be_converted_into_the_unit_of_its_column_is_refused(text, column):
    with pytest.raises(UnitsDiffer):
        read_quantity(text, column)


@pytest.mark.parametrize("words", ["", "千", "一百二", "三五", "二零二一", "十百", "万亿", "一百百", "个"])
def test_what_is_no_single_chinese_number_is_none(words):
    assert chinese_number(words) is None


def _in_chinese(number: int) -> str:
    digits = "零一二三四五六七八九"
    for power, name in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if number >= power:
            whole, rest = divmod(number, power)
            between = "零" if rest and rest < power // 10 else ""
            return _in_chinese(whole) + name + between + (_in_chinese(rest) if rest else "")
    return digits[number]


@example(10)
@example(10_010)
@given(st.integers(0, 10**11))
def test_a_chinese_number_is_read_back(number):
    words = _in_chinese(number)
    assert chinese_number(words) == number
    assert chinese_number(words.replace("二", "两")) == number


_BESIDE = st.text(alphabet="0123456789.,-~/至到一二三十百万亿个项%年月日前第多余+×（）、，。 \nA", max_size=6)


@settings(deadline=None)
@given(before=_BESIDE, number=st.integers(1, 99999), after=_BESIDE)
def test_no_digit_of_a_cell_is_left_out_of_its_quantity_in_silence(before, number, after):
    text = f"{before}{number}{after}"
    try:
        found = read_quantity(text)
    except QuantityRefused:
        return
    digits = "".join(filter(str.isdecimal, unicodedata.normalize("NFKC", text)))
    told = "".join(filter(str.isdecimal, f"{found.value:f}"))
    # Whatever digit is not in the value belongs to a date, an ordinal, a list mark, or a name by its form.
    if not any(sign in text for sign in "年月日季第每A一二三十百万亿)）、."):
        assert told.lstrip("0") == digits.lstrip("0")


@settings(deadline=None)
@given(
    st.text(alphabet="0123456789一二两三十百千万亿.,%‰个次万元月年前底每第约≥、，（） A5G分之", max_size=14)
)
def test_whatever_stands_in_the_cell_it_is_a_quantity_or_refused(text):
    try:
        found = read_quantity(text)
    except QuantityRefused:
        return
    assert found.value.is_finite()
