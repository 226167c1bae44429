"""Pauses of a relay that always has more to send, so that events are published in groups.

Only for throughput: everybody downstream then handles groups as well (tests/bench/latency.py).
"""

import time

FACTOR, LONGEST_PAUSE = 7, 0.1
"""The pause after a send, as a multiple of the time that it took, and its limit in seconds. A single event is sent at
once."""


class Pacing:
    """When the next send may begin."""

    def __init__(self) -> None:
        self._next = 0.0

    def sent(self, took: float) -> None:
        """A send took so many seconds."""
        pause = min(FACTOR * took, LONGEST_PAUSE)
        # After a quiet time two sends may follow each other: else events at this very rate would wait at every jitter.
        self._next = max(self._next, time.monotonic() - pause) + pause

    def pause(self) -> None:
        """Wait until the next send may begin."""
        time.sleep(max(0.0, self._next - time.monotonic()))
