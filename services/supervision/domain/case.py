"""A case: what supervision follows, with its clocks, its rounds and the hands that it passes through."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from services.supervision.domain.clocks import DECIDERS
from services.supervision.domain.rounds import Rounds
from services.supervision.domain.state import CaseState, Clock, evolve
from services.supervision.domain.terms import Terms
from shared.domain.aggregate import CommandContext
from shared.domain.case_id import case_id
from shared.domain.lifecycle import replace
from shared.events import supervision
from shared.events.matter import BeginsMatter, CaseKind, CloseGround, Matter, MatterFact
from shared.events.supervision import CustodyRole, RestGround
from shared.rulebook import LATE_ENTRY, RUN_BY_CODE, Rule

MERGED = "并案办理"
"""Why a merged whistle's clocks are cancelled; stands in the events, so it never changes."""

TASK, COMPLETION_CHECK = "task_due", "completion_check"
"""A task's clock, and the office's, which runs while a claimed completion waits."""

TotalLimits = ("resolve_or_confirm", "service_promise", "hard_limit")
"""A whistle's clocks that concern the matter; ``contact`` is owed to each reporter apart."""


SUPPORT = "support"
"""The rulebook's subject of clocks that each supporting unit has for itself."""


Answering = Callable[[str, CaseState | Matter], str]
"""Which unit answers for a clock about a matter, by the word of its rule."""


def _starts(rule: Rule, matter: Matter, answering: Answering) -> list[tuple[str, date | None]]:
    """For which units and with which dates the rule's clocks start with the matter."""
    if rule.subject == "milestone":
        return [(matter.unit, day) for day in matter.steps]
    if rule.subject == SUPPORT:
        return [(unit, None) for unit in matter.supporters]
    if rule.answers_for in DECIDERS:
        return [(answering(rule.answers_for, matter), None)]
    return [(matter.unit, matter.due_on if rule.unit == "own_date" else None)]


