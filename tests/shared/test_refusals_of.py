"""What a function can refuse is found however its code calls what raises it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import pytest

from shared.calendar import Calendar
from shared.domain import refusals_of as module
from shared.domain.guards import requires
from shared.domain.refusal import Refusal
from shared.domain.refusals_of import refusals_of


class Closed(Refusal):
    """已关闭
    Closed"""


class TooLate(Refusal):
    """太晚
    Too late"""


class Caught(Refusal):
    """已处理
    Caught"""


@pytest.fixture(autouse=True)
def this_module_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OURS", ("shared.", __name__))


T = TypeVar("T")


def is_open(thing: object, act: object) -> None:
    raise Closed


@dataclass(frozen=True)
class Thing:
    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise Closed

    @property
    def late(self) -> bool:
        raise TooLate

    @cached_property
    def later(self) -> bool:
        raise TooLate

    def check(self) -> None:
        raise TooLate


class Special(Thing):
    def check(self) -> None:
        super().check()


@dataclass
class Holder:
    thing: Thing
    many: Mapping[str, Sequence[Thing]]

    def first(self) -> Thing:
        return self.many["a"][0]

    def use(self) -> None:
        self._rule()

    def _rule(self) -> None:
        """Nothing here."""


class StrictHolder(Holder):
    def _rule(self) -> None:
        raise Closed


def load(kind: type[T]) -> T:
    return kind()


def check_late() -> None:
    raise TooLate


CHECKS = {"late": check_late}


def by_field(holder: Holder) -> None:
    holder.thing.check()


def by_property(thing: Thing) -> bool:
    return thing.late


def by_cached_property(thing: Thing) -> bool:
    return thing.later


def by_result(holder: Holder) -> None:
    holder.first().check()


def by_loaded() -> None:
    load(Thing).check()


def in_a_loop(holder: Holder) -> None:
    for things in holder.many.values():
        for thing in things:
            thing.check()


def in_a_comprehension(things: Sequence[Thing]) -> list[None]:
    return [one.check() for one in things]


def unpacked(holder: Holder) -> None:
    _, *rest = holder.many["a"]
    rest[0].check()


def in_a_nested_function(thing: Thing) -> Callable[[], None]:
    def later() -> None:
        thing.check()

    return later


def in_a_lambda(things: Sequence[Thing]) -> Iterator[None]:
    return map(lambda thing: thing.check(), things)  # noqa: C417 - what is tested


def by_getattr(thing: Thing) -> Any:
    return getattr(thing, "check")()  # noqa: B009 - what is tested


def by_partial() -> Callable[[], None]:
    return partial(check_late)


def by_table(name: str) -> None:
    CHECKS[name]()


def by_super(thing: Special) -> None:
    thing.check()


def by_local_import() -> None:
    from shared.readmodels.reference import UnknownUnit

    raise UnknownUnit(unit="x")


def closing_over(check: Callable[[], None]) -> Callable[[], None]:
    def checked() -> None:
        check()

    return checked


@pytest.mark.parametrize(
    "function",
    [
        by_field, by_property, by_cached_property, by_result, in_a_loop, in_a_comprehension, unpacked,
        in_a_nested_function, in_a_lambda, by_getattr, by_partial, by_table, by_super, closing_over(check_late),
    ],
)  # fmt: skip
def test_a_refusal_is_found(function: Callable[..., Any]) -> None:
    assert refusals_of(function) == {TooLate}


def test_making_a_thing_runs_its_checks() -> None:
    assert refusals_of(by_loaded) == {Closed, TooLate}


def test_a_refusal_imported_in_the_function_is_found() -> None:
    assert {refusal.__name__ for refusal in refusals_of(by_local_import)} == {"UnknownUnit"}


def test_the_guards_of_a_decision_are_asked() -> None:
    class Decider:
        @requires(is_open)
        def decide(self, act: object) -> None:
            raise TooLate

    assert refusals_of(Decider.decide) == {Closed, TooLate}


def test_a_method_is_looked_up_on_the_class_that_it_is_called_on() -> None:
    assert refusals_of(Holder.use) == frozenset()
    assert refusals_of(Holder.use, StrictHolder) == {Closed}


def test_a_refusal_that_is_only_caught_is_not_counted() -> None:
    def catching() -> None:
        with suppress(ValueError):
            try:
                is_open(None, None)
            except Caught as error:
                raise ValueError from error

    assert refusals_of(catching) == {Closed}


def test_what_is_reckoned_from_a_released_calendar_is_not_counted() -> None:
    assert refusals_of(Calendar.with_release) == frozenset()
