"""Clocks: started, paused, extended, stopped, missed once, retracted; the calendar's releases; the scheduler."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.event import listen

from services.supervision.domain.rulebook import RulebookVersionTaken
from shared.events import assignment, enterprise
from shared.events import supervision as told
from shared.rulebook import parse_rulebook
from shared.testing import shanghai

DAYS_OFF = [
    {"day": "2021-03-03", "working": False, "name": "旗庆"},
    {"day": "2021-03-04", "working": False, "name": "旗庆"},
]


def release(world: Any, days: list[dict[str, Any]], layer: str = "banner") -> str:
    """Drafted by one, released by another; the draft's id."""
    body = {"layer": layer, "title": "关于旗庆放假的通知", "days": days}
    draft = world.do("inspect/officer", "calendar-releases", **body)["id"]
    world.do("inspect/chief", f"calendar-releases/{draft}/release")
    return str(draft)


# -- the scheduler -------------------------------------------------------------------------------------------


def test_a_sweep_that_slept_for_days_records_every_miss_once_with_both_times(world: Any) -> None:
    cases = [world.case_of(world.task(str(n), due_on=date(2021, 3, 2 + n))) for n in range(3)]
    world.clock.set("2021-03-09 10:00")
    for _ in range(4):
        world.app.tick()
    world.opened.settle()
    for n, case in enumerate(cases):
        missed = [f for f in world.facts_of(case) if f.TOPIC == told.DeadlineMissed.TOPIC]
        assert sorted((fact.clock, fact.cycle) for fact in missed) == [
            ("acknowledge", 1),
            ("support_acknowledge", 1),
            ("task_due", 1),
        ]
        (task_due,) = [fact for fact in missed if fact.clock == "task_due"]
        assert task_due.due_at == task_due.happened_at == shanghai(f"2021-03-0{3 + n} 00:00")
        assert task_due.detected_at == task_due.timestamp == shanghai("2021-03-09 10:00")
        assert world.count(case, told.DeadlineApproaching) == 0, "slept through and skipped"
        assert world.count(case, told.RoundIssued) == 1
    before = world.size()
    for _ in range(3):
        assert world.app.tick() is False
    assert world.size() == before
    world.consistent()


def test_each_warning_comes_once_on_its_own_morning(world: Any) -> None:
    case = world.case_of(world.task(due_on=date(2021, 3, 12)))
    days = [world.facts_of(case)[1].warn_on]
    for day in range(1, 13):
        world.at(f"2021-03-{day:02d} 08:00")
        world.app.tick()
    warned = [
        fact
        for fact in world.facts_of(case)
        if fact.TOPIC == told.DeadlineApproaching.TOPIC and fact.clock == "task_due"
    ]
    assert [fact.point for fact in warned] == list(range(1, len(days[0]) + 1))
    assert [fact.detected_at for fact in warned] == [shanghai(f"{day} 08:00") for day in days[0]]


def test_two_sweeps_at_once_record_a_miss_once(world: Any) -> None:
    case = world.case_of(world.task())
    world.clock.set("2021-03-08 09:00")
    original, calls = world.app._save, []

    def slower(aggregates: list[Any]) -> None:
        if not calls:
            calls.append(1)
            assert world.app.tick() is True  # the other process comes in between
        original(aggregates)

    world.app._save = slower
    world.app.tick()
    world.app._save = original
    world.opened.settle()
    missed = [
        f for f in world.facts_of(case) if f.TOPIC == told.DeadlineMissed.TOPIC and f.clock == "task_due"
    ]
    assert len(missed) == 1
    world.consistent()


def test_what_is_not_due_is_not_even_looked_at(world: Any) -> None:
    for n in range(5):
        world.task(str(n), due_on=date(2021, 12, 31))
    world.at("2021-03-04 09:00")
    looked: list[UUID] = []
    original = world.app.find
    world.app.find = lambda kind, found: looked.append(found) or original(kind, found)
    assert world.app.tick() is False
    assert looked == []


# -- tasks ---------------------------------------------------------------------------------------------------


