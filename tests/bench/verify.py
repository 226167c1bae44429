"""Verifying a sealed log on PostgreSQL against a loop that only reads the same rows and hashes each once."""

import time
from hashlib import sha256

import psycopg

from shared.audit.evidence import evidence_of
from shared.audit.places import Outside, folder_of
from shared.audit.seal import origin_of, seal_now
from shared.audit.verification import verify
from shared.domain.clock import system_clock
from shared.runtime.event_log import open_log
from tests.audit.sealed import Events
from tests.bench.components import ground

EVENTS, AT_ONCE = 200_000, 5_000
SERVICE = "assignment"


def run() -> list[str]:
    """The report's lines."""
    with ground() as here:
        here.migrate(SERVICE, clock=system_clock)
        app = open_log(here.config, SERVICE, system_clock)
        events = Events(5, EVENTS // 10, "落实" * 48)  # as long as the demo's events are on average
        for _ in range(EVENTS // AT_ONCE):
            app.log.insert_events(events.some(AT_ONCE))
        started = time.perf_counter()
        seal_now(here.config, SERVICE, app.log, system_clock)
        sealing = time.perf_counter() - started
        origin = origin_of(here.config, SERVICE)
        outside = Outside(folder_of(here.config, SERVICE))
        seconds: dict[str, list[float]] = {"raw": [], "ours": [], "outside": []}
        for _ in range(3):
            seconds["raw"].append(_raw(here.config.database_of(SERVICE)))
            for name, copy in (("ours", None), ("outside", outside)):
                started = time.perf_counter()
                report = verify(evidence_of(app.log, SERVICE, origin, outside=copy))
                seconds[name].append(time.perf_counter() - started)
                if not report.holds or report.proven != EVENTS:
                    raise RuntimeError(f"it does not hold: {report.findings}")
        app.close()
    best = {name: min(found) for name, found in seconds.items()}
    return [
        f"verify of {EVENTS:,} events of 400 bytes on PostgreSQL: {best['ours']:.1f} s, {EVENTS / best['ours']:,.0f}/s "
        f"(aims: 30 s, 200,000/s) against {best['raw']:.1f} s of a loop that only reads and hashes each once: "
        f"{best['ours'] / best['raw']:.1f} times as long; with the outside copy {best['outside']:.1f} s "
        f"(best of 3; sealing them took {sealing:.1f} s, {EVENTS / sealing:,.0f}/s)"
    ]


def _raw(database: str) -> float:
    started, count, after = time.perf_counter(), 0, 0
    with psycopg.connect(database) as connection, connection.cursor(binary=True) as cursor:
        while True:
            cursor.execute(
                f"SELECT notification_id, originator_id, originator_version, topic, state "
                f"FROM {SERVICE}_events WHERE notification_id>%s ORDER BY notification_id LIMIT 8192",
                (after,),
            )
            rows = cursor.fetchall()
            if not rows:
                break
            for row in rows:
                sha256(row[4]).digest()
            count, after = count + len(rows), rows[-1][0]
    if count != EVENTS:
        raise RuntimeError(f"{count} rows")
    return time.perf_counter() - started
