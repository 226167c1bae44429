"""A data folder of release 0.1.0 goes on where it stood: nothing again, nothing left out."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from shared.testing import Opened, StoppedClock, an_act
from tests.shared.test_mechanism import NOW, SERVICE, Echo, WardRenamed


def as_in_0_1_0(folder: Path) -> None:
    """Give the files the tables that 0.1.0 had, with what stood in them then."""
    with closing(sqlite3.connect(folder / "ward" / "events.sqlite", isolation_level=None)) as log:
        log.execute("CREATE TABLE tracking (application_name TEXT, notification_id INTEGER)")
        log.execute(
            "INSERT INTO tracking SELECT consumer || ':' || source || ':' || partition, position FROM inbox_marks"
        )
        log.execute(
            "CREATE TABLE parked (consumer TEXT, source TEXT, partition INTEGER, position INTEGER, "
            "aggregate_id TEXT, reason TEXT, since TEXT)"
        )
        log.execute(
            "INSERT INTO parked SELECT consumer, source, partition, position, replace(aggregate_id, '-', ''), "
            "reason, since FROM inbox_parked"
        )
        for table in ("marks", "versions", "holes", "parked"):
            log.execute(f"DROP TABLE inbox_{table}")
        log.execute("DROP TABLE relay_marks")
    with closing(sqlite3.connect(folder / "ward" / "views.sqlite", isolation_level=None)) as views:
        for table in ("marks", "versions", "holes", "parked"):
            views.execute(f"DROP TABLE inbox_{table}")


def test_a_data_folder_of_the_first_release_opens(tmp_path: Path) -> None:
    clock = StoppedClock(NOW)
    Echo.broken, Echo.misses = True, 0
    with Opened(tmp_path, clock, SERVICE) as opened:
        app: Any = opened["ward"].app
        for unit in ("a", "b", "bad"):
            app.register(an_act(NOW), unit)
        opened.settle()
        rows, log = opened.rows("ward", "names"), opened.log("ward")
        [parked] = opened["ward"].reactor.parked()  # type: ignore[union-attr]
    as_in_0_1_0(tmp_path)
    with Opened(tmp_path, clock, SERVICE) as opened:
        [still] = opened["ward"].reactor.parked()  # type: ignore[union-attr]
        assert (still.position, still.aggregate_id, still.state) == (
            parked.position,
            parked.aggregate_id,
            parked.state,
        )
        opened.settle()
        assert (opened.rows("ward", "names"), opened.log("ward")) == (rows, log)
        Echo.broken = False
        opened.settle()
        assert len(opened.of_kind("ward", WardRenamed)) == 3
        opened.deliver_again("ward", "ward")
        assert len(opened.of_kind("ward", WardRenamed)) == 3
        assert opened.rebuild_and_compare("ward") == []
