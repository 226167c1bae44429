"""Backup and restore of the logs 备份与恢复: of all services at one moment, whatever their database.

Writers of every log are held for the moment in which a snapshot of each is pinned; then they go on, and the snapshots
are copied at leisure. So no log knows a fact of another log that is not in the backup too. A backup is a data folder:
SQLite files of the logs with what moves with them (answers, inboxes, marks, trees), and a manifest. Read models are
not in it, they are rebuilt; nor are keys, least of all those of persons (docs/auditing.md).
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg import sql

from shared.audit import merkle
from shared.database import postgres
from shared.domain.clock import Clock
from shared.domain.refusal import Refusal
from shared.process.config import Config
from shared.readmodels.store import CONSUMER
from shared.runtime.service import SCHEMA_VERSION, SERVICES, open_log

MANIFEST = "backup.json"
PATIENCE = 300.0
"""Seconds that one wait for a database, or for its writers to pause, may last."""
CHUNK = 1000

Row = tuple[Any, ...]
Progress = Callable[[str, int], None]
"""Told the service and how many of its events are done."""


class BackupFolderNotEmpty(Refusal):
    """目录 {folder} 不是空的，备份只写入空目录。
    The folder {folder} is not empty: a backup is written into an empty one."""


class NoBackupThere(Refusal):
    """目录 {folder} 中没有备份（缺少 backup.json）。
    There is no backup in the folder {folder}: backup.json is missing."""


class BackupOfAnotherRelease(Refusal):
    """该备份的表结构版本为 {found}，本版本需要 {needed}。
    The backup's tables are at schema {found}, this release needs {needed}."""


class BackupDamaged(Refusal):
    """备份与其清单不符：{service}：{reason}。未恢复任何内容。
    The backup is not what its manifest says: {service}: {reason}. Nothing was restored."""


class RecoveryRefused(Refusal):
    """{service} 的主题与日志不能衔接：位置 {position} 是聚合 {aggregate} 的第 {version} 版，日志已有第 {known} 版。
    The topic of {service} does not continue its log: {position} is version {version} of {aggregate}, not {known}+1."""


class LogNotEmpty(Refusal):
    """{service} 的事件日志不是空的（{events} 条），只能恢复到空的系统。
    The log of {service} is not empty ({events} events): a backup is restored into an empty suite only."""


# --- where rows come from and go to ----------------------------------------------------------------------


def _which(columns: Sequence[str]) -> str:
    """Of an inbox the reactions' part: the read models begin from nothing."""
    return f" WHERE consumer<>'{CONSUMER}'" if "consumer" in columns else ""


class _Store(Protocol):
    """A log with what moves with it, in whatever database."""

    def held(self) -> AbstractContextManager[None]:
        """Nobody appends events meanwhile."""

    def pinned(self) -> "AbstractContextManager[_Store]":
        """What is read stays as it is now."""

    def writing(self) -> "AbstractContextManager[_Store]":
        """All that is written, or nothing."""

    def tables(self) -> set[str]:
        """The tables beside the events."""

    def events(self) -> Iterator[Row]:
        """Position, aggregate id, version, topic, state, in log order."""

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        """A table's rows."""

    def put_events(self, rows: Sequence[Row]) -> None:
        """Write events at their positions."""

    def empty(self, table: str) -> None:
        """Take out what a new table begins with."""

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Write a table's rows."""

    def finish(self) -> None:
        """After the last row: the next event comes after the last one."""


