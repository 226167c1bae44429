"""A4: over random histories, as-of equals a naive fold, for both kinds of time."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit.past import Cut, Past
from services.suite import SUITE
from shared.domain.aggregate import stable_id
from shared.domain.refusal import Refusal
from shared.events.assignment import Target
from shared.testing import Opened, StoppedClock, an_act
from shared.web.commands import carry_out
from tests.audit.story import AUDITOR, START
from tests.test_order import ENTERPRISES, TARGET, Suite


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Units, posts, a list of tasks and two enterprises; each history begins in a copy of it."""
    folder = tmp_path_factory.mktemp("town")
    clock = StoppedClock(START)
    with Opened(folder, clock, *SUITE.values()) as opened:
        suite = Suite(opened, clock)
        suite.people()
        for code in ENTERPRISES:
            suite.do(code, "enterprise:enterprises", credit_code=code, name=f"企业{code[-2:]}")
        opened.settle()
    return folder


HEAD, JUDGE = ("fgw", "fgw/head", "unit_head"), ("inspect", "inspect/head", "supervision_office")
OFFICE, LEADER = ("office", "office/head", "government_office"), ("gov", "gov/main-leader", "main_leader")
TASKS: dict[str, tuple[tuple[str, str, str], str, dict[str, Any]]] = {
    "accept": (HEAD, "accept_task", {}),
    "claim": (HEAD, "claim_completion", {"note": "完成", "evidence": ["报告"]}),
    "settle": (JUDGE, "accept_completion", {}),
    "send back": (JUDGE, "send_back", {"reason": "证据不足"}),
    "suspend": (JUDGE, "suspend_task", {"reason": "待文件"}),
    "resume": (JUDGE, "resume_task", {}),
    "cancel": (LEADER, "cancel_task", {"reason": "不再需要"}),
}
WHISTLES: dict[str, tuple[tuple[str, str, str], str, dict[str, Any]]] = {
    "route": (OFFICE, "route_whistle", {"lead_unit": "fgw"}),
    "contact": (HEAD, "contact_enterprise", {"how": "phone"}),
    "resolve": (HEAD, "resolve_whistle", {"result": "已办好"}),
}
ROUNDS: dict[str, tuple[tuple[str, str, str], str, dict[str, Any]]] = {
    "answer": (HEAD, "answer_round", {"text": "正在办理"}),
    "sign": (HEAD, "sign_round", {}),
    "judge": (JUDGE, "judge_round", {"verdict": "slow", "reason": "认定"}),
    "verify": (LEADER, "verify_slow", {"agreed": True, "reason": "属实"}),
    "void": (JUDGE, "void_round", {"reason": "误发"}),
}
KINDS = [
    "assign",
    "blow",
    *TASKS,
    *WHISTLES,
    "accept",
    "claim",
    "settle",
    "contact",
    "issue",
    "issue",
    *ROUNDS,
    "answer",
    "sign",
]
STEP = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 5),  # which of them
    st.integers(0, 60),  # hours until it is recorded
    st.integers(0, 40),  # hours before that when it happened
)


