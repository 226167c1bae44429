"""What the gauges of the services say about a known state."""

from pathlib import Path

from services.suite import SUITE
from shared.runtime.gauge import Values
from shared.runtime.gauges import gauges
from shared.testing import Opened, StoppedClock, shanghai
from tests.test_order import Suite


def _measured(opened: Opened, service: str, role: str = "worker") -> dict[str, Values]:
    return {gauge.name: values for gauge, values in gauges(opened[service], role)}


def test_gauges_follow_the_clocks_the_scheduler_and_the_notices(tmp_path: Path) -> None:
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    with Opened(tmp_path, clock, *SUITE.values()) as opened:
        suite = Suite(opened, clock)
        suite.people()
        suite.directives()
        opened.settle()
        before = _measured(opened, "supervision")
        assert before["duban_clocks"][("open",)] > 0
        assert before["duban_clocks_overdue"] == {(): 0.0}
        assert before["duban_clock_oldest_undetected_seconds"] == {(): 0.0}

        clock.set("2021-02-01 09:00")  # no worker runs: what fell due meanwhile is undetected
        slept = _measured(opened, "supervision")
        assert slept["duban_clocks_overdue"][()] > 0
        assert slept["duban_clock_oldest_undetected_seconds"][()] > 86400

        opened.settle()
        caught_up = _measured(opened, "supervision")
        assert caught_up["duban_clock_oldest_undetected_seconds"] == {(): 0.0}
        assert caught_up["duban_clocks_overdue"] == slept["duban_clocks_overdue"]
        assert caught_up["duban_rounds_unanswered"][()] > 0
        assert _measured(opened, "notify")["duban_notice_oldest_undelivered_seconds"] == {(): 0.0}


def test_the_services_own_gauges_are_shown_by_its_own_role_alone(tmp_path: Path) -> None:
    with Opened(tmp_path, StoppedClock(shanghai("2021-01-04 09:00")), SUITE["supervision"]) as opened:
        assert "duban_clocks" in _measured(opened, "supervision", "tick")
        assert "duban_clocks" not in _measured(opened, "supervision", "project")