def test_a_claim_in_time_that_is_accepted_late_retracts_the_miss_and_its_round(world: Any) -> None:
    task = world.task()
    case = world.case_of(task)
    world.at("2021-03-08 09:00")
    assert world.clock_row(case, "task_due")["missed"]
    claimed = shanghai("2021-03-05 17:00")
    world.told(assignment.CompletionAccepted, task, claimed_at=claimed)
    assert world.last(case, told.ClockStopped).verdict == "in_time"
    assert world.last(case, told.DeadlineMissRetracted).ground == "fact_arrived_late"
    assert world.last(case, told.RoundVoided).round == 1
    row = world.clock_row(case, "task_due")
    assert (row["missed"], row["verdict"], row["stopped_at"]) == (False, "in_time", claimed)
    world.told(assignment.TaskClosed, task, ground="accepted")
    assert world.case(case).status == "closed"
    world.consistent()


def test_an_answered_round_goes_with_its_miss(world: Any) -> None:
    task = world.task()
    case = world.case_of(task)
    world.at("2021-03-08 09:00")
    world.do("fgw/officer", f"cases/{case}/rounds/1/answer", text="正在办理")
    world.told(assignment.CompletionAccepted, task, claimed_at=shanghai("2021-03-05 17:00"))
    assert world.last(case, told.RoundVoided).ground == "ground_lost"


def test_returns_and_reassignments_never_move_the_outer_clock(world: Any) -> None:
    task = world.task()
    case = world.case_of(task)
    due = world.clock_row(case, "task_due")["due_at"]
    world.at("2021-03-02 09:00")
    world.told(assignment.TaskReturned, task, unit="fgw", reason="非职责", suggested_unit="czj", times=1)
    world.at("2021-03-04 09:00")
    reassigned = {"from_unit": "fgw", "lead_unit": "czj", "post": "czj/officer", "reason": "改派"}
    world.told(assignment.TaskReassigned, task, **reassigned)
    assert world.clock_row(case, "task_due")["due_at"] == due
    assert world.clock_row(case, "acknowledge", 2)["unit"] == "czj"
    world.at("2021-03-08 09:00")
    assert world.last(case, told.RoundIssued).unit == "czj"
    items = world.client("inspect/chief").get(f"/api/v1/custody?case_id={case}").json["items"]
    assert [(item["unit"], item["working_days"]) for item in items] == [("fgw", 1), ("gov", 2), ("czj", 2)]
    world.consistent()


def test_a_case_that_changes_hands_often_costs_its_views_no_more_statements(world: Any) -> None:
    said: list[str] = []
    engine = world.opened["supervision"].views._engine
    listen(engine, "before_cursor_execute", lambda _1, _2, statement, *_: said.append(statement))
    costs = []
    for name, times in (("1", 2), ("2", 60)):
        task = world.task(name)
        for n in range(times):
            unit = ("fgw", "czj", "zrj")[n % 3]
            reassigned = {"from_unit": "fgw", "lead_unit": unit, "post": f"{unit}/officer", "reason": "改派"}
            world.say(assignment.TaskReassigned, task, **reassigned)
        said.clear()
        world.opened.settle()
        assert world.count(world.case_of(task), told.CustodyMoved) >= times - 1
        costs.append(sum("clocks__" in one or "cases__" in one for one in said))
    assert 0 < costs[1] <= costs[0]
    world.consistent()


def test_a_pause_keeps_the_working_days_that_were_left(world: Any) -> None:
    task = world.task(due_on=date(2021, 3, 5))
    case = world.case_of(task)
    world.at("2021-03-02 09:00")
    world.told(assignment.TaskSuspended, task, reason="等待批复")
    assert world.clock_row(case, "task_due")["state"] == "paused"
    world.at("2021-03-09 09:00")
    assert not world.clock_row(case, "task_due")["missed"]
    world.told(assignment.TaskResumed, task)
    row = world.clock_row(case, "task_due")
    assert (row["state"], row["due_on"], row["original_due_on"]) == (
        "open",
        date(2021, 3, 12),
        date(2021, 3, 5),
    )
    world.consistent()


def test_an_extension_after_the_miss_retracts_it(world: Any) -> None:
    task = world.task()
    case = world.case_of(task)
    world.at("2021-03-08 09:00")
    extended = {"due_on": date(2021, 3, 31), "original_due_on": date(2021, 3, 5), "times": 1}
    world.told(assignment.ExtensionGranted, task, **extended)
    assert world.last(case, told.DeadlineMissRetracted).ground == "extended"
    assert world.last(case, told.RoundVoided).round == 1
    world.at("2021-04-01 09:00")
    misses = [
        f for f in world.facts_of(case) if f.TOPIC == told.DeadlineMissed.TOPIC and f.clock == "task_due"
    ]
    assert [str(fact.due_on) for fact in misses] == ["2021-03-05", "2021-03-31"]
    assert world.last(case, told.RoundIssued).round == 2
    world.consistent()


