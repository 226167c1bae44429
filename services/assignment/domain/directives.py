"""Directives (measure 8): what came in, who arranged it, who decomposed it, who fed back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.guards import requires
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.moments import not_before
from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.domain.text import identity
from shared.domain.words import Enumerated
from shared.events import assignment

DECOMPOSED = ("field_visit_issue", "onsite_meeting_decision")
"""Kinds that no unit has received yet: the government office decomposes them within 1 working day."""

ORIGIN = {
    "superior_document": "superior",
    "leader_instruction": "leader",
    "field_visit_issue": "leader",
    "onsite_meeting_decision": "leader",
}
"""The level from which a kind of directive comes, unless it is said: else the banner's own."""

Status = Literal["registered", "dispatched", "arranged", "fed_back"]

SECRECIES = get_args(assignment.Secrecy)
"""From open to secret."""

assert {*ORIGIN, *DECOMPOSED} <= {*get_args(assignment.DirectiveKind)}


class SecrecyNeedsGround(Refusal):
    """涉密事项须写明定密依据
    A secret item needs the ground of its secrecy"""

    status = 422
    field = "secrecy_ground"


class SecrecyBelowItsSource(Refusal, source=Enumerated(assignment.Secrecy)):
    """来源事项的密级为 {source}，由它产生的清单和任务密级不能低于它
    It comes from something {source}, and cannot be less secret"""

    status = 422
    field = "secrecy"


class UnitStandsTwice(Refusal):
    """单位 {unit} 出现了两次
    The unit {unit} stands twice"""

    status = 422
    field = "units"


class NoUnitReceivedIt(Refusal):
    """须写明哪些单位收到了该事项
    Name the units that received it"""

    status = 422
    field = "units"


class UnitsComeWithDecomposition(Refusal):
    """调研交办和现场会议定事项由政府办公室分解，登记时不写承办单位
    What was put on a visit or decided on site is decomposed by the government office: register it without units"""

    status = 422
    field = "units"


class UnitDidNotReceiveIt(Refusal):
    """单位 {unit} 没有收到 {number}，不能代为报告
    The unit {unit} did not receive {number} and does not report for others"""

    status = 403


class ArrangedAlready(Refusal):
    """单位 {unit} 已报告 {number} 的布置落实情况
    The unit {unit} has reported its arrangement of {number} already"""


class NotToBeDecomposed(Refusal):
    """{number} 已由承办单位直接收到，不需分解
    {number} was received by units directly and is not decomposed"""


class DecomposedAlready(Refusal):
    """{number} 已经分解交办
    {number} has been decomposed already"""


class OnlyItsOfficeDecomposes(Refusal):
    """{number} 由 {office} 分解交办
    {number} is decomposed by {office}"""

    status = 403


class NothingWasDispatched(Refusal):
    """{number} 没有分解交办给单位 {unit}
    Nothing of {number} was dispatched to the unit {unit}"""

    status = 403


class NoOpenDuty(Refusal):
    """单位 {unit} 对 {number} 没有尚未完成的职责
    The unit {unit} has no duty about {number} that is to be done yet"""


class HasTheDutyItself(Refusal):
    """职责本来就在单位 {unit}
    The unit {unit} has the duty itself"""

    status = 422
    field = "to_unit"


class NotTheDirectivesLeader(Refusal):
    """{number} 的职责只能由 {leader} 或政府主要领导转办
    Only {leader} or the main leader gives a duty about {number} to another unit"""

    status = 403


class BeforeItWasReceived(Refusal):
    """发生时间 {happened_at} 早于收到时间 {received_at}
    The time of the fact, {happened_at}, is before it was received, {received_at}"""

    status = 422
    field = "happened_at"


def check_secrecy(secrecy: assignment.Secrecy, ground: str) -> None:
    """A secret item says on what ground. Raises SecrecyNeedsGround."""
    if secrecy == "secret" and not ground.strip():
        raise SecrecyNeedsGround()


