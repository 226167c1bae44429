"""Whatever people do, in whatever order: the next load and the board say what the aggregate said (hypothesis)."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.domain import Post, Task, TaskList
from services.assignment.domain.task import TaskPlan, refusals
from services.assignment.views import TasksView
from shared.calendar import Calendar
from shared.domain.aggregate import CommandContext
from shared.domain.guards import open_to
from shared.domain.moments import BeforeWhatItRestsOn
from shared.domain.refusal import Refusal
from shared.domain.units import PostState
from shared.events import assignment
from shared.events.base import VOCABULARY, Fact
from shared.log.codec import WireMapper
from shared.rulebook import load_rulebook
from shared.testing import an_act, rows_of, shanghai
from shared.web.commands import OPERATIONS

START = shanghai("2021-01-04 09:00")
CALENDAR = Calendar.base()
RULEBOOK = load_rulebook()
RULE = RULEBOOK.rule("task_due")
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
        milestones=(assignment.Milestone(on=date(2021, 1, 20), what="开工"),),
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


SUPPLIED = {"rulebook": RULEBOOK, "calendar": CALENDAR, "in_charge": False}
COMMANDS: dict[str, Any] = {
    "accept_task": {},
    "return_task": {"reason": "不符", "suggested_unit": "czj"},
    "reassign_task": {"lead_unit": "czj", "post": new_post("czj"), "reason": "改"},
    "reassign_task back": {"lead_unit": "fgw", "post": new_post("fgw"), "reason": "改"},
    "break_down_task": {
        "items": [
            assignment.BreakdownItem(project="甲", post="fgw/head", quantity=Decimal("1.5"), unit="个")
        ],
        "rulebook": RULEBOOK,
        "calendar": CALENDAR,
    },
    "report_progress": {"value": Decimal("0.1"), "narrative": "进展", "evidence": ["照片"]},
    "finish_support": {},
    "return_support": {"reason": "不符", "suggested_unit": "zrj"},
    "reassign_support": {"unit": "czj", "to_unit": "zrj", "reason": "改", "in_charge": False},
    "reassign_support back": {"unit": "zrj", "to_unit": "czj", "reason": "改", "in_charge": False},
    "reach_milestone": {"on": date(2021, 1, 20), "what": "开工"},
    "waive_support": {"unit": "czj", "reason": "不用"},
    "claim_completion": {"note": "完成"},
    "claim_completion proved": {"note": "完成", "evidence": ["照片"]},
    "accept_completion": {},
    "send_back": {"reason": "不足"},
    "no_new_instruction": {},
    "new_instruction": {"text": "再抓", "calendar": CALENDAR},
    "new_instruction dated": {"text": "再抓", "calendar": CALENDAR},
    "request_extension": {"reason": "慢", "rulebook": RULEBOOK, "calendar": CALENDAR},
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
    refusals.SupportsAlready,
    refusals.MilestoneReachedAlready,
    refusals.CompletionWithoutReport,
    refusals.DateOnlyForAnAcceptedItem,
    refusals.PieceAfterDue,
    ("waive_support", refusals.PartIsClosed),
    ("waive_support", BeforeWhatItRestsOn),
    ("reassign_support", refusals.PartIsClosed),
    ("reassign_support", BeforeWhatItRestsOn),
    ("reassign_support back", refusals.PartIsClosed),
    ("reassign_support back", BeforeWhatItRestsOn),
}
"""What is refused because of the words of a command, whatever the task's state and the actor's role."""
RARE = {"cancel_task", "supersede_task"}

steps = st.lists(
    st.tuples(
        st.sampled_from([name for name in COMMANDS if name not in RARE] * 3 + sorted(RARE)),
        st.sampled_from(PEOPLE),
        st.integers(0, 5 * 24),
        st.integers(0, 150),
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


ALSO_RESTS_ON: dict[type[Fact], tuple[type[Fact], ...]] = {
    assignment.CompletionClaimed: (
        assignment.TaskReassigned,
        assignment.CompletionSentBack,
        assignment.NewInstructionGiven,
        assignment.TaskResumed,
    ),
    assignment.CompletionSentBack: (assignment.CompletionClaimed,),
    assignment.TaskReturned: (assignment.TaskReassigned,),
    assignment.TaskReassigned: (assignment.TaskReassigned,),
    assignment.TaskBrokenDown: (assignment.TaskReassigned,),
    assignment.MilestoneReached: (assignment.TaskReassigned,),
    assignment.ExtensionRequested: (assignment.TaskReassigned,),
    assignment.SolutionProposed: (assignment.TaskReassigned,),
    assignment.TaskSuspended: (
        assignment.TaskResumed,
        assignment.CompletionClaimed,
        assignment.CompletionSentBack,
    ),
}
"""Beside what the facts themselves name."""


def assert_that_nothing_lies_before_what_it_rests_on(events: Sequence[Any]) -> None:
    """Every fact happened after the last one of each kind that it rests on, of the same unit's part."""
    last: dict[Any, datetime] = {}
    for event in events:
        kind = VOCABULARY[event.TOPIC]
        rests = (events[0].happened_at,)
        for ground in (*kind.RESTS_ON, *ALSO_RESTS_ON.get(kind, ())):
            unit = getattr(event, "from_unit", None) if "Support" in ground.__name__ else None
            rests += tuple(filter(None, [last.get((ground, unit))]))
        if kind in (assignment.SupportDone, assignment.SupportReturned, assignment.SupportWaived):
            rests += tuple(filter(None, [last.get((assignment.SupportReassigned, event.unit))]))
        assert event.happened_at >= max(rests), kind.__name__
        last[kind, getattr(event, "unit", None) if "Support" in kind.__name__ else None] = event.happened_at


