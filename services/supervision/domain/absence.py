"""The absence 外出、请销假 (measure 9): a study trip or a leave, asked for, approved by a leader, ended by the return.

After a study trip a report is owed; its clock is a row of the rulebook.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, Self

from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.clock import local_day
from shared.domain.guards import requires
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.matter import Secrecy
from shared.events.supervision import AbsenceKind


class AbsenceEndsBeforeItBegins(Refusal):
    """返岗日期 {last} 早于外出日期 {first}。
    The absence ends on {last}, before it begins on {first}."""

    status = 422
    field = "last"


class AskedAfterLeaving(Refusal):
    """外出须事先报批：外出日期 {first} 早于今天 {today}。
    An absence is asked for before it begins: {first} is earlier than today, {today}."""

    status = 422
    field = "first"


class DeputyIsOneself(Refusal):
    """代行职责的岗位不能是本人。
    The deputy is another post than one's own."""

    status = 422
    field = "deputy"


class NotWhoIsAway(Refusal):
    """这是 {post} 的外出，只能由其本人办理。
    This is the absence of {post}, and only that post may do this."""

    status = 403


class ApprovingOnesOwnAbsence(Refusal):
    """不能审批本人的外出申请。
    Nobody approves or refuses their own absence."""

    status = 403


class AbsenceIsNotAsked(Refusal):
    """该外出申请已经审批或取消。
    This absence has been decided on or cancelled."""


class AbsenceIsNotApproved(Refusal):
    """该外出未经批准或已经开始。
    This absence is not approved, or has begun."""


class NotAway(Refusal):
    """该岗位未经批准外出或已经返岗。
    The post is not away: the absence is not approved, or has ended."""


class NoTripReportOwed(Refusal):
    """只有考察返岗后才须提交一次考察报告。
    A report is submitted once, after the return from a study trip."""


class BeforeTheStepBefore(Refusal):
    """发生时间 {at} 早于上一步的时间 {before}。
    It cannot have happened at {at}: the step before it is of {before}."""

    status = 422
    field = "happened_at"


@dataclass(frozen=True, kw_only=True)
class AbsenceState:
    """外出: who is away when, and how far it has come."""

    kind: AbsenceKind
    unit: str
    post: str
    first: date
    last: date
    purpose: str
    destination: str
    deputy: str | None
    requested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    """Of a refusal or a cancellation."""
    began_at: datetime | None = None
    ended_at: datetime | None = None
    report: str | None = None
    evidence: tuple[str, ...] = ()
    reported_at: datetime | None = None
    status: Literal["requested", "approved", "refused", "away", "ended", "reported", "cancelled"] = (
        "requested"
    )

    secrecy: ClassVar[Secrecy] = "internal"

    @property
    def concerned(self) -> tuple[str, ...]:
        """The unit."""
        return (self.unit,)

    def must_not_be_before_the_last_step(self, act: CommandContext) -> None:
        """Raises BeforeTheStepBefore."""
        before = self.ended_at or self.began_at or self.decided_at or self.requested_at
        if act.happened_at < before:
            raise BeforeTheStepBefore(at=act.happened_at, before=before)


evolve = Lifecycle(AbsenceState, begins=supervision.AbsenceRequested)


@evolve.register
def _(fact: supervision.AbsenceRequested) -> AbsenceState:
    return AbsenceState(
        kind=fact.kind,
        unit=fact.unit,
        post=fact.post,
        first=fact.first,
        last=fact.last,
        purpose=fact.purpose,
        destination=fact.destination,
        deputy=fact.deputy,
        requested_at=fact.happened_at,
    )


@evolve.register
def _(fact: supervision.AbsenceApproved, absence: AbsenceState) -> AbsenceState:
    return replace(absence, status="approved", decided_by=fact.by.post, decided_at=fact.happened_at)


@evolve.register
def _(fact: supervision.AbsenceRefused, absence: AbsenceState) -> AbsenceState:
    return replace(
        absence,
        status="refused",
        decided_by=fact.by.post,
        decided_at=fact.happened_at,
        reason=fact.reason,
    )


@evolve.register
def _(fact: supervision.AbsenceBegan, absence: AbsenceState) -> AbsenceState:
    return replace(absence, status="away", began_at=fact.happened_at)


@evolve.register
def _(fact: supervision.AbsenceEnded, absence: AbsenceState) -> AbsenceState:
    return replace(absence, status="ended", ended_at=fact.happened_at)


