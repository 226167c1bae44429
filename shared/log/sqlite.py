"""SQLite as the log's database: a file in the data folder, which several processes may share."""

import sqlite3
from binascii import hexlify, unhexlify
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID

from eventsourcing import (
    sqlite as library,  # whose factory's name in this module would be found beside our own
)
from eventsourcing.persistence import (
    BaseInfrastructureFactory,
    ConnectionUnavailableError,
    InterfaceError,
    StoredEvent,
)

from shared.database.execute import Execute
from shared.database.files import connect_file
from shared.log.recorder import Answer, Basis, First, LeafRow, LogRecorder, refuse_newer, write_answer
from shared.log.schema import tables

TIMEOUT = 10
"""Seconds that a write waits for other writers."""


class _Pool(library.SQLiteConnectionPool):
    @staticmethod
    def detect_memory_mode(db_name: str) -> bool:
        """It is a file, though its folder may be called ``:memory:``."""
        return False

    def _create_connection(self) -> library.SQLiteConnection:
        """Called by the library, whose own caches one prepared statement only."""
        try:
            link = connect_file(
                Path(self.db_name), timeout=TIMEOUT, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise InterfaceError(str(error)) from error
        try:
            link.execute("PRAGMA journal_mode=WAL")
        except sqlite3.Error as error:
            link.close()
            raise InterfaceError(str(error)) from error
        link.row_factory = sqlite3.Row
        return library.SQLiteConnection(link, self.max_age)


class Datastore(library.SQLiteDatastore):
    """The library's pool for reading; one connection for writing, which the threads of a process use in turn.

    The pool would acquire its writer lock before it has a connection, and never release it if opening the file fails.
    """

    def __init__(self, db_name: str) -> None:
        super().__init__(db_name)
        self.pool = _Pool(db_name=db_name)
        self._turn = Lock()
        self._writer: library.SQLiteConnection | None = None

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[library.SQLiteCursor]:
        """Called by the library. Raises the library's errors."""
        if not commit:
            with super().transaction(commit=False) as cursor:
                yield cursor
            return
        if not self._turn.acquire(timeout=TIMEOUT):
            raise ConnectionUnavailableError("others of this process are writing")
        try:
            if self._writer is None:
                self._writer = self.pool.get_connection()
            with library.SQLiteTransaction(self._writer, commit=True) as cursor:
                yield cursor
        finally:
            self._turn.release()


class SQLiteLog(library.SQLiteApplicationRecorder, LogRecorder):
    """The log in a SQLite file."""

    def construct_create_table_statements(self) -> list[str]:
        """Called by the library when tables are made."""
        return [*super().construct_create_table_statements(), *tables("BLOB")]

    def _insert_events(
        self,
        c: library.SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        *,
        first: First | None = None,
        answer: Answer | None = None,
        basis: Basis | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        if first is not None:
            first(
                _execute(c)
            )  # a transaction that reads before it writes could fail because of another writer
        positions = super()._insert_events(c, stored_events, **kwargs)
        if basis is not None and positions:
            refuse_newer(_execute(c), self.events_table_name, "rowid", basis, positions[0])
        if answer is not None:
            write_answer(_execute(c), answer, positions or [])
        return positions

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        with self.datastore.transaction(commit=False) as c:
            yield _execute(c)

    @contextmanager
    def writing(self) -> Iterator[Execute]:
        with self.datastore.transaction(commit=True) as c:
            yield _execute(c)

    def position_of(self, aggregate_id: UUID, version: int) -> int | None:
        with self.reading() as execute:
            rows = execute(
                f"SELECT rowid FROM {self.events_table_name} WHERE originator_id=? AND originator_version=?",
                (aggregate_id.hex, version),
            )
        return rows[0][0] if rows else None

    def leaf_rows(self, after: int, limit: int) -> list[LeafRow]:
        """See LogRecorder. SQLite accepts any type in any column: such a row must not look like an event."""
        with self.datastore.transaction(commit=False) as c:
            c.execute(
                "SELECT rowid, CAST(originator_id AS BLOB), originator_version, CAST(topic AS BLOB), state, "
                "typeof(originator_id)='text' AND typeof(originator_version)='integer' "
                "AND typeof(topic)='text' AND typeof(state)='blob' "
                f"FROM {self.events_table_name} WHERE rowid>? ORDER BY rowid LIMIT ?",
                (after, limit),
            )
            found = c.fetchall()
        return [_leaf_row(*row) for row in found]


def _leaf_row(
    position: int, aggregate_id: bytes, version: int, topic: bytes, state: bytes, typed: int
) -> LeafRow:
    try:
        raw = unhexlify(aggregate_id)
        if len(raw) != 16 or hexlify(raw) != aggregate_id:  # the library would not find it
            return position, None, 0, None, b""
        return (position, raw, version, topic.decode(), state) if typed else (position, raw, 0, None, b"")
    except (ValueError, TypeError, AttributeError):
        return position, None, 0, None, b""


def _execute(c: library.SQLiteCursor) -> Execute:
    def execute(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        c.execute(statement, tuple(parameters))
        rows: Sequence[Sequence[Any]] = c.fetchall()
        return rows

    return execute


class Factory(library.SQLiteFactory):
    """What the library opens a log with: ``DUBAN_LOG_FILE``."""

    def __init__(self, env: Any) -> None:
        BaseInfrastructureFactory.__init__(self, env)
        self.datastore = Datastore(str(self.env.get("DUBAN_LOG_FILE")))


def log_settings(file: Path, *, create: bool = False) -> Mapping[str, str]:
    """How the library opens a service's log in a file."""
    return {
        "PERSISTENCE_MODULE": "shared.log.sqlite",
        "APPLICATION_RECORDER_TOPIC": "shared.log.sqlite:SQLiteLog",
        "DUBAN_LOG_FILE": str(file),
        "CREATE_TABLE": "yes" if create else "no",
    }
