"""Which column of a list means what: headings of published lists, headings about the past, two that say the same."""

import csv
from pathlib import Path
from typing import Any

import pytest

from services.assignment.spreadsheets import NoTaskHeader, ReadTasks, SeveralDeadlines, read_tables
from services.assignment.spreadsheets.columns import FILE, Header, find_header
from tests.assignment.test_spreadsheets import csv_file, read, xlsx

PUBLIC = list(csv.DictReader(Path(__file__).with_name("public_lists.csv").read_text("utf-8").splitlines()))
"""Lists that were published, or the columns that a notice says its list has; - for a column that is not used."""
PLAIN = ["序号", "工作任务", "牵头单位", "办结时限"]
ROW = [1, "修路", "交通局", "2021-06-30"]


def header_of(*rows: list[Any]) -> Header | None:
    (table,) = read_tables(csv_file(*([str(cell) for cell in row] for row in rows)), "a.csv")
    return find_header(table)


@pytest.mark.parametrize("line", PUBLIC, ids=lambda line: line["list"])
def test_the_columns_of_published_lists_are_known(line):
    headings, meant = line["headings"].split(), line["columns"].split()
    header = header_of(headings, [f"内容{n}" for n in range(len(headings))])
    assert header is not None
    found = {column: role for role, column in header.columns.items()}
    assert [found.get(column, "-") for column in range(1, len(headings) + 1)] == meant
    assert set(header.ignored) == {name for name, role in zip(headings, meant, strict=True) if role == "-"}
    assert header.missing == [role for role in ("task", "lead", "due") if role not in meant]


def test_more_than_twenty_published_lists_are_known():
    assert len({line["list"] for line in PUBLIC}) > 20


def test_every_heading_of_the_data_file_alone_has_the_meaning_that_its_line_says():
    with FILE.open(encoding="utf-8", newline="") as lines:
        whole = [line for line in csv.DictReader(lines) if line["match"] == "whole"]
    assert len(whole) > 250
    for line in whole:
        header = header_of(["责任单位", line["heading"], "工作任务", "完成时限"], ["甲", "乙", "丙", "丁"])
        assert header is not None, line
        if line["meaning"] == "past":
            assert header.ignored == (line["heading"],)
        elif line["meaning"] not in ("lead_or_all", "any_unit", "task", "due", "metric_or_target"):
            assert line["meaning"] in header.columns, line


def with_another(*headings: str, value: str = "2021-03-15", merged: bool = True) -> ReadTasks:
    """A list whose last column has these headings, one below the other."""
    if len(headings) == 1:
        return read(xlsx([*PLAIN, headings[0]], [*ROW, value]))
    blanks = [None] * len(PLAIN)
    merge = ("A1:A2", "B1:B2", "C1:C2", "D1:D2", "E1:F1")
    return read(xlsx([*PLAIN, headings[0], None], [*blanks, headings[1], "备注"], [*ROW, value], merge=merge))


@pytest.mark.parametrize(
    "headings",
    [
        ("落实情况", "完成时间"),
        ("进展情况", "时间"),
        ("完成情况", "完成日期"),
        ("办理情况", "办结时间"),
        ("工作进展", "截止时间"),
        ("整改落实情况", "完成时限"),
        ("实际完成时间",),
        ("实际办结日期",),
        ("已完成时间",),
        ("落实情况及完成时间",),
        ("完成时间（实际）",),
        ("完成时间【实际】",),
        ("反馈时间",),
        ("销号时间",),
        ("目前完成时限",),
    ],
)
def test_a_heading_about_the_past_never_competes_with_the_deadline(headings):
    result = with_another(*headings)
    assert [(task.due_text, task.row) for task in result.accepted] == [("2021-06-30", len(headings) + 1)]
    assert "/".join(headings) in result.ignored_columns
    (left,) = [one for one in result.left_out if one.value == "/".join(headings)]
    assert left.place == ("E1" if len(headings) == 1 else "E2")
    assert "已经发生" in left.reason.zh
    assert "already" in left.reason.en


def test_in_a_csv_file_a_heading_about_the_past_holds_for_every_column_of_its_group():
    data = csv_file(
        [*PLAIN, "落实情况", "", ""],
        ["", "", "", "", "进展", "责任人", "完成时间"],
        ["1", "修路", "交通局", "2021-06-30", "好", "张三", "2021-03-15"],
    )
    (task,) = read(data, "a.csv").accepted
    assert (task.due_text, task.post) == ("2021-06-30", "")
    assert read(data, "a.csv").ignored_columns == ("落实情况/进展", "落实情况/责任人", "落实情况/完成时间")


def test_a_group_about_the_past_whose_first_column_has_no_heading_of_its_own_holds_too():
    rows = [[*PLAIN, "落实情况", ""], ["", "", "", "", "", "完成时间"], [*map(str, ROW), "好", "2021-03-15"]]
    assert [task.due_text for task in read(csv_file(*rows), "a.csv").accepted] == ["2021-06-30"]


def test_planned_and_actual_below_one_heading_are_told_apart():
    data = xlsx(
        ["序号", "工作任务", "牵头单位", "完成时限", None],
        [None, None, None, "实际", "计划"],
        [1, "修路", "交通局", "2021-03-15", "2021-06-30"],
        merge=("A1:A2", "B1:B2", "C1:C2", "D1:E1"),
    )
    assert [task.due_text for task in read(data).accepted] == ["2021-06-30"]


def test_what_stands_over_the_whole_table_says_nothing_of_its_columns():
    data = xlsx(
        ["序号", "2021年重点任务落实情况", None, None, None],
        [None, "工作任务", "牵头单位", "完成时限", "进展情况"],
        [1, "修路", "交通局", "2021-06-30", "好"],
        merge=("A1:A2", "B1:E1"),
    )
    assert [task.due_text for task in read(data).accepted] == ["2021-06-30"]


