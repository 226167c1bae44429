"""Messages that could not be handled (搁置): kept whole with the reason, and when they are tried again."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eventsourcing.persistence import Notification

Kind = Literal["gap", "waiting", "fault", "behind"]
"""Why a message is parked: earlier facts of its aggregate are missing; it needs what has not arrived yet; it cannot be
handled; or an earlier fact of its aggregate is parked."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A message that could not be handled (搁置), kept whole with its reason until it is."""

    handler: str
    """The view that could not fold it; empty: the whole consumer."""
    source: str
    partition: int
    position: int
    aggregate_id: str
    version: int
    topic: str
    state: bytes
    kind: Kind
    reason: str
    since: datetime

    @property
    def notification(self) -> Notification:
        """The message as it came."""
        return Notification(
            id=self.position,
            originator_id=self.aggregate_id,
            originator_version=self.version,
            topic=self.topic,
            state=self.state,
        )


def parked_from(
    batch_of: tuple[str, int],
    message: Notification,
    kind: Kind,
    reason: str,
    since: datetime,
    handler: str = "",
) -> Parked:
    """The message, to be parked; ``batch_of`` is its source and partition."""
    source, partition = batch_of
    return Parked(
        handler=handler,
        source=source,
        partition=partition,
        position=message.id,
        aggregate_id=str(message.originator_id),
        version=message.originator_version,
        topic=message.topic,
        state=message.state,
        kind=kind,
        reason=reason,
        since=since,
    )


TOO_MANY_IN_A_ROW = 10
"""So many messages one after the other that cannot be handled mean that the fault is here, not in the messages."""


class ConsumerStopped(Exception):
    """The consumer stopped loudly: too many messages in a row could not be handled."""


class Backoff:
    """When parked messages are tried again: soon at first, then ever more rarely, at most once a minute.

    ``first``: seconds. It runs on the machine's monotonic clock: it paces work and decides nothing.
    """

    LONGEST = 60.0

    def __init__(self, first: float) -> None:
        self._first = self._pause = first
        self._next: float | None = 0.0  # a new process tries at once: it may be the repaired one

    def due(self) -> bool:
        """Whether to try now."""
        return self._next is not None and time.monotonic() >= self._next

    def wanted(self) -> None:
        """Something is parked."""
        if self._next is None:
            self._pause = self._first
            self._next = time.monotonic() + self._pause

    def tried(self, healed: int, remaining: int) -> None:
        """What came of it."""
        self._pause = self._first if healed else min(self._pause * 2, self.LONGEST)
        self._next = time.monotonic() + self._pause if remaining else None
