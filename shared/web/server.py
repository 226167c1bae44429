"""gunicorn, started from our own code; and several services' apps behind one port."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import mark_process_dead
from werkzeug.exceptions import HTTPException, NotFound

from shared.domain.words import Title
from shared.process.config import Config
from shared.process.gc_tuning import tune_gc
from shared.process.metrics import REGISTRY, merged
from shared.process.scratch import PREFIX, discard, remove_leftovers, scratch
from shared.web.app import Web, create_app

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def dispatch(apps: Mapping[str, Flask]) -> Wsgi:
    """Several services on one port: the first app that knows the path answers.

    The pages, ``/healthz``, ``/readyz`` and ``/metrics``, and what nobody knows, are answered for all of them.
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
        readiness=lambda: [
            _of_service(name, reason) for name, web in webs.items() for reason in web.readiness()
        ],
        standing=lambda: {who: why for web in webs.values() for who, why in web.standing().items()},
        notes=lambda: [_of_service(name, note) for name, web in webs.items() for note in web.notes()],
        registry=own,
        documents={name: app.config["API_SPEC_OPTIONS"]["info"]["summary"] for name, app in apps.items()},
        shown=merged([own, *(web.registry for web in webs.values()), REGISTRY]),
    )

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        app = next((one for one in (suite, *apps.values()) if _knows(one, environ)), suite)
        return app.wsgi_app(environ, start_response)

    return answer


def _of_service(name: str, reason: str | Title) -> Title:
    said = Title(reason, reason) if isinstance(reason, str) else reason
    return Title(f"{name}: {said.zh}", f"{name}: {said.en}")


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


GRACEFUL = 10
"""Seconds that a request may go on after its worker was told to stop."""


def serve(make: Callable[[], Wsgi], config: Config) -> None:
    """Serve what ``make`` builds, once in each worker after the fork. Ends the process: 0 after SIGTERM or Ctrl-C."""
    remove_leftovers()
    if config.web_workers > 1:
        _count_together()
    _Server(make, settings_of(config), config.drain_seconds).run()


def settings_of(config: Config) -> dict[str, Any]:
    """gunicorn's settings."""
    settings: dict[str, Any] = {
        "bind": f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}",
        "workers": config.web_workers,
        "worker_class": "gthread",
        "threads": config.web_threads,
        "preload_app": False,
        "graceful_timeout": GRACEFUL,
        "control_socket_disable": True,
        "loglevel": config.log_level,
        "logger_class": _Logger,
        "child_exit": _forget_worker,
        "on_exit": _leave_nothing,
    }
    if Path("/dev/shm").is_dir():
        settings["worker_tmp_dir"] = "/dev/shm"  # a heartbeat file on a slow disk gets workers killed
    return settings


def _count_together() -> None:
    """Let any worker answer ``/metrics`` for all of them: they count in files. Before the first counter is made."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(scratch())
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def _leave_nothing(server: Any) -> None:
    """A worker may have been killed in the midst of a question."""
    for pid in server.WORKERS:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    remove_leftovers()
    if (counted := Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""))).name.startswith(PREFIX):
        discard(counted)


def _forget_worker(_server: Any, worker: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