def test_a_list_that_tells_only_when_things_were_done_is_refused_with_what_it_tells():
    with pytest.raises(NoTaskHeader) as refusal:
        read(xlsx(["序号", "工作任务", "牵头单位", "实际完成时间"], ROW))
    assert "完成时限" in refusal.value.text("zh")
    assert "D1“实际完成时间”" in refusal.value.text("zh")


@pytest.mark.parametrize("other", ["完成时间", "时间安排", "截止日期", "计划完成时间", "时间节点"])
def test_two_columns_that_could_both_be_the_deadline_are_refused_and_named(other):
    with pytest.raises(SeveralDeadlines) as refusal:
        with_another(other)
    for language in ("zh", "en"):
        assert "办结时限 D1" in refusal.value.text(language)
        assert f"{other} E1" in refusal.value.text(language)
    assert (refusal.value.status, refusal.value.field) == (422, "file")


def test_two_stages_below_one_heading_are_two_deadlines():
    data = xlsx(
        ["序号", "工作任务", "牵头单位", "完成时限", None],
        [None, None, None, "第一阶段", "第二阶段"],
        [1, "修路", "交通局", "2021-03-31", "2021-06-30"],
        merge=("A1:A2", "B1:B2", "C1:C2", "D1:E1"),
    )
    with pytest.raises(SeveralDeadlines, match="完成时限/第一阶段 D2, 完成时限/第二阶段 E2"):
        read(data)


def test_columns_of_quarters_beside_a_deadline_are_steps_on_the_way():
    data = xlsx(
        ["序号", "工作任务", "牵头单位", "完成时限", "进度安排", None],
        [None, None, None, None, "一季度", "二季度"],
        [1, "修路", "交通局", "2021-06-30", "立项", "开工"],
        merge=("A1:A2", "B1:B2", "C1:C2", "D1:D2", "E1:F1"),
    )
    assert [task.due_text for task in read(data).accepted] == ["2021-06-30"]
    assert read(data).ignored_columns == ("进度安排/一季度", "进度安排/二季度")


def test_a_column_that_nobody_has_filled_in_does_not_compete():
    result = read(xlsx([*PLAIN, "完成时间"], [*ROW, None]))
    assert [task.due_text for task in result.accepted] == ["2021-06-30"]
    assert result.ignored_columns == ("完成时间",)


def test_one_heading_merged_over_two_columns_of_which_one_is_filled_in_is_one_column():
    data = xlsx([*PLAIN, None], [*ROW, None], merge=("D1:E1",))
    assert read(data).left_out == ()


def test_a_task_column_merged_over_the_rows_of_a_finer_one_is_their_category():
    data = xlsx(
        ["序号", "工作任务", "具体措施", "责任单位", "时间安排"],
        [1, "优化环境", "压减时限", "政务服务局、公安局", "6月底前"],
        [None, None, "减少材料", "公安局", "9月底前"],
        merge=("A2:A3", "B2:B3"),
    )
    assert [(t.task, t.category, t.number) for t in read(data).accepted] == [
        ("压减时限", "优化环境", "1-1"),
        ("减少材料", "优化环境", "1-2"),
    ]


def test_a_header_below_many_rows_of_explanation_is_found():
    rows = [[f"{n}.填表说明"] for n in range(150)]
    assert [task.row for task in read(xlsx(*rows, PLAIN, ROW)).accepted] == [152]


def test_headings_with_radicals_and_invisible_characters_are_known():
    headings = ["序号", "⼯作任务", "牵头单\u200b位", "完成时\u2060限"]
    assert len(read(xlsx(headings, ROW)).accepted) == 1


def test_a_column_without_any_heading_is_named_by_its_letter():
    (left,) = read(xlsx([*PLAIN, None], [*ROW, "旁注"])).left_out
    assert (left.kind, left.place, left.value) == ("column", "E", "")


def test_a_second_table_below_the_first_is_read_by_its_own_header():
    other = ["序号", "工作任务", "完成时限", "落实情况", None, "责任单位"]
    below = [None, None, None, "完成时间", "责任人", None]
    data = xlsx(
        [*PLAIN, "资金"],
        [*ROW, "旗级"],
        [],
        other,
        below,
        [2, "架桥", "2021-09-30", "2021-03-15", "张三", "公安局"],
        merge=("A4:A5", "B4:B5", "C4:C5", "D4:E4", "F4:F5"),
    )
    result = read(data)
    assert result.rejected == ()
    assert [(t.task, t.lead, t.due_text, t.post) for t in result.accepted] == [
        ("修路", "jtj", "2021-06-30", ""),
        ("架桥", "gaj", "2021-09-30", ""),
    ]
    assert {one.place for one in result.left_out} == {"E1", "D5", "E5"}


def test_a_second_table_that_lacks_a_column_is_not_read_by_the_first_ones_header():
    data = xlsx(
        PLAIN, ROW, ["序号", "工作任务", "牵头单位", "实际完成时间"], [2, "架桥", "公安局", "2021-09-30"]
    )
    result = read(data)
    assert [task.task for task in result.accepted] == ["修路"]
    (left,) = result.left_out
    assert (left.kind, left.place, "完成时限" in left.reason.zh) == ("row", "3:3", True)


def test_a_header_repeated_on_the_next_page_with_its_row_of_numbers_changes_nothing():
    data = xlsx(PLAIN, [1, 2, 3, 4], ROW, PLAIN, [1, 2, 3, 4], [2, "架桥", "公安局", "2021-09-30"])
    assert [task.task for task in read(data).accepted] == ["修路", "架桥"]
