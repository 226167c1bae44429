"""Namings: two people, a window, a leader, a number; corrected, never deleted."""

import re
from dataclasses import replace
from datetime import date
from typing import Any, get_args

import pytest

from services.supervision.domain.wording import naming_text
from shared.events import supervision as told
from shared.events.matter import CaseKind, Secrecy


def approved(world: Any, naming: Any) -> None:
    world.do("inspect/officer", f"namings/{naming}/check")
    window = world.last(naming, told.NamingChecked)
    world.clock.set(max(world.clock(), window.window_closes_at))
    world.do("gov/vice-leader", f"namings/{naming}/approve")


def test_nobody_checks_their_own_draft(world: Any) -> None:
    _, naming = world.named()
    world.refused("checking-ones-own-draft", "inspect/chief", f"namings/{naming}/check")
    world.do("inspect/officer", f"namings/{naming}/check")
    assert world.last(naming, told.NamingChecked).drafted_by == "inspect/chief"
    assert world.last(naming, told.NamingChecked).objections_until == date(2021, 3, 4)


def test_no_naming_without_two_concluded_slow_rounds(world: Any) -> None:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    rule = "naming-needs-two-slow-rounds"
    world.refused(rule, "inspect/chief", f"cases/{case}/draft-naming")
    world.issued(case)
    world.slow_round(case, 1)
    world.refused(rule, "inspect/chief", f"cases/{case}/draft-naming")
    world.slow_round(case, 2)
    world.refused("naming-already-drafted", "inspect/chief", f"cases/{case}/draft-naming")


def test_a_naming_is_approved_after_the_window_and_the_ruling(world: Any) -> None:
    _, naming = world.named()
    world.refused("naming-is-in-another-state", "gov/main-leader", f"namings/{naming}/approve")
    world.do("inspect/officer", f"namings/{naming}/check")
    world.refused("not-the-unit-named", "czj/head", f"namings/{naming}/object", text="不服")
    world.do("fgw/head", f"namings/{naming}/object", text="不服")
    world.at("2021-03-05 00:00")
    world.refused("objection-not-ruled", "gov/main-leader", f"namings/{naming}/approve")
    world.do("inspect/officer", f"namings/{naming}/rule-on-objection", upheld=False, reason="不成立")
    world.do("gov/main-leader", f"namings/{naming}/approve")
    world.consistent()


def test_an_upheld_objection_withdraws_the_draft(world: Any) -> None:
    _, naming = world.named()
    world.do("inspect/officer", f"namings/{naming}/check")
    world.do("fgw/head", f"namings/{naming}/object", text="不服")
    world.do("inspect/officer", f"namings/{naming}/rule-on-objection", upheld=True, reason="成立")
    assert world.kinds_of(naming)[-1] == "NamingWithdrawn"
    world.refused("naming-is-in-another-state", "inspect/officer", f"namings/{naming}/publish")


def test_a_published_naming_that_lost_its_ground_is_corrected_by_a_numbered_document(world: Any) -> None:
    case, naming = world.named()
    approved(world, naming)
    assert world.do("inspect/officer", f"namings/{naming}/publish")["number"] == "通报〔2021〕1号"
    world.do("inspect/chief", f"cases/{case}/rounds/2/void", reason="答复被误判")
    client = world.client("inspect/chief")
    [shown] = client.get("/api/v1/namings?needs_correction=true").json["items"]
    assert (shown["id"], shown["state"], shown["needs_correction"]) == (str(naming), "published", True)
    drafted = world.do("inspect/chief", f"namings/{naming}/correct", text="关于更正通报〔2021〕1号的通报")
    correction = drafted["id"]
    world.refused("checking-ones-own-draft", "inspect/chief", f"namings/{correction}/check")
    world.do("inspect/officer", f"namings/{correction}/check")
    world.do("gov/main-leader", f"namings/{correction}/approve")
    assert world.do("inspect/officer", f"namings/{correction}/publish")["number"] == "通报〔2021〕2号"
    shown = client.get(f"/api/v1/namings/{naming}").json
    assert (shown["state"], shown["needs_correction"]) == ("corrected", False)
    assert shown["corrected_by"] == correction
    assert client.get("/api/v1/namings?needs_correction=true").json["items"] == []
    world.consistent()


def test_a_draft_that_lost_its_ground_is_withdrawn(world: Any) -> None:
    case, naming = world.named()
    approved(world, naming)
    world.do("inspect/chief", f"cases/{case}/rounds/1/void", reason="误发")
    assert world.kinds_of(naming)[-1] == "NamingWithdrawn"
    world.refused("naming-is-in-another-state", "inspect/officer", f"namings/{naming}/publish")


def test_numbers_begin_anew_on_the_first_of_january_in_shanghai(world: Any) -> None:
    namings = [world.named(str(n))[1] for n in range(4)]
    for naming in namings:
        approved(world, naming)
    numbers = []
    for naming, moment in zip(
        namings,
        ("2021-12-31 23:58", "2021-12-31 23:59", "2022-01-01 00:00", "2022-01-01 00:01"),
        strict=True,
    ):
        world.clock.set(moment)
        answer = world.client("inspect/officer").post(f"/api/v1/namings/{naming}/publish")
        numbers.append(answer.json["number"])
    assert numbers == ["通报〔2021〕1号", "通报〔2021〕2号", "通报〔2022〕1号", "通报〔2022〕2号"]


def test_the_text_of_a_secret_naming_never_holds_the_title(world: Any) -> None:
    secret = {"secrecy": "secret", "secrecy_ground": "涉密", "due_on": date(2021, 12, 31)}
    case = world.case_of(world.task("s", **secret))
    world.issued(case)
    world.slow_round(case, 1)
    world.slow_round(case, 2)
    (naming,) = world.case(case).namings_due.values()
    assert "上海庙园区道路贯通" not in world.facts_of(naming)[0].text
    seen = world.client("czj/head", "overseer").get("/api/v1/namings").json["items"]
    assert seen == []
    assert world.client("zrj/head").get(f"/api/v1/cases/{case}").status_code == 404


@pytest.mark.parametrize("kind", get_args(CaseKind))
@pytest.mark.parametrize("secrecy", get_args(Secrecy))
def test_the_text_of_a_naming_has_no_machine_word(world: Any, kind: CaseKind, secrecy: Secrecy) -> None:
    case, naming = world.named()
    drafted = world.last(naming, told.NamingDrafted)
    state = replace(world.case(case).state, kind=kind, secrecy=secrecy)
    for unsigned in (False, True):
        rounds = {number: replace(one, unsigned=unsigned) for number, one in state.issued.items()}
        for post in ("局长", None):
            text = naming_text(replace(state, issued=rounds), "发改委", post, drafted.rounds)
            assert "进展缓慢" in text
            assert not re.search("[A-Za-z]", text.replace(state.number, "")), text