@pytest.mark.parametrize(
    ("fact", "what", "ground"),
    [
        (assignment.TaskCancelled, {"reason": "x"}, "cancelled"),
        (assignment.TaskSuperseded, {"by_task": UUID(int=1), "reason": "x"}, "superseded"),
    ],
)
def test_a_task_that_ends_closes_its_case_and_clocks(world: Any, fact: Any, what: Any, ground: str) -> None:
    task = world.task()
    case = world.case_of(task)
    world.at("2021-03-08 09:00")
    world.told(fact, task, **what)
    assert world.case(case).state.ground == ground
    assert list(world.case(case).state.open_clocks) == []
    world.told(assignment.NewInstructionGiven, task, text="继续办")
    assert world.case(case).status == "open"
    world.refused("round-already-concluded", "fgw/officer", f"cases/{case}/rounds/1/answer", text="x")
    world.consistent()


# -- directives ----------------------------------------------------------------------------------------------


def test_each_unit_arranges_within_two_working_days_of_the_receipt(world: Any) -> None:
    received = shanghai("2021-02-26 16:00")
    directive = world.directive("1", "fgw", "czj", happened_at=received)
    fgw, czj = (world.case_of(directive, "duty", "arrange", unit) for unit in ("fgw", "czj"))
    assert world.clock_row(fgw, "arrange")["due_on"] == date(2021, 3, 2)
    arranged = {"number": "x", "text": "已部署"}
    world.told(assignment.ArrangementReported, directive, unit="fgw", **arranged)
    world.at("2021-03-03 09:00")
    world.told(assignment.ArrangementReported, directive, unit="czj", **arranged)
    assert [world.clock_row(case, "arrange")["verdict"] for case in (fgw, czj)] == ["in_time", "late"]
    assert [world.case(case).status for case in (fgw, czj)] == ["closed", "closed"]
    rates = world.client("inspect/chief").get("/api/v1/rates?since=2021-03-01&until=2021-03-31&clock=arrange")
    assert [(i["unit"], i["numerator"], i["denominator"], i["rank"]) for i in rates.json["items"]] == [
        ("czj", 0, 1, None),
        ("fgw", 1, 1, None),
    ]
    world.consistent()


def test_a_visit_item_is_decomposed_by_the_office_and_fed_back_by_the_units(world: Any) -> None:
    directive = world.directive("2", kind="field_visit_issue")
    office = world.case_of(directive, "duty", "decompose")
    assert world.clock_row(office, "decompose")["due_on"] == date(2021, 3, 2)
    dispatches = (assignment.Dispatch(unit="fgw", what="甲"), assignment.Dispatch(unit="czj", what="乙"))
    world.told(assignment.DirectiveDecomposed, directive, number="2", dispatches=dispatches)
    assert world.clock_row(office, "decompose")["verdict"] == "in_time"
    fgw = world.case_of(directive, "duty", "feedback", "fgw")
    assert world.clock_row(fgw, "feedback")["due_on"] == date(2021, 3, 3)
    world.told(assignment.FeedbackGiven, directive, number="2", unit="fgw", text="已办")
    assert world.case(fgw).status == "closed"
    world.consistent()


# -- whistles ------------------------------------------------------------------------------------------------


def test_all_three_clocks_of_a_whistle_run_from_its_blowing_whatever_the_units_do(world: Any) -> None:
    whistle = world.whistle(happened_at=shanghai("2021-02-05 16:00"))
    case = world.case_of(whistle, "whistle")
    dues = {c: world.clock_row(case, c)["due_on"] for c in ("contact", "resolve_or_confirm", "hard_limit")}
    assert dues == {
        "contact": date(2021, 2, 7),
        "resolve_or_confirm": date(2021, 2, 9),
        "hard_limit": date(2021, 3, 24),
    }
    for n in range(3):
        routed = {"from_unit": "office", "lead_unit": "fgw", "post": "fgw/officer", "transfers": n}
        world.told(enterprise.WhistleRouted, whistle, **routed)
        returned = {"unit": "fgw", "reason": "x", "suggested_unit": "czj", "desk_unit": "office", "times": 1}
        world.told(enterprise.WhistleReturned, whistle, **returned)
    for clock, due_on in dues.items():
        assert world.clock_row(case, clock)["due_on"] == due_on
    assert world.case(case).state.custodian == "office"
    world.consistent()


