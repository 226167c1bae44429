"""The list of units, and the names people write for them."""

import io

import openpyxl
import pytest

from services.assignment.samples.build import UNITS
from services.assignment.spreadsheets import NoUnitHeader, UnitName, UnitNames, UnknownUnitName, read_units
from tests.assignment.sheets import NAMES


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("旗发展和改革委员会", "fgw"),
        ("鄂托克前旗发展和改革委员会", "fgw"),
        ("发展和改革委员会", "fgw"),
        ("发改委", "fgw"),
        ("旗发改委", "fgw"),
        ("鄂前旗发改委", "fgw"),
        (" 民 政 局 ", "mzj"),
        ("旗人力资源和\n社会保障局", "rsj"),
        ("城川镇", "chengchuan"),
        ("城川镇政府", "chengchuan"),
        ("城川镇人民政府", "chengchuan"),
        ("鄂托克前旗人民政府", "gov"),
        ("旗政府", "gov"),
        ("政府办公室", "office"),
        ("督查室", "inspect"),
        ("上海庙经济开发区", "shm-zone"),
        ("上海庙镇", "shm-town"),
        ("开发区", "shm-zone"),
        ("环保局", "sthj"),
    ],
)
def test_a_unit_is_known_by_its_full_name_its_short_names_and_with_or_without_the_banners_prefix(
    written, unit
):
    assert NAMES.resolve(written) == (unit,)


def test_half_and_full_width_brackets_are_the_same():
    names = UnitNames([("zone", "开发区（上海庙）管委会", [], "zone")])
    assert names.resolve("开发区(上海庙)管委会") == ("zone",)


def test_every_unit_is_known_by_every_name_in_the_list():
    for unit in read_units(UNITS.read_bytes(), "units.csv").accepted:
        for name in (unit.name, *unit.short_names):
            assert NAMES.resolve(name) == (unit.id,)


def test_a_name_that_several_units_bear_is_refused_with_their_full_names():
    names = UnitNames(
        [("a", "旗水利局", ["水务"], "department"), ("b", "旗水务中心", ["水务"], "department")]
    )
    with pytest.raises(UnknownUnitName) as refusal:
        names.resolve("水务")
    assert "旗水利局、旗水务中心" in refusal.value.reason_zh


def test_units_left_unnamed_are_refused():
    with pytest.raises(UnknownUnitName, match="leaves units unnamed"):
        NAMES.resolve("财政局等部门")


def test_a_group_without_any_unit_is_refused():
    with pytest.raises(UnknownUnitName):
        UnitNames([("a", "旗水利局", [], "department")]).resolve("各镇")


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("发改委、交通局", ["发改委", "交通局"]),
        ("旗发展和改革委员会", ["旗发展和改革委员会"]),
        ("财政局和审计局", ["财政局", "审计局"]),
        ("发展和改革委员会和住房和城乡建设局", ["发展和改革委员会", "住房和城乡建设局"]),
        ("旗人力资源和\n社会保障局\n旗公安局", ["旗人力资源和社会保障局", "旗公安局"]),
        ("各镇（开发区） 公安局", ["各镇（开发区）", "公安局"]),
        ("", []),
    ],
)
def test_a_cell_is_cut_where_one_name_ends_and_another_begins(cell, names):
    assert NAMES.split(cell) == names


def test_a_list_of_units_is_read_from_csv_and_from_xlsx_alike():
    read = read_units(UNITS.read_bytes(), "units.csv")
    assert read.rejected == ()
    assert len(read.accepted) == 34
    assert read.accepted[8] == UnitName(
        "fgw", "旗发展和改革委员会", ("旗发改委", "发改委", "旗发展改革委"), "department"
    )
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["单位编号", "单位名称", "简称", "类型"])
    for unit in read.accepted:
        sheet.append([unit.id, unit.name, "；".join(unit.short_names), unit.kind])
    out = io.BytesIO()
    book.save(out)
    assert read_units(out.getvalue(), "单位.xlsx") == read


def test_each_faulty_row_of_a_list_of_units_has_its_reason():
    data = (
        "id,name,short_names,kind\n"
        "a,旗甲局,甲局,department\n"
        "A B,旗乙局,,department\n"
        "a,旗丙局,,department\n"
        "d,,,department\n"
        "e,旗戊局,甲局,部门\n"
        "f,旗己局,,公司\n"
        ",,,\n"
        "g,庚镇人民政府,庚镇,镇\n"
    )
    read = read_units(data.encode("gb18030"), "u.csv")
    assert [unit.id for unit in read.accepted] == ["a", "g"]
    assert read.accepted[1].kind == "town"
    assert [(p.row, p.field, p.value) for p in read.rejected] == [
        (3, "id", "A B"),
        (4, "id", "a"),
        (5, "name", ""),
        (6, "short_names", "甲局"),
        (7, "kind", "公司"),
    ]
    assert all(problem.reason_zh and problem.reason_en for problem in read.rejected)


def test_a_list_of_units_without_a_header_is_refused():
    with pytest.raises(NoUnitHeader):
        read_units("fgw,旗发改委\n".encode(), "u.csv")
