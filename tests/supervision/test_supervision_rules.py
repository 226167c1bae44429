"""The rules as properties: the naming rule under every order, the outer clock, and that all can be loaded again."""

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import permutations
from typing import Any, cast
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.supervision.domain import Case, Terms
from services.supervision.domain.rounds import RoundAlreadyConcluded
from services.supervision.domain.streaks import Concluded, Streak, naming_streaks, slow_in_a_row
from services.supervision.views.cases import CasesView
from services.supervision.views.clocks import ClocksView, TimersView
from services.supervision.views.rounds import RoundsView
from shared.calendar import Calendar
from shared.domain.aggregate import CommandContext
from shared.domain.refusal import Refusal
from shared.events import supervision as told
from shared.events.assignment import CompletionAccepted, NewInstructionGiven
from shared.events.matter import MatterFact
from shared.events.supervision import Verdict
from shared.log.codec import WireMapper
from shared.rulebook import load_rulebook
from shared.testing import an_act, facts, folded, kinds, rows_of, shanghai

TERMS = Terms(load_rulebook(), Calendar.base(), office="inspect")
NOW = shanghai("2021-03-01 09:00")
VERDICTS: tuple[Verdict, ...] = ("slow", "on_track", "resolved")


def a_case(due_on: date = date(2021, 6, 30), **other: Any) -> Case:
    act = an_act(NOW)
    case = Case.open(
        act,
        TERMS,
        kind="task",
        subject_id=uuid4(),
        number="2021-1",
        title="道路",
        unit="fgw",
        post="fgw/officer",
        leader_post="gov/vice-leader",
        **other,
    )
    case.start(act, TERMS, "task_due", "fgw", own_date=due_on)
    return case


def head_of(unit: str) -> str:
    return f"{unit}/head"


SIGNING: Any = {"terms": TERMS, "head_of": head_of, "is_vacant": lambda post, day: False}


def told_to(case: Case, act: CommandContext, fact: type[MatterFact], **what: Any) -> None:
    """The case follows a fact of its matter."""
    said = fact(
        timestamp=act.recorded_at, happened_at=act.happened_at, by=act.by, because=act.because, **what
    )
    case.follow(act, TERMS, said, lambda word, about: "inspect" if "office" in word else about.unit)


def by_fgw(at: datetime, post: str = "fgw/head", role: str = "unit_head") -> CommandContext:
    return an_act(at, "fgw", post, role)


def a_round(case: Case, at: datetime, verdict: Verdict) -> int:
    """Issued unless it is there already, answered, signed and judged."""
    if case.state.open_round is None:
        case.issue_round(an_act(at), terms=TERMS, requirement="进展")
    number = max(case.state.issued)
    case.answer_round(by_fgw(at), number=number, text="正在办理")
    case.sign_round(by_fgw(at), number=number, **SIGNING)
    case.judge_round(an_act(at), terms=TERMS, number=number, verdict=verdict, reason="如实")
    if verdict == "slow":
        verifier = an_act(at, "gov", "gov/vice-leader", "vice_leader")
        case.verify_slow(verifier, terms=TERMS, number=number, agreed=True, reason="属实")
    return number


# -- the pure function -----------------------------------------------------------------------------------------


def said(*words: str, unit: str = "fgw") -> list[Concluded]:
    """``slow``, ``on_track``, ``resolved``; with ``!`` before it the round does not count."""
    return [
        Concluded(n, unit, cast(Verdict, word.strip("!")), voided=word.startswith("!"))
        for n, word in enumerate(words, start=1)
    ]