def check_not_below(secrecy: assignment.Secrecy, source: assignment.Secrecy) -> None:
    """Nothing is less secret than what it comes from. Raises SecrecyBelowItsSource."""
    if SECRECIES.index(secrecy) < SECRECIES.index(source):
        raise SecrecyBelowItsSource(source=source)


def none_twice(units: Sequence[str], field: str) -> None:
    """Every unit stands once. Raises UnitStandsTwice."""
    for unit in units:
        if units.count(unit) > 1:
            raise UnitStandsTwice(unit=unit, at_field=field)


# -- state --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Duty:
    """What one unit has to do about a directive, and when it first did it; moments as ISO 8601 writes them."""

    duty: Literal["arrange", "feedback"]
    what: str = ""
    since: str
    done_at: str | None = None
    text: str = ""
    taken_over: tuple[str, ...] = ()
    """The units whose duty it was before."""


@dataclass(frozen=True, kw_only=True)
class DirectiveState:
    """交办事项: what came in, and each unit's duty about it."""

    number: str
    title: str
    kind: assignment.DirectiveKind
    origin_level: assignment.OriginLevel
    received_at: datetime
    recorded_at: datetime
    office_unit: str
    leader_post: str
    requirement: str
    decomposed_at: datetime | None = None
    duties: dict[str, Duty]
    referred: dict[str, str] = field(default_factory=dict)
    """The units, dissolved without a successor, whose duty waits for the leader, and since when."""
    secrecy: assignment.Secrecy
    secrecy_ground: str

    @property
    def status(self) -> Status:
        """``registered``, ``dispatched``, or once every unit did its duty ``arranged`` or ``fed_back``."""
        done = all(duty.done_at for duty in self.duties.values())
        if self.decomposed_at is not None:
            return "fed_back" if done else "dispatched"
        return "arranged" if self.duties and done else "registered"

    def open_duty(self, unit: str) -> assignment.DutyKind | None:
        """What the unit has to do about it still."""
        waits = self.kind in DECOMPOSED and self.decomposed_at is None
        if waits and unit == self.office_unit:
            return "decompose"
        duty = self.duties.get(unit)
        return None if duty is None or duty.done_at is not None else duty.duty

    def owers(self, unit: str) -> tuple[str, ...]:
        """The unit, and those whose duty it has taken over."""
        duty = self.duties.get(unit)
        return (unit, *(() if duty is None else duty.taken_over))

    @property
    def number_key(self) -> str:
        """What all spellings of its number have in common."""
        return identity(self.number)

    @property
    def concerned(self) -> tuple[str, ...]:
        """Its office and the units that have a duty."""
        return (self.office_unit, *self.duties)


evolve = Lifecycle(DirectiveState, begins=assignment.DirectiveRegistered)


@evolve.register
def _(fact: assignment.DirectiveRegistered) -> DirectiveState:
    since = fact.happened_at.isoformat()
    return DirectiveState(
        number=fact.number,
        title=fact.title,
        kind=fact.kind,
        origin_level=fact.origin_level,
        received_at=fact.happened_at,
        recorded_at=fact.timestamp,
        office_unit=fact.office_unit,
        leader_post=fact.leader_post,
        requirement=fact.requirement,
        duties={unit: Duty(duty="arrange", since=since) for unit in fact.units},
        secrecy=fact.secrecy,
        secrecy_ground=fact.secrecy_ground,
    )


@evolve.register
def _(fact: assignment.DirectiveDecomposed, directive: DirectiveState) -> DirectiveState:
    since = fact.happened_at.isoformat()
    duties = {one.unit: Duty(duty="feedback", what=one.what, since=since) for one in fact.dispatches}
    return replace(directive, decomposed_at=fact.happened_at, duties=duties)


@evolve.register
def _(
    fact: assignment.ArrangementReported | assignment.FeedbackGiven, directive: DirectiveState
) -> DirectiveState:
    before = directive.duties[fact.unit]
    # The first report fulfils the duty; a later one only says more.
    duty = replace(before, done_at=before.done_at or fact.happened_at.isoformat(), text=fact.text)
    return replace(directive, duties={**directive.duties, fact.unit: duty})


