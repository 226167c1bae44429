"""Supervision and enterprise count alike: the same figures for every as-of, whatever happens, before and after."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.enterprise.domain.rates import OF_CLOCKS
from shared.domain.case_id import case_id
from shared.domain.clock import local_day
from shared.testing import Caller
from tests.enterprise.conftest import COAL

PERIODS = (("2021-01-01", "2021-12-31"), ("2021-02-01", "2021-02-10"), ("2021-02-11", "2021-03-31"))
Counts = dict[tuple[str, str], tuple[int, int, int, int]]


def of_supervision(town: Any, since: str, until: str, as_of: str) -> Counts:
    """By clock and unit: numerator, denominator, excluded, not yet due."""
    answer = town.supervision("leader").get(f"/api/v1/rates?since={since}&until={until}&as_of={as_of}")
    assert answer.status_code == 200, answer.json
    return {
        (one["clock"], one["unit"]): (
            one["numerator"],
            one["denominator"],
            one["excluded"],
            one["not_yet_due"],
        )
        for one in answer.json["items"]
        if one["clock"] in OF_CLOCKS
    }


def of_enterprise(town: Any, since: str, until: str, as_of: str) -> Counts:
    answer = town.leader.get(f"/api/v1/whistle-rates?from={since}&until={until}&as_of={as_of}")
    assert answer.status_code == 200, answer.json
    found: Counts = {}
    for unit in answer.json["units"]:
        rates = {rate["id"]: rate for rate in unit["rates"]}
        for clock, id_ in OF_CLOCKS.items():
            reasons = {one["reason"]: one["count"] for one in rates[id_]["exclusions"]}
            not_due = reasons.pop("not_due", 0)
            counts = (rates[id_]["numerator"], rates[id_]["denominator"], sum(reasons.values()), not_due)
            if any(counts):
                found[clock, unit["unit"]] = counts
    return found


def agree(town: Any, as_of: str) -> list[Counts]:
    """Both services' figures, which must be the same."""
    found = []
    for since, until in PERIODS:
        supervised = of_supervision(town, since, until, as_of)
        assert of_enterprise(town, since, until, as_of) == supervised, (since, until, as_of)
        found.append(supervised)
    return found


def now(town: Any) -> str:
    return str(town.clock().isoformat().replace("+00:00", "Z"))


