"""A data folder may have any name that the machine allows: nothing is written beside it, and nothing is misread."""

import json
import os
from pathlib import Path

import pytest

from services.assignment.samples.build import TASK_LIST, UNITS
from services.cli.backup import back_up, restore
from services.suite import SUITE
from shared.domain.clock import system_clock
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.testing import an_act, shanghai
from tests.test_command_line import again, log_of

NOW = shanghai("2021-01-04 09:00")

NAMES = [
    "a?b",
    "a%20b",
    "a#b&c=d;e",
    "督办 数据 'c' \"d\"",
    "a\nb\t[0-9]*$HOME",
    "x:memory:?mode=memory",
    "-rf \\%3Fé\u0301",
]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_everything_works_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    data, saved, copy, export = (tmp_path / f"{name}{kind}" for kind in ("", "-saved", "-copy", "-export"))
    at = f"--data={data}"
    assert again("units", "import", at, str(UNITS)).exit_code == 0
    assert again("import", at, "--accept-valid", str(TASK_LIST)).exit_code == 0
    assert again("views", "rebuild", at, "assignment.tasks").exit_code == 0
    answer = again("audit", "as-of", at, "/api/v1/units")
    assert (answer.exit_code, bool(json.loads(answer.stdout)["items"])) == (0, True)
    assert again("audit", "checkpoint", at).exit_code == 0
    assert again("audit", "verify", at).exit_code == 0
    assert again("audit", "export", at, "--", str(export)).exit_code == 0
    assert again("backup", at, "--", str(saved)).exit_code == 0
    assert again("restore", f"--data={copy}", "--", str(saved)).exit_code == 0
    assert log_of(copy) == log_of(data)
    assert again("person", "reapply", at).exit_code == 0
    # Nothing beside these four folders, and in them what stands in those of a plain name.
    assert {path.name for path in tmp_path.iterdir()} == {one.name for one in (data, saved, copy, export)}
    services = {f"{service}/{kind}.sqlite" for service in SUITE for kind in ("events",)}
    assert services <= files_in(data) & files_in(saved) & files_in(copy)
    assert {"assignment/views.sqlite", "keys.sqlite"} <= files_in(data)


@pytest.mark.parametrize("name", ["file:a?b", "file:x%20y", "file:"])
def test_a_relative_folder_is_no_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config(data=Path(name), keys=f"{name}keys")
    runtime = open_service(SUITE["assignment"], config, system_clock)
    runtime.app.register_unit(an_act(NOW), unit="fgw", name="发改委", kind="department")  # type: ignore[attr-defined]
    runtime.catch_up()
    runtime.app.personal_data.table.create()
    runtime.close()
    back_up(config, Path(f"{name}saved"), system_clock, "test", lambda *_: None)
    restore(Config(data=Path(f"{name}copy")), Path(f"{name}saved"), system_clock, lambda *_: None)
    assert set(os.listdir(tmp_path)) == {f"{name}{kind}" for kind in ("", "keys", "saved", "copy")}
