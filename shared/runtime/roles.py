"""The command line of one service: ``python -m services.<name> web | relay | project | react | tick | worker``."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial

import click
from flask import Flask

from shared.domain.refusal import Refusal
from shared.domain.words import Title
from shared.personal_data.keystore import check_keys
from shared.process import logs
from shared.process.command_line import translate
from shared.process.config import Config, Misconfigured
from shared.process.gc_tuning import tune_gc
from shared.process.metrics import REGISTRY
from shared.process.scratch import remove_leftovers
from shared.process.standing import Board, in_words
from shared.rulebook import BadRulebook, load_rulebook
from shared.runtime.gauges import gauges
from shared.runtime.opening import Runtime, open_service
from shared.runtime.schema import schema_problem
from shared.runtime.service import Service
from shared.runtime.worker import Gauges, RoleRefuses, Step, Worker, answering
from shared.web.app import create_app
from shared.web.auth import Identity, NotAuthenticated
from shared.web.oidc import read_issuers
from shared.web.server import serve

log = logs.log("worker")

MISCONFIGURED, REFUSES = 2, 3
"""Exit codes of a process with wrong settings, whom a restart would not help, and of one that refuses to go on."""


STEP_SECONDS = 5.0
"""Seconds that a stopping worker may spend in its present step; closing takes some more."""


class CutShort(BaseException):
    """A step was interrupted: it waits for an unavailable broker or database, or builds a view.

    Its transaction is rolled back, as by a crash; the next process repeats it.
    """


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set: the worker ends after its present step, or is CutShort in it."""
    stop = threading.Event()

    def told_to_stop(*_: object) -> None:
        if not stop.is_set():
            signal.setitimer(signal.ITIMER_REAL, STEP_SECONDS)
        stop.set()

    def time_is_up(*_: object) -> None:
        raise CutShort

    signal.signal(signal.SIGALRM, time_is_up)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told_to_stop)
    return stop


def settings() -> Config:
    """The configuration of this process; a faulty one ends it with exit code 2 and the variable's name."""
    try:
        config = Config.from_environment(os.environ)
        load_rulebook(config.rulebook)
        if config.issuers is not None:
            read_issuers(config.issuers)
    except (Misconfigured, BadRulebook) as error:
        click.echo(f"duban: {error}", err=True)
        sys.exit(MISCONFIGURED)
    logs.configure(config.log_level)
    return config


KAFKA_WAIT = 0.1
"""Seconds that a poll of the broker waits at least; it returns as soon as records arrive."""
WORKER_TIMEOUT = 5.0
"""Seconds for one wait on the database in a worker."""


def run(service: Service, role: str, config: Config) -> None:
    """Run one role of one service until SIGTERM or SIGINT."""
    try:
        check_keys(config, config.make_clock())
    except Misconfigured as error:
        click.echo(f"duban: {error}", err=True)
        sys.exit(MISCONFIGURED)
    if role == "web":
        serve(lambda: open_service(service, config, config.make_clock()).web(), config)
        return
    remove_leftovers([config.data, *([config.seal_folder] if config.seal_folder else [])])
    stop = stop_on_signals()
    # A role that only waits for Kafka waits in its poll; one that has more to do must not.
    waits = bool(config.kafka) and role in ("project", "react")
    runtime = open_service(
        service,
        config,
        config.make_clock(),
        timeout=WORKER_TIMEOUT,
        wait=max(config.poll_seconds, KAFKA_WAIT) if waits else 0.0,
    )
    worker = Worker(stop, alone=role != "worker")
    board = Board(config.data, service.name, "worker")

    def standing() -> dict[str, Title]:
        return {**runtime.alarms(), **worker.refusing}

    rest = partial(
        runtime.relay.wait if runtime.relay and role in ("relay", "worker") else stop.wait,
        0.0 if waits else config.poll_seconds,
    )

    def begin() -> dict[str, list[Step]]:
        while not stop.is_set() and (problem := schema_problem(config, runtime.app.log)):
            worker.unavailable = problem
            stop.wait(1)
        if not stop.is_set():
            start(runtime, role)
        tune_gc()
        return runtime.roles(role)

    health = (
        answering(
            health_of(runtime, worker, standing),
            config.host,
            config.health_port,
            Gauges(service.name, partial(gauges, runtime, role)),
        )
        if config.health_port
        else nullcontext()
    )
    try:
        with health:
            if role == "worker":
                worker.run(begin, rest, lambda: board.show(standing()))
            else:
                worker.run(begin, rest)
    except CutShort:
        log.warning("cut_short", after_seconds=STEP_SECONDS)
    except RoleRefuses:  # the log has said it
        sys.exit(REFUSES)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # closing is not cut short
        if role == "worker":
            board.show({})
        runtime.close()
    if worker.refusing:
        log.error("ended_refusing", roles=sorted(worker.refusing))
        sys.exit(REFUSES)


def health_of(runtime: Runtime, worker: Worker, standing: Callable[[], Mapping[str, Title]]) -> Flask:
    """The worker's own HTTP app."""

    def of_service(why: Mapping[str, Title]) -> dict[tuple[str, str], Title]:
        return {(runtime.service.name, role): reason for role, reason in why.items()}

    def notes() -> list[Title]:
        stands_by = runtime.relay is not None and runtime.relay.stands_by
        return [
            Title("relay 待命：由另一个进程发布", "relay stands by: another process publishes")
        ] * stands_by

    return create_app(
        runtime.service.name,
        config=runtime.config,
        clock=runtime.clock,
        blueprints=[],
        title=runtime.service.title,
        verify=refuse_every_token,
        readiness=lambda: [
            *([worker.unavailable] if worker.unavailable else []),
            *runtime.unready(),
            *in_words(
                of_service(worker.refusing)
            ),  # an alarmed relay goes on looking: a restart would not help it
        ],
        notes=lambda: [*notes(), *runtime.notes()],
        standing=lambda: of_service(standing()),
        shown=REGISTRY,
        documents={},
    )


def refuse_every_token(token: str) -> Identity:
    """A worker accepts no token."""
    raise NotAuthenticated


def start(runtime: Runtime, role: str = "worker") -> None:
    """The worker's first commands; a refusal (a rulebook changed without a new version) ends it with exit code 2."""
    try:
        runtime.start(role)
    except Refusal as refusal:
        click.echo(f"duban: {refusal.text('zh')}\n{refusal.text('en')}", err=True)
        sys.exit(MISCONFIGURED)


def main(service: Service) -> None:
    """Entry point of ``python -m services.<name>``."""
    roles = ("web", *service.roles)
    translate()

    @click.command(
        help=f"{service.title}\n\nROLE: {' | '.join(roles)}. Settings come from DUBAN_* variables."
    )
    @click.argument("role", type=click.Choice(roles))
    def command(role: str) -> None:
        run(service, role, settings())

    command(prog_name=f"python -m services.{service.name}")
