"""The inbox of a consumer: received positions and versions, gaps, and parked messages.

Delivery is at least once, the effect exactly once: the inbox is written in the transaction of the effect. Duplicates
are found by the aggregate's version, so redelivery and re-publication are harmless. Every fact also says what its
partition held before it, so a message that the broker has lost is noticed.
"""

from collections.abc import Sequence

from shared.database.execute import Execute
from shared.messaging.batch import Batch, Position
from shared.messaging.inbox_store import ConcurrencyConflict, holes_of, parked, position_of, versions_of
from shared.messaging.receipt import Receipt


class Inbox:
    """A consumer's inbox, cached in its process so that it is not read for every batch.

    Call ``forget`` where another worker may have written. A stale cache conflicts on save. So does a stored inbox that
    is behind what was saved: a crash of the database undid it, while the transport has moved on.
    """

    MOST = 10_000
    """Aggregates of a partition whose versions are cached."""

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        self._receipts: dict[tuple[str, int], Receipt] = {}
        self._saved: dict[tuple[str, int], int] = {}
        """The last saved position of partitions that were forgotten."""

    def receive(self, execute: Execute, batches: Sequence[Batch]) -> list[Receipt]:
        """The receipt of each batch, with the versions of its aggregates."""
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
        """Read the database next time."""
        self._saved |= {where: receipt.position.position for where, receipt in self._receipts.items()}
        self._receipts.clear()

    def begin(self, execute: Execute, source: str, partition: int) -> Position:
        """Start consuming a partition that another worker may have had: the stored position."""
        self._receipts.pop((source, partition), None)
        self._saved.pop((source, partition), None)
        return position_of(execute, self.consumer, source, partition)
