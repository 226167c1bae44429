"""How a service follows another's log; which way is chosen in the composition root only."""

from collections.abc import Sequence
from typing import Protocol

from eventsourcing.persistence import Notification


class Stream(Protocol):
    """The facts of one source in order, from a position on."""

    source: str
    partitions: Sequence[int]

    def read(self, partition: int, *, after: int, limit: int) -> Sequence[Notification]:
        """Up to ``limit`` facts recorded after position ``after``; empty if there are none yet."""

    def end(self, partition: int) -> int:
        """The last position there is; 0 in an empty log."""

    def close(self) -> None:
        """Let go of files and connections."""
