"""The thin line: from a case to the main leader and back."""

from typing import Any

from shared.events import supervision


def test_from_a_case_to_the_main_leader_who_acknowledges_until_it_is_closed(world: Any) -> None:
    case = world.case()
    assert world.standing() == [("assigned", "fgw/officer")]
    world.missed(case)
    assert world.standing(level="missed") == [("missed", "fgw/head")]
    world.round(case, 1)
    assert world.standing(level="round1") == [("round1", "fgw/head"), ("round1", "gov/vice-leader")]
    world.judged(case, 1)
    assert world.standing(level="unresolved") == []
    world.round(case, 2)
    assert world.standing(level="round2") == [("round2", "fgw/head"), ("round2", "gov/vice-leader")]
    world.unresolved(case, 2)
    assert world.standing(level="unresolved") == [("unresolved", "gov/main-leader")]
    assert world.escalation(case)["state"] == "open"

    world.at("2021-03-09 08:31")
    assert [row["reminder"] for row in world.notices(level="unresolved")] == [0, 1]
    leader = world.client("gov/main-leader")
    shown = leader.get("/api/v1/escalations").json["items"]
    assert [(row["state"], row["reminders"]) for row in shown] == [("open", 1)]
    answer = leader.post(f"/api/v1/escalations/{shown[0]['id']}/acknowledge", {"note": "督查室跟进"})
    assert answer.status_code == 200, answer.json
    world.opened.settle()
    assert world.escalation(case)["state"] == "acknowledged"

    world.told(supervision.CaseClosed, case, ground="resolved")
    assert world.escalation(case)["state"] == "withdrawn"
    assert world.standing() == []
    world.nothing_new_when_delivered_again()
