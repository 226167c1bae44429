"""The task 任务 (measure 7): from assigning to closing, with everything that may come between."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.assignment.domain.directives import check_not_below, check_secrecy, none_twice
from services.assignment.domain.lists import TaskList
from services.assignment.domain.task import refusals as no
from services.assignment.domain.task.state import TaskState, evolve
from shared.calendar import Calendar, check_has_an_end
from shared.calendar.due import Pause, due_on
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.clock import close_of, local_day
from shared.domain.guards import requires
from shared.domain.moments import not_before
from shared.domain.roles import LEADERS, Role
from shared.domain.text import identity
from shared.domain.units import PostState
from shared.events import assignment
from shared.rulebook import Rulebook

TASK, CLAIM_RESTS = "task_due", "completion_check"
"""The rulebook's clock of a task, and the one in whose rulebooks a claimed completion lets it rest."""

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


def due_day(task: TaskState, rulebook: Rulebook, calendar: Calendar) -> date:
    """The due day as extensions and finished pauses have moved it (working days that were left are left still).

    What a claimed completion waited at the office, until it was sent back, is a pause too, unless the claim was entered
    only after the due day, or by the rulebook of its case a claim lets no clock rest. These are the terms of
    supervision's clock, for what is decided before its facts have come.
    """
    rule = rulebook.rule(TASK)
    if task.term_due_on is None and rule.length is None:
        return task.due_on  # a new instruction without a date, of which only the clock knows the length
    pauses = [Pause(rest.since, rest.until) for rest in task.pauses if rest.until is not None]

    def reckoned() -> date:
        found = due_on(
            rule,
            calendar,
            task.term_since,
            own_date=task.term_due_on,
            pauses=pauses,
            extensions=task.granted,
        )
        return found or task.due_on

    for wait in task.waits if CLAIM_RESTS in rulebook else ():
        if wait.until is not None and wait.entered_at < close_of(reckoned()):
            pauses.append(Pause(wait.since, wait.until))
    return reckoned()


# -- guards -------------------------------------------------------------------------------------------------------


def is_open(task: TaskState, act: CommandContext) -> None:
    """It has not ended, and nothing is dated before it was assigned."""
    if task.ended is not None:
        raise no.TaskAlreadyClosed(number=task.number, state=task.ended)
    if act.happened_at < task.assigned_at:
        raise no.BeforeItWasAssigned(happened_at=act.happened_at, assigned_at=task.assigned_at)


def is_running(task: TaskState, act: CommandContext) -> None:
    """It is open and does not rest."""
    is_open(task, act)
    if task.suspended:
        raise no.TaskIsSuspended(number=task.number)


def is_suspended(task: TaskState, act: CommandContext) -> None:
    """It rests, and goes on after it was suspended."""
    if not task.suspended:
        raise no.NotSuspended(number=task.number)
    not_before(act, assignment.TaskSuspended, task.pauses[-1].since)


def after_its_last_rest(task: TaskState, act: CommandContext) -> None:
    """What lets a clock rest comes after the last rest is over, so that rests follow one another."""
    not_before(act, assignment.NewInstructionGiven, task.term_since)
    for rest in task.pauses:
        not_before(act, assignment.TaskResumed, rest.until)
    for wait in task.waits:
        not_before(act, assignment.CompletionClaimed, wait.since)
        not_before(act, assignment.CompletionSentBack, wait.until)


def by_the_lead(task: TaskState, act: CommandContext) -> None:
    """The lead unit acts, since it leads."""
    if act.by.unit != task.lead_unit:
        raise no.OnlyTheLead(number=task.number, lead=task.lead_unit)
    not_before(act, assignment.TaskReassigned, task.led_since)


def by_a_unit_on_it(task: TaskState, act: CommandContext) -> None:
    """The lead or a supporting unit acts, since it is on it."""
    if act.by.unit not in task.concerned:
        raise no.UnitNotOnTask(unit=act.by.unit, number=task.number)
    if act.by.unit == task.lead_unit:
        not_before(act, assignment.TaskReassigned, task.led_since)
    elif task.supporters[act.by.unit].state == "open":
        not_before(act, assignment.SupportReassigned, task.supporters[act.by.unit].since)


