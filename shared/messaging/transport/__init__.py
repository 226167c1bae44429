"""How a consumer follows the logs; the composition root chooses the transport."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from shared.messaging.batch import Batch, Position

PositionOf = Callable[[str, int], Position]
"""The consumer's stored position for a source and partition."""


class Follower(Protocol):
    """Delivers the facts of some sources to one consumer: at least once, in order per aggregate."""

    def poll(self, position_of: PositionOf) -> list[Batch]:
        """The facts since the last call; a partition starts at the stored position."""

    def handled(self, batch: Batch) -> None:
        """The batch has been handled: a hint for tools that show a consumer's lag."""

    def rewind(self) -> None:
        """Start from the stored positions at the next poll."""

    def lag(self) -> Mapping[tuple[str, int], int]:
        """The known number of outstanding messages by source and partition."""

    def progress_age(self) -> float:
        """Seconds since it handled a message or found that none is outstanding."""

    def replay(self, source: str) -> "Replay":
        """All facts of a source from the beginning, independent of this consumer's position."""

    def close(self) -> None:
        """Close files and connections."""


class Replay(Protocol):
    """A source's facts from the beginning."""

    def up_to(self, positions: Mapping[int, int]) -> Iterator[Batch]:
        """The facts after those of the last call, up to a position in each partition.

        Raises LogIncomplete if the transport does not hold them all.
        """

    def close(self) -> None:
        """Close files and connections."""


class LogIncomplete(Exception):
    """The transport no longer holds all facts: publish them again first."""
