"""A worker process: a loop of steps that sleeps only when idle; its health and metrics."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from werkzeug.serving import WSGIRequestHandler, make_server

from shared.database.unavailable import UNAVAILABLE
from shared.domain.refusal import Refusal
from shared.domain.words import Title
from shared.process import logs
from shared.process.gc_tuning import PeriodicCollection
from shared.process.metrics import REGISTRY
from shared.process.standing import reason_of
from shared.runtime.gauge import Sample

log = logs.log("worker")

Step = Callable[[], bool]
"""Does what is due; returns whether there may be more."""

LONGEST_WAIT = 5.0
"""Seconds between two tries while a database or the broker is unavailable."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a role that refuses to go on is tried again: after a fault of the program at first, and at most."""


class RoleRefuses(Exception):
    """A process of one role ends because it refuses to go on, for this reason."""


class Worker:
    """One worker process's loop.

    A role that fails for another reason than an unavailable database or broker refuses to go on. Alone in its process
    it ends it; among others it stands aside, which ``standing`` says, and is tried again later.
    """

    def __init__(self, stop: threading.Event, *, alone: bool) -> None:
        self.stop, self._alone = stop, alone
        self.unavailable: str | None = "starting"
        """Why it cannot work at present; None if it can."""
        self.refusing: dict[str, Title] = {}
        """The roles that refuse to go on, and why."""
        self._next_try: dict[str, tuple[float, float]] = {}
        """Of each of them: when it is tried again, and the pause after that."""

    def run(
        self,
        begin: Callable[[], Mapping[str, Sequence[Step]]],
        rest: Callable[[], object],
        seen: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin, then run the steps of each role until told to stop.

        A database or broker that is away is waited out. ``rest``: waits a little, for when there was nothing to do;
        ``seen``: called after each turn. Raises RoleRefuses.
        """
        wait = 0.1
        roles: dict[str, Sequence[Step]] = {}
        collection = PeriodicCollection()

        def start() -> bool:
            roles.update(begin())
            return True

        while not self.stop.is_set():
            collection.collect_if_due()
            try:
                if not roles:
                    self._turn("start", [start])
                # every step has its turn, whatever the others found
                busy = sum([self._turn(role, steps) for role, steps in roles.items()]) > 0
                self.unavailable, wait = None, 0.1
                seen()
                if not roles:
                    self.stop.wait(wait)
                elif not busy:
                    rest()
            except UNAVAILABLE as error:
                self.unavailable = f"{type(error).__name__}: {error}"
                log.warning("away", reason=self.unavailable, again_in_seconds=wait)
                self.stop.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    def _turn(self, role: str, steps: Sequence[Step]) -> int:
        """Run the steps of a role, unless it refuses; how many were busy."""
        due, pause = self._next_try.get(role, (0.0, FIRST_PAUSE))
        if time.monotonic() < due:
            return 0
        try:
            busy = sum([step() for step in steps])
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - it is told, and the other roles go on
            self._refuse(role, error, pause)
            return 0
        if self.refusing.pop(role, None) is not None:
            log.info("role_goes_on", role=role)
            del self._next_try[role]
        return busy

    def _refuse(self, role: str, error: Exception, pause: float) -> None:
        why = reason_of(error)
        trace = None if isinstance(error, Refusal) else error
        if self._alone:
            log.error("role_refuses", role=role, reason=why.en, exc_info=trace)
            raise RoleRefuses(why.en) from error
        if self.refusing.get(role) != why:
            log.error("role_refuses", role=role, reason=why.en, exc_info=trace)
        self.refusing[role] = why
        if trace is None:
            pause = LONGEST_PAUSE  # a rule: nothing heals it in a second, and who looks shall see it
        self._next_try[role] = time.monotonic() + pause, min(pause * 2, LONGEST_PAUSE)


class Gauges(Collector):
    """Gauges that are read when they are scraped."""

    def __init__(self, service: str, read: Callable[[], Iterable[Sample]]) -> None:
        self._service, self._read = service, read

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        for gauge, values in self._read():
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=["service", *gauge.labels])
            for labels, value in values.items():
                family.add_metric([self._service, *labels], value)
            yield family


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log nothing: the app writes a line for every request."""


@contextmanager
def answering(app: object, host: str, port: int, gauges: Gauges) -> Iterator[None]:
    """Answer /healthz, /readyz and /metrics on a port of its own, beside the loop."""
    REGISTRY.register(gauges)
    server = make_server(host, port, app, threaded=True, request_handler=_Quiet)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        REGISTRY.unregister(gauges)
