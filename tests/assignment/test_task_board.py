"""What the boards show: facts in, rows, then rebuilt; and over HTTP to whom."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.assignment.views.tasks import is_overdue
from shared.events.assignment import Milestone
from shared.testing import as_id
from tests.assignment.conftest import TASK, Banner
from tests.assignment.test_task import piece


def lived(banner: Banner) -> UUID:
    """A task to which nearly everything happened."""
    task = banner.new_task(milestones=[Milestone(on=date(2021, 1, 29), what="开工", value=Decimal(1))])
    do = banner.do
    do("fgw", "accept_task", task)
    do("czj", "accept_task", task)
    do("fgw", "break_down_task", task, items=[piece(due_on=date(2021, 2, 5))])
    do("fgw", "report_progress", task, value=Decimal(1), narrative="开工一个")
    do("inspect", "suspend_task", task, reason="待批")
    do("inspect", "resume_task", task)
    do("fgw", "raise_dispute", task, with_units=["czj"], about="资金")
    do("fgw", "propose_solution", task, coordination="会商", solution="分期")
    do("fgw", "request_extension", task, new_due_on=date(2021, 2, 26), reason="天寒")
    return task


def test_the_board_shows_a_task_as_it_stands_and_again_after_a_rebuild(banner: Banner) -> None:
    task = lived(banner)
    banner.opened.settle()
    row = banner.opened.rows("assignment", "tasks")[str(task)]
    assert row["state"] == "in_progress"
    assert row["dispute"]["solution"] == "分期"
    assert row["extension_request"]["new_due_on"] == "2021-02-26"
    part = row["supporters"]["czj"]
    assert (part["part"], part["required"], part["state"]) == ("落实资金", True, "open")
    banner.do("vice_leader", "rule_on_dispute", task, ruling="分期")
    banner.do("vice_leader", "grant_extension", task)
    banner.do("czj", "finish_support", task)
    banner.do("fgw", "claim_completion", task, note="完成")
    banner.do("inspect", "accept_completion", task)
    banner.opened.settle()
    row = banner.opened.rows("assignment", "tasks")[str(task)]
    assert (row["state"], row["due_on"], row["original_due_on"], row["extensions"]) == (
        "closed",
        date(2021, 2, 26),
        date(2021, 2, 7),
        1,
    )
    assert (row["dispute"], row["extension_request"]) == (None, None)
    history = list(banner.opened.rows("assignment", "task_history").values())
    assert [r["what"] for r in sorted(history, key=lambda r: r["number"])][-2:] == [
        "CompletionAccepted",
        "TaskClosed",
    ]
    assert banner.opened["assignment"].views.parked() == []
    assert banner.opened.rebuild_and_compare("assignment") == []


def test_the_board_and_the_aggregate_say_the_same_state(banner: Banner) -> None:
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("fgw", "return_task", {"reason": "不符", "suggested_unit": "zrj"}),
        ("office", "reassign_task", {"lead_unit": "zrj", "reason": "改"}),
        ("zrj", "accept_task", {}),
        ("zrj", "report_progress", {"value": Decimal(3), "narrative": "完成"}),
        ("inspect", "suspend_task", {"reason": "歇"}),
        ("inspect", "resume_task", {}),
        ("inspect", "waive_support", {"unit": "czj", "reason": "不用"}),
        ("zrj", "claim_completion", {"note": "完成"}),
        ("inspect", "send_back", {"reason": "不足"}),
        ("zrj", "claim_completion", {"note": "完成"}),
        ("inspect", "accept_completion", {}),
        ("main_leader", "new_instruction", {"text": "再抓"}),
        ("main_leader", "cancel_task", {"reason": "不办"}),
    ]
    task = banner.new_task(from_leader_instruction=True)
    seen = []
    for who, command, what in steps:
        written = banner.do(who, command, task, **what)
        banner.opened.settle()
        row = banner.opened.rows("assignment", "tasks")[str(task)]
        assert (row["state"], row["version"]) == (written.state, written.version)
        seen.append(written.state)
    assert seen == [
        "returned",
        "assigned",
        "accepted",
        "in_progress",
        "suspended",
        "in_progress",
        "in_progress",
        "claimed",
        "in_progress",
        "claimed",
        "awaiting_leader",
        "in_progress",
        "cancelled",
    ]
    assert banner.opened.rebuild_and_compare("assignment") == []


def test_overdue_is_derived_from_the_moment_of_asking(banner: Banner) -> None:
    task = banner.new_task(supporters=[])
    resting = banner.new_task(banner.new_list(title="另"), number="2", supporters=[])
    banner.do("inspect", "suspend_task", resting, reason="歇")
    written = len(banner.log())
    for moment, late in (("2021-02-07 23:59", []), ("2021-02-08 00:00", [str(task)])):
        banner.clock.set(moment)
        banner.opened.settle()
        found = banner.client("inspect").get("/api/v1/tasks?overdue=true").json["items"]
        assert [(one["id"], one["overdue"]) for one in found] == [(id_, True) for id_ in late]
    assert len(banner.client("inspect").get("/api/v1/tasks?overdue=false").json["items"]) == 1
    assert len(banner.log()) == written
    banner.do("fgw", "claim_completion", task, note="迟了", evidence=["照片"])
    banner.opened.settle()
    row = banner.opened.rows("assignment", "tasks")[str(task)]
    assert is_overdue(row, date(2021, 2, 8))
    banner.do("inspect", "accept_completion", task)
    banner.opened.settle()
    assert banner.client("inspect").get("/api/v1/tasks?overdue=true").json["items"] == []


def test_who_sees_a_task(banner: Banner) -> None:
    open_ = banner.new_task()
    secret = banner.new_task(
        banner.new_list(title="密"), number="密", secrecy="secret", secrecy_ground="依据", supporters=[]
    )
    banner.opened.settle()

    def seen_by(who: str) -> set[str]:
        return {one["id"] for one in banner.client(who).get("/api/v1/tasks").json["items"]}

    both = {str(open_), str(secret)}
    assert seen_by("main_leader") == seen_by("inspect") == seen_by("fgw") == both
    assert seen_by("office") == seen_by("czj") == {str(open_)}
    assert seen_by("angsu") == set()
    for path in (f"/api/v1/tasks/{secret}", f"/api/v1/tasks/{secret}/history"):
        assert banner.client("czj").get(path).status_code == 404
        assert banner.client("fgw").get(path).status_code == 200
    exported = banner.client("fgw").get("/api/v1/tasks/export?format=csv").get_data(as_text=True)
    assert exported.count("建成三个项目") == 1  # a secret task leaves no file
    assert (
        banner.client("angsu").get("/api/v1/tasks/export?format=csv").get_data(as_text=True).count("项目")
        == 0
    )


def test_tasks_are_filtered_sorted_and_paged(banner: Banner) -> None:
    tasks = banner.new_list()
    days = [date(2021, 3, 31), date(2021, 2, 7), date(2021, 6, 30)]
    for number, due in enumerate(days, 1):
        banner.new_task(tasks, number=str(number), due_on=due, lead_unit="fgw" if number < 3 else "angsu")
    banner.opened.settle()
    inspect = banner.client("inspect")

    def numbers(query: str) -> list[str]:
        return [one["number"] for one in inspect.get(f"/api/v1/tasks?{query}").json["items"]]

    assert numbers("") == ["2", "1", "3"]
    assert numbers("sort=-due_on&lead_unit=fgw") == ["1", "2"]
    assert numbers("due_before=2021-03-31") == ["2"]
    assert numbers(f"list_id={tasks}&unit=angsu") == ["3"]
    first = inspect.get("/api/v1/tasks?limit=2").json
    rest = inspect.get(f"/api/v1/tasks?limit=2&cursor={first['next']}").json
    assert [one["number"] for one in rest["items"]] == ["3"]
    assert inspect.get(f"/api/v1/task-lists/{tasks}").json["tasks"] == 3


JSON_TASK = {
    **TASK,
    "supporters": [{"unit": "czj", "part": "落实资金"}, {"unit": "zrj", "part": "协助", "required": False}],
    "target": {"metric": "建成项目", "unit": "个", "value": 3},
    "due_on": "2021-02-07",
}


def test_a_task_goes_its_way_over_http(banner: Banner) -> None:
    office, fgw, czj = banner.client("office"), banner.client("fgw"), banner.client("czj")
    opened = office.post(
        "/api/v1/task-lists", {"title": "清单", "dated": "2021-01-04", "leader_post": "gov/vice-leader"}
    )
    assert opened.status_code == 201
    made = office.post(f"{opened.headers['Location']}/tasks", JSON_TASK)
    assert (made.status_code, made.json["state"], made.json["number"]) == (201, "assigned", "1")
    path = made.headers["Location"]
    assert fgw.post(f"{path}/accept").json["state"] == "accepted"
    stale = fgw.post(f"{path}/report-progress", {"value": 1, "narrative": "x"}, **{"If-Match": '"1"'})
    assert stale.status_code == 412
    assert fgw.post(f"{path}/report-progress", {"value": 1.5, "narrative": "过半"}).status_code == 200
    early = fgw.post(f"{path}/claim-completion", {"note": "完成"})
    assert (early.status_code, early.json["rule"]) == (409, "required-part-is-open")
    assert czj.post(f"{path}/support-done").status_code == 200
    assert as_id(fgw.post(f"{path}/claim-completion", {"note": "完成"}, key="claim-1"))
    again = fgw.post(f"{path}/claim-completion", {"note": "完成"}, key="claim-1")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert fgw.post(f"{path}/accept-completion").status_code == 403
    assert banner.client("inspect").post(f"{path}/accept-completion").json["state"] == "closed"
    banner.opened.settle()
    shown = fgw.get(path)
    assert shown.headers["ETag"] == '"7"'
    assert (shown.json["progress_value"], shown.json["progress_percent"]) == (1.5, 50.0)
    told = fgw.get(f"{path}/history?sort=-number").json["items"]
    assert [one["zh"] for one in told][:2] == ["销号", "办结认定"]


@pytest.mark.parametrize(
    ("field", "value", "status", "rule"),
    [
        ("lead_unit", "nobody", 422, "unknown-unit"),
        ("post", "fgw/project-section", 422, "post-is-vacant"),
        ("post", "fgw/nobody", 422, "unknown-post"),
        ("supporters", [{"unit": "fgw"}], 422, "two-leads"),
        ("due_on", "2021-02-13", 422, "due-on-rest-day"),
        ("due_on", "2020-12-31", 422, "due-before-list"),
        ("target", {"metric": "项目", "unit": "个", "value": 0}, 422, "unmeasurable-target"),
        ("target.value", {"metric": "项目", "unit": "个", "value": "若干"}, 422, "content-not-acceptable"),
        ("colour", "red", 422, "content-not-acceptable"),
    ],
)
def test_a_faulty_task_is_refused_by_name_and_field_and_changes_nothing(
    banner: Banner, field: str, value: Any, status: int, rule: str
) -> None:
    tasks, before = banner.new_list(), len(banner.log())
    body = {**JSON_TASK, field.partition(".")[0]: value}
    answer = banner.client("office").post(f"/api/v1/task-lists/{tasks}/tasks", body)
    assert (answer.status_code, answer.json["rule"]) == (status, rule)
    assert answer.json["errors"][0]["field"] == field
    assert len(banner.log()) == before


def test_may_lists_what_the_reader_can_do_with_a_thing_now(banner: Banner) -> None:
    task = banner.new_task()

    def may(who: str, path: str) -> set[str]:
        banner.opened.settle()
        return {*banner.client(who).get(f"/api/v1/{path}").json["may"]}

    path = f"tasks/{task}"
    at_work = {
        "break_down_task",
        "report_progress",
        "reach_milestone",
        "reassign_support",
        "raise_dispute",
        "request_extension",
    }
    assert may("fgw", path) == {*at_work, "accept_task", "return_task"}  # no claim: a required part is open
    assert may("zrj", path) == {
        "accept_task",
        "report_progress",
        "raise_dispute",
        "finish_support",
        "return_support",
    }
    assert may("inspect", path) == {"suspend_task", "waive_support"}
    assert may("office", path) == {"reassign_task", "supersede_task"}
    banner.do("czj", "finish_support", task)
    banner.do("fgw", "accept_task", task)
    assert may("fgw", path) == {*at_work, "claim_completion"}
    banner.do("fgw", "request_extension", task, new_due_on=date(2021, 2, 26), reason="天气")
    decides = {"grant_extension", "refuse_extension"}
    assert decides <= may("vice_leader", path)
    assert not decides & may("other_vice", path)
    banner.do("office", "assign_portfolio", "gov", "vice-leader-2", units=["fgw"])
    assert decides <= may("other_vice", path)
    banner.do("main_leader", "cancel_task", task, reason="不办")
    assert may("main_leader", path) == may("fgw", path) == set()


def test_may_lists_what_a_clerk_can_do_with_lists_units_and_posts(banner: Banner) -> None:
    tasks = banner.new_list()

    def may(who: str, path: str) -> set[str]:
        banner.opened.settle()
        return {*banner.client(who).get(f"/api/v1/{path}").json["may"]}

    assert may("office", f"task-lists/{tasks}") == {"assign_task"}
    assert may("office", "units/zrj") == {"rename_unit", "dissolve_unit"}
    banner.do("office", "dissolve_unit", "zrj")
    assert may("office", "units/zrj") == set()
    assert may("office", "posts/fgw/project-section") == {"appoint_holder"}
    assert may("office", "posts/gov/vice-leader") == {"appoint_holder", "vacate_post", "assign_portfolio"}
    assert may("fgw", "posts/gov/vice-leader") == set()
