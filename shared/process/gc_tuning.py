"""How often a process looks for garbage that refers to itself."""

import gc
import time

ALLOCATIONS = 50_000
"""Containers more than before at which Python looks through the young ones. A batch of facts makes tens of thousands of
them, and none that refers to itself: at Python's own 700 a third of a consumer's time went into looking."""


def tune_gc() -> None:
    """What stands now stands to the end, and is not looked through again; what comes is, after ALLOCATIONS.

    To be called before a process imports what it works with, and once it has opened it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)


LOOK_SECONDS = 10.0
"""Seconds after which a worker looks through all that has come since it began. kafka-python 3.0.12 leaves the socket of
each connection that failed as garbage that refers to itself: about one a second while a broker is away. Left to
ALLOCATIONS they were never closed, and file descriptors would have come to an end."""


class Rounds:
    """The rounds of a worker that looks through everything from time to time."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LOOK_SECONDS

    def look(self) -> None:
        """Look, if it is time to."""
        if time.monotonic() >= self._next:
            gc.collect()
            self._next = time.monotonic() + LOOK_SECONDS
