"""What the supervision service tells: calendar and rulebook, cases and their clocks, rounds, namings (measure 10),
duties of a period, absences and reports (measure 9).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from shared.events.base import Actor, Fact, Moment
from shared.events.matter import BeginsMatter, CloseGround, Matter, MatterFact, Movement, Secrecy
from shared.events.matter import CaseKind as CaseKind

Verdict = Literal["resolved", "on_track", "slow"]
Timeliness = Literal["in_time", "late"]
RoundKind = Literal["special", "immediate"]
Trigger = Literal["deadline_missed", "own_initiative", "slow_round"]
Layer = Literal["base", "state_council", "banner"]
RestGround = Literal["office", "suspended", "claimed"]
"""Why a clock rests: the office paused it, the task is suspended, a claimed completion waits for the office."""
VoidGround = Literal["office", "ground_lost", "moved", "closed"]
"""Why a round is void: the office said so; what it rested on was withdrawn; another unit has it; the case closed."""
CustodyRole = Literal["holder", "router", "decides"]
"""In what capacity a unit has a matter: to act on it, to pass it on, or as the leader who decides who gets it."""
Confirmer = Literal["supervision_office", "enterprise"]
"""Who confirms that something entered late happened when it is said to have happened."""
CreditKind = Literal["half_month_report"]
"""What a duty may be met with; the rulebook's column ``credit``."""
AbsenceKind = Literal["study_trip", "leave"]


@dataclass(frozen=True, kw_only=True)
class CalendarDay:
    """A day that a release makes a working day or a rest day, and the holiday's or notice's name for it."""

    day: date
    working: bool
    name: str


# -- calendar and rulebook ------------------------------------------------------------------------------------


SECOND_PERSON = ("second_person",)
"""The part of a release of the calendar that a second person does."""


@dataclass(frozen=True, kw_only=True)
class CalendarReleaseDrafted(BeginsMatter):
    """节假日安排起草: days of a State Council notice or of a banner overlay, waiting for a second person."""

    TOPIC = "supervision.calendar_release_drafted"
    MATTER = "release"
    layer: Layer
    title: str
    days: tuple[CalendarDay, ...]
    years: tuple[int, ...] = ()
    follows: int = 1
    """The calendar version against which it was drafted and checked."""
    unchanged: tuple[date, ...] = ()
    """The days among them that this version says already."""

    def begins(self) -> Sequence[Matter]:
        """The release, which the supervision office sees through."""
        return [
            Matter(
                unit="", parts=SECOND_PERSON, number=f"日历第{self.follows + 1}版（草案）", title=self.title
            )
        ]


@dataclass(frozen=True, kw_only=True)
class OfCalendarDraft(MatterFact):
    """A fact after which the draft waits for nobody."""

    MATTER = "release"
    CONFIRMED_BY = None

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """The release."""
        return (SECOND_PERSON,)


@dataclass(frozen=True, kw_only=True)
class CalendarDraftReleased(OfCalendarDraft):
    """节假日安排草案发布: a second person released it, as calendar ``version``."""

    TOPIC = "supervision.calendar_draft_released"
    version: int


@dataclass(frozen=True, kw_only=True)
class CalendarDraftWithdrawn(OfCalendarDraft):
    """节假日安排草案撤回: it is not to be released."""

    TOPIC = "supervision.calendar_draft_withdrawn"
    CLOSES = "withdrawn"
    reason: str


@dataclass(frozen=True, kw_only=True)
class CalendarDraftOvertaken(OfCalendarDraft):
    """节假日安排草案失效: calendar ``version`` came first, which it was not checked against."""

    TOPIC = "supervision.calendar_draft_overtaken"
    CLOSES = "superseded"
    version: int


@dataclass(frozen=True, kw_only=True)
class CalendarReleased(Fact):
    """节假日安排发布: calendar ``version`` is in force; open clocks are recomputed, judged ones keep their verdict."""

    TOPIC = "supervision.calendar_released"
    release_id: UUID
    version: int
    layer: Layer
    title: str
    days: tuple[CalendarDay, ...]
    years: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RulebookReleased(Fact):
    """办理规则发布: the rulebook's very text; cases opened from now on are pinned to this version."""

    TOPIC = "supervision.rulebook_released"
    version: int
    effective: date
    text: str


