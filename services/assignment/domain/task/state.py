"""A task's state, and what each fact does to it."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from shared.calendar.due import Extension
from shared.domain.clock import local_day
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.text import identity
from shared.events import assignment
from shared.events.base import Fact

End = Literal["closed", "cancelled", "superseded"]
Status = Literal[
    "assigned",
    "accepted",
    "returned",
    "in_progress",
    "claimed",
    "awaiting_leader",
    "suspended",
    "closed",
    "cancelled",
    "superseded",
]
PartState = Literal["open", "returned", "done", "waived"]


StepState = Literal["open", "late", "reached"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A supporting unit's own part, and how far that is."""

    part: str
    required: bool
    state: PartState = "open"
    since: datetime
    """When the unit got it, or since when it is over or returned."""
    reason: str = ""
    suggested_unit: str | None = None
    """Why it was returned, and who should take it."""

    @property
    def waits(self) -> bool:
        """Whether somebody still has to do something about it."""
        return self.state in ("open", "returned")


@dataclass(frozen=True, kw_only=True)
class Step:
    """节点: a milestone, and when the lead reported it reached."""

    on: date
    what: str
    value: Decimal | None = None
    reached_on: date | None = None

    def state(self, today: date) -> StepState:
        """Open, reached, or late: not reached although its day is over."""
        if self.reached_on is not None:
            return "reached"
        return "late" if self.on < today else "open"


@dataclass(frozen=True, kw_only=True)
class ExtensionRequest:
    """A later date that was asked and is not decided."""

    new_due_on: date
    reason: str
    unit: str
    post: str
    asked_at: str
    """The moment, as ISO 8601 writes it."""


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A disagreement that is not ruled on."""

    unit: str
    with_units: tuple[str, ...]
    about: str
    raised_at: datetime
    coordination: str | None = None
    solution: str | None = None
    solved_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Rest:
    """暂停: from when until when it rested, or rests still."""

    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Wait(Rest):
    """待认定: while a claimed completion waited at the office."""

    entered_at: datetime
    """When the claim was recorded."""


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """任务: what was assigned, who has it, how far it is."""

    list_id: UUID
    directive_id: UUID | None
    number: str
    title: str
    category: str
    lead_unit: str
    post: str
    supporters: dict[str, Part]
    leader_post: str
    target_metric: str
    target_unit: str
    target_value: Decimal
    progress_value: Decimal | None = None
    progress_percent: float | None = None
    last_progress_at: datetime | None = None
    due_on: date
    original_due_on: date
    due_text: str
    milestones: tuple[Step, ...]
    breakdown: tuple[assignment.BreakdownItem, ...] = ()
    weight: int
    key_task: bool
    from_leader_instruction: bool
    remark: str
    assigned_at: datetime
    assigned_because: str
    led_since: datetime
    """When the present lead got it."""
    term_since: datetime
    term_due_on: date | None
    """The terms of the present date: from when it counts (the assignment, or a new instruction), and the date that was
    then given."""
    accepted_by: tuple[str, ...] = ()
    returns: int = 0
    returned: bool = False
    returned_at: datetime | None = None
    referred_to: str | None = None
    """The leader who decides after a third return."""
    under_way: bool = False
    reported_at: datetime | None = None
    """The earliest moment of which the lead has reported progress."""
    granted: tuple[Extension, ...] = ()
    extension_request: ExtensionRequest | None = None
    dispute: Dispute | None = None
    claimed_at: datetime | None = None
    waits: tuple[Wait, ...] = ()
    instructed_at: datetime | None = None
    """When the last new instruction was given."""
    completed: bool = False
    """Whether the claimed completion is accepted; it may still wait for a leader's word."""
    completed_at: datetime | None = None
    pauses: tuple[Rest, ...] = ()
    ended: End | None = None
    ended_at: datetime | None = None
    superseded_by: UUID | None = None
    secrecy: assignment.Secrecy
    secrecy_ground: str

    @property
    def status(self) -> Status:
        """The state in one word. ``overdue`` is no such word: it is derived when somebody looks (domain.md §3)."""
        if self.ended is not None:
            return self.ended
        parts: dict[Status, bool] = {
            "suspended": self.suspended,
            "awaiting_leader": self.completed,
            "claimed": self.claimed_at is not None,
            "returned": self.returned,
            "in_progress": self.under_way,
            "accepted": self.lead_unit in self.accepted_by,
        }
        return next((status for status, holds in parts.items() if holds), "assigned")

    @property
    def number_key(self) -> str:
        """What all spellings of its number have in common."""
        return identity(self.number)

    @property
    def suspended(self) -> bool:
        """Whether it rests."""
        return bool(self.pauses) and self.pauses[-1].until is None

    @property
    def suspended_on(self) -> date | None:
        """The first day on which it rests."""
        return local_day(self.pauses[-1].since) if self.suspended else None

    @property
    def claim_entered_on(self) -> date | None:
        """The day on which the completion that is claimed was entered."""
        return None if self.claimed_at is None else local_day(self.waits[-1].entered_at)

    @property
    def extensions(self) -> int:
        """How often the present date was put off."""
        return len(self.granted)

    @property
    def target(self) -> assignment.Target:
        """量化目标: what is measured."""
        return assignment.Target(metric=self.target_metric, unit=self.target_unit, value=self.target_value)

    @property
    def concerned(self) -> tuple[str, ...]:
        """The units that carry it: the lead and its supporters."""
        return (self.lead_unit, *self.supporters)


