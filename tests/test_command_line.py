"""The command line as a clerk, an operator and an auditor use it.

Each command runs in a process of its own once; where it runs again it runs in this one, which has imported it already.
"""

import ast
import csv
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from click.testing import CliRunner, Result
from openpyxl import Workbook
from openpyxl.styles import Font

from services.assignment.samples.build import TASK_LIST, UNITS
from services.cli.main import main
from shared.process.command_line import chinese

ROOT = Path(__file__).resolve().parent.parent


def duban(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUBAN_")}
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**kept, **env},
        timeout=120,
    )


def again(*arguments: str, **env: str) -> Result:
    """The same in this process. Raises what would have been a traceback there."""
    done = CliRunner().invoke(main, arguments, env=env)
    # What the command logs to is closed now.
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def log_of(folder: Path) -> str:
    done = again("log", "--data", str(folder))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    done = duban("units", "import", str(UNITS), "--data", str(data))
    assert done.returncode == 0, done.stderr
    return data


def test_every_command_has_a_help_text() -> None:
    listed = duban("--help")
    assert listed.returncode == 0
    for command in ("serve", "demo", "token", "due", "units", "import", "export", "views", "log", "parked"):
        assert command in listed.stdout
        assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_due_explains_itself_as_json(folder: Path) -> None:
    done = duban("due", "contact", "2021-02-05", "--json", "--data", str(folder))
    answer = json.loads(done.stdout)
    assert (answer["rule"], answer["start"], answer["due"], answer["provisional"]) == (
        "contact",
        "2021-02-05",
        "2021-02-07",
        False,
    )
    assert [(day["date"], day["counted"]) for day in answer["days"]] == [
        ("2021-02-06", False),
        ("2021-02-07", True),
    ]
    assert all(day["why"] for day in answer["days"])


def test_due_past_the_known_years_is_provisional() -> None:
    answer = json.loads(again("due", "hard_limit", "2026-11-24", "--json").stdout)
    assert answer["provisional"] is True
    assert answer["due"].startswith("2027-01")


