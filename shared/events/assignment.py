"""What the assignment service tells: units and posts, directives, task lists and tasks (measures 6, 7 and 8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from shared.events.base import Fact, Moment, Personal
from shared.events.matter import BeginsMatter, Matter, MatterFact, Movement
from shared.events.matter import Secrecy as Secrecy

UnitKind = Literal["government", "office", "supervision", "zone", "town", "department"]
PostRole = Literal["main_leader", "vice_leader", "unit_head", "officer"]
DirectiveKind = Literal[
    "superior_document",
    "banner_document",
    "important_meeting",
    "decision",
    "leader_instruction",
    "field_visit_issue",
    "onsite_meeting_decision",
]
DutyKind = Literal["arrange", "decompose", "feedback"]
"""What a unit has to do about a directive."""
OriginLevel = Literal["superior", "banner", "leader"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A measurable target (量化目标): how much of what, in which unit of measure."""

    metric: str
    unit: str
    value: Decimal


@dataclass(frozen=True, kw_only=True)
class Support:
    """One supporting unit's own part (配合单位及其分工); required parts must be done or waived before completion."""

    unit: str
    part: str
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """A dated step on the way (节点)."""

    on: date
    what: str
    value: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class BreakdownItem:
    """A piece of a task at project, post and person (具体到项目、落实到岗位、量化到个人)."""

    project: str
    post: str
    quantity: Decimal
    unit: str
    due_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """What one unit is to do about a decomposed directive (分解交办)."""

    unit: str
    what: str


# -- units and posts ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class UnitRegistered(Fact):
    """单位登记: a unit exists under this id, with the short names that people write and the groups it is in."""

    TOPIC = "assignment.unit_registered"
    unit: str
    name: str
    short_names: tuple[str, ...] = ()
    kind: UnitKind


@dataclass(frozen=True, kw_only=True)
class UnitRenamed(Fact):
    """单位更名: the unit goes by another name from now on; its id stays."""

    TOPIC = "assignment.unit_renamed"
    unit: str
    name: str
    short_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnitDissolved(Fact):
    """单位撤销: the unit takes no new tasks; its successor takes what is open."""

    TOPIC = "assignment.unit_dissolved"
    unit: str
    successor: str | None = None


@dataclass(frozen=True, kw_only=True)
class PostCreated(Fact):
    """岗位设立: a post in a unit; ``unit_head`` is the unit's main head (主要负责人, first responsible person)."""

    TOPIC = "assignment.post_created"
    post: str
    unit: str
    title: str
    role: PostRole


@dataclass(frozen=True, kw_only=True)
class PostHolderAppointed(Fact):
    """任职: from ``since`` on somebody holds the post; documents of a time name the holder of that time."""

    TOPIC = "assignment.post_holder_appointed"
    post: str
    unit: str
    holder: Annotated[str, Personal("post", anew=True)]
    since: date


@dataclass(frozen=True, kw_only=True)
class PostVacated(Fact):
    """离任: nobody holds the post from ``on`` until another is appointed; it takes no new tasks."""

    TOPIC = "assignment.post_vacated"
    RESTS_ON = (PostHolderAppointed,)
    post: str
    unit: str
    on: date


@dataclass(frozen=True, kw_only=True)
class PortfolioAssigned(Fact):
    """领导分工: the units and fields of work of which this leader is in charge, in place of what was before."""

    TOPIC = "assignment.portfolio_assigned"
    post: str
    units: tuple[str, ...]
    fields: tuple[str, ...] = ()


# -- directives (measure 8) -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DirectiveRegistered(BeginsMatter):
    """交办事项登记: a document, meeting, decision or instruction came in at ``happened_at``.

    ``units`` received it then and have to arrange it (布置落实) within 2 working days; for what was put to the main
    leader on a visit or decided on site (``field_visit_issue``, ``onsite_meeting_decision``) ``units`` is empty and
    the government office has to decompose it within 1 working day.
    """

    TOPIC = "assignment.directive_registered"
    MATTER = "duty"
    number: str
    title: str
    kind: DirectiveKind
    origin_level: OriginLevel
    units: tuple[str, ...] = ()
    office_unit: str
    leader_post: str
    requirement: str = ""
    secrecy: Secrecy = "public"
    secrecy_ground: str = ""

    def begins(self) -> Sequence[Matter]:
        """The office has to decompose what came up on site; each other unit has to arrange it."""
        duties: list[tuple[tuple[str, ...], str]] = [(("arrange", unit), unit) for unit in self.units]
        if self.kind in ("field_visit_issue", "onsite_meeting_decision"):
            # There is one office to decompose a directive, so that the duty alone names the case.
            duties.insert(0, (("decompose",), self.office_unit))
        return [
            Matter(
                parts=parts,
                clock=parts[0],
                unit=unit,
                number=self.number,
                title=self.title,
                leader_post=self.leader_post,
                secrecy=self.secrecy,
            )
            for parts, unit in duties
        ]


