"""Directives, units and posts after random commands: board and aggregate agree, and ``may`` tells the truth."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.domain import Directive, Post, Unit
from services.assignment.domain.directives import BeforeItWasReceived
from services.assignment.domain.units import (
    AppointedBeforePredecessor,
    SuccessorIsTheUnitItself,
    UnitIsNamedSo,
    VacatedBeforeAppointed,
)
from services.assignment.views import DirectivesView
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.guards import open_to
from shared.domain.refusal import Refusal
from shared.events.assignment import DirectiveKind, Dispatch
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.reference import PostsView, UnitsView
from shared.testing import an_act, rows_of, shanghai

START = shanghai("2021-01-04 09:00")
UNITS = ("office", "fgw", "czj", "zrj")
ABOUT_CONTENT = {
    AppointedBeforePredecessor,
    VacatedBeforeAppointed,
    UnitIsNamedSo,
    SuccessorIsTheUnitItself,
}
"""What is refused because of the words of a command, whatever the thing's state and the actor."""

Step = tuple[int, str, int]
steps = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(UNITS), st.integers(0, 60)), max_size=25)


def act(unit: str, hours: int) -> CommandContext:
    return an_act(START + timedelta(hours=hours), unit, f"{unit}/head", "unit_head")


def follow(
    thing: Aggregate, view: type[LifecycleView], key: str, commands: Sequence[Any], taken: Sequence[Step]
) -> None:
    """Take the steps, each a command by its number; compare the thing with its row at the end."""
    for number, unit, hours in taken:
        decision, what = commands[number % len(commands)]
        who = act(unit, hours)
        may, before = open_to(decision, thing.state, who, {}), thing.state
        refused = None
        try:
            decision(thing, who, **what(unit, hours))
        except Refusal as refusal:
            refused = type(refusal)
            assert thing.state is before
        assert may == (refused is None or refused in ABOUT_CONTENT), (decision, refused)
    assert rows_of(view, "assignment", thing.pending_events) == {key: thing.state}


@pytest.mark.parametrize("kind", ["decision", "onsite_meeting_decision"])
@settings(max_examples=60, deadline=None)
@given(taken=steps)
def test_a_directive(kind: DirectiveKind, taken: list[Step]) -> None:
    directive = Directive.register(
        act("office", 0),
        number="1",
        title="事项",
        kind=kind,
        origin_level=None,
        units=["fgw", "czj"] if kind == "decision" else [],
        office_unit="office",
        leader_post="gov/main-leader",
        requirement="",
        secrecy="public",
        secrecy_ground="",
    )
    pieces = [Dispatch(unit="fgw", what="查清"), Dispatch(unit="zrj", what="整改")]
    commands = [
        (Directive.report_arrangement, lambda unit, hours: {"text": f"{unit} {hours}"}),
        (Directive.decompose, lambda unit, hours: {"dispatches": pieces}),
        (Directive.give_feedback, lambda unit, hours: {"text": f"{unit} {hours}"}),
    ]
    follow(directive, DirectivesView, str(directive.id), commands, taken)
    with pytest.raises(BeforeItWasReceived):
        directive.report_arrangement(act("fgw", -1), text="太早")


@settings(max_examples=60, deadline=None)
@given(taken=steps)
def test_a_unit(taken: list[Step]) -> None:
    unit = Unit.register(act("office", 0), unit="fgw", name="发改委", kind="department")
    commands = [
        (Unit.rename, lambda unit, hours: {"name": f"{unit}局", "short_names": [unit]}),
        (Unit.rename, lambda unit, hours: {"name": "发改委"}),
        (Unit.dissolve, lambda unit, hours: {"successor": unit}),
    ]
    follow(unit, UnitsView, "fgw", commands, taken)


@settings(max_examples=60, deadline=None)
@given(taken=steps, role=st.sampled_from(["vice_leader", "officer"]))
def test_a_post(taken: list[Step], role: Any) -> None:
    post = Post.create(act("office", 0), post="gov/deputy", title="副职", role=role)
    day = lambda hours: date(2020, 12, 1) + timedelta(days=hours // 2)  # noqa: E731
    commands = [
        (Post.appoint, lambda unit, hours: {"holder": unit, "since": day(hours)}),
        (Post.vacate, lambda unit, hours: {"on": day(hours)}),
        (Post.assign_portfolio, lambda unit, hours: {"units": [unit, "fgw"]}),
    ]
    follow(post, PostsView, "gov/deputy", commands, taken)
    assert post.state.is_in_charge_of("zrj") == (role == "vice_leader" and "zrj" in post.state.portfolio)
