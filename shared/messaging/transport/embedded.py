"""The embedded transport: a service reads its neighbours' logs directly."""

import time
from collections.abc import Iterator, Mapping, Sequence

from eventsourcing.persistence import Notification

from shared.log.recorder import LogRecorder
from shared.messaging.batch import Batch
from shared.messaging.transport import PositionOf

LIMIT = 1000


class EmbeddedFollower:
    """Logs with a single partition each, followed by polling."""

    def __init__(self, logs: Mapping[str, LogRecorder]) -> None:
        self._logs = logs
        self._at: dict[str, int] = {}
        self._polled_at = time.monotonic()

    def poll(self, position_of: PositionOf) -> list[Batch]:
        batches = []
        for source, log in self._logs.items():
            if source not in self._at:
                self._at[source] = position_of(source, 0).position
            batch = _read(log, source, self._at[source], None)
            if batch is not None:
                self._at[source] = batch.rows[-1].id
                batches.append(batch)
        self._polled_at = time.monotonic()
        return batches

    def handled(self, batch: Batch) -> None:
        """See Follower."""

    def rewind(self) -> None:
        self._at.clear()

    def lag(self) -> Mapping[tuple[str, int], int]:
        return {
            (source, 0): (self._logs[source].max_notification_id() or 0) - at
            for source, at in self._at.items()
        }

    def progress_age(self) -> float:
        return time.monotonic() - self._polled_at

    def replay(self, source: str) -> "EmbeddedReplay":
        return EmbeddedReplay(source, self._logs[source])

    def close(self) -> None:
        """See Follower."""


class EmbeddedReplay:
    """A log from its beginning."""

    def __init__(self, source: str, log: LogRecorder) -> None:
        self._source, self._log, self._at = source, log, 0

    def up_to(self, positions: Mapping[int, int]) -> Iterator[Batch]:
        """See Replay. A log holds everything."""
        until = positions.get(0, 0)
        while self._at < until:
            batch = _read(self._log, self._source, self._at, until)
            if batch is None:
                return
            self._at = batch.rows[-1].id
            yield batch

    def close(self) -> None:
        """See Replay."""


def _read(log: LogRecorder, source: str, after: int, until: int | None) -> Batch | None:
    rows: Sequence[Notification] = log.select_notifications(
        start=after, stop=until, limit=LIMIT, inclusive_of_start=False
    )
    return batch_of(source, after, rows) if rows else None


def batch_of(source: str, after: int, rows: Sequence[Notification]) -> Batch:
    """Consecutive rows of a log, the first of them after the position ``after``."""
    offsets = [row.id for row in rows]
    before = [after, *offsets[:-1]]
    return Batch(source, 0, rows, offsets, before, [str(position) for position in before])
