"""Task lists as people really write them, read into tasks and reasons."""

import io
import time
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import numbers

from services.assignment.samples.build import TASK_LIST, build
from services.assignment.spreadsheets import (
    NoTaskHeader,
    NoTasksInList,
    ReadTasks,
    TaskRow,
)
from tests.assignment.sheets import NAMES, read

HEADER = ["序号", "工作任务", "牵头单位", "配合单位", "完成时限", "分管领导"]
TOWNS = ("alezhao", "shm-town", "angsu", "chengchuan")


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xlsx(*rows: list[Any], merge: tuple[str, ...] = (), formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for cells in merge:
        sheet.merge_cells(cells)
    for place, number_format in (formats or {}).items():
        sheet[place].number_format = number_format
    return saved(book)


def csv_file(*rows: list[str], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    return "\r\n".join(delimiter.join(row) for row in rows).encode(encoding)


def row(
    number: Any = 1, task: str = "修路", lead: str = "交通局", supporters: str = "", due: Any = "6月底前"
) -> list[Any]:
    return [number, task, lead, supporters, due, "分管副旗长"]


def only(result: ReadTasks) -> TaskRow:
    assert result.rejected == ()
    assert len(result.accepted) == 1
    return result.accepted[0]


def refused(*rows: list[Any], header: list[str] = HEADER) -> list[tuple[int, str, str]]:
    result = read(xlsx(header, *rows))
    assert result.accepted == ()
    return [(problem.row, problem.field, problem.value) for problem in result.rejected]


# --- the header --------------------------------------------------------------------------------------------


def test_title_and_note_rows_above_the_header_are_passed_over_and_rows_keep_their_spreadsheet_number():
    data = xlsx(["2021年重点任务清单"], ["制表：政府办"], [], HEADER, row(), merge=("A1:F1",))
    task = only(read(data))
    assert (task.row, task.number, task.task, task.lead) == (5, "1", "修路", "jtj")
    assert (task.due, task.due_text, task.leader) == (date(2021, 6, 30), "6月底前", "分管副旗长")


@pytest.mark.parametrize(
    "task", ["工作任务", "任务", "重点任务", "工作内容", "任务内容", "主要任务", "目标任务"]
)
@pytest.mark.parametrize("lead", ["牵头单位", "责任单位", "主办单位", "牵头部门", "旗直牵头部门"])
@pytest.mark.parametrize(
    "due", ["完成时限", "完成时间", "办结时限", "时限要求", " 完成\n时限 ", "完成时限（2021年）"]
)
def test_a_column_is_known_by_any_of_the_names_people_give_it(task, lead, due):
    assert (
        only(read(csv_file([task, lead, f'"{due}"'], ["修路", "交通局", "6月底前"]), "a.csv")).lead == "jtj"
    )


@pytest.mark.parametrize("supporters", ["配合单位", "协办单位", "协作单位", "配合部门"])
def test_supporters_are_found_under_each_of_their_headings(supporters):
    data = xlsx(["任务", "责任单位", supporters, "完成时限"], ["修路", "交通局", "公安局", "6月底前"])
    assert only(read(data)).supporters == ("gaj",)


@pytest.mark.parametrize("leader", ["分管领导", "牵头领导", "责任领导", "分管\n领导"])
@pytest.mark.parametrize("post", ["责任人", "责任岗位", "具体责任人"])
def test_leader_and_post_are_found_under_each_of_their_headings(leader, post):
    data = xlsx(
        ["编号", "任务", "责任单位", "完成时限", leader, post, "备注"],
        ["A-1", "修路", "交通局", "6月底前", "副旗长", "主要负责人", "急"],
    )
    task = only(read(data))
    assert (task.number, task.leader, task.post, task.remark) == ("A-1", "副旗长", "主要负责人", "急")


def test_a_header_of_two_levels_with_merged_cells_is_one_header():
    data = xlsx(
        ["序号", "工作任务", "责任分工", None, "完成时限"],
        [None, None, "牵头单位", "配合单位", None],
        [1, "修路", "交通局", "公安局、水利局", "三季度"],
        merge=("A1:A2", "B1:B2", "C1:D1", "E1:E2"),
    )
    task = only(read(data))
    assert (task.row, task.lead, task.supporters, task.due) == (3, "jtj", ("gaj", "slj"), date(2021, 9, 30))


def test_a_header_of_two_levels_in_a_csv_file_has_no_merged_cells_and_is_still_one_header():
    data = csv_file(
        ["序号", "工作任务", "责任分工", "", "完成时限"],
        ["", "", "牵头", "配合", ""],
        ["1", "修路", "交通局", "公安局", "6月底前"],
    )
    assert only(read(data, "a.csv")).supporters == ("gaj",)


def test_the_row_that_numbers_the_columns_and_a_header_repeated_on_the_next_page_are_no_tasks():
    data = xlsx(HEADER, [1, 2, 3, 4, 5, 6], row(), HEADER, row(number=2))
    assert [task.row for task in read(data).accepted] == [3, 5]


def test_of_two_task_columns_the_more_specific_is_the_task_and_the_broader_its_category():
    data = xlsx(["重点任务", "工作内容", "牵头单位", "完成时限"], ["交通", "修路", "交通局", "6月底前"])
    task = only(read(data))
    assert (task.task, task.category) == ("修路", "交通")


def test_columns_that_mean_nothing_are_named_so_that_nobody_believes_they_were_imported():
    assert read(xlsx([*HEADER, "资金来源"], [*row(), "旗级"])).ignored_columns == ("资金来源",)


def test_without_a_header_the_refusal_names_what_was_looked_for():
    with pytest.raises(NoTaskHeader) as refusal:
        read(xlsx(["张", "李"], ["一", "二"]))
    assert all(word in refusal.value.text("zh") for word in ("工作任务", "牵头单位", "完成时限"))
    assert refusal.value.status == 422
    assert refusal.value.field == "file"


def test_a_header_that_lacks_one_column_is_refused_with_that_column_only():
    with pytest.raises(NoTaskHeader) as refusal:
        read(xlsx(["序号", "工作任务", "牵头单位"], [1, "修路", "交通局"]))
    assert "完成时限" in refusal.value.text("zh")
    assert "牵头单位" not in refusal.value.text("zh")


def test_a_header_without_any_task_below_is_refused():
    with pytest.raises(NoTasksInList):
        read(xlsx(HEADER, ["合计"]))


# --- rows that are no tasks, and merged cells --------------------------------------------------------------


def test_a_merged_section_row_carries_its_category_down_to_the_next_one():
    data = xlsx(
        HEADER,
        ["一、提升创造力"],
        row(),
        ["（一）基础设施"],
        row(number=2),
        ["二、提升执行力"],
        row(number=3),
        merge=("A2:F2", "A4:F4", "A6:F6"),
    )
    assert [task.category for task in read(data).accepted] == [
        "一、提升创造力",
        "一、提升创造力 / （一）基础设施",
        "二、提升执行力",
    ]


def test_a_section_is_known_without_merged_cells_and_with_its_number_in_a_cell_of_its_own():
    data = xlsx(HEADER, ["一、创造力"], row(), ["二", "执行力"], row(number=2))
    assert [task.category for task in read(data).accepted] == ["一、创造力", "二、执行力"]


def test_a_merged_section_row_needs_no_chinese_number():
    data = xlsx(HEADER, ["重点项目类"], row(), merge=("A2:F2",))
    assert only(read(data)).category == "重点项目类"


def test_totals_and_footnotes_are_not_tasks():
    data = xlsx(
        HEADER,
        row(),
        ["小计", "1项"],
        ["合  计", None, None, None, None, None],
        ["注：1.以上均为重点"],
        ["2.请按时报送"],
        ["备注：无"],
        ["说明：略"],
        ["填表人：", None, "审核人：", None, "联系电话：", None],
    )
    assert only(read(data)).task == "修路"


def test_a_task_that_begins_like_a_footnote_is_a_task():
    assert only(read(xlsx(HEADER, row(task="说明：编制说明材料")))).task == "说明：编制说明材料"


def test_prefilled_numbers_without_anything_else_are_not_tasks():
    assert only(read(xlsx(HEADER, row(), [2], [3]))).number == "1"


def test_cells_merged_over_several_rows_hold_for_each_of_them():
    data = xlsx(
        HEADER,
        row(number=1, task="修路", lead="交通局", supporters="公安局", due="6月底前"),
        [2, "架桥"],
        [3, "养护"],
        merge=("C2:C4", "D2:D4", "E2:E4", "F2:F4"),
    )
    result = read(data)
    assert result.rejected == ()
    assert [(t.task, t.lead, t.supporters, t.due_text) for t in result.accepted] == [
        (task, "jtj", ("gaj",), "6月底前") for task in ("修路", "架桥", "养护")
    ]


def test_one_number_merged_over_several_tasks_numbers_its_parts():
    data = xlsx(HEADER, row(), [None, "架桥", "交通局", None, "年底前"], merge=("A2:A3",))
    assert [task.number for task in read(data).accepted] == ["1-1", "1-2"]


def test_a_task_whose_cells_are_all_merged_over_two_rows_is_one_task():
    data = xlsx(HEADER, row(), [], merge=tuple(f"{column}2:{column}3" for column in "ABCDEF"))
    assert only(read(data)).number == "1"


def test_a_cell_merged_over_both_unit_columns_is_read_as_one_column():
    data = xlsx(HEADER, row(lead="交通局、公安局"), merge=("C2:D2",))
    task = only(read(data))
    assert (task.lead, task.supporters) == ("jtj", ("gaj",))


# --- units -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", ["、", "，", ",", "；", ";", "/", "\n", " ", "　", " \n、"])
def test_without_a_column_for_supporters_the_first_unit_leads_and_the_others_support(between):
    data = xlsx(
        ["任务", "责任单位", "完成时限"], ["修路", between.join(["发改委", "交通局", "旗公安局"]), "6月底前"]
    )
    task = only(read(data))
    assert (task.lead, task.supporters) == ("fgw", ("jtj", "gaj"))


def test_a_unit_marked_as_leading_leads_wherever_it_stands():
    data = xlsx(["任务", "责任单位", "完成时限"], ["修路", "发改委、交通局（牵头）", "6月底前"])
    task = only(read(data))
    assert (task.lead, task.supporters) == ("jtj", ("fgw",))


def test_a_cell_that_says_itself_who_leads_and_who_supports_is_taken_at_its_word():
    data = xlsx(
        ["任务", "责任单位", "完成时限"], ["修路", "牵头单位：交通局\n配合单位：发改委、公安局", "6月底前"]
    )
    task = only(read(data))
    assert (task.lead, task.supporters) == ("jtj", ("fgw", "gaj"))


def test_with_a_column_for_supporters_two_units_in_the_lead_column_are_two_leads_and_refused():
    result = read(xlsx(HEADER, row(lead="发改委、交通局")))
    assert [(p.field, p.value) for p in result.rejected] == [("lead", "发改委、交通局")]
    assert "只能有一个牵头单位" in result.rejected[0].reason_zh
    assert "two leads" in result.rejected[0].reason_en


@pytest.mark.parametrize("lead", ["各镇", "旗直各部门"])
@pytest.mark.parametrize("header", [HEADER, ["序号", "工作任务", "责任单位", "空", "完成时限", "分管领导"]])
def test_a_group_cannot_lead(lead, header):
    assert refused(row(lead=lead), header=header) == [(2, "lead", lead)]


@pytest.mark.parametrize(
    ("written", "units"),
    [
        ("各镇", TOWNS),
        ("各镇人民政府", TOWNS),
        ("各镇（开发区）", ("shm-zone", *TOWNS)),
        ("各镇(开发区)、公安局", ("shm-zone", *TOWNS, "gaj")),
        ("公安局、各镇、公安局", ("gaj", *TOWNS)),
        ("无", ()),
        ("/", ()),
        ("—", ()),
    ],
)
def test_groups_among_the_supporters_mean_each_of_their_units_once(written, units):
    assert only(read(xlsx(HEADER, row(supporters=written)))).supporters == units


@pytest.mark.parametrize("written", ["旗直各部门", "旗直各有关部门"])
def test_all_departments_support_but_the_lead_does_not_support_itself(written):
    task = only(read(xlsx(HEADER, row(supporters=written))))
    assert len(task.supporters) == 25
    assert task.lead not in task.supporters


def test_an_unknown_unit_is_refused_by_field_and_value_with_the_nearest_name():
    result = read(xlsx(HEADER, row(lead="旗发展改革局", supporters="教育体育局、不存在的部门")))
    lead, supporter = result.rejected
    assert (lead.row, lead.field, lead.value) == (2, "lead", "旗发展改革局")
    assert "旗发展和改革委员会" in lead.reason_zh
    assert (supporter.field, supporter.value) == ("supporters", "不存在的部门")


# --- dates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "due"),
    [
        ("2021年6月30日", date(2021, 6, 30)),
        ("2021.6.30", date(2021, 6, 30)),
        ("6月底前", date(2021, 6, 30)),
        ("2021年12月底前", date(2021, 12, 31)),
        ("上半年", date(2021, 6, 30)),
        ("三季度", date(2021, 9, 30)),
        ("年底前", date(2021, 12, 31)),
        ("全年", date(2021, 12, 31)),
        ("10月底前", date(2021, 10, 29)),
    ],
)
def test_words_for_a_date_are_kept_beside_the_day_they_mean(written, due):
    task = only(read(xlsx(HEADER, row(due=written))))
    assert (task.due, task.due_text) == (due, written)


@pytest.mark.parametrize("value", [date(2021, 6, 30), datetime(2021, 6, 30)])
def test_a_real_date_is_that_day(value):
    task = only(read(xlsx(HEADER, row(due=value))))
    assert (task.due, task.due_text) == (date(2021, 6, 30), "2021-06-30")


@pytest.mark.parametrize("number_format", ["yyyy/m/d", 'yyyy"年"m"月"d"日"', numbers.FORMAT_DATE_XLSX14])
def test_a_serial_number_with_a_date_format_is_that_day(number_format):
    task = only(read(xlsx(HEADER, row(due=44377), formats={"E2": number_format})))
    assert task.due == date(2021, 6, 30)


def test_a_month_typed_into_excel_is_the_month_the_person_sees_not_its_first_day():
    task = only(read(xlsx(HEADER, row(due=44348), formats={"E2": 'yyyy"年"m"月"'})))
    assert (task.due, task.due_text) == (date(2021, 6, 30), "2021年6月")


@pytest.mark.parametrize(("style", "due_text"), [(31, "2021-06-30"), (57, "2021年6月"), (58, "6月30日")])
def test_the_date_formats_built_into_chinese_excel_are_dates(style, due_text):
    # openpyxl cannot write these; Excel does, without saying what they look like.
    import zipfile

    plain = zipfile.ZipFile(io.BytesIO(xlsx(HEADER, row(due=44377), formats={"E2": "0.00"})))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name in plain.namelist():
            package.writestr(name, plain.read(name).replace(b'numFmtId="2"', b'numFmtId="%d"' % style))
    task = only(read(out.getvalue()))
    assert (task.due, task.due_text) == (date(2021, 6, 30), due_text)


def test_a_task_without_end_has_no_date_and_is_refused_for_that_reason():
    result = read(xlsx(HEADER, row(due="长期坚持")))
    assert [(p.row, p.field, p.value) for p in result.rejected] == [(2, "due", "长期坚持")]
    assert "没有完成期限" in result.rejected[0].reason_zh


@pytest.mark.parametrize("written", ["2021-02-30", "2021年2月30日", "2021.13.1", "9月31日", "2021年13月底前"])
def test_a_day_that_does_not_exist_says_so(written):
    refused = read(xlsx(HEADER, row(due=written))).rejected[0]
    assert (refused.reason_zh, refused.reason_en) == (
        f"没有“{written}”这一天",
        f'There is no day "{written}"',
    )


def test_a_due_date_on_a_rest_day_is_refused_and_the_working_days_around_it_offered():
    result = read(xlsx(HEADER, row(due=date(2021, 10, 2))))
    assert result.rejected[0].reason_zh == "2021-10-02 是休息日；前后的工作日是 2021-09-30、2021-10-08"
    assert "2021-10-08" in result.rejected[0].reason_en


def test_a_sunday_made_a_working_day_is_a_good_due_date():
    assert only(read(xlsx(HEADER, row(due=date(2021, 2, 7))))).due == date(2021, 2, 7)


def test_a_due_date_before_the_list_itself_is_refused():
    result = read(xlsx(HEADER, row(due=date(2020, 12, 31))))
    assert "早于清单日期 2021-01-01" in result.rejected[0].reason_zh


def test_a_due_date_at_the_end_of_time_is_refused_without_falling_over():
    result = read(xlsx(HEADER, row(due="9999年12月31日")), is_working_day=lambda day: day.year < 9999)
    assert result.rejected[0].field == "due"


# --- other cells -------------------------------------------------------------------------------------------


def test_every_fault_of_a_row_is_told_at_once():
    assert refused([1, None, None, None, None, "副旗长"]) == [
        (2, "task", ""),
        (2, "lead", ""),
        (2, "due", ""),
    ]


def test_a_missing_number_is_derived_from_the_order_of_the_rows():
    result = read(xlsx(HEADER, row(None), row(None), row("A"), row(None)))
    assert [task.number for task in result.accepted] == ["1", "2", "A", "4"]


def test_a_derived_number_never_repeats_a_written_one():
    result = read(xlsx(HEADER, row(2), row(None), row(3)))
    assert [task.number for task in result.accepted] == ["2", "4", "3"]


def test_a_repeated_number_is_refused_with_the_row_it_repeats():
    result = read(xlsx(HEADER, row(1), row(2), row(1)))
    assert [(p.row, p.field, p.value) for p in result.rejected] == [(4, "number", "1")]
    assert "第 2 行" in result.rejected[0].reason_zh


@pytest.mark.parametrize(
    ("written", "amount", "unit"),
    [
        ("不少于12次", "12", "次"),
        ("2021年新建公路30.5公里", "30.5", "公里"),
        ("95%以上", "95", "%"),
        ("每季度一次", "1", "次"),
        ("完成投资1,200万元", "1200", "万元"),
        ("百分之九十五", "95", "%"),
        ("2个工作日内办结", "2", "个工作日"),
        ("全覆盖", "100", "%"),
        ("动态清零", "0", ""),
    ],
)
def test_a_target_in_words_is_measured_by_its_first_quantity(written, amount, unit):
    task = only(read(xlsx([*HEADER, "量化目标"], [*row(), written])))
    assert (task.metric, str(task.target), task.target_unit) == (written, amount, unit)


def test_metric_value_and_unit_in_columns_of_their_own_are_taken_from_there():
    data = xlsx([*HEADER, "指标", "目标值", "单位", "权重"], [*row(), "公路里程", "≥30", "公里", "5分"])
    task = only(read(data))
    assert (task.metric, str(task.target), task.target_unit, str(task.weight)) == (
        "公路里程",
        "30",
        "公里",
        "5",
    )


def test_a_percentage_is_what_the_person_sees():
    data = xlsx([*HEADER, "指标", "目标值"], [*row(), "满意率", 0.95], formats={"H2": "0%"})
    task = only(read(data))
    assert (str(task.target), task.target_unit) == ("95", "%")


@pytest.mark.parametrize("written", ["扎实推进", "2021年6月底前取得成效", "第1季度"])
def test_an_unmeasurable_target_is_refused(written):
    result = read(xlsx([*HEADER, "量化目标"], [*row(), written]))
    assert [(p.field, p.value) for p in result.rejected] == [("metric", written)]
    assert "unmeasurable" in result.rejected[0].reason_en


def test_a_weight_that_is_no_number_is_refused():
    result = read(xlsx([*HEADER, "权重"], [*row(), "高"]))
    assert [(p.field, p.value) for p in result.rejected] == [("weight", "高")]


# --- formulas ----------------------------------------------------------------------------------------------


def with_saved_value(data: bytes, place: str, value: str) -> bytes:
    """What a spreadsheet program saves beside a formula; openpyxl saves none."""
    import re
    import zipfile

    source, out = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name in source.namelist():
            content = source.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                pattern = rf'(<c r="{place}"[^>]*)>(<f>[^<]*</f>)<v ?/?>(</v>)?'
                content = re.sub(pattern, rf'\1 t="str">\2<v>{value}</v>', content)
            package.writestr(name, content)
    return out.getvalue()


def test_a_formula_is_read_as_the_value_saved_with_it():
    data = with_saved_value(xlsx(HEADER, row(lead="=B9&C9")), "C2", "交通局")
    assert only(read(data)).lead == "jtj"


def test_a_formula_saved_without_its_value_is_refused_with_what_to_do():
    result = read(xlsx(HEADER, row(lead='="交通"&"局"')))
    assert [(p.row, p.field) for p in result.rejected] == [(2, "lead")]
    assert "重新保存" in result.rejected[0].reason_zh


def test_a_number_formula_without_its_value_is_replaced_by_the_order_of_the_rows():
    assert only(read(xlsx(HEADER, row(number="=ROW()-1")))).number == "1"


def test_a_formula_that_failed_is_refused():
    data = with_saved_value(xlsx(HEADER, row(task="=Z1")), "B2", "#REF!")
    assert [(p.field, p.value) for p in read(data).rejected] == [("task", "#REF!")]


# --- CSV ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_csv_file_is_read_in_every_encoding_and_with_every_delimiter_people_save_it_with(
    encoding, delimiter
):
    data = csv_file(HEADER, row("1", supporters="公安局、水利局"), encoding=encoding, delimiter=delimiter)
    task = only(read(data, "清单.csv"))
    assert (task.lead, task.supporters) == ("jtj", ("gaj", "slj"))


