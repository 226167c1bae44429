"""Rebuilding a view from its log against the library's own ProjectionRunner folding the same events."""

import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from eventsourcing.application import Application as LibraryApplication
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event
from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder

from shared.events import assignment
from shared.events.base import Actor
from shared.log.codec import encode
from shared.process.config import Config
from shared.readmodels.reference import UnitsView
from shared.runtime.opening import open_service
from shared.runtime.service import Service
from shared.service.application import ServiceApplication

UNITS, CHANGES = 2_000, 9
EVENTS = UNITS * (1 + CHANGES)
LIBRARY_EVENTS = 4_000
NOW = datetime(2021, 1, 4, 1, 0, tzinfo=UTC)


class _Log(ServiceApplication):
    name = "assignment"


class _Unit(LibraryAggregate):
    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name

    @event("Renamed")
    def rename(self, name: str) -> None:
        self.name = name


class _Names(SQLiteTrackingRecorder):
    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE IF NOT EXISTS names (id TEXT PRIMARY KEY, name TEXT, version INTEGER)",
        ]

    def write(self, id: UUID, name: str, version: int, tracking: Tracking) -> None:  # noqa: A002
        with self.datastore.transaction(commit=True) as c:
            c.execute("INSERT OR REPLACE INTO names VALUES (?,?,?)", (id.hex, name, version))
            self._insert_tracking(c, tracking)


class _NamesProjection(Projection[_Names]):
    name = "names"

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.write(
            domain_event.originator_id, domain_event.name, domain_event.originator_version, tracking
        )


def run() -> list[str]:
    """The report's lines."""
    ours, library = _ours(), _library()
    return [
        f"view rebuild: {ours:.0f} events/s ({EVENTS} events, SQLite log to SQLite view) against {library:.0f} "
        "events/s of the library's ProjectionRunner (in-memory log to SQLite view): "
        f"ratio {ours / library:.1f} (aim ≥ 10)"
    ]


def _ours() -> float:
    with tempfile.TemporaryDirectory() as folder:
        service = Service(
            name="assignment", title="bench", application=_Log, views=[UnitsView], blueprints=[]
        )
        runtime = open_service(service, Config(data=Path(folder)), lambda: NOW)
        for start in range(0, UNITS, 100):
            runtime.app.log.insert_events(
                [stored for number in range(start, start + 100) for stored in _history(number)]
            )
        runtime.catch_up()  # what is rebuilt is as far as the live one
        started = time.perf_counter()
        runtime.views.rebuild(["units"], runtime.follower)
        seconds = time.perf_counter() - started
        with runtime.views.reading() as connection:
            rows = connection.execute(runtime.views.table(connection, "units").select()).all()
        assert len(rows) == UNITS
        assert all(row.version == CHANGES + 1 for row in rows)
        runtime.close()
    return EVENTS / seconds


def _history(number: int) -> list[StoredEvent]:
    id = uuid5(UUID(int=0), str(number))  # noqa: A001
    stamp: dict[str, Any] = {
        "timestamp": NOW,
        "happened_at": NOW,
        "by": Actor(unit="office", post="office/clerk"),
        "because": "request:bench",
    }
    found: list[assignment.UnitRegistered | assignment.UnitRenamed] = [
        assignment.UnitRegistered(unit=f"u{number}", name=f"单位{number}", kind="department", **stamp)
    ]
    found += [
        assignment.UnitRenamed(unit=f"u{number}", name=f"单位{number}-{change}", **stamp)
        for change in range(CHANGES)
    ]
    return [StoredEvent(id, version, fact.TOPIC, encode(fact)) for version, fact in enumerate(found, start=1)]


def _library() -> float:
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PERSISTENCE_MODULE": "eventsourcing.popo"}
        with ProjectionRunner(
            application_class=LibraryApplication,
            projection_class=_NamesProjection,
            view_class=_Names,
            env={
                **environment,
                "NAMES_PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "NAMES_SQLITE_DBNAME": f"{folder}/names.sqlite",
            },
        ) as runner:
            for number in range(LIBRARY_EVENTS // 10):
                unit = _Unit(name=f"单位{number}")
                for change in range(CHANGES):
                    unit.rename(name=f"单位{number}-{change}")
                saved = runner.app.save(unit)
            # The runner begins while events are still being saved: only what is left when the last one is in counts.
            started = time.perf_counter()
            behind = LIBRARY_EVENTS - (runner.projection.view.max_tracking_id(runner.app.name) or 0)
            runner.wait(saved[-1].notification.id, timeout=timedelta(minutes=5).total_seconds())
            seconds = time.perf_counter() - started
        count = sqlite3.connect(f"{folder}/names.sqlite").execute("SELECT count(*) FROM names").fetchone()[0]
        assert count == LIBRARY_EVENTS // 10
    return behind / seconds