@dataclass(frozen=True, kw_only=True)
class ArrangementReported(MatterFact):
    """布置落实: a unit reports how it has arranged the directive; stops its arrange clock."""

    TOPIC = "assignment.arrangement_reported"
    MATTER = "duty"
    number: str
    unit: str
    text: str
    taken_over: tuple[str, ...] = ()
    """The units whose duty it has taken over."""

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """The unit's own duty, and what it has taken over."""
        return tuple(("arrange", unit) for unit in (self.unit, *self.taken_over))


@dataclass(frozen=True, kw_only=True)
class DirectiveDecomposed(BeginsMatter):
    """分解交办: the government office dispatched the pieces; starts each unit's feedback clock (2 working days)."""

    TOPIC = "assignment.directive_decomposed"
    MATTER = "duty"
    number: str
    dispatches: tuple[Dispatch, ...]

    def begins(self) -> Sequence[Matter]:
        """Each dispatched unit owes feedback about what the directive's earlier cases tell."""
        return [
            Matter(
                parts=("feedback", unit),
                clock="feedback",
                unit=unit,
                origins=(("decompose",), ("arrange", unit)),
            )
            for unit in dict.fromkeys(dispatch.unit for dispatch in self.dispatches)
        ]

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """The office's duty, which is then done."""
        return (("decompose",),)


@dataclass(frozen=True, kw_only=True)
class FeedbackGiven(MatterFact):
    """反馈: a unit gave the main leader its handling opinion or progress (办理意见或进度)."""

    TOPIC = "assignment.feedback_given"
    RESTS_ON = (DirectiveDecomposed,)
    MATTER = "duty"
    number: str
    unit: str
    text: str
    taken_over: tuple[str, ...] = ()
    """The units whose duty it has taken over."""

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """The unit's own duty, and what it has taken over."""
        return tuple(("feedback", unit) for unit in (self.unit, *self.taken_over))


@dataclass(frozen=True, kw_only=True)
class OfDuty(MatterFact):
    """A step by which a duty about a directive changes hands."""

    MATTER = "duty"
    number: str
    duty: DutyKind
    owers: tuple[str, ...]
    """The units whose duty it was from the beginning."""
    reason: str

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """There is one office to decompose a directive."""
        return (
            (("decompose",),) if self.duty == "decompose" else tuple((self.duty, one) for one in self.owers)
        )


@dataclass(frozen=True, kw_only=True)
class DutyReferred(OfDuty):
    """交办职责待定: the unit is dissolved without a successor; a leader says which unit takes its duty."""

    TOPIC = "assignment.duty_referred"
    from_unit: str
    leader_post: str


@dataclass(frozen=True, kw_only=True)
class DutyReassigned(OfDuty):
    """交办职责转办: another unit has the duty now, with what is left of its time."""

    TOPIC = "assignment.duty_reassigned"
    RESTS_ON = (DutyReferred,)
    from_unit: str
    unit: str


# -- task lists and tasks (measure 7) -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TaskListOpened(Fact):
    """任务清单: a list of tasks under one leader, dated; usually from one directive, whose secrecy it has."""

    TOPIC = "assignment.task_list_opened"
    title: str
    dated: date
    leader_post: str
    directive_id: UUID | None = None
    secrecy: Secrecy = "public"
    secrecy_ground: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskAssigned(BeginsMatter):
    """任务交办: a task was given to a lead unit, which answers for it by ``due_on``.

    The lead and each supporter accept or return it; supervision opens a case; the post is told.
    """

    TOPIC = "assignment.task_assigned"
    MATTER = "task"
    list_id: UUID
    directive_id: UUID | None = None
    number: str
    title: str
    category: str = ""
    lead_unit: str
    post: str
    supporters: tuple[Support, ...] = ()
    leader_post: str
    target: Target
    due_on: date
    due_text: str = ""
    milestones: tuple[Milestone, ...] = ()
    weight: int = 1
    secrecy: Secrecy = "public"
    secrecy_ground: str = ""
    key_task: bool = False
    from_leader_instruction: bool = False
    remark: str = ""

    def begins(self) -> Sequence[Matter]:
        """The task."""
        return [
            Matter(
                unit=self.lead_unit,
                number=self.number,
                title=self.title,
                post=self.post,
                supporters=tuple(support.unit for support in self.supporters),
                leader_post=self.leader_post,
                secrecy=self.secrecy,
                due_on=self.due_on,
                steps=tuple(milestone.on for milestone in self.milestones),
            )
        ]


