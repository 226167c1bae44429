"""What each fact does to a thing's state, written once: for the aggregate and for its read models."""

from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_type_hints

from shared.events.base import Fact

__all__ = ["Lifecycle", "replace"]

if TYPE_CHECKING:
    from dataclasses import replace  # which mypy checks field by field
else:

    def replace(state, /, **changes):
        """``dataclasses.replace`` for states, which have no ``__post_init__``; folding needs it to be fast.

        Of a state with forty fields the library's takes ten times as long (tests/bench/project.py).
        """
        kind = type(state)
        if unknown := changes.keys() - kind.__dataclass_fields__.keys():
            raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        changed = object.__new__(kind)
        changed.__dict__.update(state.__dict__, **changes)
        return changed


S = TypeVar("S")
Step = TypeVar("Step", bound=Callable[..., Any])


class Lifecycle(Generic[S]):
    """``evolve(fact, state) -> state``: one pure step per fact.

    A step is registered by the type of its first parameter (a union: for each). Its second parameter is the state
    before the fact; the step of the first fact, and of every fact that says the whole state, has none::

        evolve = Lifecycle(TaskState, begins=events.TaskAssigned)

        @evolve.register
        def _(fact: events.TaskAssigned) -> TaskState:
            return TaskState(number=fact.number, ...)

        @evolve.register
        def _(fact: events.TaskReturned, task: TaskState) -> TaskState:
            return replace(task, returned=True)
    """

    def __init__(self, state: type[S], *, begins: type[Fact]) -> None:
        self.state: Any = state
        self.begins = begins
        self.facts: dict[str, type[Fact]] = {}
        """The published class of every fact that has a step, by topic."""
        self._steps: dict[str, Callable[[Fact, S | None], S]] = {}

    def register(self, step: Step) -> Step:
        """Register a step. Raises TypeError if its first parameter is no fact, or if the fact has a step already."""
        first, *before = signature(step).parameters
        hint = get_type_hints(step).get(first)
        for kind in get_args(hint) or (hint,):
            if not (isinstance(kind, type) and issubclass(kind, Fact)):
                raise TypeError(
                    f"{step.__qualname__} in {step.__module__} does not say which fact it is a step of"
                )
            if kind.TOPIC in self._steps:
                raise TypeError(f"two steps of {self.state.__name__} for {kind.__name__}")
            self.facts[kind.TOPIC] = kind
            self._steps[kind.TOPIC] = step if before else lambda fact, _: step(fact)
        return step

    def __call__(self, fact: Fact, state: S | None) -> S:
        """The state after ``fact``. Raises KeyError for a fact without a step."""
        return self._steps[fact.TOPIC](fact, state)
