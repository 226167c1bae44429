"""A naming (通报): drafted, checked by a second person, open to objection, approved, numbered, published, lifted.

What a decision rests on beside the naming itself, its case says (``Ground``).
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from services.supervision.domain.ground import Ground
from services.supervision.domain.rounds import (
    NamingNeedsTwoSlowRounds,
    NoObjectionToRule,
    ObjectionWindowClosed,
)
from services.supervision.domain.series import NAMINGS, NamingSeries
from services.supervision.domain.terms import Terms
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.clock import local_day
from shared.domain.guards import requires
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.refusal import Refusal
from shared.domain.roles import LEADERS
from shared.domain.words import Enumerated
from shared.events import supervision
from shared.events.matter import Secrecy
from shared.rulebook import OBJECTION_WINDOW

Status = Literal[
    "drafted", "checked", "approved", "published", "issued_internally", "lifted", "corrected", "withdrawn"
]


class NamingIsInAnotherState(Refusal, state=Enumerated(Status), needed=Enumerated(Status)):
    """通报目前为“{state}”，只有“{needed}”时才能这样做。
    The naming is {state}; this needs one that is {needed}."""


class CheckingOnesOwnDraft(Refusal):
    """起草人不能核自己起草的通报稿，须由第二人核稿。
    Whoever drafted the naming does not check it: that takes a second person."""

    status = 403


class NamingOnesOwnUnit(Refusal):
    """不能办理本单位（{unit}）的通报，须回避。
    Nobody deals with the naming of their own unit ({unit})."""

    status = 403


class NotTheUnitNamed(Refusal):
    """只有被通报单位 {unit} 可以提出异议。
    Only the unit to be named, {unit}, may object."""

    status = 403


class ObjectionWindowStillOpen(Refusal):
    """异议期到 {until} 结束，之后才能批准。
    The time for objections runs until the close of {until}; approval comes after it."""


class NamingAlreadyObjectedTo(Refusal):
    """单位已对该通报提出过异议。
    The unit has objected to this naming already."""


class ObjectionNotRuled(Refusal):
    """单位的异议尚未裁定，不能批准。
    The unit's objection is not ruled on yet: the naming cannot be approved."""


class ObjectionToARoundWaits(Refusal):
    """对第 {round} 轮督办认定的异议尚未裁定，不能批准或发布通报。
    The objection to round {round} waits for a ruling: the naming is neither approved nor published meanwhile."""


class RulingOnOnesOwnNaming(Refusal):
    """起草人和作出所依据认定的人不能裁定对该通报的异议，须由他人裁定。
    Whoever drafted the naming, or judged or verified one of its rounds, does not rule on the objection to it."""

    status = 403


class MatterNotResolved(Refusal):
    """事项 {number} 尚未解决，不能由督查室撤销通报；未解决而撤销，须由领导决定并说明理由。
    The case {number} is not resolved: only a leader lifts the naming before that, with a reason."""


class SecretNamingIsNotPublished(Refusal):
    """涉密事项的通报只在内部下达，不公开、不编号。
    The naming of a secret matter is never published or numbered: it is issued internally, with its approval."""


class CorrectionsAreNotCorrected(Refusal):
    """更正通报本身不再更正，请对原通报另行更正。
    A correction is not corrected itself: correct the original naming again."""


# -- state and steps ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NamingState:
    """通报: who is named for which rounds, by whose hands it went, and its number."""

    case_id: UUID
    case_number: str
    unit: str
    post: str | None
    """The responsible one, as it was at the last of the rounds."""
    holder_since: date | None
    """Since when whoever held it then had held it; their name is personal data and stands with the post alone."""
    rounds: tuple[int, ...]
    text: str
    status: Status = "drafted"
    drafted_by: str
    drafted_at: datetime
    checked_by: str | None = None
    checked_at: datetime | None = None
    objections_until: date | None = None
    window_closes_at: datetime | None = None
    objection: str | None = None
    objection_upheld: bool | None = None
    ruling: str | None = None
    approved_by: str | None = None
    series: str | None = None
    year: int | None = None
    number: int | None = None
    published_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    corrects: UUID | None
    corrected_by: UUID | None = None
    secrecy: Secrecy

    @property
    def internal_only(self) -> bool:
        """内部通报: of a secret matter; it is issued with its approval, without number or publication."""
        return self.secrecy == "secret"

    @property
    def concerned(self) -> tuple[str, ...]:
        """The unit that is named."""
        return (self.unit,)


evolve = Lifecycle(NamingState, begins=supervision.NamingDrafted)


