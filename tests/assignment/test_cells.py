"""What a person sees in a cell is what is read, or the cell is refused."""

import io
import re
from contextlib import suppress
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from services.assignment.spreadsheets import ReadTasks, TaskRow, read_units
from services.assignment.spreadsheets.cells import (
    CellRefusal,
    FormatNotUnderstood,
    HiddenByFormat,
    TooManyDigits,
    WithoutYear,
    in_format,
)
from services.assignment.spreadsheets.quantities import QuantityRefused, read_quantity
from tests.assignment.sheets import read

HEADER = ["序号", "工作任务", "牵头单位", "完成时限", "指标", "目标值", "计量单位", "权重"]
ROW = [1, "修路", "交通局", "6月底前", "公路里程", 30, "公里", 5]
COLUMNS = {"number": "A", "task": "B", "due": "D", "target": "F", "target_unit": "G", "weight": "H"}
EVENING = datetime(2021, 6, 30, 17, 5)


def seen(value: Any, code: str, epoch: datetime = CALENDAR_WINDOWS_1900) -> Any:
    shown = in_format(value, code, epoch)
    return shown.strip() if type(shown) is str else shown


def read_cell(
    field: str, value: Any, code: str | None = None, *, epoch: Any = None, **others: Any
) -> ReadTasks:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    if epoch:
        book.epoch = epoch
    sheet.append(HEADER)
    sheet.append(ROW)
    for name, other in others.items():
        sheet[f"{COLUMNS[name]}2"] = other
    cell = sheet[f"{COLUMNS[field]}2"]
    cell.value = value
    if code:
        cell.number_format = code
    out = io.BytesIO()
    book.save(out)
    return read(out.getvalue(), "清单.xlsx")


def task(result: ReadTasks) -> TaskRow:
    assert result.rejected == ()
    return result.accepted[0]


def refused(result: ReadTasks) -> list[tuple[str, str]]:
    assert result.accepted == ()
    return [(problem.field, problem.reason_zh) for problem in result.rejected]


# --- a value in its format ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (95, '0"%"', "95%"),
        (0.95, "0%", "95%"),
        (0.955, "0.0%", "95.5%"),
        (0.955, "0%", "96%"),  # rounded as the person sees it
        (2.5, "0", "3"),
        (1.005, "0.00", "1.01"),  # by its decimal digits, as Excel does, not by the binary number
        (1.1, "0.00", "1.10"),
        (7, "000", "007"),
        (12, '0"次"', "12次"),
        (1200, '#"万元"', "1200万元"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (12, "0,000", "0,012"),
        (5, "0.##", "5"),
        (0, "#", ""),
        (12345678, "000-0000", "1234-5678"),
        (45678, '0.0,"千元"', "45.7千元"),
        (45678, r'0\.0,"万元"', "4.6万元"),
        (45678, '0!.0,"万元"', "4.6万元"),
        (-3, "0", "-3"),
        (-3, "0;-0", "-3"),
        (-3, r"0_);[Red]\(0\)", "(3)"),
        (0, '0;-0;"未定"', "未定"),
        (0, "0;-0;", ""),
        (0, '_ * #,##0_ ;_ * -#,##0_ ;_ * "-"??_ ;_ @_ ', "-"),
        (8000, '_ * #,##0_ ;_ * -#,##0_ ;_ * "-"??_ ;_ @_ ', "8,000"),
        ("甲", '_ * #,##0_ ;_ * -#,##0_ ;_ * "-"??_ ;_ @_ ', "甲"),
        (8, "[$¥-804]#,##0.0", "¥8.0"),
        (15, '[>=10]0"多";0"少"', "15多"),
        (5, '[>=10]0"多";0"少"', "5少"),
        (2, '[=1]"是";[=0]"否";General', "2"),
        (8, '[蓝色]0"项"', "8项"),
        (8, "@", "8"),
        (2021.1, "General", "2021.1"),
        (1 / 3, "General", "0.333333333"),
        (0.1 + 0.2, "General", "0.3"),
        (123456789012345, "General", "123456789012345"),
        (6, 'General"月底前"', "6月底前"),
        ("交通", '@"局"', "交通局"),
        ("交通", "0.00", "交通"),
        ("交通", "0abc", "交通"),
        (datetime(2021, 6, 30), 'yyyy"年"m"月"', "2021年6月"),
        (datetime(2021, 6, 30), "mmm-yy", "2021年6月"),
        (datetime(2021, 6, 30), 'yyyy"年"m"月底前"', "2021年6月底前"),
        (datetime(2021, 6, 30), 'm"月份"', "6月份"),
        (datetime(2021, 6, 30), "[$-804]d-mmm", "6月30日"),
        (EVENING, "yyyy/m/d h:mm", "2021-06-30 17:05"),
        (EVENING, 'yyyy"年"m"月"d"日" h"时"mm"分"', "2021-06-30 17:05"),
        (8, "0!d", "8d"),
    ],
)
def test_a_cell_is_read_as_the_person_sees_it(value, code, text):
    assert seen(value, code) == text