def by_a_supporter(task: TaskState, act: CommandContext) -> None:
    """A supporting unit acts, whose part is open."""
    if act.by.unit not in task.supporters:
        raise no.UnitNotOnTask(unit=act.by.unit, number=task.number)
    has_not_returned_its_part(task, act)
    part_is_not_over(task, act, act.by.unit)


def part_is_not_over(task: TaskState, act: CommandContext, unit: str) -> None:
    """The supporting unit's part is neither done nor waived."""
    part = task.supporters[unit]
    if not part.waits:
        raise no.PartIsClosed(unit=unit, state=part.state)
    got = assignment.SupportReturned if part.state == "returned" else assignment.SupportReassigned
    not_before(act, got, part.since)


def judged_by_another_unit(task: TaskState, act: CommandContext) -> None:
    """Whoever judges is not on the task: where the supervision office is, a leader judges."""
    if act.by.unit in task.concerned:
        raise no.MayNotJudgeOwnUnit(unit=act.by.unit, number=task.number)


def _is_in_charge(task: TaskState, act: CommandContext, in_charge: bool) -> bool:
    return act.role == Role.main_leader or act.by.post == task.leader_post or in_charge


def by_the_leader_in_charge(task: TaskState, act: CommandContext, in_charge: bool) -> None:
    """The task's own leader decides, one who is in charge of the lead unit, or the main leader."""
    if not _is_in_charge(task, act, in_charge):
        raise no.NotTheLeaderInCharge(post=act.by.post, number=task.number, leader=task.leader_post)


def by_the_lead_or_its_leader(task: TaskState, act: CommandContext, in_charge: bool) -> None:
    """The lead unit decides, or the leader in charge of it."""
    if act.by.unit != task.lead_unit and not _is_in_charge(task, act, in_charge):
        raise no.NotTheLeadOrItsLeader(number=task.number, lead=task.lead_unit, leader=task.leader_post)


def by_a_leader_once_referred(task: TaskState, act: CommandContext) -> None:
    """After a third return only a leader decides (measure 7)."""
    if task.referred_to is not None and act.role not in LEADERS:
        raise no.ReferredToLeader(number=task.number, leader=task.leader_post)


def not_accepted(task: TaskState, act: CommandContext) -> None:
    """The actor's unit has not accepted it yet."""
    if act.by.unit in task.accepted_by:
        raise no.AcceptedAlready(unit=act.by.unit, number=task.number)


def not_accepted_by_the_actor(task: TaskState, act: CommandContext) -> None:
    """The actor's unit has not accepted it yet, and the lead has not returned it."""
    not_accepted(task, act)
    if act.by.unit == task.lead_unit:
        not_returned(task, act)


def has_not_returned_its_part(task: TaskState, act: CommandContext) -> None:
    """The actor's unit, if it supports, has not returned its part."""
    part = task.supporters.get(act.by.unit)
    if part is not None and part.state == "returned":
        raise no.PartIsReturned(unit=act.by.unit)


def not_returned(task: TaskState, act: CommandContext) -> None:
    """It does not wait to be reassigned."""
    if task.returned:
        raise no.TaskIsReturned(number=task.number)


def not_claimed(task: TaskState, act: CommandContext) -> None:
    """No claimed completion waits to be judged."""
    if task.claimed_at is not None:
        raise no.CompletionIsClaimed(number=task.number)


def after_the_last_instruction(task: TaskState, act: CommandContext) -> None:
    """What a new instruction asks for is done after it."""
    not_before(act, assignment.NewInstructionGiven, task.instructed_at)


def is_claimed(task: TaskState, act: CommandContext) -> None:
    """A claimed completion waits to be judged, which is not judged before it was claimed."""
    if task.claimed_at is None or task.completed:
        raise no.NoCompletionClaimed(number=task.number)
    not_before(act, assignment.CompletionClaimed, task.claimed_at)