def everything(task: Task) -> dict[str, Any]:
    return {name: value for name, value in vars(task).items() if name != "_pending_events"}


def decision_of(name: str) -> Any:
    return OPERATIONS[name.partition(" ")[0]].decision


def words_of(name: str, task: Task, now: datetime) -> dict[str, Any]:
    what = dict(COMMANDS[name])
    if name == "request_extension":
        what["new_due_on"] = CALENDAR.working_days_after(task.state.due_on, 20)
    if name == "new_instruction dated":
        what["due_on"] = CALENDAR.working_days_after(now.date(), 9)
    return what


@settings(max_examples=150, deadline=None)
@given(steps=steps, instruction=st.booleans())
def test_random_commands_leave_what_the_next_load_and_the_board_read_alike(
    steps: list[tuple[str, tuple[str, str, str], int, int]], instruction: bool
) -> None:
    task, now = new_task(instruction=instruction), START
    for name, (unit, post, role), hours, ago in steps:
        now += timedelta(hours=hours)
        act: CommandContext = an_act(now, unit, post, role).at(now - timedelta(hours=ago))
        before, events = everything(task), len(task.pending_events)
        command = OPERATIONS[name.partition(" ")[0]]
        decision, what = decision_of(name), words_of(name, task, now)
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


@pytest.mark.parametrize("seed", range(60))
def test_no_accepted_fact_lies_before_the_one_it_rests_on(seed: int) -> None:
    """Whoever may do something says that it happened a minute before some earlier fact, or at that fact's moment."""
    task, now, chance = new_task(instruction=seed % 2 == 1), START, Random(seed)
    for _ in range(60):
        now += timedelta(hours=5)
        may = [
            (name, person)
            for name in COMMANDS
            if name not in RARE and not (name == "no_new_instruction" and chance.random() < 0.9)
            for person in PEOPLE
            if person[2] in OPERATIONS[name.partition(" ")[0]].roles
            and open_to(decision_of(name), task.state, an_act(now, *person), SUPPLIED)
        ]
        if not may:
            break
        name = chance.choice(sorted({name for name, _ in may}))
        person = chance.choice([one for of, one in may if of == name])
        earlier = chance.choice([event.happened_at for event in task.pending_events[-4:]])  # type: ignore[attr-defined]
        moment = chance.choice([now, earlier, earlier - timedelta(minutes=1)])
        with suppress(Refusal):
            decision_of(name)(task, an_act(now, *person).at(moment), **words_of(name, task, now))
    assert_that_nothing_lies_before_what_it_rests_on(task.pending_events)
