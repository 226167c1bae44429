"""Readers poll, and miss nothing; what the database tells of a save spares them the wait and nothing else."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from shared.log.postgres import PostgresLog
from shared.messaging.pacing import LONGEST_PAUSE
from shared.runtime.opening import Runtime
from shared.testing import an_act
from tests.faults.cluster import until
from tests.roles.site import LONG, NOW, Client, Site
from tests.roles.writing import write

POLL = 1.0
MACHINE = 10.0
"""Seconds that a loaded machine may take for what a quiet one does at once."""
LEADS = (
    "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
    "WHERE locktype='advisory' AND granted AND datname=current_database()"
)
"""The active relay's connection, on which it is told of saves, too."""
CLERK = {"unit": "office", "post": "office/director", "role": "government_office"}


def test_events_are_applied_although_idle_connections_are_cut(site: Site) -> None:
    web = site.add("assignment", "web")
    workers = [
        site.add("assignment", "relay", poll_seconds=POLL),
        site.add("assignment", "project", poll_seconds=POLL),
    ]
    site.wait_until_ready()
    client = Client(site, web)
    here = site.database_of("assignment")

    def seconds_until_applied(name: str) -> float:
        written = client.register_unit(name)
        assert written.status == 201, written
        began = time.monotonic()
        read = f"/api/v1/units?at_least={written.headers['Duban-Position']}"
        until(lambda: client.get(read).status == 200, site.tail)
        return time.monotonic() - began

    undisturbed = [seconds_until_applied(f"a{number}") for number in range(3)]
    disturbed = []
    for number in range(3 if not LONG else 20):
        listening = {pid for (pid,) in site.rows("assignment", LEADS)}
        assert len(listening) == 1
        ended = site.rows(
            "assignment",
            "SELECT pid, pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname=%s AND state='idle' AND pid <> pg_backend_pid()",
            here,
        )
        assert listening <= {pid for pid, _ in ended}, "the relay's own connection is among them"
        disturbed.append(seconds_until_applied(f"b{number}"))
    print(f"applied after {undisturbed} s, with connections cut after {disturbed} s")
    assert max(disturbed) < 2 * POLL + MACHINE
    assert {one.name: one.process.ended() for one in workers} == {one.name: None for one in workers}


WRITERS, SAVES = 6, 2000 if LONG else 150


def test_a_tailing_reader_misses_nothing_of_six_writers(new_site: Callable[..., Site]) -> None:
    site = new_site(kafka=False)
    reader = site.open("assignment")
    spawn = multiprocessing.get_context("spawn")
    writers = [
        spawn.Process(target=write, args=(site.direct, number, SAVES), daemon=True)
        for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    seen: list[int] = []

    def read() -> bool:
        rows = reader.app.log.select_notifications(
            start=seen[-1] if seen else 0, limit=50, inclusive_of_start=False
        )
        seen.extend(row.id for row in rows)
        return bool(rows)

    end = time.monotonic() + 300
    while any(writer.is_alive() for writer in writers):
        read()
        assert time.monotonic() < end
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    while read():
        pass
    reader.close()
    stored = [
        position
        for (position,) in site.rows(
            "assignment", "SELECT notification_id FROM assignment_events ORDER BY notification_id"
        )
    ]
    assert len(stored) == WRITERS * SAVES
    assert seen == stored
    assert stored[-1] > len(stored), "saves that were taken back leave holes in the positions"
    print(f"{len(seen)} events read while {WRITERS} wrote, highest position {stored[-1]}")


def register(runtime: Runtime, name: str) -> None:
    """One event more in the log."""
    app: Any = runtime.app
    app.register_unit(an_act(NOW, **CLERK), unit=name, name=f"{name}局", kind="department")


def _units(site: Site) -> set[str]:
    runtime = site.open("assignment")
    with runtime.views.reading() as connection:
        found = {row.id for row in connection.execute(runtime.views.table(connection, "units").select())}
    runtime.close()
    return found


def test_a_save_without_notification_is_found_by_polling(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("assignment", "relay", poll_seconds=POLL)
    site.add("assignment", "project")
    site.wait_until_ready()
    told = []
    monkeypatch.setattr(PostgresLog, "_notify_channel", lambda *_: told.append(1))
    writer = site.open("assignment")
    for name in ("a1", "a2", "a3"):
        register(writer, name)
        until(lambda name=name: name in _units(site), site.tail, 2 * POLL + MACHINE)
    writer.close()
    assert len(told) == 3, "a save that told nobody was what this test is about"


def test_a_notified_reader_does_not_wait_for_the_next_poll(site: Site) -> None:
    following, writing = site.open("assignment"), site.open("assignment")
    relay = following.relay
    assert relay is not None
    relay.step()
    assert relay.active
    assert not relay.wait(0.0)
    for name in ("a1", "a2"):
        saving = threading.Timer(0.5, register, [writing, name])
        saving.start()
        assert relay.wait(60.0)
        saving.join()
        while relay.step() or relay.wait(0.0):
            pass
        assert relay.lag() == 0
    following.close()
    writing.close()


def test_a_busy_relay_pauses_between_sends_and_an_idle_one_sends_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = site.open("assignment")
    relay = runtime.relay
    assert relay is not None
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: time.monotonic() + sum(slept))
    monkeypatch.setattr("shared.messaging.pacing.time", clock)

    def send(name: str) -> float:
        """Seconds for which it then waits until it would send again."""
        register(runtime, name)
        before = relay.lag()
        relay.step()
        assert (before, relay.lag()) == (1, 0)
        relay.wait(0.0)
        return slept[-1]

    relay.step()
    waits = [send(f"a{number}") for number in range(5)]
    assert waits[0] == 0
    assert 0 < max(waits) <= LONGEST_PAUSE
    relay._pacing._next = 0.0
    assert send("b1") == 0
    runtime.close()
