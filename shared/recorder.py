"""The embedded log's recorder: the library's own, which also keeps answers, marks and parked messages.

Everything that must be true together with new events is written in their transaction: the answer to the request
that caused them, the mark of the message that caused them, a message that could not be handled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteProcessRecorder


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A request that has been carried out, and the answer it got."""

    key: str
    fingerprint: str
    answer: bytes


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A message that could not be handled (搁置), kept with its reason until somebody retries it."""

    consumer: str
    source: str
    partition: int
    position: int
    aggregate_id: UUID
    reason: str
    since: datetime


Answer = Callable[[Sequence[int]], Answered]


class LogRecorder(SQLiteProcessRecorder):
    """One service's event log with the tables that move with it."""

    def construct_create_table_statements(self) -> list[str]:
        """Called by the library when tables are made."""
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, "
            "answer BLOB NOT NULL) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS parked (consumer TEXT, source TEXT, partition INTEGER, position INTEGER, "
            "aggregate_id TEXT NOT NULL, reason TEXT NOT NULL, since TEXT NOT NULL, "
            "PRIMARY KEY (consumer, source, partition, position)) WITHOUT ROWID",
        ]

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """New events and all that moves with them, in one transaction.

        Keywords: ``tracking`` (mark), ``answer`` (made from the new positions), ``park``, ``unpark``.
        """
        return super().insert_events(stored_events, **kwargs)

    def _insert_events(
        self,
        c: SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        answer: Answer | None = None,
        park: Parked | None = None,
        unpark: Parked | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        positions = super()._insert_events(c, stored_events, tracking=tracking, **kwargs)
        if answer is not None:
            row = answer(positions or [])
            c.execute("INSERT INTO answers VALUES (?,?,?)", (row.key, row.fingerprint, row.answer))
        if park is not None:
            c.execute(
                "INSERT OR REPLACE INTO parked VALUES (?,?,?,?,?,?,?)",
                (
                    park.consumer,
                    park.source,
                    park.partition,
                    park.position,
                    park.aggregate_id.hex,
                    park.reason,
                    park.since.isoformat(),
                ),
            )
        if unpark is not None:
            c.execute(
                "DELETE FROM parked WHERE consumer=? AND source=? AND partition=? AND position=?",
                (unpark.consumer, unpark.source, unpark.partition, unpark.position),
            )
        return positions

    def answered(self, key: str) -> Answered | None:
        """The request that was carried out under ``key``, if any."""
        with self.datastore.transaction(commit=False) as c:
            c.execute("SELECT key, fingerprint, answer FROM answers WHERE key=?", (key,))
            row = c.fetchone()
        return None if row is None else Answered(key=row[0], fingerprint=row[1], answer=row[2])

    def parked(self, consumer: str | None = None) -> list[Parked]:
        """Parked messages in log order."""
        with self.datastore.transaction(commit=False) as c:
            c.execute(
                "SELECT * FROM parked WHERE ?1 IS NULL OR consumer=?1 ORDER BY consumer, source, position",
                (consumer,),
            )
            rows = c.fetchall()
        return [
            Parked(
                consumer=row["consumer"],
                source=row["source"],
                partition=row["partition"],
                position=row["position"],
                aggregate_id=UUID(row["aggregate_id"]),
                reason=row["reason"],
                since=datetime.fromisoformat(row["since"]),
            )
            for row in rows
        ]
