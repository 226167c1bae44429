"""Why: the chain of facts behind a naming, a miss, a round or a due date, and the facts that follow from it (溯因).

A pure function of the facts of all logs. A fact rests on its cause (``because``) and on the facts that its rule reads.
``led_to`` is the inverse relation.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from eventsourcing.persistence import Notification, StoredEvent

from services.audit.words import statement, title_of
from services.supervision.domain import Case, Terms
from services.supervision.domain.state import ANSWER
from shared.application.application import Application, NoSuchThing
from shared.audit.secrecy import Logged, withheld
from shared.calendar import Calendar
from shared.domain.refusal import Refusal
from shared.domain.text import identity
from shared.domain.words import moment_said
from shared.events import assignment, enterprise, notify, supervision
from shared.events.audit import AuditAccessed
from shared.events.base import Fact, Message, message_id
from shared.log.codec import WireMapper, read
from shared.log.recorder import rows_of
from shared.readmodels.reference import calendar_of
from shared.rulebook import Rulebook, parse_rulebook

MOST_NODES = 2000
"""The most facts in one answer; ``more`` says that there are others."""

F = TypeVar("F", bound=Fact)


class SubjectMalformed(Refusal):
    """“{subject}”不是可以追溯的对象；可写 {forms}
    "{subject}" is not a subject whose reasons can be traced; write {forms}"""

    status = 422
    field = "subject"


class SeveralBearThisNumber(Refusal):
    """编号 {number} 有多项，请写明是哪一项：{ids}
    Several items have the number {number}; say which: {ids}"""

    status = 422
    field = "subject"


FORMS = (
    "event:service/aggregate/version",
    "naming:number/year",
    "task:number",
    "whistle:W-2021-0001",
    "case:id",
    "miss:case/clock/cycle",
    "escalation:case",
    "round:case/number",
    "due:case/clock",
    "rate:id[/unit]@since..until[@as-of]",
)


class _Cause(msgspec.Struct):
    because: str


_cause: "msgspec.json.Decoder[_Cause]" = msgspec.json.Decoder(_Cause)


class Facts:
    """The facts of all logs, indexed by id, aggregate, kind and cause; read incrementally."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, Notification]] = {}
        self._of: dict[tuple[str, UUID], list[str]] = defaultdict(list)
        self._kinds: dict[str, list[str]] = defaultdict(list)
        self._caused: dict[str, list[str]] = defaultdict(list)
        self._heads: dict[str, int] = {}
        self._secret: set[str] | None = None
        self.message = lru_cache(maxsize=100_000)(self._message)

    def read_on(self, logs: Mapping[str, Application]) -> None:
        """Add the facts recorded since the last call."""
        for source, application in logs.items():
            for batch in rows_of(application.log, self._heads.get(source, 0)):
                for row in batch:
                    self._take(source, row)
                self._heads[source] = batch[-1].id

    def _take(self, source: str, row: Notification) -> None:
        if row.topic == AuditAccessed.TOPIC:
            return
        aggregate = cast(UUID, row.originator_id)
        self._secret = None
        name = message_id(source, aggregate, row.originator_version)
        self._rows[name] = (source, row)
        self._of[source, aggregate].append(name)
        self._kinds[row.topic].append(name)
        self._caused[_cause.decode(row.state).because].append(name)

    def secret(self) -> set[str]:
        """The facts that only cleared readers may see."""
        if self._secret is None:
            names: dict[str, list[str]] = defaultdict(list)
            for name, (source, _) in self._rows.items():
                names[source].append(name)
            logs = {source: partial(self._logged, of) for source, of in names.items()}
            self._secret = {
                names[source][index]
                for source, found in withheld(logs, "internal").items()
                for index in found
            }
        return self._secret

    def _logged(self, names: Iterable[str]) -> Iterator[Logged]:
        for name in names:
            _, row = self._rows[name]
            yield Logged(cast(UUID, row.originator_id), row.topic, row.state)

    def _message(self, name: str) -> Message:
        source, row = self._rows[name]
        return read(source, 0, row)

    def stored(self, message: Message) -> StoredEvent:
        """The fact as it is stored."""
        _, row = self._rows[message.id]
        return StoredEvent(row.originator_id, row.originator_version, row.topic, row.state)

    def find(self, name: str) -> Message | None:
        """The fact with this id, or None."""
        return self.message(name) if name in self._rows else None

    def of_kind(self, kind: type[F]) -> Iterator[tuple[F, Message]]:
        """All facts of a kind, in the order of their log."""
        for name in self._kinds.get(kind.TOPIC, ()):
            message = self.message(name)
            yield cast(F, message.fact), message

    def of(self, source: str, aggregate: UUID) -> list[Message]:
        """An aggregate's facts."""
        return [self.message(name) for name in self._of.get((source, aggregate), ())]

    def caused_by(self, because: str) -> list[Message]:
        """The facts whose ``because`` is this."""
        return [self.message(name) for name in self._caused.get(because, ())]

    def first(self, message: Message) -> Message:
        """The first fact of the same aggregate."""
        return self.message(self._of[message.source, message.aggregate_id][0])

    # -- terms ---------------------------------------------------------------------------------------------------

    def calendar(self, version: int) -> Calendar:
        """The calendar at a version."""
        released = [fact for fact, _ in self.of_kind(supervision.CalendarReleased) if fact.version <= version]
        return calendar_of(sorted(released, key=lambda fact: fact.version))

    def rulebook(self, version: int) -> Rulebook | None:
        """The rulebook at a version, if it was released."""
        for fact, _ in self.of_kind(supervision.RulebookReleased):
            if fact.version == version:
                return parse_rulebook(fact.text, f"rulebook {version}")
        return None

    def newest_rulebook(self) -> Rulebook | None:
        """The last one released, for the names of clocks."""
        versions = [fact.version for fact, _ in self.of_kind(supervision.RulebookReleased)]
        return self.rulebook(max(versions)) if versions else None

    def names(self) -> dict[str, str]:
        """The present names of units and posts, by id."""
        found = {fact.unit: fact.name for fact, _ in self.of_kind(assignment.UnitRegistered)}
        found |= {fact.unit: fact.name for fact, _ in self.of_kind(assignment.UnitRenamed)}
        return found | {
            fact.post: found.get(fact.unit, fact.unit) + fact.title
            for fact, _ in self.of_kind(assignment.PostCreated)
        }


