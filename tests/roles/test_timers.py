"""Every deadline is missed exactly once and none early, whatever becomes of the two processes that watch the clock."""

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

import pytest

from services.supervision.domain.case import Case
from shared.events import supervision
from shared.testing import an_act, shanghai
from tests.faults.cluster import Member, until
from tests.roles.site import LONG, NOW, Site

TIMERS = 1000 if LONG else 150
DAYS = [date(2021, 1, 11) + timedelta(days=number) for number in range(12)]
DOWN_FROM, DOWN_TO = shanghai("2021-01-16 08:00"), shanghai("2021-01-19 08:00")
"""Three days on which nothing runs."""


def _start_clocks(site: Site) -> None:
    """So many cases, each with a task's deadline on one of the days."""
    runtime = site.open("supervision")
    runtime.start("tick")
    terms = runtime.app.terms()  # type: ignore[attr-defined]
    cases = []
    for number in range(TIMERS):
        act = an_act(NOW)
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
        case.start(act, terms, "task_due", case.state.unit, own_date=DAYS[number % len(DAYS)])
        cases.append(case)
    for first in range(0, TIMERS, 100):
        runtime.app.events.put(
            [event for case in cases[first : first + 100] for event in case.collect_events()]
        )
    runtime.close()


def test_two_ticks_miss_each_deadline_once_and_none_early(
    new_site: Callable[..., Site], capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(20210111)
    site = new_site(kafka=False)
    _start_clocks(site)
    project = site.add("supervision", "project")
    ticks = [site.add("supervision", "tick") for _ in range(2)]
    site.wait_until_ready()

    def missed() -> int:
        topic = supervision.DeadlineMissed.TOPIC
        return int(
            site.rows("supervision", "SELECT count(*) FROM supervision_events WHERE topic=%s", topic)[0][0]
        )

    kills = 0

    def kill_one() -> None:
        nonlocal kills
        victim: Member = chance.choice(ticks)
        site.kill(victim)
        site.start(victim)
        kills += 1

    moment, last = shanghai("2021-01-11 08:00"), shanghai("2021-01-24 08:00")
    expected = _deadlines(site)
    assert len(expected) >= TIMERS
    while moment <= last:
        if DOWN_FROM <= moment < DOWN_TO:
            for member in [project, *ticks]:
                site.kill(member)
            moment = DOWN_TO
            site.clock.set(moment)
            for member in [project, *ticks]:
                site.start(member)
        site.clock.set(moment)
        wanted = sum(due_at <= moment for due_at in expected.values())
        if wanted > missed():
            time.sleep(chance.uniform(0.0, 0.3))
            kill_one()
        until(lambda: missed() >= wanted, lambda: f"{missed()} of {wanted} at {moment}\n{site.tail()}")  # noqa: B023
        moment += timedelta(hours=24)
    site.wait_until_ready()
    time.sleep(1)  # what would speak a second time has had its turns
    facts = _facts(site)
    misses = [fact for fact in facts if isinstance(fact[1], supervision.DeadlineMissed)]
    times = Counter((case, fact.clock, fact.cycle) for case, fact in misses)
    assert [clock for clock, number in times.items() if number > 1] == []
    assert {one for one, due_at in expected.items() if due_at <= last} - times.keys() == set()
    assert [fact for _, fact in misses if not fact.due_at <= fact.detected_at <= fact.timestamp] == []
    assert [fact for _, fact in facts if isinstance(fact, supervision.DeadlineMissRetracted)] == []
    with capsys.disabled():
        print(f"\n{len(misses)} deadlines missed once each, {kills} kills")


def _facts(site: Site) -> list[tuple[UUID, object]]:
    runtime = site.open("supervision")
    rows = runtime.app.log.select_notifications(start=None, limit=1_000_000)
    facts = [(row.originator_id, runtime.app.mapper.to_domain_event(row)) for row in rows]
    runtime.close()
    return facts  # type: ignore[return-value]


def _deadlines(site: Site) -> dict[tuple[UUID, str, int], datetime]:
    """When each clock that runs by now is due: by case, clock and cycle."""
    return {
        (case, fact.clock, fact.cycle): fact.due_at
        for case, fact in _facts(site)
        if isinstance(fact, supervision.ClockStarted)
    }