# -- cases and clocks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CaseOpened(Fact):
    """督查立案: supervision follows a task, a directive duty or a whistle from now on."""

    TOPIC = "supervision.case_opened"
    kind: CaseKind
    subject_id: UUID
    number: str
    title: str
    unit: str
    supporters: tuple[str, ...] = ()
    post: str | None = None
    leader_post: str | None = None
    secrecy: Secrecy = "public"
    rulebook_version: int
    duty: str | None = None
    """For a directive's duty: the rulebook's clock that it is about (``arrange``, ``decompose``, ``feedback``)."""
    reporter: str | None = None
    """For a whistle: the enterprise's credit code, so that it sees its own case."""


@dataclass(frozen=True, kw_only=True)
class ClockStarted(Fact):
    """开始计时: a clock of the rulebook runs for this case; due at the close of ``due_on`` (Asia/Shanghai)."""

    TOPIC = "supervision.clock_started"
    clock: str
    cycle: int
    unit: str
    started_at: Moment
    own_date: date | None = None
    due_on: date
    due_at: Moment
    provisional: bool
    warn_on: tuple[date, ...] = ()
    calendar_version: int
    rulebook_version: int
    follows_lead: bool = True
    """Whether it is the matter's lead who has it, whoever leads; others stay with the unit that it started for."""
    silent: bool = False
    """Whether nobody is told and nothing is missed when its time is over: only what stops it then is late."""


@dataclass(frozen=True, kw_only=True)
class ClockPaused(Fact):
    """暂停计时: the clock rests from ``happened_at``."""

    TOPIC = "supervision.clock_paused"
    clock: str
    cycle: int
    reason: str
    rest: RestGround = "office"


@dataclass(frozen=True, kw_only=True)
class ClockRescheduled(Fact):
    """重新计算时限: a resume, an extension or a calendar release moved the due date; nothing else was lost."""

    TOPIC = "supervision.clock_rescheduled"
    clock: str
    cycle: int
    due_on: date
    due_at: Moment
    original_due_on: date
    provisional: bool
    warn_on: tuple[date, ...] = ()
    calendar_version: int
    ground: Literal["resumed", "extended", "calendar", "fact_arrived_late"]
    extended_to: date | None = None
    moved_from: date | None = None
    """The due day before, if a calendar release moved it."""
    unit: str | None = None
    """Whose clock it is, if a calendar release moved it."""
    rest: RestGround | None = None
    """If it was resumed: which rest ended; another one may still run. None: the last one."""


@dataclass(frozen=True, kw_only=True)
class ClockStopped(Fact):
    """停止计时: the stop fact came at ``stopped_at``; the verdict is as judged with the calendar of then.

    ``unit`` is the unit that had it; if it was late, the unit that answers for that by the custody rule.
    """

    TOPIC = "supervision.clock_stopped"
    clock: str
    cycle: int
    unit: str
    stopped_at: Moment
    due_on: date
    verdict: Timeliness
    calendar_version: int


@dataclass(frozen=True, kw_only=True)
class ClockCancelled(Fact):
    """取消计时: the clock no longer applies (the task was cancelled, the whistle withdrawn, the round voided)."""

    TOPIC = "supervision.clock_cancelled"
    clock: str
    cycle: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class DeadlineApproaching(Fact):
    """临近时限 (yellow): warning ``point`` (1, 2, …) of a clock has come."""

    TOPIC = "supervision.deadline_approaching"
    clock: str
    cycle: int
    unit: str
    point: int
    due_on: date
    due_at: Moment
    detected_at: Moment


@dataclass(frozen=True, kw_only=True)
class DeadlineMissed(Fact):
    """超过时限 (red): once per clock and cycle, with the due time and the time at which it was detected.

    ``unit`` answers for it by the custody rule (domain.md §3); ``holder`` has the matter in hand.
    """

    TOPIC = "supervision.deadline_missed"
    clock: str
    cycle: int
    unit: str
    due_on: date
    due_at: Moment
    detected_at: Moment
    provisional: bool = False
    holder: str | None = None


