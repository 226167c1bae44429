"""Two ``project`` workers that share a topic's partitions against one that has them all."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from kafka import KafkaAdminClient
from kafka.errors import CoordinatorNotAvailableError, GroupIdNotFoundError

from services.assignment.__main__ import SERVICE
from services.processes import Process, worker_of
from shared.runtime.opening import Runtime, open_service
from tests.bench.components import Ground, ground, running
from tests.bench.facts import CHANGES, NOW, fill

UNITS, PARTITIONS = 2_000, 2
EVENTS = UNITS * (1 + CHANGES)


def run() -> list[str]:
    """The report's lines."""
    one, two = (_measure(workers) for workers in (1, 2))
    return [
        f"project, two worker processes on {PARTITIONS} partitions against one on both: {two:.0f} against {one:.0f} "
        f"events/s ({EVENTS} events, broker and PostgreSQL on the same cores): ratio {two / one:.2f}"
    ]


def _measure(number: int) -> float:
    """Events a second of so many workers, from the moment at which they are let go with everything before them."""
    with ground(broker=True, kafka_partitions=PARTITIONS, kafka_session_seconds=60.0) as here:
        here.migrate("assignment", clock=lambda: NOW)
        workers = [worker_of("assignment", here.config, role="project") for _ in range(number)]
        with closing(open_service(SERVICE, here.config, lambda: NOW)) as runtime, running(*workers):
            _until(partial(_shared, here, number))
            _until(partial(runtime.views.reached, "assignment", _publish(runtime, 0)))  # warms up
            _signal(workers, signal.SIGSTOP)
            try:
                last = _publish(runtime, 1)
            finally:
                _signal(workers, signal.SIGCONT)
            started = time.perf_counter()
            _until(partial(runtime.views.reached, "assignment", last))
            return EVENTS / (time.perf_counter() - started)


def _shared(here: Ground, number: int) -> bool:
    admin = KafkaAdminClient(bootstrap_servers=here.config.kafka)
    group = "duban.assignment.project"
    try:
        found = admin.describe_groups([group])[group]
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):
        return False  # no member has come yet
    finally:
        admin.close()
    return found["group_state"] == "Stable" and len(found["members"]) == number


def _publish(runtime: Runtime, turn: int) -> int:
    """So many new events into the topic; the position of the last."""
    last = fill(runtime.app.log, range(turn * UNITS, (turn + 1) * UNITS))
    assert runtime.relay is not None
    while runtime.relay.step():
        pass
    return last


def _until(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not reached():
        if time.monotonic() > until:
            raise RuntimeError("it never came so far")
        time.sleep(0.05)


def _signal(workers: Sequence[Process], number: signal.Signals) -> None:
    for worker in workers:
        assert worker.handle is not None
        worker.handle.send_signal(number)