# -- the facts behind a fact ---------------------------------------------------------------------------------------


def _last(before: Message, facts: Facts, kind: type[Fact], **equal: Any) -> list[Message]:
    """The latest earlier fact of this kind in the same aggregate with these field values."""
    for message in reversed(facts.of(before.source, before.aggregate_id)):
        if message.version < before.version and type(message.fact) is kind and _has(message.fact, equal):
            return [message]
    return []


def _every(before: Message, facts: Facts, *kinds: type[Fact], **equal: Any) -> list[Message]:
    return [
        message
        for message in facts.of(before.source, before.aggregate_id)
        if message.version < before.version and type(message.fact) in kinds and _has(message.fact, equal)
    ]


def _has(fact: Fact, equal: Mapping[str, Any]) -> bool:
    return all(getattr(fact, name) == value for name, value in equal.items())


def _begun(facts: Facts, source: str, aggregate: UUID | None) -> list[Message]:
    return facts.of(source, aggregate)[:1] if aggregate is not None else []


RUNNING = (
    supervision.ClockStarted,
    supervision.ClockPaused,
    supervision.ClockRescheduled,
)
"""The facts that determine a clock's due date."""


def _of_clock(message: Message, facts: Facts) -> list[Message]:
    fact: Any = message.fact
    return _every(message, facts, *RUNNING, clock=fact.clock, cycle=fact.cycle)


def _calendar(facts: Facts, version: int) -> list[Message]:
    return [
        message for fact, message in facts.of_kind(supervision.CalendarReleased) if fact.version == version
    ]


def _of_round(message: Message, facts: Facts, *kinds: type[Fact]) -> list[Message]:
    fact: Any = message.fact
    return [one for kind in kinds for one in _last(message, facts, kind, round=fact.round)]


def _started(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.ClockStarted, message.fact)
    if fact.clock == ANSWER:
        return _last(message, facts, supervision.RoundIssued)
    return _begun(facts, message.source, message.aggregate_id) if message.version > 1 else []


def _rescheduled(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.ClockRescheduled, message.fact)
    moved = _calendar(facts, fact.calendar_version) if fact.ground == "calendar" else []
    return _of_clock(message, facts) + moved