@pytest.mark.parametrize(
    "code",
    [
        "yyyy/m/d",
        "yyyy/m/d h:mm",
        '[$-804]yyyy"年"m"月"d"日";@',
        r"yyyy\-mm\-dd",
        "yyyy.m.d",
        "m/d/yy",
        r"[$-F800]dddd\,\ mmmm\ dd\,\ yyyy",
        '[DBNum1][$-804]yyyy"年"m"月"d"日"',
        'e"年"m"月"d"日"',
        'yyyy"年"m"月"d"日"(aaa)',
        r"yyyy/m/d\ dddd",
        "General",
    ],
)
def test_a_format_that_shows_the_whole_date_shows_a_day(code):
    assert seen(datetime(2021, 6, 30), code) == date(2021, 6, 30)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (5, "0.00E+00"),
        (0.5, "# ?/?"),
        (5, "[DBNum1]General"),
        (5, "0abc"),
        (5, "0*-"),
        (5, "[h]:mm"),
        (5, "0/0"),
        (5.5, ".00"),
        (-5, "0;[Red]0"),  # only a colour says that it is below zero
        (-5, "[>=10]0;0"),
        (5, "[=1]0;[=2]0"),
        (5, "General%"),
        (-1, "yyyy/m/d"),
        (1e-12, "General"),
        (1e14, "0.00000000000000000000"),
        (datetime(2021, 6, 30), "aaaa"),
        (EVENING, "h:mm"),
        (EVENING, "[<44000]yyyy/m/d;m/d"),
        (datetime(2021, 6, 30), '"20"yy"年"m"月"'),
    ],
)
def test_a_format_that_is_not_understood_refuses_the_cell(value, code):
    with pytest.raises(FormatNotUnderstood) as refusal:
        in_format(value, code, CALENDAR_WINDOWS_1900)
    assert code in refusal.value.text("zh")


@pytest.mark.parametrize(
    ("value", "code"), [(5, ";;;"), ("交通局", ";;;"), (-5, "0;"), (5, '"";0'), (0.3, "#")]
)
def test_a_value_that_its_format_hides_is_refused(value, code):
    with pytest.raises(HiddenByFormat):
        in_format(value, code, CALENDAR_WINDOWS_1900)


@pytest.mark.parametrize("value", [150623200001011234, 10**15, -(10**15), 1.50623200001011e17, 10**400])
def test_a_number_with_more_digits_than_a_spreadsheet_keeps_is_refused(value):
    with pytest.raises(TooManyDigits):
        in_format(value, "0", CALENDAR_WINDOWS_1900)


def test_a_date_without_its_year_says_which_year_it_was():
    shown = in_format(datetime(2022, 6, 30), 'm"月"d"日"', CALENDAR_WINDOWS_1900)
    assert (shown, isinstance(shown, WithoutYear) and shown.year) == ("6月30日", 2022)


def test_a_serial_number_is_a_day_of_the_workbooks_own_epoch():
    # Format 58 of Chinese Excel is not known to openpyxl: the value comes as a number.
    assert seen(44377, 'm"月"d"日"') == "6月30日"
    assert seen(44377 - 1462, 'm"月"d"日"', CALENDAR_MAC_1904) == "6月30日"