@dataclass(frozen=True, kw_only=True)
class MissRecharged(Fact):
    """改记责任单位: who had it was known only later, so another unit than was said answers for the miss."""

    TOPIC = "supervision.miss_recharged"
    clock: str
    cycle: int
    from_unit: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class DeadlineMissRetracted(Fact):
    """撤回超时: the fact had happened in time but arrived late, the due date moved, or the suite's clock was set back.

    What the miss led to is withdrawn.
    """

    TOPIC = "supervision.deadline_miss_retracted"
    clock: str
    cycle: int
    unit: str
    ground: Literal["fact_arrived_late", "calendar", "extended", "resumed", "clock_set_back"]


@dataclass(frozen=True, kw_only=True)
class EarlierTimeClaimed(Fact):
    """补录待核实: what stops a clock was entered after it was due, and is said to have happened before that.

    Until it is confirmed the miss stands, and this beside it. ``confirmation`` is the cycle of the clock that runs for
    the confirmation (``late_entry``).
    """

    TOPIC = "supervision.earlier_time_claimed"
    clock: str
    cycle: int
    claimed_at: Moment
    confirmer: Confirmer
    confirmation: int
    signed_by: str | None = None
    """For a round's answer: the head who signed it."""


@dataclass(frozen=True, kw_only=True)
class EarlierTimeConfirmed(Fact):
    """补录核实: it happened when it was said to have happened; the clock was stopped in time."""

    TOPIC = "supervision.earlier_time_confirmed"
    RESTS_ON = (EarlierTimeClaimed,)
    clock: str
    cycle: int
    stopped_at: Moment
    reason: str


@dataclass(frozen=True, kw_only=True)
class EarlierTimeRejected(Fact):
    """补录不予认可: it is not shown that it happened before the clock was due; the miss stands."""

    TOPIC = "supervision.earlier_time_rejected"
    RESTS_ON = (EarlierTimeClaimed,)
    clock: str
    cycle: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class VerdictRecomputed(Fact):
    """判定复算: a released calendar would judge a judged clock otherwise; both verdicts stand side by side."""

    TOPIC = "supervision.verdict_recomputed"
    clock: str
    cycle: int
    as_judged: Timeliness
    recomputed: Timeliness
    due_on: date
    calendar_version: int


@dataclass(frozen=True, kw_only=True)
class VerdictRevised(Fact):
    """判定修正: a second person lets the recomputed verdict stand; all three stay side by side."""

    TOPIC = "supervision.verdict_revised"
    RESTS_ON = (VerdictRecomputed,)
    clock: str
    cycle: int
    unit: str
    """Whose the clock is; if it is late now, who answers for it."""
    as_judged: Timeliness
    revised: Timeliness
    calendar_version: int
    """The calendar that gave the recomputed verdict."""
    ground: str


@dataclass(frozen=True, kw_only=True)
class CustodyMoved(Fact):
    """经手移交: another unit has the matter in hand; the outer clocks do not move."""

    TOPIC = "supervision.custody_moved"
    from_unit: str
    to_unit: str
    to_post: str | None = None
    leads: bool = False
    """Whether the matter's lead changed with it (改派), not only whose desk it lies on (退回)."""
    role: CustodyRole = "holder"
    leader_post: str | None = None
    """The leader in charge of the unit that leads from now on; None: as before."""


@dataclass(frozen=True, kw_only=True)
class SupportPassedOn(Fact):
    """配合单位变更: another unit supports the matter in place of the one that returned its part; or the lead does."""

    TOPIC = "supervision.support_passed_on"
    from_unit: str
    to_unit: str


@dataclass(frozen=True, kw_only=True)
class MatterMerged(Fact):
    """并入事项: the matter goes on within another one, whose holder owes what is still owed to its reporter."""

    TOPIC = "supervision.matter_merged"
    into: UUID
    """The other one's case."""


@dataclass(frozen=True, kw_only=True)
class CaseClosed(Fact):
    """督查结案: nothing is left to supervise; open escalations are withdrawn."""

    TOPIC = "supervision.case_closed"
    ground: CloseGround


