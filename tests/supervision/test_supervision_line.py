"""The thin line: a task is missed, two rounds are slow, the unit is named, and the naming is lifted, over HTTP."""

from typing import Any

from services.supervision.domain import Naming
from shared.events import supervision as told
from shared.testing import kinds, shanghai


def test_from_an_assigned_task_to_a_lifted_naming(world: Any) -> None:
    task = world.task()
    case = world.case_of(task)
    assert world.kinds_of(case) == ["CaseOpened", *["ClockStarted"] * 4]

    world.at("2021-03-08 08:30")
    missed = world.last(case, told.DeadlineMissed)
    assert missed.due_at == shanghai("2021-03-06 00:00")
    assert missed.detected_at == shanghai("2021-03-08 08:30")
    issued = world.last(case, told.RoundIssued)
    assert (issued.round, issued.trigger, issued.unit) == (1, "deadline_missed", "fgw")
    assert str(issued.due_on) == "2021-03-11"

    world.at("2021-03-12 08:30")
    judged = world.last(case, told.RoundJudged)
    assert (judged.round, judged.verdict, judged.unsigned) == (1, "slow", True)
    assert world.last(case, told.RoundIssued).round == 2

    world.slow_round(case, 2)
    due = world.last(case, told.NamingBecameDue)
    assert due.rounds == (1, 2)
    naming = due.naming_id
    assert world.kinds_of(naming) == ["NamingDrafted"]
    drafted = world.facts_of(naming)[0]
    assert drafted.by.post == "inspect/chief"
    assert "上海庙园区道路贯通" in drafted.text
    assert "旗发展和改革委员会" in drafted.text

    world.do("inspect/officer", f"namings/{naming}/check")
    world.refused("objection-window-still-open", "gov/main-leader", f"namings/{naming}/approve")
    world.at("2021-03-18 09:00")
    world.do("gov/main-leader", f"namings/{naming}/approve")
    published = world.do("inspect/officer", f"namings/{naming}/publish")
    assert published["number"] == "通报〔2021〕1号"
    world.refused("matter-not-resolved", "inspect/officer", f"namings/{naming}/lift", reason="整改到位")
    world.do("gov/vice-leader", f"namings/{naming}/lift", reason="整改到位")
    assert kinds(world.facts_of(naming)) == [
        "NamingDrafted",
        "NamingChecked",
        "NamingApproved",
        "NamingPublished",
        "NamingLifted",
    ]
    row = world.opened.rows("supervision", "namings")[str(naming)]
    assert (row["state"], row["year"], row["number"]) == ("lifted", 2021, 1)
    assert isinstance(world.app.load(Naming, naming), Naming)

    client = world.client("gov/main-leader")
    for path in (
        "cases",
        f"cases/{case}",
        "clocks",
        "rounds",
        "namings",
        f"namings/{naming}",
        "custody",
        "rulebooks",
        "calendar-releases",
        "rates?since=2021-03-01&until=2021-03-31",
        "due?rule=contact&start=2021-02-05",
        f"cases/{case}/clocks/task_due/1/explanation",
    ):
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, (path, answer.json)
    world.consistent()
