"""HTTP: whose inbox, who acknowledges, what is refused and leaves no trace."""

from datetime import timedelta
from typing import Any

import pytest

from services.notify.domain import Matter
from shared.domain.aggregate import stable_id
from shared.domain.case_id import case_id
from shared.events import notify, supervision
from shared.web.auth import undecided_routes


def inbox(world: Any, post: str, query: str = "") -> list[tuple[str, str]]:
    answer = world.client(post).get(f"/api/v1/notices{query}")
    assert answer.status_code == 200, answer.json
    return [(row["level"], row["state"]) for row in answer.json["items"]]


def test_everybody_sees_the_inbox_of_their_own_post(world: Any) -> None:
    world.missed(world.escalated())
    assert inbox(world, "fgw/officer") == [("assigned", "open")]
    assert sorted(inbox(world, "fgw/head")) == [("missed", "open"), ("round1", "open"), ("round2", "open")]
    assert sorted(inbox(world, "gov/vice-leader")) == [("round1", "open"), ("round2", "open")]
    assert inbox(world, "gov/main-leader") == [("unresolved", "open")]
    assert inbox(world, "czj/head") == inbox(world, "inspect/chief") == inbox(world, "office/head") == []


def test_the_inbox_is_filtered_sorted_and_paged(world: Any) -> None:
    case = world.escalated()
    world.clock.advance(minutes=1)
    other = world.case("case-2")
    world.missed(other)
    assert inbox(world, "fgw/head", "?level=missed") == [("missed", "open")]
    assert inbox(world, "fgw/head", "?state=withdrawn") == []
    assert inbox(world, "fgw/head", f"?case_id={other}") == [("missed", "open")]
    assert len(inbox(world, "fgw/head", f"?matter={Matter.id_of(case)}")) == 2
    assert (
        inbox(world, "fgw/head")[0] == inbox(world, "fgw/head", "?sort=not_before")[-1] == ("missed", "open")
    )
    head = world.client("fgw/head")
    seen, query = [], "?limit=2"
    while query:
        page = head.get(f"/api/v1/notices{query}").json
        seen += [row["id"] for row in page["items"]]
        query = page["next"] and f"?limit=2&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 3
    assert head.get("/api/v1/notices?level=loud").status_code == 422
    assert head.get("/api/v1/notices?who=me").status_code == 422


def test_a_notice_is_read_by_its_unit_and_by_nobody_elses(world: Any) -> None:
    world.missed(world.case())
    [notice] = world.client("fgw/head").get("/api/v1/notices").json["items"]
    path = f"/api/v1/notices/{notice['id']}"
    answer = world.client("fgw/head").get(path)
    assert (answer.status_code, answer.headers["ETag"]) == (200, f'"{notice["version"]}"')
    assert answer.json["may"] == ["acknowledge_notice"]
    assert world.client("inspect/chief").get(path).json["may"] == []
    assert world.client("czj/head").get(path).status_code == 404
    assert world.client("czj/head").get(f"/api/v1/notices/{stable_id('no', 'notice')}").status_code == 404


def test_only_the_recipients_post_acknowledges_and_only_once(world: Any) -> None:
    world.missed(world.case())
    [notice] = world.client("fgw/head").get("/api/v1/notices").json["items"]
    path = f"/api/v1/notices/{notice['id']}/acknowledge"
    before = world.size()
    for post in ("fgw/officer", "czj/head", "gov/main-leader", "inspect/chief"):
        refused = world.client(post).post(path)
        assert (refused.status_code, refused.json["rule"]) == (403, "not-the-recipient")
    head = world.client("fgw/head")
    assert head.post(path, {"note": ""}).status_code == 422
    assert head.post(path, {"remark": "已阅"}).status_code == 422
    assert head.post(path, **{"If-Match": '"1"'}).status_code == 412
    assert world.size() == before

    answer = head.post(path, {"note": "已安排"}, key="mine", **{"If-Match": f'"{notice["version"]}"'})
    assert answer.status_code == 200
    again = head.post(path, {"note": "已安排"}, key="mine", **{"If-Match": f'"{notice["version"]}"'})
    assert again.headers["Idempotency-Replayed"] == "true"
    [fact] = world.opened.of_kind("notify", notify.NoticeAcknowledged)
    assert (str(fact.notice_id), fact.post, fact.note, fact.escalated) == (
        notice["id"],
        "fgw/head",
        "已安排",
        False,
    )
    refused = head.post(path)
    assert (refused.status_code, refused.json["rule"]) == (409, "notice-already-acknowledged")
    world.opened.settle()
    assert inbox(world, "fgw/head", "?state=acknowledged") == [("missed", "acknowledged")]
    assert world.size() == before + 1


