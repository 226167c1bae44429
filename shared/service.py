"""What a service is made of, and how it is opened: the part of the composition that all four share."""

import fcntl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, current_app
from flask_smorest import Blueprint

from shared.aggregate import Act
from shared.application import Application, UseCase
from shared.clock import Clock
from shared.config import Config
from shared.events.base import Actor
from shared.reactions import Reactions, Reactor
from shared.reference import Reference
from shared.rulebook import Rulebook, load_rulebook
from shared.transport import Stream
from shared.transport.embedded import EmbeddedStream
from shared.views import View, Views
from shared.web.app import create_app
from shared.web.auth import load_key, verifier
from shared.web.http import context
from shared.worker import Step, work
from shared.written import Written

SERVICES = ("assignment", "supervision", "enterprise", "notify")


class ServiceApplication(Application):
    """A service's application with what its use cases may ask: reference data, its read models, the rulebook."""

    reference: Reference
    views: Views
    rulebook: Rulebook
    config: Config


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service, as its ``__main__.py`` puts it together."""

    name: str
    title: str
    application: type[ServiceApplication]
    views: Sequence[type[View]]
    blueprints: Sequence[Blueprint]
    reactions: type[Reactions[Any]] | None = None
    at_start: Callable[[Any], None] | None = None
    """Called once by the worker with the application before its first step."""
    steps: Callable[[Any], Sequence[Step]] | None = None
    """Further steps of the worker beside projecting and reacting: the clocks' tick, the delivery of notices."""


@dataclass
class Runtime:
    """An opened service: its log, its read models, the logs that it follows."""

    service: Service
    config: Config
    clock: Clock
    app: ServiceApplication
    views: Views
    streams: Sequence[Stream]
    reactor: Reactor | None

    def steps(self, role: str = "worker") -> list[Step]:
        """What a worker does, again and again: as ``project``, ``react`` or ``tick``, or all of it as ``worker``."""
        of_role: dict[str, list[Step]] = {
            "project": [lambda: self.views.project(self.streams)],
            "react": [] if self.reactor is None else [self.reactor.step],
            "tick": [] if self.service.steps is None else list(self.service.steps(self.app)),
        }
        return [*chain.from_iterable(of_role.values())] if role == "worker" else of_role[role]

    def start(self) -> None:
        """What a worker does first."""
        self.views.project(self.streams)
        if self.service.at_start is not None:
            self.service.at_start(self.app)

    def work(self, stop: threading.Event) -> None:
        """Be this service's worker until ``stop`` is set."""
        self.start()
        work(self.steps(), stop, self.config.poll_seconds)

    def settle(self) -> bool:
        """Do what there is to do, once round; whether there was anything (for tests and offline commands)."""
        return sum(step() for step in self.steps()) > 0

    def web(self) -> Flask:
        """The service's HTTP face."""
        return create_app(
            self.service.name,
            config=self.config,
            clock=self.clock,
            blueprints=self.service.blueprints,
            title=self.service.title,
            verify=verifier(
                load_key(self.config.data),
                clock=self.clock,
                issuer=self.config.token_issuer,
                audience=self.config.token_audience,
            ),
            readiness=lambda: [f"view {name} is being built" for name in self.views.being_built()],
            extras={"runtime": self},
        )

    def close(self) -> None:
        """Let go of files and connections."""
        self.app.close()
        self.views.close()
        for stream in self.streams:
            stream.close()


def log_settings(path: Path, *, create: bool = False) -> dict[str, str]:
    """How the library opens a service's log on SQLite."""
    return {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "PROCESS_RECORDER_TOPIC": "shared.recorder:LogRecorder",
        "SQLITE_DBNAME": str(path),
        "SQLITE_LOCK_TIMEOUT": "10",
        "CREATE_TABLE": "yes" if create else "no",
    }


class _LogOf(Application):
    """Another service's log, opened to be followed."""


def open_log(config: Config, service: str, clock: Clock) -> Application:
    """A service's log for reading; the composition root's own way to look at it."""
    app = _LogOf(log_settings(config.data / service / "events.sqlite"), clock)
    app.name = service
    return app


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Tables are made by one process at a time (architecture.md, eventsourcing 9)."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / ".prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_service(service: Service, config: Config, clock: Clock) -> Runtime:
    """Open a service in the data folder, making what is missing."""
    with _alone(config.data):
        for name in {*SERVICES, service.name}:
            (config.data / name).mkdir(exist_ok=True)
            path = config.data / name / "events.sqlite"
            if not path.exists():
                _LogOf(log_settings(path, create=True), clock).close()
        kinds = service.views
        views = Views(
            f"sqlite:///{config.data / service.name / 'views.sqlite'}", [kind() for kind in kinds], clock
        )
        views.create()
    app = service.application(log_settings(config.data / service.name / "events.sqlite"), clock)
    app.views, app.reference, app.config = views, Reference(views), config
    app.rulebook = load_rulebook(config.rulebook)
    reactions = service.reactions(app) if service.reactions else None
    followed = {source for view in views.views.values() for source in view.sources}
    followed |= set(reactions.sources) if reactions else set()
    streams = [
        EmbeddedStream(source, app if source == service.name else open_log(config, source, clock))
        for source in sorted(followed)
    ]
    return Runtime(
        service=service,
        config=config,
        clock=clock,
        app=app,
        views=views,
        streams=streams,
        reactor=Reactor(reactions, streams) if reactions else None,
    )


def application() -> Any:
    """The application of the service that answers the present request."""
    return current_app.extensions["runtime"].app


def act() -> Act:
    """The present request as an act: who, why, when, and which version they have seen."""
    asked = context()
    by = asked.identity
    key = f"{by.subject}|{asked.idempotency_key}"
    structlog.contextvars.bind_contextvars(because=f"request:{key}")
    return Act(
        by=Actor(unit=by.unit, post=by.post),
        because=f"request:{key}",
        recorded_at=asked.now,
        happened_at=asked.now,
        role=by.role,
        key=key,
        fingerprint=asked.fingerprint,
        expected_version=asked.expected_version,
    )


def perform(use_case: UseCase, *, happened_at: Any = None) -> Written:
    """Carry out the present request's command once, as true since ``happened_at``.

    Raises HappenedInTheFuture, IdempotencyKeyReused, ChangedMeanwhile and what the use case refuses.
    """
    app: ServiceApplication = application()
    return app.perform(act().at(happened_at), use_case)