def test_in_a_csv_file_a_quoted_cell_may_hold_line_breaks_and_rows_are_counted_as_excel_counts_them():
    data = csv_file(["标题"], HEADER, ["1", '"修路\n架桥"', "交通局", '"公安局\n水利局"', "6月底前"])
    task = only(read(data, "a.csv"))
    assert (task.row, task.task, task.supporters) == (3, "修路\n架桥", ("gaj", "slj"))


# --- several sheets, progress, the answer ------------------------------------------------------------------


def test_every_visible_sheet_with_a_header_is_read_and_its_name_said_where_it_matters():
    book = openpyxl.Workbook()
    book.active.title = "说明"  # type: ignore[union-attr]
    for title, lead in (("城建", "交通局"), ("民生", "民政局"), ("民生2", "没有的局")):
        sheet = book.create_sheet(title)
        sheet.append(HEADER)
        sheet.append(row(lead=lead))
    hidden = book.create_sheet("旧")
    hidden.sheet_state = "hidden"
    hidden.append(HEADER)
    hidden.append(row())
    result = read(saved(book))
    assert [(task.number, task.lead) for task in result.accepted] == [("1", "jtj"), ("民生-1", "mzj")]
    assert [problem.sheet for problem in result.rejected] == ["民生2"]
    assert result.rejected[0].reason("zh").startswith("工作表“民生2”：")