class _File:
    """A log in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """See _Store."""
        with closing(sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    @contextmanager
    def pinned(self) -> Iterator["_File"]:
        """See _Store."""
        where = f"{self._path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(where, uri=True, isolation_level=None)) as self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # only reading pins it
            yield self

    @contextmanager
    def writing(self) -> Iterator["_File"]:
        """See _Store."""
        with closing(sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)) as self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def tables(self) -> set[str]:
        """See _Store."""
        found = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%' AND name<>'stored_events'"
        )
        return {name for (name,) in found}

    def events(self) -> Iterator[Row]:
        """See _Store."""
        return self._connection.execute(
            "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events ORDER BY rowid"
        )

    def columns(self, table: str) -> list[str]:
        """The table's columns."""
        return [row[1] for row in self._connection.execute(f'PRAGMA table_info("{table}")')]

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        """See _Store."""
        return self._connection.execute(f'SELECT {", ".join(columns)} FROM "{table}"{_which(columns)}')

    def put_events(self, rows: Sequence[Row]) -> None:
        """See _Store. PostgreSQL writes an id with dashes, in which nobody would find it here."""
        self._connection.executemany(
            "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) VALUES (?,?,?,?,?)",
            [(position, id_.replace("-", ""), *rest) for position, id_, *rest in rows],
        )

    def empty(self, table: str) -> None:
        """See _Store."""
        self._connection.execute(f'DELETE FROM "{table}"')

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """See _Store."""
        holders = ",".join("?" * len(columns))
        self._connection.executemany(f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({holders})', rows)

    def finish(self) -> None:
        """See _Store."""


class _Database:
    """A log in a PostgreSQL database."""

    def __init__(self, url: str, service: str) -> None:
        self._url, self._events = url, sql.Identifier(f"{service}_events")

    def _connect(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        return closing(postgres.connect(self._url, PATIENCE))

    @contextmanager
    def held(self) -> Iterator[None]:
        """See _Store."""
        with self._connect() as connection:
            connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(self._events))
            yield
            connection.rollback()

    @contextmanager
    def pinned(self) -> Iterator["_Database"]:
        """See _Store."""
        with self._connect() as self._connection:
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
            self._connection.execute("SELECT 1 FROM duban_schema")
            yield self

    @contextmanager
    def writing(self) -> Iterator["_Database"]:
        """See _Store."""
        with self._connect() as self._connection:
            self._connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(self._events))
            yield self
            self._connection.commit()

    def events(self) -> Iterator[Row]:
        """See _Store."""
        with self._connection.cursor(name="events", binary=True) as cursor:
            cursor.itersize = CHUNK
            yield from cursor.execute(
                sql.SQL(
                    "SELECT notification_id, originator_id::text, originator_version, topic, state FROM {} "
                    "ORDER BY notification_id"
                ).format(self._events)
            )

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        """See _Store."""
        with self._connection.cursor(name=table, binary=True) as cursor:
            cursor.itersize = CHUNK
            yield from cursor.execute(
                sql.SQL("SELECT {} FROM {}" + _which(columns)).format(
                    sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table)
                )
            )

    def put_events(self, rows: Sequence[Row]) -> None:
        """See _Store."""
        with self._connection.cursor() as cursor:
            cursor.executemany(
                sql.SQL(
                    "INSERT INTO {} (notification_id, originator_id, originator_version, topic, state) "
                    "VALUES (%s, %s, %s, %s, %s)"
                ).format(self._events),
                rows,
            )

    def empty(self, table: str) -> None:
        """See _Store."""
        self._connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """See _Store."""
        with self._connection.cursor() as cursor:
            cursor.executemany(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, columns)),
                    sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
                ),
                rows,
            )

    def tables(self) -> set[str]:
        """See _Store."""
        found = self._connection.execute("SELECT tablename FROM pg_tables WHERE schemaname=current_schema()")
        return {name for (name,) in found}

    def version_of(self, aggregate_id: str) -> int:
        """The last version of an aggregate in the log; 0 if it has none."""
        found = self._connection.execute(
            sql.SQL("SELECT max(originator_version) FROM {} WHERE originator_id=%s").format(self._events),
            (aggregate_id,),
        ).fetchone()
        return 0 if found is None else found[0] or 0

    def count_as_handled(self, source: str, aggregate_id: str, version: int) -> None:
        """The reactions have handled this fact of another service, parked or not."""
        self._connection.execute(
            "INSERT INTO inbox_versions VALUES ('react', %s, %s, %s) "
            "ON CONFLICT (consumer, source, aggregate_id) DO UPDATE "
            "SET version=greatest(inbox_versions.version, excluded.version)",
            (source, aggregate_id, version),
        )
        self._connection.execute(
            "DELETE FROM inbox_parked WHERE consumer='react' AND source=%s AND aggregate_id=%s AND version<=%s",
            (source, aggregate_id, version),
        )

    def finish(self) -> None:
        """See _Store."""
        self._connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, 'notification_id'), "
                "greatest(1, (SELECT coalesce(max(notification_id), 0) FROM {})), "
                "EXISTS (SELECT 1 FROM {}))"
            ).format(sql.Literal(self._events.as_string()), self._events, self._events)
        )