def test_rework_does_not_restart_the_hard_limit(world: Any) -> None:
    whistle = world.whistle()
    case = world.case_of(whistle, "whistle")
    world.told(enterprise.EnterpriseContacted, whistle, unit="office", how="phone")
    resolved = {"unit": "office", "result": "已办", "rating_until": date(2021, 3, 8)}
    world.told(enterprise.WhistleResolved, whistle, **resolved)
    first = world.clock_row(case, "hard_limit")
    world.at("2021-03-05 09:00")
    world.told(enterprise.ReworkOrdered, whistle, reason="未解决", times=1)
    again = world.clock_row(case, "hard_limit", 2)
    assert (again["started_at"], again["due_at"]) == (first["started_at"], first["due_at"])
    assert world.clock_row(case, "hard_limit")["verdict"] == "in_time", "the first verdict stays"
    world.told(enterprise.WhistleClosed, whistle, ground="rated")
    assert world.case(case).status == "closed"
    world.consistent()


def test_a_merged_whistle_is_still_owed_its_contact_and_can_be_unmerged(world: Any) -> None:
    whistle = world.whistle()
    case = world.case_of(whistle, "whistle")
    world.told(enterprise.WhistleMerged, whistle, into=UUID(int=9))
    assert [clock.clock for clock in world.case(case).state.open_clocks] == ["contact"]
    world.told(enterprise.EnterpriseContacted, whistle, unit="office", how="phone")
    assert world.case(case).state.ground == "merged"
    world.told(enterprise.WhistleUnmerged, whistle, out_of=UUID(int=9), reason="误并")
    running = {(clock.clock, clock.cycle) for clock in world.case(case).state.open_clocks}
    assert running == {("resolve_or_confirm", 2), ("hard_limit", 2)}
    assert world.clock_row(case, "hard_limit", 2)["started_at"] == shanghai("2021-03-01 09:00")
    world.told(enterprise.InfeasibilityReviewed, whistle, upheld=True, reason="法律禁止")
    world.told(enterprise.WhistleWithdrawn, whistle, reason="撤回")
    assert world.case(case).state.ground == "withdrawn"
    world.consistent()


def test_the_contact_clock_never_pauses(world: Any) -> None:
    case = world.case_of(world.whistle(), "whistle")
    for clock, rule in (("contact", "clock-not-pausable"), ("hard_limit", "clock-not-pausable")):
        world.refused(rule, "inspect/chief", f"cases/{case}/clocks/{clock}/1/pause", reason="等")
    world.refused("no-such-clock", "inspect/chief", f"cases/{case}/clocks/contact/9/pause", reason="等")
    path = f"cases/{case}/clocks/resolve_or_confirm/1"
    world.refused("clock-not-paused", "inspect/chief", f"{path}/resume")
    world.do("inspect/chief", f"{path}/pause", reason="企业补件")
    world.refused("clock-already-paused", "inspect/chief", f"{path}/pause", reason="等")
    world.at("2021-03-03 09:00")
    world.do("inspect/chief", f"{path}/resume")
    explained = world.client("inspect/chief").get(f"/api/v1/{path}/explanation").json
    assert explained["due"] == "2021-03-05"
    assert explained["pauses"] == [{"since": "2021-03-01", "until": "2021-03-03"}]
    world.consistent()


# -- the calendar --------------------------------------------------------------------------------------------


