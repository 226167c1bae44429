"""Messages that could not be handled (搁置), and when they are retried."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eventsourcing.persistence import Notification

from shared.domain.refusal import Refusal

Kind = Literal["gap", "waiting", "fault", "behind"]
"""Why a message is parked: earlier facts of its aggregate are missing; it needs what has not arrived yet; it cannot be
handled; or an earlier fact of its aggregate is parked."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A message that could not be handled (搁置), stored whole with the reason."""

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
    """Park this message; ``batch_of`` is its source and partition."""
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
"""So many faults in a row mean that the fault is in the consumer, not in the messages."""


class ConsumerStopped(Refusal):
    """连续 {number} 条消息无法处理，不再接收，以免全部搁置；最后一条：{reason}
    {number} messages in a row could not be handled, so it takes no more; the last: {reason}"""


class Backoff:
    """When parked messages are retried: exponential backoff from ``first`` seconds to LONGEST.

    It uses the machine's monotonic clock, because it only paces work.
    """

    LONGEST = 60.0

    def __init__(self, first: float) -> None:
        self._first = self._pause = first
        self._next: float | None = 0.0  # a new process retries at once: it may be the repaired release

    def due(self) -> bool:
        """Whether to retry now."""
        return self._next is not None and time.monotonic() >= self._next

    def wanted(self) -> None:
        """A message was parked."""
        if self._next is None:
            self._pause = self._first
            self._next = time.monotonic() + self._pause

    def tried(self, healed: int, remaining: int) -> None:
        """The result of a retry."""
        self._pause = self._first if healed else min(self._pause * 2, self.LONGEST)
        self._next = time.monotonic() + self._pause if remaining else None
