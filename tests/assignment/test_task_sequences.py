"""Whatever people do, in whatever order: the next load can read it, and says what the aggregate said (hypothesis)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.domain import Post, Task, TaskList
from services.assignment.domain.tasks import TaskPlan
from shared.calendar import Calendar
from shared.domain.aggregate import CommandContext
from shared.domain.refusal import Refusal
from shared.events import assignment
from shared.log.codec import decode, encode
from shared.rulebook import load_rulebook
from shared.testing import an_act, shanghai

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


def new_post(unit: str, name: str = "head", role: assignment.PostRole = "unit_head") -> Post:
    act = an_act(START)
    post = Post.create(act, post=f"{unit}/{name}", title="主任", role=role)
    post.appoint(act, holder="某", since=date(2021, 1, 1))
    return post


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
        act, tasks, plan, post=new_post("fgw"), leader_post="gov/vice-leader", calendar=CALENDAR
    )


COMMANDS: dict[str, Any] = {
    "accept": lambda task, act: task.accept(act),
    "return": lambda task, act: task.return_(act, reason="不符", suggested_unit="czj"),
    "reassign": lambda task, act: task.reassign(act, lead_unit="czj", post=new_post("czj"), reason="改"),
    "reassign_back": lambda task, act: task.reassign(act, lead_unit="fgw", post=new_post("fgw"), reason="改"),
    "break_down": lambda task, act: task.break_down(
        act,
        items=[assignment.BreakdownItem(project="甲", post="fgw/head", quantity=Decimal("1.5"), unit="个")],
    ),
    "progress": lambda task, act: task.report_progress(
        act, value=Decimal("0.1"), narrative="进展", problems="", next_steps="", evidence=["照片"]
    ),
    "support": lambda task, act: task.finish_support(act, note=""),
    "waive": lambda task, act: task.waive_support(act, unit="czj", reason="不用"),
    "claim": lambda task, act: task.claim_completion(act, note="完成", evidence=[]),
    "judge": lambda task, act: task.accept_completion(act, note=""),
    "send_back": lambda task, act: task.send_back(act, reason="不足"),
    "no_new": lambda task, act: task.no_new_instruction(act),
    "new": lambda task, act: task.new_instruction(act, text="再抓"),
    "ask": lambda task, act: task.request_extension(
        act,
        new_due_on=CALENDAR.working_days_after(task.due_on, 20),
        reason="慢",
        rule=RULE,
        calendar=CALENDAR,
    ),
    "grant": lambda task, act: task.grant_extension(act, in_charge_of=()),
    "refuse": lambda task, act: task.refuse_extension(act, reason="不行", in_charge_of=()),
    "dispute": lambda task, act: task.raise_dispute(act, with_units=["zrj"], about="分歧"),
    "propose": lambda task, act: task.propose_solution(act, coordination="会商", solution="方案"),
    "rule": lambda task, act: task.rule_on_dispute(act, ruling="裁定", in_charge_of=()),
    "suspend": lambda task, act: task.suspend(act, reason="歇"),
    "resume": lambda task, act: task.resume(act, reason=""),
    "cancel": lambda task, act: task.cancel(act, reason="不办"),
    "supersede": lambda task, act: task.supersede(act, by_task=uuid4(), reason="并"),
}
RARE = {"cancel", "supersede"}

steps = st.lists(
    st.tuples(
        st.sampled_from([name for name in COMMANDS if name not in RARE] * 3 + sorted(RARE)),
        st.sampled_from(PEOPLE),
        st.integers(0, 5 * 24),
        st.integers(0, 48),
    ),
    max_size=60,
)


def read_back(task: Task) -> Task:
    """The task as the next load makes it: from its stored bytes, by its events' ``apply`` alone."""
    found: Task | None = None
    for event in task.pending_events:
        published = decode(event.TOPIC, encode(event))  # type: ignore[arg-type, attr-defined]
        values = {name: getattr(published, name) for name in vars(published)}
        again = type(event)(**{**vars(event), **values})
        found = again.mutate(found)
    assert found is not None
    return found


def everything(task: Task) -> dict[str, Any]:
    return {name: value for name, value in vars(task).items() if name != "_pending_events"}


@settings(max_examples=150, deadline=None)
@given(steps=steps, instruction=st.booleans())
def test_random_commands_never_leave_a_state_that_the_next_load_cannot_read(
    steps: list[tuple[str, tuple[str, str, str], int, int]], instruction: bool
) -> None:
    task, now = new_task(instruction=instruction), START
    for name, (unit, post, role), hours, ago in steps:
        now += timedelta(hours=hours)
        act: CommandContext = an_act(now, unit, post, role).at(now - timedelta(hours=min(ago, hours)))
        before, events = everything(task), len(task.pending_events)
        refused = None
        try:
            COMMANDS[name](task, act)
        except Refusal as refusal:
            refused = refusal
        if refused is not None:
            assert refused.text("zh") != refused.text("en")
            assert (everything(task), len(task.pending_events)) == (before, events)
            continue
        assert len(task.pending_events) > events
        assert everything(read_back(task)) == everything(task)
    assert len(task.extensions) <= (RULE.max_extensions or 0)
    assert task.original_due_on == date(2021, 2, 7)
    assert task.due_on >= task.original_due_on
    assert task.lead_unit not in task.parts