def required_parts_are_over(task: TaskState, act: CommandContext) -> None:
    """Every required part is done or waived, and was so by then."""
    required = {unit: part for unit, part in task.supporters.items() if part.required}
    waiting = [unit for unit, part in required.items() if part.waits]
    if waiting:
        raise no.RequiredPartIsOpen(units=waiting)
    for part in required.values():
        over = assignment.SupportDone if part.state == "done" else assignment.SupportWaived
        not_before(act, over, part.since)


def from_an_instruction(task: TaskState, act: CommandContext) -> None:
    """It comes from a leader's instruction."""
    if not task.from_leader_instruction:
        raise no.NotFromAnInstruction(number=task.number)


def completion_is_accepted(task: TaskState, act: CommandContext) -> None:
    """The supervision office has accepted the completion."""
    if not task.completed:
        raise no.CompletionNotAccepted(number=task.number)
    after_its_acceptance(task, act)


def after_its_acceptance(task: TaskState, act: CommandContext) -> None:
    """What comes of a claimed or accepted completion comes after it."""
    not_before(act, assignment.CompletionClaimed, task.claimed_at)
    not_before(act, assignment.CompletionAccepted, task.completed_at if task.completed else None)


def since_it_was_returned(task: TaskState, act: CommandContext) -> None:
    """A returned task is reassigned after its return, any other after the last reassignment."""
    not_before(act, assignment.TaskReassigned, task.led_since)
    not_before(act, assignment.TaskReturned, task.returned_at)


def before_its_due_day_is_over(
    task: TaskState, act: CommandContext, rulebook: Rulebook, calendar: Calendar
) -> None:
    """The close of the due day has not passed when it is recorded."""
    due = due_day(task, rulebook, calendar)
    if act.recorded_at >= close_of(due):
        raise no.ExtensionAfterDue(due_on=due)


def may_be_extended(task: TaskState, act: CommandContext, rulebook: Rulebook) -> None:
    """No extension waits to be decided, and the rulebook allows another one."""
    if task.extension_request is not None:
        raise no.ExtensionIsAsked(number=task.number)
    most = rulebook.rule(TASK).max_extensions
    if most is not None and task.extensions >= most:
        raise no.ExtensionsUsedUp(number=task.number, times=task.extensions, most=most)


def extension_asked_by_another(task: TaskState, act: CommandContext) -> None:
    """An extension waits to be decided, and neither the post nor the unit that asked decides it."""
    asked = task.extension_request
    if asked is None:
        raise no.NoExtensionAsked(number=task.number)
    not_before(act, assignment.ExtensionRequested, datetime.fromisoformat(asked.asked_at))
    if act.by.post == asked.post or act.by.unit == asked.unit:
        raise no.AskerMayNotDecide()


def not_in_dispute(task: TaskState, act: CommandContext) -> None:
    """No disagreement waits for a ruling."""
    if task.dispute is not None:
        raise no.DisputeIsOpen(number=task.number)


def in_dispute(task: TaskState, act: CommandContext) -> None:
    """A disagreement waits for a ruling."""
    if task.dispute is None:
        raise no.NoDispute(number=task.number)
    not_before(act, assignment.DisputeRaised, task.dispute.raised_at)


def has_a_solution(task: TaskState, act: CommandContext) -> None:
    """The lead has proposed a solution."""
    if task.dispute is None or task.dispute.solution is None:
        raise no.DisputeWithoutSolution()
    not_before(act, assignment.SolutionProposed, task.dispute.solved_at)


# -- checks -------------------------------------------------------------------------------------------------------


def _answered_by(post: PostState, unit: str) -> None:
    if post.unit != unit:
        raise no.PostOfAnotherUnit(post=post.post, unit=unit)
    if post.holder is None:
        raise no.PostIsVacant(post=post.post)


def _not_before_it_had_it(act: CommandContext, *since: datetime | None) -> CommandContext:
    """What follows from a dissolution happened with it, or when the unit got the thing, if that was later."""
    return replace(act, happened_at=max([act.happened_at, *filter(None, since)]))


def _on_a_working_day(day: date, calendar: Calendar, field: str) -> None:
    check_has_an_end(day, field)
    if not calendar.is_working(day):
        before, after = calendar.working_days_around(day)
        raise no.DueOnRestDay(day=day, before=before, after=after, at_field=field)


