"""A naming (通报): drafted, checked by a second person, open to objection, approved, numbered, published, lifted."""

from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from services.supervision.domain.rounds import NoObjectionToRule, ObjectionWindowClosed
from services.supervision.domain.series import NAMINGS, NamingSeries
from services.supervision.domain.terms import Terms
from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation
from shared.domain.clock import local_day
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.matter import Secrecy

State = Literal["drafted", "checked", "approved", "published", "lifted", "corrected", "withdrawn"]


class NamingIsInAnotherState(Refusal):
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


class CorrectionsAreNotCorrected(Refusal):
    """更正通报本身不再更正，请对原通报另行更正。
    A correction is not corrected itself: correct the original naming again."""


class NamingAlreadyDrafted(Refusal):
    """该事项的通报已经起草，一次连续缓慢只通报一次。
    The naming for this streak is drafted already: one streak, one naming."""


class Naming(Aggregate):
    """公开通报 of a unit and its responsible post, or the correction of one (domain.md §4.8)."""

    TOPIC = "supervision.naming"
    case_id: UUID
    case_number: str
    unit: str
    post: str | None
    rounds: tuple[int, ...]
    text: str
    secrecy: Secrecy
    corrects: UUID | None
    stage: State
    drafted_by: str
    closes_at: datetime
    until: date
    objected: bool
    objection_ruled: bool
    published_as: str | None

    @property
    def status(self) -> str:
        """Where it has come to."""
        return self.stage

    @property
    def number(self) -> str | None:
        """Series, year and number, once published."""
        return self.published_as

    @classmethod
    def draft(cls, act: CommandContext, naming_id: UUID, **what: Any) -> Self:
        """Draft it; ``act.by`` is whose draft it is."""
        return cls.begin(cls.Drafted, act, id=naming_id, **what)

    def redraft(self, act: CommandContext, text: str) -> None:
        """It is due again after it was withdrawn; published ones stand as they are."""
        self._must_be("withdrawn")
        self.record(Naming.Redrafted, act, text=text)

    def check(self, act: CommandContext, terms: Terms) -> None:
        """A second person checked the draft; the window for objections opens (a correction needs none).

        Raises NamingIsInAnotherState, CheckingOnesOwnDraft, NamingOnesOwnUnit.
        """
        self._must_be("drafted")
        self._not_of(act)
        if act.by.post == self.drafted_by:
            raise CheckingOnesOwnDraft()
        until, closes = local_day(act.recorded_at), act.recorded_at
        if self.corrects is None:
            _, until, closes = terms.fixed("objection_window", act.recorded_at)
        self.record(
            Naming.Checked, act, drafted_by=self.drafted_by, objections_until=until, window_closes_at=closes
        )

    def object(self, act: CommandContext, text: str) -> None:
        """The unit objects, while the window is open.

        Raises NotTheUnitNamed, NamingIsInAnotherState, NamingAlreadyObjectedTo, ObjectionWindowClosed.
        """
        if act.by.unit != self.unit:
            raise NotTheUnitNamed(unit=self.unit)
        self._must_be("checked")
        if self.objected:
            raise NamingAlreadyObjectedTo()
        if act.recorded_at >= self.closes_at:
            raise ObjectionWindowClosed(closed_on=local_day(self.closes_at))
        self.record(Naming.Objected, act, unit=self.unit, text=text)

    def rule_on_objection(self, act: CommandContext, upheld: bool, reason: str) -> None:
        """Rule on the objection; upheld, the draft is withdrawn.

        Raises NamingIsInAnotherState, NoObjectionToRule, NamingOnesOwnUnit.
        """
        self._must_be("checked")
        self._not_of(act)
        if not self.objected or self.objection_ruled:
            raise NoObjectionToRule()
        self.record(Naming.ObjectionRuled, act, upheld=upheld, reason=reason)
        if upheld:
            self.record(Naming.Withdrawn, act, reason=f"异议成立：{reason}")

    def approve(self, act: CommandContext) -> None:
        """A leader approves, once the window has closed and any objection is ruled on.

        Raises NamingIsInAnotherState, ObjectionWindowStillOpen, ObjectionNotRuled.
        """
        self._must_be("checked")
        if act.recorded_at < self.closes_at:
            raise ObjectionWindowStillOpen(until=self.until)
        if self.objected and not self.objection_ruled:
            raise ObjectionNotRuled()
        self.record(Naming.Approved, act, approved_by=act.by.post)

    def publish(self, act: CommandContext, series: NamingSeries) -> None:
        """Publish it under the next number of the series, with which it is saved in one transaction.

        Raises NamingIsInAnotherState, NamingOnesOwnUnit.
        """
        self._must_be("approved")
        self._not_of(act)
        self.record(
            Naming.Published,
            act,
            case_id=self.case_id,
            unit=self.unit,
            post=self.post,
            series=NAMINGS,
            year=series.state.year,
            number=series.issue_next(act, document_id=self.id),
            text=self.text,
            corrects=self.corrects,
        )

    def lift(self, act: CommandContext, reason: str) -> None:
        """Rectified: it stands in the ledger as lifted. Raises NamingIsInAnotherState, NamingOnesOwnUnit."""
        self._must_be("published")
        self._not_of(act)
        self.record(Naming.Lifted, act, reason=reason)

    def begin_correction(self, act: CommandContext, text: str) -> "Naming":
        """A correction of this published naming, to be checked, approved and numbered like it.

        Raises NamingIsInAnotherState, CorrectionsAreNotCorrected, NamingOnesOwnUnit.
        """
        if self.stage not in ("published", "lifted"):
            raise NamingIsInAnotherState(state=self.stage, needed="published")
        if self.corrects is not None:
            raise CorrectionsAreNotCorrected()
        self._not_of(act)
        return Naming.draft(
            act,
            act.new_id("correction"),
            case_id=self.case_id,
            case_number=self.case_number,
            unit=self.unit,
            post=self.post,
            rounds=self.rounds,
            text=text,
            secrecy=self.secrecy,
            corrects=self.id,
        )

    def correct(self, act: CommandContext, correction: "Naming") -> None:
        """Its correction is published: this one stays in the ledger, linked to it."""
        if self.stage not in ("published", "lifted"):
            raise NamingIsInAnotherState(state=self.stage, needed="published")
        self.record(Naming.Corrected, act, correction_id=correction.id, reason=correction.text)

    def withdraw(self, act: CommandContext, reason: str) -> None:
        """The draft has lost its ground; what is published by then takes a correction instead."""
        if self.stage in ("drafted", "checked", "approved"):
            self.record(Naming.Withdrawn, act, reason=reason)

    def _must_be(self, stage: State) -> None:
        if self.stage != stage:
            raise NamingIsInAnotherState(state=self.stage, needed=stage)

    def _not_of(self, act: CommandContext) -> None:
        if act.by.unit == self.unit:
            raise NamingOnesOwnUnit(unit=self.unit)

    # -- what happened ---------------------------------------------------------------------------------------

    class Drafted(supervision.NamingDrafted, Creation):
        def apply(self, naming: "Naming") -> None:
            naming.case_id, naming.case_number = self.case_id, self.case_number
            naming.unit, naming.post, naming.rounds = self.unit, self.post, self.rounds
            naming.text, naming.secrecy, naming.corrects = self.text, self.secrecy, self.corrects
            naming.stage, naming.drafted_by = "drafted", self.by.post
            naming.closes_at, naming.until = self.timestamp, self.timestamp.date()
            naming.objected = naming.objection_ruled = False
            naming.published_as = None

    class Redrafted(supervision.NamingRedrafted, Change):
        def apply(self, naming: "Naming") -> None:
            naming.stage, naming.text, naming.drafted_by = "drafted", self.text, self.by.post
            naming.objected = naming.objection_ruled = False

    class Checked(supervision.NamingChecked, Change):
        def apply(self, naming: "Naming") -> None:
            naming.stage = "checked"
            naming.closes_at, naming.until = self.window_closes_at, self.objections_until

    class Objected(supervision.NamingObjected, Change):
        def apply(self, naming: "Naming") -> None:
            naming.objected = True

    class ObjectionRuled(supervision.NamingObjectionRuled, Change):
        def apply(self, naming: "Naming") -> None:
            naming.objection_ruled = True

    class Approved(supervision.NamingApproved, Change):
        def apply(self, naming: "Naming") -> None:
            naming.stage = "approved"

    class Published(supervision.NamingPublished, Change):
        def apply(self, naming: "Naming") -> None:
            naming.stage = "published"
            naming.published_as = f"{self.series}〔{self.year}〕{self.number}号"

    class Lifted(supervision.NamingLifted, Change):
        def apply(self, naming: "Naming") -> None:
            naming.stage = "lifted"

    class Withdrawn(supervision.NamingWithdrawn, Change):
        def apply(self, naming: "Naming") -> None:
            naming.stage = "withdrawn"

    class Corrected(supervision.NamingCorrected, Change):
        def apply(self, naming: "Naming") -> None:
            naming.stage = "corrected"
