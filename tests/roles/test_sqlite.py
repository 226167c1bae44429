"""Three processes share a data folder of SQLite files: kill -9 costs nothing, nor a file that cannot be opened."""

import random
import threading
import time
from http.client import HTTPException
from pathlib import Path

from services.suite import SUITE
from shared.events import assignment
from shared.testing import Opened, StoppedClock
from tests.faults.cluster import Member, until
from tests.roles.site import LONG, NOW, Answer, Client, Site, asked

KILLS = 25 if LONG else 8
CLIENTS = 3


class Registering(threading.Thread):
    """A client that registers units, each under one key until it is acknowledged."""

    def __init__(self, site: Site, web: Member, number: int) -> None:
        super().__init__(name=f"client-{number}")
        self.client, self.number = Client(site, web), number
        self.stopped = threading.Event()
        self.acknowledged: list[str] = []
        self.refused: list[Answer] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Register."""
        try:
            turn = 0
            while not self.stopped.is_set():
                turn += 1
                self._register(f"s{self.number}-{turn}")
        except BaseException as error:  # noqa: BLE001 - shown by whoever waits for this thread
            self.failure = error

    def _register(self, unit: str) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                body = {"id": unit, "name": f"{unit}局", "kind": "department"}
                answer = self.client.post("/api/v1/units", body, Idempotency_Key=unit)
            except (OSError, HTTPException):
                time.sleep(0.05)  # the web process has just been killed
                continue
            if answer.status == 201:
                self.acknowledged.append(unit)
            else:
                self.refused.append(answer)
            return
        raise AssertionError(f"{unit} was not answered for a minute")


def test_kills_lose_double_and_lock_nothing(tmp_path: Path) -> None:
    chance = random.Random(20210104)
    with Site(None, tmp_path / "site", kafka=False) as site:
        web = site.add("assignment", "web")
        site.wait_until_ready()
        workers = [site.add("assignment", "worker"), site.add("supervision", "worker")]
        site.wait_until_ready()
        clients = [Registering(site, web, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            before = sum(len(client.acknowledged) for client in clients)
            time.sleep(chance.uniform(0.0, 0.5))
            victim = chance.choice(site.members)
            site.kill(victim)
            site.start(victim)
            until(
                lambda: sum(len(client.acknowledged) for client in clients) > before,  # noqa: B023
                lambda: [web.tail(), [client.failure for client in clients]],
            )
        for client in clients:
            client.stopped.set()
            client.join()
        assert [(client.failure, client.refused) for client in clients] == [(None, [])] * CLIENTS
        site.wait_until_ready()
        assert {one.name: one.process.stop() for one in site.members} == {one.name: 0 for one in site.members}
        locked = [line for one in [web, *workers] for line in _log_of(one) if "locked" in line]
        assert locked == []

    acknowledged = [unit for client in clients for unit in client.acknowledged]
    services = SUITE["assignment"], SUITE["supervision"]
    with Opened(tmp_path / "site" / "data", StoppedClock(NOW), *services) as opened:
        opened.settle()
        registered = [fact.unit for fact in opened.of_kind("assignment", assignment.UnitRegistered)]
        assert sorted(registered) == sorted(set(registered))
        assert set(acknowledged) == set(registered), "each was asked for until it was acknowledged"
        assert sorted(opened.rows("assignment", "units")) == sorted(registered)
        for service in services:
            assert opened.rebuild_and_compare(service.name) == []
    print(f"{len(acknowledged)} commands acknowledged during {KILLS} kills")


def _log_of(member: Member) -> list[str]:
    assert member.process.log_file is not None
    return member.process.log_file.read_text("utf-8", "replace").splitlines()


def test_a_write_that_could_not_open_the_file_does_not_block_later_ones(tmp_path: Path) -> None:
    with Site(None, tmp_path / "site", kafka=False) as site:
        web = site.add("assignment", "web")
        until(
            lambda: asked(web, "/healthz") == 200, site.tail
        )  # /readyz would open the pool's first connection
        client = Client(site, web)
        folder = site.direct.data / "assignment"
        folder.rename(folder.with_name("away"))
        lost = client.register_unit("first")
        folder.with_name("away").rename(folder)
        assert lost.is_away(), lost
        # By the same process: another would not be there yet.
        assert client.register_unit("second").status == 201
        assert web.process.stop() == 0