@evolve.register
def _(fact: supervision.NamingDrafted) -> NamingState:
    return NamingState(
        case_id=fact.case_id,
        case_number=fact.case_number,
        unit=fact.unit,
        post=fact.post,
        holder_since=fact.holder_since,
        rounds=fact.rounds,
        text=fact.text,
        drafted_by=fact.by.post,
        drafted_at=fact.timestamp,
        corrects=fact.corrects,
        secrecy=fact.secrecy,
    )


@evolve.register
def _(fact: supervision.NamingRedrafted, naming: NamingState) -> NamingState:
    # It begins anew: nothing of the draft that was withdrawn counts for this one.
    return NamingState(
        case_id=naming.case_id,
        case_number=naming.case_number,
        unit=naming.unit,
        post=naming.post,
        holder_since=fact.holder_since,
        rounds=naming.rounds,
        text=fact.text,
        drafted_by=fact.by.post,
        drafted_at=fact.timestamp,
        corrects=naming.corrects,
        secrecy=naming.secrecy,
    )


@evolve.register
def _(fact: supervision.NamingChecked, naming: NamingState) -> NamingState:
    return replace(
        naming,
        status="checked",
        checked_by=fact.by.post,
        checked_at=fact.timestamp,
        objections_until=fact.objections_until,
        window_closes_at=fact.window_closes_at,
    )


@evolve.register
def _(fact: supervision.NamingWindowMoved, naming: NamingState) -> NamingState:
    return replace(naming, objections_until=fact.objections_until, window_closes_at=fact.window_closes_at)


@evolve.register
def _(fact: supervision.NamingObjected, naming: NamingState) -> NamingState:
    return replace(naming, objection=fact.text)


@evolve.register
def _(fact: supervision.NamingObjectionRuled, naming: NamingState) -> NamingState:
    return replace(naming, objection_upheld=fact.upheld, ruling=fact.reason)


@evolve.register
def _(fact: supervision.NamingApproved, naming: NamingState) -> NamingState:
    return replace(naming, status="approved", approved_by=fact.approved_by)


@evolve.register
def _(fact: supervision.NamingIssuedInternally, naming: NamingState) -> NamingState:
    return replace(naming, status="issued_internally", approved_by=fact.approved_by)


@evolve.register
def _(fact: supervision.NamingPublished, naming: NamingState) -> NamingState:
    return replace(
        naming,
        status="published",
        series=fact.series,
        year=fact.year,
        number=fact.number,
        published_at=fact.timestamp,
    )


@evolve.register
def _(fact: supervision.NamingLifted, naming: NamingState) -> NamingState:
    return replace(naming, status="lifted", ended_at=fact.happened_at, reason=fact.reason)


@evolve.register
def _(fact: supervision.NamingWithdrawn, naming: NamingState) -> NamingState:
    return replace(naming, status="withdrawn", ended_at=fact.happened_at, reason=fact.reason)


@evolve.register
def _(fact: supervision.NamingCorrected, naming: NamingState) -> NamingState:
    return replace(
        naming,
        status="corrected",
        corrected_by=fact.correction_id,
        ended_at=fact.happened_at,
        reason=fact.reason,
    )


# -- guards -------------------------------------------------------------------------------------------------------


def is_drafted(naming: NamingState, act: CommandContext) -> None:
    """It waits for the check."""
    _must_be(naming, "drafted")


def is_checked(naming: NamingState, act: CommandContext) -> None:
    """It waits for objections, the ruling, the approval."""
    _must_be(naming, "checked")


def is_approved(naming: NamingState, act: CommandContext) -> None:
    """It waits for its publication."""
    _must_be(naming, "approved")


def is_in_force(naming: NamingState, act: CommandContext) -> None:
    """It was published, or issued internally, and is neither lifted nor corrected."""
    if naming.status != "issued_internally":
        _must_be(naming, "published")


def is_not_secret(naming: NamingState, act: CommandContext) -> None:
    """It may be shown outside."""
    if naming.internal_only:
        raise SecretNamingIsNotPublished()


def is_withdrawn(naming: NamingState, act: CommandContext) -> None:
    """The draft was taken back."""
    _must_be(naming, "withdrawn")


def can_be_corrected(naming: NamingState, act: CommandContext) -> None:
    """It was published and is not corrected yet."""
    if naming.number is None or naming.status not in ("published", "lifted"):
        raise NamingIsInAnotherState(state=naming.status, needed="published")


def is_no_correction(naming: NamingState, act: CommandContext) -> None:
    """It is a naming itself."""
    if naming.corrects is not None:
        raise CorrectionsAreNotCorrected()


