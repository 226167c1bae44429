"""Nothing is lost and nothing happens twice while the supervision worker is killed again and again."""

import random
import time
from collections import Counter
from pathlib import Path

from services.assignment.__main__ import SERVICE as ASSIGNMENT
from services.processes import worker_of
from services.suite import SUITE
from shared.events import supervision
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.testing import Opened, StoppedClock, an_act, shanghai

START = shanghai("2021-01-04 09:00")
SEED = 20210101
DIRECTIVES, UNITS, KILLS = 60, 5, 8


def test_a_killed_worker_opens_every_case_once(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # the seed stands here, so that a failure can be repeated
    clock_file = tmp_path / "clock"
    clock_file.write_text(START.isoformat(), "ascii")
    config = Config(data=tmp_path / "data", clock=f"file:{clock_file}", poll_seconds=0.01, log_level="error")
    office = open_service(ASSIGNMENT, config, StoppedClock(START))
    act = {"unit": "office", "post": "office/director", "role": "government_office"}
    app = office.app
    app.register_unit(an_act(START, **act), unit="office", name="办公室", kind="office")  # type: ignore[attr-defined]
    app.register_unit(an_act(START, **act), unit="gov", name="政府", kind="government")  # type: ignore[attr-defined]
    app.create_post(an_act(START, **act), post="gov/main-leader", title="旗长", role="main_leader")  # type: ignore[attr-defined]
    units = [f"u{number}" for number in range(UNITS)]
    for unit in units:
        app.register_unit(an_act(START, **act), unit=unit, name=f"{unit}局", kind="department")  # type: ignore[attr-defined]
    office.catch_up()
    worker = worker_of("supervision", config, tmp_path / "worker.log")
    worker.start()
    kills_at = set(chance.sample(range(DIRECTIVES), KILLS))
    for number in range(DIRECTIVES):
        app.register_directive(  # type: ignore[attr-defined]
            an_act(START, **act),
            number=f"第{number}号",
            title="通知",
            kind="banner_document",
            units=units,
            office_unit="office",
            leader_post="gov/main-leader",
        )
        if number in kills_at:
            time.sleep(chance.uniform(0.0, 0.9))
            worker.kill()
            worker.start()
    until = time.monotonic() + 60
    wanted = DIRECTIVES * UNITS
    log = open_service(SUITE["supervision"], config, StoppedClock(START))
    topics = [supervision.CaseOpened.TOPIC]
    while len(log.app.log.select_notifications(start=None, limit=10_000, topics=topics)) < wanted:
        assert time.monotonic() < until, (tmp_path / "worker.log").read_text("utf-8")
        time.sleep(0.1)
    assert worker.stop() == 0
    log.close()
    office.close()

    with Opened(tmp_path / "data", StoppedClock(START), SUITE["supervision"]) as opened:
        opened.settle()
        cases = opened.of_kind("supervision", supervision.CaseOpened)
        assert Counter((case.subject_id, case.unit) for case in cases).most_common(1)[0][1] == 1
        assert len(cases) == wanted
        assert len(opened.of_kind("supervision", supervision.ClockStarted)) == wanted
        assert opened["supervision"].reactor.parked() == []
        assert opened.rebuild_and_compare("supervision") == []
        versions = Counter(str(fact.originator_id) for fact in opened.log("supervision"))  # type: ignore[attr-defined]
        last = {
            str(fact.originator_id): fact.originator_version  # type: ignore[attr-defined]
            for fact in opened.log("supervision")
        }
        assert versions == last, "every aggregate's versions run from 1 without holes"
