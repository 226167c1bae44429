"""No fact lies before the one that makes it possible (domain.md §3): the refusal names both moments."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.domain.moments import BeforeWhatItRestsOn
from shared.events.assignment import Dispatch
from shared.testing import shanghai
from tests.assignment.conftest import Banner

Step = tuple[str, str, dict[str, Any]]
CLAIM: Step = ("fgw", "claim_completion", {"note": "完成", "evidence": ["照片"]})
ACCEPT: Step = ("inspect", "accept_completion", {})
BACK: Step = ("inspect", "send_back", {"reason": "不足"})
ASK: Step = ("fgw", "request_extension", {"new_due_on": date(2021, 2, 26), "reason": "天寒"})
RETURN: Step = ("fgw", "return_task", {"reason": "不符", "suggested_unit": "zrj"})
DISPUTE: Step = ("fgw", "raise_dispute", {"with_units": ["czj"], "about": "分工"})
SOLVE: Step = ("fgw", "propose_solution", {"coordination": "会商", "solution": "各半"})
SUSPEND: Step = ("inspect", "suspend_task", {"reason": "待批"})
RESUME: Step = ("inspect", "resume_task", {})
RETURN_PART: Step = ("czj", "return_support", {"reason": "不符"})
MOVE_PART: Step = ("fgw", "reassign_support", {"unit": "czj", "to_unit": "zrj", "reason": "改"})
TO_ZRJ: Step = ("office", "reassign_task", {"lead_unit": "zrj", "reason": "改"})
WAIVE: Step = ("inspect", "waive_support", {"unit": "czj", "reason": "不用"})
INSTRUCT: Step = ("main_leader", "new_instruction", {"text": "再抓"})

CASES: list[tuple[list[Step], Step]] = [
    ([WAIVE], CLAIM),
    ([WAIVE, CLAIM], ACCEPT),
    ([WAIVE, CLAIM], BACK),
    ([WAIVE, CLAIM, BACK], CLAIM),
    ([WAIVE, CLAIM, ACCEPT], ("main_leader", "no_new_instruction", {})),
    ([WAIVE, CLAIM, ACCEPT], INSTRUCT),
    ([WAIVE, CLAIM, ACCEPT, INSTRUCT], CLAIM),
    ([WAIVE, CLAIM], INSTRUCT),
    ([ASK], ("vice_leader", "grant_extension", {})),
    ([ASK], ("vice_leader", "refuse_extension", {"reason": "不行"})),
    ([DISPUTE], SOLVE),
    ([DISPUTE, SOLVE], ("vice_leader", "rule_on_dispute", {"ruling": "各半"})),
    ([SUSPEND], RESUME),
    ([SUSPEND, RESUME], SUSPEND),
    ([WAIVE, SUSPEND, RESUME], CLAIM),
    ([RETURN], TO_ZRJ),
    ([TO_ZRJ], ("zrj", "accept_task", {})),
    ([TO_ZRJ], ("zrj", "return_task", {"reason": "不符", "suggested_unit": "fgw"})),
    ([RETURN_PART], MOVE_PART),
    ([RETURN_PART], WAIVE),
    ([RETURN_PART, MOVE_PART], ("zrj", "finish_support", {})),
    ([RETURN_PART, MOVE_PART], ("zrj", "return_support", {"reason": "不符"})),
]


@pytest.mark.parametrize(
    ("before", "step"), CASES, ids=[f"{step[1]} after {before[-1][1]}" for before, step in CASES]
)
@pytest.mark.parametrize("ground", ["2021-01-20 15:00", "2021-02-05 09:30"])
def test_a_fact_of_a_task_is_not_dated_before_what_it_rests_on(
    banner: Banner, before: list[Step], step: Step, ground: str
) -> None:
    task = banner.new_task(from_leader_instruction=True)
    rests_on = shanghai(ground)

    def carry_out(one: Step, happened_at: datetime) -> Any:
        who, command, what = one
        return banner.carry_out(command, banner.act(who).at(happened_at), task, **what)

    banner.clock.set("2021-02-06 10:00")
    for one in before:
        carry_out(one, rests_on)
    refusal = banner.refuses(BeforeWhatItRestsOn, lambda: carry_out(step, rests_on - timedelta(minutes=1)))
    assert refusal.at_field == "happened_at"
    assert refusal.facts["since"] == rests_on
    assert refusal.facts["happened_at"] == rests_on - timedelta(minutes=1)
    carry_out(step, rests_on)


def test_over_http_it_is_the_fault_of_the_field(banner: Banner) -> None:
    task = banner.new_task(supporters=[])
    banner.clock.set("2021-02-23 10:00")
    claim = {"note": "完成", "evidence": ["照片"], "happened_at": "2021-02-04T16:00:00+08:00"}
    assert banner.client("fgw").post(f"/api/v1/tasks/{task}/claim-completion", claim).status_code == 200
    early = {"happened_at": "2021-02-04T15:59:59+08:00"}
    answer = banner.client("inspect").post(f"/api/v1/tasks/{task}/accept-completion", early)
    assert (answer.status_code, answer.json["rule"]) == (422, "before-what-it-rests-on")
    assert answer.json["errors"][0]["field"] == "happened_at"


def test_feedback_is_not_given_before_the_dispatch(banner: Banner) -> None:
    registered = banner.app.register_directive(
        banner.act("office"), number="1", title="现场问题", kind="field_visit_issue"
    )
    directive = UUID(registered.id)
    banner.clock.set("2021-01-06 12:00")
    dispatched = banner.act("office").at(shanghai("2021-01-05 10:00"))
    pieces = [Dispatch(unit="fgw", what="查清")]
    banner.carry_out("decompose_directive", dispatched, directive, dispatches=pieces)

    def feed_back(moment: str) -> Any:
        return banner.carry_out(
            "give_feedback", banner.act("fgw").at(shanghai(moment)), directive, text="已查"
        )

    banner.refuses(BeforeWhatItRestsOn, lambda: feed_back("2021-01-05 09:59"))
    feed_back("2021-01-05 10:00")
