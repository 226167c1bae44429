"""What a person sees of a file is what is read: sheets, hidden rows and columns, struck-out texts, 同上, headings."""

import io
import re
import zipfile
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.formatting.rule import CellIsRule, FormulaRule, Rule
from openpyxl.styles import Font, NamedStyle
from openpyxl.styles.differential import DifferentialStyle

from services.assignment.spreadsheets import (
    DamagedFile,
    NoTaskHeader,
    ReadTasks,
    SeveralDeadlines,
    StrictWorkbook,
    TooManySheets,
    read_units,
)
from services.assignment.spreadsheets.left_out import MOST, LeftOut, bounded
from shared.domain.words import Title
from tests.assignment.test_spreadsheets import HEADER, csv_file, read, row, saved, xlsx

STRUCK = Font(strike=True)
SHEET = "xl/worksheets/sheet1.xml"


def book_of(**sheets: list[list[Any]]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for cells in rows:
            sheet.append(cells)
    return book


def tasks(count: int = 3) -> openpyxl.Workbook:
    return book_of(甲=[HEADER, *(row(n, task=f"任务{n}") for n in range(1, count + 1))])


def changed(data: bytes, before: str, after: str) -> bytes:
    """A workbook with the markup of its first sheet changed, as another program would have written it."""
    source, out = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name in source.namelist():
            content = source.read(name).decode()
            if name == SHEET:
                content, times = re.subn(before, after, content, count=1)
                assert times == 1
            package.writestr(name, content)
    return out.getvalue()


def prefixed(data: bytes) -> bytes:
    """A workbook whose parts write every element with a prefix, as some programs do."""
    source, out = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name in source.namelist():
            content = source.read(name).decode()
            if name.startswith("xl/") and "spreadsheetml/2006/main" in content:
                content = content.replace(" xmlns=", " xmlns:x-1.y=")
                content = re.sub(r"<(/?)([A-Za-z]\w*)(?=[\s/>])", r"<\1x-1.y:\2", content)
            package.writestr(name, content)
    return out.getvalue()


def numbers(result: ReadTasks) -> list[str]:
    return [task.number for task in result.accepted]


def left(result: ReadTasks, reason: str) -> list[tuple[str, str, str]]:
    return [(one.kind, one.place, one.value) for one in result.left_out if reason in one.reason.zh]


# --- sheets ------------------------------------------------------------------------------------------------


def test_every_sheet_that_is_not_read_is_named_with_the_reason():
    book = book_of(
        封面=[["任务清单"], ["2021年"]],
        甲=[HEADER, row()],
        乙=[["序号", "工作任务", "牵头单位", "何时汇报"], [1, "修路", "交通局", "6月"]],
        空=[],
        旧=[HEADER, row()],
        更旧=[HEADER, row()],
    )
    book["旧"].sheet_state = "hidden"
    book["更旧"].sheet_state = "veryHidden"
    result = read(saved(book))
    assert numbers(result) == ["1"]
    why = {one.sheet: one.reason for one in result.left_out if one.kind == "sheet"}
    assert list(why) == ["封面", "乙", "空", "旧", "更旧"]
    assert "没有任务清单的表头" in why["封面"].zh
    assert "完成时限" in why["乙"].zh
    assert "due date" in why["乙"].en
    assert "没有看得见的内容" in why["空"].zh
    assert all("隐藏" in why[title].zh for title in ("旧", "更旧"))
    assert ("column", "D1", "何时汇报") in left(result, "用不到")


def test_a_second_sheet_with_another_heading_for_the_deadline_is_read_too():
    other = ["序号", "重点任务", "具体举措", "责任单位", "时间安排"]
    book = book_of(甲=[HEADER, row()], 乙=[other, [1, "交通", "架桥", "交通局", "9月底前"]])
    assert numbers(read(saved(book))) == ["1", "乙-1"]


def test_two_deadlines_on_any_of_several_sheets_refuse_the_file_and_name_the_sheet():
    book = book_of(甲=[HEADER, row()], 乙=[[*HEADER, "截止日期"], [*row(2), "2021-07-30"]])
    with pytest.raises(SeveralDeadlines, match="乙!完成时限 E1, 乙!截止日期 G1"):
        read(saved(book))


def test_if_no_sheet_is_read_the_refusal_says_why_of_each():
    book = book_of(封面=[["任务清单"]], 乙=[["序号", "工作任务", "牵头单位"], [1, "修路", "交通局"]])
    book["乙"].sheet_state = "hidden"
    with pytest.raises(NoTaskHeader) as refusal:
        read(saved(book))
    assert "封面" in refusal.value.text("zh")
    assert "乙：工作表已隐藏" in refusal.value.text("zh")


def test_more_sheets_than_are_read_are_refused_instead_of_left_out_in_silence():
    with pytest.raises(TooManySheets) as refusal:
        read(saved(book_of(**{f"表{n}": [HEADER, row()] for n in range(51)})))
    assert refusal.value.status == 413


# --- hidden rows and columns -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        'hidden="1"',
        "hidden='true'",
        'ht="0" customHeight="1"',
        'ht="0.5"',
        'outlineLevel="1" collapsed="0" hidden="1"',
    ],
)
def test_a_hidden_row_is_named_and_not_taken(attributes):
    result = read(changed(saved(tasks()), r'<row r="3"', f'<row r="3" {attributes}'))
    assert numbers(result) == ["1", "3"]
    assert left(result, "所在行已隐藏") == [("row", "3:3", "2 任务2 交通局 6月底前 分管副旗长")]


