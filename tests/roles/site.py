"""A suite in databases of its own, every role a process, and clients who speak HTTP to it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from deploy.stack import Broker, Postgres, free_port
from services.processes import environment, web_of, worker_of
from services.suite import SUITE, make_topics
from shared.domain.clock import SteppedClock, system_clock
from shared.domain.roles import Role
from shared.messaging.transport.kafka.client import topic_of
from shared.personal_data.keystore import migrate_keys
from shared.personal_data.master import make_master
from shared.process.config import Config
from shared.runtime.opening import Runtime, open_service
from shared.runtime.schema import migrate
from shared.testing import WITHOUT_POST, shanghai
from shared.web.auth import issue_token, load_key
from tests.faults.cluster import Member, delete_topics, until
from tests.faults.proxy import Proxy

LONG = os.environ.get("DUBAN_FAULTS") == "long"
NOW = shanghai("2021-01-04 09:00")
RETURN = 15.0
"""Seconds after the return of what was away within which everything must work again."""
_names = count(1)


@dataclass
class Stack:
    """The real components, and the links to them."""

    postgres: Postgres
    broker: Broker
    database: Proxy
    kafka: Proxy
    _migrated: bool = False

    def make_database(self, name: str, of: str | None) -> None:
        """A new one: empty, or with the tables of a service."""
        if of is not None and not self._migrated:
            config = Config(database=self.postgres.url("template_{service}"))
            for service in SUITE.values():
                self.postgres.create_database(f"template_{service.name}")
                migrate(service, config, system_clock)
            self._migrated = True
        template = "template1" if of is None else f"template_{of}"
        self.postgres.psql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def heal(self) -> None:
        """Everything runs, every link carries."""
        self.database.passing()
        self.kafka.passing()
        self.postgres.start()
        self.broker.start()


@dataclass(frozen=True)
class Answer:
    """What a server answered, and after how many seconds."""

    status: int
    headers: dict[str, str]
    body: Any
    seconds: float

    def is_away(self) -> bool:
        """Whether it says that the database is away, as it should."""
        return (
            self.status == 503
            and self.headers.get("Content-Type") == "application/problem+json"
            and self.headers.get("Retry-After", "").isdigit()
            and self.body["status"] == 503
        )


class Site:
    """A suite; ``with`` ends its processes and heals the stack.

    Without a ``stack`` it is on SQLite; without ``kafka`` the services read each other's logs.
    """

    def __init__(
        self,
        stack: Stack | None,
        folder: Path,
        *,
        kafka: bool = True,
        migrated: bool = True,
        session: float = 6.0,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.stack = folder, stack
        self.clock = SteppedClock(folder / "clock")
        self.clock.set(NOW)
        self.members: list[Member] = []
        config = Config(
            data=folder / "data",
            clock=f"file:{folder / 'clock'}",
            poll_seconds=0.05,
            without_post=WITHOUT_POST,
            kafka_session_seconds=session,
            kafka_partitions=3,
        )
        config.data.mkdir()
        load_key(config.data)
        make_master(config.data / "master.key")
        self.direct = self.config = config
        if stack is not None:
            database = f"r{os.getpid()}_{next(_names)}_{{service}}"
            self.direct = replace(
                config,
                master_key=config.data / "master.key",
                database=stack.postgres.url(database),
                kafka=stack.broker.bootstrap if kafka else "",
            )
            """For the test's own looking, past the proxies."""
            self.config = replace(
                self.direct,
                database=stack.postgres.url(database, stack.database.port),
                kafka=f"127.0.0.1:{stack.kafka.port}" if kafka else "",
            )
            if kafka:
                self._make_topics(stack)
            for service in SUITE:
                stack.make_database(self.database_of(service), service if migrated else None)
            stack.make_database(self.database_of("keys"), None)
            if migrated:
                migrate_keys(self.direct, system_clock)
        # Whatever becomes of this process, those that it started end with it.
        self._reaper = subprocess.Popen(
            ["sh", "-c", 'while read -r p; do [ "$p" = end ] && exit; all="$all -$p"; done; kill -9 -- $all'],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs and remove the databases; nothing happens the second time."""
        for member in self.members:
            self.kill(member)
        self.members.clear()
        if self._reaper.poll() is not None:
            return
        self._reaper.communicate(b"end\n")
        if self.stack is not None:
            self.stack.heal()
            for service in (*SUITE, "keys"):
                self.stack.postgres.psql(f'DROP DATABASE "{self.database_of(service)}" WITH (FORCE)')

    def database_of(self, service: str) -> str:
        """The name of a service's database."""
        return self.direct.database_of(service).rpartition("/")[2]

    def _make_topics(self, stack: Stack) -> None:
        """Empty ones: what they held belonged to another test's databases."""
        delete_topics(stack.broker, *map(topic_of, SUITE))
        make_topics(self.direct)

    # -- processes -------------------------------------------------------------------------------------------

    def add(self, service: str, role: str, **changes: Any) -> Member:
        """Start one process more; ``changes`` of its configuration."""
        number = 1 + sum(one.service == service and one.role == role for one in self.members)
        port = free_port()
        log_file = self.folder / f"{service}-{role}-{number}.log"
        config = replace(self.config, **changes)
        if role == "web":
            process = web_of(service, config, port, log_file)
        else:
            process = worker_of(service, replace(config, health_port=port), log_file, role)
        process.name = f"{service} {role} {number}"
        member = Member(service, role, process, port)
        self.members.append(member)
        self.start(member)
        return member

    def start(self, member: Member) -> None:
        """Start it (again)."""
        member.process.start()
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(f"{member.pid}\n".encode())
        self._reaper.stdin.flush()

    def kill(self, member: Member) -> None:
        """``kill -9`` for the process and its children."""
        if member.process.ended() is None:
            os.killpg(member.pid, signal.SIGKILL)
            member.process.kill()

    def wait_until_ready(self, *members: Member) -> None:
        """These, or all."""
        for member in members or self.members:
            until(lambda one=member: one.ready(), lambda one=member: f"{one.name}:\n{one.tail()}")

    def duban(self, *arguments: str) -> "subprocess.Popen[str]":
        """``duban …``, past the proxies; not waited for."""
        return subprocess.Popen(
            [sys.executable, "-m", "services", *arguments],
            env=environment(self.direct),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def open(self, service: str) -> Runtime:
        """A service opened in this process, past the proxies; the caller closes it."""
        return open_service(SUITE[service], self.direct, self.direct.make_clock(), timeout=60)

    # -- looking ---------------------------------------------------------------------------------------------

    def tail(self) -> str:
        """The end of each process's log."""
        return "\n".join(f"{one.name}: {one.tail()}" for one in self.members)

    def rows(self, service: str, sql: str, *parameters: Any) -> list[Any]:
        """What a service's own database holds, past the proxies."""
        with psycopg.connect(self.direct.database_of(service), autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()  # type: ignore[arg-type]

    def token(self, post: str = "office/director", role: Role = Role.government_office) -> str:
        """A bearer token of whoever holds the post."""
        return issue_token(
            load_key(self.direct.data),
            post=post,
            unit=post.partition("/")[0],
            role=role,
            now=NOW,
            lifetime=timedelta(days=3650),
            issuer=self.direct.token_issuer,
            audience=self.direct.token_audience,
        )


class Client:
    """Somebody with a token who asks one web process."""

    def __init__(self, site: Site, web: Member, **who: Any) -> None:
        self.port, self._token = web.port, site.token(**who)
        self._keys = count(1)
        self.name = f"{os.urandom(4).hex()}"

    def get(self, path: str, timeout: float = 30.0) -> Answer:
        """GET; OSError if nobody answers."""
        return ask(self.port, "GET", path, {"Authorization": f"Bearer {self._token}"}, None, timeout)

    def post(self, path: str, body: Any, timeout: float = 30.0, **headers: str) -> Answer:
        """POST with a key of its own unless one is given: ``Idempotency_Key``, ``If_Match``."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"Idempotency-Key": f"{self.name}-{next(self._keys)}", **given}
        given |= {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return ask(self.port, "POST", path, given, json.dumps(body), timeout)

    def register_unit(self, name: str, timeout: float = 30.0) -> Answer:
        """The command that needs nothing before it."""
        return self.post(
            "/api/v1/units", {"id": name, "name": f"{name}局", "kind": "department"}, timeout=timeout
        )


def ask(
    port: int, method: str, path: str, headers: dict[str, str], body: str | None, timeout: float
) -> Answer:
    """One request on a connection of its own. Raises OSError or HTTPException if it is not answered."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    is_json = "json" in (answer.getheader("Content-Type") or "")
    return Answer(
        answer.status,
        dict(answer.headers),
        json.loads(text) if is_json else text.decode(),
        time.monotonic() - began,
    )


def asked(member: Member, path: str) -> int:
    """The status of a process's answer; 0 while nobody listens."""
    try:
        return ask(member.port, "GET", path, {}, None, 15).status
    except OSError:
        return 0