@evolve.register
def _(fact: supervision.TripReportSubmitted, absence: AbsenceState) -> AbsenceState:
    return replace(
        absence,
        status="reported",
        report=fact.text,
        evidence=fact.evidence,
        reported_at=fact.happened_at,
    )


@evolve.register
def _(fact: supervision.AbsenceCancelled, absence: AbsenceState) -> AbsenceState:
    return replace(absence, status="cancelled", reason=fact.reason)


def by_oneself(absence: AbsenceState, act: CommandContext) -> None:
    """Who is away acts."""
    if act.by.post != absence.post:
        raise NotWhoIsAway(post=absence.post)


def by_somebody_else(absence: AbsenceState, act: CommandContext) -> None:
    """Another post decides."""
    if act.by.post == absence.post:
        raise ApprovingOnesOwnAbsence()


def is_asked_for(absence: AbsenceState, act: CommandContext) -> None:
    """It waits for a decision."""
    if absence.status != "requested":
        raise AbsenceIsNotAsked()


def is_approved(absence: AbsenceState, act: CommandContext) -> None:
    """It is approved and has not begun."""
    if absence.status != "approved":
        raise AbsenceIsNotApproved()


def has_not_begun(absence: AbsenceState, act: CommandContext) -> None:
    """It waits for a decision or for its beginning."""
    if absence.status not in ("requested", "approved"):
        raise AbsenceIsNotApproved()


def is_away(absence: AbsenceState, act: CommandContext) -> None:
    """It is approved and has not ended; nobody need have said that it began."""
    if absence.status not in ("approved", "away"):
        raise NotAway()


def owes_a_report(absence: AbsenceState, act: CommandContext) -> None:
    """A study trip that has ended, without a report."""
    if absence.kind != "study_trip" or absence.status != "ended":
        raise NoTripReportOwed()


class Absence(Aggregate, lifecycle=evolve):
    """One absence of a post's holder."""

    TOPIC = "supervision.absence"
    state: AbsenceState

    @classmethod
    def request(
        cls,
        act: CommandContext,
        *,
        kind: AbsenceKind,
        first: date,
        last: date,
        purpose: str,
        destination: str = "",
        deputy: str | None = None,
        leader_post: str | None = None,
    ) -> Self:
        """The actor asks the leader in charge to be away."""
        today = local_day(act.recorded_at)
        if first < today:
            raise AskedAfterLeaving(first=first, today=today)
        if last < first:
            raise AbsenceEndsBeforeItBegins(first=first, last=last)
        if deputy == act.by.post:
            raise DeputyIsOneself()
        return cls.begin(
            supervision.AbsenceRequested,
            act,
            id=act.new_id("absence"),
            kind=kind,
            unit=act.by.unit,
            post=act.by.post,
            first=first,
            last=last,
            purpose=purpose,
            destination=destination,
            deputy=deputy,
            leader_post=leader_post,
        )

    @requires(is_asked_for, by_somebody_else)
    def approve(self, act: CommandContext) -> None:
        """A leader approves."""
        self.record(supervision.AbsenceApproved, act)

    @requires(is_asked_for, by_somebody_else)
    def refuse(self, act: CommandContext, *, reason: str) -> None:
        """A leader refuses."""
        self.record(supervision.AbsenceRefused, act, reason=reason)

    @requires(is_approved, by_oneself)
    def leave(self, act: CommandContext) -> None:
        """It begins."""
        self.state.must_not_be_before_the_last_step(act)
        self.record(supervision.AbsenceBegan, act)

    @requires(is_away, by_oneself)
    def come_back(self, act: CommandContext) -> None:
        """It ends with the return."""
        away, approved_by = self.state, self.state.decided_by
        assert approved_by is not None
        away.must_not_be_before_the_last_step(act)
        self.record(
            supervision.AbsenceEnded,
            act,
            kind=away.kind,
            unit=away.unit,
            post=away.post,
            first=away.first,
            purpose=away.purpose,
            leader_post=approved_by,
        )

    @requires(owes_a_report, by_oneself)
    def submit_report(self, act: CommandContext, *, text: str, evidence: Sequence[str] = ()) -> None:
        """The report on a study trip."""
        self.state.must_not_be_before_the_last_step(act)
        self.record(supervision.TripReportSubmitted, act, text=text, evidence=tuple(evidence))

    @requires(has_not_begun, by_oneself)
    def cancel(self, act: CommandContext, *, reason: str) -> None:
        """They do not go."""
        self.record(supervision.AbsenceCancelled, act, reason=reason)
