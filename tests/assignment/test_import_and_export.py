"""Importing a list is one transaction, importing an export changes nothing, and a refused row says why (measure 7)."""

import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.styles import Font
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from services.assignment.application.lists import DEFAULT_TARGET, RowsRefused
from services.assignment.domain import Task, TaskList
from services.assignment.spreadsheets import TaskRow, read_units
from shared.events import assignment
from tests.assignment.conftest import WHO, Banner

HEAD = "序号,工作任务,牵头单位,配合单位,责任岗位,量化目标,完成时限,分管领导"
GOOD = [
    "1,建成三个项目,旗发展和改革委员会,旗财政局,,建成3个项目,2021-02-07,常务副旗长",
    "2,清理台账,旗财政局,,主要负责人,,6月底前,",
    "10,巡查草原,昂素镇人民政府,旗自然资源局,,巡查12次,全年,分管副旗长",
]
DATED = date(2021, 1, 4)


def csv(*rows: str) -> bytes:
    return "\n".join([HEAD, *rows]).encode()


def send(banner: Banner, data: bytes, name: str = "list.csv", who: str = "office", **form: Any) -> Any:
    caller = banner.client(who)
    key = form.pop("key", f"import-{len(banner.log())}-{len(data)}")
    parts = {"file": FileStorage(io.BytesIO(data), name), "title": "任务清单", "dated": "2021-01-04", **form}
    boundary, body = encode_multipart(parts)  # bytes: the client would leave a large file's spool open
    return caller._client.post(
        "/api/v1/task-lists/import",
        data=body,
        content_type=f'multipart/form-data; boundary="{boundary}"',
        headers={
            "Authorization": f"Bearer {caller._token}",
            "Idempotency-Key": key,
            "Accept-Language": "zh",
        },
    )


def test_a_list_and_its_tasks_are_written_in_one_transaction(banner: Banner) -> None:
    before = len(banner.log())
    answer = send(banner, csv(*GOOD))
    assert (answer.status_code, answer.json["assigned"]) == (200, 3)
    assert banner.since(before) == ["TaskListOpened", *["TaskAssigned"] * 3]
    tasks = {fact.number: fact for fact in banner.opened.of_kind("assignment", assignment.TaskAssigned)}
    assert len({fact.because for fact in tasks.values()}) == 1
    assert tasks["1"].target == assignment.Target(metric="建成3个项目", unit="个", value=Decimal(3))
    assert (tasks["1"].post, tasks["1"].leader_post) == ("fgw/head", "gov/vice-leader")
    assert tasks["2"].target == DEFAULT_TARGET
    assert (tasks["2"].due_on, tasks["2"].due_text) == (date(2021, 6, 30), "6月底前")
    assert tasks["2"].leader_post == "gov/main-leader"  # the list's
    assert tasks["10"].due_on == date(2021, 12, 31)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_importing_an_export_changes_nothing_under_whatever_title(banner: Banner, kind: str) -> None:
    send(banner, csv(*GOOD[:2]))
    banner.opened.settle()
    before = len(banner.log())
    exported = banner.client("inspect").get(f"/api/v1/tasks/export?format={kind}")
    for title in ("任务清单", "另一个名字"):
        answer = send(banner, exported.data, f"导出.{kind}", title=title, key=title.encode().hex())
        assert (answer.status_code, answer.json["assigned"], answer.json["unchanged"]) == (200, 0, 2)
    assert send(banner, csv(*GOOD[:2])).json["unchanged"] == 2
    assert len(banner.log()) == before
    again = banner.client("inspect").get(f"/api/v1/tasks/export?format={kind}")
    assert again.data == exported.data


def test_an_export_after_an_extension_is_unchanged_too(banner: Banner) -> None:
    send(banner, csv(GOOD[0]))
    task = Task.id_of(TaskList.id_of("任务清单", DATED), "1")
    banner.do("fgw", "request_extension", task, new_due_on=date(2021, 2, 26), reason="天寒")
    banner.do("main_leader", "grant_extension", task)
    banner.opened.settle()
    exported = banner.client("inspect").get("/api/v1/tasks/export?format=csv").data
    assert b"2021-02-26" in exported
    before = len(banner.log())
    assert send(banner, exported).json["unchanged"] == 1
    assert len(banner.log()) == before


