"""How a service follows the logs; which way is chosen in the composition root only."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from shared.messaging.batch import Batch, Position

PositionOf = Callable[[str, int], Position]
"""The consumer's mark for a source and partition, as the database has it."""


class Follower(Protocol):
    """The facts of some sources as one consumer gets them: at least once, in order per aggregate."""

    def poll(self, position_of: PositionOf) -> list[Batch]:
        """What has come since the last call; where this follower begins, it begins at the mark."""

    def handled(self, batch: Batch) -> None:
        """The batch has had its effect: a hint for tools that show how far a consumer lags."""

    def rewind(self) -> None:
        """Forget how far it was: the next poll begins at the marks."""

    def lag(self) -> Mapping[tuple[str, int], int]:
        """How many messages are still to come, by source and partition, as far as is known."""

    def replay(self, source: str) -> "Replay":
        """Everything the source ever said, from the beginning, apart from what this consumer follows."""

    def close(self) -> None:
        """Let go of files and connections."""


class Replay(Protocol):
    """A source's facts from the beginning."""

    def up_to(self, marks: Mapping[int, int]) -> Iterator[Batch]:
        """The facts after those given before, up to a position in each partition.

        Raises LogIncomplete if the transport does not hold them all.
        """

    def close(self) -> None:
        """Let go of files and connections."""


class LogIncomplete(Exception):
    """The transport no longer holds everything that has been said: it has to be published again first."""
