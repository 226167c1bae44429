"""The scheduler's sweep: what it costs when nothing is due, and how fast it catches up when everything is."""

import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from sqlalchemy import create_engine, insert

from services.supervision.__main__ import SERVICE
from services.supervision.domain.case import Case
from shared.events import supervision
from shared.process.config import Config
from shared.runtime.opening import Runtime, open_service
from shared.testing import StoppedClock, an_act, shanghai

START = shanghai("2021-01-04 09:00")
SIZES = (10_000, 100_000, 1_000_000)
MISSES = 10_000
SWEEPS = 200


def run() -> list[str]:
    """The report's lines."""
    idle = _idle()
    base = idle[SIZES[0]]
    sweeps = ", ".join(
        f"{size:,} open: {seconds * 1000:.2f} ms (×{seconds / base:.2f})" for size, seconds in idle.items()
    )
    return [
        f"sweep with nothing due, median of {SWEEPS}, rows inserted directly into the timers' table: {sweeps} "
        "(aim: flat, < 50 ms)",
        _catch_up(),
    ]


def _open(folder: str) -> tuple[Runtime, StoppedClock]:
    clock = StoppedClock(START)
    runtime = open_service(SERVICE, Config(data=Path(folder)), clock)
    runtime.start()
    return runtime, clock


def _idle() -> dict[int, float]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        runtime, _ = _open(folder)
        engine = create_engine(f"sqlite:///{folder}/supervision/views.sqlite")
        with runtime.views.reading() as connection:
            timers = runtime.views.table(connection, "timers")
        there = 0
        for size in SIZES:
            with engine.begin() as connection:
                for first in range(there, size, 10_000):
                    connection.execute(
                        insert(timers),
                        [
                            {
                                "id": f"bench-{number}",
                                "case_id": str(uuid5(UUID(int=0), str(number))),
                                "clock": "task_due",
                                "cycle": 1,
                                "due_at": START + timedelta(days=1, seconds=number),
                                "warn_on": [],
                                "version": 1,
                            }
                            for number in range(first, first + 10_000)
                        ],
                    )
            there = size
            times = []
            for _ in range(SWEEPS):
                started = time.perf_counter()
                spoke = runtime.app.tick()  # type: ignore[attr-defined]
                times.append(time.perf_counter() - started)
                assert not spoke
            found[size] = statistics.median(times)
        engine.dispose()
        runtime.close()
    return found


def _catch_up() -> str:
    with tempfile.TemporaryDirectory() as folder:
        runtime, clock = _open(folder)
        app = runtime.app
        terms = app.terms()  # type: ignore[attr-defined]
        cases = []
        for number in range(MISSES):
            act = an_act(START)
            case = Case.open(
                act,
                terms,
                kind="task",
                subject_id=uuid5(UUID(int=1), str(number)),
                number=str(number),
                title=f"任务{number}",
                unit=f"u{number % 30}",
                post=f"u{number % 30}/head",
                leader_post="gov/vice-leader",
            )
            case.start(act, terms, "task_due", case.state.unit, own_date=date(2021, 2, 7))
            cases.append(case)
            if len(cases) == 500:
                app.events.put([event for one in cases for event in one.collect_events()])
                cases = []
        while runtime.views.project(runtime.follower):
            pass
        clock.set("2021-02-10 09:00")  # after the miss, before a round's answer is due
        started = time.perf_counter()
        app.tick()  # type: ignore[attr-defined]
        seconds = time.perf_counter() - started
        topics = [supervision.DeadlineMissed.TOPIC]
        missed = len(app.log.select_notifications(start=None, limit=MISSES * 2, topics=topics))
        runtime.close()
    assert missed == MISSES
    return (
        f"sweep with {MISSES:,} clocks due at once: every miss recorded, and its round 1 issued, in {seconds:.1f} s "
        f"({MISSES / seconds:.0f}/s; aim < 10 s)"
    )