@evolve.register
def _(fact: assignment.DutyReferred, directive: DirectiveState) -> DirectiveState:
    return replace(directive, referred={**directive.referred, fact.from_unit: fact.happened_at.isoformat()})


@evolve.register
def _(fact: assignment.DutyReassigned, directive: DirectiveState) -> DirectiveState:
    referred = {unit: since for unit, since in directive.referred.items() if unit != fact.from_unit}
    directive = replace(directive, referred=referred)
    if fact.duty == "decompose":
        return replace(directive, office_unit=fact.unit)
    duties = {unit: duty for unit, duty in directive.duties.items() if unit != fact.from_unit}
    before, own = directive.duties[fact.from_unit], duties.get(fact.unit)
    taken = (*fact.owers, *(() if own is None else own.taken_over))
    what = "；".join(dict.fromkeys(one.what for one in (own, before) if one is not None and one.what))
    since = fact.happened_at.isoformat()
    duty = Duty(
        duty=fact.duty, what=what, since=since, text="" if own is None else own.text, taken_over=taken
    )
    return replace(directive, duties={**duties, fact.unit: duty})


# -- guards -------------------------------------------------------------------------------------------------------


def since_it_was_received(directive: DirectiveState, act: CommandContext) -> None:
    """Nothing is dated before it was received."""
    if act.happened_at < directive.received_at:
        raise BeforeItWasReceived(happened_at=act.happened_at, received_at=directive.received_at)


def by_a_unit_that_has_to_arrange_it(directive: DirectiveState, act: CommandContext) -> None:
    """The actor's unit received it and has not reported yet."""
    duty = directive.duties.get(act.by.unit)
    if duty is None or duty.duty != "arrange":
        raise UnitDidNotReceiveIt(unit=act.by.unit, number=directive.number)
    if duty.done_at is not None:
        raise ArrangedAlready(unit=act.by.unit, number=directive.number)
    not_before(act, assignment.DutyReassigned, datetime.fromisoformat(duty.since))


def by_its_leader(directive: DirectiveState, act: CommandContext) -> None:
    """The directive's own leader decides, or the main leader."""
    if act.role != Role.main_leader and act.by.post != directive.leader_post:
        raise NotTheDirectivesLeader(number=directive.number, leader=directive.leader_post)


def waits_to_be_decomposed(directive: DirectiveState, act: CommandContext) -> None:
    """Its own office decomposes it, once, if it is of such a kind."""
    if directive.kind not in DECOMPOSED:
        raise NotToBeDecomposed(number=directive.number)
    if act.by.unit != directive.office_unit:
        raise OnlyItsOfficeDecomposes(number=directive.number, office=directive.office_unit)
    if directive.decomposed_at is not None:
        raise DecomposedAlready(number=directive.number)


def by_a_unit_that_has_a_piece(directive: DirectiveState, act: CommandContext) -> None:
    """A piece of it was dispatched to the actor's unit by then."""
    duty = directive.duties.get(act.by.unit)
    if duty is None or duty.duty != "feedback":
        raise NothingWasDispatched(unit=act.by.unit, number=directive.number)
    not_before(act, assignment.DirectiveDecomposed, datetime.fromisoformat(duty.since))