def test_the_naming_rule_by_example() -> None:
    assert naming_streaks(said("slow")) == ()
    assert naming_streaks(said("slow", "slow")) == (Streak("fgw", (1, 2)),)
    assert naming_streaks(said("slow", "on_track", "slow")) == ()
    assert naming_streaks(said("slow", "!on_track", "slow")) == (Streak("fgw", (1, 3)),)
    assert naming_streaks(said("slow", "!slow", "slow")) == (Streak("fgw", (1, 3)),)
    (aggravated,) = naming_streaks(said("slow", "slow", "slow"))
    assert (aggravated.named_for, aggravated.aggravated) == ((1, 2), True)
    assert len(naming_streaks(said("slow", "slow", "resolved", "slow", "slow"))) == 2
    passed_on = [Concluded(1, "fgw", "slow"), Concluded(2, "czj", "slow"), Concluded(3, "fgw", "slow")]
    assert naming_streaks(passed_on) == (Streak("fgw", (1, 3)),), "it stays with the unit that had it"


concluded = st.lists(
    st.tuples(st.sampled_from(VERDICTS), st.booleans(), st.booleans(), st.booleans()), max_size=9
).map(
    lambda rounds: [
        Concluded(n, "fgw", verdict, voided, upheld, overtaken)
        for n, (verdict, voided, upheld, overtaken) in enumerate(rounds, start=1)
    ]
)


@given(concluded, st.randoms())
def test_the_naming_rule_depends_on_the_rounds_alone(rounds: list[Concluded], random: Any) -> None:
    streaks = naming_streaks(rounds)
    shuffled = rounds[:]
    random.shuffle(shuffled)
    assert naming_streaks(shuffled) == streaks
    assert naming_streaks([one for one in rounds if one.counts]) == streaks
    named = [number for streak in streaks for number in streak.rounds]
    assert len(named) == len(set(named)), "no round belongs to two streaks"
    words = "".join(one.verdict[0] for one in rounds if one.counts)
    runs = [run for run in words.replace("r", "o").split("o") if len(run) >= 2]
    assert len(streaks) == len(runs)
    assert slow_in_a_row(rounds, "fgw") == len(words.replace("r", "o").split("o")[-1])


# -- the case under every order of late changes ------------------------------------------------------------------


def late_changes(case: Case, wanted: list[tuple[str, int]]) -> list[Any]:
    """Closures of the late changes: a void, or an objection that is upheld."""

    def void(number: int) -> None:
        case.void_round(an_act(NOW, post="inspect/officer"), terms=TERMS, number=number, reason="误发")

    def uphold(number: int) -> None:
        officer = an_act(NOW, post="inspect/officer")
        case.rule_on_objection(officer, terms=TERMS, number=number, upheld=True, reason="属实")

    return [(lambda n=n, c=change: {"void": void, "uphold": uphold}[c](n)) for change, n in wanted]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(VERDICTS), min_size=2, max_size=5),
    st.data(),
)
def test_a_case_ends_with_the_same_namings_in_every_order_of_late_changes(
    verdicts: list[Verdict], data: Any
) -> None:
    numbers = data.draw(st.lists(st.integers(1, len(verdicts)), max_size=3, unique=True))
    wanted = [(data.draw(st.sampled_from(["void", "uphold"])), number) for number in numbers]
    outcomes = set()
    for order in permutations(range(len(wanted))):
        case = a_case()
        for verdict in verdicts:
            a_round(case, NOW, verdict)
        for change, number in wanted:
            if change == "uphold":
                case.object_to_round(by_fgw(NOW), terms=TERMS, number=number, text="不服")
        changes = late_changes(case, wanted)
        for place in order:
            with suppress(RoundAlreadyConcluded):  # the round that it rested on was void already
                changes[place]()
        due = {(first, second) for _, first, second in case.namings_due}
        assert due == {streak.named_for for streak in case.state.streaks}
        assert len(due) == len(case.state.streaks), "never two namings for one streak"
        outcomes.add(frozenset(due))
        became = [fact for fact in facts(case) if isinstance(fact, told.NamingBecameDue)]
        gone = [fact for fact in facts(case) if isinstance(fact, told.NamingNoLongerDue)]
        assert len(became) - len(gone) == len(due)
    assert len(outcomes) == 1


