"""Files that are refused before anything is read from them, each under its own name, none with a stack trace."""

import contextlib
import io
import random
import struct
import zipfile
from collections.abc import Callable

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.samples.build import TASK_LIST
from services.assignment.spreadsheets import (
    CellTooLong,
    DamagedFile,
    EmptyFile,
    ExpandsTooFar,
    FileRefusal,
    FileTooLarge,
    MacroWorkbook,
    NotASpreadsheet,
    OldExcelFile,
    TooManyColumns,
    TooManyRows,
    UnsafeMarkup,
    read_tables,
)

GOOD = TASK_LIST.read_bytes()


def repacked(change: Callable[[str, bytes], bytes] = lambda _, content: content, **more: bytes) -> bytes:
    """The shipped task list with some parts changed or added."""
    source, out = zipfile.ZipFile(io.BytesIO(GOOD)), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name in source.namelist():
            package.writestr(name, change(name, source.read(name)))
        for name, content in more.items():
            package.writestr(name, content)
    return out.getvalue()


def in_sheet(before: bytes, after: bytes) -> bytes:
    return repacked(
        lambda name, content: content.replace(before, after, 1) if "sheet1.xml" in name else content
    )


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \r\n\t\n", b"\0" * 100])
@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a.pdf"])
def test_an_empty_file_is_refused(data, name):
    with pytest.raises(EmptyFile) as refusal:
        read_tables(data, name)
    assert (refusal.value.status, refusal.value.field) == (422, "file")


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_a_file_of_fifty_megabytes_is_refused_as_too_large(name):
    with pytest.raises(FileTooLarge) as refusal:
        read_tables(b"PK\3\4" + b"1" * (50 * 1024 * 1024), name)
    assert refusal.value.status == 413
    assert "10 MB" in refusal.value.text("zh")