def test_a_calendar_release_moves_open_clocks_and_keeps_judged_verdicts(world: Any) -> None:
    directive = world.directive("1", "fgw", "czj", "zrj")
    fgw, czj, zrj = (world.case_of(directive, "duty", "arrange", unit) for unit in ("fgw", "czj", "zrj"))
    world.at("2021-03-04 09:00")
    arranged = {"number": "1", "text": "已部署"}
    world.told(assignment.ArrangementReported, directive, unit="czj", **arranged)
    assert world.clock_row(czj, "arrange")["verdict"] == "late"
    assert world.clock_row(fgw, "arrange")["missed"]

    body = {"layer": "banner", "title": "关于旗庆放假的通知", "days": DAYS_OFF}
    draft = world.do("inspect/officer", "calendar-releases", **body)["id"]
    before = world.size()
    moved = world.client("office/head").get(f"/api/v1/calendar-releases/{draft}/preview").json["items"]
    assert {
        (row["unit"], row["due_on"], row["new_due_on"]) for row in moved if row["clock"] == "arrange"
    } == {
        ("fgw", "2021-03-03", "2021-03-05"),
        ("zrj", "2021-03-03", "2021-03-05"),
    }
    assert world.size() == before, "a preview writes nothing"
    world.refused("releasing-ones-own-draft", "inspect/officer", f"calendar-releases/{draft}/release")
    assert world.do("inspect/chief", f"calendar-releases/{draft}/release")["number"] == "2"

    for case in (fgw, zrj):
        row = world.clock_row(case, "arrange")
        assert (row["due_on"], row["missed"], row["calendar_version"]) == (date(2021, 3, 5), False, 2)
        assert world.last(case, told.DeadlineMissRetracted).ground == "calendar"
        assert world.last(case, told.RoundVoided).round == 1
    judged = world.clock_row(czj, "arrange")
    assert (judged["verdict"], judged["recomputed"]) == ("late", "in_time")
    assert world.last(czj, told.ClockStopped).verdict == "late"
    world.refused("calendar-draft-already-released", "inspect/chief", f"calendar-releases/{draft}/release")
    explained = world.client("inspect/chief").get(f"/api/v1/cases/{czj}/clocks/arrange/1/explanation").json
    assert (explained["due"], explained["calendar_version"]) == ("2021-03-03", 1)
    before = world.size()
    world.app._recomputed, world.app._recomputing = (0, date.min), (0, 0)
    world.opened.settle()
    assert world.size() == before, "worked through again, it finds nothing to say"
    world.consistent()


def test_a_draft_that_another_release_overtook_is_drafted_again(world: Any) -> None:
    other = [{"day": "2021-03-10", "working": False, "name": "旗庆"}]
    late = world.do("inspect/officer", "calendar-releases", layer="banner", title="乙", days=other)["id"]
    release(world, DAYS_OFF)
    world.refused("calendar-version-out-of-order", "inspect/chief", f"calendar-releases/{late}/release")


def test_a_date_in_a_year_not_announced_is_provisional_until_its_notice_comes(world: Any) -> None:
    world.clock.set("2026-12-30 16:00")
    case = world.case_of(world.whistle(), "whistle")
    before = world.clock_row(case, "resolve_or_confirm")
    assert (before["due_on"], before["provisional"]) == (date(2027, 1, 4), True)
    assert not world.clock_row(case, "contact")["provisional"]
    holidays = [{"day": f"2027-01-{day:02d}", "working": False, "name": "元旦"} for day in (1, 4, 5, 6, 7)]
    release(world, holidays, "state_council")
    after = world.clock_row(case, "resolve_or_confirm")
    assert (after["due_on"], after["provisional"]) == (date(2027, 1, 11), False)
    world.consistent()


# -- the rulebook --------------------------------------------------------------------------------------------


def test_a_case_stays_with_the_rulebook_under_which_it_was_opened(world: Any) -> None:
    text = world.app.rulebook.text
    first = world.case_of(world.directive("1", "fgw"), "duty", "arrange", "fgw")
    newer = text.replace("# version: 4", "# version: 5").replace(
        "DirectiveRegistered,ArrangementReported,2,", "DirectiveRegistered,ArrangementReported,5,"
    )
    world.app.rulebook = parse_rulebook(newer, "newer")
    world.app.release_rulebook()
    world.app.release_rulebook()
    second = world.case_of(world.directive("2", "fgw"), "duty", "arrange", "fgw")
    assert world.app.terms_of(world.case(first)).rule("arrange").length == 2
    assert world.app.terms_of(world.case(second)).rule("arrange").length == 5
    assert sorted(world.opened.rows("supervision", "rulebooks")) == ["000004", "000005"]
    world.app.rulebook = parse_rulebook(newer + "\n# changed", "changed")
    with pytest.raises(RulebookVersionTaken):
        world.app.release_rulebook()


def test_the_what_if_calculator_is_for_everybody(world: Any) -> None:
    client = world.client("zrj/officer", "overseer")
    assert client.get("/api/v1/due?rule=contact&start=2021-02-05").json["due"] == "2021-02-07"
    assert client.get("/api/v1/due?rule=contact&start=yesterday").status_code == 422
    assert client.get("/api/v1/due?rule=nothing&start=2021-02-05").status_code == 422
