"""What is exported can be imported again and is the same; nothing in it is ever a formula."""

import csv
import io
import zipfile
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Literal

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.assignment.samples.build import TASK_LIST
from services.assignment.spreadsheets import (
    ReadTasks,
    TaskRow,
    write_tasks,
)
from shared.domain.text import fault, plain
from tests.assignment.sheets import NAMES, read

FORMATS: list[Literal["xlsx", "csv"]] = ["xlsx", "csv"]
DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "'=1",
    "''+1",
    '=HYPERLINK("http://x","y")',
    "＝1",
    "-",
    "=",
    "#N/A啊",
]


def without_places(result: ReadTasks) -> list[TaskRow]:
    assert result.rejected == ()
    assert result.ignored_columns == ()
    return [replace(task, row=0) for task in result.accepted]


def task(**changes: object) -> TaskRow:
    given = TaskRow(row=0, number="1", task="修路", lead="jtj", due=date(2021, 6, 30), due_text="6月底前")
    return replace(given, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMATS)
def test_importing_an_export_of_the_notices_task_list_changes_nothing(form):
    tasks = without_places(read(TASK_LIST.read_bytes(), TASK_LIST.name))
    once = write_tasks(tasks, NAMES, form)
    assert without_places(read(once, f"导出.{form}")) == tasks
    assert write_tasks(read(once, f"导出.{form}").accepted, NAMES, form) == once


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_read_in_another_year_keeps_its_days(form):
    exported = write_tasks([task(due=date(2022, 9, 30), due_text="三季度")], NAMES, form)
    assert without_places(read(exported, f"a.{form}", dated=date(2020, 1, 1))) == [
        task(due=date(2022, 9, 30), due_text="三季度")
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_tasks_give_the_same_bytes(form):
    assert write_tasks([task()], NAMES, form) == write_tasks([task()], NAMES, form)


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n=+-@'\",;\t"), max_size=30
).map(str.strip)
SAFE = TEXT.filter(lambda text: "x005F_" not in text and "\ufeff" not in text and "\ufffe" not in text)
RISKY = st.builds(str.__add__, st.sampled_from(["=", "+", "-", "@", "'=", "''-", "'", "＝"]), SAFE).map(
    str.strip
)
DITTO = ('"', "''", "〃")
ANY = st.one_of(SAFE, RISKY).filter(
    lambda text: not text or (fault(text, lines=True) is None and plain(text) not in DITTO)
)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=60, deadline=None)
@given(
    tasks=st.lists(
        st.builds(
            task,
            task=ANY.map(lambda text: f"{text}做" if text else "做"),
            leader=ANY,
            post=ANY,
            remark=ANY,
            supporters=st.sampled_from([(), ("gaj",), ("gaj", "slj", "angsu")]),
            weight=st.one_of(st.none(), st.decimals(0, 9999, places=2)),
            due_text=ANY.map(lambda text: text or "x"),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_a_task_says_it_says_after_export_and_import(tasks, form):
    tasks = [replace(each, number=str(n)) for n, each in enumerate(tasks, 1)]
    assert without_places(read(write_tasks(tasks, NAMES, form), f"a.{form}")) == tasks


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", DANGEROUS)
def test_texts_that_look_like_formulas_come_back_as_they_were(text, form):
    given = task(
        task=text if text != "-" else "-做",
        remark=text,
        metric="里程",
        target=Decimal("1.5"),
        target_unit="公里",
    )
    assert without_places(read(write_tasks([given], NAMES, form), f"a.{form}")) == [given]


@pytest.mark.parametrize("text", DANGEROUS)
def test_an_exported_workbook_has_no_formula(text):
    data = write_tasks([task(task=text, remark=text, leader=text, number=text)], NAMES, "xlsx")
    sheet = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"<f " not in sheet
    cells = [
        cell for row in openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(min_row=2) for cell in row
    ]  # type: ignore[union-attr]
    assert {cell.data_type for cell in cells if cell.value == text} == {"s"}


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_of_an_exported_csv_file_begins_like_a_formula(text):
    data = write_tasks([task(task=text, remark=text, leader=text, number=text)], NAMES, "csv").decode(
        "utf-8-sig"
    )
    cells = [cell for row in csv.reader(io.StringIO(data, newline="")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "＝")]


@example("\x00\x0b\x1f")
@given(st.text(max_size=40))
def test_characters_no_workbook_can_hold_are_left_out_rather_than_failing(text):
    for form in FORMATS:
        write_tasks([task(task=f"修路{text}")], NAMES, form)


def test_another_format_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="xlsx or csv"):
        write_tasks([task()], NAMES, "pdf")  # type: ignore[arg-type]
