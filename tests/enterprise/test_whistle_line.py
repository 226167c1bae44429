"""The whole line over HTTP: blown on a Friday afternoon, bounced, confirmed, resolved, rated."""

from typing import Any

from shared.testing import kinds


def test_a_whistle_goes_from_the_blowing_to_the_rating(town: Any) -> None:
    whistle = town.blow()
    assert town.did(town.office, whistle, "route", lead_unit="zrj", supporters=["czj"])["state"] == "routed"
    town.did(town.zrj, whistle, "return", reason="不属本单位职责", suggested_unit="fgw")
    town.did(town.office, whistle, "route", lead_unit="fgw", post="fgw/officer", supporters=["czj"])
    town.clock.set("2021-02-07 10:00")
    town.did(town.fgw, whistle, "contact", how="phone", happened_at="2021-02-07T09:30:00+08:00")
    town.did(
        town.fgw, whistle, "propose-plan", plan="分步办理", steps=["补件", "审批"], promised_on="2021-03-24"
    )
    assert town.did(town.coal, whistle, "agree-plan")["state"] == "confirmed"
    town.clock.set("2021-03-01 10:00")
    town.did(town.fgw, whistle, "resolve", result="已办好")
    answer = town.did(town.coal, whistle, "rate", solved=True, satisfied=True, score=5)
    assert (answer["state"], answer["number"]) == ("closed", "W-2021-0001")

    of_it = [fact for fact in town.opened.log("enterprise") if fact.originator_id == whistle]
    assert kinds(of_it) == [
        "WhistleBlown",
        "WhistleRouted",
        "WhistleReturned",
        "WhistleRouted",
        "EnterpriseContacted",
        "ServicePlanProposed",
        "ServiceConfirmed",
        "WhistleResolved",
        "WhistleRated",
        "WhistleClosed",
    ]
    shown = town.coal.get(f"/api/v1/whistles/{whistle}").json
    assert shown["clocks"] == {
        "contact_due": "2021-02-07",
        "resolve_or_confirm_due": "2021-02-09",
        "hard_limit_due": "2021-03-24",
        "provisional": False,
    }
    assert (shown["transfers"], shown["returns"], shown["lead_unit"]) == (1, 1, "fgw")
    assert shown["rating_until"] == "2021-03-08"
    steps = town.coal.get(f"/api/v1/whistles/{whistle}/steps").json["items"]
    assert [step["kind"] for step in steps] == kinds(of_it)
    assert town.opened.rebuild_and_compare("enterprise") == []

    rates = town.leader.get("/api/v1/whistle-rates?from=2021-02-01&until=2021-03-31").json
    assert {rate["id"]: (rate["numerator"], rate["denominator"]) for rate in rates["rates"]} == {
        "contacted": (1, 1),
        "resolved_or_confirmed": (1, 1),
        "resolved": (1, 1),
        "solved": (1, 1),
        "satisfied": (1, 1),
        "rework": (0, 1),
    }
    assert [unit["unit"] for unit in rates["units"]] == ["fgw"]
