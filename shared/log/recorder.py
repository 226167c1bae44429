"""A service's event log: the library's own recorder, which also keeps what must be true together with new events.

That is the answer to the request that caused them and the inbox of the message that caused them, both written in
their transaction. The two recorders differ in their database only.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent

from shared.database.execute import Execute


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A request that has been carried out, and the answer it got."""

    key: str
    fingerprint: str
    answer: bytes


Answer = Callable[[Sequence[int]], Answered]
"""Makes the answer from the new events' positions."""
LeafRow = tuple[int, bytes | None, int, str | None, bytes]
"""Position, aggregate id (16 bytes), version, topic, state: a row of a log. None where a row cannot be an event."""
First = Callable[[Execute], None]
"""Writes what goes before the new events: the inbox of the message that caused them."""


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