def _recomputed(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.VerdictRecomputed, message.fact)
    judged = _last(message, facts, supervision.ClockStopped, clock=fact.clock, cycle=fact.cycle)
    return judged + _calendar(facts, fact.calendar_version)


def _retracted(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.DeadlineMissRetracted, message.fact)
    kinds = (supervision.DeadlineMissed, supervision.ClockStopped, supervision.ClockRescheduled)
    return [one for kind in kinds for one in _last(message, facts, kind, clock=fact.clock, cycle=fact.cycle)]


def _issued(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.RoundIssued, message.fact)
    if fact.trigger == "deadline_missed" and fact.missed_clock is not None:
        return _last(
            message, facts, supervision.DeadlineMissed, clock=fact.missed_clock, cycle=fact.missed_cycle
        )
    if fact.trigger == "slow_round":
        return _last(message, facts, supervision.RoundJudged, round=fact.round - 1)
    return _begun(facts, message.source, message.aggregate_id)


def _judged(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.RoundJudged, message.fact)
    kinds: list[type[Fact]] = [supervision.RoundIssued, supervision.RoundAnswered, supervision.RoundSigned]
    missed: list[Message] = []
    if fact.unsigned:
        missed = _last(message, facts, supervision.DeadlineMissed, clock=ANSWER)
    return _of_round(message, facts, *kinds) + missed


def _became_due(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.NamingBecameDue, message.fact)
    return [
        one for number in fact.rounds for one in _last(message, facts, supervision.RoundJudged, round=number)
    ]


def _drafted(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.NamingDrafted, message.fact)
    if fact.corrects is not None:
        of_it = facts.of(message.source, fact.corrects)
        return [one for one in of_it if isinstance(one.fact, supervision.NamingPublished)]
    return [
        one
        for one in facts.of(message.source, fact.case_id)
        if isinstance(one.fact, supervision.NamingBecameDue) and one.fact.naming_id == message.aggregate_id
    ]


def _task(message: Message, facts: Facts) -> list[Message]:
    fact = cast(assignment.TaskAssigned, message.fact)
    return _begun(facts, message.source, fact.list_id) + _begun(facts, message.source, fact.directive_id)


def _list(message: Message, facts: Facts) -> list[Message]:
    return _begun(facts, message.source, cast(assignment.TaskListOpened, message.fact).directive_id)


def _under_rulebook(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.CaseOpened | supervision.DutyArose, message.fact)
    return [
        one
        for book, one in facts.of_kind(supervision.RulebookReleased)
        if book.version == fact.rulebook_version
    ]


def _case(message: Message, facts: Facts) -> list[Message]:
    fact = cast(supervision.CaseOpened, message.fact)
    source = {"task": "assignment", "duty": "assignment", "whistle": "enterprise"}.get(
        fact.kind, "supervision"
    )
    return _begun(facts, source, fact.subject_id) + _under_rulebook(message, facts)


OF_THE_SAME = ("round", "naming_id")
"""The fields that identify one part of an aggregate."""


def _what_it_says(message: Message, facts: Facts) -> list[Message]:
    """The facts that the event class declares (``RESTS_ON``), or else the first fact of its aggregate."""
    fact = message.fact
    found = [
        one
        for kind in fact.RESTS_ON
        for one in _last(
            message,
            facts,
            kind,
            **{
                name: getattr(fact, name)
                for name in OF_THE_SAME
                if hasattr(fact, name) and name in _fields(kind)
            },
        )
    ]
    return found or _begun(facts, message.source, message.aggregate_id)


def _fields(kind: type[Fact]) -> set[str]:
    return {field.name for field in fields(kind)}


Rule = Callable[[Message, Facts], list[Message]]

RULES: Mapping[type[Fact], Rule] = {
    supervision.CaseOpened: _case,
    supervision.ClockStarted: _started,
    supervision.ClockPaused: _of_clock,
    supervision.ClockRescheduled: _rescheduled,
    supervision.ClockStopped: _of_clock,
    supervision.ClockCancelled: _of_clock,
    supervision.DeadlineApproaching: _of_clock,
    supervision.DeadlineMissed: _of_clock,
    supervision.DeadlineMissRetracted: _retracted,
    supervision.VerdictRecomputed: _recomputed,
    supervision.RoundIssued: _issued,
    supervision.RoundJudged: _judged,
    supervision.NamingBecameDue: _became_due,
    supervision.NamingDrafted: _drafted,
    supervision.DutyArose: _under_rulebook,
    assignment.TaskListOpened: _list,
    assignment.TaskAssigned: _task,
}
"""The facts that a fact's rule reads, where the event class does not declare them."""