def test_rows_hidden_by_a_filter_are_named_as_one_stretch():
    book = tasks(9)
    book["甲"].auto_filter.ref = "A1:F10"
    for hidden in (3, 4, 5, 8):
        book["甲"].row_dimensions[hidden].hidden = True
    result = read(saved(book))
    assert numbers(result) == ["1", "5", "6", "8", "9"]
    assert [place for _, place, _ in left(result, "隐藏")] == ["3:5", "8:8"]


@pytest.mark.parametrize("attributes", ['hidden="1"', "hidden='true'", 'width="0" customWidth="1"'])
def test_a_hidden_column_is_named_and_not_taken(attributes):
    data = saved(book_of(甲=[HEADER, row(supporters="公安局")]))
    result = read(
        changed(data, "<sheetData>", f'<cols><col min="4" max="4" {attributes}/></cols><sheetData>')
    )
    assert [task.supporters for task in result.accepted] == [()]
    assert left(result, "所在列已隐藏") == [("column", "D:D", "配合单位")]


def test_a_hidden_deadline_is_missing_and_the_refusal_says_that_it_is_hidden():
    book = tasks()
    book["甲"].column_dimensions["E"].hidden = True
    with pytest.raises(NoTaskHeader) as refusal:
        read(saved(book))
    assert "甲!E:E“完成时限”：所在列已隐藏" in refusal.value.text("zh")


def test_a_list_whose_header_is_hidden_is_refused_with_the_rows_that_are_hidden():
    book = tasks()
    book["甲"].row_dimensions[1].hidden = True
    with pytest.raises(NoTaskHeader) as refusal:
        read(saved(book))
    assert "甲!1:1“序号 工作任务 牵头单位" in refusal.value.text("zh")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<c r="A2"', '<c r="1A"'),
        ('<c r="A2"', '<c r="ZZZZ2"'),
        ('<row r="2"', '<row r="x"'),
        ('<row r="2"', '<row r="1e999"'),
        ('<row r="2"', '<row r="2" ht="high"'),
        ("<sheetData>", '<cols><col min="1" hidden="1"/></cols><sheetData>'),
        ("</sheetData>", "</sheetData><mergeCells><mergeCell/></mergeCells>"),
    ],
)
def test_markup_that_no_program_writes_is_refused_as_damaged(before, after):
    with pytest.raises(DamagedFile):
        read(changed(saved(tasks()), before, after))


def test_hidden_rows_and_columns_with_nothing_in_them_are_not_mentioned():
    book = tasks()
    book["甲"].row_dimensions[9].hidden = True
    book["甲"].column_dimensions["J"].hidden = True
    assert read(saved(book)).left_out == ()


