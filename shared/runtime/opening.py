"""An opened service: its log, read models and followers, and the steps of its roles."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from flask import Flask
from flask.globals import request_ctx
from prometheus_client import CollectorRegistry

from shared.application.application import Application
from shared.audit.api import proof_blueprint
from shared.audit.seal import Sealer
from shared.database.postgres import TIMEOUT
from shared.database.unavailable import UNAVAILABLE
from shared.domain.clock import Clock
from shared.domain.words import Title
from shared.log import postgres
from shared.log.codec import WireMapper
from shared.messaging.batch import Batch
from shared.messaging.parked import Parked
from shared.messaging.reactions import Reactor
from shared.messaging.transport import Follower
from shared.messaging.transport.embedded import EmbeddedFollower
from shared.personal_data.keystore import KeyStore
from shared.process.config import Config
from shared.process.standing import reason_of, shown
from shared.readmodels.reference import PostsView
from shared.readmodels.register import Register
from shared.readmodels.views import Views
from shared.rulebook import load_rulebook
from shared.runtime.event_log import log_settings, open_log
from shared.runtime.gauge import Gauge, Sample, one
from shared.runtime.schema import migrate_files, schema_problem
from shared.runtime.service import Service
from shared.runtime.worker import Gauges, Step
from shared.service.application import ServiceApplication
from shared.web.app import create_app
from shared.web.auth import Identity
from shared.web.held_posts import HeldPosts
from shared.web.oidc import verifier_of
from shared.web.problems import StoreUnavailable

if TYPE_CHECKING:
    from shared.messaging.relay import Relay


LOOKED_THROUGH = 20
"""Portions of a log that one question of readiness reads at most, to know its newest moment."""
REGISTRAR = "assignment"
"""The service that keeps the register of units and posts."""
CLOCK_BEHIND = Gauge(
    "duban_clock_behind_seconds",
    "How far the clock stands before the newest moment that the log has recorded: it was set back",
    lambda runtime: one(runtime.app.clock_is_behind().total_seconds()),
)


@dataclass
class Runtime:
    """An opened service: its log, read models and followers."""

    service: Service
    config: Config
    clock: Clock
    app: ServiceApplication
    views: Views
    follower: Follower
    """The follower of the read models."""
    reactor: Reactor | None
    relay: "Relay | None"
    sealer: Sealer
    logs: Sequence[Application]
    """The other services' logs that it reads (embedded)."""

    def roles(self, role: str = "worker") -> dict[str, list[Step]]:
        """The steps of a worker's loop by role: of this one, or of all."""
        of_role: dict[str, list[Step]] = {
            "relay": [] if self.relay is None else [self.relay.step],
            "project": [lambda: self.views.project(self.follower)],
            "react": [] if self.reactor is None else [self.reactor.step],
            self.service.own_role: [] if self.service.steps is None else list(self.service.steps(self.app)),
            "seal": [self.sealer.step],
        }
        return of_role if role == "worker" else {role: of_role[role]}

    def steps(self, role: str = "worker") -> list[Step]:
        """The steps of a worker's loop, for one role or for all."""
        return [*chain.from_iterable(self.roles(role).values())]

    def alarms(self) -> dict[str, Title]:
        """Which role stands still although it runs, and why."""
        alarm = None if self.relay is None else self.relay.alarm
        return {} if alarm is None else {"relay": reason_of(alarm)}

    def start(self, role: str = "worker") -> None:
        """What a worker does before its loop. Raises what its first commands refuse."""
        if role in ("worker", "project"):
            self.views.build_missing(self.follower)
        if role == "worker":
            while self.views.project(self.follower):
                pass  # what its steps decide and tell rests on what is in the logs already
        if role in ("worker", self.service.own_role) and self.service.at_start is not None:
            self.service.at_start(self.app)

    def settle(self) -> bool:
        """Run every step once; whether any had work (for tests and offline commands)."""
        return sum(step() for step in self.steps()) > 0

    def catch_up(self) -> None:
        """Wait until the read models have reached the end of the service's own log.

        Raises TimeoutError if no projector is running.
        """
        if not self.config.kafka:
            while self.views.project(self.follower):
                pass
            return
        end = self.app.log.max_notification_id() or 0
        for _ in range(600):
            if self.views.reached(self.service.name, end):
                return
            time.sleep(0.05)
        raise TimeoutError(
            f"the read models of {self.service.name} have not reached {self.service.name}:{end}"
        )

    def behind(self) -> list[str]:
        """The sources of which the read models have not received all facts (embedded)."""
        return [
            source
            for source, log in {self.service.name: self.app, **{one.name: one for one in self.logs}}.items()
            if not self.config.kafka
            and (end := log.log.max_notification_id() or 0)
            and not self.views.reached(source, end)
        ]

    def unready(self) -> list[str]:
        """Why the service is unready: database unavailable, tables of another release, views being built."""
        try:
            problem = schema_problem(self.config, self.app.log)
            return (
                [problem] if problem else [f"view {name} is being built" for name in self.views.being_built()]
            )
        except UNAVAILABLE as error:
            return [f"the database is away: {error}"]

    def notes(self) -> list[Title]:
        """What is not as it should be though the service is ready: its clock was set back."""
        try:
            behind = self.app.clock_is_behind(portions=LOOKED_THROUGH)
        except UNAVAILABLE:
            return []
        said = Title(
            f"时钟被拨回：日志中有比现在晚 {behind} 的记录时间",
            f"the clock went backwards: the log has recorded moments up to {behind} later than now",
        )
        return [said] if behind else []

    def _watched(self) -> CollectorRegistry:
        """The counters of a web process, and what of a worker's gauges concerns whoever reads there too."""
        registry = CollectorRegistry()
        registry.register(Gauges(self.service.name, self._clock_behind))
        return registry

    def _clock_behind(self) -> list[Sample]:
        try:
            return [(CLOCK_BEHIND, CLOCK_BEHIND.read(self))]
        except UNAVAILABLE:
            return []

    @property
    def followers(self) -> dict[str, Follower]:
        """The follower of each consumer."""
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
        """Discard parked records that are no events of this suite; returns how many."""
        strangers = [(consumer, row) for consumer, row in self.parked() if row.position < 0]
        for consumer, row in strangers:
            (self.reactor if consumer == "react" and self.reactor else self.views).discard(row)
        return len(strangers)

    def holes(self) -> list[tuple[str, str, int, int, int]]:
        """Consumer, source, partition, and the positions between which nothing was received."""
        of_reactions = self.reactor.holes() if self.reactor else []
        return [("react", *hole) for hole in of_reactions] + [
            ("project", *hole) for hole in self.views.holes()
        ]

    def web(self) -> Flask:
        """The service's HTTP app; 503 while the tables are not those of this release."""
        verify = verifier_of(self.config, self.clock)
        app = create_app(
            self.service.name,
            config=self.config,
            clock=self.clock,
            blueprints=[*self.service.blueprints, proof_blueprint(self.service.name)],
            title=self.service.title,
            verify=verify,
            may_act=self._may_act(),
            readiness=lambda: [*self.unready(), *verify.unready()],
            standing=lambda: shown(self.config.data, self.service.name),
            notes=self.notes,
            registry=self._watched(),
            extras={"runtime": self},
        )

        def gate() -> None:
            if request_ctx.request.path.startswith("/api/"):
                self._must_have_its_tables()

        app.before_request(gate)
        return app

    def _must_have_its_tables(self) -> None:
        """Raises StoreUnavailable while the tables are not those of this release."""
        if schema_problem(self.config, self.app.log):
            raise StoreUnavailable

    def _may_act(self) -> Callable[[Identity], None]:
        """Whether a token's post acts, by the register of units and posts; a service that keeps none asks nothing.

        The register's own log is asked where it is at hand. Over a broker it may be behind: before somebody is refused,
        what may be on its way is waited for.
        """
        if PostsView.name not in self.views.views:
            return lambda identity: None
        kept = next((one.log for one in self.logs if one.name == REGISTRAR), None)
        held = HeldPosts(
            (lambda: self.app.reference) if kept is None else Register(kept).now,
            self.config.without_post,
            wait=self.config.read_wait_seconds if kept is None and self.service.name != REGISTRAR else 0.0,
        )

        def check(identity: Identity) -> None:
            self._must_have_its_tables()
            held(identity)

        return check

    def close(self) -> None:
        """Close files and connections."""
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