def _store(config: Config, service: str) -> _Store:
    if config.database:
        return _Database(config.database_of(service), service)
    return _File(config.data / service / "events.sqlite")


# --- backup ----------------------------------------------------------------------------------------------


def back_up(config: Config, folder: Path, clock: Clock, release: str, progress: Progress) -> dict[str, Any]:
    """Write a backup of every log into an empty folder while the suite may be running; the manifest.

    Raises BackupFolderNotEmpty and UNAVAILABLE.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupFolderNotEmpty(folder=folder)
    _make_logs(folder, clock)
    stores = {service: _store(config, service) for service in SERVICES}
    services: dict[str, Any] = {}
    with ExitStack() as pins:
        with ExitStack() as holds:
            for store in stores.values():
                holds.enter_context(store.held())
            sources = {service: pins.enter_context(store.pinned()) for service, store in stores.items()}
            made_at = clock()
        for service, source in sources.items():
            with _File(folder / service / "events.sqlite").writing() as target:
                _copy(service, source, target, target, progress)
            services[service] = _described(service, folder, BackupDamaged)
    manifest = {
        "made_at": made_at.isoformat(),
        "release": release,
        "schema": SCHEMA_VERSION,
        "services": services,
    }
    (folder / MANIFEST).write_text(
        json.dumps(manifest, indent=2) + "\n", "utf-8"
    )  # last: without it, no backup
    return manifest


def _make_logs(folder: Path, clock: Clock) -> None:
    for service in SERVICES:
        (folder / service).mkdir(parents=True, exist_ok=True)
        open_log(Config(data=folder), service, clock, create=True).close()


def _copy(service: str, source: _Store, target: _Store, layout: _File, progress: Progress) -> None:
    done, events = 0, source.events()
    while rows := list(islice(events, CHUNK)):
        target.put_events(rows)
        done += len(rows)
        progress(service, done)
    for table in sorted(layout.tables() & source.tables()):
        columns = layout.columns(table)
        target.empty(table)
        others = source.rows(table, columns)
        while rows := list(islice(others, CHUNK)):
            target.put(table, columns, rows)
    target.finish()


def _described(service: str, folder: Path, damaged: type[Refusal]) -> dict[str, Any]:
    """How many events a log in a folder holds, its last position and its tree's root."""
    with _File(folder / service / "events.sqlite").pinned() as log:
        return _describe(service, log, damaged)


def _describe(service: str, log: _Store, damaged: type[Refusal]) -> dict[str, Any]:
    peaks, count, last = merkle.Peaks(), 0, 0
    versions: dict[bytes, int] = {}
    events, rest = log.events(), list[bytes]()
    while rows := list(islice(events, merkle.TILE)):
        leaves = [(row[0], UUID(row[1]).bytes, row[2], row[3], bytes(row[4])) for row in rows]
        for position, aggregate, version, _, _ in leaves:
            if version != versions.get(aggregate, 0) + 1:
                raise damaged(
                    service=service,
                    reason=f"position {position}: version {version} of {UUID(bytes=aggregate)} follows "
                    f"{versions.get(aggregate, 0)}",
                )
            versions[aggregate] = version
        hashes = merkle.leaf_hashes(leaves)
        count, last = count + len(rows), leaves[-1][0]
        if len(hashes) == merkle.TILE:
            peaks.add(merkle.tile_root(hashes))
        else:
            rest = hashes
    return {"events": count, "last_position": last, "root": peaks.root(rest).hex()}