class Story:
    """Whatever people do, drawn by chance; what is refused changes nothing."""

    def __init__(self, town: Any, seed: int) -> None:
        self.town, self.chance = town, random.Random(seed)
        self.whistles: list[UUID] = [
            town.blow(caller) for caller in (town.coal, town.milk, town.coal, town.milk)
        ]
        self.drafts = 0

    def step(self) -> None:
        hours = self.chance.choice((1, 1, 3, 5, 9, 20, 60))
        self.town.clock.set(self.town.clock() + timedelta(hours=hours, minutes=7))
        self.town.opened.settle()
        often: tuple[Callable[[], Any], ...] = (self.route, self.hand, self.hand, self.hand)
        one = self.chance.choice(
            (*often, self.blow, self.judge, self.pause, self.confirm, self.release, self.merge)
        )
        answer = one()
        assert answer is None or answer.status_code < 500, answer.json
        self.town.opened.settle()

    def any(self) -> UUID:
        return self.chance.choice(self.whistles)

    def blow(self) -> None:
        self.whistles.append(self.town.blow(self.chance.choice([self.town.coal, self.town.milk])))

    def route(self) -> Any:
        lead = self.chance.choice(["fgw", "czj", "zrj"])
        return self.town.do(
            self.chance.choice([self.town.office, self.town.vice]), self.any(), "route", lead_unit=lead
        )

    def hand(self) -> Any:
        """The lead, or the desk, does something that it may."""
        whistle = self.any()
        caller = getattr(self.town, self.town.whistle(whistle)["lead_unit"] or "office")
        then = (self.town.clock() - timedelta(hours=self.chance.choice((0, 0, 2, 30)))).isoformat()
        return self.one_of(
            caller,
            whistle,
            contact_enterprise=("contact", {"how": "phone", "happened_at": then}),
            resolve_whistle=("resolve", {"result": "已办"}),
            return_whistle=("return", {"reason": "不属我单位", "suggested_unit": "gxj"}),
            propose_plan=("propose-plan", {"plan": "分步", "steps": ["一"], "promised_on": "2021-03-05"}),
            claim_infeasible=("claim-infeasible", {"legal_ground": "某法", "explanation": "不可"}),
        )

    def judge(self) -> Any:
        """The enterprise, or a second reviewer, says something that it may."""
        whistle = self.any()
        yes = self.chance.random() < 0.5
        owner = self.town.coal if self.town.whistle(whistle)["credit_code"] == COAL else self.town.milk
        return self.one_of(
            self.chance.choice([owner, owner, self.town.inspect]),
            whistle,
            agree_plan=("agree-plan", {}),
            rate_whistle=("rate", {"solved": yes, "satisfied": yes, "score": 3}),
            withdraw_whistle=("withdraw", {"reason": "不办了"}),
            review_infeasible=("review-infeasible", {"upheld": yes, "reason": "复核"}),
        )

    def one_of(self, caller: Caller, whistle: UUID, **commands: tuple[str, dict[str, Any]]) -> Any:
        may = [one for one in caller.get(f"/api/v1/whistles/{whistle}").json["may"] if one in commands]
        if len(may) > 1 and "withdraw_whistle" in may and self.chance.random() < 0.7:
            may.remove("withdraw_whistle")
        if may:
            command, body = commands[self.chance.choice(may)]
            return self.town.do(caller, whistle, command, **body)
        return None

    def pause(self) -> Any:
        of = f"/api/v1/cases/{case_id('whistle', self.any())}/clocks/resolve_or_confirm/1"
        command = self.chance.choice(["pause", "resume"])
        return self.town.supervision("inspect").post(
            f"{of}/{command}", {"reason": "企业补件"} if command == "pause" else {}
        )

    def confirm(self) -> Any:
        """A contact that was entered late is confirmed, or not."""
        whistle = self.any()
        owner = "coal" if self.town.whistle(whistle)["credit_code"] == COAL else "milk"
        body = {"confirmed": self.chance.random() < 0.7, "reason": "属实"}
        of = f"/api/v1/cases/{case_id('whistle', whistle)}/clocks/contact/1/confirm-earlier-time"
        return self.town.supervision(owner).post(of, body)

    def release(self) -> Any:
        office, inspect = self.town.supervision("office"), self.town.supervision("inspect")
        day = local_day(self.town.clock()) + timedelta(days=self.chance.randint(-6, 9))
        self.drafts += 1
        working = day.weekday() > 4 or not date(2021, 2, 6) < day < date(2021, 2, 18)
        days = [{"day": day.isoformat(), "working": not working, "name": "调整"}]
        draft = office.post(
            "/api/v1/calendar-releases", {"layer": "banner", "title": f"第{self.drafts}次", "days": days}
        )
        if draft.status_code != 201:
            return draft
        self.town.opened.settle()
        return inspect.post(f"/api/v1/calendar-releases/{draft.json['id']}/release")

    def merge(self) -> Any:
        if self.chance.random() < 0.3:
            return self.town.do(self.town.office, self.any(), "unmerge", reason="分办")
        return self.town.do(self.town.office, self.any(), "merge", into=str(self.any()))


@pytest.mark.parametrize("seed", range(4))
def test_both_services_count_the_same_for_every_as_of(town: Any, seed: int) -> None:
    story = Story(town, seed)
    told: dict[str, list[Counts]] = {now(town): agree(town, now(town))}
    for _ in range(24):
        story.step()
        told[now(town)] = agree(town, now(town))
    town.clock.set(town.clock() + timedelta(days=60))
    town.opened.settle()
    for as_of, figures in told.items():
        assert agree(town, as_of) == figures, as_of
    assert town.opened.rebuild_and_compare("enterprise") == []
    assert town.opened.rebuild_and_compare("supervision") == []


SIX = 6