def test_a_merged_cell_whose_first_row_is_hidden_still_shows_what_it_says():
    book = book_of(
        甲=[
            HEADER,
            row(lead="公安局"),
            [2, "架桥", None, None, "9月底前"],
            [3, "养护", None, None, "9月底前"],
        ]
    )
    book["甲"].merge_cells("C2:C4")
    book["甲"].row_dimensions[2].hidden = True
    assert [(task.number, task.lead) for task in read(saved(book)).accepted] == [("2", "gaj"), ("3", "gaj")]


def test_a_formula_without_its_value_in_a_hidden_row_refuses_nothing():
    book = tasks()
    book["甲"]["C3"] = "=C2"
    book["甲"].row_dimensions[3].hidden = True
    result = read(saved(book))
    assert (numbers(result), result.rejected) == (["1", "3"], ())


# --- struck-out texts --------------------------------------------------------------------------------------


def test_a_struck_out_cell_is_blank_and_named():
    book = book_of(甲=[HEADER, row(supporters="公安局、水利局")])
    book["甲"]["D2"].font = STRUCK
    result = read(saved(book))
    assert [task.supporters for task in result.accepted] == [()]
    assert left(result, "划去") == [("cell", "D2", "公安局、水利局")]


@pytest.mark.parametrize("named", [False, True])
def test_a_struck_out_row_is_no_task(named):
    book = tasks()
    book.add_named_style(NamedStyle(name="作废", font=STRUCK))
    for cell in book["甲"][3]:
        if named:
            cell.style = "作废"
        else:
            cell.font = STRUCK
    result = read(saved(book))
    assert (numbers(result), result.rejected) == (["1", "3"], ())
    assert left(result, "文字已划去") == [
        ("cell", "A3:C3", "2 任务2 交通局"),
        ("cell", "E3:F3", "6月底前 分管副旗长"),
    ]


def test_a_row_whose_task_alone_is_struck_out_is_not_taken_and_named():
    book = tasks()
    book["甲"]["B3"].font = STRUCK
    result = read(saved(book))
    assert (numbers(result), result.rejected) == (["1", "3"], ())
    assert left(result, "整行不导入") == [("row", "3:3", "")]


@pytest.mark.parametrize(("place", "field"), [("C2", "lead"), ("E2", "due")])
def test_a_row_that_lacks_what_is_struck_out_is_refused_for_that_reason(place, field):
    book = tasks(1)
    book["甲"][place].font = STRUCK
    (problem,) = read(saved(book)).rejected
    assert (problem.field, "划去" in problem.reason_zh) == (field, True)


def test_of_a_text_in_several_fonts_only_what_is_not_struck_out_is_read():
    book = tasks(1)
    struck, plain = InlineFont(strike=True), InlineFont()
    book["甲"]["E2"] = CellRichText(TextBlock(struck, "6月底前"), TextBlock(plain, "9月底前"))
    book["甲"]["D2"] = CellRichText("公安局", TextBlock(struck, "、水利局"))
    result = read(saved(book))
    assert [(task.due_text, task.supporters) for task in result.accepted] == [("9月底前", ("gaj",))]
    assert left(result, "划去") == [("cell", "D2:E2", "、水利局 6月底前")]


@pytest.mark.parametrize("strike", ["<{0}strike/>", "<{0}strike val='1'/>", '<{0}strike val="true"/>'])
def test_texts_in_the_sheet_and_texts_shared_between_cells_are_read_alike(strike):
    runs = f"<r><rPr>{strike.format('')}</rPr><t>6月底前</t></r><r><t>9月底前</t></r>"
    inline = f'<c r="E2" t="inlineStr"><is>{runs}<rPh sb="0" eb="1"><t>jiu</t></rPh></is></c>'
    data = changed(saved(tasks(1)), r'<c r="E2"[^>]*>(?:(?!</c>).)*</c>', inline)
    shared = io.BytesIO()
    with zipfile.ZipFile(shared, "w") as package:
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        source = zipfile.ZipFile(io.BytesIO(data))
        for name in source.namelist():
            content = source.read(name).decode().replace(inline, '<c r="E2" t="s"><v>0</v></c>')
            part = f'<Override PartName="/xl/strings.xml" ContentType="{kind}"/></Types>'
            package.writestr(name, content.replace("</Types>", part))
        package.writestr("xl/strings.xml", f'<sst xmlns="{main}"><si>{runs}</si></sst>')
    for each in (data, shared.getvalue(), prefixed(data)):
        result = read(each)
        assert [task.due_text for task in result.accepted] == ["9月底前"]
        assert left(result, "划去") == [("cell", "E2", "6月底前")]


