"""A process's threads take turns at writing to a SQLite file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError

from shared.database.unavailable import UNAVAILABLE
from shared.log import sqlite


@pytest.fixture
def datastore(tmp_path: Path) -> Iterator[sqlite.Datastore]:
    made = sqlite.Datastore(str(tmp_path / "site" / "events.sqlite"))
    (tmp_path / "site").mkdir()
    yield made
    made.close()


def put(datastore: sqlite.Datastore, *numbers: int) -> None:
    with datastore.transaction(commit=True) as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS things (id INTEGER PRIMARY KEY)")
        for number in numbers:
            cursor.execute("INSERT INTO things VALUES (?)", (number,))


def things(datastore: sqlite.Datastore) -> list[int]:
    with datastore.transaction(commit=False) as cursor:
        cursor.execute("SELECT id FROM things ORDER BY id")
        return [row["id"] for row in cursor.fetchall()]


def test_a_writer_that_cannot_open_the_file_releases_the_lock(
    datastore: sqlite.Datastore, tmp_path: Path
) -> None:
    (tmp_path / "site").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(UNAVAILABLE):
            put(datastore, 1)
    (tmp_path / "away").rename(tmp_path / "site")
    put(datastore, 1)
    assert things(datastore) == [1]


def test_a_refused_write_leaves_nothing_and_releases_the_lock(datastore: sqlite.Datastore) -> None:
    put(datastore, 1)
    with pytest.raises(IntegrityError):
        put(datastore, 2, 1)
    put(datastore, 3)
    assert things(datastore) == [1, 3]


def test_concurrent_writers_are_served_in_order(datastore: sqlite.Datastore) -> None:
    put(datastore, 0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put(datastore, number), range(1, 200)))
    assert things(datastore) == list(range(200))


def test_a_writer_times_out_and_readers_do_not_wait(
    datastore: sqlite.Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(datastore, 1)
    written, go_on = Event(), Event()

    def slow() -> None:
        with datastore.transaction(commit=True) as cursor:
            cursor.execute("INSERT INTO things VALUES (2)")
            written.set()
            go_on.wait(60)

    monkeypatch.setattr(sqlite, "TIMEOUT", 0.05)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(slow)
        try:
            assert written.wait(60)
            assert things(datastore) == [1]
            with pytest.raises(OperationalError, match="others of this process are writing"):
                put(datastore, 3)
        finally:
            go_on.set()
        other.result(60)
    put(datastore, 3)
    assert things(datastore) == [1, 2, 3]