_PLACES = st.integers(0, 6)
_UNIT = st.sampled_from(["", '"次"', '"万元"', "%", '"%"', "_ ", ' "个"', r"\人"])
_WHOLE = st.sampled_from(["0", "#,##0", "#", "00", "[红色]0", "[$-804]#,##0", "??0"])


@settings(deadline=None)
@given(
    number=st.decimals(0, 10**8, places=6).map(lambda one: round(one, 6)),
    whole=_WHOLE,
    places=_PLACES,
    sign=st.sampled_from("0#?"),
    unit=_UNIT,
    more=st.sampled_from(["", ";-0", ';-0;"-"', ";@", ";-0;0;@"]),
)
def test_a_number_in_its_format_reads_back_as_it_is_seen_or_is_refused(
    number, whole, places, sign, unit, more
):
    code = whole + ("." + sign * places if places else "") + unit + more
    value = float(number)
    try:
        text = seen(value, code)
        read = read_quantity(text)
    except CellRefusal:
        return
    except QuantityRefused:
        assert number < 1  # nothing, "-", or ".5"
        return
    exact = Decimal(f"{value:.15g}") * (100 if unit == "%" else 1)
    assert read.value == exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if number:  # the section for zero shows no unit
        assert read.unit == re.sub(r'[\\"_ ]', "", unit)


@settings(deadline=None)
@given(
    value=st.one_of(
        st.integers(-(10**18), 10**18), st.floats(allow_nan=False), st.text(max_size=5), st.just(EVENING)
    ),
    code=st.text(alphabet='0#?.,%;@"\\_*[]<>=-+!/ EymdhsaGenrl年月日次$¥', max_size=14),
)
def test_whatever_the_format_a_cell_is_shown_or_refused(value, code):
    # Any other exception fails the test.
    with suppress(CellRefusal):
        assert isinstance(in_format(value, code, CALENDAR_WINDOWS_1900), str | date)


# --- cells of a task list ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code", "unit", "target"),
    [
        (95, '0"%"', "%", "95"),
        (0.885, "0.0%", "%", "88.5"),
        (3500, '#,##0"万"', "元", "35000000"),
        (3.5, '0.0"万元"', "元", "35000"),
        (1200, '0"万元"', "亿元", "0.12"),
        (6, '0"公里"', "米", "6000"),
    ],
)
def test_a_target_is_what_its_format_shows_in_the_unit_of_its_column(value, code, unit, target):
    row = task(read_cell("target", value, code, target_unit=unit))
    assert (str(row.target), row.target_unit) == (target, unit)


@pytest.mark.parametrize(
    ("value", "code", "number"),
    [(1.1, "0.00", "1.10"), (3, "000", "003"), (2, '"A-"0', "A-2"), (2, '0"、"', "2"), (1.1, None, "1.1")],
)
def test_a_list_number_keeps_the_digits_that_its_format_shows(value, code, number):
    assert task(read_cell("number", value, code)).number == number


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (datetime(2021, 1, 2), 'm"月"d"日"'),
        (datetime(2021, 1, 2), "yyyy/m/d"),
        ("1.50623E+17", None),
        (150623200001011234, None),
        (3, "# ?/?"),
    ],
)
def test_a_list_number_that_a_spreadsheet_program_has_spoilt_is_refused(value, code):
    ((field, reason),) = refused(read_cell("number", value, code))
    assert field == "number"
    assert "文本" in reason


@pytest.mark.parametrize(
    ("value", "code", "due"),
    [
        (2021.1, "0.00", date(2021, 10, 29)),
        (2021.06, "0.00", date(2021, 6, 30)),
        (datetime(2021, 6, 1), 'm"月"', date(2021, 6, 30)),
        (datetime(2021, 9, 10), 'm"月"d"日"', date(2021, 9, 10)),
        (datetime(2021, 9, 10), 'yyyy"年"m"月底前"', date(2021, 9, 30)),
        (datetime(2021, 9, 10, 17, 30), "yyyy/m/d h:mm", date(2021, 9, 10)),
        (9, 'General"月底前"', date(2021, 9, 30)),
        (2021, '0"年"', date(2021, 12, 31)),
    ],
)
def test_a_deadline_is_what_its_format_shows(value, code, due):
    assert task(read_cell("due", value, code)).due == due