@dataclass(frozen=True, kw_only=True)
class TaskAccepted(MatterFact):
    """签收: the lead or a supporting unit accepted the task."""

    TOPIC = "assignment.task_accepted"
    MATTER = "task"
    unit: str

    def only_of(self) -> str | None:
        """A supporting unit stops nothing of the lead's."""
        return self.unit


@dataclass(frozen=True, kw_only=True)
class TaskReturned(MatterFact):
    """退回: the lead unit returned the task with a reason and a suggested owner; the outer clock keeps running.

    With the third return (``times`` = 3) the vice leader decides (``referred_to`` is then the leader's post).
    """

    TOPIC = "assignment.task_returned"
    MATTER = "task"
    unit: str
    reason: str
    suggested_unit: str
    times: int
    referred_to: str | None = None

    def only_of(self) -> str | None:
        """A supporting unit stops nothing of the lead's."""
        return self.unit


@dataclass(frozen=True, kw_only=True)
class TaskReassigned(MatterFact):
    """改派: another unit leads from now on; the due date and the clock stay as they were.

    ``leader_post`` is the leader who is in charge of the new lead; None: the task's leader stays.
    """

    TOPIC = "assignment.task_reassigned"
    RESTS_ON = (TaskReturned,)
    MATTER = "task"
    CONFIRMED_BY = None
    from_unit: str
    lead_unit: str
    post: str
    reason: str
    leader_post: str | None = None


@dataclass(frozen=True, kw_only=True)
class SupportReturned(MatterFact):
    """退回配合任务: a supporting unit does not take its part; the lead or the leader in charge reassigns it.

    Until then, or until it is waived, a required part blocks the completion.
    """

    TOPIC = "assignment.support_returned"
    MATTER = "task"
    unit: str
    reason: str
    suggested_unit: str | None = None

    def only_of(self) -> str | None:
        """The supporting unit's own clock."""
        return self.unit


@dataclass(frozen=True, kw_only=True)
class SupportReassigned(MatterFact):
    """改派配合任务: a part goes to another supporting unit; if that is the lead, it is the lead's own work now."""

    TOPIC = "assignment.support_reassigned"
    RESTS_ON = (SupportReturned,)
    MATTER = "task"
    from_unit: str
    unit: str
    reason: str

    def only_of(self) -> str | None:
        """The supporting unit that has the part now."""
        return self.unit


@dataclass(frozen=True, kw_only=True)
class TaskBrokenDown(Fact):
    """细化分解: the lead broke the task down to project, post and person with quantities."""

    TOPIC = "assignment.task_broken_down"
    items: tuple[BreakdownItem, ...]


@dataclass(frozen=True, kw_only=True)
class ProgressReported(Movement):
    """进展报告: how far a unit has come, measured in the target's own unit, with problems and next steps."""

    TOPIC = "assignment.progress_reported"
    MOVED = "报告了进展"
    unit: str
    value: Decimal
    narrative: str
    problems: str = ""
    next_steps: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MilestoneReached(MatterFact, Movement):
    """到达节点: the lead reports that a step on the way is reached; ``on`` and ``what`` are the milestone's own."""

    TOPIC = "assignment.milestone_reached"
    MOVED = "到达节点"
    MATTER = "task"
    on: date
    what: str
    note: str = ""
    evidence: tuple[str, ...] = ()

    def of_step(self) -> date | None:
        """The milestone's day."""
        return self.on


@dataclass(frozen=True, kw_only=True)
class SupportDone(MatterFact, Movement):
    """配合任务完成: a supporting unit finished its part."""

    TOPIC = "assignment.support_done"
    MOVED = "配合单位完成所承担部分"
    MATTER = "task"
    unit: str
    note: str = ""

    def only_of(self) -> str | None:
        """The supporting unit's own clock."""
        return self.unit


@dataclass(frozen=True, kw_only=True)
class SupportWaived(MatterFact):
    """配合任务免除: the supervision office waived a supporting unit's part, with a reason."""

    TOPIC = "assignment.support_waived"
    MATTER = "task"
    CONFIRMED_BY = None
    unit: str
    reason: str

    def only_of(self) -> str | None:
        """The supporting unit's own clock."""
        return self.unit


@dataclass(frozen=True, kw_only=True)
class CompletionClaimed(MatterFact, Movement):
    """申报办结: the lead says that the target is reached, with evidence; the office's clock runs, not the unit's."""

    TOPIC = "assignment.completion_claimed"
    MOVED = "申报办结"
    MATTER = "task"
    unit: str
    note: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CompletionAccepted(MatterFact, Movement):
    """办结认定: the supervision office accepts; stops the task's clock at the time of the claim.

    ``claimed_at`` is when the lead claimed it: the unit is not charged for the office's own time.
    """

    TOPIC = "assignment.completion_accepted"
    MOVED = "办结已认定"
    RESTS_ON = (CompletionClaimed,)
    MATTER = "task"
    CONFIRMED_BY = None
    claimed_at: Moment
    note: str = ""
    waits_for_the_leader: bool = False
    """Whether it comes from a leader's instruction, so that the leader says whether there is a new one."""

    def starts(self) -> bool:
        """The leader's clock runs only if his word is waited for."""
        return self.waits_for_the_leader

    def counts_from(self) -> Moment:
        """The time of the claim."""
        return self.claimed_at


