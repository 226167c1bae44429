"""gunicorn, started from our own code; and several services' apps behind one port."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import mark_process_dead
from werkzeug.exceptions import HTTPException, NotFound

from shared.process.gc_tuning import tune_gc
from shared.process.metrics import REGISTRY, merged
from shared.web.app import Web, create_app

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def dispatch(apps: Mapping[str, Flask]) -> Wsgi:
    """Several services on one port: the first app that knows the path answers.

    ``/healthz``, ``/readyz`` and ``/metrics``, and what nobody knows, are answered for all of them.
    """
    webs: dict[str, Web] = {name: app.extensions["duban"] for name, app in apps.items()}
    first = next(iter(webs.values()))
    own = CollectorRegistry()
    suite = create_app(
        "suite",
        config=first.config,
        clock=first.clock,
        blueprints=[],
        title="duban",
        verify=first.verify,
        readiness=lambda: [f"{name}: {reason}" for name, web in webs.items() for reason in web.readiness()],
        registry=own,
        shown=merged([own, *(web.registry for web in webs.values()), REGISTRY]),
    )

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        app = next((one for one in (suite, *apps.values()) if _knows(one, environ)), suite)
        return app.wsgi_app(environ, start_response)

    return answer


def _knows(app: Flask, environ: dict[str, Any]) -> bool:
    try:
        app.url_map.bind_to_environ(environ).match()
    except NotFound:
        return False
    except HTTPException:
        return True  # the path is its own, the method is not
    return True


class _Logger(Logger):  # type: ignore[misc]
    """gunicorn's own lines, as JSON with all the others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, make: Callable[[], Wsgi], settings: dict[str, Any], drain: float) -> None:
        self.make, self.settings, self.drain = make, settings, drain
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.settings.items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        # In the worker, after the fork (gunicorn/workers/base.py, load_wsgi): a recorder opened before it
        # would hang there.
        made = self.make()
        tune_gc()
        return made

    def run(self) -> None:
        drain = self.drain

        class Draining(Arbiter):  # type: ignore[misc]
            def handle_term(self) -> None:
                # gunicorn closes its sockets at once and resets who still waits in their backlog. So go on
                # serving until the load balancer has noticed.
                time.sleep(drain)
                super().handle_term()

        Draining(self).run()


def serve(
    make: Callable[[], Wsgi],
    *,
    host: str,
    port: int,
    workers: int = 1,
    threads: int = 4,
    drain: float = 0.0,
    graceful: int = 10,
    log_level: str = "info",
) -> None:
    """Serve what ``make`` builds, once in each worker after the fork. Ends the process: 0 after SIGTERM or Ctrl-C.

    With several workers the process is started anew, so that their counters are added up.

    ``drain``: seconds to go on after SIGTERM before the port closes (3 or more behind a load balancer).
    """
    if workers > 1:
        _count_across_workers()
    settings: dict[str, Any] = {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": workers,
        "worker_class": "gthread",
        "threads": threads,
        "preload_app": False,
        "graceful_timeout": graceful,
        "control_socket_disable": True,
        "loglevel": log_level,
        "logger_class": _Logger,
        "child_exit": _forget_worker,
        "on_exit": _remove_counts,
    }
    if Path("/dev/shm").is_dir():
        settings["worker_tmp_dir"] = "/dev/shm"  # a heartbeat file on a slow disk gets workers killed
    _Server(make, settings, drain).run()


_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
_FOLDER = "duban-metrics-"


def _count_across_workers() -> None:
    # prometheus-client reads the variable when it is imported.
    if _COUNTS not in os.environ:
        os.environ[_COUNTS] = tempfile.mkdtemp(prefix=_FOLDER)
        os.execv(sys.executable, sys.orig_argv)


def _remove_counts(_server: Any) -> None:
    folder = Path(os.environ.get(_COUNTS, ""))
    if folder.name.startswith(_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)


def _forget_worker(_server: Any, worker: Any) -> None:
    if _COUNTS in os.environ:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
