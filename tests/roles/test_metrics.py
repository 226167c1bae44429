"""The metrics of the running suite: all that alert rules and dashboards ask for, counted right."""

import re
from pathlib import Path

import pytest

from tests.deploy.metrics import asked_for
from tests.faults.cluster import until
from tests.roles.site import Client, Site, ask


def _scraped(site: Site) -> set[str]:
    texts = [ask(member.port, "GET", "/metrics", {}, None, 15).body for member in site.members]
    found = {name for text in texts for name in re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)}
    samples = {name for text in texts for name in re.findall(r"^(\w+)[{ ]", text, re.MULTILINE)}
    return found | samples


def test_every_metric_of_rules_and_dashboards_is_in_a_scrape(site: Site) -> None:
    web = site.add("assignment", "web")
    workers = [site.add(service, "worker") for service in ("assignment", "supervision", "notify")]
    site.wait_until_ready()
    client = Client(site, web)
    written = client.register_unit("new")
    assert written.status == 201
    assert client.register_unit("new").status == 409
    until(lambda: workers[0].metric("duban_relay_published_total") >= 1, site.tail)
    assert asked_for() - _scraped(site) == set()
    assert web.metric("duban_events_saved_total", service="assignment") == 1
    assert web.metric("duban_commands_refused_total", rule="already-exists") == 1
    assert workers[0].metric("duban_relay_unsent_seconds") == 0
    assert workers[1].metric("duban_progress_age_seconds", consumer="react") < 60


def test_several_workers_count_as_one_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with Site(None, tmp_path / "site", kafka=False) as site:
        web = site.add("assignment", "web", web_workers=2)
        site.wait_until_ready()
        for number in range(6):
            assert Client(site, web).register_unit(f"unit{number}").status == 201
        seen = [web.metric("duban_events_saved_total", service="assignment") for _ in range(8)]
        assert seen == [6.0] * 8, "whichever worker answers"
        assert [one.name.startswith("duban-scratch-") for one in temporary.iterdir()] == [True]
        assert web.process.stop() == 0
        assert list(temporary.iterdir()) == []
