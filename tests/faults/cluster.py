"""A small suite on a real PostgreSQL and a real broker: every role a process, every link through a proxy."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psycopg
from kafka import KafkaAdminClient

from deploy.stack import Broker, Postgres, free_port
from services.processes import Process, environment, web_of, worker_of
from services.suite import SUITE, make_topics, migrate_suite
from shared.domain.clock import SteppedClock
from shared.domain.roles import Role
from shared.messaging.transport.kafka.client import partition_of
from shared.personal_data.master import make_master
from shared.process.config import Config
from shared.runtime.opening import Runtime, open_service
from shared.testing import WITHOUT_POST, shanghai
from shared.web.auth import issue_token, load_key
from tests.faults.proxy import Proxy

NOW = shanghai("2021-01-04 09:00")
"""The suite's clock stands here: deadlines are not what these tests are about."""
DEADLINE = 120.0
"""Seconds within which everything must have come true that the suite does by itself, on a loaded machine."""
SESSION_SECONDS = 4.0
FOLLOWED = ("assignment", "supervision")
"""The services that say something in these tests."""


def until(reached: Callable[[], Any], what: Callable[[], object], seconds: float = DEADLINE) -> Any:
    """Wait until something is so, and give it. AssertionError with ``what`` after the deadline."""
    end = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what()}"
        time.sleep(0.05)
    return found


def delete_topics(broker: Broker, *topics: str) -> None:
    """Those that there are; returns when they are gone."""
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:

        def left() -> set[str]:
            return set(topics) & set(admin.list_topics())

        if there := sorted(left()):
            admin.delete_topics(there)
            until(lambda: not left(), lambda: there)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An event as it stands in its service's log."""

    service: str
    position: int
    aggregate: str
    version: int
    topic: str
    state: dict[str, Any]

    @property
    def id(self) -> str:
        """CloudEvents ``id``."""
        return f"{self.service}/{self.aggregate}/{self.version}"


class Member:
    """One process of the cluster, which can be killed and started again."""

    def __init__(self, service: str, role: str, process: Process, port: int) -> None:
        self.service, self.role, self.process = service, role, process
        self.port = port
        """Where it answers: the API of a web process, else /readyz and /metrics."""

    @property
    def name(self) -> str:
        """``assignment relay 1``."""
        return self.process.name

    @property
    def pid(self) -> int:
        """Of the process as it runs now."""
        assert self.process.handle is not None
        return self.process.handle.pid

    def ready(self) -> bool:
        """Whether it does its work. AssertionError if it has ended by itself."""
        assert self.process.ended() is None, f"{self.name} ended with {self.process.ended()}:\n{self.tail()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def metrics(self) -> dict[str, float]:
        """``name{labels}`` → value, as it shows them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over whatever other labels it has."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for text, value in self.metrics().items()
            if text.partition("{")[0] == name and all(one in text for one in wanted)
        )

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of this event in its log, of all its lives."""
        assert self.process.log_file is not None
        lines = self.process.log_file.read_text("utf-8", "replace").splitlines()
        found = [msgspec.json.decode(line) for line in lines if f'"event": "{event}"' in line]
        return [line for line in found if line["event"] == event]

    def tail(self) -> str:
        """The end of its log."""
        assert self.process.log_file is not None
        return "\n".join(self.process.log_file.read_text("utf-8", "replace").splitlines()[-15:])