@pytest.mark.parametrize(
    ("row", "field", "word"),
    [
        ("3,x,旗不存在局,,,,2021-02-07,", "lead", "旗不存在局"),
        ("3,x,旗发展和改革委员会、旗财政局,旗自然资源局,,,2021-02-07,", "lead", "牵头"),
        ("3,x,旗发展和改革委员会,,局长,,2021-02-07,", "post", "局长"),
        ("3,x,旗发展和改革委员会,,项目科科长,,2021-02-07,", "post", "空缺"),
        ("3,x,旗发展和改革委员会,,,大力推进,2021-02-07,", "metric", "衡量"),
        ("3,x,旗发展和改革委员会,,,,2021-02-13,", "due", "休息日"),
        ("3,x,旗发展和改革委员会,,,,2021-01-01,", "due", "早于"),
        ("3,x,旗发展和改革委员会,,,,长期坚持,", "due", "长期坚持"),
        ("3,x,旗发展和改革委员会,,,,2021-02-07,县长", "leader", "县长"),
        ("1,建成四个项目,旗发展和改革委员会,旗财政局,,建成3个项目,2021-02-07,", "task", "已交办"),
        ("1,建成三个项目,旗发展和改革委员会,旗财政局,,建成3个项目,2021-02-10,", "due", "延期"),
    ],
)
def test_a_refused_row_says_where_and_why_and_nothing_is_half_imported(
    banner: Banner, row: str, field: str, word: str
) -> None:
    send(banner, csv(GOOD[0]))
    before = len(banner.log())
    answer = send(banner, csv(GOOD[1], row), key="faulty")
    assert (answer.status_code, answer.json["rule"]) == (422, "rows-refused")
    (problem,) = answer.json["errors"]
    assert (problem["row"], problem["field"]) == (3, field)
    assert word in problem["reason"]
    assert set(problem) == {"row", "field", "value", "reason"}
    assert len(banner.log()) == before
    partly = send(banner, csv(GOOD[1], row), accept_valid="true", key="partly")
    assert (partly.status_code, partly.json["assigned"]) == (200, 1)
    assert [one["field"] for one in partly.json["rejected"]] == [field]
    assert banner.since(before) == ["TaskAssigned"]


def test_a_dry_run_tells_and_writes_nothing(banner: Banner) -> None:
    before = len(banner.log())
    answer = send(banner, csv(*GOOD, "4,x,旗不存在局,,,,2021-02-07,"), dry_run="true")
    assert (answer.status_code, answer.json["id"], answer.json["assigned"]) == (200, None, 3)
    assert [(one["row"], one["outcome"]) for one in answer.json["accepted"]] == [
        (2, "assigned"),
        (3, "assigned"),
        (4, "assigned"),
    ]
    assert len(answer.json["rejected"]) == 1
    assert len(banner.log()) == before


def test_what_a_file_holds_and_was_not_taken_stands_in_every_answer(banner: Banner) -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "甲"
    for row in (HEAD, GOOD[0], GOOD[1], GOOD[2]):
        sheet.append([*row.split(","), "乙" if row is HEAD else "旁注"])
    sheet["I1"] = "实际完成时间"
    sheet.row_dimensions[3].hidden = True
    sheet["D2"].font = Font(strike=True)
    book.create_sheet("封面")["A1"] = "清单"
    out = io.BytesIO()
    book.save(out)
    expected = [
        ("sheet", "封面", "", ""),
        ("row", "甲", "3:3", "2 清理台账 旗财政局 主要负责人 6月底前 旁注"),
        ("cell", "甲", "D2", "旗财政局"),
        ("column", "甲", "I1", "实际完成时间"),
    ]

    def told(answer: Any) -> list[tuple[str, ...]]:
        assert all(one["reason"] for one in answer.json["left_out"])
        return [(one["kind"], one["sheet"], one["place"], one["value"]) for one in answer.json["left_out"]]

    tried = send(banner, out.getvalue(), "list.xlsx", dry_run="true", key="tried")
    done = send(banner, out.getvalue(), "list.xlsx", key="done")
    again = send(banner, out.getvalue(), "list.xlsx", key="done")
    assert [told(answer) for answer in (tried, done, again)] == [expected] * 3
    assert done.json["assigned"] == 2
    assert done.json["ignored_columns"] == ["实际完成时间"]
    sheet["E4"] = "没有的岗位"
    sheet["F4"] = "大力推进"
    out = io.BytesIO()
    book.save(out)
    refused = send(banner, out.getvalue(), "list.xlsx", title="另一份", key="refused")
    assert (refused.status_code, told(refused)) == (422, expected)


def test_two_columns_that_could_be_the_deadline_are_refused_under_the_rules_name(banner: Banner) -> None:
    data = f"{HEAD},截止日期\n{GOOD[0]},2021-03-31".encode()
    answer = send(banner, data)
    assert (answer.status_code, answer.json["rule"]) == (422, "several-deadlines")
    assert "完成时限 G1" in answer.json["detail"]
    assert "截止日期 I1" in answer.json["detail"]


def test_a_row_of_the_second_sheet_is_refused_with_the_sheets_name(banner: Banner) -> None:
    book = Workbook()
    for title, row in (("甲", GOOD[0]), ("乙", "3,x,旗发展和改革委员会,,局长,,2021-02-07,")):
        sheet = book.create_sheet(title)
        sheet.append(HEAD.split(","))
        sheet.append(row.split(","))
    out = io.BytesIO()
    book.save(out)
    (problem,) = send(banner, out.getvalue(), "list.xlsx").json["errors"]
    assert (problem["row"], problem["field"]) == (2, "post")
    assert "工作表“乙”" in problem["reason"]