def by_another_unit(naming: NamingState, act: CommandContext) -> None:
    """Nobody deals with the naming of their own unit."""
    if act.by.unit == naming.unit:
        raise NamingOnesOwnUnit(unit=naming.unit)


def by_the_unit_named(naming: NamingState, act: CommandContext) -> None:
    """The unit to be named acts."""
    if act.by.unit != naming.unit:
        raise NotTheUnitNamed(unit=naming.unit)


def by_a_second_person(naming: NamingState, act: CommandContext) -> None:
    """Whoever drafted it does not check it."""
    if act.by.post == naming.drafted_by:
        raise CheckingOnesOwnDraft()


def is_not_objected_to(naming: NamingState, act: CommandContext) -> None:
    """The unit objects once."""
    if naming.objection is not None:
        raise NamingAlreadyObjectedTo()


def waits_for_a_ruling(naming: NamingState, act: CommandContext) -> None:
    """An objection is not ruled on."""
    if naming.objection is None or naming.objection_upheld is not None:
        raise NoObjectionToRule()


def window_is_open(naming: NamingState, act: CommandContext, terms: Terms) -> None:
    """The time for objections has not ended, by the newest calendar."""
    _, closes_at = window(naming, terms)
    if closes_at is not None and act.recorded_at >= closes_at:
        raise ObjectionWindowClosed(closed_on=local_day(closes_at))


def window_has_closed(naming: NamingState, act: CommandContext, terms: Terms) -> None:
    """The time for objections has ended, by the newest calendar, and any objection is ruled on."""
    until, closes_at = window(naming, terms)
    if closes_at is not None and act.recorded_at < closes_at:
        raise ObjectionWindowStillOpen(until=until)
    if naming.objection is not None and naming.objection_upheld is None:
        raise ObjectionNotRuled()


def window(naming: NamingState, terms: Terms) -> tuple[date | None, datetime | None]:
    """Until when the unit may object by these terms; nobody objects to a correction."""
    if naming.checked_at is None or naming.corrects is not None:
        return naming.objections_until, naming.window_closes_at
    _, until, closes_at = terms.fixed(OBJECTION_WINDOW, naming.checked_at)
    return until, closes_at


def has_its_ground(naming: NamingState, act: CommandContext, ground: Ground) -> None:
    """Its rounds still count; a correction needs no rounds."""
    if naming.corrects is None and not ground.stands:
        raise NamingNeedsTwoSlowRounds()


def no_objection_to_a_round_waits(naming: NamingState, act: CommandContext, ground: Ground) -> None:
    """Every objection to its rounds is ruled on; a correction needs no rounds."""
    if naming.corrects is None and ground.objected is not None:
        raise ObjectionToARoundWaits(round=ground.objected)


def by_nobody_who_made_it(naming: NamingState, act: CommandContext, ground: Ground) -> None:
    """Neither its drafter nor whoever judged or verified one of its rounds."""
    if act.by.post == naming.drafted_by or act.by.post in ground.judges:
        raise RulingOnOnesOwnNaming()


def is_resolved_or_a_leader_decides(naming: NamingState, act: CommandContext, ground: Ground) -> None:
    """The matter is resolved; before that only a leader may say so, with a reason."""
    if act.role not in LEADERS and not ground.resolved:
        raise MatterNotResolved(number=naming.case_number)


def _must_be(naming: NamingState, needed: Status) -> None:
    if naming.status != needed:
        raise NamingIsInAnotherState(state=naming.status, needed=needed)


# -- decisions ----------------------------------------------------------------------------------------------------


