"""The ground on which benchmarks stand: a real database and broker, services as processes, requests timed."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from deploy.stack import Broker, Postgres, ensure_programs
from services.processes import Process
from services.suite import SUITE
from shared.domain.roles import Role
from shared.messaging.transport.kafka.topics import apply_topics
from shared.personal_data.keystore import migrate_keys
from shared.personal_data.master import make_master
from shared.process import logs
from shared.process.config import Config
from shared.runtime.schema import migrate
from shared.testing import WITHOUT_POST
from shared.web.auth import issue_token, load_key

Request = tuple[str, dict[str, object], dict[str, str]]
"""Path, body and headers of a POST."""


@dataclass
class Ground:
    """A folder with a running PostgreSQL and, if it was asked for, a broker; ``config`` names both."""

    folder: Path
    config: Config
    postgres: Postgres
    broker: Broker | None

    def migrate(self, *services: str, clock: Callable[[], datetime]) -> None:
        """Databases with the tables of these services; where there is a broker, the topics of all."""
        for name in services:
            self.postgres.create_database(urlsplit(self.config.database_of(name)).path.lstrip("/"))
            migrate(SUITE[name], self.config, clock)
        self.postgres.create_database(urlsplit(self.config.database_of("keys")).path.lstrip("/"))
        migrate_keys(self.config, clock)
        if self.broker is not None:
            apply_topics(self.config, dict.fromkeys(SUITE, ()))


@contextmanager
def ground(*, broker: bool = False, **settings: Any) -> Iterator[Ground]:
    """Start them, empty, and take them away again."""
    ensure_programs()
    logs.configure("error")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="duban-bench-")))
        postgres = stack.enter_context(Postgres(folder / "postgres"))
        running = stack.enter_context(Broker(folder / "broker")) if broker else None
        config = Config(
            data=folder / "data",
            database=postgres.url("duban_{service}"),
            kafka=running.bootstrap if running else "",
            kafka_session_seconds=10.0,
            log_level="error",
            without_post=WITHOUT_POST,
            master_key=folder / "data" / "master.key",
        )
        make_master(folder / "data" / "master.key")
        yield Ground(folder, replace(config, **settings), postgres, running)


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Start them; stop them in order. RuntimeError if one did not end cleanly."""
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.ask_to_stop()
        codes = {process.name: process.stop() for process in processes}
    if any(codes.values()):
        raise RuntimeError(f"did not end cleanly: {codes}")


def ready(port: int) -> None:
    """Wait until a web process answers that it is ready. RuntimeError after a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # not listening yet: asked again
        time.sleep(0.1)
    raise RuntimeError(f"nothing is ready on port {port}")


def token(config: Config, now: datetime, *, unit: str, post: str, role: Role) -> str:
    """A token for an hour."""
    return issue_token(
        load_key(config.data),
        post=post,
        unit=unit,
        role=role,
        now=now,
        lifetime=timedelta(hours=1),
        issuer=config.token_issuer,
        audience=config.token_audience,
    )


def post(connection: http.client.HTTPConnection, path: str, body: object, headers: dict[str, str]) -> Any:
    """POST JSON; the answer's body. RuntimeError if it is refused."""
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 400:
        raise RuntimeError(f"{answer.status} {text.decode()}")
    return json.loads(text)


def rate(port: int, writes: int, make: Callable[[int], Request]) -> float:
    """So many POSTs one after the other on one connection: how many a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for number in range(writes):
        post(connection, *make(number))
    seconds = time.perf_counter() - started
    connection.close()
    return writes / seconds