class Directive(Aggregate, lifecycle=evolve):
    """交办事项: a document, meeting, decision or instruction by its number."""

    TOPIC = "assignment.directive"
    state: DirectiveState

    @staticmethod
    def id_of(number: str) -> UUID:
        """The aggregate under this document number, however it is spelled."""
        return stable_id("directive", identity(number))

    @staticmethod
    def former_id_of(number: str) -> UUID:
        """The aggregate under this very spelling, as it was registered before spellings were compared."""
        return stable_id("directive", number)

    @classmethod
    def register(
        cls,
        act: CommandContext,
        *,
        number: str,
        title: str,
        kind: assignment.DirectiveKind,
        origin_level: assignment.OriginLevel | None,
        units: Sequence[str],
        office_unit: str,
        leader_post: str,
        requirement: str,
        secrecy: assignment.Secrecy,
        secrecy_ground: str,
    ) -> "Directive":
        """Register what came in; ``act.happened_at`` is when it was received."""
        if kind in DECOMPOSED and units:
            raise UnitsComeWithDecomposition()
        if kind not in DECOMPOSED and not units:
            raise NoUnitReceivedIt()
        none_twice(units, "units")
        check_secrecy(secrecy, secrecy_ground)
        return cls.begin(
            assignment.DirectiveRegistered,
            act,
            id=cls.id_of(number),
            number=number,
            title=title,
            kind=kind,
            origin_level=origin_level or ORIGIN.get(kind, "banner"),
            units=tuple(units),
            office_unit=office_unit,
            leader_post=leader_post,
            requirement=requirement,
            secrecy=secrecy,
            secrecy_ground=secrecy_ground,
        )

    @requires(since_it_was_received, by_a_unit_that_has_to_arrange_it)
    def report_arrangement(self, act: CommandContext, *, text: str) -> None:
        """The actor's unit has arranged it."""
        self.record(
            assignment.ArrangementReported,
            act,
            number=self.state.number,
            unit=act.by.unit,
            text=text,
            taken_over=self.state.duties[act.by.unit].taken_over,
        )

    @requires(since_it_was_received, waits_to_be_decomposed)
    def decompose(self, act: CommandContext, *, dispatches: Sequence[assignment.Dispatch]) -> None:
        """The government office dispatches the pieces, one to a unit."""
        none_twice([one.unit for one in dispatches], "dispatches")
        self.record(
            assignment.DirectiveDecomposed, act, number=self.state.number, dispatches=tuple(dispatches)
        )

    @requires(since_it_was_received, by_a_unit_that_has_a_piece)
    def give_feedback(self, act: CommandContext, *, text: str) -> None:
        """The actor's unit tells the main leader its opinion or progress; it may do so more than once."""
        self.record(
            assignment.FeedbackGiven,
            act,
            number=self.state.number,
            unit=act.by.unit,
            text=text,
            taken_over=self.state.duties[act.by.unit].taken_over,
        )

    @requires(since_it_was_received, by_its_leader)
    def reassign_duty(self, act: CommandContext, *, unit: str, to_unit: str, reason: str) -> None:
        """The leader gives a unit's duty, which is not done, to another one."""
        duty = self.state.open_duty(unit)
        if duty is None:
            raise NoOpenDuty(unit=unit, number=self.state.number)
        if to_unit == unit:
            raise HasTheDutyItself(unit=unit)
        if unit in self.state.referred:
            not_before(act, assignment.DutyReferred, datetime.fromisoformat(self.state.referred[unit]))
        if duty != "decompose":
            not_before(act, assignment.DutyReassigned, datetime.fromisoformat(self.state.duties[unit].since))
        self._give(act, duty, unit, to_unit, reason)

    def hand_on(self, act: CommandContext, *, unit: str, successor: str | None) -> None:
        """A unit is dissolved: what it has still to do goes to the successor, or else to the leader."""
        duty = self.state.open_duty(unit)
        if duty is None or unit in self.state.referred:
            return
        since = self.state.received_at
        if duty != "decompose":
            since = datetime.fromisoformat(self.state.duties[unit].since)
        then = replace(act, happened_at=max(act.happened_at, since))
        if successor is not None:
            self._give(then, duty, unit, successor, f"单位 {unit} 已撤销，由 {successor} 承接")
            return
        self.record(
            assignment.DutyReferred,
            then,
            number=self.state.number,
            duty=duty,
            owers=self.state.owers(unit),
            reason=f"单位 {unit} 已撤销",
            from_unit=unit,
            leader_post=self.state.leader_post,
        )

    def _give(
        self, act: CommandContext, duty: assignment.DutyKind, unit: str, to_unit: str, reason: str
    ) -> None:
        self.record(
            assignment.DutyReassigned,
            act,
            number=self.state.number,
            duty=duty,
            owers=self.state.owers(unit),
            reason=reason,
            from_unit=unit,
            unit=to_unit,
        )