def test_a_withdrawn_notice_is_not_acknowledged(world: Any) -> None:
    case = world.case()
    world.missed(case)
    [notice] = world.client("fgw/head").get("/api/v1/notices").json["items"]
    world.told(supervision.CaseClosed, case, ground="resolved")
    before = world.size()
    refused = world.client("fgw/head").post(f"/api/v1/notices/{notice['id']}/acknowledge")
    assert (refused.status_code, refused.json["rule"]) == (409, "notice-is-withdrawn")
    assert inbox(world, "fgw/head") == [("missed", "withdrawn")]
    assert world.size() == before


def test_a_digest_and_an_unknown_notice_are_not_acknowledged(world: Any) -> None:
    world.case()
    world.clock.advance(days=1)
    world.opened.settle()
    head = world.client("fgw/head")
    [digest] = head.get("/api/v1/digests").json["items"]
    assert inbox(world, "fgw/head") == [("digest", "open")]
    assert head.get(f"/api/v1/notices/{digest['id']}").json["may"] == []
    before = world.size()
    for id in (digest["id"], stable_id("no", "notice")):  # noqa: A001
        assert head.post(f"/api/v1/notices/{id}/acknowledge").status_code == 404
    assert world.size() == before


def test_escalations_are_for_the_leaders_and_the_supervision_office(world: Any) -> None:
    case = world.escalated()
    world.case("calm")
    for post in ("gov/main-leader", "gov/vice-leader", "inspect/chief"):
        [row] = world.client(post).get("/api/v1/escalations").json["items"]
        assert (row["case_id"], row["number"], row["unit"], row["round"], row["state"]) == (
            str(case),
            "2021-case-1",
            "fgw",
            2,
            "open",
        )
    for post in ("fgw/head", "fgw/officer", "office/head"):
        assert world.client(post).get("/api/v1/escalations").status_code == 403
    leader = world.client("gov/main-leader")
    for query, number in (
        ("?state=acknowledged", 0),
        ("?state=open", 1),
        ("?unit=czj", 0),
        (f"?case_id={case}", 1),
    ):
        assert len(leader.get(f"/api/v1/escalations{query}").json["items"]) == number


def test_only_the_main_leader_acknowledges_an_escalation(world: Any) -> None:
    case = world.escalated()
    world.case("calm")
    path = f"/api/v1/escalations/{Matter.id_of(case)}/acknowledge"
    before = world.size()
    for post in ("gov/vice-leader", "inspect/chief", "fgw/head"):
        assert world.client(post).post(path).status_code == 403
    another = world.opened.client("notify", "main_leader", "gov", "gov/deputy")
    assert another.post(path).json["rule"] == "not-the-recipient"
    leader = world.client("gov/main-leader")
    for name in ("calm", "unknown"):
        unknown = Matter.id_of(case_id("task", stable_id("test-task", name)))
        assert leader.post(f"/api/v1/escalations/{unknown}/acknowledge").status_code == 404
    assert leader.post(path, **{"If-Match": '"2"'}).status_code == 412
    assert world.size() == before

    version = leader.get("/api/v1/escalations").json["items"][0]["version"]
    answer = leader.post(path, {"note": "请督查室跟进"}, **{"If-Match": f'"{version}"'})
    assert (answer.status_code, answer.json["state"], answer.json["number"]) == (
        200,
        "acknowledged",
        "2021-case-1",
    )
    refused = leader.post(path)
    assert (refused.status_code, refused.json["rule"]) == (409, "escalation-already-acknowledged")
    world.told(supervision.CaseClosed, case, ground="resolved")
    refused = leader.post(path)
    assert (refused.status_code, refused.json["rule"]) == (409, "escalation-is-withdrawn")