class Case(Rounds, lifecycle=evolve):
    """督查事项: a task, a unit's duty from a directive, a whistle, or what else a fact begins (domain.md §4.7, §5)."""

    TOPIC = "supervision.case"

    @property
    def merged(self) -> bool:
        """Whether the whistle goes on within another one; older logs say it by the cancelled limit alone."""
        limit = self.latest("hard_limit")
        said_by_its_limit = limit is not None and limit.cancelled_because == MERGED
        return self.state.merged_into is not None or said_by_its_limit

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
        answering: Answering,
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
            for unit, own_date in _starts(rule, matter, answering):
                case.start(act, terms, rule.id, unit, own_date=own_date)
        return case

    def follow(self, act: CommandContext, terms: Terms, fact: MatterFact, answering: Answering) -> None:
        """Stop and start the clocks whose rows name the fact, and close or open again if a row or the fact says so."""
        name, only, step = type(fact).__name__, fact.only_of(), fact.of_step()
        if self.state.closed and fact.REOPENS:
            self.record(supervision.CaseReopened, act, reason=fact.REOPENS)
        known = [rule for rule in terms.rulebook if self.latest(rule.id) is not None]
        for rule in known:
            if name in rule.stops_at and rule.id not in RUN_BY_CODE:
                whose = only if rule.answers_for == "unit" else None
                for running in self._running_of(rule.id, whose, step):
                    self.stop_by(act, terms, running, fact)
        if not isinstance(fact, BeginsMatter) and not self.state.closed and fact.starts():
            for rule in terms.rulebook.started_by(fact):
                unit = (
                    only if only and rule.answers_for == "unit" else answering(rule.answers_for, self.state)
                )
                if rule.subject == SUPPORT and unit == self.state.unit:
                    continue  # what the lead takes over is its own work
                own_date = fact.own_date() if rule.unit == "own_date" else None
                runs = self._running_of(rule.id, unit if rule.answers_for == "unit" else None, None)
                if runs and own_date not in (None, runs[0].own_date):
                    self.cancel(act, rule.id, "另定日期")
                    runs = []
                if not runs:
                    self.start(act, terms, rule.id, unit, own_date=own_date)
        if any(name in rule.closes_at for rule in known):
            self._close(act, fact.CLOSES)
        self.settle(act, terms)

    def _running_of(self, rule: str, unit: str | None, step: date | None) -> list[Clock]:
        """The rule's open clocks; of this unit, of this milestone, if they are named. The first is enough of a step."""
        found = [
            clock
            for clock in self.state.open_clocks
            if clock.clock == rule and unit in (None, clock.unit) and step in (None, clock.own_date)
        ]
        return found if step is None else found[:1]

    # -- hands -----------------------------------------------------------------------------------------------

    def move(
        self,
        act: CommandContext,
        terms: Terms,
        to_unit: str,
        *,
        to_post: str | None = None,
        leads: bool = False,
        role: CustodyRole = "holder",
        leader_post: str | None = None,
    ) -> None:
        """Another unit has it in hand; no clock moves. With ``leads`` that unit answers for it from now on."""
        case = self.state
        same = (to_unit, role) == (case.custodian, case.stays[-1].role)
        if case.closed or (same and not (leads and to_unit != case.unit)):
            return
        self.record(
            supervision.CustodyMoved,
            act,
            from_unit=case.custodian,
            to_unit=to_unit,
            to_post=to_post,
            leads=leads,
            role=role,
            leader_post=leader_post,
        )
        self.settle(act, terms)

    # -- tasks -----------------------------------------------------------------------------------------------

    def reassigned(
        self, act: CommandContext, terms: Terms, unit: str, post: str, leader_post: str | None
    ) -> None:
        """Another unit leads; it has its own days to acknowledge, and what is left of the task's."""
        own = [rule.id for rule in terms.rulebook if (rule.subject, rule.answers_for) == ("task", "unit")]
        for clock in own:
            self.stop(act, terms, clock)
            if not self.state.closed and self.latest(clock) is not None:
                self.start(act, terms, clock, unit)
        self.move(act, terms, unit, to_post=post, leads=True, leader_post=leader_post)

    def support_passed_on(self, act: CommandContext, from_unit: str, to_unit: str) -> None:
        """Another unit supports it; nothing happens if that is known."""
        if from_unit in self.state.supporters and not self.state.closed:
            self.record(supervision.SupportPassedOn, act, from_unit=from_unit, to_unit=to_unit)

    def rest_task(self, act: CommandContext, terms: Terms, ground: RestGround, reason: str) -> None:
        """The task rests, and its clock."""
        running = self.running(TASK)
        if running is not None and not running.rests(ground) and terms.rule(TASK).pausable:
            self.rest(act, terms, running, ground, reason)
            self.settle(act, terms)

    def wake_task(self, act: CommandContext, terms: Terms, ground: RestGround) -> None:
        """The task goes on, and its clock."""
        running = self.running(TASK)
        if running is not None and running.rests(ground):
            self.wake(act, terms, running, ground)
            self.settle(act, terms)

    def claimed(self, act: CommandContext, terms: Terms, entered_at: datetime) -> None:
        """Completion is claimed: from then on the office's clock runs, not the unit's.

        A claim that was entered only after the task was due takes nothing back until the office has accepted it.
        """
        running = self.running(TASK)
        if running is None or COMPLETION_CHECK not in terms.rulebook:
            return
        late = running.in_time(act.happened_at) and not running.in_time(entered_at)
        since = replace(act, happened_at=entered_at) if late else act
        self.rest_task(since, terms, "claimed", "申报办结，等待认定")

    def extended(self, act: CommandContext, terms: Terms, to: date) -> None:
        """An approved extension: the date moves, and a round that it overtakes neither counts nor resets."""
        self.extend(act, terms, TASK, to)
        self.settle(act, terms)

    def infeasible(self, act: CommandContext, terms: Terms, reason: str) -> None:
        """A second reviewer confirmed that it cannot be done: the limits for doing it no longer apply."""
        for clock in TotalLimits:
            self.cancel(act, clock, f"经复核不可行：{reason}")
        self.settle(act, terms)

    # -- duties of a period ----------------------------------------------------------------------------------

    def runs_on(self, act: CommandContext, terms: Terms, reason: str) -> None:
        """What had met the duty does not count: its clock runs on from its original start."""
        if self.state.duty is None or self.running(self.state.duty) is not None:
            return
        if self.state.closed:
            self.record(supervision.CaseReopened, act, reason=reason)
        self._take_up_again(act, terms, self.state.duty)
        self.settle(act, terms)

    # -- whistles --------------------------------------------------------------------------------------------

    def rework(self, act: CommandContext, terms: Terms, times: int) -> None:
        """The matter came back: the hard limit goes on in its next cycle from the original start."""
        self.record(supervision.CaseReopened, act, reason=f"第{times}次返工")
        self._take_up_again(act, terms, "hard_limit")
        self.settle(act, terms)

    def merge(self, act: CommandContext, terms: Terms, into: UUID) -> None:
        """It goes on within another whistle, whose holder owes the contact with this one's reporter too."""
        self.record(supervision.MatterMerged, act, into=into)
        for clock in TotalLimits:
            self.cancel(act, clock, MERGED)
        if self.running("contact") is None:
            self._close(act, "merged")
        self.settle(act, terms)

    def unmerge(self, act: CommandContext, terms: Terms, reason: str) -> None:
        """It goes on by itself; its clocks run from its own blowing."""
        self.record(supervision.CaseReopened, act, reason=reason)
        for clock in TotalLimits:
            before = self.latest(clock)
            if before is not None and before.status == "cancelled":
                self._take_up_again(act, terms, clock)
        self.settle(act, terms)

    def _take_up_again(self, act: CommandContext, terms: Terms, clock: str) -> None:
        before = self.latest(clock)
        if before is not None and not before.is_open:
            self.start(
                act,
                terms,
                clock,
                self.state.unit,
                started_at=before.started_at,
                own_date=before.own_date,
            )

    # -- the end ---------------------------------------------------------------------------------------------

    def close(self, act: CommandContext, terms: Terms, ground: CloseGround) -> None:
        """Nothing is left to supervise: open clocks are cancelled, a round that is not concluded is void."""
        self._close(act, ground)
        self.settle(act, terms)

    def _close(self, act: CommandContext, ground: CloseGround) -> None:
        if self.state.closed:
            return
        running = self.state.open_round
        if running is not None:
            self._void(act, running, "事项已结案", "closed")
        for clock in self.state.open_clocks:
            if clock.clock != LATE_ENTRY:  # what was entered late is still to be confirmed
                self.record(
                    supervision.ClockCancelled, act, clock=clock.clock, cycle=clock.cycle, reason="事项已结案"
                )
        self.record(supervision.CaseClosed, act, ground=ground)
