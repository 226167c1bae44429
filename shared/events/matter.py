"""Matters (事项): what supervision follows.

A fact says here which matter it begins or belongs to. Which clocks then start and stop, and when the case closes,
stands in the rulebook (shared/rulebook/rulebook.csv).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal

from shared.events.base import Fact

Secrecy = Literal["public", "internal", "secret"]
CaseKind = Literal["task", "duty", "whistle", "trip", "period", "naming", "release"]
"""``duty``: a unit's duty from a directive; ``trip``: an absence; ``period``: what is owed for a period of the year;
``release``: a drafted release of the calendar."""
CloseGround = Literal["resolved", "cancelled", "superseded", "withdrawn", "merged"]


@dataclass(frozen=True, kw_only=True)
class Matter:
    """事项: what the case that a fact opens is about.

    ``unit`` may be empty: whoever answers for the first clock has it. ``steps`` are the days of milestones.
    ``parts`` tell several matters of one subject apart (a directive's duties). ``clock`` names the only rule that
    runs for it, where several rules start at the same fact. ``origins``: the parts of earlier cases about the same
    subject, of which the first that exists tells number, title, leader and secrecy.
    """

    unit: str
    parts: tuple[str, ...] = ()
    clock: str | None = None
    number: str = ""
    title: str = ""
    post: str | None = None
    supporters: tuple[str, ...] = ()
    leader_post: str | None = None
    secrecy: Secrecy = "public"
    reporter: str | None = None
    due_on: date | None = None
    steps: tuple[date, ...] = ()
    origins: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class MatterFact(Fact):
    """A fact that belongs to a matter of the kind ``MATTER``; the fact's aggregate is the matter's subject."""

    MATTER: ClassVar[CaseKind]
    CLOSES: ClassVar[CloseGround] = "resolved"
    """The ground on which a case closes, if the rulebook closes it at this fact."""
    REOPENS: ClassVar[str] = ""
    """With what reason it opens a closed case again; empty: it does not."""
    CONFIRMED_BY: ClassVar[Literal["supervision_office", "enterprise"] | None] = "supervision_office"
    """Who confirms it if it was entered only after a clock was due that it would have stopped in time; None: whoever
    recorded it has confirmed it by that."""

    def begins(self) -> Sequence[Matter]:
        """The matters that begin with it."""
        return ()

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """The parts of the cases whose clocks may stop at it."""
        return ((),)

    def only_of(self) -> str | None:
        """Of clocks that each unit has for itself (``answers_for`` unit): whose stop or start at it; None: all."""
        return None

    def counts_from(self) -> datetime:
        """The moment at which the clocks stop."""
        return self.happened_at

    def entered_at(self) -> datetime:
        """When it was recorded."""
        return self.timestamp

    def starts(self) -> bool:
        """Whether the clocks whose rows say that they start at it do start."""
        return True

    def of_step(self) -> date | None:
        """The milestone's day, if only its clock stops."""
        return None

    def own_date(self) -> date | None:
        """The date of a clock that starts at it, for rules with a date of their own; None: the rule's length."""
        return None


@dataclass(frozen=True, kw_only=True)
class BeginsMatter(MatterFact):
    """A fact with which a matter begins."""

    def begins(self) -> Sequence[Matter]:
        """The matters that begin with it."""
        raise NotImplementedError

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """None that was there before."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Movement(Fact):
    """A fact by which a matter moves: an escalation that was acknowledged rests longer for it (measure 10)."""

    MOVED: ClassVar[str]
    """What moved, in words."""
