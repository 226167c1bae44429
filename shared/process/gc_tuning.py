"""GC tuning: how often a process collects garbage cycles.

``tune_gc`` is only for speed (tests/bench/project.py); ``PeriodicCollection`` is needed because of it.
"""

import gc
import time

ALLOCATIONS = 50_000
"""Allocations of containers between two collections of the youngest generation. A batch of facts makes tens of
thousands, none of them in cycles: at Python's default of 700 a third of a consumer's time went into collections."""


def tune_gc() -> None:
    """Exempt all present objects from collection, and collect new ones every ALLOCATIONS.

    Call it before a process imports its modules, and again once it has opened its services.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)


COLLECT_SECONDS = 10.0
"""Seconds between full collections in a worker. kafka-python 3.0.12 leaves the socket of each failed connection in a
cycle, about one a second while a broker is unavailable: left to ALLOCATIONS, file descriptors would run out."""


class PeriodicCollection:
    """Full collections in a worker's loop."""

    def __init__(self) -> None:
        self._next = time.monotonic() + COLLECT_SECONDS

    def collect_if_due(self) -> None:
        """Collect, if COLLECT_SECONDS have passed."""
        if time.monotonic() >= self._next:
            gc.collect()
            self._next = time.monotonic() + COLLECT_SECONDS