class History:
    """Random commands through the real applications; what is refused is refused."""

    def __init__(self, opened: Opened, clock: StoppedClock) -> None:
        self.opened, self.clock = opened, clock
        self.tasks: list[UUID] = []
        self.whistles: list[UUID] = []
        app: Any = opened["assignment"].app
        self.list_id = UUID(
            app.open_list(
                self.act(OFFICE, 0), title="随机", dated=START.date(), leader_post="gov/vice-leader"
            ).id
        )

    def act(self, who: tuple[str, str, str], ago: int) -> Any:
        unit, post, role = who
        now = self.clock()
        return an_act(now, unit, post, role, happened_at=max(now - timedelta(hours=ago), START))

    def do(self, kind: str, which: int, after: int, ago: int) -> None:
        self.clock.advance(hours=after)
        assigning: Any = self.opened["assignment"].app
        enterprise: Any = self.opened["enterprise"].app
        code = ENTERPRISES[which % 2]
        if kind == "assign":
            written = assigning.assign_task(
                self.act(OFFICE, ago),
                self.list_id,
                number=str(len(self.tasks) + 1),
                title=f"任务{len(self.tasks)}",
                lead_unit="fgw",
                target=Target(**{**TARGET, "value": Decimal(TARGET["value"])}),
                due_on=datetime(2021, 1, 15 if which % 2 else 29).date(),
            )
            self.tasks.append(UUID(written.id))
        elif kind == "blow":
            act = self.act((code, code, "enterprise"), ago)
            written = enterprise.blow_whistle(act, category="用地", title=f"诉求{which}", text="已等三个月")
            self.whistles.append(UUID(written.id))
        elif kind == "issue" or kind in ROUNDS:
            supervision: Any = self.opened["supervision"].app
            case = stable_id("case", "task", self.tasks[which % min(2, len(self.tasks))])
            if kind == "issue":
                carry_out("issue_round", supervision, self.act(JUDGE, ago), case, requirement="请说明进展")
                return
            who, command, what = ROUNDS[kind]
            carry_out(command, supervision, self.act(who, ago), case, which // 4 + 1, **what)
        elif kind in TASKS:
            who, command, what = TASKS[kind]
            carry_out(command, assigning, self.act(who, ago), self.tasks[which % len(self.tasks)], **what)
        elif kind in WHISTLES:
            who, command, what = WHISTLES[kind]
            whistle = self.whistles[which % len(self.whistles)]
            carry_out(command, enterprise, self.act(who, ago), whistle, **what)


# The naive fold: written for this test alone, over the JSON in the files.

Counts = Callable[[datetime, datetime], bool]


def facts_of(folder: Path, service: str) -> list[tuple[str, str, Any, datetime, datetime]]:
    """A log's facts: aggregate, kind, content, when it was recorded and when it happened."""
    connection = sqlite3.connect(folder / service / "events.sqlite")
    rows = connection.execute(
        "SELECT originator_id, topic, state FROM stored_events ORDER BY rowid"
    ).fetchall()
    connection.close()
    facts = [(str(UUID(raw)), topic.partition(".")[2], json.loads(state)) for raw, topic, state in rows]
    moment = datetime.fromisoformat
    return [(*fact, moment(fact[2]["timestamp"]), moment(fact[2]["happened_at"])) for fact in facts]


def naive(folder: Path, service: str, counts: Counts) -> dict[str, list[Any]]:
    """Aggregate → its facts that count, in the order of the log; nothing of one that had not begun."""
    found: dict[str, list[Any]] = {}
    begun: dict[str, bool] = {}
    for aggregate, kind, fact, recorded, happened in facts_of(folder, service):
        holds = counts(recorded, happened)
        if begun.setdefault(aggregate, holds) and holds:
            found.setdefault(aggregate, []).append((kind, fact))
    return found


def recorded_late(folder: Path) -> list[datetime]:
    """When those facts happened that were recorded only after a later one of the same aggregate."""
    late: list[datetime] = []
    for service in SUITE:
        last: dict[str, datetime] = {}
        for aggregate, _, _, _, happened in facts_of(folder, service):
            if happened < last.get(aggregate, happened):
                late.append(happened)
            last[aggregate] = max(happened, last.get(aggregate, happened))
    return sorted(late)


def naive_task(facts: list[Any]) -> str:
    """A task's state, told from what happened to it."""
    accepted = claimed = suspended = back = False
    for kind, _ in facts:
        if kind in ("task_closed", "task_cancelled"):
            return "closed" if kind == "task_closed" else "cancelled"
        accepted |= kind == "task_accepted"
        if kind in ("completion_claimed", "completion_sent_back"):
            claimed, back = kind == "completion_claimed", back or kind == "completion_sent_back"
        if kind in ("task_suspended", "task_resumed"):
            suspended = kind == "task_suspended"
    done = any(kind == "completion_accepted" for kind, _ in facts)
    for holds, state in (
        (suspended, "suspended"),
        (done, "awaiting_leader"),
        (claimed, "claimed"),
        (back, "in_progress"),
        (accepted, "accepted"),
    ):
        if holds:
            return state
    return "assigned"


def naive_whistle(facts: list[Any]) -> str:
    """A whistle's stage."""
    stage = "raised"
    for kind, _ in facts:
        if kind == "whistle_routed" and stage == "raised":
            stage = "routed"
        elif kind == "enterprise_contacted" and stage == "routed":
            stage = "contacted"
        elif kind == "whistle_resolved":
            stage = "resolved"
        elif kind == "whistle_closed":
            stage = "closed"
    return stage


def naive_rounds(case: str, facts: list[Any]) -> dict[str, str]:
    """The rounds of a case and their states."""
    rounds: dict[str, str] = {}
    for kind, fact in facts:
        name, _, what = kind.partition("_")
        if name == "round" and (what == "issued" or f"{case}/{fact['round']}" in rounds):
            rounds[f"{case}/{fact['round']}"] = "concluded" if what == "judged" else what
    return rounds


def of_kind(facts: dict[str, list[Any]], first: str) -> dict[str, list[Any]]:
    """The aggregates whose first fact is of this kind."""
    return {one: its for one, its in facts.items() if its[0][0] == first}


def as_folded(folder: Path, counts: Counts) -> dict[str, Any]:
    tasks = of_kind(naive(folder, "assignment", counts), "task_assigned")
    whistles = of_kind(naive(folder, "enterprise", counts), "whistle_blown")
    cases = of_kind(naive(folder, "supervision", counts), "case_opened")
    missed = {
        case: {
            (fact["clock"], fact["cycle"]): kind == "deadline_missed"
            for kind, fact in facts
            if kind in ("deadline_missed", "deadline_miss_retracted")
        }
        for case, facts in cases.items()
    }
    return {
        "tasks": {task: naive_task(facts) for task, facts in tasks.items()},
        "whistles": {whistle: naive_whistle(facts) for whistle, facts in whistles.items()},
        "clocks": {case: [kind for kind, _ in facts].count("clock_started") for case, facts in cases.items()},
        "missed": {case: sum(clocks.values()) for case, clocks in missed.items()},
        "rounds": {
            number: state
            for case, facts in cases.items()
            for number, state in naive_rounds(case, facts).items()
        },
    }


def as_answered(past: Past) -> dict[str, Any]:
    def items(path: str) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        while True:
            answer = past.answer(f"/api/v1/{path}{'&' if '?' in path else '?'}limit=200{cursor}", AUDITOR)
            assert answer.status == 200, answer.body
            found += answer.json["items"]
            if answer.json["next"] is None:
                return found
            cursor = f"&cursor={answer.json['next']}"

    clocks = Counter(row["case_id"] for row in items("clocks"))
    missed = Counter(row["case_id"] for row in items("clocks?missed=true"))
    cases = [row["id"] for row in items("cases")]
    assert {*clocks} | {*missed} <= {*cases}
    return {
        "tasks": {row["id"]: row["state"] for row in items("tasks")},
        "whistles": {row["id"]: row["state"] for row in items("whistles")},
        "clocks": {case: clocks[case] for case in cases},
        "missed": {case: missed[case] for case in cases},
        "rounds": {f"{row['case_id']}/{row['round']}": row["state"] for row in items("rounds")},
    }


SEEN: Counter[str] = Counter()


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(STEP, min_size=25, max_size=45),
    share=st.floats(0.1, 1),
    seconds=st.integers(0, 3600),
)
def test_as_of_equals_a_naive_fold_for_both_kinds_of_time(
    town: Path,
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int, int, int]],
    share: float,
    seconds: int,
) -> None:
    folder = tmp_path_factory.mktemp("history") / "data"
    shutil.copytree(town, folder)
    clock = StoppedClock(START)
    with Opened(folder, clock, *SUITE.values()) as opened:
        history = History(opened, clock)
        for place, step in enumerate([("assign", 1, 1, 0), ("blow", 0, 1, 30), *steps]):
            try:
                history.do(*step)
            except Refusal:
                SEEN["refused"] += 1
            if place % 12 == 0 or step[0] == "assign":
                opened.settle()
        opened.settle()
        logs = {name: runtime.app for name, runtime in opened.runtimes.items()}
        lasted = clock() - START
        moment = START + lasted * share - timedelta(seconds=seconds)
        late = recorded_late(folder)
        between = late[int(share * (len(late) - 1))] if late else moment
        SEEN["late"] += bool(late)
        for at in (moment, between):
            answers = []
            for cut, counts in (
                (Cut(recorded=at), lambda recorded, happened, at=at: recorded <= at),
                (Cut(happened=at), lambda recorded, happened, at=at: happened <= at),
            ):
                past = Past.open(opened.config, logs, cut)
                try:
                    assert past.parked() == []
                    answers.append(as_answered(past))
                    assert answers[-1] == as_folded(folder, counts), cut
                    SEEN["compared"] += sum(map(len, answers[-1].values()))
                finally:
                    past.close()
            SEEN["differ"] += answers[0] != answers[1]


def test_the_histories_were_no_trivial_ones() -> None:
    assert SEEN["compared"] >= 20
    assert SEEN["late"] >= 1, "nothing was recorded late"
    assert SEEN["differ"] >= 1, "the two kinds of time never told them apart"