def cause_of(message: Message, facts: Facts) -> list[Message]:
    """The facts that ``because`` names: a fact, a running clock, or a calendar release."""
    what, _, name = message.fact.because.partition(":")
    if what == "event":
        found = facts.find(name)
        return [] if found is None else [found]
    if what == "clock":
        case_id, clock, cycle = name.rsplit("/", 2)
        running = [
            one
            for one in facts.of("supervision", UUID(case_id))
            if type(one.fact) in RUNNING
            and _has(one.fact, {"clock": clock, "cycle": int(cycle)})
            and (one.aggregate_id != message.aggregate_id or one.version < message.version)
        ]
        return running[-1:]
    if what == "calendar":
        return _calendar(facts, int(name))
    return []


def rests_on(message: Message, facts: Facts) -> list[Message]:
    """The facts from which this one follows, each once, in recorded order."""
    rule = RULES.get(type(message.fact)) or (_what_it_says if message.fact.RESTS_ON else None)
    found = rule(message, facts) if rule is not None else []
    found = found + cause_of(message, facts)
    if not found and message.version > 1:
        found = _begun(facts, message.source, message.aggregate_id)
    return _in_order(one for one in found if one.id != message.id)


def led_to(message: Message, facts: Facts) -> list[Message]:
    """The facts that follow from this one."""
    found = facts.caused_by(f"event:{message.id}")
    for one in facts.of(message.source, message.aggregate_id)[message.version :]:
        if any(earlier.id == message.id for earlier in rests_on(one, facts)):
            found.append(one)
    return _in_order(found)


def _in_order(found: Iterable[Message]) -> list[Message]:
    each = {one.id: one for one in found}
    return sorted(each.values(), key=lambda one: (one.fact.timestamp, one.source, one.position))


# -- subjects -----------------------------------------------------------------------------------------------------


def subjects(facts: Facts, subject: str) -> list[Message]:
    """The facts that a subject refers to. Raises SubjectMalformed, NoSuchThing, SeveralBearThisNumber."""
    kind, _, name = subject.partition(":")
    find = SUBJECTS.get(kind)
    if find is None or not name:
        raise SubjectMalformed(subject=subject, forms="  ".join(FORMS))
    try:
        found = find(facts, name)
    except (ValueError, OverflowError) as error:
        raise SubjectMalformed(subject=subject, forms="  ".join(FORMS)) from error
    if not found:
        raise NoSuchThing(kind=kind.title(), id=name)
    return found


def _event(facts: Facts, name: str) -> list[Message]:
    if not re.fullmatch(r"[a-z]+/[0-9a-f-]{36}/[0-9]{1,9}", name):
        raise ValueError(name)
    found = facts.find(name)
    return [] if found is None else [found]


def _naming_no(facts: Facts, name: str) -> list[Message]:
    number, year = (int(part) for part in name.split("/"))
    return [
        message
        for fact, message in facts.of_kind(supervision.NamingPublished)
        if (fact.number, fact.year) == (number, year)
    ]


def _numbered(kind: type[Fact]) -> Callable[[Facts, str], list[Message]]:
    def find(facts: Facts, name: str) -> list[Message]:
        found: list[Message] = [
            message
            for fact, message in facts.of_kind(kind)
            if identity(name) == identity(cast(Any, fact).number) or name == str(message.aggregate_id)
        ]
        if len(found) > 1:
            raise SeveralBearThisNumber(number=name, ids=", ".join(str(one.aggregate_id) for one in found))
        return found

    return find


def _of_case(facts: Facts, name: str) -> list[Message]:
    return facts.of("supervision", UUID(name))[:1]


def _miss(facts: Facts, name: str) -> list[Message]:
    case_id, clock, cycle = name.split("/")
    return [
        one
        for one in facts.of("supervision", UUID(case_id))
        if isinstance(one.fact, supervision.DeadlineMissed)
        and (one.fact.clock, one.fact.cycle) == (clock, int(cycle))
    ]


