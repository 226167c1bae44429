"""The embedded transport: a service reads its neighbour's log where it stands."""

from collections.abc import Sequence

from eventsourcing.persistence import Notification

from shared.application import Application


class EmbeddedStream:
    """One service's log as a stream with a single partition, read by polling."""

    partitions: Sequence[int] = (0,)

    def __init__(self, source: str, log_of: Application) -> None:
        self.source = source
        self._log_of = log_of

    def read(self, partition: int, *, after: int, limit: int) -> Sequence[Notification]:
        """See Stream."""
        return self._log_of.log.select_notifications(start=after, limit=limit, inclusive_of_start=False)

    def end(self, partition: int) -> int:
        """See Stream."""
        return self._log_of.log.max_notification_id() or 0

    def close(self) -> None:
        """See Stream."""
        self._log_of.close()
