"""What a transport delivers, and how far a consumer has come in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eventsourcing.persistence import Notification


@dataclass(frozen=True)
class Batch:
    """Facts of one source and partition, in the order in which the transport holds them."""

    source: str
    partition: int
    rows: Sequence[Notification]
    """A record that is none of ours has a negative position."""
    offsets: Sequence[int]
    """Where the transport holds each of them: the offset on Kafka, the position in a log."""
    before: Sequence[int]
    """For each the sender's last position in this partition before it."""
    sent: Sequence[str]
    """The same in every partition: ``"12 0 33"``."""

    def part(self, start: int, stop: int) -> "Batch":
        """Some of it, in order."""
        return Batch(
            self.source,
            self.partition,
            self.rows[start:stop],
            self.offsets[start:stop],
            self.before[start:stop],
            self.sent[start:stop],
        )


def portions(batches: Sequence[Batch], size: int) -> Iterator[list[Batch]]:
    """The same facts in portions of at most so many."""
    portion: list[Batch] = []
    held = 0
    for batch in batches:
        for start in range(0, len(batch.rows), size):
            part = batch.part(start, start + size)
            if held + len(part.rows) > size:
                yield portion
                portion, held = [], 0
            portion.append(part)
            held += len(part.rows)
    if portion:
        yield portion


class Position(NamedTuple):
    """How far a consumer has come in one partition."""

    position: int = 0
    """The highest log position received."""
    offset: int = -1
    """Where the transport held it."""
    sent: str = ""
    """What the sender had sent to every partition before it."""
