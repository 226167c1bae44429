"""The databases that a backup reads and writes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql

from shared.database import postgres
from shared.database.files import connect_file
from shared.process.config import Config
from shared.readmodels.store import CONSUMER

TIMEOUT = 300.0
"""Seconds of one wait for a database or its writers."""
CHUNK = 1000
Row = tuple[Any, ...]


def _which(columns: Sequence[str]) -> str:
    """Only the reactions' inbox: read models are rebuilt."""
    return f" WHERE consumer<>'{CONSUMER}'" if "consumer" in columns else ""


class Store(Protocol):
    """A log with the tables beside its events."""

    def locked(self) -> AbstractContextManager[None]:
        """Block writers."""

    def snapshot(self) -> "AbstractContextManager[Store]":
        """Read from one snapshot."""

    def writing(self) -> "AbstractContextManager[Store]":
        """Write in one transaction."""

    def tables(self) -> set[str]:
        """The tables beside the events."""

    def events(self) -> Iterator[Row]:
        """Position, aggregate id, version, topic, state, in log order."""

    def last_position(self) -> int:
        """The position of the last event; 0 if there is none."""

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        """A table's rows."""

    def put_events(self, rows: Sequence[Row]) -> None:
        """Write events at their positions."""

    def empty(self, table: str) -> None:
        """Delete a table's initial rows."""

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Write a table's rows."""

    def finish(self) -> None:
        """After the last row: set the sequence of positions."""


class File:
    """A log in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(connect_file(self._path, timeout=TIMEOUT, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    @contextmanager
    def snapshot(self) -> Iterator["File"]:
        with closing(connect_file(self._path, mode="ro", isolation_level=None)) as self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # takes the snapshot
            yield self

    @contextmanager
    def writing(self) -> Iterator["File"]:
        with closing(connect_file(self._path, timeout=TIMEOUT, isolation_level=None)) as self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def tables(self) -> set[str]:
        found = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%' AND name<>'stored_events'"
        )
        return {name for (name,) in found}

    def events(self) -> Iterator[Row]:
        return self._connection.execute(
            "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events ORDER BY rowid"
        )

    def last_position(self) -> int:
        found: int | None = self._connection.execute("SELECT max(rowid) FROM stored_events").fetchone()[0]
        return found or 0

    def columns(self, table: str) -> list[str]:
        """The table's columns."""
        return [row[1] for row in self._connection.execute(f'PRAGMA table_info("{table}")')]

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        return self._connection.execute(f'SELECT {", ".join(columns)} FROM "{table}"{_which(columns)}')

    def put_events(self, rows: Sequence[Row]) -> None:
        """See Store. PostgreSQL's ids have dashes, SQLite's have none."""
        self._connection.executemany(
            "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) VALUES (?,?,?,?,?)",
            [(position, id_.replace("-", ""), *rest) for position, id_, *rest in rows],
        )

    def empty(self, table: str) -> None:
        self._connection.execute(f'DELETE FROM "{table}"')

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        holders = ",".join("?" * len(columns))
        self._connection.executemany(f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({holders})', rows)

    def finish(self) -> None:
        """See Store."""


class Database:
    """A log in a PostgreSQL database."""

    def __init__(self, url: str, service: str) -> None:
        self._url, self._events = url, sql.Identifier(f"{service}_events")

    def _connect(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        return closing(postgres.connect(self._url, TIMEOUT))

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._connect() as connection:
            connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(self._events))
            yield
            connection.rollback()

    @contextmanager
    def snapshot(self) -> Iterator["Database"]:
        with self._connect() as self._connection:
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
            self._connection.execute("SELECT 1 FROM duban_schema")
            yield self

    @contextmanager
    def writing(self) -> Iterator["Database"]:
        with self._connect() as self._connection:
            self._connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(self._events))
            yield self
            self._connection.commit()

    def events(self) -> Iterator[Row]:
        with self._connection.cursor(name="events", binary=True) as cursor:
            cursor.itersize = CHUNK
            yield from cursor.execute(
                sql.SQL(
                    "SELECT notification_id, originator_id::text, originator_version, topic, state FROM {} "
                    "ORDER BY notification_id"
                ).format(self._events)
            )

    def last_position(self) -> int:
        last = sql.SQL("SELECT coalesce(max(notification_id), 0) FROM {}").format(self._events)
        found = self._connection.execute(last).fetchone()
        return 0 if found is None else int(found[0])

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        with self._connection.cursor(name=table, binary=True) as cursor:
            cursor.itersize = CHUNK
            yield from cursor.execute(
                sql.SQL("SELECT {} FROM {}" + _which(columns)).format(
                    sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table)
                )
            )

    def put_events(self, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                sql.SQL(
                    "INSERT INTO {} (notification_id, originator_id, originator_version, topic, state) "
                    "VALUES (%s, %s, %s, %s, %s)"
                ).format(self._events),
                rows,
            )

    def empty(self, table: str) -> None:
        self._connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
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
        """Mark a fact of another service as handled by the reactions, parked or not."""
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
        self._connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, 'notification_id'), "
                "greatest(1, (SELECT coalesce(max(notification_id), 0) FROM {})), "
                "EXISTS (SELECT 1 FROM {}))"
            ).format(sql.Literal(self._events.as_string()), self._events, self._events)
        )


def store_of(config: Config, service: str) -> Store:
    if config.database:
        return Database(config.database_of(service), service)
    return File(config.data / service / "events.sqlite")