def _escalation(facts: Facts, name: str) -> list[Message]:
    case_id = UUID(name)
    return [
        one
        for fact, message in facts.of_kind(notify.MatterFollowed)
        if fact.case_id == case_id
        for one in facts.of(message.source, message.aggregate_id)
        if isinstance(one.fact, notify.EscalationOpened)
    ]


def _round(facts: Facts, name: str) -> list[Message]:
    case_id, number = name.split("/")
    found = [
        one
        for one in facts.of("supervision", UUID(case_id))
        if isinstance(one.fact, supervision.RoundIssued | supervision.RoundJudged)
        and one.fact.round == int(number)
    ]
    return found[-1:]


def _due(facts: Facts, name: str) -> list[Message]:
    case_id, clock = name.split("/")
    found = [
        one
        for one in facts.of("supervision", UUID(case_id))
        if isinstance(one.fact, supervision.ClockStarted | supervision.ClockRescheduled)
        and one.fact.clock == clock
    ]
    return found[-1:]


SUBJECTS: Mapping[str, Callable[[Facts, str], list[Message]]] = {
    "event": _event,
    "naming": _naming_no,
    "task": _numbered(assignment.TaskAssigned),
    "whistle": _numbered(enterprise.WhistleBlown),
    "case": _of_case,
    "miss": _miss,
    "escalation": _escalation,
    "round": _round,
    "due": _due,
}


# -- secrecy ------------------------------------------------------------------------------------------------------


def is_secret(message: Message, facts: Facts) -> bool:
    """Whether only cleared readers may see it: an export for others leaves it out."""
    return message.id in facts.secret()


# -- the answer -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Node:
    """One fact of the chain. Of a secret fact, a reader who is not cleared sees only that it exists."""

    id: str
    kind: str
    name: str
    """The event's Chinese name."""
    says: str
    recorded_at: datetime
    happened_at: datetime
    unit: str | None
    post: str | None
    because: str
    rulebook_version: int | None
    calendar_version: int | None
    due: tuple[str, ...] = ()
    """The due date, explained day by day."""
    withheld: bool = False

    def plain(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "recorded_at": self.recorded_at.isoformat(),
            "happened_at": self.happened_at.isoformat(),
            "due": list(self.due),
        }