@dataclass(frozen=True, kw_only=True)
class CaseReopened(Fact):
    """重新立案: the matter came back (rework, sent back, a new instruction); the total limits run on."""

    TOPIC = "supervision.case_reopened"
    reason: str


# -- rounds ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RoundIssued(Fact):
    """督办通知: supervision round ``round`` asks the unit for an answer signed by its main head by ``due_on``."""

    TOPIC = "supervision.round_issued"
    round: int
    unit: str
    post: str | None
    kind: RoundKind
    requirement: str
    trigger: Trigger
    due_on: date
    due_at: Moment
    missed_clock: str | None = None
    """The clock whose miss triggered it, with its cycle: a retracted miss takes the round with it."""
    missed_cycle: int | None = None
    follows_round: int | None = None
    """The slow round that it follows: if that one loses its weight, this one goes with it."""


@dataclass(frozen=True, kw_only=True)
class RoundAnswered(Movement):
    """督办答复: the unit answered; it counts only once its main head has signed."""

    TOPIC = "supervision.round_answered"
    MOVED = "书面答复督办"
    RESTS_ON = (RoundIssued,)
    round: int
    unit: str
    text: str


@dataclass(frozen=True, kw_only=True)
class RoundSigned(Movement):
    """签字背书: the unit's main head signed the answer."""

    TOPIC = "supervision.round_signed"
    MOVED = "主要负责人签字背书"
    RESTS_ON = (RoundAnswered,)
    round: int
    unit: str
    signed_by: str


@dataclass(frozen=True, kw_only=True)
class SlowProposed(Fact):
    """拟认定缓慢: the office finds the round slow; it counts once a second person has verified it."""

    TOPIC = "supervision.slow_proposed"
    RESTS_ON = (RoundSigned,)
    round: int
    unit: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SlowNotVerified(Fact):
    """缓慢认定未通过复核: a second person did not agree; the round is to be judged anew."""

    TOPIC = "supervision.slow_not_verified"
    RESTS_ON = (SlowProposed,)
    round: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class RoundJudged(Fact):
    """督办认定: the round is concluded as resolved, on track or slow; unsigned by its date is slow."""

    TOPIC = "supervision.round_judged"
    round: int
    unit: str
    verdict: Verdict
    reason: str
    unsigned: bool = False
    proposed_by: Actor | None = None
    """Who found it slow, if somebody else has verified that."""


@dataclass(frozen=True, kw_only=True)
class RoundVoided(Fact):
    """督办作废: the round neither counts nor resets."""

    TOPIC = "supervision.round_voided"
    RESTS_ON = (RoundIssued,)
    round: int
    reason: str
    ground: VoidGround = "office"


@dataclass(frozen=True, kw_only=True)
class RoundVerdictWithdrawn(Fact):
    """撤回认定: the round's date moved, so that it was not slow for want of a signature; it runs on."""

    TOPIC = "supervision.round_verdict_withdrawn"
    RESTS_ON = (RoundJudged,)
    round: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class ObjectionRaised(Fact):
    """提出异议: the unit objects to a round's verdict."""

    TOPIC = "supervision.objection_raised"
    RESTS_ON = (RoundJudged,)
    round: int
    unit: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ObjectionRuled(Fact):
    """异议裁定: upheld, the round neither counts nor resets; rejected, the verdict stands."""

    TOPIC = "supervision.objection_ruled"
    RESTS_ON = (ObjectionRaised,)
    round: int
    upheld: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class SupervisionUnresolved(Fact):
    """督办未果: a unit's second supervision, or a later one, left it unresolved; it goes to the main leader."""

    TOPIC = "supervision.supervision_unresolved"
    RESTS_ON = (RoundJudged,)
    unit: str
    round: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class SupervisionNoLongerUnresolved(Fact):
    """不再提请: the matter is resolved or closed, or the round no longer counts."""

    TOPIC = "supervision.supervision_no_longer_unresolved"
    RESTS_ON = (SupervisionUnresolved,)
    unit: str
    round: int
    ground: str


@dataclass(frozen=True, kw_only=True)
class NamingBecameDue(Fact):
    """应予通报: two consecutive concluded slow rounds on the same matter; one naming per streak."""

    TOPIC = "supervision.naming_became_due"
    unit: str
    post: str | None
    rounds: tuple[int, ...]
    naming_id: UUID