class Naming(Aggregate, lifecycle=evolve):
    """公开通报 of a unit and its responsible post, or the correction of one (domain.md §4.8)."""

    TOPIC = "supervision.naming"
    state: NamingState

    @property
    def number(self) -> str | None:
        """Series, year and number, once published."""
        naming = self.state
        return None if naming.number is None else f"{naming.series}〔{naming.year}〕{naming.number}号"

    @classmethod
    def draft(cls, act: CommandContext, naming_id: UUID, **what: Any) -> Self:
        """Draft it; ``act.by`` is whose draft it is."""
        return cls.begin(supervision.NamingDrafted, act, id=naming_id, **what)

    @requires(is_withdrawn)
    def redraft(self, act: CommandContext, *, text: str, holder_since: date | None) -> None:
        """It is due again after it was withdrawn; published ones stand as they are."""
        self.record(supervision.NamingRedrafted, act, text=text, holder_since=holder_since)

    @requires(is_drafted, by_another_unit, by_a_second_person)
    def check(self, act: CommandContext, *, terms: Terms) -> None:
        """A second person checked the draft; the window for objections opens (a correction needs none)."""
        until, closes = local_day(act.recorded_at), act.recorded_at
        if self.state.corrects is None:
            _, until, closes = terms.fixed(OBJECTION_WINDOW, act.recorded_at)
        self.record(
            supervision.NamingChecked,
            act,
            drafted_by=self.state.drafted_by,
            objections_until=until,
            window_closes_at=closes,
        )

    def recompute(self, act: CommandContext, terms: Terms) -> None:
        """Reckon the window with a newer calendar, as long as the naming waits for objections or the approval."""
        naming, (until, closes_at) = self.state, window(self.state, terms)
        if naming.status != "checked" or until in (None, naming.objections_until):
            return
        self.record(
            supervision.NamingWindowMoved,
            act,
            unit=naming.unit,
            moved_from=naming.objections_until,
            objections_until=until,
            window_closes_at=closes_at,
            calendar_version=terms.calendar.version,
        )

    @requires(by_the_unit_named, is_checked, is_not_objected_to, window_is_open)
    def object(self, act: CommandContext, *, terms: Terms, text: str) -> None:
        """The unit objects, while the window is open."""
        self.record(supervision.NamingObjected, act, unit=self.state.unit, text=text)

    @requires(is_checked, by_another_unit, waits_for_a_ruling, by_nobody_who_made_it)
    def rule_on_objection(self, act: CommandContext, *, ground: Ground, upheld: bool, reason: str) -> None:
        """Rule on the objection; upheld, the draft is withdrawn."""
        self.record(supervision.NamingObjectionRuled, act, upheld=upheld, reason=reason)
        if upheld:
            self.record(supervision.NamingWithdrawn, act, reason=f"异议成立：{reason}")

    @requires(is_checked, window_has_closed, no_objection_to_a_round_waits)
    def approve(self, act: CommandContext, *, terms: Terms, ground: Ground) -> None:
        """A leader approves, once the window has closed and any objection is ruled on; that issues a secret one."""
        naming, approved_by = self.state, act.by.post
        if naming.internal_only:
            self.record(
                supervision.NamingIssuedInternally,
                act,
                unit=naming.unit,
                post=naming.post,
                approved_by=approved_by,
            )
        else:
            self.record(supervision.NamingApproved, act, approved_by=approved_by)

    @requires(is_not_secret, is_approved, by_another_unit, has_its_ground, no_objection_to_a_round_waits)
    def publish(self, act: CommandContext, *, series: NamingSeries, ground: Ground) -> None:
        """Publish it under the next number of the series, with which it is saved in one transaction."""
        self.record(
            supervision.NamingPublished,
            act,
            case_id=self.state.case_id,
            unit=self.state.unit,
            post=self.state.post,
            series=NAMINGS,
            year=series.state.year,
            number=series.issue_next(act, document_id=self.id),
            text=self.state.text,
            corrects=self.state.corrects,
        )

    @requires(is_in_force, by_another_unit, is_resolved_or_a_leader_decides)
    def lift(self, act: CommandContext, *, ground: Ground, reason: str) -> None:
        """Rectified, or a leader's decision: it stands in the ledger as lifted."""
        self.record(supervision.NamingLifted, act, reason=reason)

    @requires(can_be_corrected, is_no_correction, by_another_unit)
    def begin_correction(self, act: CommandContext, *, text: str) -> "Naming":
        """A correction of this published naming, to be checked, approved and numbered like it."""
        return Naming.draft(
            act,
            act.new_id("correction"),
            case_id=self.state.case_id,
            case_number=self.state.case_number,
            unit=self.state.unit,
            post=self.state.post,
            holder_since=self.state.holder_since,
            rounds=self.state.rounds,
            text=text,
            secrecy=self.state.secrecy,
            corrects=self.id,
        )

    @requires(can_be_corrected)
    def correct(self, act: CommandContext, *, correction: "Naming") -> None:
        """Its correction is published: this one stays in the ledger, linked to it."""
        self.record(
            supervision.NamingCorrected,
            act,
            correction_id=correction.id,
            reason=correction.state.text,
        )

    def withdraw(self, act: CommandContext, reason: str) -> None:
        """The draft has lost its ground; what is published by then takes a correction instead."""
        if self.status in ("drafted", "checked", "approved", "issued_internally"):
            self.record(supervision.NamingWithdrawn, act, reason=reason)
