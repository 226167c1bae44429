"""Enterprises and whistles over HTTP: who may, what is refused and writes nothing, what is seen by whom."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.case_id import case_id
from shared.events import enterprise
from shared.testing import Opened, as_id, shanghai


def code_of(town: Any, caller: Any) -> str:
    return str(caller.get("/api/v1/enterprises").json["items"][0]["credit_code"])


# -- enterprises --------------------------------------------------------------------------------------------------


def test_a_bad_credit_code_is_refused_with_the_digit_expected_and_nothing_is_written(opened: Opened) -> None:
    clerk = opened.client("enterprise", "government_office", "office", "office/officer")
    for code, rule in (
        ("91350100M000100Y44", "credit-code-check-digit-wrong"),
        ("91350100M000100Y4", "credit-code-of-wrong-length"),
        ("91350100M000100O43", "credit-code-character-forbidden"),
    ):
        answer = clerk.post("/api/v1/enterprises", {"credit_code": code, "name": "某公司"})
        assert (answer.status_code, answer.json["rule"]) == (422, rule)
        assert answer.json["errors"][0]["field"] == "credit_code"
    answer = clerk.post("/api/v1/enterprises", {"credit_code": "91350100M000100Y44", "name": "某公司"})
    assert '"3"' in answer.json["detail"]
    assert opened.log("enterprise") == []


def test_an_enterprise_is_registered_once_and_only_by_itself_or_a_clerk(opened: Opened) -> None:
    code = "91350100M000100Y43"
    clerk = opened.client("enterprise", "officer", "fgw", "fgw/officer")
    other = opened.client("enterprise", "enterprise", "91110000802100433B", "legal-person")
    itself = opened.client("enterprise", "enterprise", code, "legal-person")
    body = {"credit_code": code, "name": "某公司"}
    assert other.post("/api/v1/enterprises", body).json["rule"] == "not-your-enterprise"
    key = itself.post("/api/v1/enterprises", {**body, "key_enterprise": True})
    assert (key.status_code, key.json["rule"]) == (403, "key-enterprise-named-by-office")
    answer = clerk.post("/api/v1/enterprises", body)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/enterprises/{answer.json['id']}"
    again = itself.post("/api/v1/enterprises", body)
    assert (again.status_code, again.json["rule"]) == (409, "already-exists")
    assert len(opened.log("enterprise")) == 1


def test_contact_data_are_shown_to_the_enterprise_the_desk_and_the_units_that_handle_its_whistle(
    town: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    code = code_of(town, town.coal)
    (own,) = town.coal.get("/api/v1/enterprises").json["items"]
    assert own["contact_phone"] == "13800000001"
    path = f"/api/v1/enterprises/{own['id']}"
    assert town.office.get(path).json["contact_phone"] == "13800000001"
    assert town.leader.get(path).json["contact_phone"] is None
    assert town.milk.get(path).status_code == 404
    assert town.fgw.get(path).status_code == 404

    whistle = town.blow()
    town.route(whistle, "fgw", "czj")
    assert town.fgw.get(path).json["contact_name"] == "联系人"
    assert town.czj.get(path).json["contact_phone"] == "13800000001"
    assert [row["credit_code"] for row in town.fgw.get("/api/v1/enterprises").json["items"]] == [code]
    town.did(town.fgw, whistle, "return", reason="不属本单位", suggested_unit="zrj")
    assert town.fgw.get(path).status_code == 404
    town.route(whistle, "zrj")
    town.did(town.coal, whistle, "withdraw", reason="已自行解决")
    assert town.zrj.get(path).json["contact_phone"] is None
    listed = {row["contact_phone"] for row in town.inspect.get("/api/v1/enterprises").json["items"]}
    assert listed == {None}
    logged = caplog.text + "".join(capsys.readouterr())
    assert "13800000001" not in logged


# -- blowing ------------------------------------------------------------------------------------------------------


def test_a_clerk_blows_for_an_enterprise_with_the_time_at_which_it_called(town: Any) -> None:
    body = {
        "credit_code": code_of(town, town.coal),
        "category": "用电",
        "title": "增容",
        "text": "变压器不足",
        "channel": "phone",
        "happened_at": "2021-02-05T15:00:00+08:00",
        "leader_post": "gov/vice-leader",
    }
    answer = town.office.post("/api/v1/whistles", body)
    whistle = as_id(answer)
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/whistles/{whistle}")
    (fact,) = town.opened.of_kind("enterprise", enterprise.WhistleBlown)
    assert (fact.happened_at, fact.timestamp) == (shanghai("2021-02-05 15:00"), shanghai("2021-02-05 16:00"))
    assert (fact.desk_unit, fact.leader_post, fact.channel) == ("office", "gov/vice-leader", "phone")


@pytest.mark.parametrize(
    ("who", "more", "status", "rule"),
    [
        ("office", {}, 422, "credit-code-needed"),
        ("office", {"credit_code": "91350100M000100Y43"}, 422, "unknown-enterprise"),
        ("coal", {"credit_code": "milk"}, 403, "blown-for-another-enterprise"),
        ("coal", {"channel": "phone"}, 422, "channel-does-not-fit"),
        ("office", {"credit_code": "coal", "channel": "web"}, 422, "channel-does-not-fit"),
        ("coal", {"desk_unit": "nowhere"}, 422, "unknown-unit"),
        ("coal", {"desk_unit": "fgw"}, 422, "desk-must-be-an-office"),
        ("coal", {"leader_post": "fgw/head"}, 422, "not-a-leader"),
        ("coal", {"leader_post": "nobody"}, 422, "unknown-post"),
        ("coal", {"happened_at": "2021-02-05T16:00:01+08:00"}, 422, "happened-in-the-future"),
        ("coal", {"urgency": "very"}, 422, "content-not-acceptable"),
        ("coal", {"colour": "red"}, 422, "content-not-acceptable"),
        ("impostor", {}, 422, "credit-code-of-wrong-length"),
        ("leader", {}, 403, "role-may-not"),
    ],
)
def test_a_whistle_is_refused_and_no_number_is_used_up(
    town: Any, who: str, more: dict[str, Any], status: int, rule: str
) -> None:
    if more.get("credit_code") in ("coal", "milk"):
        more = {**more, "credit_code": code_of(town, getattr(town, more["credit_code"]))}
    before = len(town.opened.log("enterprise"))
    body = {"category": "用地", "title": "手续", "text": "已等三个月。", **more}
    answer = getattr(town, who).post("/api/v1/whistles", body)
    assert (answer.status_code, answer.json["rule"]) == (status, rule), answer.json
    assert len(town.opened.log("enterprise")) == before
    town.blow()
    assert [row["number"] for row in town.opened.rows("enterprise", "whistles").values()] == ["W-2021-0001"]


def test_numbers_have_no_gap_and_begin_anew_with_the_year_in_shanghai(town: Any) -> None:
    town.clock.set("2021-12-31 23:59")
    town.blow(title="一")
    town.blow(title="二")
    town.clock.set("2022-01-01 00:00")
    late = town.blow(title="三", happened_at="2021-12-31T23:00:00+08:00")
    rows = town.opened.rows("enterprise", "whistles").values()
    assert sorted(row["number"] for row in rows) == ["W-2021-0001", "W-2021-0002", "W-2022-0001"]
    assert town.coal.get(f"/api/v1/whistles/{late}").json["clocks"]["contact_due"] == "2022-01-04"


def test_numbers_have_no_gap_when_many_blow_at_once(town: Any) -> None:
    def blow(n: int) -> int:
        body = {"category": "用地", "title": f"第{n}件", "text": "x"}
        return int((town.coal if n % 2 else town.milk).post("/api/v1/whistles", body).status_code)

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(blow, range(9)))
    numbers = [fact.number for fact in town.opened.of_kind("enterprise", enterprise.WhistleBlown)]
    assert sorted(numbers) == [f"W-2021-{n:04d}" for n in range(1, answers.count(201) + 1)]
    assert set(answers) <= {201, 409}


def test_the_same_request_again_gets_the_same_number(town: Any) -> None:
    body = {"category": "用地", "title": "手续", "text": "已等三个月。"}
    first = town.coal.post("/api/v1/whistles", body, key="once")
    again = town.coal.post("/api/v1/whistles", body, key="once")
    assert first.json == again.json
    assert len(town.opened.of_kind("enterprise", enterprise.WhistleBlown)) == 1


def test_a_repeat_is_linked_and_not_blocked_also_over_the_turn_of_the_year(town: Any) -> None:
    town.clock.set("2021-12-31 10:00")
    first = town.blow()
    other = town.blow(town.milk)
    town.clock.set("2022-01-04 10:00")
    again = town.blow(title="项目用地手续，迟迟未办！")
    third = town.blow(title="别的说法", category="其他")
    assert town.whistle(again)["repeats"] == [str(first)]
    assert (town.whistle(third)["repeats"], town.whistle(other)["repeats"]) == ([], [])
    town.refused(422, "repeat-of-another-enterprise", town.office, third, "link-repeat", earlier=str(other))
    town.refused(422, "repeat-of-a-later-whistle", town.office, first, "link-repeat", earlier=str(third))
    town.did(town.office, third, "link-repeat", earlier=str(first))
    assert town.whistle(third)["repeats"] == [str(first)]
    named = town.blow(title="又一说法", repeats=str(first))
    assert town.whistle(named)["repeats"] == [str(first)]
    body = {"category": "用地", "title": "又", "text": "又", "repeats": str(other)}
    assert town.coal.post("/api/v1/whistles", body).json["rule"] == "unknown-whistle"
    clerk = {**body, "credit_code": town.whistle(first)["credit_code"]}
    assert town.office.post("/api/v1/whistles", clerk).json["rule"] == "repeat-of-another-enterprise"
    assert [fact.repeats for fact in town.opened.of_kind("enterprise", enterprise.WhistleBlown)] == [
        None,
        None,
        first,
        None,
        first,
    ]
    town.route(again)
    assert town.opened.rebuild_and_compare("enterprise") == []


# -- the refusals of the issue ------------------------------------------------------------------------------------


def test_a_contact_time_before_the_whistle_is_refused(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle)
    problem = town.refused(
        422,
        "before-what-it-rests-on",
        town.fgw,
        whistle,
        "contact",
        how="phone",
        happened_at="2021-02-05T15:59:59+08:00",
    )
    assert problem["errors"][0]["field"] == "happened_at"
    for said in ("2021-02-05 15:59", "whistle routed", "2021-02-05 16:00 Beijing time"):
        assert said in problem["detail"]


def test_a_reporter_merged_into_it_is_contacted_before_all_is_resolved(town: Any) -> None:
    main, joined = town.blow(), town.blow(town.milk)
    town.route(main)
    town.did(town.office, joined, "merge", into=str(main))
    town.contact(main)
    problem = town.refused(409, "reporter-not-contacted", town.fgw, main, "resolve", result="x")
    assert "W-2021-0002" in problem["detail"]
    town.contact(joined)
    town.did(town.fgw, main, "resolve", result="一并办好")
    assert town.whistle(joined)["state"] == "resolved"


def test_a_service_plan_for_a_rest_day_is_refused_and_told_the_days_around(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle)
    plan = {"plan": "分步办理", "steps": ["补件"], "promised_on": "2021-02-14"}
    problem = town.refused(422, "promise-on-rest-day", town.fgw, whistle, "propose-plan", **plan)
    assert "2021-02-10" in problem["detail"]
    assert "2021-02-18" in problem["detail"]
    assert problem["errors"][0]["field"] == "promised_on"


def test_a_confirmation_later_than_thirty_working_days_is_refused(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle)
    plan = {"plan": "分步办理", "steps": ["补件"]}
    problem = town.refused(
        422,
        "promise-beyond-hard-limit",
        town.fgw,
        whistle,
        "propose-plan",
        promised_on="2021-03-25",
        **plan,
    )
    assert "2021-03-24" in problem["detail"]
    town.did(town.fgw, whistle, "propose-plan", promised_on="2021-03-24", **plan)


def test_a_rating_by_the_handler_is_refused(town: Any) -> None:
    whistle = town.blow()
    town.resolved(whistle)
    rating = {"solved": True, "satisfied": True, "score": 5}
    for caller in (town.fgw, town.office, town.czj):
        town.refused(403, "rating-by-handler-refused", caller, whistle, "rate", **rating)
    town.refused(404, "no-such-thing", town.milk, whistle, "rate", **rating)
    town.refused(403, "role-may-not", town.leader, whistle, "rate", **rating)


def test_who_does_not_have_it_in_hand_can_neither_contact_nor_resolve_nor_return(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle, "fgw", "czj")
    town.refused(403, "not-in-hand", town.zrj, whistle, "contact", how="phone")
    for caller in (town.zrj, town.czj):
        town.refused(403, "not-the-lead", caller, whistle, "resolve", result="x")
        town.refused(403, "not-the-lead", caller, whistle, "return", reason="x", suggested_unit="gxj")
    town.refused(422, "suggests-itself", town.fgw, whistle, "return", reason="x", suggested_unit="fgw")
    town.refused(422, "unknown-unit", town.fgw, whistle, "return", reason="x", suggested_unit="nobody")


def test_a_route_is_refused(town: Any) -> None:
    whistle = town.blow()
    for body, status, rule in (
        ({"lead_unit": "nobody"}, 422, "unknown-unit"),
        ({"lead_unit": "fgw", "post": "nobody"}, 422, "unknown-post"),
        ({"lead_unit": "fgw", "post": "czj/head"}, 422, "post-of-another-unit"),
        ({"lead_unit": "fgw", "supporters": ["fgw"]}, 422, "lead-also-supports"),
        ({"lead_unit": "fgw", "supporters": ["czj", "czj"]}, 422, "supporter-named-twice"),
        ({"lead_unit": "fgw", "supporters": ["nobody"]}, 422, "unknown-unit"),
    ):
        town.refused(status, rule, town.office, whistle, "route", **body)
    town.refused(403, "role-may-not", town.fgw, whistle, "route", lead_unit="fgw")
    other = town.opened.client("enterprise", "government_office", "zone-office", "zone-office/officer")
    town.refused(403, "routed-by-another-desk", other, whistle, "route", lead_unit="fgw")


def test_a_closed_whistle_refuses_everything(town: Any) -> None:
    whistle = town.blow()
    town.resolved(whistle)
    town.did(town.coal, whistle, "rate", solved=True, satisfied=True, score=5)
    other = town.blow(title="另一件")
    for caller, command, body in (
        (town.office, "route", {"lead_unit": "czj"}),
        (town.fgw, "return", {"reason": "x", "suggested_unit": "czj"}),
        (town.fgw, "contact", {"how": "phone"}),
        (town.fgw, "propose-plan", {"plan": "x", "steps": ["x"], "promised_on": "2021-03-01"}),
        (town.coal, "agree-plan", {}),
        (town.fgw, "resolve", {"result": "x"}),
        (town.coal, "rate", {"solved": True, "satisfied": True, "score": 5}),
        (town.fgw, "claim-infeasible", {"legal_ground": "x", "explanation": "x"}),
        (town.inspect, "review-infeasible", {"upheld": True, "reason": "x"}),
        (town.office, "merge", {"into": str(other)}),
        (town.office, "unmerge", {"reason": "x"}),
        (town.coal, "withdraw", {"reason": "x"}),
    ):
        town.refused(409, "whistle-is-closed", caller, whistle, command, **body)


def test_a_stale_version_is_refused(town: Any) -> None:
    whistle = town.blow()
    tag = town.office.get(f"/api/v1/whistles/{whistle}").headers["ETag"]
    town.route(whistle)
    answer = town.office.post(f"/api/v1/whistles/{whistle}/route", {"lead_unit": "czj"}, **{"If-Match": tag})
    assert (answer.status_code, answer.json["rule"]) == (412, "version-is-stale")
    new = town.office.get(f"/api/v1/whistles/{whistle}").headers["ETag"]
    answer = town.office.post(f"/api/v1/whistles/{whistle}/route", {"lead_unit": "czj"}, **{"If-Match": new})
    assert answer.status_code == 200


# -- the enterprise's judgement -----------------------------------------------------------------------------------


def test_three_reworks_raise_it_to_the_leader_in_charge_and_transfers_then_to_the_main_leader(
    town: Any,
) -> None:
    whistle = town.blow()
    town.route(whistle)
    town.contact(whistle)
    for _ in range(3):
        town.did(town.fgw, whistle, "resolve", result="已办好")
        town.did(town.coal, whistle, "rate", solved=False, satisfied=False, score=1, comment="没有办好")
    assert (town.whistle(whistle)["raised_to"], town.whistle(whistle)["reworks"]) == ("gov/vice-leader", 3)
    town.refused(403, "only-the-leader-routes", town.office, whistle, "route", lead_unit="czj")
    for lead in ("czj", "zrj", "gxj"):
        town.did(town.vice, whistle, "route", lead_unit=lead)
    assert town.whistle(whistle)["raised_to"] == "gov/main-leader"
    town.refused(403, "only-the-leader-routes", town.vice, whistle, "route", lead_unit="fgw")
    town.did(town.leader, whistle, "route", lead_unit="fgw")
    assert town.opened.rebuild_and_compare("enterprise") == []


def test_unrated_is_closed_by_the_worker_when_the_window_ends_and_is_neither_satisfied_nor_solved(
    town: Any,
) -> None:
    whistle = town.blow()
    town.resolved(whistle)
    until = town.whistle(whistle)["rating_until"]
    assert str(until) == "2021-02-18"
    town.clock.set("2021-02-18 23:59")
    town.opened.settle()
    assert town.whistle(whistle)["state"] == "resolved"
    town.clock.set("2021-02-22 09:00")
    town.opened.settle()
    town.opened.settle()
    (closed,) = town.opened.of_kind("enterprise", enterprise.WhistleClosed)
    assert (closed.ground, closed.happened_at) == ("unrated", shanghai("2021-02-19 00:00"))
    assert closed.timestamp == shanghai("2021-02-22 09:00")
    row = town.whistle(whistle)
    assert (row["state"], row["satisfied"], row["solved"]) == ("closed", None, None)
    assert town.opened.rows("enterprise", "rating_windows") == {}
    rates = town.leader.get("/api/v1/whistle-rates?from=2021-02-01&until=2021-02-28").json["rates"]
    found = {rate["id"]: rate for rate in rates}
    assert (found["solved"]["numerator"], found["solved"]["denominator"]) == (0, 1)
    assert (found["satisfied"]["denominator"], found["satisfied"]["value"]) == (0, None)
    assert found["satisfied"]["exclusions"] == [{"reason": "unrated", "count": 1}]
    assert town.opened.rebuild_and_compare("enterprise") == []


def test_a_rating_window_that_is_open_costs_nothing_and_many_that_ended_are_all_closed(town: Any) -> None:
    whistles = [town.blow(title=f"第{n}件") for n in range(4)]
    for whistle in whistles:
        town.resolved(whistle)
    town.did(town.coal, whistles[0], "rate", solved=True, satisfied=True, score=4)
    town.clock.advance(days=30)
    town.opened.settle()
    grounds = [fact.ground for fact in town.opened.of_kind("enterprise", enterprise.WhistleClosed)]
    assert grounds == ["rated", "unrated", "unrated", "unrated"]


def test_not_feasible_is_reviewed_by_another_unit(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle)
    town.did(town.fgw, whistle, "claim-infeasible", legal_ground="土地管理法", explanation="占用基本农田")
    town.refused(409, "whistle-is-under-review", town.office, whistle, "route", lead_unit="czj")
    claimer = town.opened.client("enterprise", "supervision_office", "fgw", "fgw/officer")
    town.refused(
        403, "reviewer-not-independent", claimer, whistle, "review-infeasible", upheld=True, reason="x"
    )
    town.did(town.inspect, whistle, "review-infeasible", upheld=True, reason="属实")
    assert town.whistle(whistle)["closed_ground"] == "not_feasible"


# -- merging ------------------------------------------------------------------------------------------------------


def test_merging_keeps_each_reporter(town: Any) -> None:
    main, joined = town.blow(), town.blow(town.milk)
    town.route(main, "fgw")
    town.refused(422, "merged-with-itself", town.office, main, "merge", into=str(main))
    town.did(town.office, joined, "merge", into=str(main))
    assert town.coal.get(f"/api/v1/whistles/{main}").json["reporters"] == [str(joined)]
    town.refused(409, "whistle-is-merged", town.office, joined, "route", lead_unit="czj")
    third = town.blow(title="第三件")
    town.refused(409, "whistle-is-merged", town.office, third, "merge", into=str(joined))
    town.refused(409, "whistle-has-reporters", town.office, main, "merge", into=str(third))

    assert town.fgw.get(f"/api/v1/whistles/{joined}").status_code == 200
    town.did(town.fgw, joined, "contact", how="phone")
    town.route(main, "czj")
    assert town.fgw.get(f"/api/v1/whistles/{joined}").status_code == 404
    assert town.czj.get(f"/api/v1/whistles/{joined}").status_code == 200
    assert town.milk.get(f"/api/v1/whistles/{main}").status_code == 404

    town.refused(409, "resolved-without-contact", town.czj, main, "resolve", result="x")
    town.contact(main, "czj")
    town.did(town.czj, main, "resolve", result="一并办好")
    town.did(town.coal, main, "rate", solved=True, satisfied=True, score=5)
    town.did(town.milk, joined, "rate", solved=True, satisfied=True, score=4)
    steps = [step["kind"] for step in town.milk.get(f"/api/v1/whistles/{joined}/steps").json["items"]]
    assert steps == [
        "WhistleBlown",
        "WhistleMerged",
        "EnterpriseContacted",
        "WhistleResolved",
        "WhistleRated",
        "WhistleClosed",
    ]
    rates = town.leader.get("/api/v1/whistle-rates?from=2021-02-01&until=2021-02-28").json["rates"]
    found = {rate["id"]: rate for rate in rates}
    assert found["solved"]["exclusions"] == [{"reason": "merged", "count": 1}]
    assert (found["solved"]["numerator"], found["solved"]["denominator"]) == (1, 1)
    assert town.opened.rebuild_and_compare("enterprise") == []


def test_a_merger_is_undone(town: Any) -> None:
    main, joined = town.blow(), town.blow(town.milk)
    town.route(main, "fgw")
    town.did(town.office, joined, "merge", into=str(main))
    town.did(town.office, joined, "unmerge", reason="并非一事")
    assert town.whistle(joined)["state"] == "raised"
    assert town.coal.get(f"/api/v1/whistles/{main}").json["reporters"] == []
    assert town.fgw.get(f"/api/v1/whistles/{joined}").status_code == 404
    town.refused(409, "not-merged", town.office, joined, "unmerge", reason="x")
    town.contact(main)
    town.did(town.fgw, main, "resolve", result="办好")
    assert town.whistle(joined)["resolved_at"] is None
    assert town.opened.rebuild_and_compare("enterprise") == []


# -- who sees what ------------------------------------------------------------------------------------------------


def test_another_enterprise_is_told_that_there_is_no_such_whistle(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle, "fgw")
    for path in (f"/api/v1/whistles/{whistle}", f"/api/v1/whistles/{whistle}/steps"):
        assert town.milk.get(path).status_code == 404
        assert town.czj.get(path).status_code == 404
        for caller in (town.coal, town.office, town.fgw, town.inspect, town.leader, town.vice):
            assert caller.get(path).status_code == 200
    assert town.milk.get("/api/v1/whistles").json["items"] == []
    for command in ("withdraw", "agree-plan"):
        body = {"reason": "x"} if command == "withdraw" else {}
        town.refused(404, "no-such-thing", town.milk, whistle, command, **body)
    overseer = town.opened.client("enterprise", "overseer", "people", "people/deputy")
    assert overseer.get(f"/api/v1/whistles/{whistle}").status_code == 403


def test_a_confidential_whistle_is_for_those_concerned_the_leaders_and_the_supervision_office(
    town: Any,
) -> None:
    whistle = town.blow(confidential=True)
    path = f"/api/v1/whistles/{whistle}"
    other = town.opened.client("enterprise", "government_office", "zone-office", "zone-office/officer")
    auditor = town.opened.client("enterprise", "auditor", "audit", "audit/auditor")
    assert [caller.get(path).status_code for caller in (other, auditor)] == [404, 404]
    for caller in (town.coal, town.office, town.inspect, town.leader):
        assert caller.get(path).status_code == 200


def test_lists_are_filtered_sorted_and_paged(town: Any) -> None:
    whistles = [town.blow(title=f"第{n}件", category="用电" if n % 2 else "用地") for n in range(5)]
    town.route(whistles[3], "czj")
    get = town.office.get

    def numbers(query: str) -> list[str]:
        return [row["number"][-1] for row in get(f"/api/v1/whistles?{query}").json["items"]]

    assert numbers("") == ["1", "2", "3", "4", "5"]
    assert numbers("sort=-number&category=%E7%94%A8%E7%94%B5") == ["4", "2"]
    assert numbers("lead_unit=czj") == ["4"]
    assert numbers("state=raised&open=true") == ["1", "2", "3", "5"]
    first = get("/api/v1/whistles?limit=3").json
    assert numbers(f"limit=3&cursor={first['next']}") == ["4", "5"]
    assert get("/api/v1/whistles?colour=red").status_code == 422
    one = get("/api/v1/enterprises?name=%E7%85%A4").json["items"]
    assert [row["name"] for row in one] == ["煤化工公司"]


def test_a_read_waits_for_the_position_that_a_write_answered(town: Any) -> None:
    answer = town.coal.post("/api/v1/whistles", {"category": "用地", "title": "x", "text": "x"})
    town.opened.settle()
    path = f"/api/v1/whistles/{answer.json['id']}?at_least={answer.headers['Duban-Position']}"
    assert town.coal.get(path).status_code == 200


# -- rates over HTTP ----------------------------------------------------------------------------------------------


def test_rates_are_refused_for_the_future_a_reversed_period_and_for_enterprises(town: Any) -> None:
    get = town.leader.get
    later = (town.clock() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert get(f"/api/v1/whistle-rates?from=2021-01-01&until=2021-01-31&as_of={later}").json["rule"] == (
        "as-of-in-the-future"
    )
    reversed_ = get("/api/v1/whistle-rates?from=2021-02-01&until=2021-01-31")
    assert (reversed_.status_code, reversed_.json["rule"]) == (422, "period-ends-before-it-begins")
    assert get("/api/v1/whistle-rates").status_code == 422
    assert town.coal.get("/api/v1/whistle-rates?from=2021-01-01&until=2021-01-31").status_code == 403


def test_the_rates_of_an_earlier_moment_are_the_same_for_ever(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle)
    query = "/api/v1/whistle-rates?from=2021-02-01&until=2021-03-31&as_of=2021-02-06T00:00:00Z"
    town.clock.set("2021-02-06 09:00")
    before = town.leader.get(query).data
    town.clock.set("2021-03-30 09:00")
    town.did(town.fgw, whistle, "contact", how="phone", happened_at="2021-02-05T17:00:00+08:00")
    town.did(town.fgw, whistle, "resolve", result="办好")
    assert town.leader.get(query).data == before

    def now() -> dict[str, tuple[int, int]]:
        rates = town.leader.get("/api/v1/whistle-rates?from=2021-02-01&until=2021-03-31").json["rates"]
        return {rate["id"]: (rate["numerator"], rate["denominator"]) for rate in rates}

    assert now()["contacted"] == (0, 1)  # entered long after it was due: the enterprise has to confirm it
    confirm = f"/api/v1/cases/{case_id('whistle', whistle)}/clocks/contact/1/confirm-earlier-time"
    answer = town.supervision("coal").post(confirm, {"confirmed": True, "reason": "当天下午来过电话"})
    assert answer.status_code == 200, answer.json
    town.opened.settle()
    assert now() == {
        "contacted": (1, 1),
        "resolved_or_confirmed": (0, 1),
        "resolved": (0, 1),
        "solved": (0, 0),
        "satisfied": (0, 0),
        "rework": (0, 1),
    }


def test_may_lists_what_the_reader_can_do_with_the_whistle_now(town: Any) -> None:
    whistle = town.blow()

    def may(caller: Any) -> set[str]:
        return {*caller.get(f"/api/v1/whistles/{whistle}").json["may"]}

    assert may(town.office) == {"route_whistle", "contact_enterprise", "merge_whistle", "link_repeat"}
    assert may(town.coal) == {"withdraw_whistle"}
    assert may(town.leader) == {"route_whistle"}
    town.route(whistle, "fgw", "czj")
    at_work = {"return_whistle", "contact_enterprise", "propose_plan", "claim_infeasible"}
    assert may(town.fgw) == at_work
    assert may(town.czj) == {"contact_enterprise"}
    town.contact(whistle)
    assert may(town.fgw) == at_work | {"resolve_whistle"}
    town.did(town.fgw, whistle, "resolve", result="已办好")
    assert may(town.coal) == {"rate_whistle", "withdraw_whistle"}
    assert may(town.fgw) == {"contact_enterprise"}


def test_the_day_until_which_may_be_rated_stands_as_it_was_told_whatever_calendar_comes(town: Any) -> None:
    whistle = town.blow()
    town.resolved(whistle)
    days = [{"day": "2021-02-18", "working": False, "name": "旗庆"}]
    body = {"layer": "banner", "title": "旗庆", "days": days}
    draft = town.supervision("office").post("/api/v1/calendar-releases", body).json["id"]
    answer = town.supervision("inspect").post(f"/api/v1/calendar-releases/{draft}/release")
    assert answer.status_code == 200
    town.opened.settle()
    assert str(town.whistle(whistle)["rating_until"]) == "2021-02-18"
    town.clock.set("2021-02-19 09:00")
    town.opened.settle()
    assert town.whistle(whistle)["state"] == "closed"
