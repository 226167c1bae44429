"""Who looks into a log stands in that log, once for each look."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.suite import SUITE
from shared.audit.access import record_access
from shared.events.audit import Asked, AuditAccessed
from shared.testing import Opened, StoppedClock, an_act, shanghai

NOW = shanghai("2021-03-01 09:00")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with Opened(tmp_path, StoppedClock(NOW), SUITE["enterprise"], SUITE["notify"]) as opened:
        yield opened


def auditor(**more: Any) -> Any:
    return an_act(NOW, unit="audit", post="audit/auditor", role="auditor", **more)


@pytest.mark.parametrize("service", ["enterprise", "notify"])
def test_an_access_is_recorded_in_the_log_that_was_read(opened: Opened, service: str) -> None:
    record_access(opened[service].app, auditor(), "as-of", {"path": "/api/v1/whistles"})
    (fact,) = opened.log(service)
    assert isinstance(fact, AuditAccessed)
    assert (fact.by.post, fact.question) == ("audit/auditor", "as-of")
    assert fact.about == (Asked(name="path", value="/api/v1/whistles"),)
    others = {"enterprise", "notify"} - {service}
    assert [opened.log(other) for other in others] == [[]]


def test_a_repeated_command_is_one_access(opened: Opened) -> None:
    app, act = opened["enterprise"].app, auditor()
    for asked in (act, act, auditor()):
        record_access(app, asked, "why", {"subject": "whistle:W-2021-0001"})
    assert len(opened.of_kind("enterprise", AuditAccessed)) == 2


def test_an_access_moves_no_view_and_no_reaction(opened: Opened) -> None:
    record_access(opened["enterprise"].app, auditor(), "replay", {})
    opened.settle()
    assert opened["enterprise"].parked() == []
    assert opened.rebuild_and_compare("enterprise") == []
    assert len(opened.log("enterprise")) == 1
    assert opened.log("notify") == []
