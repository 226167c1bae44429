"""A service's event log: the library's own recorder, which also keeps what must be true together with new events.

That is the answer to the request that caused them and the inbox of the message that caused them, both written in
their transaction. The two recorders differ in their database only.
"""

import sqlite3
from abc import abstractmethod
from binascii import hexlify, unhexlify
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification, PersistenceError, StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteCursor

from shared import inbox
from shared.audit import tree
from shared.audit.merkle import LeafRow
from shared.inbox import Execute


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A request that has been carried out, and the answer it got."""

    key: str
    fingerprint: str
    answer: bytes


Answer = Callable[[Sequence[int]], Answered]
"""Makes the answer from the new events' positions."""
First = Callable[[Execute], None]
"""Writes what goes before the new events: the inbox of the message that caused them."""


def tables(binary: str) -> list[str]:
    """The tables beside the events; ``binary`` is the database's type for bytes."""
    return [
        "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, "
        f"answer {binary} NOT NULL)",
        "CREATE TABLE IF NOT EXISTS relay_marks (service TEXT PRIMARY KEY, position BIGINT NOT NULL, "
        "sent TEXT NOT NULL)",
        *inbox.tables(binary),
        *tree.tables(binary),
    ]


def write_answer(execute: Execute, answer: Answer, positions: Sequence[int]) -> None:
    """Keep the answer. Raises the database's IntegrityError if the request has one already."""
    row = answer(positions)
    execute("INSERT INTO answers VALUES (?,?,?)", (row.key, row.fingerprint, row.answer))


class LogRecorder(ApplicationRecorder):
    """One service's event log with the tables that move with it.

    ``insert_events`` takes the keywords ``first`` (:data:`First`) and ``answer`` (:data:`Answer`).
    """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Execute]:
        """Statements that read the log's own tables."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Execute]:
        """One transaction over the tables beside the events. On SQLite its first statement must write."""

    @abstractmethod
    def leaf_rows(self, after: int, limit: int) -> list[LeafRow]:
        """The rows behind a position, as they are stored; with None for a topic where one cannot be an event."""

    @abstractmethod
    def position_of(self, aggregate_id: UUID, version: int) -> int | None:
        """Where an event stands in the log, or None if there is none."""

    def streams(self, asked: Sequence[tuple[UUID, bool]]) -> list[Sequence[StoredEvent]]:
        """The events of each of these aggregates in order; with True only its last one, if it has any."""
        return [
            self.select_events(id_, desc=True, limit=1) if last else self.select_events(id_)
            for id_, last in asked
        ]

    def answered(self, key: str) -> Answered | None:
        """The request that was carried out under ``key``, if any."""
        with self.reading() as execute:
            rows = execute("SELECT key, fingerprint, answer FROM answers WHERE key=?", (key,))
        return Answered(key=rows[0][0], fingerprint=rows[0][1], answer=bytes(rows[0][2])) if rows else None


ROWS_AT_ONCE = 5000


def rows_of(
    log: ApplicationRecorder, after: int = 0, topics: Sequence[str] = ()
) -> Iterator[Sequence[Notification]]:
    """A log's rows behind a position, batch by batch; those of some ``topics``, or all."""
    while batch := log.select_notifications(
        start=after, limit=ROWS_AT_ONCE, topics=topics, inclusive_of_start=False
    ):
        yield batch
        after = batch[-1].id


class WriterLockLeaked(Exception):
    """This process can never write to its log again, and must end so that another takes its place.

    The library's pool takes the writers' lock before it has a connection, and keeps it for ever if it gets none:
    the file cannot be opened at that moment, or too many files are open.
    """


class SQLiteLog(SQLiteApplicationRecorder, LogRecorder):
    """The log in a SQLite file."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Called by the library. Raises WriterLockLeaked."""
        try:
            return super().insert_events(stored_events, **kwargs)
        except (PersistenceError, sqlite3.Error) as error:
            if self._writer_lock_is_leaked():
                raise WriterLockLeaked(str(error)) from error
            raise

    def _writer_lock_is_leaked(self) -> bool:
        pool = self.datastore.pool
        with pool._get_semaphore, pool._put_condition:  # nobody is getting a connection or giving one back
            return pool._writer_lock.locked() and not any(
                # One that is about to be given back is neither a reader's nor a writer's.
                connection.is_writer is not False
                for connection in pool._in_use.values()
            )

    def construct_create_table_statements(self) -> list[str]:
        """Called by the library when tables are made."""
        return [*super().construct_create_table_statements(), *tables("BLOB")]

    def _insert_events(
        self,
        c: SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        *,
        first: First | None = None,
        answer: Answer | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        if first is not None:
            first(_execute(c))  # a transaction that read before it wrote could fail for another writer
        positions = super()._insert_events(c, stored_events, **kwargs)
        if answer is not None:
            write_answer(_execute(c), answer, positions or [])
        return positions

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        """See LogRecorder."""
        with self.datastore.transaction(commit=False) as c:
            yield _execute(c)

    @contextmanager
    def writing(self) -> Iterator[Execute]:
        """See LogRecorder."""
        with self.datastore.transaction(commit=True) as c:
            yield _execute(c)

    def position_of(self, aggregate_id: UUID, version: int) -> int | None:
        """See LogRecorder."""
        with self.reading() as execute:
            rows = execute(
                f"SELECT rowid FROM {self.events_table_name} WHERE originator_id=? AND originator_version=?",
                (aggregate_id.hex, version),
            )
        return rows[0][0] if rows else None

    def leaf_rows(self, after: int, limit: int) -> list[LeafRow]:
        """See LogRecorder. SQLite keeps whatever is put into a column: what is no event's must not look like one."""
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


def _execute(c: SQLiteCursor) -> Execute:
    def execute(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        c.execute(statement, tuple(parameters))
        rows: Sequence[Sequence[Any]] = c.fetchall()
        return rows

    return execute