@pytest.mark.parametrize(
    ("arguments", "zh", "en"),
    [
        (
            ["due", "--help"],
            ["用法：", "选项:"],
            ["Usage:", "Options:"],
        ),
        (["duu"], ["错误：没有命令 'duu'。", "是否应为"], ["Error: No such command 'duu'.", "Did you mean"]),
        (["due", "contact", "2021-02-30"], ["没有 2021-02-30 这一天"], ["There is no day 2021-02-30"]),
        (["due", "contact", "2021-13"], ["没有 2021-13 这个月"], ["There is no month 2021-13"]),
        (["due", "contact", "2021-02-29T08:00"], ["没有 2021-02-29 这一天"], ["There is no day 2021-02-29"]),
        (["due", "contact", "soon"], ["“soon”无法识别"], ['"soon" is not understood']),
        (
            ["audit", "as-of", "--recorded", "2021-06-31", "x"],
            ["没有 2021-06-31 这一天"],
            ["There is no day 2021-06-31"],
        ),
        (["due"], ["错误：缺少参数 'RULE'"], ["Error: Missing argument 'RULE'"]),
        (["token", "--unit", "fgw"], ["缺少选项 '--post'"], ["Missing option '--post'"]),
        (["token", "--post"], ["选项 '--post' 须带一个值。"], ["Option '--post' requires an argument."]),
        (["token", "--role", "king"], ["'king' 不在可选范围内"], ["'king' is not one of"]),
        (
            ["due", "a", "2021-02-05", "b", "c"],
            ["多余的参数（b c）"],
            ["Got unexpected extra arguments (b c)"],
        ),
        (["due", "--days"], ["没有选项 '--days'。"], ["No such option '--days'."]),
        (["import", "/nowhere.csv"], ["'/nowhere.csv' 不存在。"], ["'/nowhere.csv' does not exist."]),
        (["serve", "--port", "x"], ["'x' 不是有效的数字。"], ["'x' is not a valid integer."]),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else one,
)
def test_the_command_line_speaks_the_suites_language(
    arguments: list[str], zh: list[str], en: list[str]
) -> None:
    for language, expected in (("zh", zh), ("en", en)):
        done = again(*arguments, DUBAN_LANGUAGE=language)
        for text in expected:
            assert text in done.output


@pytest.mark.parametrize(
    ("language", "helped", "missing"),
    [
        ("zh", "显示本说明。", "错误：'FILE' 的值无效：文件 '/nowhere' 不存在。"),
        (
            "en",
            "Show this message and exit.",
            "Error: Invalid value for 'FILE': File '/nowhere' does not exist.",
        ),
    ],
)
def test_the_duban_process_speaks_the_suites_language(language: str, helped: str, missing: str) -> None:
    assert helped in duban("due", "--help", DUBAN_LANGUAGE=language).stdout
    done = duban("import", "/nowhere", DUBAN_LANGUAGE=language)
    assert done.returncode == 2
    assert missing in done.stderr


def test_every_message_of_click_has_its_chinese() -> None:
    said = set()
    for path in Path(click.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "ngettext"):
                said |= {one.value for one in node.args[:2] if isinstance(one, ast.Constant)}
    assert {one for one in said if isinstance(one, str)} - chinese().keys() == set()
    for message, translated in chinese().items():
        fields = r"\{(\w+)|%\((\w+)\)"
        assert {*re.findall(fields, translated)} <= {*re.findall(fields, message)}, message


def test_an_unknown_rule_fails_with_the_known_ones() -> None:
    done = again("due", "nonsense", "2021-02-05")
    assert done.exit_code == 1
    assert "resolve_or_confirm" in done.stderr


def test_a_misconfigured_variable_stops_the_start_and_is_named(tmp_path: Path) -> None:
    assert again("token", "--post", "a/b", "--unit", "a", "--role", "officer", DUBAN_PORT="x").exit_code == 2
    process = duban("due", "contact", "2021-02-05", DUBAN_POL_SECONDS="1")
    assert process.returncode == 2
    assert "DUBAN_POL_SECONDS" in process.stderr
    bad = tmp_path / "rulebook.csv"
    bad.write_text("# version: 1\n# effective: 2021-01-01\nid,measure\narrange,8\n", "utf-8")
    done = again("due", "contact", "2021-02-05", DUBAN_RULEBOOK=str(bad))
    assert done.exit_code == 2
    assert f"{bad}" in done.stderr
    assert "3" in done.stderr


def test_a_token_is_made_with_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    done = duban(
        "token", "--data", str(tmp_path), "--post", "fgw/head", "--unit", "fgw", "--role", "unit_head"
    )
    assert done.stdout.count(".") == 2
    key = tmp_path / "keys" / "token.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    refused = again(
        "token", "--data", str(tmp_path), "--post", "fgw/head", "--unit", "fgw", "--role", "unit_head"
    )
    assert refused.exit_code == 2
    assert "0600" in refused.stderr


def test_a_dry_run_says_what_would_happen_and_writes_nothing(folder: Path) -> None:
    before = log_of(folder)
    done = duban(
        "import", str(TASK_LIST), "--data", str(folder), "--dated", "2021-01-01", "--dry-run", "--json"
    )
    report = json.loads(done.stdout)
    assert report["rejected"] == []
    assert len(report["accepted"]) == 22
    first = next(row for row in report["accepted"] if row["number"] == "12")
    assert first["lead"] == "旗应急管理局"
    assert "昂素镇人民政府" in first["supporters"]
    assert first["due"] == "2021-02-07"
    assert log_of(folder) == before


