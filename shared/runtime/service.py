"""What a service is made of, and how it is opened: the part of the composition that all four share."""

import fcntl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from flask import Flask
from flask.globals import request_ctx
from flask_smorest import Blueprint

from shared.application.application import Application
from shared.audit.api import proof_blueprint
from shared.audit.seal import Sealer
from shared.database.postgres import TIMEOUT, connect
from shared.database.unavailable import UNAVAILABLE
from shared.domain.clock import Clock
from shared.log import postgres, sqlite
from shared.log.codec import WireMapper
from shared.log.recorder import LogRecorder
from shared.log.upgrade import upgrade_files
from shared.messaging.batch import Batch
from shared.messaging.handlers import sources_of
from shared.messaging.parked import Parked
from shared.messaging.reactions import Reactions, Reactor
from shared.messaging.transport import Follower
from shared.messaging.transport.embedded import EmbeddedFollower
from shared.personal_data.keystore import KeyStore
from shared.process import logs
from shared.process.config import Config
from shared.readmodels.reference import Reference
from shared.readmodels.view import View
from shared.readmodels.views import Views
from shared.rulebook import load_rulebook
from shared.runtime.worker import Step
from shared.service.application import ServiceApplication
from shared.web.app import create_app
from shared.web.auth import load_key, verifier
from shared.web.problems import StoreUnavailable

if TYPE_CHECKING:
    from shared.messaging.relay import Relay

log = logs.log("service")

SERVICES = ("assignment", "supervision", "enterprise", "notify")


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
    """Called once with the application before its own role's first step."""
    steps: Callable[[Any], Sequence[Step]] | None = None
    """The steps of the service's own role: the clocks' tick, the delivery of notices."""
    own_role: str = "tick"

    @property
    def roles(self) -> tuple[str, ...]:
        """What a worker process of this service can be; ``worker`` is all of them in one."""
        own = () if self.steps is None else (self.own_role,)
        return ("relay", "project", *(("react",) if self.reactions else ()), *own, "seal", "worker")

    def sources(self) -> tuple[str, ...]:
        """The services whose events it follows."""
        of_views = {source for view in self.views for source in view().sources}
        of_reactions = sources_of(self.reactions.handlers) if self.reactions else ()
        return tuple(sorted(of_views.union(of_reactions)))