def test_five_thousand_rows_are_read_quickly_and_progress_is_told():
    told: list[tuple[int, int]] = []
    data = xlsx(HEADER, *(row(n, supporters="各镇、旗直各部门") for n in range(1, 5001)))
    started = time.monotonic()
    result = read(data, progress=lambda done, total: told.append((done, total)))
    assert time.monotonic() - started < 30
    assert len(result.accepted) == 5000
    assert told[0] == (100, 5000)
    assert told[-1] == (5000, 5000)


def test_the_answer_names_units_in_full_and_gives_every_refused_row_its_reason():
    answer = read(xlsx(HEADER, row(supporters="公安局"), row(2, lead="没有的局"))).to_json(NAMES, "en")
    assert answer["accepted"] == [
        {
            "row": 2,
            "number": "1",
            "task": "修路",
            "lead": "旗交通运输局",
            "supporters": ["旗公安局"],
            "due": "2021-06-30",
            "due_text": "6月底前",
        }
    ]
    assert [set(problem) for problem in answer["rejected"]] == [{"row", "field", "value", "reason"}]
    assert answer["rejected"][0]["reason"].startswith("the register has no unit")


def test_the_notices_own_task_list_is_read_without_a_single_refusal():
    result = read(TASK_LIST.read_bytes(), TASK_LIST.name)
    assert result.rejected == ()
    assert result.ignored_columns == ()
    assert [task.number for task in result.accepted] == [str(n) for n in range(1, 23)]
    assert {task.category[:2] for task in result.accepted} == {"一、", "二、", "三、"}
    assert all(task.target is not None and task.post and task.leader for task in result.accepted)


def test_the_shipped_task_list_is_what_its_script_builds():
    shipped = read(TASK_LIST.read_bytes(), TASK_LIST.name)
    assert read(build(), TASK_LIST.name) == shipped
    assert build() == build()


def test_texts_shared_between_cells_as_excel_saves_them_are_read_without_their_reading_aids():
    import zipfile

    source, out = zipfile.ZipFile(io.BytesIO(xlsx(HEADER, row(task="替换我")))), io.BytesIO()
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    strings = "<si><r><t>修</t></r><r><t>路</t></r><rPh sb='0' eb='1'><t>xiu</t></rPh></si>"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    with zipfile.ZipFile(out, "w") as package:
        for name in source.namelist():
            content = source.read(name).decode()
            content = content.replace('t="inlineStr"><is><t>替换我</t></is>', 't="s"><v>0</v>')
            content = content.replace(
                "</Types>", f'<Override PartName="/xl/strings.xml" ContentType="{kind}"/></Types>'
            )
            package.writestr(name, content)
        package.writestr("xl/strings.xml", f'<sst xmlns="{namespace}">{strings}</sst>')
    assert only(read(out.getvalue())).task == "修路"