@dataclass(frozen=True, kw_only=True)
class CompletionSentBack(MatterFact):
    """退回补办: the supervision office does not accept the claim, with the reason."""

    TOPIC = "assignment.completion_sent_back"
    RESTS_ON = (CompletionClaimed,)
    MATTER = "task"
    CONFIRMED_BY = None
    reason: str


@dataclass(frozen=True, kw_only=True)
class NewInstructionGiven(MatterFact):
    """新批示: the leader gave a new instruction, so an item from his instruction stays open.

    Of an accepted item the clock begins its next cycle, due on ``due_on``, or after the rulebook's default length.
    """

    TOPIC = "assignment.new_instruction_given"
    MATTER = "task"
    REOPENS = "领导有新批示"
    text: str
    due_on: date | None = None

    def own_date(self) -> date | None:
        """The date that the leader gave."""
        return self.due_on


@dataclass(frozen=True, kw_only=True)
class TaskClosed(MatterFact):
    """销号: the task is closed: accepted and, if it came from a leader's instruction, without a new one."""

    TOPIC = "assignment.task_closed"
    RESTS_ON = (CompletionAccepted,)
    MATTER = "task"
    ground: Literal["accepted", "no_new_instruction"]


@dataclass(frozen=True, kw_only=True)
class ExtensionRequested(MatterFact):
    """申请延期: the lead asks before the due date for a later one, with the reason."""

    TOPIC = "assignment.extension_requested"
    MATTER = "task"
    unit: str
    new_due_on: date
    reason: str


@dataclass(frozen=True, kw_only=True)
class ExtensionGranted(MatterFact):
    """同意延期: one level above the asker granted the later date; the original date stays visible."""

    TOPIC = "assignment.extension_granted"
    RESTS_ON = (ExtensionRequested,)
    MATTER = "task"
    CONFIRMED_BY = None
    due_on: date
    original_due_on: date
    times: int


@dataclass(frozen=True, kw_only=True)
class ExtensionRefused(MatterFact):
    """不同意延期: the asked date was refused; the due date stands."""

    TOPIC = "assignment.extension_refused"
    RESTS_ON = (ExtensionRequested,)
    MATTER = "task"
    CONFIRMED_BY = None
    reason: str


@dataclass(frozen=True, kw_only=True)
class DisputeRaised(MatterFact):
    """提出分歧: units disagree about the task; the lead has to coordinate and write down a solution."""

    TOPIC = "assignment.dispute_raised"
    MATTER = "task"
    unit: str
    with_units: tuple[str, ...]
    about: str


@dataclass(frozen=True, kw_only=True)
class SolutionProposed(MatterFact):
    """提出解决方案: the lead's proposed solution, which goes to the vice leader with the disagreement."""

    TOPIC = "assignment.solution_proposed"
    RESTS_ON = (DisputeRaised,)
    MATTER = "task"
    coordination: str
    solution: str


@dataclass(frozen=True, kw_only=True)
class DisputeRuled(MatterFact):
    """裁定: the vice leader in charge ruled on the disagreement."""

    TOPIC = "assignment.dispute_ruled"
    RESTS_ON = (DisputeRaised, SolutionProposed)
    MATTER = "task"
    CONFIRMED_BY = None
    ruling: str


@dataclass(frozen=True, kw_only=True)
class TaskSuspended(MatterFact):
    """暂停: the task rests; its clock is paused until it is resumed."""

    TOPIC = "assignment.task_suspended"
    MATTER = "task"
    CONFIRMED_BY = None
    reason: str


@dataclass(frozen=True, kw_only=True)
class TaskResumed(MatterFact):
    """恢复: the task goes on; the working days that were left are left still."""

    TOPIC = "assignment.task_resumed"
    RESTS_ON = (TaskSuspended,)
    MATTER = "task"
    CONFIRMED_BY = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskCancelled(MatterFact):
    """撤销: the task is no longer to be done."""

    TOPIC = "assignment.task_cancelled"
    MATTER = "task"
    CLOSES = "cancelled"
    reason: str


@dataclass(frozen=True, kw_only=True)
class TaskSuperseded(MatterFact):
    """被替代: another task stands in this one's place."""

    TOPIC = "assignment.task_superseded"
    MATTER = "task"
    CLOSES = "superseded"
    by_task: UUID
    reason: str
