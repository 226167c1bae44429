"""Sources that bring nothing urgent are polled less often: a poll costs the client more than 2 ms of processor.

Only for throughput: tests/bench/latency.py needs it.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.messaging.batch import Batch

QUIET_AFTER, PAUSE_SECONDS = 5, 0.2
"""A source is paused for so long after so many batches in a row without anything urgent."""


class QuietSources:
    """The paused sources of one consumer; ``sources`` by topic."""

    def __init__(self, sources: Mapping[str, str], is_urgent: Callable[[Batch], bool]) -> None:
        self._sources, self._is_urgent = sources, is_urgent
        self._not_urgent: Counter[str] = Counter()
        self.paused_until: dict[str, float] = {}

    def clear(self) -> None:
        """Forget the paused sources, with their client."""
        self.paused_until.clear()

    def resume(self, consumer: Any, wait: float) -> float:
        """Resume the sources whose pause is over; how long a poll may wait, at most ``wait`` seconds."""
        now = time.monotonic()
        due = {source for source, until in self.paused_until.items() if until <= now}
        if due:
            self.paused_until = {s: until for s, until in self.paused_until.items() if s not in due}
            consumer.resume(*(one for one in consumer.paused() if self._sources[one.topic] in due))
        return min([wait, *(until - now for until in self.paused_until.values())])

    def pause(self, consumer: Any, batches: Sequence[Batch], lag: Mapping[tuple[str, int], int]) -> None:
        """Pause the sources of these batches that bring nothing urgent and have no more outstanding."""
        urgent = {batch.source for batch in batches if self._is_urgent(batch)}
        for source in {batch.source for batch in batches}:
            self._not_urgent[source] = 0 if source in urgent else self._not_urgent[source] + 1
            more = any(count for (of, _), count in lag.items() if of == source)
            if self._not_urgent[source] > QUIET_AFTER and not more:
                self.paused_until[source] = time.monotonic() + PAUSE_SECONDS
                consumer.pause(*(one for one in consumer.assignment() if self._sources[one.topic] == source))