@dataclass
class Why:
    """A subject's facts, the facts behind them, and the facts that follow from them."""

    subject: str
    roots: list[str] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)
    backward: dict[str, list[str]] = field(default_factory=dict)
    """Fact → the facts it rests on, from the roots backward."""
    forward: dict[str, list[str]] = field(default_factory=dict)
    """Fact → the facts that follow from it, from the roots forward."""
    more: bool = False
    """Whether facts were omitted because there are too many."""
    figure: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """The JSON document."""

        def edges(of: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
            return [{"from": one, "to": other} for one, others in of.items() for other in others]

        return {
            "subject": self.subject,
            "figure": self.figure,
            "roots": self.roots,
            "nodes": [node.plain() for node in self.nodes.values()],
            "rests_on": edges(self.backward),
            "led_to": edges(self.forward),
            "more": self.more,
        }

    def dot(self) -> str:
        """A Graphviz document with arrows from cause to effect."""
        lines = ["digraph why {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
        for node in self.nodes.values():
            says = node.says.replace("\\", "＼")
            label = f"{node.name}\\n{says}\\n{moment_said(node.happened_at, 'zh')}"
            label = label.replace('"', "'")
            bold = ", style=bold" if node.id in self.roots else ""
            lines.append(f'  "{node.id}" [label="{label}"{bold}];')
        arrows = {(cause, effect) for effect, causes in self.backward.items() for cause in causes}
        arrows |= {(cause, effect) for cause, effects in self.forward.items() for effect in effects}
        lines += [f'  "{cause}" -> "{effect}";' for cause, effect in sorted(arrows)]
        return "\n".join([*lines, "}", ""])


def why(facts: Facts, subject: str, *, cleared: bool, language: str = "zh") -> Why:
    """The chain of facts behind a subject. ``cleared``: whether the reader may see secret items.

    Raises SubjectMalformed, SeveralBearThisNumber; NoSuchThing, also for what the reader may not see.
    """
    roots = subjects(facts, subject)
    if not cleared:
        roots = [one for one in roots if not is_secret(one, facts)]
    if not roots:
        kind, _, name = subject.partition(":")
        raise NoSuchThing(kind=kind.title(), id=name)
    return follow(facts, subject, roots, cleared=cleared, language=language)


def follow(
    facts: Facts,
    subject: str,
    roots: Sequence[Message],
    *,
    cleared: bool,
    language: str = "zh",
    onward: bool = True,
) -> Why:
    """The chains of these facts: backward, and forward if ``onward``."""
    found = Why(subject, [root.id for root in roots])
    names = facts.names()
    for relation, edges in ((rests_on, found.backward), (led_to, found.forward)):
        if relation is led_to and not onward:
            continue
        waiting = list(roots)
        while waiting:
            message = waiting.pop(0)
            if message.id in edges:
                continue
            if message.id not in found.nodes:
                if len(found.nodes) >= MOST_NODES:
                    found.more = True
                    continue
                found.nodes[message.id] = node_of(message, facts, names, cleared, language)
            if found.nodes[message.id].withheld:
                edges[message.id] = []
                continue
            others = relation(message, facts)
            edges[message.id] = [one.id for one in others]
            waiting += others
        for one, others_of in edges.items():
            edges[one] = [other for other in others_of if other in found.nodes]
    return found


def node_of(message: Message, facts: Facts, names: Mapping[str, str], cleared: bool, language: str) -> Node:
    """The fact as a node of the answer."""
    fact: Any = message.fact
    if not cleared and is_secret(message, facts):
        return Node(
            id=message.id,
            kind=type(fact).__name__,
            name=title_of(fact),
            says="涉密事项，无权查看" if language == "zh" else "a secret item, withheld",
            recorded_at=fact.timestamp,
            happened_at=fact.happened_at,
            unit=None,
            post=None,
            because="",
            rulebook_version=None,
            calendar_version=None,
            withheld=True,
        )
    case = _case_before(message, facts)
    pinned = getattr(fact, "rulebook_version", None)
    if pinned is None and case is not None:
        pinned = case.state.rulebook_version
    if isinstance(fact, supervision.RulebookReleased):
        pinned = fact.version
    reckoned = getattr(fact, "calendar_version", None)
    if isinstance(fact, supervision.CalendarReleased):
        reckoned = fact.version
    due, with_calendar = _explained(message, facts, case, language)
    rulebook = facts.rulebook(pinned) if pinned is not None else facts.newest_rulebook()
    return Node(
        id=message.id,
        kind=type(fact).__name__,
        name=title_of(fact),
        says=statement(fact, names, rulebook),
        recorded_at=fact.timestamp,
        happened_at=fact.happened_at,
        unit=fact.by.unit,
        post=fact.by.post,
        because=fact.because,
        rulebook_version=pinned,
        calendar_version=reckoned if reckoned is not None else with_calendar,
        due=tuple(due),
    )


_mapper = WireMapper()


def _case_before(message: Message, facts: Facts) -> Case | None:
    """The supervision case after this fact."""
    if message.source != "supervision" or not isinstance(facts.first(message).fact, supervision.CaseOpened):
        return None
    case: Any = None
    for one in facts.of(message.source, message.aggregate_id)[: message.version]:
        row = facts.stored(one)
        case = _mapper.to_domain_event(row).mutate(case)
    return cast(Case, case)


EXPLAINED = (
    supervision.ClockStarted,
    supervision.ClockRescheduled,
    supervision.ClockStopped,
    supervision.DeadlineApproaching,
    supervision.DeadlineMissed,
    supervision.VerdictRecomputed,
)


def _explained(
    message: Message, facts: Facts, case: Case | None, language: str
) -> tuple[list[str], int | None]:
    """The day-by-day explanation of a due date, and the calendar version it was computed with."""
    fact: Any = message.fact
    if case is None or not isinstance(fact, EXPLAINED):
        return [], None
    clock = case.state.clocks[fact.clock, fact.cycle]
    version = getattr(fact, "calendar_version", None) or clock.judged_with or clock.calendar_version
    rulebook = facts.rulebook(clock.rulebook_version)
    if rulebook is None:
        return [], version
    return clock.due(Terms(rulebook, facts.calendar(version))).explain(language), version
