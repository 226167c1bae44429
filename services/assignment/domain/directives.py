"""Directives (measure 8): what came in, who arranged it, who decomposed it, who fed back."""

from collections.abc import Sequence
from datetime import datetime
from typing import get_args
from uuid import UUID

from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation, stable_id
from shared.domain.refusal import Refusal
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

SECRECIES = get_args(assignment.Secrecy)
"""From open to secret."""

assert {*ORIGIN, *DECOMPOSED} <= {*get_args(assignment.DirectiveKind)}


class SecrecyNeedsGround(Refusal):
    """涉密事项须写明定密依据
    A secret item needs the ground of its secrecy"""

    status = 422
    field = "secrecy_ground"


class SecrecyBelowItsSource(Refusal):
    """来源事项的密级为 {source}，由它产生的清单和任务密级不能低于它
    It comes from something {source} and cannot be less secret"""

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


class Directive(Aggregate):
    """交办事项: a document, meeting, decision or instruction by its number."""

    TOPIC = "assignment.directive"
    _number: str
    kind: assignment.DirectiveKind
    units: tuple[str, ...]
    office_unit: str
    leader_post: str
    secrecy: assignment.Secrecy
    secrecy_ground: str
    received_at: datetime
    arranged: frozenset[str]
    dispatched: tuple[str, ...]
    fed_back: frozenset[str]

    @staticmethod
    def id_of(number: str) -> UUID:
        """The aggregate under this document number."""
        return stable_id("directive", number)

    @classmethod
    def register(
        cls,
        act: CommandContext,
        *,
        number: str,
        title: str,
        kind: assignment.DirectiveKind,
        origin_level: str | None,
        units: Sequence[str],
        office_unit: str,
        leader_post: str,
        requirement: str,
        secrecy: assignment.Secrecy,
        secrecy_ground: str,
    ) -> "Directive":
        """Register what came in; ``act.happened_at`` is when it was received.

        Raises UnitsComeWithDecomposition, NoUnitReceivedIt, UnitStandsTwice, SecrecyNeedsGround.
        """
        if kind in DECOMPOSED and units:
            raise UnitsComeWithDecomposition()
        if kind not in DECOMPOSED and not units:
            raise NoUnitReceivedIt()
        none_twice(units, "units")
        check_secrecy(secrecy, secrecy_ground)
        return cls.begin(
            cls.Registered,
            act,
            cls.id_of(number),
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

    class Registered(assignment.DirectiveRegistered, Creation):
        def apply(self, directive: "Directive") -> None:
            directive._number, directive.kind, directive.units = self.number, self.kind, self.units
            directive.office_unit, directive.leader_post = self.office_unit, self.leader_post
            directive.secrecy, directive.secrecy_ground = self.secrecy, self.secrecy_ground
            directive.received_at = self.happened_at
            directive.arranged, directive.dispatched, directive.fed_back = frozenset(), (), frozenset()

    def report_arrangement(self, act: CommandContext, *, text: str) -> None:
        """The actor's unit has arranged it. Raises BeforeItWasReceived, UnitDidNotReceiveIt, ArrangedAlready."""
        self._since_received(act)
        unit = act.by.unit
        if unit not in self.units:
            raise UnitDidNotReceiveIt(unit=unit, number=self._number)
        if unit in self.arranged:
            raise ArrangedAlready(unit=unit, number=self._number)
        self.record(self.ArrangementReported, act, number=self._number, unit=unit, text=text)

    class ArrangementReported(assignment.ArrangementReported, Change):
        def apply(self, directive: "Directive") -> None:
            directive.arranged = directive.arranged | {self.unit}

    def decompose(self, act: CommandContext, *, dispatches: Sequence[assignment.Dispatch]) -> None:
        """The government office dispatches the pieces, one to a unit.

        Raises BeforeItWasReceived, NotToBeDecomposed, OnlyItsOfficeDecomposes, DecomposedAlready, UnitStandsTwice.
        """
        self._since_received(act)
        if self.kind not in DECOMPOSED:
            raise NotToBeDecomposed(number=self._number)
        if act.by.unit != self.office_unit:
            raise OnlyItsOfficeDecomposes(number=self._number, office=self.office_unit)
        if self.dispatched:
            raise DecomposedAlready(number=self._number)
        none_twice([one.unit for one in dispatches], "dispatches")
        self.record(self.Decomposed, act, number=self._number, dispatches=tuple(dispatches))

    class Decomposed(assignment.DirectiveDecomposed, Change):
        def apply(self, directive: "Directive") -> None:
            directive.dispatched = tuple(one.unit for one in self.dispatches)

    def give_feedback(self, act: CommandContext, *, text: str) -> None:
        """The actor's unit tells the main leader its opinion or progress; it may do so more than once.

        Raises BeforeItWasReceived, NothingWasDispatched.
        """
        self._since_received(act)
        unit = act.by.unit
        if unit not in self.dispatched:
            raise NothingWasDispatched(unit=unit, number=self._number)
        self.record(self.FeedbackGiven, act, number=self._number, unit=unit, text=text)

    class FeedbackGiven(assignment.FeedbackGiven, Change):
        def apply(self, directive: "Directive") -> None:
            directive.fed_back = directive.fed_back | {self.unit}

    def _since_received(self, act: CommandContext) -> None:
        if act.happened_at < self.received_at:
            raise BeforeItWasReceived(
                happened_at=act.happened_at.isoformat(), received_at=self.received_at.isoformat()
            )

    @property
    def status(self) -> str:
        """``registered``, ``dispatched``, or once every unit did its duty ``arranged`` or ``fed_back``."""
        return directive_state(self.units, self.arranged, self.dispatched, self.fed_back)

    @property
    def number(self) -> str:
        """The document number."""
        return self._number


def directive_state(
    units: Sequence[str],
    arranged: frozenset[str],
    dispatched: Sequence[str],
    fed_back: frozenset[str],
) -> str:
    """A directive's state in one word; for the aggregate and for the board alike."""
    if dispatched:
        return "fed_back" if {*dispatched} <= fed_back else "dispatched"
    return "arranged" if units and {*units} <= arranged else "registered"
