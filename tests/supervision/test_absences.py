"""Study trips: asked for, approved, ended; the clock of the report runs by a row of the rulebook alone."""

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.supervision.domain import Absence
from services.supervision.domain.absence import (
    AbsenceEndsBeforeItBegins,
    ApprovingOnesOwnAbsence,
    AskedAfterLeaving,
    BeforeTheStepBefore,
    DeputyIsOneself,
    NotAway,
    NoTripReportOwed,
    NotWhoIsAway,
)
from services.supervision.views.duties import AbsencesView
from shared.domain.guards import open_to
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.testing import an_act, facts, kinds, rows_of, shanghai
from tests.supervision.conftest import World

TRIP: dict[str, Any] = {
    "kind": "study_trip",
    "first": date(2021, 3, 3),
    "last": date(2021, 3, 5),
    "purpose": "学习园区建设经验",
}


def by(post: str, at: str = "2021-03-01 09:00") -> Any:
    return an_act(shanghai(at), post.partition("/")[0], post, "unit_head")


def a_trip(**other: Any) -> Absence:
    return Absence.request(by("fgw/head"), **{**TRIP, **other})


def test_who_is_away_does_not_approve_it() -> None:
    trip = a_trip()
    with pytest.raises(ApprovingOnesOwnAbsence):
        trip.approve(by("fgw/head"))
    trip.approve(by("gov/vice-leader"))
    assert kinds(facts(trip)) == ["AbsenceRequested", "AbsenceApproved"]


def test_a_trip_is_asked_for_before_it_begins_and_ends_after_that() -> None:
    with pytest.raises(AskedAfterLeaving):
        a_trip(first=date(2021, 2, 26))
    with pytest.raises(AbsenceEndsBeforeItBegins):
        a_trip(last=date(2021, 3, 2))
    with pytest.raises(DeputyIsOneself):
        a_trip(deputy="fgw/head")


def test_nobody_comes_back_who_was_not_allowed_to_go() -> None:
    trip = a_trip()
    with pytest.raises(NotAway):
        trip.come_back(by("fgw/head"))
    trip.refuse(by("gov/vice-leader"), reason="近期任务重")
    with pytest.raises(NotAway):
        trip.come_back(by("fgw/head"))


def test_a_report_is_owed_by_who_was_away_once_and_only_after_a_study_trip() -> None:
    leave, trip = a_trip(kind="leave"), a_trip()
    for absence in (leave, trip):
        absence.approve(by("gov/vice-leader"))
        absence.leave(by("fgw/head"))
        absence.come_back(by("fgw/head"))
    with pytest.raises(NoTripReportOwed):
        leave.submit_report(by("fgw/head"), text="无")
    with pytest.raises(NotWhoIsAway):
        trip.submit_report(by("fgw/officer"), text="代写")
    trip.submit_report(by("fgw/head"), text="三点建议")
    with pytest.raises(NoTripReportOwed):
        trip.submit_report(by("fgw/head"), text="再交一次")


def test_a_return_is_not_dated_before_the_departure() -> None:
    trip = a_trip()
    trip.approve(by("gov/vice-leader"))
    trip.leave(by("fgw/head", "2021-03-03 08:00"))
    early = by("fgw/head", "2021-03-05 20:00").at(shanghai("2021-03-02 20:00"))
    with pytest.raises(BeforeTheStepBefore):
        trip.come_back(early)


COMMANDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "approve": (Absence.approve, {}),
    "refuse": (Absence.refuse, {"reason": "不宜"}),
    "leave": (Absence.leave, {}),
    "come_back": (Absence.come_back, {}),
    "submit_report": (Absence.submit_report, {"text": "建议"}),
    "cancel": (Absence.cancel, {"reason": "不去了"}),
}


@given(
    st.sampled_from(["study_trip", "leave"]),
    st.lists(st.tuples(st.sampled_from(sorted(COMMANDS)), st.sampled_from(["fgw/head", "gov/vice-leader"]))),
)
def test_after_any_history_the_view_shows_the_state_and_what_is_open_is_not_refused(
    kind: str, steps: list[tuple[str, str]]
) -> None:
    absence = a_trip(kind=kind)
    for command, post in steps:
        decision, body = COMMANDS[command]
        act = by(post)
        may = open_to(decision, absence.state, act, {})
        try:
            decision(absence, act, **body)
        except Refusal:
            assert not may, command
        else:
            assert may, command
    assert rows_of(AbsencesView, "supervision", absence.pending_events) == {str(absence.id): absence.state}


