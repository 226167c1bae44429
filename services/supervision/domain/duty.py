"""The duty 应办: what a rule of the rulebook requires of a unit or post for one period (model.md, What recurs).

Whether it was missed is not said here: its clock says so, by the rule's row.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Self, cast
from uuid import UUID

from shared.calendar.period import Period
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.guards import requires
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.matter import Secrecy
from shared.events.supervision import CreditKind
from shared.rulebook import Rule


class DutyIsExcused(Refusal):
    """{number}应办事项已免除。
    The duty for {number} is excused."""


class DutyIsMet(Refusal):
    """{number}应办事项已完成，无需免除。
    The duty for {number} is met: there is nothing to excuse."""


class ExcusingOnesOwnUnit(Refusal):
    """不能免除或调整本单位（{unit}）的应办事项，须回避。
    Nobody excuses or adjusts a duty of their own unit ({unit})."""

    status = 403


class NoSuchCredit(Refusal):
    """该应办事项没有记账 {credit_id}。
    Nothing with the id {credit_id} counts for this duty."""

    status = 422
    field = "credit_id"


@dataclass(frozen=True)
class Ower:
    """Who owes: a unit, or a post in a unit."""

    id: str
    unit: str
    post: str | None = None
    leader_post: str | None = None


@dataclass(frozen=True)
class Credit:
    """One thing that was done, and when."""

    credit_id: UUID
    at: datetime


@dataclass(frozen=True, kw_only=True)
class DutyState:
    """应办: what is required and what has been done."""

    rule: str
    ower: str
    unit: str
    post: str | None
    first: date
    last: date
    number: str
    title: str
    required: int
    credit: CreditKind
    credits: tuple[Credit, ...] = ()
    met_at: datetime | None = None
    excused: str | None = None
    leader_post: str | None
    secrecy: Secrecy
    rulebook_version: int
    status: Literal["open", "met", "excused"] = "open"

    @property
    def concerned(self) -> tuple[str, ...]:
        """The unit."""
        return (self.unit,)

    def met_with(self, given: tuple[Credit, ...], required: int) -> datetime | None:
        """When the last of the credits that are needed happened; None if there are not enough."""
        done = sorted(credit.at for credit in given)
        return done[required - 1] if len(done) >= required else None


evolve = Lifecycle(DutyState, begins=supervision.DutyArose)


@evolve.register
def _(fact: supervision.DutyArose) -> DutyState:
    return DutyState(
        rule=fact.rule,
        ower=fact.ower,
        unit=fact.unit,
        post=fact.post,
        first=fact.first,
        last=fact.last,
        number=fact.number,
        title=fact.title,
        required=fact.required,
        credit=fact.credit,
        leader_post=fact.leader_post,
        secrecy=fact.secrecy,
        rulebook_version=fact.rulebook_version,
    )


@evolve.register
def _(fact: supervision.DutyCredited, duty: DutyState) -> DutyState:
    given = (*duty.credits, Credit(fact.credit_id, fact.happened_at))
    return _settled(replace(duty, credits=given, met_at=fact.met_at))


@evolve.register
def _(fact: supervision.CreditWithdrawn, duty: DutyState) -> DutyState:
    left = tuple(credit for credit in duty.credits if credit.credit_id != fact.credit_id)
    return _settled(replace(duty, credits=left, met_at=duty.met_with(left, duty.required)))


@evolve.register
def _(fact: supervision.DutyAdjusted, duty: DutyState) -> DutyState:
    return _settled(replace(duty, required=fact.required, met_at=fact.met_at))


@evolve.register
def _(fact: supervision.DutyExcused, duty: DutyState) -> DutyState:
    return _settled(replace(duty, excused=fact.ground))


def _settled(duty: DutyState) -> DutyState:
    if duty.excused is not None:
        return replace(duty, status="excused")
    return replace(duty, status="open" if duty.met_at is None else "met")


def is_not_excused(duty: DutyState, act: CommandContext) -> None:
    """Something is owed."""
    if duty.excused is not None:
        raise DutyIsExcused(number=duty.number)


def is_not_met(duty: DutyState, act: CommandContext) -> None:
    """Something is still to be done."""
    if duty.met_at is not None:
        raise DutyIsMet(number=duty.number)


def of_another_unit(duty: DutyState, act: CommandContext) -> None:
    """Somebody of another unit decides."""
    if act.by.unit == duty.unit:
        raise ExcusingOnesOwnUnit(unit=duty.unit)


class Duty(Aggregate, lifecycle=evolve):
    """One rule owed by one ower for one period."""

    TOPIC = "supervision.duty"
    state: DutyState

    @staticmethod
    def id_of(rule: str, ower: str, first: date) -> UUID:
        """The id of the one duty under this rule for the period that begins on ``first``."""
        return stable_id("period duty", rule, ower, first)

    @classmethod
    def arise(
        cls, act: CommandContext, rule: Rule, period: Period, ower: Ower, rulebook_version: int
    ) -> Self:
        """The period began, and the ower was on the roster."""
        return cls.begin(
            supervision.DutyArose,
            act,
            id=cls.id_of(rule.id, ower.id, period.first),
            rule=rule.id,
            ower=ower.id,
            unit=ower.unit,
            post=ower.post,
            first=period.first,
            last=period.last,
            number=period.name_zh,
            title=rule.name_zh,
            required=rule.required,
            credit=cast("CreditKind", rule.credit),
            leader_post=ower.leader_post,
            rulebook_version=rulebook_version,
        )

    def give_credit(
        self, act: CommandContext, *, credit_id: UUID, entered_at: datetime | None = None
    ) -> None:
        """Something was done that counts, and was recorded at ``entered_at``; the same thing counts once."""
        given = (*self.state.credits, Credit(credit_id, act.happened_at))
        if credit_id not in {credit.credit_id for credit in self.state.credits}:
            self.record(
                supervision.DutyCredited,
                act,
                credit=self.state.credit,
                credit_id=credit_id,
                met_at=self.state.met_with(given, self.state.required),
                met_entered_at=entered_at or act.recorded_at,
            )

    @requires(is_not_excused, of_another_unit)
    def withdraw_credit(self, act: CommandContext, *, credit_id: UUID, reason: str) -> None:
        """What was done does not count after all."""
        left = tuple(credit for credit in self.state.credits if credit.credit_id != credit_id)
        if left == self.state.credits:
            raise NoSuchCredit(credit_id=credit_id)
        self.record(
            supervision.CreditWithdrawn,
            act,
            credit_id=credit_id,
            reason=reason,
            met=self.state.met_with(left, self.state.required) is not None,
        )

    @requires(is_not_excused, is_not_met, of_another_unit)
    def adjust(self, act: CommandContext, *, required: int, ground: str) -> None:
        """More or less is required."""
        met_at = self.state.met_with(self.state.credits, required)
        self.record(supervision.DutyAdjusted, act, required=required, ground=ground, met_at=met_at)

    @requires(is_not_excused, is_not_met, of_another_unit)
    def excuse(self, act: CommandContext, *, ground: str) -> None:
        """Nothing is owed for this period."""
        self.record(supervision.DutyExcused, act, ground=ground)