def test_a_run_that_is_marked_as_not_struck_out_stands_in_a_struck_out_cell():
    book = tasks(1)
    book["甲"]["E2"] = CellRichText(TextBlock(InlineFont(strike=False), "6月底前"), "（暂定）")
    book["甲"]["E2"].font = STRUCK
    assert [task.due_text for task in read(saved(book)).accepted] == ["6月底前"]


def test_a_struck_out_number_or_day_is_named_as_it_was_shown():
    book = tasks(1)
    book["甲"]["A2"].font = STRUCK
    assert left(read(saved(book)), "划去") == [("cell", "A2", "1")]


@pytest.mark.parametrize(
    "rule",
    [
        FormulaRule(formula=['$F2="撤销"'], font=STRUCK),
        FormulaRule(formula=['"撤销"=$F2'], font=STRUCK),
        FormulaRule(formula=['$F2<>"分管副旗长"'], font=STRUCK),
        FormulaRule(formula=['ISNUMBER(SEARCH("撤",$F2))'], font=STRUCK),
    ],
)
def test_what_a_conditional_format_strikes_out_is_not_taken(rule):
    book = tasks()
    book["甲"]["F3"] = "撤销"
    book["甲"].conditional_formatting.add("A2:F9", rule)
    result = read(saved(book))
    assert (numbers(result), result.rejected) == (["1", "3"], ())
    assert [place for _, place, _ in left(result, "文字已划去")] == ["A3:C3", "E3:F3"]


@pytest.mark.parametrize(
    "rule",
    [
        CellIsRule(operator="equal", formula=['"公安局"'], font=STRUCK),
        Rule(type="containsText", operator="containsText", text="公安", dxf=DifferentialStyle(font=STRUCK)),
        Rule(type="beginsWith", operator="beginsWith", text="公", dxf=DifferentialStyle(font=STRUCK)),
        FormulaRule(formula=['D2="公安局"'], font=STRUCK),
        FormulaRule(formula=["TRUE"], font=STRUCK),
    ],
)
def test_a_conditional_format_of_the_cells_themselves_strikes_them_out(rule):
    book = book_of(甲=[HEADER, row(supporters="公安局")])
    book["甲"].conditional_formatting.add("D2:D3", rule)
    assert [task.supporters for task in read(saved(book)).accepted] == [()]
    assert [task.supporters for task in read(prefixed(saved(book))).accepted] == [()]


@pytest.mark.parametrize("formula", ['AND($F2="撤销",$A2>1)', "LEN($B2)>3", 'COUNTIF($A:$A,"x")>0'])
def test_a_conditional_format_whose_condition_is_not_understood_is_named(formula):
    book = tasks()
    book["甲"].conditional_formatting.add("A2:F9", FormulaRule(formula=[formula], font=STRUCK))
    book["甲"].conditional_formatting.add("A2:A9", FormulaRule(formula=["TRUE"], font=Font(bold=True)))
    result = read(saved(book))
    assert numbers(result) == ["1", "2", "3"]
    assert left(result, "条件格式") == [("cell", "A2:F9", "")]


# --- markup as other programs write it ---------------------------------------------------------------------


def test_a_file_whose_markup_has_a_prefix_is_read_as_the_same_file_without():
    book = book_of(甲=[HEADER, row(supporters='="公安"&"局"'), row(2), [3, "架桥"], row(4), row(5)])
    for column in "CDEF":
        book["甲"].merge_cells(f"{column}3:{column}4")
    book["甲"].row_dimensions[5].hidden = True
    book["甲"].column_dimensions["F"].hidden = True
    book["甲"]["B6"].font = STRUCK
    plain = read(saved(book))
    assert numbers(plain) == ["2", "3"]
    assert [(problem.row, problem.field) for problem in plain.rejected] == [(2, "supporters")]
    assert len(plain.left_out) == 4
    assert read(prefixed(saved(book))) == plain


