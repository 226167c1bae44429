"""The command line of one service: ``python -m services.<name> web | worker | project | react | tick``."""

import os
import signal
import sys
import threading

import click

from shared import logs
from shared.config import Config, Misconfigured
from shared.refusal import Refusal
from shared.rulebook import BadRulebook, load_rulebook
from shared.service import Runtime, Service, open_service
from shared.web.server import serve
from shared.worker import work

MISCONFIGURED = 2
"""The exit code of a process that does not start because of its settings: starting it again would not help."""

ROLES = ("web", "worker", "project", "react", "tick")


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set: the worker ends after the step it is in."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def settings() -> Config:
    """The configuration of this process; a faulty one ends it with exit code 2 and the variable's name."""
    try:
        config = Config.from_environment(os.environ)
        load_rulebook(config.rulebook)
    except (Misconfigured, BadRulebook) as error:
        click.echo(f"duban: {error}", err=True)
        sys.exit(MISCONFIGURED)
    logs.configure(config.log_level)
    return config


def run(service: Service, role: str, config: Config) -> None:
    """Be one role of one service until told to stop."""
    if role == "web":
        serve(
            lambda: open_service(service, config, config.make_clock()).web(),
            host=config.host,
            port=config.port,
            log_level=config.log_level,
        )
        return
    stop = stop_on_signals()
    runtime = open_service(service, config, config.make_clock())
    try:
        if role in ("worker", "tick"):
            start(runtime)
        work(runtime.steps(role), stop, config.poll_seconds)
    finally:
        runtime.close()


def start(runtime: Runtime) -> None:
    """The worker's first acts; what they refuse (a rulebook changed without a new version) ends it with exit code 2."""
    try:
        runtime.start()
    except Refusal as refusal:
        click.echo(f"duban: {refusal.text('zh')}\n{refusal.text('en')}", err=True)
        sys.exit(MISCONFIGURED)


def main(service: Service) -> None:
    """Entry point of ``python -m services.<name>``."""

    @click.command(
        help=f"{service.title}\n\nROLE: {' | '.join(ROLES)}. Settings come from DUBAN_* variables."
    )
    @click.argument("role", type=click.Choice(ROLES))
    def command(role: str) -> None:
        run(service, role, settings())

    command(prog_name=f"python -m services.{service.name}")
