"""The read models' worker, from the topic into PostgreSQL, against a raw loop that reads and decodes, and the library.

The raw loop does nothing with what it reads; the library's ProjectionRunner does the same as we, event by event.
"""

import json
import statistics
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

from eventsourcing.application import Application as LibraryApplication
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from kafka import KafkaConsumer, TopicPartition
from psycopg.sql import SQL

from services.assignment.__main__ import SERVICE
from shared.messaging.transport.kafka.client import topic_of
from shared.process.gc_tuning import tune_gc
from shared.runtime.opening import Runtime, open_service
from tests.bench.bare import library_settings
from tests.bench.components import Ground, ground
from tests.bench.facts import CHANGES, NOW, fill

UNITS, ROUNDS = 2_000, 11
EVENTS = UNITS * (1 + CHANGES)
LIBRARY_UNITS = 300
LIBRARY_EVENTS = LIBRARY_UNITS * (1 + CHANGES)
LIBRARY_ROUNDS = (1, 4, 7, 10)


def run() -> list[str]:
    """The report's lines."""
    with ground(broker=True) as here:
        here.migrate("assignment", clock=lambda: NOW)
        runtime = open_service(SERVICE, here.config, lambda: NOW, wait=0.1)
        tune_gc()  # as a worker does
        assert runtime.relay is not None
        try:
            ours, raw, library = [], [], []
            for turn in range(ROUNDS + 1):
                _settle(runtime)
                first = _ends(here)
                fill(runtime.app.log, range(turn * UNITS, (turn + 1) * UNITS))
                while runtime.relay.step():
                    pass
                rates = EVENTS / _project(runtime, turn), EVENTS / _read(here, first, _ends(here))
                if turn:  # the first round warms up
                    ours.append(rates[0])
                    raw.append(rates[1])
                if turn in LIBRARY_ROUNDS:
                    library.append((rates[0], _library(here, f"library{turn}")))
        finally:
            runtime.close()
    of_raw = statistics.median(a / b for a, b in zip(ours, raw, strict=True))
    of_library = statistics.median(a / b for a, b in library)
    rate, raw_rate = statistics.median(ours), statistics.median(raw)
    library_rate = statistics.median(b for _, b in library)
    return [
        f"project: {rate:.0f} events/s from the topic ({here.config.kafka_partitions} partitions) into assignment's "
        f"read models on PostgreSQL ({EVENTS} events) against {raw_rate:.0f}/s of a raw kafka-python "
        f"loop that reads and decodes them, its best of 3: ratio {of_raw:.2f} (median of {ROUNDS} pairs; aim ≥ 0.5)",
        f"project: the same against {library_rate:.0f}/s of the library's ProjectionRunner, PostgreSQL to PostgreSQL "
        f"({LIBRARY_EVENTS} events): ratio {of_library:.1f} (median of {len(library)} pairs; aim ≥ 10)",
    ]


def _settle(runtime: Runtime) -> None:
    """The worker has its partitions and waits for something to come."""
    for _ in range(20):
        runtime.views.project(runtime.follower)


def _project(runtime: Runtime, turn: int) -> float:
    """Seconds from the poll that finds the first of so many messages until all of them are folded."""
    last = (turn + 1) * EVENTS
    started = time.perf_counter()
    while not runtime.views.project(runtime.follower):
        started = time.perf_counter()
    ended = time.perf_counter()
    while not runtime.views.reached("assignment", last):
        while runtime.views.project(runtime.follower):
            ended = time.perf_counter()
    with runtime.views.reading() as connection:
        units = runtime.views.table(connection, "units")
        rows = connection.execute(units.select()).all()
    assert len(rows) == (turn + 1) * UNITS
    assert all(row.version == 1 + CHANGES for row in rows)
    return ended - started


def _ends(here: Ground) -> dict[int, int]:
    consumer = KafkaConsumer(bootstrap_servers=here.config.kafka, group_id=None)
    where = [TopicPartition(topic_of("assignment"), n) for n in range(here.config.kafka_partitions)]
    found = {one.partition: end for one, end in consumer.end_offsets(where).items()}
    consumer.close(autocommit=False)
    return found


def _read(here: Ground, first: dict[int, int], end: dict[int, int]) -> float:
    """Seconds of the raw loop, in a process of its own."""
    stretches = {n: (first[n], end[n]) for n in first}
    command = [sys.executable, "-m", "tests.bench.raw", here.config.kafka, json.dumps(stretches)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


class _Unit(LibraryAggregate):
    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name

    @event("Renamed")
    def rename(self, name: str) -> None:
        self.name = name


class _Names(PostgresTrackingRecorder):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS names (id TEXT PRIMARY KEY, name TEXT, version BIGINT)")
        )

    def write(self, id: UUID, name: str, version: int, tracking: Tracking) -> None:  # noqa: A002
        with self.datastore.transaction(commit=True) as c:
            c.execute(
                "INSERT INTO names VALUES (%s,%s,%s) ON CONFLICT (id) DO UPDATE "
                "SET name=excluded.name, version=excluded.version",
                (id.hex, name, version),
            )
            self._insert_tracking(c, tracking)


class _NamesProjection(Projection[_Names]):
    name = "names"

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.write(
            domain_event.originator_id, domain_event.name, domain_event.originator_version, tracking
        )


def _library(here: Ground, name: str) -> float:
    """The library's events per second, in a database of this name."""
    here.postgres.create_database(name)
    database = here.postgres.url(name)
    env = {**library_settings(database), **library_settings(database, "NAMES")}
    application: LibraryApplication[UUID] = LibraryApplication(env=env)
    for number in range(LIBRARY_UNITS):
        unit = _Unit(name=f"单位{number}")
        for change in range(CHANGES):
            unit.rename(name=f"单位{number}-{change}")
        saved = application.save(unit)
    application.close()
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=LibraryApplication, projection_class=_NamesProjection, view_class=_Names, env=env
    ) as runner:
        runner.wait(saved[-1].notification.id, timeout=300)
        seconds = time.perf_counter() - started
    assert here.postgres.psql("SELECT count(*), min(version) FROM names", name) == f"{LIBRARY_UNITS}|10"
    return LIBRARY_EVENTS / seconds
