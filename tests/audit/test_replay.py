"""Replay: the logs folded anew equal the live read models, and what was changed behind the suite's back is named."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.audit.replay import FolderIsNotEmpty, ReadModelsAreIncomplete
from services.suite import SUITE
from shared.events.audit import AuditAccessed
from tests.audit.story import AUDITOR, Told, told


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with told(tmp_path_factory.mktemp("told")) as suite:
        yield suite


def facts_of(suite: Told) -> dict[str, list[Any]]:
    """All but who asked."""
    return {
        name: [fact for fact in suite.opened.log(name) if not isinstance(fact, AuditAccessed)]
        for name in SUITE
    }


def test_every_read_model_is_what_the_logs_make_of_it(suite: Told) -> None:
    before = facts_of(suite)
    found = suite.questions.replay(AUDITOR, None)
    assert found.differences == []
    assert set(found.rows) == {f"{name}.{view.name}" for name, one in SUITE.items() for view in one.views}
    assert sum(found.rows.values()) > 300
    assert facts_of(suite) == before, "a reaction ran"


def test_one_service_is_replayed_into_a_folder_that_stays(suite: Told, tmp_path: Path) -> None:
    found = suite.questions.replay(AUDITOR, "supervision", tmp_path / "replayed")
    assert found.differences == []
    assert {view.partition(".")[0] for view in found.rows} == {"supervision"}
    assert (tmp_path / "replayed" / "supervision" / "views.sqlite").exists()
    with pytest.raises(FolderIsNotEmpty):
        suite.questions.replay(AUDITOR, "supervision", tmp_path / "replayed")


def test_lagging_read_models_are_compared_at_their_own_position(suite: Told) -> None:
    suite.do("office/head", "assignment:task-lists", title="尚未进入读模型", dated="2021-01-04")
    assert suite.questions.replay(AUDITOR, None).differences == []
    suite.opened.settle()


def test_a_suite_that_goes_on_writing_is_not_disturbed_and_equal_all_the_same(suite: Told) -> None:
    stop, written, failed = threading.Event(), [0], []

    def write() -> None:
        try:
            while not stop.is_set():
                written[0] += 1
                title = f"同时登记{written[0]}"
                suite.do("office/head", "assignment:task-lists", title=title, dated="2021-01-04")
                suite.opened.settle()
        except BaseException as error:  # noqa: BLE001 - a failed writer fails the test
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2):
            assert suite.questions.replay(AUDITOR, None).differences == []
    finally:
        stop.set()
        writer.join()
    assert failed == []
    assert written[0] > 5
    assert suite.questions.replay(AUDITOR, None).differences == []


def test_a_read_model_that_misses_facts_is_not_compared(suite: Told) -> None:
    path = suite.opened.config.data / "notify" / "views.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO inbox_holes VALUES ('project', 'supervision', 0, 3, 5)")
    with pytest.raises(ReadModelsAreIncomplete):
        suite.questions.replay(AUDITOR, "notify")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM inbox_holes")
    connection.close()


def test_the_command_names_the_row_and_the_column_that_differ(suite: Told) -> None:
    """Last of this module: it spoils the live read model."""
    path = suite.opened.config.data / "supervision" / "views.sqlite"
    with sqlite3.connect(path) as connection:
        (table,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'rounds\\_\\_v%' ESCAPE '\\'"
        ).fetchone()
        connection.execute(f"UPDATE {table} SET verdict='on_track' WHERE verdict='slow' AND round=1")
        changed = connection.execute("SELECT changes()").fetchone()[0]
        connection.execute(f"DELETE FROM {table} WHERE round=3")
        deleted = connection.execute("SELECT changes()").fetchone()[0]
    connection.close()
    assert changed > 0
    done = subprocess.run(
        [sys.executable, "-m", "services", "audit", "replay", "--json", "--data", str(path.parent.parent)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["differences"]
    assert {(one["service"], one["view"]) for one in found} == {("supervision", "rounds")}
    verdicts = [one for one in found if "verdict" in one["columns"]]
    assert len(verdicts) == changed
    assert verdicts[0]["columns"]["verdict"] == {"live": "on_track", "replayed": "slow"}
    gone = [one["columns"]["id"]["live"] for one in found if "id" in one["columns"]]
    assert gone == [None] * deleted != []