# --- restore ---------------------------------------------------------------------------------------------


def restore(config: Config, folder: Path, clock: Clock, progress: Progress) -> dict[str, Any]:
    """Put a backup into an empty suite, on SQLite or PostgreSQL; the manifest. All services, or nothing.

    Raises NoBackupThere, BackupOfAnotherRelease, BackupDamaged, LogNotEmpty and UNAVAILABLE.
    """
    manifest = read_manifest(folder)
    for service in SERVICES:
        _compare(service, _described(service, folder, BackupDamaged), manifest)
    if not config.database:
        _make_logs(config.data, clock)
    for service in SERVICES:
        log = open_log(config, service, clock)
        events = log.log.max_notification_id() or 0
        log.close()
        if events:
            raise LogNotEmpty(service=service, events=events)
    with ExitStack() as stack:
        targets = {service: stack.enter_context(_store(config, service).writing()) for service in SERVICES}
        for service, target in targets.items():
            with _File(folder / service / "events.sqlite").pinned() as source:
                _copy(service, source, target, source, progress)
            _compare(service, _describe(service, target, BackupDamaged), manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a backup says of itself. Raises NoBackupThere, BackupOfAnotherRelease, BackupDamaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError as missing:
        raise NoBackupThere(folder=folder) from missing
    except ValueError as error:
        raise BackupDamaged(service="backup.json", reason=str(error)) from error
    if manifest.get("schema") != SCHEMA_VERSION:
        raise BackupOfAnotherRelease(found=manifest.get("schema"), needed=SCHEMA_VERSION)
    return manifest


def _compare(service: str, found: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    said = manifest["services"].get(service)
    if found != said:
        raise BackupDamaged(service=service, reason=f"{json.dumps(said)} / {json.dumps(found)}")


# --- a topic that knows more than the log ----------------------------------------------------------------


def recover(config: Config, service: str, clock: Clock) -> int:
    """Take back from the broker the events that a restored log lacks; how many. The service must not be running.

    They are the very events: position, aggregate, version, topic and state. What they say they were caused by counts
    as handled, so that it is not done a second time. Raises UNAVAILABLE; RecoveryRefused if what the topic holds
    does not continue the log.
    """
    from shared.messaging.transport.kafka.replay import records_after

    store = _Database(config.database_of(service), service)
    log = open_log(config, service, clock)
    last = log.log.max_notification_id() or 0
    log.close()
    lost = sorted(records_after(config, service, last), key=lambda row: row.id)
    with store.writing() as target:
        versions: dict[str, int] = {}
        for row in lost:
            known = versions.get(str(row.originator_id))
            known = target.version_of(str(row.originator_id)) if known is None else known
            if row.originator_version != known + 1:
                raise RecoveryRefused(
                    service=service,
                    position=row.id,
                    aggregate=row.originator_id,
                    version=row.originator_version,
                    known=known,
                )
            versions[str(row.originator_id)] = row.originator_version
        target.put_events(
            [(row.id, str(row.originator_id), row.originator_version, row.topic, row.state) for row in lost]
        )
        for source, aggregate_id, version in {cause for row in lost if (cause := _cause(row.state))}:
            target.count_as_handled(source, aggregate_id, int(version))
        target.finish()
    return len(lost)


def _cause(state: bytes) -> tuple[str, str, str] | None:
    because = json.loads(state)["because"]
    if not because.startswith("event:"):
        return None
    source, aggregate_id, version = because.removeprefix("event:").rsplit("/", 2)
    return source, aggregate_id, version