class Task(Aggregate, lifecycle=evolve):
    """What a lead unit, with others that support it, has to reach by a day."""

    TOPIC = "assignment.task"
    state: TaskState

    # -- assigning ------------------------------------------------------------------------------------------------

    @staticmethod
    def id_of(list_id: UUID, number: str) -> UUID:
        """The aggregate that stands for this number of this list, however it is spelled."""
        return stable_id("task", list_id, identity(number))

    @staticmethod
    def former_id_of(list_id: UUID, number: str) -> UUID:
        """The aggregate for this very spelling, as it was assigned before spellings were compared."""
        return stable_id("task", list_id, number)

    @classmethod
    def assign(
        cls,
        act: CommandContext,
        *,
        task_list: TaskList,
        plan: TaskPlan,
        post: PostState,
        leader_post: str,
        calendar: Calendar,
    ) -> "Task":
        """Give a task to its lead unit."""
        target, dated = plan.target, task_list.state.dated
        if not (target.metric.strip() and target.unit.strip() and target.value > 0):
            raise no.UnmeasurableTarget(metric=target.metric, unit=target.unit, value=target.value)
        supporting = [support.unit for support in plan.supporters]
        if plan.lead_unit in supporting:
            raise no.TwoLeads(unit=plan.lead_unit)
        none_twice(supporting, "supporters")
        _answered_by(post, plan.lead_unit)
        if plan.due_on < dated:
            raise no.DueBeforeList(due_on=plan.due_on, dated=dated)
        _on_a_working_day(plan.due_on, calendar, "due_on")
        steps = set[tuple[date, str]]()
        for milestone in plan.milestones:
            if (step := (milestone.on, identity(milestone.what))) in steps:
                raise no.MilestoneStandsTwice(on=milestone.on, what=milestone.what)
            steps.add(step)
            if not dated <= milestone.on <= plan.due_on:
                raise no.MilestoneOutside(on=milestone.on, dated=dated, due_on=plan.due_on)
        check_secrecy(plan.secrecy, plan.secrecy_ground)
        check_not_below(plan.secrecy, task_list.state.secrecy)
        return cls.begin(
            assignment.TaskAssigned,
            act,
            id=cls.id_of(task_list.id, plan.number),
            list_id=task_list.id,
            directive_id=task_list.state.directive_id,
            post=post.post,
            leader_post=leader_post,
            **vars(plan),
        )

    # -- accepting, returning, reassigning ------------------------------------------------------------------------

    @requires(is_running, by_a_unit_on_it, not_accepted_by_the_actor, has_not_returned_its_part)
    def accept(self, act: CommandContext) -> None:
        """The actor's unit takes the task."""
        self.record(assignment.TaskAccepted, act, unit=act.by.unit)

    @requires(is_running, by_the_lead, not_accepted_by_the_actor)
    def return_it(self, act: CommandContext, *, reason: str, suggested_unit: str) -> None:
        """The lead does not take it and suggests another; with the third return the leader decides."""
        if suggested_unit == self.state.lead_unit:
            raise no.SuggestsItself()
        times = self.state.returns + 1
        self.record(
            assignment.TaskReturned,
            act,
            unit=self.state.lead_unit,
            reason=reason,
            suggested_unit=suggested_unit,
            times=times,
            referred_to=self.state.leader_post if times >= RETURNS_UNTIL_REFERRED else None,
        )

    @requires(is_running, by_a_leader_once_referred, not_claimed, since_it_was_returned)
    def reassign(
        self,
        act: CommandContext,
        *,
        lead_unit: str,
        post: PostState,
        leader_post: str | None = None,
        reason: str,
    ) -> None:
        """Another unit leads, under its own leader if one is named; due date and clock stay."""
        if lead_unit == self.state.lead_unit and not self.state.returned:
            raise no.LeadsAlready(unit=lead_unit, number=self.number)
        _answered_by(post, lead_unit)
        self.record(
            assignment.TaskReassigned,
            act,
            from_unit=self.state.lead_unit,
            lead_unit=lead_unit,
            post=post.post,
            leader_post=leader_post,
            reason=reason,
        )

    def hand_on(
        self,
        act: CommandContext,
        *,
        unit: str,
        successor: str | None,
        post: PostState | None,
        leader_post: str | None,
    ) -> None:
        """A unit is dissolved: what it has of the task goes to the successor, or else to who reassigns it.

        The lead goes to the successor's ``post``; without one, and after a third return, a leader decides. What waits
        for a leader's decision already, and what is over, stays as it is.
        """
        task = self.state
        if task.ended is not None:
            return
        reason = f"单位 {unit} 已撤销" + (f"，由 {successor} 承接" if successor else "")
        if task.lead_unit == unit and task.referred_to is None:
            act = _not_before_it_had_it(act, task.led_since, task.returned_at)
            if post is not None:
                self.record(
                    assignment.TaskReassigned,
                    act,
                    from_unit=unit,
                    lead_unit=post.unit,
                    post=post.post,
                    leader_post=leader_post,
                    reason=reason,
                )
            else:
                self.record(
                    assignment.TaskReturned,
                    act,
                    unit=unit,
                    reason=reason,
                    suggested_unit=successor or "",
                    times=task.returns,
                    referred_to=task.leader_post,
                )
        part = task.supporters.get(unit)
        if part is None or not part.waits:
            return
        act = _not_before_it_had_it(act, part.since)
        if successor is not None:
            self.record(assignment.SupportReassigned, act, from_unit=unit, unit=successor, reason=reason)
        elif part.state == "open":
            self.record(assignment.SupportReturned, act, unit=unit, reason=reason)

    # -- doing it -------------------------------------------------------------------------------------------------

    @requires(is_running, by_the_lead, not_returned)
    def break_down(
        self,
        act: CommandContext,
        *,
        items: Sequence[assignment.BreakdownItem],
        rulebook: Rulebook,
        calendar: Calendar,
    ) -> None:
        """The lead breaks it down to project, post and person with quantities, in place of what was before."""
        due = due_day(self.state, rulebook, calendar)
        for item in items:
            if item.quantity <= 0:
                raise no.PieceWithoutQuantity(project=item.project)
            if item.due_on is not None and item.due_on > due:
                raise no.PieceAfterDue(project=item.project, on=item.due_on, due_on=due)
        self.record(assignment.TaskBrokenDown, act, items=tuple(items))

    @requires(is_running, by_a_unit_on_it)
    def report_progress(
        self,
        act: CommandContext,
        *,
        value: Decimal,
        narrative: str,
        problems: str = "",
        next_steps: str = "",
        evidence: Sequence[str] = (),
    ) -> None:
        """How far the actor's unit has come, in the target's unit."""
        if value < 0:
            raise no.NegativeProgress(value=value)
        self.record(
            assignment.ProgressReported,
            act,
            unit=act.by.unit,
            value=value,
            narrative=narrative,
            problems=problems,
            next_steps=next_steps,
            evidence=tuple(evidence),
        )

    @requires(is_running, by_a_supporter)
    def finish_support(self, act: CommandContext, *, note: str = "") -> None:
        """A supporting unit finished its own part."""
        self.record(assignment.SupportDone, act, unit=act.by.unit, note=note)

    @requires(is_running, by_a_supporter, not_accepted)
    def return_support(self, act: CommandContext, *, reason: str, suggested_unit: str | None = None) -> None:
        """A supporting unit does not take its part, and may say who should."""
        if suggested_unit == act.by.unit:
            raise no.SuggestsItself()
        self.record(
            assignment.SupportReturned, act, unit=act.by.unit, reason=reason, suggested_unit=suggested_unit
        )

    @requires(is_running, by_the_lead_or_its_leader, not_claimed)
    def reassign_support(
        self, act: CommandContext, *, unit: str, to_unit: str, reason: str, in_charge: bool
    ) -> None:
        """A part goes to another unit; to the same again only if that had returned it."""
        self._is_a_supporter(unit)
        part_is_not_over(self.state, act, unit)
        if to_unit == unit and self.state.supporters[unit].state == "open":
            raise no.SupportsAlready(unit=unit)
        self.record(assignment.SupportReassigned, act, from_unit=unit, unit=to_unit, reason=reason)

    def _is_a_supporter(self, unit: str) -> None:
        if unit not in self.state.supporters:
            raise no.NotASupporter(unit=unit, number=self.number)

    @requires(is_running, judged_by_another_unit)
    def waive_support(self, act: CommandContext, *, unit: str, reason: str) -> None:
        """The supervision office does without a supporting unit's part."""
        self._is_a_supporter(unit)
        part_is_not_over(self.state, act, unit)
        self.record(assignment.SupportWaived, act, unit=unit, reason=reason)

    @requires(is_running, by_the_lead, not_returned)
    def reach_milestone(
        self, act: CommandContext, *, on: date, what: str, note: str = "", evidence: Sequence[str] = ()
    ) -> None:
        """The lead reports that one of the task's milestones is reached."""
        named = (step for step in self.state.milestones if step.on == on)
        step = next((step for step in named if identity(step.what) == identity(what)), None)
        if step is None:
            raise no.NoSuchMilestone(number=self.number, on=on, what=what)
        if step.reached_on is not None:
            raise no.MilestoneReachedAlready(what=what, reached_on=step.reached_on)
        self.record(
            assignment.MilestoneReached, act, on=on, what=step.what, note=note, evidence=tuple(evidence)
        )

    # -- completion -----------------------------------------------------------------------------------------------

    @requires(
        is_running,
        by_the_lead,
        not_returned,
        not_claimed,
        required_parts_are_over,
        after_its_last_rest,
        after_the_last_instruction,
    )
    def claim_completion(self, act: CommandContext, *, note: str, evidence: Sequence[str] = ()) -> None:
        """The lead says that the target is reached, by evidence or after a report of its progress."""
        reported = self.state.reported_at
        if not evidence and (reported is None or act.happened_at < reported):
            raise no.CompletionWithoutReport(number=self.number)
        self.record(assignment.CompletionClaimed, act, unit=act.by.unit, note=note, evidence=tuple(evidence))

    @requires(is_running, judged_by_another_unit, is_claimed)
    def accept_completion(self, act: CommandContext, *, note: str = "") -> None:
        """The supervision office accepts; the task is closed, unless it waits for a leader's word (domain.md §4.4)."""
        self.record(
            assignment.CompletionAccepted,
            act,
            claimed_at=self.state.claimed_at,
            note=note,
            waits_for_the_leader=self.state.from_leader_instruction,
        )
        if not self.state.from_leader_instruction:
            self.record(assignment.TaskClosed, act, ground="accepted")

    @requires(is_running, judged_by_another_unit, is_claimed)
    def send_back(self, act: CommandContext, *, reason: str) -> None:
        """The supervision office does not accept the claim."""
        self.record(assignment.CompletionSentBack, act, reason=reason)

    @requires(is_running, from_an_instruction, completion_is_accepted)
    def no_new_instruction(self, act: CommandContext) -> None:
        """The leader gives no new instruction: the item is closed."""
        self.record(assignment.TaskClosed, act, ground="no_new_instruction")

    @requires(is_running, from_an_instruction, after_its_acceptance)
    def new_instruction(
        self, act: CommandContext, *, text: str, due_on: date | None = None, calendar: Calendar
    ) -> None:
        """The leader gives a new instruction: the item stays open, a completion is to be claimed anew.

        Once a completion was accepted, the new instruction has a date of its own, by default the rulebook's. A claim
        that waits is sent back by it.
        """
        if due_on is not None:
            if not self.state.completed:
                raise no.DateOnlyForAnAcceptedItem(number=self.number)
            today = local_day(act.recorded_at)
            if due_on <= today:
                raise no.InstructionDueInThePast(due_on=due_on, today=today)
            _on_a_working_day(due_on, calendar, "due_on")
        if self.state.claimed_at is not None and not self.state.completed:
            self.record(assignment.CompletionSentBack, act, reason="领导有新批示")
        self.record(assignment.NewInstructionGiven, act, text=text, due_on=due_on)

    # -- extension ------------------------------------------------------------------------------------------------

    @requires(is_running, by_the_lead, not_returned, not_claimed, before_its_due_day_is_over, may_be_extended)
    def request_extension(
        self, act: CommandContext, *, new_due_on: date, reason: str, rulebook: Rulebook, calendar: Calendar
    ) -> None:
        """The lead asks for a later date while the present one has not passed.

        The rulebook of its case caps how often, and how many working days one extension may add.
        """
        due = due_day(self.state, rulebook, calendar)
        if new_due_on <= due:
            raise no.ExtensionMustMoveForward(new_due_on=new_due_on, due_on=due)
        most = rulebook.rule(TASK).longest_extension
        if most is not None and new_due_on > (latest := calendar.working_days_after(due, most)):
            raise no.ExtensionTooLong(new_due_on=new_due_on, most=most, latest=latest)
        _on_a_working_day(new_due_on, calendar, "new_due_on")
        self.record(
            assignment.ExtensionRequested, act, unit=act.by.unit, new_due_on=new_due_on, reason=reason
        )

    @requires(is_running, extension_asked_by_another, by_the_leader_in_charge)
    def grant_extension(self, act: CommandContext, *, in_charge: bool) -> None:
        """One level above grants the date that was asked; the original date stays visible."""
        assert self.state.extension_request is not None
        self.record(
            assignment.ExtensionGranted,
            act,
            due_on=self.state.extension_request.new_due_on,
            original_due_on=self.state.original_due_on,
            times=self.state.extensions + 1,
        )

    @requires(is_running, extension_asked_by_another, by_the_leader_in_charge)
    def refuse_extension(self, act: CommandContext, *, reason: str, in_charge: bool) -> None:
        """One level above refuses: the date stands."""
        self.record(assignment.ExtensionRefused, act, reason=reason)

    # -- disputes -------------------------------------------------------------------------------------------------

    @requires(is_running, by_a_unit_on_it, not_in_dispute)
    def raise_dispute(self, act: CommandContext, *, with_units: Sequence[str], about: str) -> None:
        """A unit on the task disagrees with others."""
        if act.by.unit in with_units:
            raise no.DisputesWithItself(unit=act.by.unit)
        none_twice(with_units, "with_units")
        self.record(
            assignment.DisputeRaised, act, unit=act.by.unit, with_units=tuple(with_units), about=about
        )

    @requires(is_running, by_the_lead, in_dispute)
    def propose_solution(self, act: CommandContext, *, coordination: str, solution: str) -> None:
        """The lead writes down how it coordinated and what it proposes."""
        self.record(assignment.SolutionProposed, act, coordination=coordination, solution=solution)

    @requires(is_running, by_the_leader_in_charge, in_dispute, has_a_solution)
    def rule_on_dispute(self, act: CommandContext, *, ruling: str, in_charge: bool) -> None:
        """The leader in charge rules, only with the lead's proposed solution before him."""
        self.record(assignment.DisputeRuled, act, ruling=ruling)

    # -- resting and ending ---------------------------------------------------------------------------------------

    @requires(is_running, after_its_last_rest)
    def suspend(self, act: CommandContext, *, reason: str) -> None:
        """The task rests."""
        self.record(assignment.TaskSuspended, act, reason=reason)

    @requires(is_open, is_suspended)
    def resume(self, act: CommandContext, *, reason: str = "") -> None:
        """The task goes on."""
        self.record(assignment.TaskResumed, act, reason=reason)

    @requires(is_open)
    def cancel(self, act: CommandContext, *, reason: str) -> None:
        """It is no longer to be done."""
        self.record(assignment.TaskCancelled, act, reason=reason)

    @requires(is_open)
    def supersede(self, act: CommandContext, *, by_task: UUID, reason: str) -> None:
        """Another task stands in its place."""
        if by_task == self.id:
            raise no.SupersedesItself(number=self.number)
        self.record(assignment.TaskSuperseded, act, by_task=by_task, reason=reason)
