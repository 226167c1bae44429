"""A case: what supervision follows, with its clocks, its rounds and the hands that it passes through."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Self
from uuid import UUID

from services.supervision.domain.rounds import Rounds
from services.supervision.domain.state import evolve
from services.supervision.domain.terms import Terms
from shared.domain.aggregate import CommandContext
from shared.domain.case_id import case_id
from shared.events import supervision
from shared.events.matter import CaseKind, CloseGround, Matter, MatterFact
from shared.rulebook import Rule, Rulebook

MERGED = "并案办理"
"""Why a merged whistle's clocks are cancelled; stands in the events, so it never changes."""

TotalLimits = ("resolve_or_confirm", "hard_limit")
"""A whistle's clocks that concern the matter; ``contact`` is owed to each reporter apart."""


class Case(Rounds, lifecycle=evolve):
    """督查事项: a task, a unit's duty from a directive, a whistle, or what else a fact begins (domain.md §4.7, §5)."""

    TOPIC = "supervision.case"

    @property
    def merged(self) -> bool:
        """Whether the whistle goes on within another one."""
        limit = self.latest("hard_limit")
        return limit is not None and limit.cancelled_because == MERGED

    @classmethod
    def open(
        cls, act: CommandContext, terms: Terms, *parts: str, kind: CaseKind, subject_id: UUID, **what: Any
    ) -> Self:
        """Follow a matter from now on, under this rulebook for ever."""
        return cls.begin(
            supervision.CaseOpened,
            act,
            id=case_id(kind, subject_id, *parts),
            kind=kind,
            subject_id=subject_id,
            rulebook_version=terms.rulebook.version,
            **what,
        )

    @classmethod
    def of(
        cls,
        act: CommandContext,
        terms: Terms,
        matter: Matter,
        rules: Sequence[Rule],
        *,
        kind: CaseKind,
        subject_id: UUID,
    ) -> Self:
        """The case of a matter that begins, with the clocks that start with it."""
        case = cls.open(
            act,
            terms,
            *matter.parts,
            kind=kind,
            subject_id=subject_id,
            number=matter.number,
            title=matter.title,
            unit=matter.unit,
            post=matter.post,
            supporters=matter.supporters,
            leader_post=matter.leader_post,
            secrecy=matter.secrecy,
            reporter=matter.reporter,
            duty=matter.clock,
        )
        for rule in rules:
            own_date = matter.due_on if rule.unit == "own_date" else None
            case.start(act, terms, rule.id, matter.unit, own_date=own_date)
        return case

    def follow(self, act: CommandContext, rulebook: Rulebook, fact: MatterFact) -> None:
        """Stop the clocks whose rows name the fact, and close if one of them says so."""
        name, unit = type(fact).__name__, fact.only_of()
        rules = [rule for rule in rulebook if self.latest(rule.id) is not None]
        for rule in rules:
            running = self.running(rule.id)
            if name in rule.stops_at and running is not None and unit in (None, running.unit):
                self.stop(act, rule.id, fact.counts_from())
        if any(name in rule.closes_at for rule in rules):
            self.close(act, fact.CLOSES)

    # -- hands -----------------------------------------------------------------------------------------------

    def move(
        self, act: CommandContext, to_unit: str, *, to_post: str | None = None, leads: bool = False
    ) -> None:
        """Another unit has it in hand; no clock moves. With ``leads`` that unit answers for it from now on."""
        case = self.state
        if case.closed or (to_unit == case.custodian and not (leads and to_unit != case.unit)):
            return
        self.record(
            supervision.CustodyMoved,
            act,
            from_unit=case.custodian,
            to_unit=to_unit,
            to_post=to_post,
            leads=leads,
        )

    # -- tasks -----------------------------------------------------------------------------------------------

    def reassigned(self, act: CommandContext, terms: Terms, unit: str, post: str) -> None:
        """Another unit leads; it has its own days to acknowledge, and what is left of the task's."""
        self.stop(act, "acknowledge")
        self.move(act, unit, to_post=post, leads=True)
        if not self.state.closed:
            self.start(act, terms, "acknowledge", unit)

    def suspend(self, act: CommandContext, terms: Terms, reason: str) -> None:
        """The task rests, and its clock."""
        running = self.running("task_due")
        if running is not None and running.status == "open":
            self.pause(act, terms=terms, clock="task_due", cycle=running.cycle, reason=reason)

    def go_on(self, act: CommandContext, terms: Terms) -> None:
        """The task goes on, and its clock."""
        running = self.running("task_due")
        if running is not None and running.status == "paused":
            self.resume(act, terms=terms, clock="task_due", cycle=running.cycle)

    def extended(self, act: CommandContext, terms: Terms, to: date) -> None:
        """An approved extension: the date moves, and a round that it overtakes neither counts nor resets."""
        self.extend(act, terms, "task_due", to)
        self._settle_namings(act, "经批准延期")

    def infeasible(self, act: CommandContext, reason: str) -> None:
        """A second reviewer confirmed that it cannot be done: the limits for doing it no longer apply."""
        for clock in TotalLimits:
            self.cancel(act, clock, f"经复核不可行：{reason}")

    def new_instruction(self, act: CommandContext) -> None:
        """The leader gave a new instruction: the matter stays open, or is open again."""
        if self.state.closed:
            self.record(supervision.CaseReopened, act, reason="领导有新批示")

    # -- duties of a period ----------------------------------------------------------------------------------

    def runs_on(self, act: CommandContext, terms: Terms, reason: str) -> None:
        """What had met the duty does not count: its clock runs on from its original start."""
        if self.state.duty is None or self.running(self.state.duty) is not None:
            return
        if self.state.closed:
            self.record(supervision.CaseReopened, act, reason=reason)
        self._take_up_again(act, terms, self.state.duty)

    # -- whistles --------------------------------------------------------------------------------------------

    def rework(self, act: CommandContext, terms: Terms, times: int) -> None:
        """The matter came back: the hard limit goes on in its next cycle from the original start."""
        self.record(supervision.CaseReopened, act, reason=f"第{times}次返工")
        self._take_up_again(act, terms, "hard_limit")

    def merge(self, act: CommandContext) -> None:
        """It goes on within another whistle; only its own reporter's contact is still owed."""
        for clock in TotalLimits:
            self.cancel(act, clock, MERGED)
        if self.running("contact") is None:
            self.close(act, "merged")

    def unmerge(self, act: CommandContext, terms: Terms, reason: str) -> None:
        """It goes on by itself; its clocks run from its own blowing."""
        self.record(supervision.CaseReopened, act, reason=reason)
        for clock in TotalLimits:
            before = self.latest(clock)
            if before is not None and before.status == "cancelled":
                self._take_up_again(act, terms, clock)

    def _take_up_again(self, act: CommandContext, terms: Terms, clock: str) -> None:
        before = self.latest(clock)
        if before is not None and not before.is_open:
            self.start(act, terms, clock, self.state.unit, started_at=before.started_at)

    # -- the end ---------------------------------------------------------------------------------------------

    def close(self, act: CommandContext, ground: CloseGround) -> None:
        """Nothing is left to supervise: open clocks are cancelled, a round that is not concluded is void."""
        if self.state.closed:
            return
        running = self.state.open_round
        if running is not None:
            self._void(act, running, "事项已结案")
        for clock in self.state.open_clocks:
            self.record(
                supervision.ClockCancelled, act, clock=clock.clock, cycle=clock.cycle, reason="事项已结案"
            )
        self.record(supervision.CaseClosed, act, ground=ground)
