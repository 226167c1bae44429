"""保密 (domain.md §8): from whom a secret thing is hidden, as if it were not there."""

from typing import Any

from shared.domain.aggregate import CommandContext
from shared.domain.roles import ALL_SEEING, IN_HANDS


def is_hidden_from(act: CommandContext, state: Any, *more: str | None) -> bool:
    """Whether the thing is secret and does not concern the actor's unit; ``more``: units that it concerns as well.

    The suite's own processes, which act in no role, see everything. Of rows ``may_see`` says the same
    (shared/web/lists.py).
    """
    if getattr(state, "secrecy", None) != "secret" or not act.role or act.role in ALL_SEEING:
        return False
    return act.role not in IN_HANDS or act.by.unit not in (*state.concerned, *more)
