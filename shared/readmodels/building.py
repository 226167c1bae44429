"""Building views beside the live ones, from the beginning of the logs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from eventsourcing.persistence import Notification
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
    """A row that differs between the live view and its rebuild."""

    view: str
    id: str
    live: Row | None
    rebuilt: Row | None


@dataclass
class _Target:
    view: View
    table: Table
    rows: dict[str, Row | None]
    """All its rows: no other process writes them during the build."""
    parts: dict[str, set[str]] = field(default_factory=dict)
    """Their ids by that of the thing that they are parts of."""


class Building:
    """Views being built up to the positions of the live ones; their inbox is in memory."""

    def __init__(self, clock: Clock, follower: Follower, progress: Callable[[int], None] | None) -> None:
        self.clock, self.progress, self._follower = clock, progress, follower
        self.passed = 0
        self._views: list[_Target] = []
        self._replays: dict[str, Replay] = {}
        self._receipts: dict[tuple[str, int], Receipt] = {}

    def add(self, view: View, table: Table) -> None:
        """Build this view too."""
        self._views.append(_Target(view, table, {}))
        for source in view.sources:
            if source not in self._replays:
                self._replays[source] = self._follower.replay(source)

    def close(self) -> None:
        """Close files and connections."""
        for replay in self._replays.values():
            replay.close()

    def fold(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> int:
        """Fold up to the positions of the live views, one transaction per batch; the number of facts."""
        before = self.passed
        with transaction() as connection:
            execute = execute_on(connection)
            positions = inbox_store.positions(execute, CONSUMER)
            parked = [
                row for row in inbox_store.parked(execute, CONSUMER) if not row.handler and row.kind != "gap"
            ]
        for source, replay in self._replays.items():
            own = {
                partition: position.position
                for (of, partition), position in positions.items()
                if of == source
            }
            blocked = {row.aggregate_id for row in parked if row.source == source}
            for batch in replay.up_to(own):
                with transaction() as connection:
                    self._fold_batch(connection, batch, blocked)
                if self.progress is not None:
                    self.progress(self.passed)
        return self.passed - before

    def _fold_batch(self, connection: Connection, batch: Batch, blocked: set[str]) -> None:
        here = batch.source, batch.partition
        if here not in self._receipts:
            self._receipts[here] = Receipt(CONSUMER, *here)
        receipt = self._receipts[here]
        accepted = [message for message in receipt.accept(batch, self.clock()) if message.topic in VOCABULARY]
        decoded: dict[int, Message] = {}
        for one in self._views:
            rows = Rows(connection, one.table, one.rows, complete=True, parts=one.parts)
            messages = [message for message in accepted if message.topic in one.view.handlers]
            self._fold_into(one.view, rows, receipt, messages, blocked, decoded)
            rows.flush()
        receipt.saved()
        self.passed += len(batch.rows)

    def _fold_into(
        self,
        view: View,
        rows: Rows,
        receipt: Receipt,
        messages: Sequence[Notification],
        blocked: set[str],
        decoded: dict[int, Message],
    ) -> None:
        """Fold these messages together; if that fails, each by itself, so that only faulty ones are parked."""
        if behind := blocked | receipt.blocked(view.name):
            for message in messages:
                if str(message.originator_id) in behind:
                    receipt.park(parked_behind(receipt, message, view.name, self.clock()))
            messages = [message for message in messages if str(message.originator_id) not in behind]
        rows.begin()
        try:
            for message in messages:
                if message.id not in decoded:
                    decoded[message.id] = read(*receipt.origin, message)
                view.fold(rows, decoded[message.id])
            rows.settle()
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - the faulty message is found and parked with the reason
            rows.undo()
            if len(messages) > 1:
                for message in messages:
                    self._fold_into(view, rows, receipt, [message], blocked, decoded)
                return
            reason = f"{type(error).__name__}: {error}"
            row = parked_from(receipt.origin, messages[0], "fault", reason, self.clock(), view.name)
            receipt.park(row)

    def complete(self, connection: Connection) -> None:
        """Raises LogIncomplete if facts up to these positions are missing, here or in the live views."""
        execute = execute_on(connection)
        missing = [hole for hole in inbox_store.holes(execute, CONSUMER) if hole[0] in self._replays]
        missing += [
            (*here, *hole) for here, receipt in self._receipts.items() for hole in receipt.holes.items()
        ]
        for (source, partition), position in inbox_store.positions(execute, CONSUMER).items():
            receipt = self._receipts.get((source, partition))
            at = receipt.position.position if receipt else 0
            if source in self._replays and at < position.position:
                missing.append((source, partition, at, position.position))
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
        """Replace the parked messages of the old views by those of the new ones."""
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