# -- outer clock -------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from(["return", "pass on", "reassign"]), st.sampled_from(["fgw", "czj", "zrj"]))
    )
)
def test_no_return_and_no_passing_on_moves_the_outer_clock(moves: list[tuple[str, str]]) -> None:
    case = a_case()
    before = case.state.clocks["task_due", 1]
    for hour, (move, unit) in enumerate(moves):
        act = an_act(NOW + timedelta(hours=hour))
        if move == "return":
            case.move(act, TERMS, "gov", to_post="gov/vice-leader")
        elif move == "pass on":
            case.move(act, TERMS, unit)
        else:
            case.reassigned(act, TERMS, unit, f"{unit}/officer", None)
    after = case.state.clocks["task_due", 1]
    assert (after.started_at, after.due_at, after.cycle) == (before.started_at, before.due_at, 1)
    assert after.unit == case.state.unit


# -- random commands ---------------------------------------------------------------------------------------------

NUMBERS = st.integers(1, 4)
COMMANDS: dict[str, Any] = {
    "tick": lambda c, a, n: c.tick(a, TERMS, *[("task_due", 1), ("round_answer", n)][n % 2]),
    "tick round": lambda c, a, n: c.tick(a, TERMS, "round_answer", n),
    "issue": lambda c, a, n: c.issue_round(a, terms=TERMS, requirement="x"),
    "answer": lambda c, a, n: c.answer_round(by_fgw(a.recorded_at), number=n, text="x"),
    "sign": lambda c, a, n: c.sign_round(by_fgw(a.recorded_at), number=n, **SIGNING),
    "sign late": lambda c, a, n: c.sign_round(by_fgw(a.recorded_at).at(NOW), number=n, **SIGNING),
    "slow": lambda c, a, n: c.judge_round(a, terms=TERMS, number=n, verdict="slow", reason="x"),
    "verify": lambda c, a, n: c.verify_slow(
        an_act(a.recorded_at, "gov", "gov/vice-leader", "vice_leader"),
        terms=TERMS,
        number=n,
        agreed=n % 3 > 0,
        reason="x",
    ),
    "on track": lambda c, a, n: c.judge_round(a, terms=TERMS, number=n, verdict="on_track", reason="x"),
    "void": lambda c, a, n: c.void_round(a, terms=TERMS, number=n, reason="x"),
    "object": lambda c, a, n: c.object_to_round(by_fgw(a.recorded_at), terms=TERMS, number=n, text="x"),
    "rule": lambda c, a, n: c.rule_on_objection(a, terms=TERMS, number=n, upheld=n % 2 == 0, reason="x"),
    "extend": lambda c, a, n: c.extended(a, TERMS, date(2021, 3, 5) + timedelta(days=9 * n)),
    "suspend": lambda c, a, n: c.rest_task(a, TERMS, "suspended", "x"),
    "resume": lambda c, a, n: c.wake_task(a, TERMS, "suspended"),
    "stop": lambda c, a, n: told_to(c, a, CompletionAccepted, claimed_at=a.happened_at),
    "stop early": lambda c, a, n: told_to(c, a, CompletionAccepted, claimed_at=NOW),
    "return": lambda c, a, n: c.move(a, TERMS, "gov"),
    "close": lambda c, a, n: c.close(a, TERMS, "resolved"),
    "reopen": lambda c, a, n: told_to(c, a, NewInstructionGiven, text="x"),
}


def loaded_again(case: Case) -> Case:
    """The case from its facts as they stand in the log."""
    mapper, again = WireMapper(), None
    for event in case.pending_events:
        again = mapper.to_domain_event(mapper.to_stored_event(event)).mutate(again)
    assert isinstance(again, Case)
    return again


def state_of(case: Case) -> dict[str, Any]:
    return {name: value for name, value in vars(case).items() if name != "_pending_events"}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(COMMANDS)), NUMBERS, st.integers(0, 90)), max_size=25))
