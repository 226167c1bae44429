"""The inbox of a consumer: which facts it has received, which it awaits, which it could not handle.

At least once in, exactly once in effect. A fact counts as received by its aggregate's version, so that redelivery
and re-publication are harmless; every fact also says what its partition held before it, so that one that is gone from
the broker is noticed. All of it is written in the transaction that writes the effect.
"""

from collections.abc import Sequence

from shared.database.execute import Execute
from shared.messaging.batch import Batch, Position
from shared.messaging.inbox_store import ConcurrencyConflict, holes_of, parked, position_of, versions_of
from shared.messaging.receipt import Receipt


class Inbox:
    """What a process knows of its consumer's inbox, so that it need not be read again for every batch.

    Call ``forget`` where another worker may have written. A stale copy raises ConcurrencyConflict on save, and so does
    an inbox that holds less than was saved: a database crash took it back, and the transport has moved on.
    """

    MOST = 10_000
    """Aggregates of a partition whose versions are kept in mind."""

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        self._receipts: dict[tuple[str, int], Receipt] = {}
        self._saved: dict[tuple[str, int], int] = {}
        """The last position that was saved of what is forgotten."""

    def receive(self, execute: Execute, batches: Sequence[Batch]) -> list[Receipt]:
        """Hold batches against the inbox: for each the receipt that will ``accept`` it."""
        found = [self._receipt(execute, batch) for batch in batches]
        asked: dict[str, dict[str, Receipt]] = {}
        for receipt, batch in zip(found, batches, strict=True):
            for row in batch.rows:
                key = str(row.originator_id)
                if key not in receipt.versions:
                    receipt.versions[key] = 0
                    if row.originator_version > 1 or not receipt.trusted:
                        asked.setdefault(batch.source, {})[key] = receipt
        for source, receipts in asked.items():
            for key, version in versions_of(execute, self.consumer, source, receipts):
                receipts[key].versions[key] = version
        return found

    def _receipt(self, execute: Execute, batch: Batch) -> Receipt:
        here = batch.source, batch.partition
        known = self._receipts.get(here)
        if known is None:
            position = position_of(execute, self.consumer, *here)
            if position.position < self._saved.get(here, 0):
                raise ConcurrencyConflict(f"{batch.source}/{batch.partition} is back at {position.position}")
            known = self._receipts[here] = Receipt(
                consumer=self.consumer,
                source=batch.source,
                partition=batch.partition,
                position=position,
                holes={row[0]: row[1] for row in holes_of(execute, (self.consumer, *here))},
                parked=parked(execute, self.consumer, batch.source),
            )
        elif len(known.versions) > self.MOST:
            known.versions.clear()
        return known

    def forget(self) -> None:
        """Read everything anew next time."""
        self._saved |= {where: receipt.position.position for where, receipt in self._receipts.items()}
        self._receipts.clear()

    def begin(self, execute: Execute, source: str, partition: int) -> Position:
        """How far the consumer has come in a partition, for who begins there: another worker may have been there."""
        self._receipts.pop((source, partition), None)
        self._saved.pop((source, partition), None)
        return position_of(execute, self.consumer, source, partition)