@dataclass(frozen=True, kw_only=True)
class NamingNoLongerDue(Fact):
    """不再通报: a late verdict, void, objection or extension took the streak away."""

    TOPIC = "supervision.naming_no_longer_due"
    RESTS_ON = (NamingBecameDue,)
    naming_id: UUID
    ground: str


# -- namings --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NamingDrafted(BeginsMatter):
    """通报起草: the text was drafted from the rounds; a second person has to check it."""

    TOPIC = "supervision.naming_drafted"
    MATTER = "naming"
    case_id: UUID
    case_number: str
    unit: str
    post: str | None
    rounds: tuple[int, ...]
    text: str
    secrecy: Secrecy = "public"
    corrects: UUID | None = None
    holder_since: date | None = None
    """Since when whoever held the post at the last of the rounds had held it: who that was, the post's facts say."""

    def begins(self) -> Sequence[Matter]:
        """The naming, which the supervision office sees through."""
        number = f"{self.case_number}（通报稿）"
        return [Matter(unit="", number=number, title="公开通报", secrecy=self.secrecy)]


@dataclass(frozen=True, kw_only=True)
class OfNaming(MatterFact):
    """A step of a naming: whoever has the next one has the clock."""

    MATTER = "naming"
    CONFIRMED_BY = None


@dataclass(frozen=True, kw_only=True)
class NamingRedrafted(OfNaming):
    """通报重新起草: a withdrawn draft is due again, for the same two rounds; it is checked anew."""

    TOPIC = "supervision.naming_redrafted"
    REOPENS = "重新起草"
    text: str
    holder_since: date | None = None


@dataclass(frozen=True, kw_only=True)
class NamingChecked(OfNaming):
    """通报核稿: a second person checked the draft; the unit may object until the close of ``objections_until``."""

    TOPIC = "supervision.naming_checked"
    RESTS_ON = (NamingDrafted, NamingRedrafted)
    drafted_by: str
    objections_until: date
    window_closes_at: Moment


@dataclass(frozen=True, kw_only=True)
class NamingWindowMoved(Fact):
    """通报异议期重新计算: a calendar release moved the day until whose close the unit may object."""

    TOPIC = "supervision.naming_window_moved"
    RESTS_ON = (NamingChecked,)
    unit: str
    moved_from: date
    objections_until: date
    window_closes_at: Moment
    calendar_version: int


@dataclass(frozen=True, kw_only=True)
class NamingObjected(OfNaming):
    """对通报提出异议: the unit objects to being named."""

    TOPIC = "supervision.naming_objected"
    RESTS_ON = (NamingChecked,)
    unit: str
    text: str


@dataclass(frozen=True, kw_only=True)
class NamingObjectionRuled(OfNaming):
    """对通报异议的裁定: upheld, the draft is withdrawn; rejected, it goes on."""

    TOPIC = "supervision.naming_objection_ruled"
    RESTS_ON = (NamingObjected,)
    upheld: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class NamingApproved(OfNaming):
    """通报批准: the window has passed and a leader approved."""

    TOPIC = "supervision.naming_approved"
    RESTS_ON = (NamingChecked, NamingObjectionRuled)
    approved_by: str


@dataclass(frozen=True, kw_only=True)
class NamingIssuedInternally(OfNaming):
    """内部通报: a leader approved the naming of a secret matter; it gets no number and is never published."""

    TOPIC = "supervision.naming_issued_internally"
    RESTS_ON = (NamingChecked, NamingObjectionRuled)
    unit: str
    post: str | None
    approved_by: str


@dataclass(frozen=True, kw_only=True)
class SeriesOpened(Fact):
    """编号启用: a series of numbers begins for a year; its first number is 1."""

    TOPIC = "supervision.series_opened"
    series: str
    year: int


@dataclass(frozen=True, kw_only=True)
class NumberIssued(Fact):
    """编号: the next number of a series in a year was given to a document; no gaps, none twice."""

    TOPIC = "supervision.number_issued"
    series: str
    year: int
    number: int
    document_id: UUID


