"""What somebody may do is what is not refused for state or role, whatever happened before; and it is shown."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.supervision.domain import Case, Naming, NamingSeries
from services.supervision.domain import rounds as of_rounds
from services.supervision.domain.clocks import PauseBeforeTheLastOne
from services.supervision.domain.ground import Ground
from services.supervision.domain.series import NAMINGS
from services.supervision.views.namings import NamingsView
from shared.domain.aggregate import CommandContext
from shared.domain.guards import open_to
from shared.domain.refusal import Refusal
from shared.events.assignment import NewInstructionGiven
from shared.testing import an_act, facts, rows_of
from tests.supervision.test_supervision_namings import approved
from tests.supervision.test_supervision_rules import (
    NOW,
    SIGNING,
    TERMS,
    a_case,
    agrees_with_its_views,
    loaded_again,
    told_to,
)

ABOUT_CONTENT = {
    of_rounds.RoundAnswerTooLate,
    of_rounds.ObjectionWindowClosed,
    PauseBeforeTheLastOne,
}
"""What is refused because of the words of a command, such as the time at which it happened."""

ACTORS = {
    "fgw/head": "unit_head",
    "fgw/officer": "officer",
    "czj/head": "unit_head",
    "inspect/chief": "supervision_office",
    "inspect/officer": "supervision_office",
    "gov/main-leader": "main_leader",
}
actors = st.sampled_from(sorted(ACTORS))


def by(post: str, at: Any) -> CommandContext:
    return an_act(at, post.partition("/")[0], post, ACTORS[post])


def is_refused(decide: Any, act: CommandContext, **asked: Any) -> type[Refusal] | None:
    try:
        decide(act, **asked)
    except Refusal as refusal:
        return type(refusal)
    return None


CASE_COMMANDS: dict[str, dict[str, Any]] = {
    "issue_round": {"terms": TERMS, "requirement": "x"},
    "answer_round": {"text": "x"},
    "sign_round": SIGNING,
    "judge_round": {"terms": TERMS, "verdict": "slow", "reason": "x"},
    "verify_slow": {"terms": TERMS, "agreed": True, "reason": "x"},
    "void_round": {"terms": TERMS, "reason": "x"},
    "object_to_round": {"terms": TERMS, "text": "x"},
    "rule_on_objection": {"terms": TERMS, "upheld": True, "reason": "x"},
    "naming_to_draft": {"drafted": False},
    "pause": {"terms": TERMS, "clock": "task_due", "cycle": 1, "reason": "x"},
    "resume": {"terms": TERMS, "clock": "task_due", "cycle": 1},
    "confirm_earlier_time": {
        "terms": TERMS,
        "clock": "round_answer",
        "cycle": 1,
        "confirmed": True,
        "reason": "x",
    },
}
OF_A_ROUND = {name for name in CASE_COMMANDS if name.endswith("_round")} - {"issue_round"} | {
    "rule_on_objection",
    "verify_slow",
}
LIKELY = [("answer_round", "fgw/officer"), ("sign_round", "fgw/head"), ("judge_round", "inspect/chief")]
steps = st.one_of(
    st.sampled_from(LIKELY),
    st.tuples(st.sampled_from([*sorted(CASE_COMMANDS), "tick", "move", "close", "reopen"]), actors),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(steps, st.integers(1, 3), st.integers(0, 40)), max_size=30))
def test_what_one_may_do_with_a_case_is_what_is_not_refused(
    history: list[tuple[tuple[str, str], int, int]],
) -> None:
    case, now = a_case(date(2021, 3, 5)), NOW
    for (name, post), number, hours in history:
        now += timedelta(hours=hours)
        act = by(post, now)
        match name:
            case "tick":
                case.tick(act, TERMS, "round_answer", number)
            case "move":
                case.move(act, TERMS, "czj", to_post="czj/officer", leads=number == 1)
            case "close":
                case.close(act, TERMS, "resolved")
            case "reopen":
                told_to(case, act, NewInstructionGiven, text="x")
            case _:
                asked = {**CASE_COMMANDS[name], **({"number": number} if name in OF_A_ROUND else {})}
                may = open_to(getattr(Case, name), case.state, act, asked)
                why = is_refused(getattr(case, name), act, **asked)
                assert may == (why is None or why in ABOUT_CONTENT), (name, why)
    again = loaded_again(case)
    assert (again.state, again.version) == (case.state, case.version)
    agrees_with_its_views(case)


GROUND = Ground(stands=True, objected=None, judges=frozenset({"inspect/chief"}), resolved=False)
NAMING_COMMANDS: dict[str, dict[str, Any]] = {
    "check": {"terms": TERMS},
    "object": {"terms": TERMS, "text": "x"},
    "rule_on_objection": {"ground": GROUND, "upheld": False, "reason": "x"},
    "approve": {"terms": TERMS, "ground": GROUND},
    "publish": {"ground": GROUND},
    "lift": {"ground": GROUND, "reason": "x"},
    "begin_correction": {"text": "x"},
    "redraft": {"text": "y", "holder_since": None},
}
IN_ORDER = [
    ("check", "inspect/officer"),
    ("approve", "gov/main-leader"),
    ("publish", "inspect/chief"),
    ("begin_correction", "inspect/chief"),
]
naming_steps = st.one_of(
    st.sampled_from(IN_ORDER),
    st.tuples(st.sampled_from([*sorted(NAMING_COMMANDS), "uphold", "withdraw", "correct"]), actors),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(naming_steps, st.integers(0, 80)), max_size=25))
def test_what_one_may_do_with_a_naming_is_what_is_not_refused(
    history: list[tuple[tuple[str, str], int]],
) -> None:
    now = NOW
    naming = Naming.draft(
        by("inspect/chief", now),
        uuid4(),
        case_id=uuid4(),
        case_number="2021-1",
        unit="fgw",
        post="fgw/officer",
        rounds=(1, 2),
        text="x",
    )
    for (name, post), hours in history:
        now += timedelta(hours=hours)
        act = by(post, now)
        if name == "withdraw":
            naming.withdraw(act, "x")
            continue
        asked: dict[str, Any] = {**NAMING_COMMANDS.get(name, {})}
        if name == "publish":
            asked["series"] = NamingSeries.open(act, series=NAMINGS, year=2021)
        if name == "correct":
            asked["correction"] = naming
        if name == "uphold":
            name, asked = "rule_on_objection", {"ground": GROUND, "upheld": True, "reason": "x"}
        may = open_to(getattr(Naming, name), naming.state, act, asked)
        assert may == (is_refused(getattr(naming, name), act, **asked) is None), name
    assert rows_of(NamingsView, "supervision", facts(naming)) == {str(naming.id): naming.state}


# -- over HTTP ----------------------------------------------------------------------------------------------------


def may(world: Any, post: str, path: str, role: str | None = None) -> set[str]:
    answer = world.client(post, role).get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.json
    return set(answer.json["may"])


def test_the_answers_say_what_their_reader_may_do(world: Any) -> None:
    case = world.case_of(world.task(due_on=date(2021, 12, 31)))
    assert may(world, "inspect/chief", f"cases/{case}") == {"issue_round"}
    assert may(world, "fgw/head", f"cases/{case}") == set()
    world.issued(case)
    one = f"cases/{case}/rounds/1"
    assert may(world, "inspect/chief", f"cases/{case}") == set()
    assert may(world, "fgw/officer", one) == {"answer_round"}
    assert may(world, "inspect/chief", one) == {"void_round"}
    world.do("fgw/officer", f"{one}/answer", text="正在办理")
    assert may(world, "fgw/head", one) == {"answer_round", "sign_round"}
    world.do("fgw/head", f"{one}/sign")
    assert may(world, "fgw/head", one) == set()
    assert may(world, "inspect/chief", one) == {"judge_round", "void_round"}
    world.do("inspect/chief", f"{one}/judge", verdict="slow", reason="进展缓慢")
    assert may(world, "inspect/chief", one) == {"void_round"}
    assert may(world, "inspect/officer", one) == {"verify_slow", "void_round"}
    world.do("inspect/officer", f"{one}/verify-slow", agreed=True, reason="属实")
    assert may(world, "fgw/head", one) == {"object_to_round"}
    world.slow_round(case, 2)
    assert may(world, "inspect/chief", f"cases/{case}") == {"issue_round"}, "the naming is drafted already"
    assert world.client("inspect/chief").get(f"/api/v1/cases/{case}/rounds/9").status_code == 404
    assert world.client("zrj/head").get(f"/api/v1/{one}").status_code == 404
    (naming,) = world.case(case).namings_due.values()
    assert may(world, "inspect/chief", f"namings/{naming}") == set()
    assert may(world, "inspect/officer", f"namings/{naming}") == {"check_naming"}
    approved(world, naming)
    assert may(world, "inspect/officer", f"namings/{naming}") == {"publish_naming"}
    world.do("inspect/officer", f"namings/{naming}/publish")
    assert may(world, "inspect/chief", f"namings/{naming}") == {"correct_naming"}, "not resolved"
    assert may(world, "gov/main-leader", f"namings/{naming}") == {"lift_naming"}


def test_a_draft_of_the_calendar_is_released_by_a_second_person_alone(world: Any) -> None:
    days = [{"day": "2021-03-03", "working": False, "name": "旗庆"}]
    what: dict[str, Any] = {"layer": "banner", "title": "旗庆", "days": days}
    draft = world.do("inspect/officer", "calendar-releases", **what)["id"]
    path = f"calendar-releases/{draft}"
    assert may(world, "inspect/officer", path) == {"withdraw_calendar_draft"}
    both = {"release_calendar", "withdraw_calendar_draft"}
    assert may(world, "inspect/chief", path) == may(world, "office/head", path) == both
    world.do("inspect/chief", f"{path}/release")
    assert may(world, "office/head", path) == set()
