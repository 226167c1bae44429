"""A service's event log: the library's recorder, which also writes what belongs to the events' transaction.

That is the answer to the request, or the inbox of the message, that caused them. SQLite and PostgreSQL have one each.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, IntegrityError, Notification, StoredEvent

from shared.database.execute import Execute


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A handled request and its answer."""

    key: str
    fingerprint: str
    answer: bytes


@dataclass(frozen=True, kw_only=True)
class Unless:
    """What a decision looked for in the log, and what would make it another one.

    It was made when the log ended at ``after``. A later fact of ``topics`` that ``matters`` (by topic and state) makes
    the save fail, as a conflict of versions does: asked in the transaction of the save, when nobody else writes.
    """

    after: int
    topics: Sequence[str]
    matters: Callable[[str, bytes], bool]


Answer = Callable[[Sequence[int]], Answered]
"""Makes the answer from the positions of the new events."""
LeafRow = tuple[int, bytes | None, int, str | None, bytes]
"""Position, aggregate id (16 bytes), version, topic, state: a row of a log. None where a row cannot be an event."""
First = Callable[[Execute], None]
"""Writes the inbox of the causing message, before the new events."""


def write_answer(execute: Execute, answer: Answer, positions: Sequence[int]) -> None:
    """Store the answer. Raises the database's IntegrityError if the request has one already."""
    row = answer(positions)
    execute("INSERT INTO answers VALUES (?,?,?)", (row.key, row.fingerprint, row.answer))


def refuse_if_overtaken(execute: Execute, events: str, position: str, unless: Unless, before: int) -> None:
    """Raise IntegrityError if a fact that matters came after the decision and ``before`` its own first event.

    ``events``, ``position``: the table and its column of positions.
    """
    rows = execute(
        f"SELECT topic, state FROM {events} WHERE {position}>? AND {position}<? "
        f"AND topic IN ({','.join('?' * len(unless.topics))})",
        (unless.after, before, *unless.topics),
    )
    if any(unless.matters(topic, bytes(state)) for topic, state in rows):
        raise IntegrityError("others have written what the decision looked for")


class LogRecorder(ApplicationRecorder):
    """One service's event log with the tables beside the events.

    ``insert_events`` takes the keywords ``first`` (:data:`First`), ``unless`` (:class:`Unless`) and ``answer``
    (:data:`Answer`).
    """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Execute]:
        """Run reading statements on the tables beside the events."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Execute]:
        """One transaction on the tables beside the events. On SQLite its first statement must write."""

    @abstractmethod
    def leaf_rows(self, after: int, limit: int) -> list[LeafRow]:
        """The rows after a position, as stored; None for the topic of a row that cannot be an event."""

    @abstractmethod
    def position_of(self, aggregate_id: UUID, version: int) -> int | None:
        """The position of an event, or None."""

    def connections_in_use(self) -> int:
        """How many connections to the database's server are in use; 0 where there is no server."""
        return 0

    def streams(self, asked: Sequence[tuple[UUID, bool]]) -> list[Sequence[StoredEvent]]:
        """The events of each of these aggregates in order; with True only the last one."""
        return [
            self.select_events(id_, desc=True, limit=1) if last else self.select_events(id_)
            for id_, last in asked
        ]

    def answered(self, key: str) -> Answered | None:
        """The request that was handled under ``key``, if any."""
        with self.reading() as execute:
            rows = execute("SELECT key, fingerprint, answer FROM answers WHERE key=?", (key,))
        return Answered(key=rows[0][0], fingerprint=rows[0][1], answer=bytes(rows[0][2])) if rows else None


ROWS_AT_ONCE = 5000


def rows_of(
    log: ApplicationRecorder, after: int = 0, topics: Sequence[str] = ()
) -> Iterator[Sequence[Notification]]:
    """The rows of a log after a position, in batches; only those of ``topics``, if given."""
    while batch := log.select_notifications(
        start=after, limit=ROWS_AT_ONCE, topics=topics, inclusive_of_start=False
    ):
        yield batch
        after = batch[-1].id