def test_the_time_of_day_of_a_deadline_stays_in_its_words():
    row = task(read_cell("due", datetime(2021, 9, 10, 17, 30), "yyyy/m/d h:mm"))
    assert row.due_text == "2021-09-10 17:30"


def test_a_date_counted_from_1904_is_the_same_day():
    row = task(read_cell("due", datetime(2021, 9, 10), "yyyy/m/d", epoch=CALENDAR_MAC_1904))
    assert row.due == date(2021, 9, 10)


@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        (2021.1, None, "10月"),
        (2021.1, "0.0", "10月"),
        (6.3, "0.00", "看不懂"),
        (44377, None, "看不懂"),
        (datetime(2022, 6, 30), 'm"月"d"日"', "2022 年"),
        (6, 'm"月"', "1900 年"),  # typed as 6, shown as 1月
        (datetime(2021, 6, 30), "aaaa", "数字格式"),
        (44377, ";;;", "不显示"),
    ],
)
def test_a_deadline_that_could_mean_another_day_is_refused(value, code, why):
    ((field, reason),) = refused(read_cell("due", value, code))
    assert field == "due"
    assert why in reason


def test_an_unreadable_cell_in_a_column_without_meaning_refuses_nothing():
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append([*HEADER, "资金来源"])
    sheet.append([*ROW, 0.5])
    sheet["I2"].number_format = "# ?/?"
    out = io.BytesIO()
    book.save(out)
    assert task(read(out.getvalue(), "清单.xlsx")).number == "1"


def test_an_unreadable_cell_in_the_list_of_units_refuses_its_row():
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["id", "name", "kind"])
    sheet.append(["lyj", 5, "部门"])
    sheet["B2"].number_format = ";;;"
    out = io.BytesIO()
    book.save(out)
    units = read_units(out.getvalue(), "units.xlsx")
    assert (units.accepted, [problem.field for problem in units.rejected]) == ((), ["name"])


@pytest.mark.parametrize("weight", ["5", "５", "5%", "5 分", 5, 0.05])
def test_a_weight_is_read_with_or_without_its_sign(weight):
    row = task(read_cell("weight", weight, "0%" if weight == 0.05 else None))
    assert str(row.weight) == "5"


@pytest.mark.parametrize("weight", ["1/3", "5²", "3-5", "5%%", "-5", "5个"])
def test_a_weight_with_something_else_beside_it_is_refused(weight):
    assert [field for field, _ in refused(read_cell("weight", weight))] == ["weight"]


# --- CSV ---------------------------------------------------------------------------------------------------


def read_csv(number: str, due: str = "6月底前") -> ReadTasks:
    return read(f"序号,工作任务,牵头单位,完成时限\r\n{number},修路,交通局,{due}\r\n".encode(), "清单.csv")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ('="007"', "007"),
        ('"=""007"""', "007"),
        ('="150623200001011234"', "150623200001011234"),
        ("150623200001011234", "150623200001011234"),
        ('="A""B"', 'A"B'),
        ("007", "007"),
    ],
)
def test_a_csv_cell_kept_as_text_by_an_equals_sign_is_that_text(written, number):
    assert task(read_csv(written)).number == number


@pytest.mark.parametrize("written", ["=A2+1", "=1+1", '="1"&"2"', "=ROW()"])
def test_a_formula_in_a_csv_file_is_refused(written):
    ((field, reason),) = refused(read_csv(written.replace('"', '""').join('""')))
    assert field == "number"
    assert "公式" in reason


@pytest.mark.parametrize(
    "due", ["2021/9/10 0:00", "2021-09-10 00:00:00", "２０２１／９／１０ 0:00", '="2021/9/10"']
)
def test_the_time_that_a_spreadsheet_program_saves_beside_a_day_adds_no_digit(due):
    assert task(read_csv("1", due)).due == date(2021, 9, 10)
