"""A service's event log: the library's recorder, which also writes what belongs to the events' transaction.

That is the answer to the request, or the inbox of the message, that caused them. SQLite and PostgreSQL have one each.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, IntegrityError, Notification, StoredEvent

from shared.database.execute import Execute


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A handled request and its answer."""

    key: str
    fingerprint: str
    answer: bytes


Answer = Callable[[Sequence[int]], Answered]
"""Makes the answer from the positions of the new events."""
LeafRow = tuple[int, bytes | None, int, str | None, bytes]
"""Position, aggregate id (16 bytes), version, topic, state: a row of a log. None where a row cannot be an event."""


class Basis(NamedTuple):
    """What a decision rests on beside its aggregates: every event of some topics, as far as it had read the log."""

    position: int
    topics: Sequence[str]
    matters: Callable[[str, bytes], bool] = lambda topic, state: True
    """Whether a newer event, by topic and state, would make it another decision."""


First = Callable[[Execute], None]
"""Writes the inbox of the causing message, before the new events."""


def write_answer(execute: Execute, answer: Answer, positions: Sequence[int]) -> None:
    """Store the answer. Raises the database's IntegrityError if the request has one already."""
    row = answer(positions)
    execute("INSERT INTO answers VALUES (?,?,?)", (row.key, row.fingerprint, row.answer))


def refuse_newer(execute: Execute, events: str, column: str, basis: Basis, own: int) -> None:
    """Raise IntegrityError if others have written what the decision rests on, before ``own``, its first position.

    ``events``, ``column``: the table and its column of positions. Nobody else writes before the transaction ends.
    """
    topics = ",".join("?" * len(basis.topics))
    newer = execute(
        f"SELECT topic, state FROM {events} WHERE {column}>? AND {column}<? AND topic IN ({topics})",
        (basis.position, own, *basis.topics),
    )
    if any(basis.matters(topic, bytes(state)) for topic, state in newer):
        raise IntegrityError("others have written events on which the decision rests")


class LogRecorder(ApplicationRecorder):
    """One service's event log with the tables beside the events.

    ``insert_events`` takes the keywords ``first`` (:data:`First`), ``answer`` (:data:`Answer`) and ``basis``
    (:class:`Basis`): it raises IntegrityError if others have written such events since.
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
POSITIONS_AT_ONCE = 100_000
"""How much of a log one statement looks through for events of some topics."""


def rows_of(
    log: ApplicationRecorder, after: int = 0, topics: Sequence[str] = ()
) -> Iterator[Sequence[Notification]]:
    """The rows of a log after a position, in batches; only those of ``topics``, if given."""
    while batch := log.select_notifications(
        start=after, limit=ROWS_AT_ONCE, topics=topics, inclusive_of_start=False
    ):
        yield batch
        after = batch[-1].id


def rows_upto(
    log: ApplicationRecorder, after: int, last: int, topics: Sequence[str]
) -> Iterator[Notification]:
    """The rows of these topics after a position, up to the ``last``; each statement looks through a part of the log."""
    for start in range(after, last, POSITIONS_AT_ONCE):
        stop = min(start + POSITIONS_AT_ONCE, last)
        yield from log.select_notifications(
            start=start, stop=stop, limit=POSITIONS_AT_ONCE, topics=topics, inclusive_of_start=False
        )
