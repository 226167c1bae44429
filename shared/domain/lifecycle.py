"""What each fact does to a thing's state, written once: for the aggregate and for its read models."""

from collections.abc import Callable, Mapping
from inspect import signature
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast, get_args, get_type_hints

from shared.events.base import Fact

__all__ = ["Lifecycle", "replace"]

if TYPE_CHECKING:
    from dataclasses import replace  # which mypy checks field by field
else:

    def replace(state, /, **changes):
        """``dataclasses.replace`` for states, which have no ``__post_init__``; folding needs it to be fast.

        Of a state with forty-seven fields the library's takes 17 times as long (tests/bench/project.py).
        """
        changed = object.__new__(type(state))
        values = changed.__dict__
        values.update(state.__dict__)
        fields = len(values)
        values.update(changes)
        if len(values) > fields:
            unknown = ", ".join(sorted(changes.keys() - state.__dict__.keys()))
            raise TypeError(f"{type(state).__name__} has no {unknown}")
        return changed


S = TypeVar("S")
Step = TypeVar("Step", bound=Callable[..., Any])


class Parts(NamedTuple):
    """Things that a state holds by key, each with a lifecycle of its own, such as the notices of a matter."""

    evolve: "Lifecycle[Any]"
    key: Callable[[Any], Any]
    """Which of them a fact is about; None if it is about each of them."""


class Lifecycle(Generic[S]):
    """``evolve(fact, state) -> state``: one pure step per fact.

    A step is registered by the type of its first parameter (a union: for each). Its second parameter is the state
    before the fact; the step of the first fact, and of every fact that says the whole state, has none. A third one is
    the version that the fact makes of its aggregate (a second one of type None then stands for no state)::

        evolve = Lifecycle(TaskState, begins=events.TaskAssigned)

        @evolve.register
        def _(fact: events.TaskAssigned) -> TaskState:
            return TaskState(number=fact.number, ...)

        @evolve.register
        def _(fact: events.TaskReturned, task: TaskState) -> TaskState:
            return replace(task, returned=True)

    ``parts`` names the fields of the state that hold things with lifecycles of their own: mappings that are empty at
    first. A fact that has a step there takes it too, after the whole's own.
    """

    def __init__(
        self, state: type[S], *, begins: type[Fact], parts: Mapping[str, Parts] = MappingProxyType({})
    ) -> None:
        self.state: Any = state
        self.begins, self.parts = begins, parts
        self.facts: dict[str, type[Fact]] = {
            topic: fact for part in parts.values() for topic, fact in part.evolve.facts.items()
        }
        """The published class of every fact that has a step, here or in a part, by topic."""
        self.own: dict[str, type[Fact]] = {}
        """Those that have a step here."""
        self._steps: dict[str, tuple[Callable[..., S], int]] = {}
        self._say_all: set[str] = set()
        self._in_parts: dict[str, list[tuple[str, Parts]]] = {
            topic: [one for one in parts.items() if topic in one[1].evolve.facts] for topic in self.facts
        }

    def register(self, step: Step) -> Step:
        """Register a step. Raises TypeError if its first parameter is no fact, or if the fact has a step already."""
        first, *more = signature(step).parameters
        hints = get_type_hints(step)
        hint = hints.get(first)
        for kind in get_args(hint) or (hint,):
            if not (isinstance(kind, type) and issubclass(kind, Fact)):
                raise TypeError(
                    f"{step.__qualname__} in {step.__module__} does not say which fact it is a step of"
                )
            if kind.TOPIC in self._steps:
                raise TypeError(f"two steps of {self.state.__name__} for {kind.__name__}")
            self.facts[kind.TOPIC] = self.own[kind.TOPIC] = kind
            self._steps[kind.TOPIC] = (step, 1 + len(more))
            if not more or hints.get(more[0]) is NoneType:
                self._say_all.add(kind.TOPIC)
        return step

    def __call__(self, fact: Fact, state: S | None, version: int = 0) -> S:
        """The state after ``fact``, which made ``version`` of its aggregate. Raises KeyError if it has no step."""
        found: Any = self.step(fact, state, version)
        for name, (evolve, key) in self._in_parts.get(fact.TOPIC, ()):
            things, one = getattr(found, name), key(fact)
            evolved = (
                {at: evolve(fact, thing, version) for at, thing in things.items()}
                if one is None
                else {**things, one: evolve(fact, things.get(one), version)}
            )
            found = replace(found, **{name: evolved})
        return cast("S", found)

    def step(self, fact: Fact, state: S | None, version: int = 0) -> S:
        """The state after the step that the fact has here; the same if only a part has one."""
        topic = fact.TOPIC
        if topic not in self._steps and topic in self.facts and state is not None:
            return state
        step, takes = self._steps[topic]
        return step(fact, state) if takes == 2 else step(*(fact, state, version)[:takes])

    def needs_state(self, fact: Fact) -> bool:
        """Whether the step of this fact needs the state before."""
        return fact.TOPIC not in self._say_all
