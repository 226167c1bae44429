"""How often a process looks for garbage that refers to itself."""

import gc

ALLOCATIONS = 50_000
"""Containers more than before at which Python looks through the young ones. A batch of facts makes tens of thousands of
them, and none that refers to itself: at Python's own 700 a third of a consumer's time went into looking."""


def look_rarely() -> None:
    """What stands now stands to the end, and is not looked through again; what comes is, after ALLOCATIONS.

    To be called before a process imports what it works with, and once it has opened it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)
