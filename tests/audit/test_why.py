"""Why: the chain from what was published back to the facts, and forward, complete and in words."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from services.audit.why import SeveralBearThisNumber, SubjectMalformed, Why
from shared.application.application import NoSuchThing
from shared.events import enterprise, notify, supervision
from shared.testing import an_act
from tests.audit.story import AUDITOR, CLEARED, Told, told


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with told(tmp_path_factory.mktemp("told")) as suite:
        yield suite


def why(suite: Told, subject: str, who: Any = AUDITOR) -> Why:
    return suite.questions.why(who, subject, "zh")


def kinds(found: Why, edges: dict[str, list[str]]) -> set[str]:
    return {found.nodes[id_].kind for id_ in edges}


def published(suite: Told) -> supervision.NamingPublished:
    (first, *_) = suite.facts_of("supervision", supervision.NamingPublished)
    return first  # type: ignore[no-any-return]


def test_a_naming_goes_back_to_its_rounds_the_task_the_list_and_the_directive(suite: Told) -> None:
    found = why(suite, f"naming:{published(suite).number}/{published(suite).year}")
    assert {
        "NamingPublished",
        "NamingApproved",
        "NamingChecked",
        "NamingDrafted",
        "NamingBecameDue",
        "RoundJudged",
        "RoundSigned",
        "RoundAnswered",
        "RoundIssued",
        "CaseOpened",
        "TaskAssigned",
        "TaskListOpened",
        "RulebookReleased",
    } <= kinds(found, found.backward)
    judged = [
        node for node in found.nodes.values() if node.kind == "RoundJudged" and node.id in found.backward
    ]
    assert {"认定进展缓慢" in node.says for node in judged} == {True}
    assert len(judged) >= 2


def test_a_naming_goes_forward_to_who_was_told_and_to_its_correction(suite: Told) -> None:
    found = why(suite, f"naming:{published(suite).number}/{published(suite).year}")
    assert {"NoticeIssued", "NamingCorrected"} <= kinds(found, found.forward)


def test_each_fact_says_who_why_and_under_which_versions(suite: Told) -> None:
    found = why(suite, f"naming:{published(suite).number}/{published(suite).year}")
    for node in found.nodes.values():
        assert node.name
        assert node.unit
        assert node.post
        assert node.because.partition(":")[0] in {"request", "event", "clock", "rulebook", "calendar"}
        assert node.happened_at <= node.recorded_at
    cases = [node for node in found.nodes.values() if node.kind in ("CaseOpened", "RoundIssued")]
    assert {node.rulebook_version for node in cases} == {4}


def test_a_miss_explains_its_due_date_day_by_day(suite: Told) -> None:
    rows = suite.opened.rows("supervision", "clocks").values()
    row = next(row for row in rows if row["missed"] and row["clock"] == "task_due")
    found = why(suite, f"miss:{row['case_id']}/{row['clock']}/{row['cycle']}")
    root = found.nodes[found.roots[-1]]
    assert {found.nodes[id_].kind for id_ in found.roots} == {"DeadlineMissed"}
    assert root.calendar_version is not None
    assert any("第1个工作日" in line for line in root.due)
    assert any("不计，周末" in line or "第2个工作日" in line for line in root.due)
    assert {"ClockStarted", "CaseOpened"} <= kinds(found, found.backward)
    assert {"RoundIssued", "NoticeIssued"} <= kinds(found, found.forward)


def test_a_due_date_a_round_a_case_a_whistle_and_an_escalation_have_their_reasons(suite: Told) -> None:
    case = suite.case_of("5")
    whistle = next(iter(suite.opened.rows("enterprise", "whistles").values()))["number"]
    escalated = suite.facts_of("notify", notify.EscalationOpened)
    assert escalated
    matter = next(row for row in suite.opened.rows("notify", "escalations").values() if row["opened_at"])
    for subject, root, behind in (
        (f"due:{case}/task_due", "ClockRescheduled", "CalendarReleased"),
        (f"round:{case}/2", "RoundJudged", "RoundIssued"),
        (f"case:{case}", "CaseOpened", "TaskAssigned"),
        (f"whistle:{whistle}", "WhistleBlown", "WhistleBlown"),
        (f"escalation:{matter['case_id']}", "EscalationOpened", "RoundJudged"),
    ):
        found = why(suite, subject)
        assert found.nodes[found.roots[0]].kind == root, subject
        assert behind in kinds(found, found.backward), subject
    again = why(suite, f"event:{found.roots[0]}")
    assert again.roots == found.roots[:1]


def test_a_recomputed_verdict_rests_on_the_verdict_and_on_the_calendar(suite: Told) -> None:
    rows = suite.opened["supervision"].app.log.select_notifications(
        start=None, limit=100, topics=[supervision.VerdictRecomputed.TOPIC]
    )
    first = rows[0]
    found = why(suite, f"event:supervision/{first.originator_id}/{first.originator_version}")
    assert {"ClockStopped", "CalendarReleased"} <= kinds(found, found.backward)
    (root,) = (found.nodes[id_] for id_ in found.roots)
    assert "原判" in root.says
    assert "复算" in root.says


def test_edges_lead_from_a_fact_to_earlier_ones_backward_and_to_later_ones_forward(suite: Told) -> None:
    found = why(suite, f"case:{suite.case_of('5')}")
    position = {id_: node.recorded_at for id_, node in found.nodes.items()}
    for edges, earlier in ((found.backward, True), (found.forward, False)):
        pairs = [(one, other) for one, others in edges.items() for other in others]
        assert pairs
        for one, other in pairs:
            assert position[other] <= position[one] if earlier else position[one] <= position[other]


def test_a_secret_item_is_a_subject_for_the_cleared_only(suite: Told) -> None:
    with pytest.raises(NoSuchThing):
        why(suite, "task:密1")
    with pytest.raises(NoSuchThing):
        why(suite, f"case:{suite.case_of('密1')}")
    assert why(suite, "task:密1", CLEARED).nodes


def test_a_secret_fact_on_the_way_is_withheld(suite: Told) -> None:
    digest = why(suite, f"task:{suite.secret}", CLEARED)
    secret = {id_ for id_, node in digest.nodes.items() if node.kind == "NoticeIssued"}
    assert secret
    for id_ in secret:
        with pytest.raises(NoSuchThing):
            why(suite, f"event:{id_}")


@pytest.mark.parametrize(
    "subject", ["", "naming:", "naming:x", "bulletin:1", "miss:1", "case:x", "event:a/b/c", "rate:nix@1..2"]
)
def test_a_malformed_subject_is_refused_with_what_can_be_asked(suite: Told, subject: str) -> None:
    with pytest.raises(SubjectMalformed) as refused:
        why(suite, subject)
    assert "naming:number/year" in refused.value.text("en")


def test_a_number_that_several_bear_is_not_guessed(suite: Told) -> None:
    with pytest.raises(SeveralBearThisNumber):
        why(suite, "task:1")
    with pytest.raises(NoSuchThing):
        why(suite, "task:999")


def test_it_is_json_and_graphviz_too(suite: Told) -> None:
    found = why(suite, f"naming:{published(suite).number}/{published(suite).year}")
    plain = json.loads(json.dumps(found.plain()))
    assert {node["id"] for node in plain["nodes"]} == set(found.nodes)
    assert {"from", "to"} == set(plain["rests_on"][0])
    drawn = found.dot()
    assert drawn.startswith("digraph why {")
    assert drawn.rstrip().endswith("}")
    assert drawn.count(" -> ") >= len(found.nodes) - 1


@pytest.mark.parametrize("id_", ["contacted", "resolved_or_confirmed", "solved", "satisfied", "rework"])
def test_a_rate_shows_the_facts_in_its_parts_and_the_parts_are_the_published_ones(
    suite: Told, id_: str
) -> None:
    found = why(suite, f"rate:{id_}@2021-01-01..2021-01-31")
    assert found.figure is not None
    app: Any = suite.opened["enterprise"].app
    rates = app.rates(since=date(2021, 1, 1), until=date(2021, 1, 31), as_of=None)["rates"]
    (shown,) = [rate for rate in rates if rate["id"] == id_]
    for part in ("numerator", "denominator", "total", "exclusions"):
        assert found.figure[part] == shown[part], part
    assert len(found.figure["items"]) == shown["total"] > 0
    for item in found.figure["items"]:
        assert item["facts"]
        assert set(item["facts"]) <= set(found.nodes)


def test_an_on_time_rate_shows_the_clocks_that_it_counts(suite: Told) -> None:
    found = why(suite, "rate:on_time.arrange@2021-01-01..2021-01-31")
    assert found.figure is not None
    assert (found.figure["numerator"], found.figure["denominator"]) == (4, 5)  # of which one was revised
    assert {"ClockStarted", "ClockStopped", "VerdictRevised"} <= {node.kind for node in found.nodes.values()}


def test_the_number_of_a_confidential_whistle_is_withheld_as_an_export_would(suite: Told) -> None:
    """Last of this module: it adds a whistle. The register's fact says nothing of secrecy; what it names is secret."""
    app: Any = suite.opened["enterprise"].app
    act = an_act(suite.opened.clock(), unit="office", post="office/head", role="government_office")
    code = suite.opened.of_kind("enterprise", enterprise.EnterpriseRegistered)[0].credit_code
    what = {"category": "用地", "title": "不便公开", "text": "等", "channel": "phone"}
    app.blow_whistle(act, credit_code=code, confidential=True, **what)
    [*_, issued] = app.log.select_notifications(
        start=None, limit=1000, topics=[enterprise.WhistleNumberIssued.TOPIC]
    )
    subject = f"event:enterprise/{issued.originator_id}/{issued.originator_version}"
    assert why(suite, subject, CLEARED).nodes
    with pytest.raises(NoSuchThing):
        why(suite, subject)