def approved(world: World, **other: Any) -> UUID:
    first = {"first": "2021-03-03", "last": "2021-03-05"}
    trip = world.do("fgw/head", "absences", **{**TRIP, **first, **other})["id"]
    world.do("gov/vice-leader", f"absences/{trip}/approve")
    return UUID(trip)


def test_the_report_is_due_five_working_days_after_the_return_and_its_clock_stops_with_it(
    world: World,
) -> None:
    trip = approved(world)
    case = world.case_of(trip, "trip")
    assert world.kinds_of(case) == []
    world.at("2021-03-05 20:00")
    world.do("fgw/head", f"absences/{trip}/end")
    opened = world.facts_of(case)[0]
    assert (opened.kind, opened.unit, opened.post, opened.title) == (
        "trip",
        "fgw",
        "fgw/head",
        TRIP["purpose"],
    )
    assert opened.leader_post == "gov/vice-leader"
    assert world.clock_row(case, "trip_report")["due_on"] == date(2021, 3, 12)
    world.at("2021-03-12 23:00")
    world.do("fgw/head", f"absences/{trip}/submit-report", text="三点建议", evidence=["附件1"])
    assert world.last(case, supervision.ClockStopped).verdict == "in_time"
    assert world.kinds_of(case)[-1] == "CaseClosed"
    assert world.opened.rows("supervision", "absences")[str(trip)]["state"] == "reported"
    world.consistent()


def test_a_report_that_is_not_submitted_is_missed_and_then_late(world: World) -> None:
    trip = approved(world)
    case = world.case_of(trip, "trip")
    world.at("2021-03-06 09:00")
    world.do("fgw/head", f"absences/{trip}/end", happened_at="2021-03-05T20:00:00+08:00")
    world.at("2021-03-15 09:00")
    assert world.last(case, supervision.DeadlineMissed).due_on == date(2021, 3, 12)
    world.do("fgw/head", f"absences/{trip}/submit-report", text="迟交")
    assert world.last(case, supervision.ClockStopped).verdict == "late"
    world.consistent()


def test_a_leave_owes_no_report(world: World) -> None:
    leave = approved(world, kind="leave")
    world.at("2021-03-08 09:00")
    world.do("fgw/head", f"absences/{leave}/end")
    assert world.kinds_of(world.case_of(leave, "trip")) == []
    world.consistent()


def test_what_may_be_done_with_an_absence_follows_its_state_and_who_asks(world: World) -> None:
    trip = world.do("fgw/head", "absences", **{**TRIP, "first": "2021-03-03", "last": "2021-03-05"})["id"]
    path = f"/api/v1/absences/{trip}"
    assert world.client("fgw/head").get(path).json["may"] == ["cancel_absence"]
    assert world.client("gov/vice-leader").get(path).json["may"] == ["approve_absence", "refuse_absence"]
    world.refused("approving-ones-own-absence", "fgw/head", f"absences/{trip}/approve", "vice_leader")
    world.do("gov/vice-leader", f"absences/{trip}/approve")
    assert world.client("fgw/head").get(path).json["may"] == [
        "begin_absence",
        "end_absence",
        "cancel_absence",
    ]


def test_no_line_of_supervision_was_written_for_the_clock_of_a_trip_report() -> None:
    services = Path(__file__).parent.parent.parent / "services"
    for module in [
        services / "supervision" / "reactions.py",
        *(services / "supervision" / "domain").glob("*.py"),
    ]:
        assert "trip_report" not in module.read_text("utf-8"), module


def test_nobody_leaves_or_is_back_before_the_approval(world: World) -> None:
    dates = {"first": "2021-03-01", "last": "2021-03-02", "purpose": "学习"}
    left, back = (world.do("fgw/head", "absences", kind="study_trip", **dates)["id"] for _ in range(2))
    world.at("2021-03-01 10:00")
    for one in (left, back):
        world.do("gov/vice-leader", f"absences/{one}/approve")
    world.at("2021-03-01 11:00")
    early, then = "2021-03-01T09:59:00+08:00", "2021-03-01T10:00:00+08:00"
    for one, step in ((left, "begin"), (back, "end")):
        refused = world.refused(
            "before-the-step-before", "fgw/head", f"absences/{one}/{step}", happened_at=early
        )
        assert "2021-03-01 10:00" in refused["detail"]
        world.do("fgw/head", f"absences/{one}/{step}", happened_at=then)
