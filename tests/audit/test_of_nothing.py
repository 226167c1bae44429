"""What was not compared is not called equal: empty folders, logs without read models, read models that are behind."""

import json
import shutil
from pathlib import Path

import click
import pytest

from services.assignment.samples.build import TASK_LIST, UNITS
from services.cli.main import main
from services.suite import SUITE, open_suite
from shared.database.files import connect_file
from shared.domain.clock import system_clock
from shared.process.config import Config
from tests.test_command_line import again

MAKES_ITS_FOLDER = {"serve", "web", "token", "units import", "import", "demo", "restore"}
NEEDS_NO_FOLDER = {
    "migrate",
    "topics apply",
    "docs",
    "relay republish",
    "relay recover",
    "person make-master",
    "audit serve",
}
ASKED = {
    "audit as-of": ["/api/v1/tasks"],
    "audit why": ["task:1"],
    "audit diff": ["2021-01-01", "2021-01-02"],
    "audit recount": ["board:tasks"],
    "audit export": ["{out}"],
    "audit prove": ["assignment/00000000-0000-0000-0000-000000000000/1"],
    "audit prove-consistency": ["--service", "assignment", "1"],
    "backup": ["{out}"],
    "due": ["contact", "2021-02-05"],
    "export tasks": ["{out}.xlsx"],
    "person erase": ["fgw/head", "--ground", "x"],
    "person list": ["fgw/head"],
    "person rotate-master": ["{out}.key"],
}
"""The arguments of the commands that need any."""


def commands(group: click.Group, before: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        named = f"{before}{name}"
        found += commands(command, f"{named} ") if isinstance(command, click.Group) else [named]
    return found


READING = [one for one in commands(main) if one not in MAKES_ITS_FOLDER | NEEDS_NO_FOLDER]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("imported") / "data"
    assert again("units", "import", str(UNITS), "--data", str(data)).exit_code == 0
    assert again("import", "--accept-valid", str(TASK_LIST), "--data", str(data)).exit_code == 0
    return data


@pytest.fixture
def copied(imported: Path, tmp_path: Path) -> Path:
    """As a backup or a copy of the logs is: without read models."""
    return shutil.copytree(imported, tmp_path / "copy", ignore=shutil.ignore_patterns("views.sqlite*"))


@pytest.fixture
def unused(tmp_path: Path) -> Path:
    for runtime in open_suite(Config(data=tmp_path / "unused"), system_clock).values():
        runtime.close()
    return tmp_path / "unused"


@pytest.mark.parametrize("kind", ["empty", "nowhere"])
@pytest.mark.parametrize("command", READING)
def test_no_command_finds_anything_in_order_where_there_is_nothing(
    tmp_path: Path, command: str, kind: str
) -> None:
    folder = tmp_path / "data"
    if kind == "empty":
        folder.mkdir()
    arguments = [one.format(out=tmp_path / "out") for one in ASKED.get(command, [])]
    done = again(*command.split(), *arguments, "--data", str(folder), DUBAN_LANGUAGE="en")
    assert (done.exit_code, done.stderr.strip()) == (1, f"Error: There is no event log in {folder}.")
    assert sorted(path.name for path in tmp_path.rglob("*")) == (["data"] if kind == "empty" else [])


def rows(data: Path, view: str) -> int:
    connection = connect_file(data / "assignment" / "views.sqlite", mode="ro")
    (table,) = connection.execute(
        "SELECT name || '__v' || version || '_' || generation FROM views WHERE live AND name=?", (view,)
    ).fetchone()
    (number,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    connection.close()
    return int(number)


def test_a_rebuild_builds_from_the_log_whatever_was_there(imported: Path, copied: Path) -> None:
    done = again("views", "rebuild", "--data", str(copied))
    assert done.exit_code == 0, done.output
    assert rows(copied, "tasks") == rows(imported, "tasks") > 0
    assert rows(copied, "units") == rows(imported, "units") > 20
    compared = again("audit", "replay", "--json", "--data", str(copied))
    found = json.loads(compared.stdout)
    assert (compared.exit_code, found["equal"], found["behind"], found["differences"]) == (0, True, {}, [])


def test_a_replay_without_read_models_says_that_there_are_none(copied: Path) -> None:
    done = again("audit", "replay", "--data", str(copied), DUBAN_LANGUAGE="en")
    assert done.exit_code == 1
    assert "assignment has no live read models: there is nothing to compare with" in done.stderr
    assert not list(copied.glob("*/views.sqlite"))


def test_a_replay_of_read_models_that_are_behind_says_how_far(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.audit.replay.PATIENCE", 0.0)
    for runtime in open_suite(Config(data=copied), system_clock).values():
        runtime.close()  # makes them, and folds nothing
    done = again("audit", "replay", "--json", "--data", str(copied))
    found = json.loads(done.stdout)
    assert (done.exit_code, found["equal"], found["differences"]) == (1, None, [])
    facts = len(again("log", "--data", str(copied)).stdout.splitlines()) - 4  # less what the question left
    assert found["behind"] == dict.fromkeys(SUITE, facts)
    said = again("audit", "replay", "--data", str(copied)).stdout
    assert f"assignment: 在用读模型还缺 {facts} 条事实" in said
    assert "has not received all facts of assignment" in again("parked", "--data", str(copied)).stderr


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("audit replay", 1, "nothing was compared"),
        ("audit recount board:tasks", 1, "there is nothing to compare"),
        ("audit recount rate:2021-01-01..2021-01-31", 1, "there is nothing to compare"),
        ("audit diff 2021-01-01 2021-01-02", 1, "there is nothing to compare"),
        ("audit verify", 3, "nothing to verify"),
        ("backup {out}", 1, "there is nothing to back up"),
        ("person list fgw/head", 1, "There is no key of fgw/head"),
    ],
)
def test_an_unused_suite_has_nothing_to_compare(
    unused: Path, tmp_path: Path, command: str, code: int, said: str
) -> None:
    arguments = command.format(out=tmp_path / "out").split()
    done = again(*arguments, "--data", str(unused), DUBAN_LANGUAGE="en")
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_backup_that_holds_nothing_is_not_restored(imported: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    assert again("backup", str(saved), "--data", str(imported)).exit_code == 0
    manifest = json.loads((saved / "backup.json").read_text("utf-8"))
    for one in manifest["services"].values():
        one["events"] = 0
    (saved / "backup.json").write_text(json.dumps(manifest), "utf-8")
    done = again("restore", str(saved), "--data", str(tmp_path / "new"), DUBAN_LANGUAGE="en")
    assert (done.exit_code, "there is nothing to restore" in done.stderr) == (1, True)


def test_a_log_that_was_never_sealed_is_not_called_whole(imported: Path) -> None:
    done = again("audit", "verify", "--data", str(imported), DUBAN_LANGUAGE="en")
    assert (done.exit_code, "holds" in done.stdout, "NOT VERIFIED" in done.stdout) == (3, False, True)
    assert again("audit", "checkpoint", "--data", str(imported)).exit_code == 0
    assert again("audit", "verify", "--data", str(imported)).exit_code == 0