evolve = Lifecycle(TaskState, begins=assignment.TaskAssigned)


@evolve.register
def _(fact: assignment.TaskAssigned) -> TaskState:
    return TaskState(
        list_id=fact.list_id,
        directive_id=fact.directive_id,
        number=fact.number,
        title=fact.title,
        category=fact.category,
        lead_unit=fact.lead_unit,
        post=fact.post,
        supporters={
            one.unit: Part(part=one.part, required=one.required, since=fact.happened_at)
            for one in fact.supporters
        },
        leader_post=fact.leader_post,
        target_metric=fact.target.metric,
        target_unit=fact.target.unit,
        target_value=fact.target.value,
        due_on=fact.due_on,
        original_due_on=fact.due_on,
        due_text=fact.due_text,
        milestones=tuple(Step(on=one.on, what=one.what, value=one.value) for one in fact.milestones),
        weight=fact.weight,
        key_task=fact.key_task,
        from_leader_instruction=fact.from_leader_instruction,
        remark=fact.remark,
        assigned_at=fact.happened_at,
        assigned_because=fact.because,
        led_since=fact.happened_at,
        term_since=fact.happened_at,
        term_due_on=fact.due_on,
        secrecy=fact.secrecy,
        secrecy_ground=fact.secrecy_ground,
    )


@evolve.register
def _(fact: assignment.TaskAccepted, task: TaskState) -> TaskState:
    return replace(task, accepted_by=tuple(sorted({*task.accepted_by, fact.unit})))


@evolve.register
def _(fact: assignment.TaskReturned, task: TaskState) -> TaskState:
    return replace(
        task,
        returned=True,
        returned_at=fact.happened_at,
        returns=fact.times,
        referred_to=fact.referred_to,
    )


@evolve.register
def _(fact: assignment.TaskReassigned, task: TaskState) -> TaskState:
    return replace(
        task,
        lead_unit=fact.lead_unit,
        post=fact.post,
        leader_post=fact.leader_post or task.leader_post,
        # A supporter that leads now answers for its part as lead.
        supporters={unit: part for unit, part in task.supporters.items() if unit != fact.lead_unit},
        accepted_by=tuple(unit for unit in task.accepted_by if unit != fact.from_unit),
        led_since=fact.happened_at,
        returned=False,
        returned_at=None,
        referred_to=None,
        extension_request=None,
        under_way=False,
    )


def _with_part(task: TaskState, unit: str, part: Part) -> TaskState:
    return replace(task, supporters={**task.supporters, unit: part})


@evolve.register
def _(fact: assignment.SupportReturned, task: TaskState) -> TaskState:
    part = replace(
        task.supporters[fact.unit],
        state="returned",
        since=fact.happened_at,
        reason=fact.reason,
        suggested_unit=fact.suggested_unit,
    )
    return _with_part(task, fact.unit, part)


@evolve.register
def _(fact: assignment.SupportReassigned, task: TaskState) -> TaskState:
    moved = task.supporters[fact.from_unit]
    others = {unit: part for unit, part in task.supporters.items() if unit != fact.from_unit}
    if fact.unit != task.lead_unit:  # what the lead takes over is its own work
        own = others.get(fact.unit)
        others[fact.unit] = Part(
            part="；".join(one.part for one in (own, moved) if one and one.part),
            required=moved.required or (own is not None and own.required),
            since=fact.happened_at,
        )
    accepted = (unit for unit in task.accepted_by if unit == task.lead_unit or unit in others)
    return replace(task, supporters=others, accepted_by=tuple(unit for unit in accepted if unit != fact.unit))


@evolve.register
def _(fact: assignment.TaskBrokenDown, task: TaskState) -> TaskState:
    return replace(task, breakdown=fact.items, under_way=True)


@evolve.register
def _(fact: assignment.ProgressReported, task: TaskState) -> TaskState:
    task = replace(task, under_way=True, last_progress_at=fact.happened_at)
    if fact.unit != task.lead_unit:
        return task  # a supporter tells how far its own part is; the task's measure is the lead's
    reported = min(task.reported_at or fact.happened_at, fact.happened_at)
    percent = float(round(fact.value / task.target_value * 100, 1))
    return replace(task, progress_value=fact.value, progress_percent=percent, reported_at=reported)


