"""A backup holds all logs as they were at one moment; what is restored is the very same."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.cli.backup import (
    MANIFEST,
    BackupDamaged,
    BackupFolderNotEmpty,
    LogNotEmpty,
    NoBackupThere,
    back_up,
    restore,
)
from services.suite import SUITE
from shared.process.config import Config
from shared.runtime.event_log import SERVICES
from shared.testing import Opened, StoppedClock, an_act, shanghai

NOW = shanghai("2021-02-05 10:00")
POSTS = (("gov/main-leader", "main_leader"), ("office/head", "unit_head"), ("fgw/head", "unit_head"))


def silent(service: str, done: int) -> None:
    pass


def wall() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Opened]:
    with Opened(tmp_path / "live", StoppedClock(NOW), *SUITE.values()) as opened:
        app: Any = opened["assignment"].app
        for unit, kind in (("gov", "government"), ("office", "office"), ("fgw", "department")):
            app.register_unit(act(), unit=unit, name=f"{unit}局", kind=kind)
        for post, role in POSTS:
            app.create_post(act(), post=post, title=post, role=role)
        opened.settle()
        yield opened


def act() -> Any:
    return an_act(NOW, unit="office", post="office/head", role="government_office")


def blow(suite: Opened, number: int) -> None:
    """A whistle, which supervision and notify answer with facts of their own."""
    code = "91150623MA0N000017"
    app: Any = suite["enterprise"].app
    if number == 0:
        app.register_enterprise(act(), credit_code=code, name="煤化工公司")
    what = {"category": "用地", "title": f"事项{number}", "text": "等", "channel": "phone"}
    app.blow_whistle(act(), credit_code=code, **what)


def rows(folder: Path, service: str, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / service / "events.sqlite") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


EVENTS = "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events ORDER BY rowid"


def test_a_backup_of_a_suite_that_goes_on_writing_knows_no_fact_of_another_log_that_it_does_not_hold(
    suite: Opened, tmp_path: Path
) -> None:
    blow(suite, 0)
    stop = threading.Event()

    def writing() -> None:
        number = 1
        while not stop.is_set():
            blow(suite, number)
            suite.settle()
            number += 1

    pool = ThreadPoolExecutor(1)
    writer = pool.submit(writing)
    taken = []
    for turn in range(5):
        folder = tmp_path / f"backup{turn}"
        taken.append(back_up(suite.config, folder, wall, "test", silent))
        last = {service: taken[-1]["services"][service]["last_position"] for service in SERVICES}
        known = {
            service: set(
                rows(
                    folder,
                    service,
                    "SELECT replace(originator_id,'-',''), originator_version FROM stored_events",
                )
            )
            for service in SERVICES
        }
        for service in SERVICES:
            for source, position in rows(
                folder, service, "SELECT source, max(position) FROM inbox_marks GROUP BY 1"
            ):
                assert position <= last[source]
            for (state,) in rows(folder, service, "SELECT state FROM stored_events"):
                because = json.loads(state)["because"]
                if because.startswith("event:"):
                    source, aggregate, version = because.removeprefix("event:").rsplit("/", 2)
                    assert (aggregate.replace("-", ""), int(version)) in known[source], because
    stop.set()
    writer.result()
    sizes = [one["services"]["notify"]["events"] for one in taken]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1], "nobody wrote meanwhile"


def test_what_is_restored_has_the_same_logs_and_gives_the_same_read_models(
    suite: Opened, tmp_path: Path
) -> None:
    for number in range(3):
        blow(suite, number)
    suite.settle()
    manifest = back_up(suite.config, tmp_path / "backup", wall, "test", silent)
    target = tmp_path / "restored"
    assert restore(Config(data=target), tmp_path / "backup", wall, silent) == manifest
    for service in SERVICES:
        assert rows(target, service, EVENTS) == rows(suite.config.data, service, EVENTS)
    with Opened(target, StoppedClock(NOW), *SUITE.values()) as again:
        before = {service: len(suite.log(service)) for service in SERVICES}
        for runtime in again.runtimes.values():
            runtime.catch_up()
            while runtime.reactor is not None and runtime.reactor.step():
                pass
        assert {service: len(again.log(service)) for service in SERVICES} == before, "nothing is done twice"
        for service in SERVICES:
            for view in suite[service].views.views:
                assert again.rows(service, view) == suite.rows(service, view), view


def test_a_backup_that_was_changed_is_refused_and_nothing_is_restored(suite: Opened, tmp_path: Path) -> None:
    blow(suite, 0)
    suite.settle()
    back_up(suite.config, tmp_path / "backup", wall, "test", silent)
    changes = {
        "a fact": "UPDATE stored_events SET state=replace(state, 'blown', 'BLOWN') WHERE rowid=2",
        "gone": "DELETE FROM stored_events WHERE rowid=(SELECT max(rowid) FROM stored_events)",
        "in the midst": "DELETE FROM stored_events WHERE rowid=2",
        "twice": "INSERT INTO stored_events SELECT originator_id, originator_version+100, topic, state "
        "FROM stored_events WHERE rowid=1",
    }
    for name, change in changes.items():
        damaged = tmp_path / name
        shutil.copytree(tmp_path / "backup", damaged)
        with sqlite3.connect(damaged / "enterprise" / "events.sqlite") as connection:
            if name == "a fact":
                change = (
                    "UPDATE stored_events SET state=CAST(replace(CAST(state AS TEXT),'用地','用电') AS BLOB)"
                )
            assert connection.execute(change).rowcount > 0
        connection.close()
        with pytest.raises(BackupDamaged, match="enterprise"):
            restore(Config(data=tmp_path / "target"), damaged, wall, silent)
        assert not (tmp_path / "target").exists()


def test_a_backup_goes_into_an_empty_folder_and_back_into_an_empty_suite_only(
    suite: Opened, tmp_path: Path
) -> None:
    back_up(suite.config, tmp_path / "backup", wall, "test", silent)
    with pytest.raises(BackupFolderNotEmpty):
        back_up(suite.config, tmp_path / "backup", wall, "test", silent)
    before = rows(suite.config.data, "assignment", EVENTS)
    with pytest.raises(LogNotEmpty, match="assignment"):
        restore(suite.config, tmp_path / "backup", wall, silent)
    assert rows(suite.config.data, "assignment", EVENTS) == before
    (tmp_path / "backup" / MANIFEST).unlink()
    with pytest.raises(NoBackupThere):
        restore(Config(data=tmp_path / "target"), tmp_path / "backup", wall, silent)