def test_reading_the_notice_of_an_escalation_acknowledges_it_with_its_reminders(world: Any) -> None:
    case = world.escalated()
    world.at("2021-03-09 09:00")
    leader = world.client("gov/main-leader")
    first = leader.get("/api/v1/notices?level=unresolved&sort=not_before").json["items"][0]
    assert leader.post(f"/api/v1/notices/{first['id']}/acknowledge").status_code == 200
    world.opened.settle()
    assert world.escalation(case)["state"] == "acknowledged"
    assert {row["state"] for row in world.notices(level="unresolved")} == {"acknowledged"}
    assert world.kinds(case).count("NoticeAcknowledged") == 2


def test_a_unit_reads_its_own_digests_and_the_leaders_all(world: Any) -> None:
    world.case("one")
    world.case("two", unit="czj", post=None)
    world.clock.advance(days=1)
    world.opened.settle()

    def units(post: str, query: str = "") -> list[str]:
        return [row["unit"] for row in world.client(post).get(f"/api/v1/digests{query}").json["items"]]

    assert units("fgw/head") == units("fgw/officer") == ["fgw"]
    assert sorted(units("gov/main-leader")) == sorted(units("inspect/chief")) == ["czj", "fgw"]
    assert units("inspect/chief", "?unit=czj&day=2021-03-09") == ["czj"]
    assert units("inspect/chief", "?day=2021-03-10") == []


@pytest.mark.parametrize("role", ["enterprise", "overseer", "operator"])
def test_others_have_no_business_here(world: Any, role: str) -> None:
    case = world.escalated()
    caller = world.opened.client("notify", role, "fgw", "fgw/head")
    for path in ("notices", "escalations", "digests", f"notices/{case}"):
        assert caller.get(f"/api/v1/{path}").status_code == 403
    for path in (f"notices/{case}", f"escalations/{case}"):
        assert caller.post(f"/api/v1/{path}/acknowledge").status_code == 403


def test_an_auditor_reads_what_every_post_was_told_but_of_secret_matters_and_acts_on_nothing(
    world: Any,
) -> None:
    world.missed(world.escalated())
    secret = world.escalated("密2", secrecy="secret")
    world.case("other", unit="czj", post=None)
    world.clock.advance(days=1)
    world.opened.settle()
    auditor = world.opened.client("notify", "auditor", "audit", "audit/auditor")

    def read(path: str) -> list[dict[str, Any]]:
        answer = auditor.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.json
        return list(answer.json["items"])

    notices = read("notices?limit=200")
    assert {row["to_post"] for row in notices} >= {"fgw/head", "fgw/officer", "gov/main-leader", "czj/head"}
    told = {row["id"] for row in notices}
    ours, hidden = set(), set()
    for row in world.notices():
        of_it = row["case_id"] == str(secret) or "2021-密2" in row["text"]
        (hidden if of_it else ours).add(row["id"])
    assert told == ours
    assert any(row["level"] == "digest" for row in world.notices() if row["id"] in hidden)
    assert {row["number"] for row in read("escalations")} == {"2021-case-1"}
    assert {row["unit"] for row in read("digests")} == {"czj"}
    assert "密2" not in str([notices, read("escalations"), read("digests")])
    assert {auditor.get(f"/api/v1/notices/{id_}").status_code for id_ in ours} == {200}
    assert {auditor.get(f"/api/v1/notices/{id_}").status_code for id_ in hidden} == {404}
    before = world.size()
    for path in (f"notices/{next(iter(ours))}", f"escalations/{Matter.id_of(secret)}"):
        assert auditor.post(f"/api/v1/{path}/acknowledge").status_code == 403
    assert world.size() == before


def test_every_route_is_decided_and_an_expired_token_is_refused(world: Any) -> None:
    assert undecided_routes(world.opened["notify"].web()) == []
    caller = world.client("fgw/head")
    world.clock.now += timedelta(days=4000)
    assert caller.get("/api/v1/notices").status_code == 401
