"""A whistle is blown over HTTP; how long until the notice stands in the inbox of the desk that is to see to it.

The way: enterprise web → its log → relay → Kafka → notify's reaction → its log → relay → Kafka → notify's read model.
Beside it supervision opens each whistle's case, of which notify hears too.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

from services.demo.stage import free_ports
from services.processes import Process, web_of, worker_of
from services.suite import SUITE
from shared.database import postgres
from shared.domain.case_id import case_id
from shared.domain.clock import system_clock
from shared.runtime.opening import open_service
from tests import town
from tests.bench import hops
from tests.bench.components import Ground, ground, post, ready, running, token

RATES, SECONDS, CLIENTS = (100, 50, 25, 10), 20, 8
"""Whistles a second: the first is the aim's."""
WARM_UP = 50
LOOK_SECONDS, PATIENCE = 0.2, 30.0
Send = Callable[[HTTPConnection, int, dict[str, str]], Any]
ROLES = (
    ("enterprise", "relay"),
    ("supervision", "react"),
    ("supervision", "relay"),
    ("notify", "react"),
    ("notify", "relay"),
    ("notify", "project"),
)
"""Beside enterprise's web process: the processes that the way leads through, and those that open the case."""


def run() -> list[str]:
    """The report's lines."""
    with ground(broker=True) as here:
        here.postgres.psql("ALTER SYSTEM SET track_commit_timestamp = on")
        here.postgres.stop()
        here.postgres.start()
        here.migrate("assignment", "enterprise", "supervision", "notify", clock=system_clock)
        town.establish(here.config)
        (port,) = free_ports(1)
        web = web_of("enterprise", here.config, port)
        workers = [worker_of(service, here.config, role=role) for service, role in ROLES]
        with running(web, *workers):
            ready(port)
            clerk = token(here.config, system_clock(), **town.CLERK)
            blowing = Blowing(here, port, clerk, _table_of_notices(here), [web, *workers])
            blowing.measure(WARM_UP)
            lines = [blowing.measure(rate) for rate in RATES]
        assert here.broker is not None
        bare, cpu = hops.run(here.broker.bootstrap, RATES[0], SECONDS)
    lines.append(
        f"the same two Kafka hops without any processing: raw kafka-python, one process each, {RATES[0]}/s for "
        f"{SECONDS} s: p50 {bare[len(bare) // 2]:.0f} ms, p99 {bare[len(bare) * 99 // 100]:.0f} ms, "
        f"{cpu:.1f} ms of processor time per message in both, without broker and sender"
    )
    return lines


def _table_of_notices(here: Ground) -> str:
    runtime = open_service(SUITE["notify"], here.config, system_clock)
    try:
        with runtime.views.reading() as connection:
            return runtime.views.table(connection, "notices").name
    finally:
        runtime.close()


class Blowing:
    """Clients that blow whistles over HTTP."""

    def __init__(self, here: Ground, port: int, clerk: str, table: str, processes: Sequence[Process]) -> None:
        self._here, self._port, self._clerk, self._table = here, port, clerk, table
        self._processes = processes
        self._turn = 0

    def measure(self, rate: int) -> str:
        """Blow at this rate; the report's line."""
        number = rate * SECONDS
        self._turn += 1
        before, began = self._cpu(), time.perf_counter()
        answers = self._together(number, rate, self._blow)
        came = self._came([one["case"] for one in answers])
        seconds = time.perf_counter() - began
        used = {name: (after - before[name]) / seconds for name, after in self._cpu().items()}
        waits = sorted((came.get(one["case"], math.inf) - one["due"]) * 1000 for one in answers)
        posts = sorted((one["answered"] - one["due"]) * 1000 for one in answers)
        p50, p99 = waits[number // 2], waits[number * 99 // 100]
        busiest = ", ".join(
            f"{name} {share:.0%}" for name, share in sorted(used.items(), key=lambda one: -one[1])
        )
        return (
            f"whistle POST to the notice in the desk's inbox, two logs and Kafka between, {rate}/s for "
            f"{SECONDS} s: p50 {p50:.0f} ms, p99 {p99:.0f} ms, slowest {waits[-1]:.0f} ms (aim at 100/s: p50 < 50 ms, "
            f"p99 < 250 ms); the POST's own response p50 {posts[number // 2]:.0f} ms, p99 "
            f"{posts[number * 99 // 100]:.0f} ms; measured from the scheduled time of the POST to PostgreSQL's "
            f"commit timestamp of the notice; shares of one core: {busiest}"
        )

    def _blow(self, connection: HTTPConnection, number: int, headers: dict[str, str]) -> Any:
        key = f"{self._turn}-{number}"
        body = town.a_whistle(f"项目{key}用地手续")
        answer = post(connection, "/api/v1/whistles", body, {**headers, "Idempotency-Key": key})
        return {**answer, "case": str(case_id("whistle", UUID(answer["id"])))}

    def _together(self, number: int, rate: int, send: Send) -> list[dict[str, Any]]:
        """Clients with a connection each send at the moments at which it is due; the answers in order.

        By the clock of the day, which PostgreSQL goes by too.
        """
        begin, headers = time.time() + 0.1, {"Authorization": f"Bearer {self._clerk}"}
        numbers = iter(range(number))
        answers: dict[int, dict[str, Any]] = {}

        def client() -> None:
            connection = HTTPConnection("127.0.0.1", self._port)
            for n in numbers:  # each number to one client: next() of an iterator is one step
                due = begin + n / rate
                time.sleep(max(0.0, due - time.time()))
                answers[n] = {**send(connection, n, headers), "due": due, "answered": time.time()}
            connection.close()

        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(client) for _ in range(CLIENTS)]:
                done.result()
        return [answers[n] for n in range(number)]

    def _came(self, cases: Sequence[str]) -> dict[str, float]:
        """When each case's notice to the desk was committed, once all are or none has come for half a minute.

        By the server's record and not by looking: who looks often enough takes processor from what it measures.
        """
        look = (
            "SELECT case_id, extract(epoch FROM min(pg_xact_commit_timestamp(xmin)))::float8 "
            f"FROM {self._table} WHERE to_unit=%s AND case_id = ANY(%s) GROUP BY case_id"
        )
        came: dict[str, float] = {}
        last = time.perf_counter()
        with postgres.connect(self._here.config.database_of("notify"), autocommit=True) as connection:
            while len(came) < len(cases) and time.perf_counter() - last < PATIENCE:
                found = dict(connection.execute(look, (town.CLERK["unit"], list(cases))).fetchall())
                if len(found) > len(came):
                    came, last = found, time.perf_counter()
                time.sleep(LOOK_SECONDS)
        return came

    def _cpu(self) -> dict[str, float]:
        """Seconds of processor that every part has used so far, with its children."""
        parts = {one.name: one.handle.pid for one in self._processes if one.handle is not None}
        assert self._here.broker is not None
        pids = {**parts, "PostgreSQL": self._here.postgres.pid, "broker": self._here.broker.pid}
        stats = [_stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()]
        used = {name: sum(one[2] for one in stats if pid in one[:2]) for name, pid in pids.items()}
        return {**used, "this client": time.process_time()}


def _stat(pid: int) -> tuple[int, int, float]:
    """A process's id, its parent's and the seconds of processor used; nothing of one that has just ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return pid, 0, 0.0
    return pid, int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
