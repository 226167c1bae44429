"""What a naming rests on: objections that wait, whose hands it was in, whether the matter is resolved."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.aggregate import stable_id
from shared.domain.clock import midnight
from shared.domain.units import PostState, evolve_post
from shared.events import assignment
from shared.events import supervision as told
from shared.events.base import Actor
from tests.supervision.test_supervision_namings import approved


def published(world: Any) -> tuple[Any, Any]:
    case, naming = world.named()
    approved(world, naming)
    world.do("inspect/officer", f"namings/{naming}/publish")
    return case, naming


# -- objections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2])
def test_nothing_is_approved_while_an_objection_to_one_of_its_rounds_waits(world: Any, number: int) -> None:
    case, naming = world.named()
    world.do("inspect/officer", f"namings/{naming}/check")
    world.do("fgw/head", f"cases/{case}/rounds/{number}/object", text="已完成")
    world.at("2021-03-05 09:00")
    refused = world.refused("objection-to-a-round-waits", "gov/main-leader", f"namings/{naming}/approve")
    assert f"round {number} waits" in refused["detail"]
    seen = world.client("gov/main-leader").get(f"/api/v1/namings/{naming}").json
    assert "approve_naming" not in seen["may"]
    ruling = f"cases/{case}/rounds/{number}/rule-on-objection"
    world.do("inspect/officer", ruling, upheld=False, reason="不成立")
    world.do("gov/main-leader", f"namings/{naming}/approve")
    world.consistent()


def test_nothing_is_published_while_an_objection_waits_that_was_entered_after_the_approval(
    world: Any,
) -> None:
    case, naming = world.named()
    approved(world, naming)
    raised = f"cases/{case}/rounds/2/object"
    world.do("fgw/head", raised, text="已完成", happened_at="2021-03-03T10:00:00+08:00")
    world.refused("objection-to-a-round-waits", "inspect/officer", f"namings/{naming}/publish")
    ruling = f"cases/{case}/rounds/2/rule-on-objection"
    world.do("inspect/officer", ruling, upheld=True, reason="属实")
    world.refused("naming-is-in-another-state", "inspect/officer", f"namings/{naming}/publish")
    world.consistent()


def test_an_objection_to_a_round_that_is_not_named_does_not_wait(world: Any) -> None:
    case, naming = world.named()
    world.issued(case)
    world.slow_round(case, 3)
    world.do("inspect/officer", f"namings/{naming}/check")
    world.do("fgw/head", f"cases/{case}/rounds/3/object", text="已完成")
    world.at("2021-03-05 09:00")
    world.do("gov/main-leader", f"namings/{naming}/approve")


@pytest.mark.parametrize("maker", ["inspect/chief", "gov/vice-leader"])
def test_whoever_had_a_hand_in_it_does_not_rule_on_an_objection_to_it(world: Any, maker: str) -> None:
    _, naming = world.named()  # found slow and drafted by the chief, verified by the vice leader
    world.do("inspect/officer", f"namings/{naming}/check")
    world.do("fgw/head", f"namings/{naming}/object", text="不服")
    ruling = f"namings/{naming}/rule-on-objection"
    world.refused("ruling-on-ones-own-naming", maker, ruling, upheld=False, reason="不成立")
    assert "rule_on_naming_objection" not in world.client(maker).get(f"/api/v1/namings/{naming}").json["may"]
    world.do("gov/main-leader", ruling, upheld=False, reason="不成立")


def test_whoever_judged_only_the_first_round_does_not_rule_either(world: Any) -> None:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    world.issued(case)
    world.slow_round(case, 1, judge="inspect/officer")
    world.slow_round(case, 2)
    (naming,) = world.case(case).namings_due.values()
    world.do("inspect/officer", f"namings/{naming}/check")
    world.do("fgw/head", f"namings/{naming}/object", text="不服")
    ruling = f"namings/{naming}/rule-on-objection"
    world.refused("ruling-on-ones-own-naming", "inspect/officer", ruling, upheld=True, reason="成立")


# -- secret matters -----------------------------------------------------------------------------------------------


def secret_naming(world: Any) -> tuple[Any, Any]:
    task = world.task(due_on=date(2021, 12, 31), secrecy="secret", secrecy_ground="涉密")
    case = world.case_of(task)
    world.issued(case)
    world.slow_round(case, 1)
    world.slow_round(case, 2)
    (naming,) = world.case(case).namings_due.values()
    return case, naming


def test_a_secret_matters_naming_is_issued_internally_and_never_published(world: Any) -> None:
    _, naming = secret_naming(world)
    text = world.last(naming, told.NamingDrafted).text
    assert "内部通报" in text
    assert "不公开、不编号" in text
    assert "公开通报" not in text
    shown = world.client("inspect/officer").get(f"/api/v1/namings/{naming}").json
    assert shown["internal_only"] is True
    world.do("inspect/officer", f"namings/{naming}/check")
    world.do("fgw/head", f"namings/{naming}/object", text="不服")
    world.do("inspect/officer", f"namings/{naming}/rule-on-objection", upheld=False, reason="不成立")
    publish = f"namings/{naming}/publish"
    world.refused("secret-naming-is-not-published", "inspect/officer", publish)
    world.at("2021-03-05 09:00")
    world.do("gov/main-leader", f"namings/{naming}/approve")
    world.refused("secret-naming-is-not-published", "inspect/officer", publish)
    shown = world.client("fgw/head").get(f"/api/v1/namings/{naming}").json
    assert (shown["state"], shown["number"], shown["published_at"]) == ("issued_internally", None, None)
    own = world.case_of(naming, "naming")
    assert world.case(own).state.closed
    assert [one.clock for one in world.case(own).state.open_clocks] == []
    assert world.opened.of_kind("supervision", told.NumberIssued) == []
    world.refused("matter-not-resolved", "inspect/officer", f"namings/{naming}/lift", reason="整改到位")
    world.do("gov/main-leader", f"namings/{naming}/lift", reason="整改到位")
    correct = f"namings/{naming}/correct"
    world.refused("naming-is-in-another-state", "inspect/officer", correct, text="更正")
    world.consistent()


def test_an_internal_naming_that_lost_its_ground_is_withdrawn(world: Any) -> None:
    case, naming = secret_naming(world)
    approved(world, naming)
    world.do("inspect/chief", f"cases/{case}/rounds/1/void", reason="误发")
    assert world.kinds_of(naming)[-2:] == ["NamingIssuedInternally", "NamingWithdrawn"]
    world.consistent()


def test_nobody_outside_sees_a_secret_naming(world: Any) -> None:
    _, naming = secret_naming(world)
    approved(world, naming)
    sees = {
        ("inspect/officer", None): True,
        ("gov/vice-leader", None): True,
        ("fgw/officer", None): True,
        ("office/head", None): False,
        ("czj/head", "overseer"): False,
        ("czj/head", "auditor"): False,
        ("zrj/head", None): False,
        ("zrj/head", "enterprise"): False,
    }
    for (post, role), seen in sees.items():
        client = world.client(post, role)
        assert len(client.get("/api/v1/namings").json["items"]) == seen, (post, role)
        assert client.get(f"/api/v1/namings/{naming}").status_code == (200 if seen else 404), (post, role)


# -- who sees it --------------------------------------------------------------------------------------------------

CONCERNED = [
    ("inspect/officer", None),
    ("gov/main-leader", None),
    ("office/head", None),
    ("fgw/head", None),
    ("fgw/officer", None),
    ("zrj/head", "auditor"),
]
OTHERS = [("czj/head", None), ("zrj/officer", None)] + [
    ("zrj/head", role) for role in ("enterprise", "overseer", "operator")
]


def seen(world: Any, post: str, role: str | None, naming: Any) -> bool:
    client = world.client(post, role)
    listed = [one["id"] for one in client.get("/api/v1/namings").json["items"]]
    status = client.get(f"/api/v1/namings/{naming}").status_code
    assert (listed, status) in (([str(naming)], 200), ([], 404)), (post, role, listed, status)
    return status == 200  # type: ignore[no-any-return]


def test_a_draft_is_seen_by_whom_it_concerns_a_published_naming_by_everybody(world: Any) -> None:
    case, naming = world.named()

    def only_the_concerned() -> None:
        assert all(seen(world, *reader, naming) for reader in CONCERNED)
        assert not any(seen(world, *reader, naming) for reader in OTHERS)

    only_the_concerned()
    approved(world, naming)
    only_the_concerned()
    world.do("inspect/officer", f"namings/{naming}/publish")
    everybody = [*CONCERNED, *OTHERS]
    assert all(seen(world, *reader, naming) for reader in everybody)
    assert world.client("zrj/head", "enterprise").get(f"/api/v1/namings/{naming}").json["may"] == []
    world.do("gov/main-leader", f"namings/{naming}/lift", reason="另行处理")
    assert all(seen(world, *reader, naming) for reader in everybody)
    assert world.client("czj/head").get(f"/api/v1/cases/{case}").status_code == 200, "a supporter"
    assert world.client("zrj/head").get(f"/api/v1/cases/{case}").status_code == 404


def test_a_correction_is_seen_by_everybody_once_it_is_published(world: Any) -> None:
    _, naming = published(world)
    correct = f"namings/{naming}/correct"
    correction = world.do("inspect/chief", correct, text="更正")["id"]
    reader = world.client("zrj/head", "enterprise")
    assert [one["id"] for one in reader.get("/api/v1/namings").json["items"]] == [str(naming)]
    world.do("inspect/officer", f"namings/{correction}/check")
    world.do("gov/main-leader", f"namings/{correction}/approve")
    world.do("inspect/officer", f"namings/{correction}/publish")
    states = {one["id"]: one["state"] for one in reader.get("/api/v1/namings").json["items"]}
    assert states == {str(naming): "corrected", correction: "published"}


# -- the head's post ----------------------------------------------------------------------------------------------


def appointed(world: Any, since: date, name: str = "head") -> None:
    post = f"fgw/{name}"
    what: dict[str, Any] = {"post": post, "unit": "fgw", "holder": "某人", "since": since}
    world.told(assignment.PostHolderAppointed, stable_id("post", post), **what)


def vacated(world: Any, on: date) -> None:
    post = "fgw/head"
    world.told(assignment.PostVacated, stable_id("post", post), post=post, unit="fgw", on=on)


def answered_round(world: Any) -> str:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    world.issued(case)
    world.do("fgw/officer", f"cases/{case}/rounds/1/answer", text="正在办理")
    return f"cases/{case}/rounds/1"


def test_a_vacant_heads_post_signs_nothing_until_somebody_is_appointed(world: Any) -> None:
    appointed(world, date(2019, 3, 1))
    one = answered_round(world)
    vacated(world, date(2021, 3, 1))
    assert "sign_round" not in world.client("fgw/head").get(f"/api/v1/{one}").json["may"]
    world.refused("heads-post-is-vacant", "fgw/head", f"{one}/sign")
    world.at("2021-03-02 09:00")
    appointed(world, date(2021, 3, 2))
    at_nine = "2021-03-01T09:30:00+08:00"
    world.refused("heads-post-is-vacant", "fgw/head", f"{one}/sign", happened_at=at_nine)
    world.do("fgw/head", f"{one}/sign")
    world.consistent()


def test_a_post_of_which_no_holder_was_ever_told_signs(world: Any) -> None:
    world.do("fgw/head", f"{answered_round(world)}/sign")


def test_a_signature_of_the_time_when_the_post_was_held_counts_after_it_is_vacated(world: Any) -> None:
    appointed(world, date(2019, 3, 1))
    one = answered_round(world)
    world.at("2021-03-02 15:00")
    vacated(world, date(2021, 3, 2))
    world.do("fgw/head", f"{one}/sign", happened_at="2021-03-01T16:00:00+08:00")


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=8), st.integers(0, 300))
def test_a_post_is_vacant_from_the_day_it_was_vacated_until_the_day_of_the_next(
    steps: list[tuple[int, bool]], asked: int
) -> None:
    """Against a record of every day; each step comes some days after the one before."""
    first = date(2021, 1, 1)
    post = PostState(post="fgw/head", unit="fgw", title="主任", role="unit_head")
    known: dict[int, int | None] = {}
    day = 0
    for days, appoints in steps:
        day += days
        at = first + timedelta(days=day)
        what = {"holder": "某人", "since": at} if appoints else {"on": at}
        kind: Any = assignment.PostHolderAppointed if appoints else assignment.PostVacated
        if not appoints and post.holder is None:
            continue
        moment = midnight(at)
        by = Actor(unit="office", post="office/head")
        fact = kind(
            timestamp=moment, happened_at=moment, by=by, because="x", post="fgw/head", unit="fgw", **what
        )
        post = evolve_post.step(fact, post, 2)
        known[day] = day if appoints else None
    last = max((begun for begun in known if begun <= asked), default=None)
    since = None if last is None else known[last]
    on = first + timedelta(days=asked)
    assert post.is_vacant_on(on) == (last is not None and since is None)
    assert post.holder_since(on) == (None if since is None else first + timedelta(days=since))


def test_a_naming_says_which_holder_of_the_post_it_means(world: Any) -> None:
    appointed(world, date(2019, 3, 1), "officer")
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    world.issued(case)
    world.slow_round(case, 1)
    world.at("2021-03-02 09:00")
    appointed(world, date(2021, 3, 2), "officer")
    world.slow_round(case, 2)
    (naming,) = world.case(case).namings_due.values()
    drafted = world.last(naming, told.NamingDrafted)
    assert (drafted.post, drafted.holder_since) == ("fgw/officer", date(2019, 3, 1)), (
        "round 2 is of March 1st"
    )
    assert "（2019年3月1日任职者）" in drafted.text
    assert "某人" not in drafted.text
    shown = world.client("fgw/head").get(f"/api/v1/namings/{naming}").json
    assert shown["holder_since"] == "2019-03-01"
    approved(world, naming)
    world.do("inspect/officer", f"namings/{naming}/publish")
    correct = f"namings/{naming}/correct"
    correction = world.do("inspect/chief", correct, text="更正")["id"]
    shown = world.client("inspect/chief").get(f"/api/v1/namings/{correction}").json
    assert shown["holder_since"] == "2019-03-01"
    world.consistent()


def test_a_naming_of_a_post_without_a_known_holder_says_none(world: Any) -> None:
    _, naming = world.named()
    drafted = world.last(naming, told.NamingDrafted)
    assert drafted.holder_since is None
    assert "任职者" not in drafted.text


# -- lifting ------------------------------------------------------------------------------------------------------


def test_the_office_lifts_once_the_matter_is_resolved_a_leader_also_before(world: Any) -> None:
    case, naming = published(world)
    lift = f"namings/{naming}/lift"
    world.refused("matter-not-resolved", "inspect/officer", lift, reason="整改到位")
    assert world.client("gov/vice-leader").post(f"/api/v1/{lift}", {}).status_code == 422, "no reason"
    world.issued(case)
    world.answered(case, 3)
    judge = f"cases/{case}/rounds/3/judge"
    world.do("inspect/chief", judge, verdict="resolved", reason="已整改")
    world.do("inspect/officer", lift, reason="整改到位")
    world.consistent()


def test_a_leader_lifts_a_naming_of_an_open_matter_with_a_reason(world: Any) -> None:
    _, naming = published(world)
    world.do("gov/main-leader", f"namings/{naming}/lift", reason="项目已由上级收回")
    assert world.client("gov/main-leader").get(f"/api/v1/namings/{naming}").json["state"] == "lifted"


def test_on_track_is_not_resolved_and_neither_is_a_round_that_is_void(world: Any) -> None:
    case, naming = published(world)
    lift = f"namings/{naming}/lift"
    for number, verdict in ((3, "on_track"), (4, "resolved")):
        world.issued(case)
        world.answered(case, number)
        world.do("inspect/chief", f"cases/{case}/rounds/{number}/judge", verdict=verdict, reason="如实")
        if verdict == "resolved":
            world.do("inspect/chief", f"cases/{case}/rounds/{number}/void", reason="误判")
        world.refused("matter-not-resolved", "inspect/officer", lift, reason="整改到位")


def test_a_case_closed_as_resolved_is_resolved(world: Any) -> None:
    case, naming = published(world)
    world.told(assignment.TaskClosed, stable_id("test-task", "1"), ground="accepted")
    assert world.case(case).state.ground == "resolved"
    world.do("inspect/officer", f"namings/{naming}/lift", reason="整改到位")


def test_a_case_closed_for_another_reason_is_not_resolved(world: Any) -> None:
    case, naming = published(world)
    world.told(assignment.TaskCancelled, stable_id("test-task", "1"), reason="项目取消")
    assert world.case(case).state.closed
    lift = f"namings/{naming}/lift"
    world.refused("matter-not-resolved", "inspect/officer", lift, reason="整改到位")
    world.do("gov/main-leader", lift, reason="项目取消")


# -- when it happened ---------------------------------------------------------------------------------------------


def test_no_step_of_a_round_happened_before_what_it_rests_on(world: Any) -> None:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    world.issued(case)  # at nine
    one, rule = f"cases/{case}/rounds/1", "before-what-it-rests-on"
    world.at("2021-03-01 15:00")

    def at(hour: int) -> str:
        return f"2021-03-01T{hour:02}:00:00+08:00"

    def early_then(post: str, step: str, early: int, late: int, **body: Any) -> None:
        refused = world.refused(rule, post, f"{one}/{step}", happened_at=at(early), **body)
        assert [error["field"] for error in refused["errors"]] == ["happened_at"]
        world.do(post, f"{one}/{step}", happened_at=at(late), **body)

    early_then("fgw/officer", "answer", 8, 10, text="正在办理")
    early_then("fgw/head", "sign", 9, 11)
    early_then("inspect/chief", "judge", 10, 12, verdict="on_track", reason="如实")
    early_then("fgw/head", "object", 11, 13, text="不服")
    world.consistent()


def test_an_unsigned_round_is_objected_to_from_its_due_moment_on(world: Any) -> None:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    world.issued(case)
    due_at = world.case(case).state.issued[1].due_at
    world.clock.set(due_at + timedelta(hours=20))
    world.opened.settle()
    raised = f"cases/{case}/rounds/1/object"
    early = (due_at - timedelta(minutes=1)).isoformat()
    world.refused("before-what-it-rests-on", "fgw/head", raised, text="不服", happened_at=early)
    world.do("fgw/head", raised, text="不服", happened_at=due_at.isoformat())
