"""What a naming rests on, as a pure function of its case (domain.md §4.8)."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.supervision.domain.state import CaseState


@dataclass(frozen=True, kw_only=True)
class Ground:
    """通报依据: what the case says now about the naming of a unit for two of its rounds."""

    stands: bool
    """Whether the rounds still make it due."""
    objected: int | None
    """The first of the rounds with an objection that waits for a ruling."""
    judges: frozenset[str]
    """Who found the rounds slow, or verified that."""
    resolved: bool
    """The case was closed as resolved, or a later round that counts was judged so."""


def ground_of(case: CaseState, unit: str, rounds: Sequence[int]) -> Ground:
    """The ground of the naming of this unit for these rounds."""
    named = [case.issued[number] for number in rounds if number in case.issued]
    judges = {post for one in named if not one.unsigned for post in (one.judged_by, one.verified_by)}
    return Ground(
        stands=any((due.unit, due.first, due.second) == (unit, *rounds) for due in case.namings),
        objected=next((one.round for one in named if one.status == "objected"), None),
        judges=frozenset(post for post in judges if post is not None),
        resolved=(case.closed and case.ground == "resolved") or _resolved_after(case, max(rounds, default=0)),
    )


def _resolved_after(case: CaseState, number: int) -> bool:
    return any(one.counts and one.verdict == "resolved" for one in case.concluded if one.round > number)