def test_an_import_repeated_under_its_key_gets_the_same_answer(banner: Banner) -> None:
    first = send(banner, csv(*GOOD), key="once")
    before = len(banner.log())
    again = send(banner, csv(*GOOD), key="once")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json
    assert send(banner, csv(GOOD[0]), key="once").status_code == 422
    assert len(banner.log()) == before


def test_a_list_from_a_secret_directive_is_secret_with_all_its_tasks(banner: Banner) -> None:
    banner.app.register_directive(
        banner.act("office"),
        number="密1",
        title="涉密",
        kind="leader_instruction",
        units=["fgw"],
        secrecy="secret",
        secrecy_ground="依据",
    )
    banner.opened.settle()
    (directive,) = banner.opened.rows("assignment", "directives")
    send(banner, csv(GOOD[0]), directive_id=directive)
    (task,) = banner.opened.of_kind("assignment", assignment.TaskAssigned)
    assert (task.secrecy, task.secrecy_ground, task.from_leader_instruction) == ("secret", "依据", True)


@pytest.mark.parametrize(
    ("data", "name", "status"),
    [
        (b"", "list.csv", 422),
        (b"PK\x03\x04 cut off", "list.xlsx", 422),
        (b"\x89PNG\r\n\x1a\n", "list.csv", 422),
        (b"one,two\n1,2\n", "list.csv", 422),
        (b"x" * (11 * 1024 * 1024), "list.csv", 413),
    ],
)
def test_a_file_that_is_no_list_is_refused(banner: Banner, data: bytes, name: str, status: int) -> None:
    before = len(banner.log())
    assert send(banner, data, name).status_code == status
    assert len(banner.log()) == before


def test_a_form_that_is_not_understood_is_refused(banner: Banner) -> None:
    before = len(banner.log())
    unknown = send(banner, csv(GOOD[0]), colour="red")
    assert (unknown.status_code, unknown.json["errors"][0]["field"]) == (422, "colour")
    caller = banner.client("office")
    plain = caller._client.post(
        "/api/v1/task-lists/import",
        data={"file": "not a file", "title": "清单"},
        content_type="multipart/form-data",
        headers={"Authorization": f"Bearer {caller._token}", "Idempotency-Key": "plain"},
    )
    assert (plain.status_code, plain.json["errors"][0]["field"]) == (422, "file")
    assert send(banner, csv(GOOD[0]), who="fgw").status_code == 403
    assert len(banner.log()) == before


def test_rows_given_by_the_command_line_are_all_or_nothing(banner: Banner) -> None:
    def row(n: int, **changed: Any) -> TaskRow:
        given: dict[str, Any] = {
            "row": n,
            "number": str(n),
            "task": f"任务{n}",
            "lead": "fgw",
            "due": date(2021, 2, 7),
            "due_text": "2021-02-07",
        }
        return TaskRow(**{**given, **changed})

    def do(*rows: TaskRow) -> Any:
        return banner.app.import_tasks(banner.act("office"), rows, title="清单", dated=DATED)

    refusal = banner.refuses(RowsRefused, lambda: do(row(1), row(2, weight=Decimal("0.5"))))
    assert isinstance(refusal, RowsRefused)
    assert [(one.row, one.field, one.value) for one in refusal.problems] == [(2, "weight", "0.5")]
    banner.refuses(RowsRefused, lambda: do(row(1, supporters=("nobody",))))
    do(row(1), row(2))
    banner.opened.settle()
    assert banner.app.export_tasks("csv").decode("utf-8-sig").count("\r\n") == 3


SAMPLES = Path("services/assignment/samples")


def test_the_notice_itself_is_imported(banner: Banner) -> None:
    units = read_units((SAMPLES / "units.csv").read_bytes(), "units.csv").accepted
    banner.app.register_units(banner.act("office"), units, heads_since=date(2021, 1, 1))
    for post, title in (
        ("office/office-director", "办公室主任"),
        ("inspect/inspection-director", "督查室主任"),
        ("spj/approval-section", "审批科科长"),
    ):
        banner.app.create_post(banner.act("office"), post=post, title=title, role="officer")
        banner.do("office", "appoint_holder", *post.split("/"), holder="某", since=date(2021, 1, 1))
    banner.do(
        "office",
        "assign_portfolio",
        "gov",
        "vice-leader-2",
        units=[unit.id for unit in units if unit.kind != "government"],
    )
    banner.opened.settle()
    (path,) = SAMPLES.glob("*.xlsx")
    answer = send(banner, path.read_bytes(), path.name, dated="2021-01-01")
    assert answer.status_code == 200, answer.json
    assert answer.json["assigned"] == len(answer.json["accepted"]) > 20
    banner.opened.settle()
    assert banner.opened.rebuild_and_compare("assignment") == []
    assert WHO["main_leader"][1] in banner.opened.rows("assignment", "posts")
