"""A worker process: a loop of steps that sleeps only when idle; its health and metrics."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from werkzeug.serving import WSGIRequestHandler, make_server

from shared.database.unavailable import UNAVAILABLE
from shared.process import logs
from shared.process.gc_tuning import PeriodicCollection
from shared.process.metrics import REGISTRY
from shared.runtime.gauge import Sample

log = logs.log("worker")

Step = Callable[[], bool]
"""Does what is due; returns whether there may be more."""

LONGEST_WAIT = 5.0
"""Seconds between two tries while a database or the broker is unavailable."""


class Worker:
    """One worker process's loop."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.unavailable: str | None = "starting"
        """Why it cannot work at present; None if it can."""

    def run(self, begin: Callable[[], Sequence[Step]], rest: Callable[[], object]) -> None:
        """Begin, then run the steps until told to stop.

        A database or broker that is away is waited out; any other fault ends the worker. ``rest``: waits a little, for
        when there was nothing to do.
        """
        wait = 0.1
        steps: Sequence[Step] | None = None
        collection = PeriodicCollection()
        while not self.stop.is_set():
            collection.collect_if_due()
            try:
                if steps is None:
                    steps = begin()
                busy = sum(step() for step in steps) > 0  # every step has its turn, whatever the others found
                self.unavailable, wait = None, 0.1
                if not busy:
                    rest()
            except UNAVAILABLE as error:
                self.unavailable = f"{type(error).__name__}: {error}"
                log.warning("away", reason=self.unavailable, again_in_seconds=wait)
                self.stop.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT)


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
