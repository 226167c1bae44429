"""The suite's processes: started, watched, restarted, stopped; and the web process that serves all services."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from services.audit.web import web as audit_web
from services.suite import SUITE, open_suite
from shared.domain.words import Title
from shared.personal_data.keystore import check_keys
from shared.process import logs
from shared.process.config import Config
from shared.process.scratch import remove_leftovers
from shared.process.standing import Board, forget
from shared.runtime.roles import MISCONFIGURED
from shared.web.server import dispatch, serve

log = logs.log("suite")

GRACE_SECONDS = 15.0
"""Seconds that a process may take to finish its present step before it is killed."""
REST_SECONDS = 60.0
"""Seconds until a worker that died five times within a minute is started again."""


def environment(config: Config, **changes: object) -> dict[str, str]:
    """This process's environment with the configuration spelled out, for a process of the suite."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUBAN_")}
    settings = {f"DUBAN_{one.name.upper()}": getattr(config, one.name) for one in fields(config)}
    settings["DUBAN_DATA"] = config.data.resolve()
    settings |= changes
    return {**kept, **{name: str(value) for name, value in settings.items() if value is not None}}


@dataclass
class Process:
    """One process of the suite."""

    name: str
    arguments: list[str]
    settings: Mapping[str, str]
    log_file: Path | None = None
    grace: float = GRACE_SECONDS
    handle: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    asked_to_stop: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start it (again)."""
        self.asked_to_stop = False
        output = None if self.log_file is None else self.log_file.open("ab")
        self.handle = subprocess.Popen(
            [sys.executable, "-m", *self.arguments],
            env=dict(self.settings),
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends its children in order
        )
        if output is not None:
            output.close()

    def ended(self) -> int | None:
        """Its exit code, or None while it runs."""
        return None if self.handle is None else self.handle.poll()

    def kill(self) -> None:
        """``kill -9`` for it and the processes that it started: as a power cut would."""
        if self.handle is not None and self.handle.poll() is None:
            os.killpg(self.handle.pid, signal.SIGKILL)  # a web process's workers would keep its port a while
            self.handle.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM, once: a second one would cut short what it still has in hand."""
        if self.handle is not None and self.handle.poll() is None and not self.asked_to_stop:
            self.asked_to_stop = True
            self.handle.terminate()

    def stop(self) -> int:
        """SIGTERM, wait, and only then kill; its exit code."""
        if self.handle is None:
            return 0
        self.ask_to_stop()
        try:
            return self.handle.wait(self.grace)
        except subprocess.TimeoutExpired:
            log.error("killed_after_grace", process=self.name, seconds=self.grace)
            self.kill()
            return 1


def worker_of(service: str, config: Config, log_file: Path | None = None, role: str = "worker") -> Process:
    """A worker process of a service, in one role or in all."""
    return Process(f"{service} {role}", [f"services.{service}", role], environment(config), log_file)


def web_of(service: str, config: Config, port: int, log_file: Path | None = None) -> Process:
    """A service's own web process on a port of its own."""
    settings = environment(config, DUBAN_PORT=port)
    return Process(f"{service} web", [f"services.{service}", "web"], settings, log_file, web_grace(config))


def web_grace(config: Config) -> float:
    """Seconds that a web process may take to end."""
    return GRACE_SECONDS + config.drain_seconds


def serve_web(config: Config) -> None:
    """The HTTP face of all four services, and of the audit over them, on one port; ends the process."""
    check_keys(config, config.make_clock())

    def make() -> object:
        clock = config.make_clock()
        suite = open_suite(config, clock)
        apps = {name: runtime.web() for name, runtime in suite.items()}
        return dispatch({**apps, "audit": audit_web(config, clock)})

    serve(make, config)  # type: ignore[arg-type]


def health_ports(config: Config) -> dict[str, int]:
    """Where each worker of ``duban serve`` answers about itself: at ``DUBAN_HEALTH_PORT`` and the ports after it."""
    return {
        service: config.health_port and config.health_port + number for number, service in enumerate(SUITE)
    }


@dataclass
class Watched:
    """A process that is started again when it dies, and less often while it dies again and again."""

    process: Process
    board: Board | None
    """Where it is said that a worker keeps dying; None: the suite ends with this process."""
    deaths: list[float] = field(default_factory=list)
    next_start: float = 0.0

    def look(self) -> bool:
        """Start it again if it has died; False if the suite must end for it."""
        now, code = time.monotonic(), self.process.ended()
        if self.next_start:
            if now >= self.next_start:
                self.next_start = 0.0
                self.process.start()
            return True
        if code is None:
            if self.board is not None and self.deaths and now - self.deaths[-1] > REST_SECONDS:
                self.board.show({})  # it has lived long enough
            return True
        first, self.deaths = not self.deaths, [*(one for one in self.deaths if now - one < 60), now]
        log.error(
            "process_died", process=self.process.name, exit_code=code, times_in_a_minute=len(self.deaths)
        )
        often = len(self.deaths) >= 5 or code == MISCONFIGURED
        if often and (self.board is None or (code == MISCONFIGURED and first)):
            return False
        if not often:
            self.process.start()
            return True
        assert self.board is not None
        self.board.show(
            {"worker": Title(f"进程反复退出（退出码 {code}）", f"it keeps ending (exit code {code})")}
        )
        self.next_start = now + REST_SECONDS
        return True


def supervise(config: Config) -> int:
    """Run the whole suite until SIGTERM or Ctrl-C; 0 after a clean stop.

    A process that dies is started again. The suite ends with 1 if the web process dies five times within a minute, or
    a process says at its first start that it is misconfigured. A worker that keeps dying leaves the web process alone:
    ``/readyz`` tells.
    """
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopping.append(got))
    web = Process("web", ["services", "web"], environment(config), grace=web_grace(config))
    watched = [Watched(web, None)]
    watched += [
        Watched(worker_of(name, replace(config, health_port=port)), Board(config.data, name, "process"))
        for name, port in health_ports(config).items()
    ]
    forget(config.data)  # what a killed suite has left
    for one in watched:
        one.process.start()
    failed = False
    while not stopping and not failed:
        time.sleep(0.2)
        failed = not all(stopping or one.look() for one in watched)
    codes = {web.name: web.stop()}  # first, and the workers go on: what it still answers shall be up to date
    for one in watched:
        one.process.ask_to_stop()
    codes |= {one.process.name: one.process.stop() for one in watched[1:]}
    forget(config.data)
    remove_leftovers()
    if bad := {name: code for name, code in codes.items() if code}:
        log.error("suite_ended", exit_codes=bad)
    return 1 if failed or bad else 0