@dataclass
class Runtime:
    """An opened service: its log, its read models, and how it follows the others."""

    service: Service
    config: Config
    clock: Clock
    app: ServiceApplication
    views: Views
    follower: Follower
    """Of the read models."""
    reactor: Reactor | None
    relay: "Relay | None"
    sealer: Sealer
    logs: Sequence[Application]
    """Other services' logs that it reads."""

    def steps(self, role: str = "worker") -> list[Step]:
        """What a worker does, again and again, as one role or as all of them."""
        of_role: dict[str, list[Step]] = {
            "relay": [] if self.relay is None else [self.relay.step],
            "project": [lambda: self.views.project(self.follower)],
            "react": [] if self.reactor is None else [self.reactor.step],
            self.service.own_role: [] if self.service.steps is None else list(self.service.steps(self.app)),
            "seal": [self.sealer.step],
        }
        return [*chain.from_iterable(of_role.values())] if role == "worker" else of_role[role]

    def start(self, role: str = "worker") -> None:
        """What a worker does first. Raises what its first acts refuse."""
        if role in ("worker", "project"):
            self.views.build_missing(self.follower)
        if role == "worker":
            self.views.project(self.follower)
        if role in ("worker", self.service.own_role) and self.service.at_start is not None:
            self.service.at_start(self.app)

    def settle(self) -> bool:
        """Do what there is to do, once round; whether there was anything (for tests and offline commands)."""
        return sum(step() for step in self.steps()) > 0

    def catch_up(self) -> None:
        """Wait until the read models have everything that is in the service's own log.

        Raises TimeoutError if those who project are not at work.
        """
        if not self.config.kafka:
            while self.views.project(self.follower):
                pass
            return
        end = self.app.log.max_notification_id() or 0
        for _ in range(600):
            if self.views.reached(self.service.name, end) or end == 0:
                return
            time.sleep(0.05)
        raise TimeoutError(
            f"the read models of {self.service.name} have not reached {self.service.name}:{end}"
        )

    def unready(self) -> list[str]:
        """Why it cannot do its work, if it cannot: database away, tables of another release, views being built."""
        try:
            problem = schema_problem(self)
            return (
                [problem] if problem else [f"view {name} is being built" for name in self.views.being_built()]
            )
        except UNAVAILABLE as error:
            return [f"the database is away: {error}"]

    @property
    def followers(self) -> dict[str, Follower]:
        """How each consumer follows the logs."""
        return {"project": self.follower, **({"react": self.reactor.follower} if self.reactor else {})}

    def parked(self) -> list[tuple[str, Parked]]:
        """Messages that could not be handled yet, with their consumer."""
        of_reactions = self.reactor.parked() if self.reactor else []
        return [("react", row) for row in of_reactions] + [("project", row) for row in self.views.parked()]

    def retry_parked(self) -> None:
        """Handle parked messages again, in order."""
        if self.reactor is not None:
            self.reactor.retry_parked()
        self.views.retry_parked()

    def discard_strangers(self) -> int:
        """Give up parked records that are no events of this suite; how many."""
        strangers = [(consumer, row) for consumer, row in self.parked() if row.position < 0]
        for consumer, row in strangers:
            (self.reactor if consumer == "react" and self.reactor else self.views).discard(row)
        return len(strangers)

    def holes(self) -> list[tuple[str, str, int, int, int]]:
        """Consumer, source, partition, and the positions after which and up to which nothing was received."""
        of_reactions = self.reactor.holes() if self.reactor else []
        return [("react", *hole) for hole in of_reactions] + [
            ("project", *hole) for hole in self.views.holes()
        ]

    def web(self) -> Flask:
        """The service's HTTP face; 503 while the tables are not those of this release."""
        app = create_app(
            self.service.name,
            config=self.config,
            clock=self.clock,
            blueprints=[*self.service.blueprints, proof_blueprint(self.service.name)],
            title=self.service.title,
            verify=verifier(
                load_key(self.config.data),
                clock=self.clock,
                issuer=self.config.token_issuer,
                audience=self.config.token_audience,
            ),
            readiness=self.unready,
            extras={"runtime": self},
        )

        def gate() -> None:
            if request_ctx.request.path.startswith("/api/") and schema_problem(self):
                raise StoreUnavailable

        app.before_request(gate)
        return app

    def close(self) -> None:
        """Let go of files and connections."""
        self.sealer.close()
        if self.relay is not None:
            self.relay.close()
        self.follower.close()
        if self.reactor is not None:
            self.reactor.follower.close()
        self.app.close()
        self.app.personal_data.close()
        self.views.close()
        for other in self.logs:
            other.close()


# --- opening ---------------------------------------------------------------------------------------------


def log_settings(
    config: Config, service: str, *, patience: float = TIMEOUT, pool_size: int = 2, create: bool = False
) -> Mapping[str, str]:
    """How the library opens a service's log."""
    if config.database:
        return postgres.log_settings(
            config.database_of(service), timeout=patience, pool_size=pool_size, create=create
        )
    return sqlite.log_settings(config.data / service / "events.sqlite", create=create)


def open_log(config: Config, service: str, clock: Clock, *, create: bool = False) -> Application:
    """A service's log; the composition root's own way to look at it."""
    return _log_class(service)(log_settings(config, service, create=create), clock)


def seals(app: Application, personal_data: KeyStore) -> KeyStore:
    """From here on the application's new events have their personal data sealed by this key store."""
    assert isinstance(app.mapper, WireMapper)
    app.mapper.seal = personal_data.seal
    return personal_data


@cache
def _log_class(service: str) -> type[Application]:
    return type("LogOf", (Application,), {"name": service})  # the library names the table after it


