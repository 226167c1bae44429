"""A view built beside the live one, from the beginning of the logs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import OperationalError

from shared.database.engine import execute_on
from shared.domain.clock import Clock
from shared.events.base import VOCABULARY, Message
from shared.log.codec import read
from shared.messaging import inbox_store
from shared.messaging.batch import Batch
from shared.messaging.parked import Parked, parked_from
from shared.messaging.receipt import Receipt
from shared.messaging.transport import Follower, LogIncomplete, Replay
from shared.readmodels.projector import parked_behind
from shared.readmodels.rows import Row, Rows
from shared.readmodels.store import CONSUMER
from shared.readmodels.view import View


@dataclass(frozen=True)
class Difference:
    """A row that a rebuild made otherwise than the live view has it."""

    view: str
    id: str
    live: Row | None
    rebuilt: Row | None


@dataclass
class _Beside:
    view: View
    table: Table
    rows: dict[str, Row | None]
    """All its rows: nobody else writes them while it is built."""


class Building:
    """Views on their way from the beginning to the live views' marks; their inbox is kept in memory."""

    def __init__(self, clock: Clock, follower: Follower, progress: Callable[[int], None] | None) -> None:
        self.clock, self.progress, self._follower = clock, progress, follower
        self.passed = 0
        self._views: list[_Beside] = []
        self._replays: dict[str, Replay] = {}
        self._receipts: dict[tuple[str, int], Receipt] = {}

    def add(self, view: View, table: Table) -> None:
        """Build this view too."""
        self._views.append(_Beside(view, table, {}))
        for source in view.sources:
            if source not in self._replays:
                self._replays[source] = self._follower.replay(source)

    def close(self) -> None:
        """Let go of files and connections."""
        for replay in self._replays.values():
            replay.close()

    def fold(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> int:
        """Fold everything up to the marks of the live views, a batch a transaction; how many facts that were."""
        before = self.passed
        with transaction() as connection:
            execute = execute_on(connection)
            marks = inbox_store.positions(execute, CONSUMER)
            waiting = {
                (row.source, row.aggregate_id)
                for row in inbox_store.parked(execute, CONSUMER)
                if not row.handler and row.kind != "gap"
            }
        for source, replay in self._replays.items():
            own = {partition: mark.position for (of, partition), mark in marks.items() if of == source}
            for batch in replay.up_to(own):
                with transaction() as connection:
                    self._fold_batch(connection, batch, waiting)
                if self.progress is not None:
                    self.progress(self.passed)
        return self.passed - before

    def _fold_batch(self, connection: Connection, batch: Batch, waiting: set[tuple[str, str]]) -> None:
        here = batch.source, batch.partition
        if here not in self._receipts:
            self._receipts[here] = Receipt(CONSUMER, *here)
        receipt = self._receipts[here]
        accepted = [message for message in receipt.accept(batch, self.clock()) if message.topic in VOCABULARY]
        read_once: dict[int, Message] = {}
        for one in self._views:
            rows = Rows(connection, one.table, one.rows, complete=True)
            for message in accepted:
                if message.topic not in one.view.handlers:
                    continue
                key = str(message.originator_id)
                if (batch.source, key) in waiting or key in receipt.blocked(one.view.name):
                    receipt.park(parked_behind(receipt, message, one.view.name, self.clock()))
                    continue
                try:
                    rows.begin()
                    if message.id not in read_once:
                        read_once[message.id] = read(*here, message)
                    one.view.fold(rows, read_once[message.id])
                except OperationalError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a fold raises, its message is parked with it
                    rows.undo()
                    reason = f"{type(error).__name__}: {error}"
                    receipt.park(parked_from(here, message, "fault", reason, self.clock(), one.view.name))
            rows.flush()
        receipt.saved()
        self.passed += len(batch.rows)

    def complete(self, connection: Connection) -> None:
        """Raises LogIncomplete if not everything up to the marks was there, here or for the live views."""
        execute = execute_on(connection)
        missing = [hole for hole in inbox_store.holes(execute, CONSUMER) if hole[0] in self._replays]
        missing += [
            (*here, *hole) for here, receipt in self._receipts.items() for hole in receipt.holes.items()
        ]
        for (source, partition), mark in inbox_store.positions(execute, CONSUMER).items():
            receipt = self._receipts.get((source, partition))
            at = receipt.position.position if receipt else 0
            if source in self._replays and at < mark.position:
                missing.append((source, partition, at, mark.position))
        for source, partition, after, until in missing:
            raise LogIncomplete(
                f"{source}, partition {partition}: positions after {after} up to {until} are missing; "
                f"publish them again: duban relay republish --service {source} --from {after + 1}"
            )
        gaps = [row for row in inbox_store.parked(execute, CONSUMER) if row.source in self._replays]
        for row in [*gaps, *self._parked()]:
            if row.kind == "gap":
                raise LogIncomplete(f"{row.source}, aggregate {row.aggregate_id}: {row.reason}")

    def hand_over(self, connection: Connection) -> None:
        """What these views could not fold takes the place of what the old ones could not."""
        execute = execute_on(connection)
        for one in self._views:
            execute("DELETE FROM inbox_parked WHERE consumer=? AND handler=?", (CONSUMER, one.view.name))
        for row in self._parked():
            inbox_store.keep(execute, CONSUMER, row)

    def _parked(self) -> list[Parked]:
        return [row for receipt in self._receipts.values() for row in receipt.parked]


def compare(connection: Connection, view: View, live: Table, beside: Table) -> Iterator[Difference]:
    one = {row.id: dict(row._mapping) for row in connection.execute(select(live))}
    other = {row.id: dict(row._mapping) for row in connection.execute(select(beside))}
    for id in sorted(one.keys() | other.keys()):  # noqa: A001
        if one.get(id) != other.get(id):
            yield Difference(view.name, id, one.get(id), other.get(id))
