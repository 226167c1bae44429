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

    check: Callable[..., Any]
    needs: tuple[str, ...]


def requires(
    *checks: Callable[..., None], of: Callable[..., Any] | None = None
) -> Callable[[Decision], Decision]:
    """The decision is made only if every check passes: ``check(state, act)`` raises a Refusal otherwise.

    A check with further parameters gets the decision's parameters of those names. ``of(state, act, …)`` finds the part
    of the state that the decision is about, which the checks then get instead of the whole; whoever asks what is open
    to them knows the part. Raises TypeError if the decision has no such parameter.
    """

    def guarded(decide: Decision) -> Decision:
        known = signature(decide).parameters
        find = None if of is None else _guard(decide, of)
        guards = tuple(_guard(decide, check) for check in checks)

        def given(needs: Sequence[str], asked: Mapping[str, Any]) -> dict[str, Any]:
            return {name: asked.get(name, known[name].default) for name in needs}

        @wraps(decide)
        def decision(self: Any, act: CommandContext, /, **asked: Any) -> Any:
            state = self.state if find is None else find.check(self.state, act, **given(find.needs, asked))
            for check, needs in guards:
                check(state, act, **given(needs, asked))
            return decide(self, act, **asked)

        decision.guards, decision.finds = guards, find  # type: ignore[attr-defined]
        return cast("Decision", decision)

    return guarded


def _guard(decide: Callable[..., Any], check: Callable[..., Any]) -> Guard:
    needs = tuple(signature(check).parameters)[2:]
    for name in needs:
        if name not in signature(decide).parameters:
            raise TypeError(f"{decide.__qualname__} has no {name} for {check.__qualname__}")
    return Guard(check, needs)


def guards_of(decision: Callable[..., Any]) -> Sequence[Guard]:
    """The guards that the decision requires."""
    return cast("Sequence[Guard]", getattr(decision, "guards", ()))


def asked_first(decision: Callable[..., Any]) -> Sequence[Callable[..., Any]]:
    """What is called before the decision: what finds its part of the state, and the checks."""
    guards = (getattr(decision, "finds", None), *guards_of(decision))
    return [guard.check for guard in guards if guard is not None]


def open_to(decision: Callable[..., Any], state: Any, act: CommandContext, known: Mapping[str, Any]) -> bool:
    """Whether the decision's guards would pass; ``known`` holds what they need beside state and context."""
    try:
        for check, needs in guards_of(decision):
            check(state, act, **{name: known[name] for name in needs})
    except Refusal:
        return False
    return True