@evolve.register
def _(fact: assignment.MilestoneReached, task: TaskState) -> TaskState:
    reached = local_day(fact.happened_at)
    steps = tuple(
        replace(step, reached_on=reached) if (step.on, step.what) == (fact.on, fact.what) else step
        for step in task.milestones
    )
    return replace(task, milestones=steps, under_way=True)


@evolve.register
def _(fact: assignment.SupportDone | assignment.SupportWaived, task: TaskState) -> TaskState:
    state: PartState = "done" if isinstance(fact, assignment.SupportDone) else "waived"
    part = replace(task.supporters[fact.unit], state=state, since=fact.happened_at)
    return _with_part(task, fact.unit, part)


@evolve.register
def _(fact: assignment.CompletionClaimed, task: TaskState) -> TaskState:
    waits = (*task.waits, Wait(since=fact.happened_at, entered_at=fact.timestamp))
    return replace(task, claimed_at=fact.happened_at, completed=False, waits=waits)


@evolve.register
def _(fact: assignment.CompletionAccepted, task: TaskState) -> TaskState:
    return replace(task, completed=True, completed_at=fact.happened_at)


@evolve.register
def _(fact: assignment.CompletionSentBack, task: TaskState) -> TaskState:
    return _open_again(task, fact)


@evolve.register
def _(fact: assignment.NewInstructionGiven, task: TaskState) -> TaskState:
    again = replace(_open_again(task, fact), instructed_at=fact.happened_at)
    if not task.completed:
        return again
    # What was accepted stays accepted; a new date counts from now on, with its own pauses and extensions.
    return replace(
        again,
        completed=False,
        term_since=fact.happened_at,
        term_due_on=fact.due_on,
        due_on=fact.due_on or task.due_on,
        granted=(),
        extension_request=None,
        pauses=(),
        waits=(),
    )


def _open_again(task: TaskState, fact: Fact) -> TaskState:
    """No claim waits any more."""
    waits = tuple(replace(one, until=fact.happened_at) if one.until is None else one for one in task.waits)
    return replace(task, claimed_at=None, waits=waits, under_way=True)


@evolve.register
def _(fact: assignment.ExtensionRequested, task: TaskState) -> TaskState:
    asked = ExtensionRequest(
        new_due_on=fact.new_due_on,
        reason=fact.reason,
        unit=fact.unit,
        post=fact.by.post,
        asked_at=fact.happened_at.isoformat(),
    )
    return replace(task, extension_request=asked)


@evolve.register
def _(fact: assignment.ExtensionGranted, task: TaskState) -> TaskState:
    granted = Extension(to=fact.due_on, granted=local_day(fact.happened_at))
    return replace(task, due_on=fact.due_on, granted=(*task.granted, granted), extension_request=None)


@evolve.register
def _(fact: assignment.ExtensionRefused, task: TaskState) -> TaskState:
    return replace(task, extension_request=None)


@evolve.register
def _(fact: assignment.DisputeRaised, task: TaskState) -> TaskState:
    return replace(
        task,
        dispute=Dispute(
            unit=fact.unit,
            with_units=fact.with_units,
            about=fact.about,
            raised_at=fact.happened_at,
        ),
    )


@evolve.register
def _(fact: assignment.SolutionProposed, task: TaskState) -> TaskState:
    assert task.dispute is not None
    dispute = replace(
        task.dispute,
        coordination=fact.coordination,
        solution=fact.solution,
        solved_at=fact.happened_at,
    )
    return replace(task, dispute=dispute)


@evolve.register
def _(fact: assignment.DisputeRuled, task: TaskState) -> TaskState:
    return replace(task, dispute=None)


@evolve.register
def _(fact: assignment.TaskSuspended, task: TaskState) -> TaskState:
    return replace(task, pauses=(*task.pauses, Rest(since=fact.happened_at)))


@evolve.register
def _(fact: assignment.TaskResumed, task: TaskState) -> TaskState:
    *before, last = task.pauses
    return replace(task, pauses=(*before, replace(last, until=fact.happened_at)))


def _ended(task: TaskState, fact: Fact, how: End, by_task: UUID | None = None) -> TaskState:
    return replace(task, ended=how, ended_at=fact.happened_at, superseded_by=by_task)


@evolve.register
def _(fact: assignment.TaskClosed, task: TaskState) -> TaskState:
    return _ended(task, fact, "closed")


@evolve.register
def _(fact: assignment.TaskCancelled, task: TaskState) -> TaskState:
    return _ended(task, fact, "cancelled")


@evolve.register
def _(fact: assignment.TaskSuperseded, task: TaskState) -> TaskState:
    return _ended(task, fact, "superseded", fact.by_task)