def seals(app: Application, personal_data: KeyStore) -> KeyStore:
    """Seal the personal data of the application's new events with this key store."""
    assert isinstance(app.mapper, WireMapper)
    app.mapper.seal = personal_data.seal
    return personal_data


def open_service(
    service: Service,
    config: Config,
    clock: Clock,
    *,
    timeout: float = TIMEOUT,
    wait: float = 0.0,
) -> Runtime:
    """Open a service, also while its database is unavailable. On SQLite missing files and tables are created.

    ``timeout``: seconds for one wait on the database; ``wait``: seconds that a poll waits for messages.
    """
    config.data.mkdir(parents=True, exist_ok=True)
    pool_size = config.web_threads + 1
    views = Views(
        config.views_place(service.name),
        [kind() for kind in service.views],
        clock,
        timeout=timeout,
        pool_size=pool_size,
    )
    if not config.database:
        migrate_files(service, config, views, clock)
    personal_data = KeyStore(config, clock, timeout=timeout, pool_size=pool_size)
    app = service.application(log_settings(config, service.name, timeout=timeout, pool_size=pool_size), clock)
    app.personal_data = seals(app, personal_data)
    app.views, app.reference, app.config = views, app.reference_from(views), config
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
            lambda batch: batch.source == service.name,  # its own facts: clients read their own writes
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
