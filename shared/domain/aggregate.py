"""The base of every aggregate: pinned topics, actor and cause on every event, ids from idempotency keys."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from types import new_class
from typing import Any, ClassVar, Self, cast
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import AggregateCreated, AggregateEvent, BaseAggregate, CanInitAggregate

from shared.domain.lifecycle import Lifecycle
from shared.domain.refusal import Refusal
from shared.events.base import Actor, Fact

SUITE_UNIT = "duban"
"""The unit in whose name the suite's own processes act."""
COMMAND_LINE = "duban/command-line"
"""The post in whose name the command line acts."""


class HappenedInTheFuture(Refusal):
    """发生时间 {happened_at} 晚于登记时间 {recorded_at}，不能登记尚未发生的事。
    The time of the fact, {happened_at}, is later than now, {recorded_at}: what has not happened cannot be recorded."""

    status = 422
    field = "happened_at"


@lru_cache(maxsize=10_000, typed=True)  # what is about one thing comes together
def stable_id(kind: str, *parts: object) -> UUID:
    """The id of the aggregate of this ``kind`` that ``parts`` name: the same parts, the same id, for ever."""
    return uuid5(NAMESPACE_URL, "/".join(["duban", kind, *map(str, parts)]))


@dataclass(frozen=True, kw_only=True)
class CommandContext:
    """Who carries out a command, why, and when (履职行为)."""

    by: Actor
    because: str
    recorded_at: datetime
    happened_at: datetime
    role: str = ""
    """The actor's role; a rule may name it."""
    key: str | None = None
    """The request's idempotency key, unique for its subject; None for the suite's own commands."""
    fingerprint: str = ""
    """A hash of the request, so that the same key with another body is refused."""
    expected_version: int | None = None
    """The version that the client has seen (``If-Match``)."""

    def at(self, happened_at: datetime | None) -> "CommandContext":
        """The same context for what became true at ``happened_at`` (default: now). Raises HappenedInTheFuture."""
        if happened_at is None:
            return self
        if happened_at > self.recorded_at:
            raise HappenedInTheFuture(happened_at=happened_at, recorded_at=self.recorded_at)
        return replace(self, happened_at=happened_at)

    def new_id(self, kind: str) -> UUID:
        """The id of the thing of this ``kind`` that the command creates: a repeated request gets the same id."""
        return stable_id(kind, self.because)


class Change(AggregateEvent):
    """A later event of an aggregate: the base of its event classes, beside their published class."""


class Creation(Change, AggregateCreated):
    """The first event of an aggregate."""

    AGGREGATE: ClassVar[str]


class Aggregate(BaseAggregate[UUID]):
    """An aggregate decides, then records: rules run once, before the event; a lifecycle's step only assigns.

    A subclass names its lifecycle, ``class Task(Aggregate, lifecycle=evolve)``. Its facts are then the lifecycle's,
    and ``state`` is what the steps have made of them.
    """

    latest_event_only: ClassVar[bool] = False
    """Whether every event says the whole state, so that only the latest is read, however many there are."""
    serialise_writers: ClassVar[bool] = False
    """Whether the requests of one process write one after the other, because most of them write to this aggregate.
    Open it last, or read all that is needed together: from then on the others wait."""
    lifecycle: ClassVar[Lifecycle[Any]]
    recorded_as: ClassVar[Mapping[str, type[Change]]] = {}
    """The event class that the library stores, by topic."""
    state: Any
    began_at: ClassVar[datetime | None] = None
    """When its first fact happened, of one that is read whole."""

    class Event(Change):
        """The library's own base of an aggregate's events."""

    def __init_subclass__(cls, lifecycle: Lifecycle[Any] | None = None, **kwargs: Any) -> None:
        if lifecycle is not None:
            cls.lifecycle = lifecycle
            for topic, fact in lifecycle.facts.items():
                if topic not in _RECORDED:
                    setattr(cls, fact.__name__, _event_class(cls, fact, first=fact is lifecycle.begins))
        super().__init_subclass__(**kwargs)
        if lifecycle is not None:  # the library has made classes of its own from those
            for topic, fact in lifecycle.facts.items():
                _RECORDED.setdefault(topic, getattr(cls, fact.__name__, None))
            cls.recorded_as = {topic: _RECORDED[topic] for topic in lifecycle.facts}
        # The library makes a dataclass of a class with annotations, whose __init__ then asks the first event for
        # every attribute; here annotations only tell types, and the step of the first event sets them all.
        cls.__init__ = _attributes_come_from_apply  # type: ignore[method-assign, assignment]
        for member in vars(cls).values():
            if isinstance(member, type) and issubclass(member, CanInitAggregate):
                member.AGGREGATE = cls.TOPIC  # type: ignore[attr-defined]

    @classmethod
    def begin(cls, fact: type[Fact], act: CommandContext, id: UUID, **what: Any) -> Self:  # noqa: A002 - the library's name
        """Record the first event of a new aggregate."""
        event: Any = cls.recorded_as.get(fact.TOPIC, fact)
        return cls._create(event, id=id, **_stamp(act), **what)

    @classmethod
    def as_left_by(cls, last: Any) -> Self:
        """The aggregate after its ``last`` event, from that event alone."""
        found = cls.__new__(cls)
        found.__base_init__(last.originator_id, last.originator_version, last.timestamp)
        last.apply(found)
        return found

    def record(self, fact: type[Fact], act: CommandContext, **what: Any) -> None:
        """Record the fact."""
        event: Any = self.recorded_as.get(fact.TOPIC, fact)
        self.trigger_event(event, **_stamp(act), **what)

    @property
    def status(self) -> str | None:
        """The state in one word, for the answer to a write; None if it has no such word."""
        return getattr(getattr(self, "state", None), "status", None)

    @property
    def number(self) -> str | None:
        """The number by which people know it, if it has one."""
        return getattr(getattr(self, "state", None), "number", None)


_RECORDED: dict[str, Any] = {}
"""The event class by topic: the library knows one class for one event, also if several aggregates record it."""


def _event_class(aggregate: type[Aggregate], fact: type[Fact], *, first: bool) -> type[Change]:
    """The library's event of this published fact: its effect is the step of the lifecycle of whom it is applied to."""

    def apply(self: Any, found: Any) -> None:
        if first:
            found.began_at = self.happened_at
        found.state = found.lifecycle(self, getattr(found, "state", None), self.originator_version)

    body = {
        "apply": apply,
        "__module__": aggregate.__module__,
        "__qualname__": f"{aggregate.__qualname__}.{fact.__name__}",
    }
    bases = (fact, Creation if first else Change)
    return cast(
        "type[Change]", new_class(fact.__name__, bases, exec_body=lambda members: members.update(body))
    )


def _attributes_come_from_apply(self: Aggregate) -> None:
    pass


def _stamp(act: CommandContext) -> dict[str, Any]:
    return {
        "timestamp": act.recorded_at,
        "happened_at": act.happened_at,
        "by": act.by,
        "because": act.because,
    }
