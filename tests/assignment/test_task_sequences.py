"""Whatever people do, in whatever order: the next load and the board say what the aggregate said (hypothesis)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.domain import Post, Task, TaskList
from services.assignment.domain.task import TaskPlan, refusals
from services.assignment.views import TasksView
from shared.calendar import Calendar
from shared.domain.aggregate import CommandContext
from shared.domain.guards import open_to
from shared.domain.refusal import Refusal
from shared.domain.units import PostState
from shared.events import assignment
from shared.log.codec import WireMapper
from shared.rulebook import load_rulebook
from shared.testing import an_act, rows_of, shanghai
from shared.web.commands import OPERATIONS

START = shanghai("2021-01-04 09:00")
CALENDAR = Calendar.base()
RULE = load_rulebook().rule("task_due")
PEOPLE = [
    ("gov", "gov/main-leader", "main_leader"),
    ("gov", "gov/vice-leader", "vice_leader"),
    ("office", "office/head", "government_office"),
    ("inspect", "inspect/chief", "supervision_office"),
    ("fgw", "fgw/head", "unit_head"),
    ("czj", "czj/head", "unit_head"),
]


def new_post(unit: str) -> PostState:
    act = an_act(START)
    post = Post.create(act, post=f"{unit}/head", title="主任", role="unit_head")
    post.appoint(act, holder="某", since=date(2021, 1, 1))
    return post.state


def new_task(*, instruction: bool) -> Task:
    act = an_act(START, "office", "office/head", "government_office")
    tasks = TaskList.open(
        act,
        title="清单",
        dated=date(2021, 1, 4),
        leader_post="gov/vice-leader",
        directive_id=None,
        secrecy="public",
        secrecy_ground="",
    )
    plan = TaskPlan(
        number="1",
        title="任务",
        lead_unit="fgw",
        target=assignment.Target(metric="项目", unit="个", value=Decimal(3)),
        due_on=date(2021, 2, 7),
        supporters=(assignment.Support(unit="czj", part="资金"),),
        secrecy="public",
        from_leader_instruction=instruction,
    )
    return Task.assign(
        act,
        task_list=tasks,
        plan=plan,
        post=new_post("fgw"),
        leader_post="gov/vice-leader",
        calendar=CALENDAR,
    )


SUPPLIED = {"rule": RULE, "calendar": CALENDAR, "in_charge": False}
COMMANDS: dict[str, Any] = {
    "accept_task": {},
    "return_task": {"reason": "不符", "suggested_unit": "czj"},
    "reassign_task": {"lead_unit": "czj", "post": new_post("czj"), "reason": "改"},
    "reassign_task back": {"lead_unit": "fgw", "post": new_post("fgw"), "reason": "改"},
    "break_down_task": {
        "items": [assignment.BreakdownItem(project="甲", post="fgw/head", quantity=Decimal("1.5"), unit="个")]
    },
    "report_progress": {"value": Decimal("0.1"), "narrative": "进展", "evidence": ["照片"]},
    "finish_support": {},
    "waive_support": {"unit": "czj", "reason": "不用"},
    "claim_completion": {"note": "完成"},
    "accept_completion": {},
    "send_back": {"reason": "不足"},
    "no_new_instruction": {},
    "new_instruction": {"text": "再抓"},
    "request_extension": {"reason": "慢", "rule": RULE, "calendar": CALENDAR},
    "grant_extension": {"in_charge": False},
    "refuse_extension": {"reason": "不行", "in_charge": False},
    "raise_dispute": {"with_units": ["zrj"], "about": "分歧"},
    "propose_solution": {"coordination": "会商", "solution": "方案"},
    "rule_on_dispute": {"ruling": "裁定", "in_charge": False},
    "suspend_task": {"reason": "歇"},
    "resume_task": {},
    "cancel_task": {"reason": "不办"},
    "supersede_task": {"by_task": uuid4(), "reason": "并"},
}
"""Each command's operation, and what its decision takes."""
ABOUT_CONTENT: set[Any] = {
    refusals.SuggestsItself,
    refusals.LeadsAlready,
    refusals.NotASupporter,
    refusals.DisputesWithItself,
    refusals.ExtensionMustMoveForward,
    ("waive_support", refusals.PartIsClosed),
    ("resume_task", refusals.BeforeItWasAssigned),
}
"""What is refused because of the words of a command, whatever the task's state and the actor's role."""
RARE = {"cancel_task", "supersede_task"}

steps = st.lists(
    st.tuples(
        st.sampled_from([name for name in COMMANDS if name not in RARE] * 3 + sorted(RARE)),
        st.sampled_from(PEOPLE),
        st.integers(0, 5 * 24),
        st.integers(0, 48),
    ),
    max_size=60,
)


def reloaded(task: Task) -> Task:
    """The task as the next load makes it, from what the log holds."""
    mapper, found = WireMapper(), None
    for event in task.pending_events:
        found = mapper.to_domain_event(mapper.to_stored_event(event)).mutate(found)
    assert isinstance(found, Task)
    return found


def everything(task: Task) -> dict[str, Any]:
    return {name: value for name, value in vars(task).items() if name != "_pending_events"}


@settings(max_examples=150, deadline=None)
@given(steps=steps, instruction=st.booleans())
def test_random_commands_leave_what_the_next_load_and_the_board_read_alike(
    steps: list[tuple[str, tuple[str, str, str], int, int]], instruction: bool
) -> None:
    task, now = new_task(instruction=instruction), START
    for name, (unit, post, role), hours, ago in steps:
        now += timedelta(hours=hours)
        act: CommandContext = an_act(now, unit, post, role).at(now - timedelta(hours=min(ago, hours)))
        before, events = everything(task), len(task.pending_events)
        command = OPERATIONS[name.removesuffix(" back")]
        decision, what = command.decision, dict(COMMANDS[name])
        assert decision is not None
        if name == "request_extension":
            what["new_due_on"] = CALENDAR.working_days_after(task.state.due_on, 20)
        may = role in command.roles and open_to(decision, task.state, act, SUPPLIED)
        refused: Refusal | None = None
        try:
            if role in command.roles:
                decision(task, act, **what)
        except Refusal as refusal:
            refused = refusal
            assert refused.text("zh") != refused.text("en")
        for_words = type(refused) in ABOUT_CONTENT or (name, type(refused)) in ABOUT_CONTENT
        did = role in command.roles and (refused is None or for_words)
        assert may == did, (name, refused)
        if refused is not None or role not in command.roles:
            assert (everything(task), len(task.pending_events)) == (before, events)
            continue
        assert len(task.pending_events) > events
        assert everything(reloaded(task)) == everything(task)
    assert rows_of(TasksView, "assignment", task.pending_events) == {str(task.id): task.state}
    assert task.state.extensions <= (RULE.max_extensions or 0)
    assert task.state.original_due_on == date(2021, 2, 7)
    assert task.state.due_on >= task.state.original_due_on
    assert task.state.lead_unit not in task.state.supporters