def open_service(
    service: Service,
    config: Config,
    clock: Clock,
    *,
    patience: float = TIMEOUT,
    wait: float = 0.0,
) -> Runtime:
    """Open a service, also while its database is away. On SQLite what is missing in the data folder is made.

    ``patience``: seconds that one wait for the database may last; ``wait``: seconds that a poll waits for something
    to come.
    """
    config.data.mkdir(parents=True, exist_ok=True)
    pool_size = config.web_threads + 1
    views = Views(
        config.views_url(service.name),
        [kind() for kind in service.views],
        clock,
        timeout=patience,
        pool_size=pool_size,
    )
    if not config.database:
        migrate_files(service, config, views, clock)
    personal_data = KeyStore(config, clock, timeout=patience, pool_size=pool_size)
    app = service.application(
        log_settings(config, service.name, patience=patience, pool_size=pool_size), clock
    )
    app.personal_data = seals(app, personal_data)
    app.views, app.reference, app.config = views, Reference(views), config
    app.rulebook = load_rulebook(config.rulebook)
    reactions = service.reactions(app) if service.reactions else None
    sources = service.sources()
    open_logs: dict[str, Application] = {service.name: app}
    follow: Callable[[str, Sequence[str], Callable[[Batch], bool]], Follower]
    relay = None
    if config.kafka:
        from shared.messaging.relay import Relay
        from shared.messaging.transport.kafka.follower import KafkaFollower
        from shared.messaging.transport.kafka.publisher import KafkaPublisher
        from shared.messaging.transport.kafka.replay import last_rows

        def follow(consumer: str, sources: Sequence[str], pressing: Callable[[Batch], bool]) -> Follower:
            return KafkaFollower(config, service.name, consumer, sources, wait, pressing)

        assert isinstance(app.log, postgres.PostgresLog)  # as config.py sees to
        relay = Relay(
            service.name,
            app.log,
            config.database_of(service.name),
            lambda: KafkaPublisher(config, service.name),
            lambda partitions: last_rows(config, service.name, partitions),
        )
    else:
        open_logs |= {source: open_log(config, source, clock) for source in sources if source != service.name}

        def follow(consumer: str, sources: Sequence[str], pressing: Callable[[Batch], bool]) -> Follower:
            return EmbeddedFollower({source: open_logs[source].log for source in sources})

    return Runtime(
        service=service,
        config=config,
        clock=clock,
        app=app,
        views=views,
        follower=follow(
            "project",
            sorted({source for view in views.views.values() for source in view.sources}),
            lambda batch: batch.source == service.name,  # what a reader of these views has just written
        ),
        reactor=(
            Reactor(
                reactions,
                follow("react", reactions.sources, reactions.is_urgent),
                views.snapshot,
            )
            if reactions
            else None
        ),
        relay=relay,
        sealer=Sealer(service.name, app.log, config, clock),
        logs=[one for name, one in open_logs.items() if name != service.name],
    )


# --- tables ----------------------------------------------------------------------------------------------

SCHEMA_VERSION = 3
"""Of the tables beside the events: 1 had the library's tracking and a mark for every view, 2 has the inbox, 3 the
tree over the log."""


def migrate(service: Service, config: Config, clock: Clock) -> str:
    """Make or upgrade a service's tables in its PostgreSQL database, one process at a time; what was done.

    Raises UNAVAILABLE.
    """
    url = config.database_of(service.name)
    with connect(url, MIGRATION_PATIENCE, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS duban_schema (version INTEGER PRIMARY KEY)")
        before = connection.execute("SELECT max(version) FROM duban_schema").fetchone()[0]  # type: ignore[index]
        if before is not None and before > SCHEMA_VERSION:
            raise SchemaIsNewer(
                f"{service.name}: schema {before} is newer than this release's {SCHEMA_VERSION}"
            )
        open_log(config, service.name, clock, create=True).close()
        views = Views(url, [kind() for kind in service.views], clock, timeout=MIGRATION_PATIENCE)
        views.create()
        views.close()
        connection.execute("INSERT INTO duban_schema VALUES (%s) ON CONFLICT DO NOTHING", (SCHEMA_VERSION,))
    return f"{service.name}: schema {SCHEMA_VERSION}" + (
        " there already" if before == SCHEMA_VERSION else f", was {before or 'empty'}"
    )


class SchemaIsNewer(Exception):
    """The tables belong to a later release."""


MIGRATION_PATIENCE = 300.0
MIGRATION_LOCK = 0x6475_6261_6E02


def schema_problem(runtime: Runtime) -> str | None:
    """Why this release cannot work with the tables that are there. Raises UNAVAILABLE."""
    if not runtime.config.database or runtime.app.log in _FOUND_RIGHT:
        return None
    with runtime.app.log.reading() as execute:
        known = execute("SELECT to_regclass('duban_schema') IS NOT NULL", ())[0][0]
        version = execute("SELECT max(version) FROM duban_schema", ())[0][0] if known else None
    if version == SCHEMA_VERSION:
        _FOUND_RIGHT.add(runtime.app.log)
        return None
    return f"the tables are at schema {version or 'none'}, this release needs {SCHEMA_VERSION}: run duban migrate"


_FOUND_RIGHT: "WeakSet[LogRecorder]" = WeakSet()


def migrate_files(service: Service, config: Config, views: Views, clock: Clock) -> None:
    """Make what is missing in the data folder, one process at a time (architecture.md, eventsourcing 9)."""
    with (config.data / ".prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in {*SERVICES, service.name}:
            (config.data / name).mkdir(exist_ok=True)
            if not (config.data / name / "events.sqlite").exists():
                open_log(config, name, clock, create=True).close()
        if upgrade_files(config.data, service.name):
            log.info("files_upgraded", service=service.name, schema=SCHEMA_VERSION)
        views.create()
