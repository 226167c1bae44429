"""Which events an export below a clearance leaves out 涉密内容.

A secret item makes secret what follows from it in any log: its case, its matter in the notifier, its naming. The event
classes are not trusted: an event is read as plain JSON, and every UUID in it counts as a mention. It fails closed: an
event that cannot be read is withheld.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import msgspec

Clearance = Literal["public", "internal", "secret"]

_LEVELS = {"public": 0, "internal": 1, "secret": 2}
_SECRET = _LEVELS["secret"]
_INTERNAL = _LEVELS["internal"]
_OPEN = frozenset(
    {
        "assignment.unit_registered",
        "assignment.post_created",
        "supervision.calendar_release_drafted",
        "supervision.calendar_released",
        "supervision.rulebook_released",
        "supervision.series_opened",
    }
)
"""First events of aggregates that are public by nature; without a stated secrecy all others are internal."""
_NEVER_PUBLIC = ("enterprise.", "notify.", "audit.")
"""At least internal even if the item is public: enterprises' concerns, notices, who read the logs."""
_TELLING = ("notify.", "audit.")
"""Events whose text mentions other items: a digest names matters by number only."""
_UUID = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_NUMBERS = ("number", "case_number")
_ASIDE = ("timestamp", "happened_at", "by", "because")


@dataclass(frozen=True)
class Logged:
    """An event as it is stored; ``state`` is plain JSON."""

    aggregate_id: UUID
    topic: str
    state: bytes


Log = Callable[[], Iterable[Logged]]
"""Each call iterates over the whole log from its beginning."""


@dataclass
class _Subject:
    """One aggregate: its secrecy level and what it mentions."""

    level: int
    begun_by: set[UUID]
    """The ids that its first event mentions, its cause included."""
    about: set[UUID]
    """The ids that its first event mentions in its content."""
    numbers: set[str] = field(default_factory=set)


def withheld(logs: Mapping[str, Log], clearance: Clearance) -> dict[str, set[int]]:
    """For each service the indexes (from 0, in log order) of the events that ``clearance`` may not see.

    An aggregate is withheld as a whole if one of its events sets a secrecy above the clearance, if its first event
    mentions a withheld aggregate, or if its first event cannot be read. Any other event is withheld alone if it
    mentions a withheld aggregate (by id, or by number where it has no id) or cannot be read. The highest clearance
    sees everything. Each log is read twice; errors of reading are raised.
    """
    highest = _LEVELS[clearance]
    if highest >= _SECRET:
        return {service: set() for service in logs}
    subjects = _subjects(logs)
    hidden = _closed({id_ for id_, one in subjects.items() if one.level > highest}, subjects)
    numbers = sorted(set().union(*(subjects[id_].numbers for id_ in hidden)))
    return {
        service: {
            index
            for index, row in enumerate(log())
            if row.aggregate_id in hidden or _tells(row, hidden, numbers, subjects)
        }
        for service, log in logs.items()
    }


def _subjects(logs: Mapping[str, Log]) -> dict[UUID, _Subject]:
    subjects: dict[UUID, _Subject] = {}
    for log in logs.values():
        begun: set[UUID] = set()
        for row in log():
            state = _read(row.state)
            known = subjects.get(row.aggregate_id)
            if row.aggregate_id not in begun:
                begun.add(row.aggregate_id)
                first = _Subject(
                    _first_level(row.topic, state), _mentioned(row.state, state), _about(row, state)
                )
                if known is None:
                    known = subjects[row.aggregate_id] = first
                else:  # another service has an aggregate with the same id: the stricter level holds for both
                    known.level = max(known.level, first.level)
                    known.begun_by |= first.begun_by
                    known.about |= first.about
            assert known is not None
            if state is not None:
                known.level = max(known.level, _stated_level(state) or 0)
                known.numbers |= {
                    state[name] for name in _NUMBERS if isinstance(state.get(name), str) and state[name]
                }
    return subjects


def _closed(hidden: set[UUID], subjects: Mapping[UUID, _Subject]) -> set[UUID]:
    """The hidden aggregates and, transitively, those whose first event mentions one."""
    begins: dict[UUID, list[UUID]] = {}
    for id_, subject in subjects.items():
        for mentioned in subject.begun_by:
            begins.setdefault(mentioned, []).append(id_)
    waiting = list(hidden)
    while waiting:
        for id_ in begins.get(waiting.pop(), ()):
            if id_ not in hidden:
                hidden.add(id_)
                waiting.append(id_)
    return hidden


def _tells(row: Logged, hidden: set[UUID], numbers: list[str], subjects: Mapping[UUID, _Subject]) -> bool:
    """Whether this event alone reveals a hidden aggregate."""
    state = _read(row.state)
    if state is None:
        return True
    mentioned = _mentioned(row.state, state)
    if not mentioned.isdisjoint(hidden):
        return True
    if not numbers:
        return False
    if any(id_ in subjects for id_ in _about(row, state) | subjects[row.aggregate_id].about):
        return False  # it names its subject by id, and that subject is not hidden
    telling = row.topic.startswith(_TELLING)
    text = "\n".join(_texts(_content(state)))
    return any(
        number in text and _stands_in(number, text)
        for number in numbers
        if telling or not number.isascii() or not number.isdigit()  # "1" is the number of many items
    )


def _stands_in(number: str, text: str) -> bool:
    """Whether the text holds the whole number: 密12 does not hold 密1."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(number)}(?![0-9A-Za-z])", text) is not None


def _read(state: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(state, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return None  # the caller withholds it


def _mentioned(raw: bytes, state: dict[str, Any] | None) -> set[UUID]:
    if state is not None and b"\\" in raw:
        raw = msgspec.json.encode(state)  # an escape such as \u0061 would hide a digit
    return {UUID(found.decode()) for found in _UUID.findall(raw)}


def _content(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in _ASIDE}


def _about(row: Logged, state: dict[str, Any] | None) -> set[UUID]:
    """The ids that the event mentions, without its own aggregate and its cause."""
    if state is None:
        return set()
    content = _content(state)
    return _mentioned(msgspec.json.encode(content), content) - {row.aggregate_id}


def _first_level(topic: str, state: dict[str, Any] | None) -> int:
    if state is None:
        return _SECRET
    stated = _stated_level(state)
    level = (0 if topic in _OPEN else _INTERNAL) if stated is None else stated
    return max(level, _INTERNAL) if topic.startswith(_NEVER_PUBLIC) else level


def _stated_level(state: dict[str, Any]) -> int | None:
    """The secrecy level that an event sets, or None; an unknown secrecy counts as the highest."""
    levels = []
    if "secrecy" in state:
        secrecy = state["secrecy"]
        levels.append(_LEVELS.get(secrecy, _SECRET) if isinstance(secrecy, str) else _SECRET)
    if state.get("confidential", False) is not False:
        levels.append(_SECRET)
    return max(levels, default=None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