def test_a_list_with_a_bad_row_is_refused_whole_with_row_field_value_and_reason(
    folder: Path, tmp_path: Path
) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["序号", "工作任务", "牵头单位", "配合单位", "完成时限"])
    sheet.append(["1", "修路10公里", "交通局", "财政局", "2021年6月30日"])
    sheet.append(["2", "种树100亩", "林草局", "不存在的局", "6月底前"])
    sheet.append(["3", "持续推进", "林草局", "", "长期坚持"])
    path = tmp_path / "list.xlsx"
    book.save(path)
    before = log_of(folder)
    done = again("import", str(path), "--data", str(folder), "--dated", "2021-01-01", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert {(one["row"], one["field"]) for one in report["rejected"]} == {(3, "supporters"), (4, "due")}
    assert all(one["value"] and one["reason"] for one in report["rejected"])
    assert log_of(folder) == before
    told = again("import", str(path), "--data", str(folder), "--dated", "2021-01-01").stderr
    assert "第3行配合单位“不存在的局”：" in told
    assert "第4行完成时限“长期坚持”：" in told
    told = again(
        "import", str(path), "--data", str(folder), "--dated", "2021-01-01", DUBAN_LANGUAGE="en"
    ).stderr
    assert 'row 3, supporting units "不存在的局": ' in told
    assert 'row 4, due date "长期坚持": ' in told


def test_what_a_file_holds_and_was_not_taken_is_told_in_text_and_in_json(
    folder: Path, tmp_path: Path
) -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "甲"
    sheet.append(["序号", "工作任务", "牵头单位", "完成时限", "落实情况"])
    sheet.append([1, "修路10公里", "交通局", "2021年6月30日", "好"])
    sheet.append([2, "种树100亩", "林草局", "6月底前", "好"])
    sheet.append([3, "种草100亩", "林草局", "6月底前", "好"])
    sheet.row_dimensions[3].hidden = True
    sheet["B4"].font = Font(strike=True)
    book.create_sheet("说明")["A1"] = "填表说明"
    path = tmp_path / "list.xlsx"
    book.save(path)
    asked = ("import", str(path), "--data", str(folder), "--dated", "2021-01-01", "--dry-run")
    report = json.loads(again(*asked, "--json").stdout)
    assert [(one["kind"], one["place"]) for one in report["left_out"]] == [
        ("sheet", ""),
        ("row", "3:3"),
        ("cell", "B4"),
        ("column", "E1"),
        ("row", "4:4"),
    ]
    assert report["ignored_columns"] == ["落实情况"]
    chinese_lines = again(*asked).stderr.splitlines()
    assert "未导入 说明：没有任务清单的表头，没有读" in chinese_lines
    assert "未导入 甲!E1“落实情况”：说的是已经发生的情况，不导入" in chinese_lines
    told = again(*asked, DUBAN_LANGUAGE="en").stderr
    assert "not taken: 甲!3:3" in told
    assert "the row is hidden" in told
    sheet["C2"] = "不存在的局"
    book.save(path)
    refused = again(*asked[:-1])
    assert refused.exit_code == 1
    assert "未导入 甲!3:3" in refused.stderr


def test_an_export_imported_again_changes_nothing(folder: Path, tmp_path: Path) -> None:
    first = duban("import", str(TASK_LIST), "--data", str(folder), "--dated", "2021-01-01", "--title", "清单")
    assert first.returncode == 0, first.stderr
    assert "22 assigned" in first.stdout
    for name in ("tasks.xlsx", "tasks.csv"):
        exported = duban("export", "tasks", str(tmp_path / name), "--data", str(folder))
        assert exported.returncode == 0, exported.stderr
        before = log_of(folder)
        done = again(
            "import", str(tmp_path / name), "--data", str(folder), "--dated", "2021-01-01", "--title", "清单"
        )
        assert "0 assigned, 22 unchanged, 0 refused" in done.stdout, done.output
        assert log_of(folder) == before


def test_views_are_rebuilt_by_name_and_an_unknown_name_is_refused(folder: Path) -> None:
    assert duban("views", "rebuild", "units", "--data", str(folder)).returncode == 0
    assert again("views", "rebuild", "--data", str(folder)).exit_code == 0
    assert again("views", "rebuild", "nonsense", "--data", str(folder)).exit_code == 1


def test_the_log_is_cloudevents_with_personal_data_masked(folder: Path) -> None:
    lines = [
        json.loads(line)
        for line in duban("log", "--data", str(folder), "--service", "assignment").stdout.splitlines()
    ]
    assert {line["specversion"] for line in lines} == {"1.0"}
    assert len({line["id"] for line in lines}) == len(lines)
    holders = [line["data"]["holder"] for line in lines if line["type"] == "assignment.post_holder_appointed"]
    assert holders
    assert set(holders) == {"***"}


def test_a_damaged_file_is_a_sentence_not_a_traceback(folder: Path, tmp_path: Path) -> None:
    whole = TASK_LIST.read_bytes()
    for name, content in (
        ("cut.xlsx", whole[: len(whole) // 2]),
        ("empty.xlsx", b""),
        ("text.xlsx", b"hello"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        done = again("import", str(path), "--data", str(folder), "--dry-run")
        assert done.exit_code == 1, name


def get(port: int, path: str, token: str = "") -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read()


def test_the_whole_suite_is_served_on_one_port_and_stops_cleanly(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(tmp_path / "data")
    assert duban("units", "import", str(UNITS), "--data", data).returncode == 0
    token = duban(
        "token",
        "--data",
        data,
        "--post",
        "inspect/chief",
        "--unit",
        "inspect",
        "--role",
        "supervision_office",
    ).stdout.strip()
    log = (tmp_path / "serve.log").open("wb")
    suite = subprocess.Popen(
        [sys.executable, "-m", "services", "serve", "--data", data, "--port", str(port)],
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if get(port, "/readyz")[0] == 200:
                    break
            except OSError:
                time.sleep(0.2)
        for path in (
            "units",
            "cases",
            "whistles",
            "notices",
            "whistle-rates?from=2021-01-01&until=2021-01-31",
        ):
            assert get(port, f"/api/v1/{path}", token)[0] == 200, path
        assert b"duban_" in get(port, "/metrics")[1]
    finally:
        suite.send_signal(signal.SIGTERM)
        code = suite.wait(60)
        log.close()
    assert code == 0, (tmp_path / "serve.log").read_text("utf-8")


def test_the_sample_units_are_the_projects_own_copy() -> None:
    with UNITS.open(encoding="utf-8-sig", newline="") as file:
        assert {row["kind"] for row in csv.DictReader(file)} == {
            "government",
            "office",
            "supervision",
            "zone",
            "town",
            "department",
        }


def two_registers(folder: Path) -> tuple[Path, Path]:
    """The sample's list of units, and the same with another name of one."""
    text = UNITS.read_text("utf-8-sig")
    first, second = folder / "first.csv", folder / "second.csv"
    first.write_text(text, "utf-8")
    second.write_text(text.replace("旗财政局", "旗财政和国资局"), "utf-8")
    return first, second


def renames_of(folder: Path) -> int:
    return log_of(folder).count("assignment.unit_renamed")


def test_a_register_imported_again_changes_nothing_and_an_earlier_one_that_comes_back_holds(
    tmp_path: Path,
) -> None:
    data = str(tmp_path / "data")
    first, second = two_registers(tmp_path)
    written = []
    for file in (first, first, second, second, first, second):
        done = again("units", "import", str(file), "--data", data)
        assert done.exit_code == 0, done.output
        written.append(renames_of(Path(data)))
    assert written == [0, 0, 1, 1, 2, 3]


def test_a_command_under_a_key_is_carried_out_once_and_the_key_is_good_for_one_content(
    tmp_path: Path,
) -> None:
    data = str(tmp_path / "data")
    first, second = two_registers(tmp_path)
    assert again("units", "import", str(first), "--data", data, "--key", "one").exit_code == 0
    assert again("units", "import", str(second), "--data", data).exit_code == 0
    assert again("units", "import", str(first), "--data", data, "--key", "one").exit_code == 0
    assert renames_of(Path(data)) == 1  # it was carried out before the second one
    reused = again("units", "import", str(second), "--data", data, "--key", "one")
    assert (reused.exit_code, "Idempotency-Key" in reused.output) == (1, True)
    malformed = again("units", "import", str(first), "--data", data, "--key", "two words")
    assert (malformed.exit_code, "ASCII" in malformed.output) == (1, True)


def test_a_register_imported_by_several_processes_at_once_is_registered_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services", "units", "import", str(UNITS), "--data", str(tmp_path)]
    running = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for _ in range(3)
    ]
    said = [one.communicate(timeout=120)[1] for one in running]
    assert [one.returncode for one in running] == [0, 0, 0], said
    with UNITS.open(encoding="utf-8-sig", newline="") as file:
        units = sorted(row["id"] for row in csv.DictReader(file))
    lines = [json.loads(line) for line in log_of(tmp_path).splitlines()]
    registered = [line["data"]["unit"] for line in lines if line["type"] == "assignment.unit_registered"]
    assert sorted(registered) == units