def test_whatever_is_commanded_the_case_can_be_loaded_again(commands: list[tuple[str, int, int]]) -> None:
    case, now = a_case(date(2021, 3, 5)), NOW
    for name, number, hours in commands:
        now += timedelta(hours=hours)
        before = len(facts(case))
        try:
            COMMANDS[name](case, an_act(now, post="inspect/officer"), number)
        except Refusal:
            assert len(facts(case)) == before, f"{name} was refused and wrote"
    assert state_of(loaded_again(case)) == state_of(case)
    agrees_with_its_views(case)
    assert sum(one.is_open for one in case.state.issued.values()) <= 1
    assert {streak.named_for for streak in case.state.streaks} == {key[1:] for key in case.namings_due}
    missed = standing_misses(case)
    assert max(missed.values(), default=0) <= 1, "a miss stands at most once"


def agrees_with_its_views(case: Case) -> None:
    """What the read models hold of the case, its clocks and its rounds is what the aggregate holds."""
    events = case.pending_events
    alone = replace(case.state, clocks={}, issued={})
    assert rows_of(CasesView, "supervision", events) == {str(case.id): alone}
    clocks = {f"{case.id}/{clock}/{cycle}": one for (clock, cycle), one in case.state.clocks.items()}
    assert rows_of(ClocksView, "supervision", events) == clocks
    timers = {
        f"{case.id}/{clock}/{cycle}": one.speaks
        for (clock, cycle), one in case.state.clocks.items()
        if one.is_open and not one.silent
    }
    shown = folded(TimersView, "supervision", events)
    assert {id_: (row["due_at"], row["point"]) for id_, row in shown.items()} == timers
    rounds = {f"{case.id}/{number:04d}": one for number, one in case.state.issued.items()}
    assert rows_of(RoundsView, "supervision", events) == rounds
    assert case.state.missed == sum(clock.missed for clock in case.state.clocks.values())
    assert case.state.rounds == len(case.state.issued)


def standing_misses(case: Case) -> dict[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    for fact in facts(case):
        if isinstance(fact, told.DeadlineMissed):
            counts[fact.clock, fact.cycle] = counts.get((fact.clock, fact.cycle), 0) + 1
        if isinstance(fact, told.DeadlineMissRetracted):
            counts[fact.clock, fact.cycle] -= 1
    return counts


def test_a_timer_rests_while_its_clock_does_though_the_miss_is_taken_back() -> None:
    case = a_case(date(2021, 3, 5))
    late = an_act(shanghai("2021-03-08 09:00"))
    case.tick(late, TERMS, "task_due", 1)
    case.rest_task(late, TERMS, "suspended", "x")
    case.extended(late, TERMS, date(2021, 6, 30))
    assert "DeadlineMissRetracted" in kinds(facts(case))
    assert case.state.clocks["task_due", 1].speaks == (None, -1)
    agrees_with_its_views(case)


def test_a_miss_is_said_once_however_often_it_is_asked() -> None:
    case = a_case(date(2021, 3, 5))
    for hours in range(0, 72, 6):
        case.tick(an_act(shanghai("2021-03-08 09:00") + timedelta(hours=hours)), TERMS, "task_due", 1)
    assert kinds(facts(case)).count("DeadlineMissed") == 1


def test_extension_void_and_ruling_in_every_order_name_or_do_not_name_alike() -> None:
    outcomes = set()
    for order in permutations(["void 3", "uphold 2", "extend"]):
        case = a_case()
        case.issue_round(an_act(NOW), terms=TERMS, requirement="x")
        for number in (1, 2, 3, 4):
            a_round(case, NOW + timedelta(hours=number), "slow")
        case.object_to_round(by_fgw(NOW + timedelta(hours=5)), terms=TERMS, number=2, text="不服")
        officer = an_act(NOW + timedelta(hours=6), post="inspect/officer")
        for change in order:
            if change == "void 3":
                case.void_round(officer, terms=TERMS, number=3, reason="x")
            elif change == "uphold 2":
                case.rule_on_objection(officer, terms=TERMS, number=2, upheld=True, reason="x")
            else:  # granted while round 1 ran, told only now
                granted = an_act(officer.recorded_at, happened_at=NOW + timedelta(minutes=1))
                case.extended(granted, TERMS, date(2021, 7, 30))
        outcomes.add(tuple(key[1:] for key in case.namings_due))
    assert outcomes == {()}