def test_a_contact_that_was_judged_late_stays_late_after_a_release_that_would_judge_otherwise(
    town: Any,
) -> None:
    """Due on the make-up Sunday, contacted on Monday; then the Sunday is released as a rest day."""
    whistles = [town.blow() for _ in range(SIX)]
    for whistle in whistles:
        town.route(whistle)
    town.clock.set("2021-02-08 10:00")
    for whistle in whistles:
        town.did(town.fgw, whistle, "contact", how="phone")
    assert agree(town, now(town))[0]["contact", "fgw"] == (0, SIX, 0, 0)
    before = now(town)
    days = [{"day": "2021-02-07", "working": False, "name": "不补班"}]
    body = {"layer": "banner", "title": "本旗安排", "days": days}
    draft = town.supervision("office").post("/api/v1/calendar-releases", body).json["id"]
    town.clock.set("2021-02-09 10:00")
    town.opened.settle()
    assert town.supervision("inspect").post(f"/api/v1/calendar-releases/{draft}/release").status_code == 200
    town.opened.settle()
    assert agree(town, now(town))[0]["contact", "fgw"] == (0, SIX, 0, 0)
    assert agree(town, before)[0]["contact", "fgw"] == (0, SIX, 0, 0)


def due(town: Any, whistle: UUID) -> str:
    """The day that the whistle itself shows."""
    clocks = town.coal.get(f"/api/v1/whistles/{whistle}").json["clocks"]
    return str(clocks["resolve_or_confirm_due"])


def test_a_paused_clock_is_counted_by_the_date_that_the_pause_gives_it(town: Any) -> None:
    whistle = town.blow()
    town.route(whistle)
    town.did(town.fgw, whistle, "contact", how="phone")
    clock = f"/api/v1/cases/{case_id('whistle', whistle)}/clocks/resolve_or_confirm/1"
    town.clock.set("2021-02-07 10:00")
    assert town.supervision("inspect").post(f"{clock}/pause", {"reason": "企业补件"}).status_code == 200
    town.opened.settle()
    town.clock.set("2021-02-20 10:00")
    assert agree(town, now(town))[0]["resolve_or_confirm", "fgw"] == (0, 0, 0, 1)
    assert due(town, whistle) == "2021-02-09"
    assert town.supervision("inspect").post(f"{clock}/resume").status_code == 200
    town.opened.settle()
    assert due(town, whistle) == "2021-02-23"  # the Saturday is worked and counts
    town.clock.set("2021-02-21 10:00")
    town.did(town.fgw, whistle, "resolve", result="已办好")
    assert agree(town, now(town))[0]["resolve_or_confirm", "fgw"] == (1, 1, 0, 0)


def test_a_withdrawal_takes_back_no_verdict_and_no_miss(town: Any) -> None:
    """Contacted in time stays so; a clock that was missed stays missed; one not due is left out."""
    whistle = town.blow()
    town.route(whistle)
    town.did(town.fgw, whistle, "contact", how="phone")
    town.clock.set("2021-02-20 10:00")
    town.opened.settle()
    town.did(town.coal, whistle, "withdraw", reason="已自行解决")
    counts = agree(town, now(town))[0]
    assert counts["contact", "fgw"] == (1, 1, 0, 0)
    assert counts["resolve_or_confirm", "fgw"] == (0, 1, 0, 0)
    assert counts["hard_limit", "fgw"] == (0, 0, 1, 0)


def test_a_reworked_whistle_is_counted_once_by_its_last_resolution(town: Any) -> None:
    whistle = town.blow()
    town.resolved(whistle)
    town.did(town.coal, whistle, "rate", solved=False, satisfied=False, score=1)
    assert agree(town, now(town))[0]["hard_limit", "fgw"] == (0, 0, 0, 1)
    town.clock.set("2021-03-30 10:00")
    town.opened.settle()
    town.did(town.fgw, whistle, "resolve", result="已重办")
    assert agree(town, now(town))[0]["hard_limit", "fgw"] == (0, 1, 0, 0)


def test_a_merged_whistle_is_left_out_of_the_limits_and_its_reporters_contact_counts(town: Any) -> None:
    main, joined = town.blow(), town.blow(town.milk)
    town.route(main)
    town.did(town.office, joined, "merge", into=str(main))
    town.contact(joined)
    figures = agree(town, now(town))[0]
    contacts = [counts for (clock, _), counts in figures.items() if clock == "contact"]
    assert sum(counts[0] for counts in contacts) == 1
    assert sum(counts[2] for (clock, _), counts in figures.items() if clock == "hard_limit") == 1
    rates = town.leader.get("/api/v1/whistle-rates?from=2021-01-01&until=2021-12-31").json["rates"]
    (resolved,) = (rate for rate in rates if rate["id"] == "resolved")
    assert resolved["exclusions"] == [{"reason": "merged", "count": 1}, {"reason": "not_due", "count": 1}]
