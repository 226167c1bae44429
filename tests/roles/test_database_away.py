"""With the database away every request is answered 503 within 5 s, nobody dies, and all is well after its return."""

import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.faults.cluster import Member, until
from tests.roles.site import LONG, RETURN, Answer, Client, Site, ask

AWAY = {
    "black hole": 60.0 if LONG else 12.0,
    "refused": 60.0 if LONG else 6.0,
    "killed": 60.0 if LONG else 6.0,
}
ANSWERED_WITHIN = 5.0
CLIENTS = 8
MACHINE = 15.0
"""Seconds more that a loaded machine may take until every role is at work."""


class Asking(threading.Thread):
    """A client that asks again and again: writes, lists, and reads of what it wrote."""

    def __init__(self, client: Client, name: str, number: int) -> None:
        super().__init__()
        self.client, self.prefix = client, f"{name[0]}{number}"
        self.stopped = threading.Event()
        self.answers: list[tuple[float, str, Answer]] = []
        """When it asked, what, and what it got."""
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Ask."""
        try:
            turn, position = 0, ""
            while not self.stopped.is_set():
                turn += 1
                began = time.monotonic()
                if turn % 3 == 0:
                    answer = self.client.register_unit(f"{self.prefix}-{turn}")
                    position = answer.headers.get("Duban-Position", position)
                    what = "POST"
                elif turn % 3 == 1 or not position:
                    answer, what = self.client.get("/api/v1/units"), "GET"
                else:
                    answer, what = self.client.get(f"/api/v1/units?at_least={position}"), "GET at_least"
                self.answers.append((began, what, answer))
                time.sleep(0.02)
        except (OSError, HTTPException, AssertionError) as error:
            self.failure = error


def _taken_away(site: Site, how: str) -> Callable[[], None]:
    """Take the database away; what brings it back."""
    assert site.stack is not None
    if how == "killed":
        site.stack.postgres.kill()
        return site.stack.postgres.start
    if how == "refused":
        site.stack.database.cut()
    else:
        site.stack.database.black_hole()
    return site.stack.database.passing


@pytest.mark.alone
def test_every_request_is_answered_and_service_comes_back_by_itself(site: Site) -> None:
    web = site.add("assignment", "web")
    site.add("assignment", "relay")
    site.add("assignment", "project")
    site.add("supervision", "react")
    site.add("supervision", "tick")
    site.wait_until_ready()
    before = _alive(site)
    for how, seconds in AWAY.items():
        _away(site, web, how, seconds)
        assert _alive(site) == before, f"{how}: nobody died"


def _alive(site: Site) -> dict[str, list[int]]:
    """The ids of every process that runs, and of its children: gunicorn's workers."""
    found = {}
    for member in site.members:
        assert member.process.ended() is None, member.tail()
        children = Path(f"/proc/{member.pid}/task/{member.pid}/children").read_text("ascii")
        found[member.name] = [member.pid, *map(int, children.split())]
    return found


def _away(site: Site, web: Member, how: str, seconds: float) -> None:
    clients = [Asking(Client(site, web), how, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    until(lambda: all(len(one.answers) > 6 for one in clients), web.tail)
    bring_back = _taken_away(site, how)
    gone = time.monotonic()
    time.sleep(seconds / 2)
    unready = {
        member.name: ask(member.port, "GET", "/readyz", {}, None, 15).status for member in site.members
    }
    alive = {member.name: ask(member.port, "GET", "/healthz", {}, None, 15).status for member in site.members}
    up = {member.metric("duban_database_up") for member in site.members if member is not web}
    time.sleep(max(0.0, gone + seconds - time.monotonic()))
    returning = time.monotonic()
    bring_back()
    back = time.monotonic()
    until(lambda: all(_served_after(one, back) for one in clients), web.tail)
    served = time.monotonic() - back
    time.sleep(1)
    for client in clients:
        client.stopped.set()
        client.join()

    assert [client.failure for client in clients] == [None] * CLIENTS, web.tail()
    everything = [one for client in clients for one in client.answers]
    assert [(what, a) for _, what, a in everything if a.seconds > ANSWERED_WITHIN] == []
    meanwhile = [(what, a) for began, what, a in everything if began > gone and began + a.seconds < returning]
    assert {what for what, _ in meanwhile} >= {"POST", "GET"}
    assert [(what, a) for what, a in meanwhile if not a.is_away()] == []
    later = [(what, a) for began, what, a in everything if began > back + served]
    assert later
    # A reader may be told to come back while the workers catch up: they are waited for below.
    assert [(what, a) for what, a in later if a.status >= 500 and a.body["rule"] != "not-there-yet"] == []
    assert set(unready.values()) == {503}, unready
    assert set(alive.values()) == {200}, alive
    assert up == {0.0}
    # The workers do their work again: what was written after the return is published and projected.
    client = Client(site, web)
    written = client.register_unit(f"{how[0]}-after")
    assert written.status == 201, written
    read = f"/api/v1/units?at_least={written.headers['Duban-Position']}"
    until(lambda: client.get(read).status == 200, site.tail)
    site.wait_until_ready()
    worked = time.monotonic() - back
    assert served < RETURN
    slowest = max(a.seconds for _, _, a in everything)
    print(
        f"{how}: {len(meanwhile)} answers in {seconds:g} s away, the slowest of all after {slowest:.2f} s; "
        f"served again after {served:.1f} s, all roles at work after {worked:.1f} s"
    )
    assert worked < RETURN + MACHINE


def _served_after(client: Asking, moment: float) -> bool:
    return client.failure is not None or any(
        began > moment and answer.status < 500 for began, _, answer in client.answers
    )


def test_a_worker_without_a_broker_reports_an_unavailable_database(new_site: Callable[..., Site]) -> None:
    site = new_site(kafka=False)
    assert site.stack is not None
    worker = site.add("supervision", "worker")
    site.wait_until_ready()
    assert worker.metric("duban_database_up") == 1
    site.stack.database.cut()
    until(lambda: worker.metric("duban_database_up") == 0, worker.tail)
    site.stack.database.passing()
    site.wait_until_ready()
    until(lambda: worker.metric("duban_database_up") == 1, worker.tail)
    assert worker.metric("duban_lag_messages", consumer="project", source="supervision") == 0