@dataclass(frozen=True, kw_only=True)
class NamingPublished(OfNaming):
    """公开通报: the unit and the responsible post are named, as No. ``number`` of ``year`` in the series."""

    TOPIC = "supervision.naming_published"
    RESTS_ON = (
        NamingDrafted,
        NamingRedrafted,
        NamingChecked,
        NamingObjected,
        NamingObjectionRuled,
        NamingApproved,
    )
    case_id: UUID
    unit: str
    post: str | None
    series: str
    year: int
    number: int
    text: str
    corrects: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class NamingLifted(Fact):
    """撤销通报（整改到位）: rectified; the naming stands in the ledger as lifted."""

    TOPIC = "supervision.naming_lifted"
    RESTS_ON = (NamingPublished, NamingIssuedInternally)
    reason: str


@dataclass(frozen=True, kw_only=True)
class NamingWithdrawn(OfNaming):
    """通报撤稿: a draft that has lost its ground is not published."""

    TOPIC = "supervision.naming_withdrawn"
    CLOSES = "withdrawn"
    RESTS_ON = NamingPublished.RESTS_ON
    reason: str


@dataclass(frozen=True, kw_only=True)
class NamingCorrected(Fact):
    """更正通报: a published naming proved wrong; the linked correction says so, nothing is deleted."""

    TOPIC = "supervision.naming_corrected"
    RESTS_ON = (NamingPublished,)
    correction_id: UUID
    reason: str


# -- duties of a period ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PeriodsCounted(Fact):
    """时段启用: a rule of the rulebook is owed anew for each period that begins on or after ``since``."""

    TOPIC = "supervision.periods_counted"
    rule: str
    since: date


@dataclass(frozen=True, kw_only=True)
class PeriodBegan(Fact):
    """时段开始: a period of a rule began; ``owers`` of the roster of that day owe it."""

    TOPIC = "supervision.period_began"
    rule: str
    first: date
    last: date
    owers: int


