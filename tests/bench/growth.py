"""What a write, a page of a list and a sweep cost at 10 thousand, 100 thousand and a million events in the log.

The events and the rows of the read models are put straight into their tables by SQL, in the form in which the services
write them: one unit or one running clock an event.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from services.assignment.__main__ import SERVICE as ASSIGNMENT
from services.suite import SUITE
from services.supervision.__main__ import SERVICE as SUPERVISION
from shared.runtime.service import Service
from shared.testing import Caller, Opened, StoppedClock, shanghai
from shared.web.http import encode_cursor
from tests.bench.components import Ground, ground

NOW = shanghai("2021-01-04 09:00")
SIZES = (10_000, 100_000, 1_000_000)
TIMES, WARM = 200, 20

MIDDLE = encode_cursor(["b5", "b5"], "id")
"""A place in the list of units with many before it and many behind."""

UNIT_EVENTS = """
INSERT INTO assignment_events (originator_id, originator_version, topic, state)
SELECT md5('unit' || n)::uuid, 1, 'assignment.unit_registered', convert_to(
  '{"timestamp":"2021-01-04T01:00:00Z","happened_at":"2021-01-04T01:00:00Z","by":{"unit":"office","post":"office/clerk"},'
  || '"because":"request:office/clerk|bench-' || n || '","unit":"b' || n || '","name":"单位' || n
  || '","short_names":[],"kind":"department"}', 'UTF8')
FROM generate_series(1, {size}) AS n
"""
UNIT_ROWS = """
INSERT INTO units__v1_1 (id, name, short_names, kind, dissolved, version)
SELECT 'b' || n, '单位' || n, '[]', 'department', false, 1 FROM generate_series(1, {size}) AS n
"""
CLOCK_EVENTS = """
INSERT INTO supervision_events (originator_id, originator_version, topic, state)
SELECT md5('case' || n)::uuid, 2, 'supervision.clock_started', convert_to(
  '{"timestamp":"2021-01-04T01:00:00Z","happened_at":"2021-01-04T01:00:00Z","by":{"unit":"duban","post":"supervision"},'
  || '"because":"event:assignment/' || md5('task' || n)::uuid || '/1","clock":"task_due","cycle":1,"unit":"fgw",'
  || '"started_at":"2021-01-04T01:00:00Z","own_date":"2021-06-30","due_on":"2021-06-30",'
  || '"due_at":"2021-06-30T16:00:00Z","provisional":false,"warn_on":["2021-06-21"],"calendar_version":0,'
  || '"rulebook_version":1}', 'UTF8')
FROM generate_series(1, {size}) AS n
"""
CLOCK_ROWS = """
INSERT INTO timers__v1_1 (id, case_id, clock, cycle, unit, due_at, point, final_at, missed, warn_on, version)
SELECT md5('case' || n)::uuid || '/task_due/1', md5('case' || n)::uuid, 'task_due', 1, 'fgw',
  to_char(timestamp '2021-06-20 16:00' + n * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00', 1,
  '2021-06-30T16:00:00.000000+00:00', false, '["2021-06-21"]', 2
FROM generate_series(1, {size}) AS n
"""


def run() -> list[str]:
    """The report's lines."""
    with ExitStack() as stack:
        here = stack.enter_context(ground())
        units = _filled(stack, here, ASSIGNMENT, UNIT_EVENTS, UNIT_ROWS)
        clocks = _filled(stack, here, SUPERVISION, CLOCK_EVENTS, CLOCK_ROWS)
        size = "SELECT pg_total_relation_size('assignment_events')"
        bytes_an_event = int(here.postgres.psql(size, _database(SIZES[-1], "assignment"))) / SIZES[-1]
        found = {
            "a write (POST)": _measure(units, _write),
            "a page of 50 from the middle of a list": _measure(units, _page),
            "a sweep": _measure(clocks, _sweep),
        }
    return [
        f"{what} by number of events in the log on PostgreSQL, medians of {TIMES}, sizes alternating, filled by SQL: "
        + ", ".join(
            f"{size:,}: {seconds * 1000:.2f} ms (×{seconds / of_size[SIZES[0]]:.2f})"
            for size, seconds in of_size.items()
        )
        + " (aim: flat within 20 %)"
        for what, of_size in found.items()
    ] + [f"disk: {bytes_an_event:.0f} bytes per event of a unit in the log on PostgreSQL, with indexes"]


def _database(size: int, service: str) -> str:
    return f"events{size}_{service}"


def _filled(stack: ExitStack, here: Ground, service: Service, *statements: str) -> dict[int, Opened]:
    """The service on a database for each size, with so many events and rows in it."""
    found = {}
    for size in SIZES:
        config = replace(here.config, database=here.postgres.url(_database(size, "{service}")))
        replace(here, config=config).migrate(*SUITE, clock=lambda: NOW)  # each follows the logs of others
        opened = Opened(here.config.data, StoppedClock(NOW), service, database=config.database)
        found[size] = stack.enter_context(opened)
        for statement in statements:
            here.postgres.psql(statement.replace("{size}", str(size)), _database(size, service.name))
        # As the server itself does in time.
        here.postgres.psql("VACUUM ANALYZE", _database(size, service.name))
    here.postgres.psql("CHECKPOINT")
    return found


def _measure(
    of_size: dict[int, Opened], prepare: Callable[[Opened], Callable[[int], None]]
) -> dict[int, float]:
    """Seconds by size; the sizes take turns, so that what else the machine does falls on all of them."""
    works = {size: prepare(opened) for size, opened in of_size.items()}
    times: dict[int, list[float]] = {size: [] for size in works}
    for number in range(-WARM, TIMES):
        for size, work in works.items():
            started = time.perf_counter()
            work(number)
            seconds = time.perf_counter() - started
            if number >= 0:
                times[size].append(seconds)
    return {size: statistics.median(found) for size, found in times.items()}


def _clerk(opened: Opened) -> Caller:
    return opened.client("assignment", "government_office", "office", "office/clerk")


def _write(opened: Opened) -> Callable[[int], None]:
    clerk = _clerk(opened)

    def write(number: int) -> None:
        body = {"id": f"w{number + WARM}", "name": f"单位w{number + WARM}", "kind": "department"}
        answer = clerk.post("/api/v1/units", body)
        assert answer.status_code == 201, answer.json

    return write


def _page(opened: Opened) -> Callable[[int], None]:
    clerk = _clerk(opened)

    def page(number: int) -> None:
        answer = clerk.get(f"/api/v1/units?limit=50&kind=department&sort=id&cursor={MIDDLE}")
        assert answer.status_code == 200, answer.json
        assert len(answer.json["items"]) == 50

    return page


def _sweep(opened: Opened) -> Callable[[int], None]:
    app: Any = opened["supervision"].app

    def sweep(number: int) -> None:
        assert not app.tick()

    return sweep
