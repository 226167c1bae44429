"""What every event of the published language carries, and what a reader of a log gets.

One frozen dataclass per event: it is the log record, the wire contract and the consumer's type.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, NamedTuple
from uuid import UUID

from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]
"""An aware moment; a naive one is refused on the wire."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who did it (责任主体): a post in a unit, never a person's name (domain.md §1, §8)."""

    unit: str
    post: str


@dataclass(frozen=True)
class Personal:
    """Marks a text field as personal data (个人信息) and names the field that holds its person's id.

    With ``anew`` that id may be another person's at the next event: each event's text has a key of its own.
    What is stored and published is a token in its place, a string as well (shared/personal_data/keystore.py,
    docs/decisions/0004-personal-data-in-events.md).
    """

    subject: str
    anew: bool = False


VOCABULARY: dict[str, type["Fact"]] = {}
"""Every published event by its pinned topic."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that happened (事实)."""

    TOPIC: ClassVar[str]
    class_version: ClassVar[int] = 1
    RESTS_ON: ClassVar[tuple[type["Fact"], ...]] = ()
    """Earlier facts of the same aggregate from which it follows: the last of each kind, of the same round or naming."""
    RETIRED: ClassVar[bool] = False
    """Whether only earlier releases recorded it; it is read for ever."""

    timestamp: Moment
    """When it was recorded (登记时间)."""
    happened_at: Moment
    """When it became true (发生时间)."""
    by: Actor
    """Who did it; the suite's own processes act as a post of the unit ``duban``."""
    because: str
    """The request (``request:…``) or the causing event (``event:<message id>``) that led to it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        topic = cls.__dict__.get("TOPIC")
        if topic is None:
            return  # an aggregate's nested class: the same event, seen by its writer
        known = VOCABULARY.setdefault(topic, cls)
        if known is not cls and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"two events claim the topic {topic}: {known.__qualname__}, {cls.__qualname__}")


class Message(NamedTuple):
    """A fact as it stands in its service's log."""

    source: str
    partition: int
    position: int
    aggregate_id: UUID
    version: int
    fact: Fact

    @property
    def id(self) -> str:
        """The same for every delivery of the same fact: CloudEvents ``id``."""
        return message_id(self.source, self.aggregate_id, self.version)


def message_id(source: str, aggregate_id: UUID, version: int) -> str:
    """The id of the fact at ``version`` of one aggregate in the log of ``source``."""
    return f"{source}/{aggregate_id}/{version}"