@dataclass(frozen=True, kw_only=True)
class DutyArose(BeginsMatter):
    """应办产生: a unit or post owes what a rule requires for a period; once per rule, ower and period."""

    TOPIC = "supervision.duty_arose"
    MATTER = "period"
    rule: str
    ower: str
    """The unit's id, or the post's."""
    unit: str
    post: str | None = None
    first: date
    last: date
    number: str
    title: str
    required: int
    credit: CreditKind
    leader_post: str | None = None
    secrecy: Secrecy = "internal"
    rulebook_version: int

    def begins(self) -> Sequence[Matter]:
        """The duty."""
        return [
            Matter(
                clock=self.rule,
                unit=self.unit,
                post=self.post,
                number=self.number,
                title=self.title,
                leader_post=self.leader_post,
                secrecy=self.secrecy,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class OfDuty(MatterFact):
    """A fact after which a duty may be met."""

    MATTER = "period"
    met_at: Moment | None = None
    """When the last credit that was needed happened; None while one is missing."""

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """The duty, once it is met."""
        return () if self.met_at is None else ((),)

    def counts_from(self) -> Moment:
        """When it was met, however late that is known."""
        return self.met_at or self.happened_at


@dataclass(frozen=True, kw_only=True)
class DutyCredited(OfDuty):
    """应办记账: something that was done counts for the duty; done late, it counts as late."""

    TOPIC = "supervision.duty_credited"
    credit: CreditKind
    credit_id: UUID
    """What was done: a report, an activity."""
    met_entered_at: Moment | None = None
    """When that was recorded; None: with this fact."""

    def entered_at(self) -> Moment:
        """When what met the duty was recorded, however late its service told."""
        return self.met_entered_at or self.timestamp


@dataclass(frozen=True, kw_only=True)
class CreditWithdrawn(Fact):
    """撤销记账: what was done does not count after all; a duty that is no longer ``met`` is open again."""

    TOPIC = "supervision.credit_withdrawn"
    RESTS_ON = (DutyCredited,)
    credit_id: UUID
    reason: str
    met: bool


@dataclass(frozen=True, kw_only=True)
class DutyAdjusted(OfDuty):
    """应办调整: more or less is required than when it arose, with the ground."""

    TOPIC = "supervision.duty_adjusted"
    CONFIRMED_BY = None
    required: int
    ground: str


@dataclass(frozen=True, kw_only=True)
class DutyExcused(MatterFact):
    """应办免除: nothing is owed for this period, with the ground."""

    TOPIC = "supervision.duty_excused"
    MATTER = "period"
    CLOSES = "cancelled"
    ground: str


@dataclass(frozen=True, kw_only=True)
class GivesCredit(Fact):
    """A fact that counts for a duty: what it reports was done."""

    CREDIT: ClassVar[CreditKind]

    def credited(self) -> tuple[str, date]:
        """Whose duty it counts for, and a day of the period."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class HalfMonthReportSubmitted(GivesCredit):
    """报送半月专报: a unit reported on a half month; ``nil``: there was nothing to report."""

    TOPIC = "supervision.half_month_report_submitted"
    CREDIT = "half_month_report"
    unit: str
    first: date
    last: date
    nil: bool
    text: str
    evidence: tuple[str, ...] = ()

    def credited(self) -> tuple[str, date]:
        """The unit's report on that half month."""
        return self.unit, self.first


# -- absences -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OfAbsence(MatterFact):
    """A fact after which nobody has to approve an absence any more."""

    MATTER = "trip"
    CLOSES = "cancelled"
    CONFIRMED_BY = None

    def belongs_to(self) -> Sequence[tuple[str, ...]]:
        """The approval."""
        return (APPROVAL,)


APPROVAL = ("approval",)
"""The part of an absence that a leader decides."""


@dataclass(frozen=True, kw_only=True)
class AbsenceRequested(BeginsMatter):
    """申请外出: somebody in a post asks to be away, on a study trip or on leave; ``deputy`` acts meanwhile."""

    TOPIC = "supervision.absence_requested"
    MATTER = "trip"
    kind: AbsenceKind
    unit: str
    post: str
    first: date
    last: date
    purpose: str
    destination: str = ""
    deputy: str | None = None
    leader_post: str | None = None
    """The leader in charge, who approves it."""

    def begins(self) -> Sequence[Matter]:
        """The approval, which a leader owes."""
        return [
            Matter(
                unit=self.unit,
                parts=APPROVAL,
                clock="absence_approval",
                number=f"外出{self.first.isoformat()}",
                title=self.purpose,
                leader_post=self.leader_post,
                secrecy="internal",
            )
        ]


@dataclass(frozen=True, kw_only=True)
class AbsenceApproved(OfAbsence):
    """批准外出: a leader approved it."""

    TOPIC = "supervision.absence_approved"


@dataclass(frozen=True, kw_only=True)
class AbsenceRefused(OfAbsence):
    """不批准外出: a leader refused it, with the reason."""

    TOPIC = "supervision.absence_refused"
    reason: str


@dataclass(frozen=True, kw_only=True)
class AbsenceBegan(Fact):
    """离岗外出: the post's holder left."""

    TOPIC = "supervision.absence_began"
    RESTS_ON = (AbsenceApproved,)


@dataclass(frozen=True, kw_only=True)
class AbsenceEnded(BeginsMatter):
    """返岗: the post's holder is back; after a study trip a report is owed."""

    TOPIC = "supervision.absence_ended"
    RESTS_ON = (AbsenceApproved,)
    MATTER = "trip"
    kind: AbsenceKind
    unit: str
    post: str
    first: date
    purpose: str
    leader_post: str
    """Who approved it."""

    def begins(self) -> Sequence[Matter]:
        """The report on a study trip."""
        if self.kind != "study_trip":
            return ()
        return [
            Matter(
                unit=self.unit,
                post=self.post,
                number=f"考察{self.first.isoformat()}",
                title=self.purpose,
                leader_post=self.leader_post,
                secrecy="internal",
            )
        ]


@dataclass(frozen=True, kw_only=True)
class TripReportSubmitted(MatterFact):
    """提交考察报告: what was seen on a study trip, and what is to be done about it."""

    TOPIC = "supervision.trip_report_submitted"
    RESTS_ON = (AbsenceEnded,)
    MATTER = "trip"
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AbsenceCancelled(OfAbsence):
    """取消外出: they did not go."""

    TOPIC = "supervision.absence_cancelled"
    reason: str
