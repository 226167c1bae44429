"""What a transport delivers, and the position of a consumer in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eventsourcing.persistence import Notification


@dataclass(frozen=True)
class Batch:
    """Facts of one source and partition, in the transport's order."""

    source: str
    partition: int
    rows: Sequence[Notification]
    """A record that is not an event of this suite has a negative position."""
    offsets: Sequence[int]
    """The offset of each: on Kafka its offset, in a log its position."""
    before: Sequence[int]
    """For each, the last position sent to this partition before it."""
    sent: Sequence[str]
    """For each, the last position sent to every partition before it: ``"12 0 33"``."""

    def part(self, start: int, stop: int) -> "Batch":
        """A slice of the batch."""
        return Batch(
            self.source,
            self.partition,
            self.rows[start:stop],
            self.offsets[start:stop],
            self.before[start:stop],
            self.sent[start:stop],
        )


def portions(batches: Sequence[Batch], size: int) -> Iterator[list[Batch]]:
    """The same facts in portions of at most ``size``."""
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
    """The offset of that fact in the transport."""
    sent: str = ""
    """The last position sent to every partition before it."""