class Cluster:
    """The stack, the proxies and the processes; ``with`` starts and ends them.

    ``roles``: service, role, and how many processes. ``links``: ``web`` and ``work``, to PostgreSQL, and ``kafka``.
    """

    def __init__(self, folder: Path, roles: Sequence[tuple[str, str, int]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.clock = SteppedClock(folder / "clock")
        self.clock.set(NOW)
        self.postgres = Postgres(folder / "postgres")
        kafka_port = free_port()
        self.broker = Broker(folder / "broker", advertised_port=kafka_port)
        self.links = {
            "web": Proxy(self.postgres.port),
            "work": Proxy(self.postgres.port),
            "kafka": Proxy(self.broker.port, kafka_port),
        }
        self.direct = Config(
            data=folder / "data",
            clock=f"file:{folder / 'clock'}",
            poll_seconds=0.05,
            without_post=WITHOUT_POST,
            log_level="info",
            database=self.postgres.url("duban_{service}"),
            kafka=self.broker.bootstrap,
            kafka_session_seconds=SESSION_SECONDS,
            master_key=folder / "master.key",
        )
        """For the test's own looking, past the proxies."""
        self._roles = roles
        self.history: list[Any] = []
        """Every command that was given."""
        self.members: list[Member] = []
        self._numbers = count(1)
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _open(self) -> None:
        # Whatever becomes of this process, those that it started end with it.
        self._reaper = subprocess.Popen(
            [
                "sh",
                "-c",
                'while read -r p; do [ "$p" = end ] && exit; all="$all -$p"; done; kill -s KILL -- $all',
            ],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.direct.data.mkdir(exist_ok=True)
        load_key(self.direct.data)  # before the processes look for it
        make_master(self.folder / "master.key")
        self.postgres.start()
        for database in (*SUITE, "keys"):
            self.postgres.create_database(f"duban_{database}")
        self.broker.start()
        list(migrate_suite(self.direct, self.clock))
        make_topics(self.direct)
        supervision = self.open("supervision")
        supervision.start("tick")  # its first act is to release the rulebook, which cases need
        supervision.close()
        for service, role, number in self._roles:
            for _ in range(number):
                self.add(service, role)
        self.wait_until_ready()

    def _close(self) -> None:
        for link in self.links.values():
            link.passing()
        for member in self.members:
            self.resume(member)
            member.process.ask_to_stop()
        for member in self.members:
            member.process.stop()
        if self._reaper is not None:
            self._reaper.communicate(b"end\n")
        self.broker.stop()
        self.postgres.stop()
        for link in self.links.values():
            link.close()

    # -- processes -------------------------------------------------------------------------------------------

    def config_of(self, role: str) -> Config:
        """What a process of this role is given: the way through the proxies."""
        link = self.links["web" if role == "web" else "work"]
        return replace(
            self.direct,
            database=self.postgres.url("duban_{service}", link.port),
            kafka=f"127.0.0.1:{self.links['kafka'].port}",
        )

    def add(self, service: str, role: str, **defect: str) -> Member:
        """Start one process more; with a ``defect`` (see defective.py) through the entry point that has them."""
        number = next(self._numbers)
        port = free_port()
        log_file = self.folder / f"{service}-{role}-{number}.log"
        config = self.config_of(role)
        if role == "web":
            process = web_of(service, config, port, log_file)
        else:
            process = worker_of(service, replace(config, health_port=port), log_file, role)
        process.name = f"{service} {role} {number}"
        if defect:
            process.arguments = ["tests.faults.defective", service, role]
            process.settings = dict(process.settings)
            process.settings |= {f"FAULTS_{name.upper()}": value for name, value in defect.items()}
        member = Member(service, role, process, port)
        self.members.append(member)
        self.start(member)
        return member

    def start(self, member: Member) -> None:
        """Start it (again)."""
        member.process.start()
        assert self._reaper is not None
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(f"{member.pid}\n".encode())
        self._reaper.stdin.flush()

    def stop(self, *members: Member) -> None:
        """End them in order, to be started again."""
        for member in members:
            member.process.ask_to_stop()
        for member in members:
            assert member.process.stop() == 0, f"{member.name}: {member.tail()}"

    def remove(self, *members: Member) -> None:
        """End them in order and forget them."""
        self.stop(*members)
        self.members = [one for one in self.members if one not in members]

    def kill(self, member: Member) -> None:
        """``kill -9``."""
        member.process.kill()

    def suspend(self, member: Member) -> None:
        """SIGSTOP."""
        os.killpg(member.pid, signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        """SIGCONT."""
        if member.process.ended() is None:
            os.killpg(member.pid, signal.SIGCONT)

    def of(self, service: str, role: str) -> list[Member]:
        """The processes of one role."""
        return [one for one in self.members if (one.service, one.role) == (service, role)]

    def wait_until_ready(self, *, but: Collection[Member] = ()) -> None:
        """All of them that run, ``but`` some."""
        for member in self.members:
            if member not in but and member.process.ended() is None:
                until(member.ready, lambda member=member: f"{member.name}: {member.tail()}")

    def heal(self) -> None:
        """Everything runs again, every link carries."""
        for link in self.links.values():
            link.passing()
        self.postgres.start()
        self.broker.start()
        for member in self.members:
            if member.process.ended() is not None:
                self.start(member)
            self.resume(member)
        self.wait_until_ready()

    def duban(self, *arguments: str) -> str:
        """The suite's own command, past the proxies; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "services", *arguments],
            env=environment(self.direct),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # -- what there is ---------------------------------------------------------------------------------------

    def rows(self, service: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read in a service's database, past the proxies."""
        with psycopg.connect(self.postgres.url(f"duban_{service}"), autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def write(self, service: str, statement: str, **parameters: Any) -> None:
        """Change something in a service's database by hand."""
        with psycopg.connect(self.postgres.url(f"duban_{service}"), autocommit=True) as connection:
            connection.execute(statement, parameters)  # type: ignore[arg-type]

    def log(self, service: str) -> list[Stored]:
        """A service's whole log, in order."""
        return [
            Stored(
                service=service,
                position=position,
                aggregate=str(aggregate),
                version=version,
                topic=topic,
                state=msgspec.json.decode(bytes(state)),
            )
            for position, aggregate, version, topic, state in self.rows(
                service,
                "SELECT notification_id, originator_id, originator_version, topic, state "
                f"FROM {service}_events ORDER BY notification_id",
            )
        ]

    def ends(self, service: str) -> dict[int, int]:
        """The last position in every partition of a service's log."""
        found: dict[int, int] = {}
        partition: dict[str, int] = {}
        for position, aggregate in self.rows(
            service, f"SELECT notification_id, originator_id FROM {service}_events ORDER BY notification_id"
        ):
            key = str(aggregate)
            if key not in partition:
                partition[key] = partition_of(key, self.direct.kafka_partitions)
            found[partition[key]] = position
        return found

    def consumers(self) -> list[tuple[str, str, Sequence[str]]]:
        """Service, consumer, and the sources that it follows, of those that run."""
        found = []
        for service, role in dict.fromkeys((one.service, one.role) for one in self.members):
            spec = SUITE[service]
            if role == "project":
                found.append((service, role, sorted({s for view in spec.views for s in view().sources})))
            elif role == "react":
                assert spec.reactions is not None
                found.append((service, role, sorted({t.partition(".")[0] for t in spec.reactions.handlers})))
        return found

    def dead(self) -> list[str]:
        """A line for each process that has ended though nobody asked it to."""
        return [
            f"{one.name} ended with {code}:\n{one.tail()}"
            for one in self.members
            if (code := one.process.ended()) is not None and not one.process.asked_to_stop
        ]

    def behind(self) -> list[str]:
        """What is still on its way: a line for each relay and consumer that is not at the end."""
        found = []
        ends = {service: self.ends(service) for service in FOLLOWED}
        for service, end in ends.items():
            at = self.rows(service, "SELECT position FROM relay_marks WHERE service=%s", service)
            if end and (not at or at[0][0] < max(end.values())):
                found.append(f"relay of {service}: {at} of {max(end.values())}")
        for service, consumer, sources in self.consumers():
            marks: dict[tuple[str, int], int] = defaultdict(int)
            for source, partition, position in self.rows(
                service, "SELECT source, partition, position FROM inbox_marks WHERE consumer=%s", consumer
            ):
                marks[source, partition] = position
            for source in set(sources) & set(FOLLOWED):
                for partition, end in ends[source].items():
                    if marks[source, partition] < end:
                        found.append(
                            f"{service} {consumer}: {source}/{partition} at {marks[source, partition]} of {end}"
                        )
        for service in FOLLOWED:
            if self.ends(service) != ends[service]:
                found.append(f"{service} goes on")
        return found

    def parked(self) -> list[str]:
        """A line for each message that is parked and each hole, in every service."""
        return [
            f"{service} {consumer}{' ' + handler if handler else ''}: {source}:{position} {aggregate} {kind}: {reason}"
            for service in FOLLOWED
            for consumer, handler, source, position, aggregate, kind, reason in self.rows(
                service,
                "SELECT consumer, handler, source, position, aggregate_id, kind, reason FROM inbox_parked "
                "ORDER BY 1, 2, 3, 4",
            )
        ] + [
            f"{service} {consumer}: hole in {source}/{partition} after {after} until {before}"
            for service in FOLLOWED
            for consumer, source, partition, after, before in self.rows(
                service, "SELECT consumer, source, partition, after, before FROM inbox_holes ORDER BY 1,2,3,4"
            )
        ]

    def quiesce(self, *, clean: bool = True) -> None:
        """Wait until everything has been published and received; with ``clean``, until nothing is parked or missing."""
        assert not (dead := self.dead()), "\n".join(dead)
        until(
            lambda: self.dead() or (not self.behind() and not (clean and self.parked())),
            lambda: "\n".join([*self.behind(), *self.parked()][:20]),
        )
        assert not (dead := self.dead()), "\n".join(dead)

    def open(self, service: str) -> Runtime:
        """A service opened in this process, past the proxies; the caller closes it."""
        return open_service(SUITE[service], self.direct, self.direct.make_clock(), timeout=60)

    def view_rows(self) -> dict[str, dict[str, Any]]:
        """Every row of every live view: ``service.view/id`` → row."""
        found = {}
        for service in FOLLOWED:
            runtime = self.open(service)
            with runtime.views.reading() as connection:
                for name in runtime.views.views:
                    table = runtime.views.table(connection, name)
                    for row in connection.execute(table.select()):
                        found[f"{service}.{name}/{row.id}"] = dict(row._mapping)
            runtime.close()
        return found

    def token(self, post: str, role: Role) -> str:
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


def moment_of(line: Mapping[str, Any]) -> float:
    """When a log line was written: seconds since the epoch."""
    return datetime.fromisoformat(re.sub("Z$", "+00:00", str(line["timestamp"]))).timestamp()
