"""Which facts of a partition are new, and what is to be written once they are handled."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from eventsourcing.persistence import Notification

from shared.messaging.batch import Batch, Position
from shared.messaging.parked import Parked, parked_from
from shared.process import logs

log = logs.log("inbox")
Counts = tuple[int, int]
"""Facts received for the first time, and facts received again."""


@dataclass(eq=False)
class Receipt:
    """A partition's facts against the inbox: what is new of them; and what to write when that is handled.

    ``accept`` gives the facts to handle. ``save`` writes what was accepted since the last ``saved``.
    """

    consumer: str
    source: str
    partition: int
    position: Position = field(default_factory=Position)
    versions: dict[str, int] = field(default_factory=dict)
    """Of every aggregate in what is to be accepted, the version received: 0 for none."""
    holes: dict[int, int] = field(default_factory=dict)
    """after → before: positions of this partition in between have not been received."""
    parked: list[Parked] = field(default_factory=list)
    """Parked messages of the source, of all handlers."""
    trusted: bool = field(init=False, default=False)
    """Whether an aggregate's first fact is taken to be new without asking, since nothing came twice the last time. Who
    is wrong in that is ConcurrencyConflict when it saves, and asks."""
    next_position: Position = field(init=False)
    new_versions: dict[str, int] = field(init=False, default_factory=dict)
    first_seen: set[str] = field(init=False, default_factory=set)
    """Of these aggregates nothing had been received."""
    next_holes: dict[int, int] = field(init=False)
    to_park: list[Parked] = field(init=False, default_factory=list)
    to_unpark: list[Parked] = field(init=False, default_factory=list)
    _first: int = field(init=False, default=0)
    _duplicates: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.next_position, self.next_holes = self.position, dict(self.holes)
        self._gaps = {(row.aggregate_id, row.version): row for row in self.parked if row.kind == "gap"}

    @property
    def origin(self) -> tuple[str, int]:
        """Source and partition."""
        return self.source, self.partition

    def blocked(self, handler: str = "") -> set[str]:
        """Aggregates of which ``handler`` has a received fact parked: their later facts wait behind it."""
        return {row.aggregate_id for row in self.parked if row.handler == handler and row.kind != "gap"}

    def accept(self, batch: Batch, now: datetime) -> Iterator[Notification]:
        """The facts to be handled now, each once and in the order of its aggregate's versions.

        A fact whose predecessors are missing is parked; it follows by itself when they have come.
        """
        for message, offset, before, sent in zip(
            batch.rows, batch.offsets, batch.before, batch.sent, strict=True
        ):
            if message.id < 0:
                row = parked_from(self.origin, message, "fault", "not an event of this suite", now)
                self.next_position = Position(self.next_position.position, offset, self.next_position.sent)
                self.park(row)
                continue
            self._move_position(message.id, offset, before, sent)
            key = str(message.originator_id)
            known = self.versions.get(key, 0)
            if message.originator_version <= known:
                self._duplicates += 1
            elif message.originator_version > known + 1:
                self._miss(message, known, now)
            else:
                self._received(key, message.originator_version)
                yield message
                if self._gaps:
                    yield from self._gap_closed(key)

    def _move_position(self, position: int, offset: int, before: int, sent: str) -> None:
        if position > self.next_position.position:
            if before > self.next_position.position:
                self.next_holes[self.next_position.position] = before
                log.error(
                    "messages_missing",
                    consumer=self.consumer,
                    source=self.source,
                    partition=self.partition,
                    after=self.next_position.position,
                    until=before,
                )
            self.next_position = Position(position, offset, sent)
            return
        self.next_position = Position(self.next_position.position, offset, self.next_position.sent)
        for after, until in list(self.next_holes.items()):
            if before <= after < position <= until:
                del self.next_holes[after]
                if position < until:
                    self.next_holes[position] = until

    def _received(self, key: str, version: int) -> None:
        if version == 1:
            self.first_seen.add(key)
        self.versions[key] = self.new_versions[key] = version
        self._first += 1

    def _miss(self, message: Notification, known: int, now: datetime) -> None:
        reason = f"facts {known + 1} to {message.originator_version - 1} of this aggregate are missing"
        row = parked_from(self.origin, message, "gap", reason, now)
        if (row.aggregate_id, row.version) not in self._gaps:
            self._gaps[row.aggregate_id, row.version] = row
            self.park(row)

    def _gap_closed(self, key: str) -> Iterator[Notification]:
        while (row := self._gaps.pop((key, self.versions[key] + 1), None)) is not None:
            self.unpark(row)
            self._received(key, row.version)
            yield row.notification

    def park(self, row: Parked) -> None:
        """Keep a message that cannot be handled now."""
        if row.kind not in ("behind", "waiting"):
            log.error(
                "message_parked",
                consumer=self.consumer,
                handler=row.handler,
                source=row.source,
                partition=row.partition,
                position=row.position,
                kind=row.kind,
                reason=row.reason,
            )
        self.parked.append(row)
        self.to_park.append(row)

    def unpark(self, row: Parked) -> None:
        """A parked message that is handled now."""
        self.parked.remove(row)
        if row in self.to_park:
            self.to_park.remove(row)
        else:
            self.to_unpark.append(row)

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        return self.next_position != self.position or bool(
            self.new_versions or self.to_park or self.to_unpark
        )

    def saved(self) -> Counts:
        """What ``save`` wrote is committed; how many facts it was."""
        self.position, self.holes = self.next_position, dict(self.next_holes)
        self.new_versions.clear()
        self.first_seen.clear()
        self.to_park.clear()
        self.to_unpark.clear()
        counts = self._first, self._duplicates
        if any(counts):
            self.trusted = not self._duplicates
        self._first = self._duplicates = 0
        return counts