def test_a_formula_whose_result_is_an_empty_text_is_calculated():
    data = saved(book_of(甲=[HEADER, row(supporters="替换")]))
    cell = '<c r="D2" t="str"><f>IF(TRUE,"","公安局")</f><v></v></c>'
    result = read(changed(data, r'<c r="D2"[^>]*>(?:(?!</c>).)*</c>', cell))
    assert [task.supporters for task in result.accepted] == [()]


def test_a_strict_workbook_is_refused_with_what_to_do():
    strict = "http://purl.oclc.org/ooxml/spreadsheetml/main"
    source, out = zipfile.ZipFile(io.BytesIO(saved(tasks()))), io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name in source.namelist():
            content = source.read(name).decode()
            content = content.replace("http://schemas.openxmlformats.org/spreadsheetml/2006/main", strict)
            package.writestr(name, content)
    for data in (out.getvalue(), prefixed(out.getvalue())):
        with pytest.raises(StrictWorkbook) as refusal:
            read(data)
        assert "另存为普通" in refusal.value.text("zh")
        assert "ordinary xlsx" in refusal.value.text("en")


# --- rows that continue others -----------------------------------------------------------------------------


def of_rows(*rows: list[Any]) -> list[tuple[str, str, str]]:
    result = read(xlsx(HEADER, *rows))
    assert result.rejected == ()
    return [(task.number, task.task, task.category) for task in result.accepted]


def child(number: Any, task: str) -> list[Any]:
    return [number, task, "交通局", None, "6月底前"]


@pytest.mark.parametrize(
    ("written", "numbered"),
    [
        (("1.1", "1.2"), ("1.1", "1.2")),
        (("1-1", "1-2"), ("1-1", "1-2")),
        (("1．1", "1．2"), ("1.1", "1.2")),
        (("（1）", "（2）"), ("1-1", "1-2")),
        (("1)", "2)"), ("1-1", "1-2")),
        (("①", "②"), ("1-1", "1-2")),
        ((1, 2), ("1-1", "1-2")),
    ],
)
def test_a_row_under_a_plain_number_heads_the_rows_numbered_below_it(written, numbered):
    rows = [[1, "优化环境"], child(written[0], "压减"), child(written[1], "减少"), child(9, "别的")]
    assert of_rows(*rows) == [
        (numbered[0], "压减", "1、优化环境"),
        (numbered[1], "减少", "1、优化环境"),
        ("9", "别的", ""),
    ]


def test_headings_stand_below_sections_and_below_each_other():
    assert of_rows(
        ["一、创造力"],
        [1, "优化环境"],
        ["1.1", "审批"],
        child("1.1.1", "压减"),
        child("1.2", "减少"),
        [2, "其他"],
        child("2.1", "修路"),
        ["二、执行力"],
        child(3, "督查"),
    ) == [
        ("1.1.1", "压减", "一、创造力 / 1、优化环境 / 1.1、审批"),
        ("1.2", "减少", "一、创造力 / 1、优化环境"),
        ("2.1", "修路", "一、创造力 / 2、其他"),
        ("3", "督查", "二、执行力"),
    ]


def test_numbers_that_begin_anew_below_each_heading_do_not_repeat_each_other():
    rows = [[1, "甲类"], child(1, "甲"), child(2, "乙"), [2, "乙类"], child(1, "丙")]
    assert of_rows(*rows) == [("1-1", "甲", "1、甲类"), ("1-2", "乙", "1、甲类"), ("2-1", "丙", "2、乙类")]


