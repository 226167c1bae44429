"""Diff: what changed between two moments; judgements as made, and beside them as recomputed."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.audit.past import Cut
from services.audit.questions import DiffNeedsTwoMoments
from shared.events import supervision
from shared.testing import shanghai
from tests.audit.story import AUDITOR, CLEARED, Told, told

EARLY = shanghai("2021-01-06 09:00")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with told(tmp_path_factory.mktemp("told")) as suite:
        yield suite


def diff(suite: Told, who: Any = AUDITOR, **asked: Any) -> dict[str, Any]:
    return suite.questions.diff(who, Cut(recorded=EARLY), Cut(recorded=suite.clock()), **asked)


def test_a_row_that_changed_says_what_it_was_and_what_it_is(suite: Told) -> None:
    task = next(id_ for id_, row in suite.opened.rows("assignment", "tasks").items() if row["number"] == "5")
    found = diff(suite, item=task)
    (row,) = [one for one in found["changes"] if one["view"] == "tasks"]
    assert row["kind"] == "changed"
    assert row["columns"]["progress_value"] == {"before": None, "after": "1"}
    assert "完成数量 — → 1" in row["says"]


def test_one_item_brings_its_case_its_clocks_and_its_rounds_and_no_other_item(suite: Told) -> None:
    case = suite.case_of("5")
    found = diff(suite, item=case)
    views = {(one["service"], one["view"]) for one in found["changes"]}
    assert {("supervision", "rounds"), ("supervision", "namings"), ("assignment", "tasks")} <= views
    namings = suite.opened.rows("supervision", "namings")
    own = {case, *(id_ for id_, row in namings.items() if row["case_id"] == case)}
    cases = suite.opened.rows("supervision", "cases")
    others = {id_ for id_, row in cases.items() if id_ not in own and row["subject_id"] not in own}
    assert not [one for one in found["changes"] if one["id"].partition("/")[0] in others]


def test_one_unit_is_fewer_rows_than_the_whole(suite: Told) -> None:
    whole, one = diff(suite), diff(suite, unit="gxj")
    assert 0 < len(one["changes"]) < len(whole["changes"])


def test_a_verdict_stands_as_judged_beside_the_one_that_the_calendar_makes(suite: Told) -> None:
    recomputed = suite.facts_of("supervision", supervision.VerdictRecomputed)
    assert recomputed
    beside = [one for one in diff(suite)["judged_otherwise"] if one["because"] == "calendar"]
    assert {(one["as_judged"], one["recomputed"]) for one in beside} >= {
        (fact.as_judged, fact.recomputed) for fact in recomputed
    }
    assert all("原判" in one["says"] and "复算" in one["says"] for one in beside)
    assert not [one["says"] for one in beside if re.search("[a-z]", one["says"])]


def test_a_miss_that_a_late_fact_took_back_stands_beside_it(suite: Told) -> None:
    assert suite.facts_of("supervision", supervision.DeadlineMissRetracted)
    beside = [one for one in diff(suite)["judged_otherwise"] if one["as_judged"] == "missed"]
    assert {one["because"] for one in beside} == {"fact_arrived_late", "calendar"}
    assert {one["recomputed"] for one in beside} == {"not missed"}


def test_nothing_lies_between_a_moment_and_the_next_when_nothing_was_recorded(suite: Told) -> None:
    now = suite.clock()
    found = suite.questions.diff(AUDITOR, Cut(recorded=now - timedelta(minutes=2)), Cut(recorded=now))
    assert (found["changes"], found["judged_otherwise"]) == ([], [])


def test_secret_rows_are_shown_to_the_cleared_only(suite: Told) -> None:
    secret = str(suite.secret)
    assert [one for one in diff(suite, CLEARED)["changes"] if secret in one["id"]]
    shown = diff(suite)["changes"]
    case = suite.case_of("密1")
    assert not [one for one in shown if secret in one["id"] or case in one["id"] or "密1" in one["says"]]
    assert diff(suite, item="密1")["changes"] == []


def test_two_moments_in_their_order(suite: Told) -> None:
    now = suite.clock()
    with pytest.raises(DiffNeedsTwoMoments):
        suite.questions.diff(AUDITOR, Cut(recorded=now), Cut(recorded=now))
