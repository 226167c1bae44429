"""Every role starts whatever is there, says how it is, and ends in order whatever is there."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from services.processes import GRACE_SECONDS
from shared.testing import an_act
from tests.faults.cluster import Member, until
from tests.roles.site import NOW, Client, Site, ask, asked

ROLES = (
    ("assignment", "web"),
    ("assignment", "relay"),
    ("assignment", "project"),
    ("supervision", "react"),
    ("supervision", "tick"),
    ("notify", "deliver"),
    ("enterprise", "worker"),
)
LEFT_BEHIND = 3
"""Sockets of failed connections, at least, that the broker's client leaves behind."""
GAUGES = {
    "duban_database_up",
    "duban_missing_messages",
    "duban_parked_messages",
    "duban_parked_oldest_seconds",
    "duban_relay_active",
    "duban_relay_standby",
}


def test_every_role_starts_without_database_and_broker_and_recovers(site: Site) -> None:
    assert site.stack is not None
    site.stack.database.cut()
    site.stack.kafka.cut()
    members = [site.add(service, role) for service, role in ROLES]
    for member in members:
        until(lambda one=member: asked(one, "/healthz") == 200, member.tail)
    time.sleep(1)
    assert {one.name: asked(one, "/readyz") for one in members} == {one.name: 503 for one in members}
    reasons = ask(members[0].port, "GET", "/readyz", {}, None, 15).body["reasons"]
    assert "database is away" in reasons[0]
    site.stack.database.passing()
    time.sleep(1)  # the broker comes later than the database
    site.stack.kafka.passing()
    site.wait_until_ready()

    client = Client(site, members[0])
    written = client.register_unit("new")
    assert written.status == 201
    read = f"/api/v1/units?at_least={written.headers['Duban-Position']}"
    until(lambda: client.get(read).status == 200, site.tail)
    for (_, role), member in zip(ROLES[1:], members[1:], strict=True):
        shown = {name.partition("{")[0] for name in member.metrics()}
        assert shown >= GAUGES, member.name
        assert ("duban_relay_unsent" in shown) == (role in ("relay", "worker")), "others do not know"
        assert member.metric("duban_database_up") == 1
    assert members[1].metric("duban_relay_active") == 1
    assert asked(members[0], "/metrics") == 200


def test_a_relay_survives_an_unresponsive_broker(site: Site) -> None:
    assert site.stack is not None
    relay = site.add("assignment", "relay")
    site.wait_until_ready()
    writer = site.open("assignment")
    act = {"unit": "office", "post": "office/director", "role": "government_office"}

    def write(unit: str) -> None:
        writer.app.register_unit(an_act(NOW, **act), unit=unit, name=unit, kind="department")  # type: ignore[attr-defined]

    write("before")
    until(lambda: relay.metric("duban_relay_published_total") == 1, relay.tail)
    site.stack.kafka.black_hole()
    write("meanwhile")
    until(lambda: relay.logged("away"), relay.tail)
    assert relay.process.ended() is None, relay.tail()
    site.stack.kafka.passing()
    write("after")
    until(lambda: relay.metric("duban_relay_published_total") == 3, relay.tail)
    assert relay.metric("duban_relay_unsent") == 0
    writer.close()
    assert relay.process.stop() == 0


def _sockets(member: Member) -> int:
    found = 0
    for descriptor in Path(f"/proc/{member.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found += os.readlink(descriptor).startswith("socket:")
    return found


def test_an_unavailable_broker_does_not_use_up_file_descriptors(site: Site) -> None:
    assert site.stack is not None
    for service, role in (("assignment", "relay"), ("assignment", "project"), ("supervision", "react")):
        site.add(service, role)
    site.wait_until_ready()
    before = {member.name: _sockets(member) for member in site.members}
    site.stack.kafka.cut()
    most = Counter(before)

    def has_given_back(member: Member) -> bool:
        held = _sockets(member)
        most[member.name] = max(most[member.name], held)
        return (
            most[member.name] > before[member.name] + LEFT_BEHIND and held < most[member.name] - LEFT_BEHIND
        )

    for member in site.members:
        until(lambda one=member: has_given_back(one), lambda: f"{before} {most}")


class Writing(threading.Thread):
    """A client who registers units until the port is closed."""

    def __init__(self, client: Client, number: int) -> None:
        super().__init__()
        self.client, self.number = client, number
        self.statuses: list[int] = []

    def run(self) -> None:
        """Write."""
        for turn in range(100_000):
            try:
                self.statuses.append(self.client.register_unit(f"w{self.number}-{turn}").status)
            except (OSError, HTTPException):
                return


def _idle(site: Site, web: Member) -> Callable[[], None]:
    time.sleep(0.5)
    return lambda: None


def _busy(site: Site, web: Member) -> Callable[[], None]:
    writers = [Writing(Client(site, web), number) for number in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: all(len(one.statuses) > 5 for one in writers), web.tail)

    def check() -> None:
        for writer in writers:
            writer.join()
            assert set(writer.statuses) == {201}

    return check


def _without_broker(site: Site, web: Member) -> Callable[[], None]:
    assert site.stack is not None
    site.stack.kafka.black_hole()
    client = Client(site, web)
    for number in range(5):
        assert client.register_unit(f"n{number}").status == 201
    time.sleep(2)
    return lambda: None


def _without_database(site: Site, web: Member) -> Callable[[], None]:
    assert site.stack is not None
    site.stack.database.black_hole()
    client = Client(site, web)
    assert client.register_unit("never").is_away()
    time.sleep(2)
    return lambda: None


@pytest.mark.parametrize("state", [_idle, _busy, _without_broker, _without_database])
def test_every_role_ends_in_order_within_its_grace(
    site: Site, state: Callable[[Site, Member], Callable[[], None]]
) -> None:
    members = [site.add(service, role) for service, role in ROLES]
    site.wait_until_ready()
    check = state(site, members[0])
    began = time.monotonic()
    for member in members:
        member.process.ask_to_stop()
    taken: dict[str, float] = {}
    while len(taken) < len(members) and time.monotonic() - began < GRACE_SECONDS:
        for member in members:
            if member.name not in taken and member.process.ended() is not None:
                taken[member.name] = round(time.monotonic() - began, 1)
        time.sleep(0.05)
    print(f"{state.__name__}: {taken}")
    failed = [
        f"{one.name}: {one.process.ended()}\n{one.tail()}" for one in members if one.process.ended() != 0
    ]
    assert not failed, "\n".join(failed)
    check()