def test_what_a_heading_says_holds_where_the_rows_below_leave_it_blank():
    result = read(
        xlsx(
            HEADER,
            [1, "优化环境", "发改委", "公安局", None, "常务副旗长"],
            ["1.1", "压减", None, None, "6月底前"],
            ["1.2", "减少", "交通局", None, "9月底前", "分管副旗长"],
        )
    )
    assert [(t.lead, t.supporters, t.due_text, t.leader) for t in result.accepted] == [
        ("fgw", ("gaj",), "6月底前", "常务副旗长"),
        ("jtj", (), "9月底前", "分管副旗长"),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        ([1, "缺单位和时限"], child(2, "别的")),
        ([1, "缺时限", "交通局"], child(None, "没有序号")),
        ([1, "缺时限", "交通局"], child(1, "序号重复")),
        ([2, "最后一行"],),
    ],
)
def test_a_row_that_lacks_something_is_refused_unless_rows_stand_below_it(rows):
    result = read(xlsx(HEADER, *rows))
    assert 2 in {problem.row for problem in result.rejected}


@pytest.mark.parametrize("mark", ["同上", " 同 上 ", "（同上）", "〃", '"', "″", "同上一行", "—〃—"])
@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_ditto_marks_say_what_the_row_above_says(mark, form):
    first = ["1", "修路", "交通局", "公安局", "6月底前", "常务副旗长"]
    rows = [first, ["2", "架桥", *[mark] * 4], ["3", "养护", *[mark] * 4]]
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in cells] for cells in [HEADER, *rows]]
    data = csv_file(*quoted) if form == "csv" else xlsx(HEADER, *rows)
    result = read(data, f"a.{form}")
    assert result.rejected == ()
    said = {(t.lead, t.supporters, t.due_text, t.leader) for t in result.accepted}
    assert said == {("jtj", ("gaj",), "6月底前", "常务副旗长")}


@pytest.mark.parametrize(
    ("column", "field"), [(0, "number"), (2, "lead"), (3, "supporters"), (4, "due"), (5, "leader")]
)
def test_a_ditto_mark_with_nothing_above_it_is_refused(column, field):
    cells = row(supporters="公安局")
    cells[column] = "同上"
    (problem,) = read(xlsx(HEADER, cells)).rejected
    assert (problem.field, problem.value) == (field, "同上")


def test_a_ditto_mark_means_the_row_above_that_is_to_be_seen():
    book = book_of(甲=[HEADER, row(lead="公安局"), row(2), row(3, lead="同上")])
    book["甲"].row_dimensions[3].hidden = True
    assert [task.lead for task in read(saved(book)).accepted] == ["gaj", "gaj"]


@pytest.mark.parametrize(
    ("written", "unit"),
    [("⽔利局", "slj"), ("⺠政局", "mzj"), ("旗⺠\u200b政局", "mzj"), ("⽂化和旅游局", "wlj"), ("⾦融", "")],
)
def test_names_with_radicals_from_pdf_files_are_the_units_they_look_like(written, unit):
    result = read(xlsx(HEADER, row(lead=written)))
    assert [task.lead for task in result.accepted] == ([unit] if unit else [])


# --- the list of units, and the report itself --------------------------------------------------------------


def test_a_list_of_units_says_what_it_left_out_too():
    book = book_of(
        说明=[["填表说明"]],
        名册=[
            ["编号", "单位名称", "类型", "电话"],
            ["aa", "旗⽔利局", "部门", "1"],
            ["bb", "旗甲局", "部门", "2"],
        ],
        另册=[["编号", "单位名称", "类型"], ["cc", "旗乙局", "部门"]],
    )
    book["名册"].row_dimensions[3].hidden = True
    result = read_units(saved(book), "单位.xlsx")
    assert [unit.id for unit in result.accepted] == ["aa"]
    assert [(one.kind, one.sheet, one.place) for one in result.left_out] == [
        ("sheet", "说明", ""),
        ("row", "名册", "3:3"),
        ("column", "名册", "D1"),
        ("sheet", "另册", ""),
    ]


def test_of_very_many_places_the_first_are_named_and_the_others_counted():
    places = [
        LeftOut(kind="cell", sheet="甲", place=f"A{n}", reason=Title("划去", "struck"))
        for n in range(MOST + 3)
    ]
    assert bounded(places[:MOST]) == tuple(places[:MOST])
    assert len(bounded([*places, *places])) == MOST + 1
    assert "3" in bounded(places)[-1].reason.zh
