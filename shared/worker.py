"""The loop of a worker role: step, and sleep only when there was nothing to do."""

import threading
from collections.abc import Callable, Sequence

from eventsourcing.persistence import InterfaceError
from eventsourcing.persistence import OperationalError as LogTrouble
from sqlalchemy.exc import OperationalError as ViewTrouble

from shared import logs

log = logs.log("worker")

Step = Callable[[], bool]
"""Does what there is to do; answers whether there was anything."""

LONGEST_WAIT = 5.0
"""Seconds between two tries while a database is away."""


def work(steps: Sequence[Step], stop: threading.Event, poll: float) -> None:
    """Run the steps until ``stop`` is set; database trouble is waited out, any other fault ends the worker."""
    wait = poll
    while not stop.is_set():
        try:
            busy = sum(step() for step in steps) > 0  # every step has its turn, whatever the others found
        except (LogTrouble, InterfaceError, ViewTrouble) as error:
            log.warning("database_away", reason=str(error), again_in_seconds=wait)
            stop.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            continue
        wait = poll
        if not busy:
            stop.wait(poll)
