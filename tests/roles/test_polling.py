"""Nobody listens for notifications: readers poll, and miss nothing."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.cluster import until
from tests.roles.site import LONG, Client, Site
from tests.roles.writing import write

POLL = 1.0
MACHINE = 10.0
"""Seconds that a loaded machine may take for what a quiet one does at once."""


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
        until(lambda: client.get(read).status == 200, lambda: "\n".join(one.tail() for one in workers))
        return time.monotonic() - began

    undisturbed = [seconds_until_applied(f"a{number}") for number in range(3)]
    disturbed = []
    for number in range(3 if not LONG else 20):
        listening = site.rows(
            "assignment", "SELECT query FROM pg_stat_activity WHERE query ~* '^\\s*(un)?listen'"
        )
        assert listening == []
        ended = site.rows(
            "assignment",
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname=%s AND state='idle' AND pid <> pg_backend_pid()",
            here,
        )
        assert ended, "there were idle connections"
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


def test_no_statement_listens() -> None:
    sources = [path for folder in ("shared", "services") for path in Path(folder).rglob("*.py")]
    assert sources
    assert [str(path) for path in sources if "LISTEN " in path.read_text("utf-8")] == []
