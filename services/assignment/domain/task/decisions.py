"""Tasks (measure 7): from assigning to closing, with everything that may come between."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.assignment.domain.directives import check_not_below, check_secrecy, none_twice
from services.assignment.domain.lists import TaskList
from services.assignment.domain.task_refusals import (
    AcceptedAlready,
    AskerMayNotDecide,
    BeforeItWasAssigned,
    CompletionIsClaimed,
    CompletionNotAccepted,
    DisputeIsOpen,
    DisputesWithItself,
    DisputeWithoutSolution,
    DueBeforeList,
    DueOnRestDay,
    ExtensionAfterDue,
    ExtensionIsAsked,
    ExtensionMustMoveForward,
    ExtensionsUsedUp,
    LeadsAlready,
    MayNotJudgeOwnUnit,
    MilestoneOutside,
    NegativeProgress,
    NoCompletionClaimed,
    NoDispute,
    NoExtensionAsked,
    NotASupporter,
    NotFromAnInstruction,
    NotSuspended,
    NotTheLeaderInCharge,
    OnlyTheLead,
    PartIsClosed,
    PieceAfterDue,
    PieceWithoutQuantity,
    PostIsVacant,
    PostOfAnotherUnit,
    ReferredToLeader,
    RequiredPartIsOpen,
    RoleDoesNotDecide,
    SuggestsItself,
    SupersedesItself,
    TaskAlreadyClosed,
    TaskIsReturned,
    TaskIsSuspended,
    TwoLeads,
    UnitNotOnTask,
    UnmeasurableTarget,
)
from services.assignment.domain.units import LEADERS, Post
from shared.calendar import Calendar
from shared.calendar.due import Extension, Pause, due_on
from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation, stable_id
from shared.domain.clock import close_of, local_day
from shared.events import assignment
from shared.events.base import Actor
from shared.rulebook import Rule

RETURNS_UNTIL_REFERRED = 3
"""With the third return the leader decides who takes the task (domain.md §3)."""


@dataclass(frozen=True, kw_only=True)
class TaskPlan:
    """What a task is to be, before it is assigned: the request's or the row's own words, units and posts by id."""

    number: str
    title: str
    lead_unit: str
    target: assignment.Target
    due_on: date
    category: str = ""
    supporters: tuple[assignment.Support, ...] = ()
    due_text: str = ""
    milestones: tuple[assignment.Milestone, ...] = ()
    weight: int = 1
    secrecy: assignment.Secrecy
    secrecy_ground: str = ""
    key_task: bool = False
    from_leader_instruction: bool = False
    remark: str = ""


def state_of(
    *,
    ended: str | None,
    suspended: bool,
    completed: bool,
    claimed: bool,
    returned: bool,
    under_way: bool,
    accepted: bool,
) -> str:
    """A task's state in one word, from its parts; for the aggregate and for the board alike.

    ``overdue`` is not among them: it is derived when somebody looks (domain.md §3).
    """
    if ended is not None:
        return ended
    parts = {
        "suspended": suspended,
        "awaiting_leader": completed,
        "claimed": claimed,
        "returned": returned,
        "in_progress": under_way,
        "accepted": accepted,
    }
    return next((state for state, holds in parts.items() if holds), "assigned")


class Task(Aggregate):
    """任务: what a lead unit, with others that support it, has to reach by a day."""

    TOPIC = "assignment.task"
    assigned_because: str
    assigned_at: datetime
    plan: TaskPlan
    """As it was assigned; lead, supporters and due date as they are now stand beside it."""
    list_id: UUID
    _number: str
    lead_unit: str
    post: str
    leader_post: str
    target: assignment.Target
    due_on: date
    original_due_on: date
    parts: dict[str, assignment.Support]
    part_states: dict[str, str]
    """Of each supporting unit: ``open``, ``done`` or ``waived``."""
    accepted_by: frozenset[str]
    returns: int
    returned: bool
    referred: bool
    under_way: bool
    claimed_at: datetime | None
    completed: bool
    asked_due_on: date | None
    asked_by: Actor | None
    extensions: tuple[Extension, ...]
    disputed: bool
    solved: bool
    pauses: tuple[Pause, ...]
    suspended: bool
    ended: str | None

    # -- assigning ---------------------------------------------------------------------------------------------

    @staticmethod
    def id_of(list_id: UUID, number: str) -> UUID:
        """The aggregate that stands for this number of this list."""
        return stable_id("task", list_id, number)

    @classmethod
    def assign(
        cls,
        act: CommandContext,
        task_list: TaskList,
        plan: TaskPlan,
        *,
        post: Post,
        leader_post: str,
        calendar: Calendar,
    ) -> "Task":
        """Give a task to its lead unit.

        Raises UnmeasurableTarget, TwoLeads, UnitStandsTwice, PostOfAnotherUnit, PostIsVacant, DueOnRestDay,
        DueBeforeList, MilestoneOutside, SecrecyNeedsGround, SecrecyBelowItsSource.
        """
        target = plan.target
        if not (target.metric.strip() and target.unit.strip() and target.value > 0):
            raise UnmeasurableTarget(metric=target.metric, unit=target.unit, value=target.value)
        supporting = [support.unit for support in plan.supporters]
        if plan.lead_unit in supporting:
            raise TwoLeads(unit=plan.lead_unit)
        none_twice(supporting, "supporters")
        _check_post(post, plan.lead_unit)
        if plan.due_on < task_list.dated:
            raise DueBeforeList(due_on=plan.due_on, dated=task_list.dated)
        _check_working_day(plan.due_on, calendar, "due_on")
        for milestone in plan.milestones:
            if not task_list.dated <= milestone.on <= plan.due_on:
                raise MilestoneOutside(on=milestone.on, dated=task_list.dated, due_on=plan.due_on)
        check_secrecy(plan.secrecy, plan.secrecy_ground)
        check_not_below(plan.secrecy, task_list.secrecy)
        return cls.begin(
            cls.Assigned,
            act,
            cls.id_of(task_list.id, plan.number),
            list_id=task_list.id,
            directive_id=task_list.directive_id,
            number=plan.number,
            title=plan.title,
            category=plan.category,
            lead_unit=plan.lead_unit,
            post=post.post,
            supporters=plan.supporters,
            leader_post=leader_post,
            target=plan.target,
            due_on=plan.due_on,
            due_text=plan.due_text,
            milestones=plan.milestones,
            weight=plan.weight,
            secrecy=plan.secrecy,
            secrecy_ground=plan.secrecy_ground,
            key_task=plan.key_task,
            from_leader_instruction=plan.from_leader_instruction,
            remark=plan.remark,
        )

    class Assigned(assignment.TaskAssigned, Creation):
        def apply(self, task: "Task") -> None:
            task.assigned_because, task.assigned_at = self.because, self.happened_at
            task.plan = TaskPlan(
                number=self.number,
                title=self.title,
                lead_unit=self.lead_unit,
                target=self.target,
                due_on=self.due_on,
                category=self.category,
                supporters=self.supporters,
                due_text=self.due_text,
                milestones=self.milestones,
                weight=self.weight,
                secrecy=self.secrecy,
                secrecy_ground=self.secrecy_ground,
                key_task=self.key_task,
                from_leader_instruction=self.from_leader_instruction,
                remark=self.remark,
            )
            task.list_id, task._number = self.list_id, self.number
            task.lead_unit, task.post, task.leader_post = self.lead_unit, self.post, self.leader_post
            task.target, task.due_on, task.original_due_on = self.target, self.due_on, self.due_on
            task.parts = {support.unit: support for support in self.supporters}
            task.part_states = {support.unit: "open" for support in self.supporters}
            task.accepted_by, task.returns, task.returned, task.referred = frozenset(), 0, False, False
            task.under_way, task.claimed_at, task.completed = False, None, False
            task.asked_due_on, task.asked_by, task.extensions = None, None, ()
            task.disputed, task.solved = False, False
            task.pauses, task.suspended, task.ended = (), False, None

    # -- accepting, returning, reassigning ---------------------------------------------------------------------

    def accept(self, act: CommandContext) -> None:
        """The actor's unit takes the task. Raises UnitNotOnTask, AcceptedAlready, TaskIsReturned."""
        self._must_run(act)
        unit = self._own_unit(act)
        if unit in self.accepted_by:
            raise AcceptedAlready(unit=unit, number=self._number)
        if unit == self.lead_unit:
            self._not_returned()
        self.record(self.Accepted, act, unit=unit)

    class Accepted(assignment.TaskAccepted, Change):
        def apply(self, task: "Task") -> None:
            task.accepted_by = task.accepted_by | {self.unit}

    def return_(self, act: CommandContext, *, reason: str, suggested_unit: str) -> None:
        """The lead does not take it and suggests another; with the third return the leader decides.

        Raises OnlyTheLead, AcceptedAlready, TaskIsReturned, SuggestsItself.
        """
        self._must_run(act)
        self._as_lead(act)
        self._not_returned()
        if self.lead_unit in self.accepted_by:
            raise AcceptedAlready(unit=self.lead_unit, number=self._number)
        if suggested_unit == self.lead_unit:
            raise SuggestsItself()
        times = self.returns + 1
        self.record(
            self.Returned,
            act,
            unit=self.lead_unit,
            reason=reason,
            suggested_unit=suggested_unit,
            times=times,
            referred_to=self.leader_post if times >= RETURNS_UNTIL_REFERRED else None,
        )

    class Returned(assignment.TaskReturned, Change):
        def apply(self, task: "Task") -> None:
            task.returns, task.returned, task.referred = self.times, True, self.referred_to is not None

    def reassign(self, act: CommandContext, *, lead_unit: str, post: Post, reason: str) -> None:
        """Another unit leads; due date and clock stay. After a third return only a leader may (measure 7).

        Raises RoleDoesNotDecide, ReferredToLeader, CompletionIsClaimed, LeadsAlready, PostOfAnotherUnit, PostIsVacant.
        """
        self._must_run(act)
        self._as_role(act, "government_office", *LEADERS)
        if self.referred and act.role not in LEADERS:
            raise ReferredToLeader(number=self._number, leader=self.leader_post)
        self._not_claimed()
        if lead_unit == self.lead_unit and not self.returned:
            raise LeadsAlready(unit=lead_unit, number=self._number)
        _check_post(post, lead_unit)
        self.record(
            self.Reassigned,
            act,
            from_unit=self.lead_unit,
            lead_unit=lead_unit,
            post=post.post,
            reason=reason,
        )

    class Reassigned(assignment.TaskReassigned, Change):
        def apply(self, task: "Task") -> None:
            task.accepted_by = task.accepted_by - {self.from_unit}
            task.lead_unit, task.post, task.returned, task.referred = self.lead_unit, self.post, False, False
            # A supporter that leads now answers for its part as lead.
            task.parts = {unit: part for unit, part in task.parts.items() if unit != self.lead_unit}
            task.part_states = {unit: task.part_states[unit] for unit in task.parts}
            task.asked_due_on, task.asked_by, task.under_way = None, None, False

    # -- doing it ----------------------------------------------------------------------------------------------

    def break_down(self, act: CommandContext, *, items: Sequence[assignment.BreakdownItem]) -> None:
        """The lead breaks it down to project, post and person with quantities, in place of what was before.

        Raises OnlyTheLead, TaskIsReturned, PieceWithoutQuantity, PieceAfterDue.
        """
        self._must_run(act)
        self._as_lead(act)
        self._not_returned()
        for item in items:
            if item.quantity <= 0:
                raise PieceWithoutQuantity(project=item.project)
            if item.due_on is not None and item.due_on > self.due_on:
                raise PieceAfterDue(project=item.project, on=item.due_on, due_on=self.due_on)
        self.record(self.BrokenDown, act, items=tuple(items))

    class BrokenDown(assignment.TaskBrokenDown, Change):
        def apply(self, task: "Task") -> None:
            task.under_way = True

    def report_progress(
        self,
        act: CommandContext,
        *,
        value: Decimal,
        narrative: str,
        problems: str,
        next_steps: str,
        evidence: Sequence[str],
    ) -> None:
        """How far the actor's unit has come, in the target's unit. Raises UnitNotOnTask, NegativeProgress."""
        self._must_run(act)
        unit = self._own_unit(act)
        if value < 0:
            raise NegativeProgress(value=value)
        self.record(
            self.Progressed,
            act,
            unit=unit,
            value=value,
            narrative=narrative,
            problems=problems,
            next_steps=next_steps,
            evidence=tuple(evidence),
        )

    class Progressed(assignment.ProgressReported, Change):
        def apply(self, task: "Task") -> None:
            task.under_way = True

    def finish_support(self, act: CommandContext, *, note: str) -> None:
        """A supporting unit finished its own part. Raises UnitNotOnTask, PartIsClosed."""
        self._must_run(act)
        unit = act.by.unit
        if unit not in self.parts:
            raise UnitNotOnTask(unit=unit, number=self._number)
        self._part_is_open(unit)
        self.record(self.SupportFinished, act, unit=unit, note=note)

    class SupportFinished(assignment.SupportDone, Change):
        def apply(self, task: "Task") -> None:
            task.part_states = {**task.part_states, self.unit: "done"}

    def waive_support(self, act: CommandContext, *, unit: str, reason: str) -> None:
        """The supervision office does without a supporting unit's part.

        Raises RoleDoesNotDecide, MayNotJudgeOwnUnit, NotASupporter, PartIsClosed.
        """
        self._must_run(act)
        self._as_judge(act)
        if unit not in self.parts:
            raise NotASupporter(unit=unit, number=self._number)
        self._part_is_open(unit)
        self.record(self.SupportWaived, act, unit=unit, reason=reason)

    class SupportWaived(assignment.SupportWaived, Change):
        def apply(self, task: "Task") -> None:
            task.part_states = {**task.part_states, self.unit: "waived"}

    # -- completion --------------------------------------------------------------------------------------------

    def claim_completion(self, act: CommandContext, *, note: str, evidence: Sequence[str]) -> None:
        """The lead says that the target is reached.

        Raises OnlyTheLead, TaskIsReturned, CompletionIsClaimed, RequiredPartIsOpen.
        """
        self._must_run(act)
        self._as_lead(act)
        self._not_returned()
        self._not_claimed()
        still_open = [
            unit for unit, part in self.parts.items() if part.required and self.part_states[unit] == "open"
        ]
        if still_open:
            raise RequiredPartIsOpen(units="、".join(still_open))
        self.record(self.CompletionClaimed, act, unit=self.lead_unit, note=note, evidence=tuple(evidence))

    class CompletionClaimed(assignment.CompletionClaimed, Change):
        def apply(self, task: "Task") -> None:
            task.claimed_at, task.completed = self.happened_at, False

    def accept_completion(self, act: CommandContext, *, note: str) -> None:
        """The supervision office accepts; the task is closed, unless it waits for a leader's word (domain.md §4.4).

        Raises RoleDoesNotDecide, MayNotJudgeOwnUnit, NoCompletionClaimed.
        """
        self._must_run(act)
        self._as_judge(act)
        claimed_at = self._claim()
        self.record(self.CompletionAccepted, act, claimed_at=claimed_at, note=note)
        if not self.plan.from_leader_instruction:
            self.record(self.Closed, act, ground="accepted")

    class CompletionAccepted(assignment.CompletionAccepted, Change):
        def apply(self, task: "Task") -> None:
            task.completed = True

    class Closed(assignment.TaskClosed, Change):
        def apply(self, task: "Task") -> None:
            task.ended = "closed"

    def send_back(self, act: CommandContext, *, reason: str) -> None:
        """The supervision office does not accept the claim.

        Raises RoleDoesNotDecide, MayNotJudgeOwnUnit, NoCompletionClaimed.
        """
        self._must_run(act)
        self._as_judge(act)
        self._claim()
        self.record(self.SentBack, act, reason=reason)

    class SentBack(assignment.CompletionSentBack, Change):
        def apply(self, task: "Task") -> None:
            task.claimed_at, task.under_way = None, True

    def no_new_instruction(self, act: CommandContext) -> None:
        """The leader gives no new instruction: the item is closed.

        Raises RoleDoesNotDecide, NotFromAnInstruction, CompletionNotAccepted.
        """
        self._must_run(act)
        self._from_instruction(act)
        if not self.completed:
            raise CompletionNotAccepted(number=self._number)
        self.record(self.Closed, act, ground="no_new_instruction")

    def new_instruction(self, act: CommandContext, *, text: str) -> None:
        """The leader gives a new instruction: the item stays open, a completion is to be claimed anew.

        Raises RoleDoesNotDecide, NotFromAnInstruction.
        """
        self._must_run(act)
        self._from_instruction(act)
        self.record(self.InstructedAnew, act, text=text)

    class InstructedAnew(assignment.NewInstructionGiven, Change):
        def apply(self, task: "Task") -> None:
            task.claimed_at, task.completed, task.under_way = None, False, True

    # -- extension ---------------------------------------------------------------------------------------------

    def request_extension(
        self, act: CommandContext, *, new_due_on: date, reason: str, rule: Rule, calendar: Calendar
    ) -> None:
        """The lead asks for a later date while the present one has not passed; ``rule`` caps how often.

        "Passed" is judged by when it was recorded, at the close of the due day as pauses have moved it.
        Raises OnlyTheLead, TaskIsReturned, CompletionIsClaimed, ExtensionAfterDue, ExtensionIsAsked,
        ExtensionsUsedUp, ExtensionMustMoveForward, DueOnRestDay.
        """
        self._must_run(act)
        self._as_lead(act)
        self._not_returned()
        self._not_claimed()
        due = self.due_day(rule, calendar)
        if act.recorded_at >= close_of(due):
            raise ExtensionAfterDue(due_on=due)
        if self.asked_by is not None:
            raise ExtensionIsAsked(number=self._number)
        most = rule.max_extensions
        if most is not None and len(self.extensions) >= most:
            raise ExtensionsUsedUp(number=self._number, times=len(self.extensions), most=most)
        if new_due_on <= due:
            raise ExtensionMustMoveForward(new_due_on=new_due_on, due_on=due)
        _check_working_day(new_due_on, calendar, "new_due_on")
        self.record(self.ExtensionAsked, act, unit=self.lead_unit, new_due_on=new_due_on, reason=reason)

    class ExtensionAsked(assignment.ExtensionRequested, Change):
        def apply(self, task: "Task") -> None:
            task.asked_due_on, task.asked_by = self.new_due_on, self.by

    def grant_extension(self, act: CommandContext, *, in_charge_of: Sequence[str]) -> None:
        """One level above grants the date that was asked; the original date stays visible.

        ``in_charge_of`` is the actor's portfolio. Raises NoExtensionAsked, AskerMayNotDecide, RoleDoesNotDecide,
        NotTheLeaderInCharge.
        """
        asked = self._asked(act, in_charge_of)
        self.record(
            self.ExtensionGranted,
            act,
            due_on=asked,
            original_due_on=self.original_due_on,
            times=len(self.extensions) + 1,
        )

    class ExtensionGranted(assignment.ExtensionGranted, Change):
        def apply(self, task: "Task") -> None:
            granted = Extension(to=self.due_on, granted=local_day(self.happened_at))
            task.due_on, task.extensions = self.due_on, (*task.extensions, granted)
            task.asked_due_on, task.asked_by = None, None

    def refuse_extension(self, act: CommandContext, *, reason: str, in_charge_of: Sequence[str]) -> None:
        """One level above refuses: the date stands. Raises what granting raises."""
        self._asked(act, in_charge_of)
        self.record(self.ExtensionRefused, act, reason=reason)

    class ExtensionRefused(assignment.ExtensionRefused, Change):
        def apply(self, task: "Task") -> None:
            task.asked_due_on, task.asked_by = None, None

    # -- disputes ----------------------------------------------------------------------------------------------

    def raise_dispute(self, act: CommandContext, *, with_units: Sequence[str], about: str) -> None:
        """A unit on the task disagrees with others. Raises UnitNotOnTask, DisputesWithItself, DisputeIsOpen."""
        self._must_run(act)
        unit = self._own_unit(act)
        if unit in with_units:
            raise DisputesWithItself(unit=unit)
        none_twice(with_units, "with_units")
        if self.disputed:
            raise DisputeIsOpen(number=self._number)
        self.record(self.Disputed, act, unit=unit, with_units=tuple(with_units), about=about)

    class Disputed(assignment.DisputeRaised, Change):
        def apply(self, task: "Task") -> None:
            task.disputed, task.solved = True, False

    def propose_solution(self, act: CommandContext, *, coordination: str, solution: str) -> None:
        """The lead writes down how it coordinated and what it proposes. Raises OnlyTheLead, NoDispute."""
        self._must_run(act)
        self._as_lead(act)
        self._in_dispute()
        self.record(self.SolutionProposed, act, coordination=coordination, solution=solution)

    class SolutionProposed(assignment.SolutionProposed, Change):
        def apply(self, task: "Task") -> None:
            task.solved = True

    def rule_on_dispute(self, act: CommandContext, *, ruling: str, in_charge_of: Sequence[str]) -> None:
        """The leader in charge rules, only with the lead's proposed solution before him.

        Raises RoleDoesNotDecide, NotTheLeaderInCharge, NoDispute, DisputeWithoutSolution.
        """
        self._must_run(act)
        self._as_leader_in_charge(act, in_charge_of)
        self._in_dispute()
        if not self.solved:
            raise DisputeWithoutSolution()
        self.record(self.Ruled, act, ruling=ruling)

    class Ruled(assignment.DisputeRuled, Change):
        def apply(self, task: "Task") -> None:
            task.disputed, task.solved = False, False

    # -- resting and ending ------------------------------------------------------------------------------------

    def suspend(self, act: CommandContext, *, reason: str) -> None:
        """The task rests. Raises RoleDoesNotDecide, TaskIsSuspended."""
        self._must_run(act)
        self._as_role(act, "supervision_office", *LEADERS)
        self.record(self.Suspended, act, reason=reason)

    class Suspended(assignment.TaskSuspended, Change):
        def apply(self, task: "Task") -> None:
            task.suspended, task.pauses = True, (*task.pauses, Pause(since=self.happened_at))

    def resume(self, act: CommandContext, *, reason: str) -> None:
        """The task goes on. Raises RoleDoesNotDecide, NotSuspended, BeforeItWasAssigned."""
        self._must_live(act)
        self._as_role(act, "supervision_office", *LEADERS)
        if not self.suspended:
            raise NotSuspended(number=self._number)
        since = self.pauses[-1].since
        if isinstance(since, datetime) and act.happened_at < since:
            raise BeforeItWasAssigned(happened_at=act.happened_at.isoformat(), assigned_at=since.isoformat())
        self.record(self.Resumed, act, reason=reason)

    class Resumed(assignment.TaskResumed, Change):
        def apply(self, task: "Task") -> None:
            *before, last = task.pauses
            task.suspended = False
            task.pauses = (*before, Pause(since=last.since, until=self.happened_at))

    def cancel(self, act: CommandContext, *, reason: str) -> None:
        """It is no longer to be done. Raises RoleDoesNotDecide."""
        self._must_live(act)
        self._as_role(act, *LEADERS)
        self.record(self.Cancelled, act, reason=reason)

    class Cancelled(assignment.TaskCancelled, Change):
        def apply(self, task: "Task") -> None:
            task.ended = "cancelled"

    def supersede(self, act: CommandContext, *, by_task: UUID, reason: str) -> None:
        """Another task stands in its place. Raises RoleDoesNotDecide, SupersedesItself."""
        self._must_live(act)
        self._as_role(act, "government_office", *LEADERS)
        if by_task == self.id:
            raise SupersedesItself(number=self._number)
        self.record(self.Superseded, act, by_task=by_task, reason=reason)

    class Superseded(assignment.TaskSuperseded, Change):
        def apply(self, task: "Task") -> None:
            task.ended = "superseded"

    # -- what the rules ask ------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The task's state in one word, see ``state_of``."""
        return state_of(
            ended=self.ended,
            suspended=self.suspended,
            completed=self.completed,
            claimed=self.claimed_at is not None,
            returned=self.returned,
            under_way=self.under_way,
            accepted=self.lead_unit in self.accepted_by,
        )

    @property
    def number(self) -> str:
        """The number within its list."""
        return self._number

    def due_day(self, rule: Rule, calendar: Calendar) -> date:
        """The due day as extensions and finished pauses have moved it (working days that were left are left still)."""
        over = tuple(pause for pause in self.pauses if pause.until is not None)
        found = due_on(
            rule,
            calendar,
            self.assigned_at,
            own_date=self.original_due_on,
            pauses=over,
            extensions=self.extensions,
        )
        return found or self.due_on

    def _must_live(self, act: CommandContext) -> None:
        if self.ended is not None:
            raise TaskAlreadyClosed(number=self._number, state=self.ended)
        if act.happened_at < self.assigned_at:
            raise BeforeItWasAssigned(
                happened_at=act.happened_at.isoformat(), assigned_at=self.assigned_at.isoformat()
            )

    def _must_run(self, act: CommandContext) -> None:
        self._must_live(act)
        if self.suspended:
            raise TaskIsSuspended(number=self._number)

    def _own_unit(self, act: CommandContext) -> str:
        unit = act.by.unit
        if unit != self.lead_unit and unit not in self.parts:
            raise UnitNotOnTask(unit=unit, number=self._number)
        return unit

    def _as_lead(self, act: CommandContext) -> None:
        if act.by.unit != self.lead_unit:
            raise OnlyTheLead(number=self._number, lead=self.lead_unit)

    def _as_role(self, act: CommandContext, *roles: str) -> None:
        if act.role not in roles:
            raise RoleDoesNotDecide(role=act.role, expected="、".join(roles))

    def _as_judge(self, act: CommandContext) -> None:
        """The supervision office judges; where it is on the task itself, somebody of another unit has to: a leader."""
        self._as_role(act, "supervision_office", *LEADERS)
        if act.by.unit == self.lead_unit or act.by.unit in self.parts:
            raise MayNotJudgeOwnUnit(unit=act.by.unit, number=self._number)

    def _as_leader_in_charge(self, act: CommandContext, in_charge_of: Sequence[str]) -> None:
        self._as_role(act, *LEADERS)
        in_charge = act.by.post == self.leader_post or self.lead_unit in in_charge_of
        if act.role != "main_leader" and not in_charge:
            raise NotTheLeaderInCharge(post=act.by.post, number=self._number, leader=self.leader_post)

    def _asked(self, act: CommandContext, in_charge_of: Sequence[str]) -> date:
        self._must_run(act)
        if self.asked_due_on is None or self.asked_by is None:
            raise NoExtensionAsked(number=self._number)
        if act.by.post == self.asked_by.post or act.by.unit == self.asked_by.unit:
            raise AskerMayNotDecide()
        self._as_leader_in_charge(act, in_charge_of)
        return self.asked_due_on

    def _claim(self) -> datetime:
        if self.claimed_at is None or self.completed:
            raise NoCompletionClaimed(number=self._number)
        return self.claimed_at

    def _not_claimed(self) -> None:
        if self.claimed_at is not None:
            raise CompletionIsClaimed(number=self._number)

    def _not_returned(self) -> None:
        if self.returned:
            raise TaskIsReturned(number=self._number)

    def _part_is_open(self, unit: str) -> None:
        if self.part_states[unit] != "open":
            raise PartIsClosed(unit=unit, state=self.part_states[unit])

    def _from_instruction(self, act: CommandContext) -> None:
        self._as_role(act, *LEADERS)
        if not self.plan.from_leader_instruction:
            raise NotFromAnInstruction(number=self._number)

    def _in_dispute(self) -> None:
        if not self.disputed:
            raise NoDispute(number=self._number)


def _check_post(post: Post, unit: str) -> None:
    if post.unit != unit:
        raise PostOfAnotherUnit(post=post.post, unit=unit)
    if post.is_vacant:
        raise PostIsVacant(post=post.post)


def _check_working_day(day: date, calendar: Calendar, field: str) -> None:
    if not calendar.is_working(day):
        before, after = calendar.working_days_around(day)
        raise DueOnRestDay(day=day, before=before, after=after, at_field=field)
