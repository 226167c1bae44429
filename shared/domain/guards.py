"""Guards: what must hold before a decision is made at all, whatever the command says.

A decision names its guards, ``@requires(is_open, is_led_by_the_actor)``. The command asks them first; a reader of the
thing asks the same guards to learn which commands are open to them (``may``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import signature
from typing import Any, NamedTuple, TypeVar, cast

from shared.domain.aggregate import CommandContext
from shared.domain.refusal import Refusal

Decision = TypeVar("Decision", bound=Callable[..., Any])


class Guard(NamedTuple):
    """A guard, and those of the decision's parameters that it needs beside the state and the context."""

    check: Callable[..., None]
    needs: tuple[str, ...]


def requires(*checks: Callable[..., None]) -> Callable[[Decision], Decision]:
    """The decision is made only if every check passes: ``check(state, act)`` raises a Refusal otherwise.

    A check with further parameters gets the decision's parameters of those names. Raises TypeError if the decision
    has no such parameter.
    """

    def guarded(decide: Decision) -> Decision:
        known = signature(decide).parameters
        guards = tuple(Guard(check, tuple(signature(check).parameters)[2:]) for check in checks)
        for guard in guards:
            for name in guard.needs:
                if name not in known:
                    raise TypeError(f"{decide.__qualname__} has no {name} for {guard.check.__qualname__}")

        @wraps(decide)
        def decision(self: Any, act: CommandContext, /, **asked: Any) -> Any:
            for check, needs in guards:
                check(self.state, act, **{name: asked.get(name, known[name].default) for name in needs})
            return decide(self, act, **asked)

        decision.guards = guards  # type: ignore[attr-defined]
        return cast("Decision", decision)

    return guarded


def guards_of(decision: Callable[..., Any]) -> Sequence[Guard]:
    """The guards that the decision requires."""
    return cast("Sequence[Guard]", getattr(decision, "guards", ()))


def open_to(decision: Callable[..., Any], state: Any, act: CommandContext, known: Mapping[str, Any]) -> bool:
    """Whether the decision's guards would pass; ``known`` holds what they need beside state and context."""
    try:
        for check, needs in guards_of(decision):
            check(state, act, **{name: known[name] for name in needs})
    except Refusal:
        return False
    return True
