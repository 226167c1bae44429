"""The naming rule: a pure function of the concluded rounds (domain.md §4.8, measures A10)."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.events.supervision import Verdict


@dataclass(frozen=True)
class Concluded:
    """A concluded round, and whether something took its weight away."""

    round: int
    unit: str
    verdict: Verdict
    voided: bool = False
    objection_upheld: bool = False
    overtaken: bool = False
    """An extension was approved while it ran."""

    @property
    def counts(self) -> bool:
        """Voided, successfully objected to, overtaken by an extension: neither counts nor resets."""
        return not (self.voided or self.objection_upheld or self.overtaken)


@dataclass(frozen=True)
class Streak:
    """Consecutive slow rounds of one unit on one matter."""

    unit: str
    rounds: tuple[int, ...]

    @property
    def named_for(self) -> tuple[int, int]:
        """The two rounds that make the naming due: one naming per streak."""
        return self.rounds[0], self.rounds[1]

    @property
    def aggravated(self) -> bool:
        """A third slow round weighs more; it is no second naming."""
        return len(self.rounds) > 2


def naming_streaks(rounds: Iterable[Concluded]) -> tuple[Streak, ...]:
    """Every streak of at least two consecutive slow rounds, for which the unit is to be named, in order.

    A streak stays with the unit that had it when the matter passes to another. In which order verdicts, voids,
    rulings and extensions came to be known does not matter: only what they came to.
    """
    found: list[Streak] = []
    running: dict[str, list[int]] = {}
    for one in sorted(rounds, key=lambda one: one.round):
        if not one.counts:
            continue
        slow = running.setdefault(one.unit, [])
        if one.verdict == "slow":
            slow.append(one.round)
            continue
        if len(slow) >= 2:
            found.append(Streak(one.unit, tuple(slow)))
        running[one.unit] = []
    found += [Streak(unit, tuple(slow)) for unit, slow in running.items() if len(slow) >= 2]
    return tuple(sorted(found, key=lambda streak: streak.rounds))


def slow_in_a_row(rounds: Iterable[Concluded], unit: str) -> int:
    """How many slow rounds the unit has had since the last that was not."""
    count = 0
    for one in sorted(rounds, key=lambda one: one.round):
        if one.unit == unit and one.counts:
            count = count + 1 if one.verdict == "slow" else 0
    return count