@pytest.mark.parametrize("length", [4, 30, 1000, len(GOOD) // 2, len(GOOD) - 30, len(GOOD) - 1])
def test_a_truncated_workbook_is_refused_as_damaged(length):
    with pytest.raises(DamagedFile):
        read_tables(GOOD[:length], "a.xlsx")


def test_a_csv_file_cut_within_a_character_is_refused_as_damaged():
    with pytest.raises(DamagedFile):
        read_tables("序号,工作任务,牵头单位".encode()[:-1], "a.csv")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7 ...", "a.pdf"),
        (b"%PDF-1.7 ...", "a.xlsx"),
        (b"%PDF-1.7 ...", "a.csv"),
        (b"\x89PNG\r\n\x1a\n....", "a.xlsx"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.csv"),
        (b"<html><table></table></html>", "a.xlsx"),
        ("序号,任务".encode(), "a.xlsx"),
        (b"hello", "a.docx"),
        (b"\xff\xff\xff\xff", "a.csv"),
    ],
)
def test_a_file_of_another_type_is_refused_whatever_it_is_called(data, name):
    with pytest.raises(NotASpreadsheet) as refusal:
        read_tables(data, name)
    assert "另存为 xlsx" in refusal.value.text("zh")


def test_a_word_document_in_a_zip_package_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("word/document.xml", "<w/>")
    with pytest.raises(NotASpreadsheet):
        read_tables(out.getvalue(), "a.xlsx")


@pytest.mark.parametrize("name", ["a.xls", "a.xlsx", "a.et", "a.csv"])
def test_an_old_excel_or_password_protected_file_is_refused_with_what_to_do(name):
    with pytest.raises(OldExcelFile) as refusal:
        read_tables(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, name)
    assert "另存为 xlsx" in refusal.value.text("zh")


def test_a_workbook_with_macros_is_refused_by_its_name_and_by_its_content():
    with pytest.raises(MacroWorkbook):
        read_tables(GOOD, "a.xlsm")
    with pytest.raises(MacroWorkbook):
        read_tables(repacked(**{"xl/vbaProject.bin": b"macro"}), "a.xlsx")
    with pytest.raises(MacroWorkbook):
        read_tables(
            repacked(lambda _, part: part.replace(b"spreadsheetml.sheet.main", b"sheet.macroEnabled.main")),
            "a.xlsx",
        )


def test_a_zip_bomb_is_refused_before_it_is_opened():
    with pytest.raises(ExpandsTooFar) as refusal:
        read_tables(repacked(**{"xl/media/x.xml": b"0" * (150 * 1024 * 1024)}), "a.xlsx")
    assert refusal.value.status == 413


def test_a_small_bomb_is_refused_by_its_ratio():
    bomb = repacked(**{"xl/x.xml": b"0" * (30 * 1024 * 1024)})
    assert len(bomb) < 60_000
    with pytest.raises(ExpandsTooFar):
        read_tables(bomb, "a.xlsx")


def test_a_zip_bomb_that_lies_about_its_size_is_refused():
    bomb = bytearray(repacked(**{"xl/x.xml": b"0" * (150 * 1024 * 1024)}))
    at = bomb.rindex(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = struct.pack("<I", 100)
    with pytest.raises(FileRefusal):
        read_tables(bytes(bomb), "a.xlsx")


def test_a_package_of_very_many_parts_is_refused():
    with pytest.raises(ExpandsTooFar):
        read_tables(repacked(**{f"xl/{n}.xml": b"" for n in range(2_001)}), "a.xlsx")


@pytest.mark.parametrize(
    "declaration",
    [b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>', b'<!DOCTYPE x SYSTEM "file:///etc/passwd">'],
)
@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/workbook.xml"])
def test_entities_are_refused_in_every_part(declaration, part):
    with pytest.raises(UnsafeMarkup):
        read_tables(
            repacked(lambda name, content: declaration + content if name == part else content), "a.xlsx"
        )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp037"])
def test_a_part_in_an_encoding_that_could_hide_entities_is_refused(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x>'
    content = text.encode("ascii") if encoding == "cp037" else text.encode(encoding)
    with pytest.raises(FileRefusal):
        read_tables(repacked(lambda name, old: content if "sheet1" in name else old), "a.xlsx")


@pytest.mark.parametrize(
    "endless",
    [
        b"<c " + b'r="A1" ' * 300_000,
        b'<c r="' + b">" * 2_000_000 + b'"/>',
        b"<!--" + b"<>" * 900_000 + b"-->",
    ],
)
def test_an_endless_tag_or_comment_is_refused_before_the_parser_spends_its_time_on_it(endless):
    with pytest.raises(UnsafeMarkup):
        read_tables(in_sheet(b"<sheetData>", b"<sheetData>" + endless), "a.xlsx")


def test_broken_xml_is_refused_as_damaged():
    with pytest.raises(DamagedFile):
        read_tables(in_sheet(b"</sheetData>", b"</sheet"), "a.xlsx")


def test_more_than_twenty_thousand_rows_are_refused_in_both_formats():
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.cell(20_001, 1, "末行")
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(TooManyRows):
        read_tables(out.getvalue(), "a.xlsx")
    with pytest.raises(TooManyRows) as refusal:
        read_tables(b"1,2\n" * 20_001, "a.csv")
    assert refusal.value.status == 413


def test_more_than_a_hundred_columns_are_refused_with_the_row():
    with pytest.raises(TooManyColumns) as refusal:
        read_tables(b"a,b\n" + b",".join([b"x"] * 101), "a.csv")
    assert "Row 2" in refusal.value.text("en")


@pytest.mark.parametrize("length", [4_001, 200_000])
def test_a_cell_longer_than_four_thousand_characters_is_refused(length):
    with pytest.raises(CellTooLong):
        read_tables(b"a,b\n1," + b"x" * length, "a.csv")


def test_a_row_number_far_below_and_a_wrong_dimension_cost_nothing_and_lose_nothing():
    far = in_sheet(
        b"</sheetData>", b'<row r="999999999"><c r="A999999999" t="str"><v>x</v></c></row></sheetData>'
    )
    assert len(read_tables(far, "a.xlsx")[0].rows) == 31
    small = in_sheet(b'<dimension ref="A1:I31"', b'<dimension ref="A1:B2"')
    assert small != repacked()
    assert read_tables(small, "a.xlsx")[0].rows == read_tables(GOOD, "a.xlsx")[0].rows


def test_formatting_out_to_the_last_column_and_row_is_not_content():
    data = in_sheet(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576" s="1"/></row></sheetData>')
    assert len(read_tables(data, "a.xlsx")[0].rows) == 31


def test_merged_cells_beyond_the_table_are_bounded():
    table = read_tables(GOOD, "a.xlsx")[0]
    wide = read_tables(
        in_sheet(b"</mergeCells>", b'<mergeCell ref="K1:XFD1048576"/></mergeCells>'), "a.xlsx"
    )[0]
    assert table.rows[4] == wide.rows[4][: len(table.rows[4])]
    assert wide.width <= 11
    many = b"".join(b'<mergeCell ref="A%d:CV20000"/>' % n for n in range(1, 300)) + b"</mergeCells>"
    with pytest.raises(ExpandsTooFar):
        read_tables(in_sheet(b"</mergeCells>", many), "a.xlsx")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), flips=st.integers(1, 30))
def test_a_workbook_with_random_damage_is_read_or_refused_but_never_fails_otherwise(seed, flips):
    chance = random.Random(seed)
    data = bytearray(GOOD)
    for _ in range(flips):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(FileRefusal):
        read_tables(bytes(data), "a.xlsx")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), part=st.sampled_from(zipfile.ZipFile(io.BytesIO(GOOD)).namelist()))
def test_a_workbook_with_damaged_xml_is_read_or_refused_but_never_fails_otherwise(seed, part):
    chance = random.Random(seed)

    def damage(name: str, content: bytes) -> bytes:
        if name != part:
            return content
        start = chance.randrange(len(content))
        return (
            content[:start]
            + bytes(chance.choices(b'<>"/ar1=9', k=3))
            + content[start + chance.randrange(9) :]
        )

    with contextlib.suppress(FileRefusal):
        read_tables(repacked(damage), "a.xlsx")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_called_csv_are_read_or_refused_but_never_fail_otherwise(data):
    with contextlib.suppress(FileRefusal):
        read_tables(data, "a.csv")
