"""The typed codec: plain JSON in the log and on the wire, decoded to the types that the event declares.

Unknown fields are ignored, wrong types are refused, old versions are upcast one step at a time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC
from functools import cache, lru_cache
from typing import Any, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.domain import CanInitAggregate
from eventsourcing.persistence import Mapper, Notification, StoredEvent
from eventsourcing.utils import resolve_topic

from shared.domain.refusal import Refusal
from shared.domain.words import Title
from shared.events.base import VOCABULARY, Fact, Message, Personal, message_id

LARGEST_EVENT = 1024 * 1024
"""Bytes of an encoded event. No larger one is stored, so that a log holds nothing that the broker refuses: topics and
clients take LARGEST_RECORD (shared/messaging/transport/kafka/client.py)."""


class EventTooLarge(Refusal):
    """内容太大：事件“{event}”为 {size} 字节，最多 {limit} 字节；请分几次登记
    Too large: the event "{event}" would take {size} bytes, at most {limit}; record it in several parts"""

    status = 413


def event_title(topic: str) -> Title:
    """What an event is called."""
    published = VOCABULARY.get(topic)
    if published is None:
        return Title(topic, topic)
    chinese = (published.__doc__ or "").partition(":")[0]
    return Title(chinese, re.sub(r"(?<!^)(?=[A-Z])", " ", published.__name__).lower())


class Unreadable(Exception):
    """A stored or received event cannot be read, for this ``reason``; it is parked, never skipped."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic, self.reason = topic, reason
        super().__init__(f"{topic}: {reason}")


@cache
def _decoder(topic: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(VOCABULARY[topic])


@cache
def _names(topic: str) -> tuple[str, ...]:
    return tuple(field.name for field in fields(VOCABULARY[topic]))


@cache
def personal_fields(topic: str) -> Mapping[str, Personal]:
    """The event's fields with personal data, each with its mark, which says whose they are."""
    return {
        name: mark
        for name, hint in get_type_hints(VOCABULARY[topic], include_extras=True).items()
        for mark in getattr(hint, "__metadata__", ())
        if isinstance(mark, Personal)
    }


Seal = Callable[[str, str, UUID, Mapping[str, str]], Mapping[str, str]]
"""Makes tokens of personal texts: subject, topic of the event, aggregate id, texts by field."""


def encode(fact: Fact, instead: Mapping[str, str] | None = None) -> bytes:
    """The event as JSON: the fields of its published type and, above version 1, ``class_version``.

    ``instead`` holds what stands in place of some fields.
    """
    published = VOCABULARY[fact.TOPIC]
    state = {name: getattr(fact, name) for name in _names(fact.TOPIC)}
    if instead:
        state |= instead
    if published.class_version > 1:
        state["class_version"] = published.class_version
    return msgspec.json.encode(state)


def decode(topic: str, state: bytes) -> Fact:
    """Read an event of the published language.

    Raises Unreadable: unknown topic, undecodable bytes, a missing field, a wrong type, a version from the future.
    """
    published = VOCABULARY.get(topic)
    if published is None:
        raise Unreadable(topic, "unknown event")
    try:
        if published.class_version == 1 and b'"class_version"' not in state:
            fact: Fact = _decoder(topic).decode(state)
            return fact
        return _upcast(published, msgspec.json.decode(state, type=dict[str, Any]))
    except msgspec.MsgspecError as error:
        raise Unreadable(topic, str(error)) from error


def _upcast(published: type[Fact], state: dict[str, Any]) -> Fact:
    version = state.pop("class_version", 1)
    if not isinstance(version, int) or not 1 <= version <= published.class_version:
        raise Unreadable(published.TOPIC, f"version {version!r} is not known here")
    for step in range(version, published.class_version):
        getattr(published, f"upcast_v{step}_v{step + 1}")(state)
    return msgspec.convert(state, published)


class WireMapper(Mapper[UUID]):
    """The codec for the event store: published fields in, the aggregate's own event class out."""

    seal: Seal | None = None
    """Set by the composition root where personal data may be written."""

    def __init__(self) -> None:
        """Without the library's transcoder, compressor and cipher."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Called by the event store for each new event; personal data are sealed here, before anything is stored.

        Raises EventTooLarge.
        """
        encoded = encode(domain_event, self._sealed(domain_event))
        if (size := len(encoded)) > LARGEST_EVENT:
            raise EventTooLarge(event=event_title(domain_event.TOPIC), size=size, limit=LARGEST_EVENT)
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=domain_event.TOPIC,
            state=encoded,
        )

    def _sealed(self, event: Any) -> Mapping[str, str]:
        sealed: dict[str, str] = {}
        personal = personal_fields(event.TOPIC)
        for mark in set(personal.values()):
            texts = {
                field: text
                for field, of in personal.items()
                if of == mark and (text := getattr(event, field))  # an empty text is nobody's
            }
            if texts:
                if self.seal is None:
                    raise TypeError(
                        f"{event.TOPIC} holds personal data, and there is no key store to seal it"
                    )
                whose = getattr(event, mark.subject)
                if mark.anew:
                    whose = f"{whose}#{event.originator_version}"
                sealed |= self.seal(whose, event.TOPIC, event.originator_id, texts)
        return sealed

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Called by the event store for each event of an aggregate that is loaded."""
        cls = resolve_topic(stored_event.topic)
        state = dict(vars(decode(stored_event.topic, stored_event.state)))
        state["originator_id"] = stored_event.originator_id
        state["originator_version"] = stored_event.originator_version
        if issubclass(cls, CanInitAggregate):
            state["originator_topic"] = cls.AGGREGATE  # set by shared.domain.aggregate
        event = object.__new__(cls)
        event.__dict__.update(state)
        return event


_uuid = lru_cache(maxsize=10_000)(UUID)  # facts of one aggregate come together


def read(source: str, partition: int, notification: Notification) -> Message:
    """The message in a row of a log. Raises Unreadable."""
    aggregate_id = notification.originator_id
    return Message(
        source,
        partition,
        notification.id,
        aggregate_id if isinstance(aggregate_id, UUID) else _uuid(aggregate_id),
        notification.originator_version,
        decode(notification.topic, notification.state),
    )


def cloudevent(source: str, notification: Notification) -> dict[str, Any]:
    """The row as a CloudEvents 1.0 envelope (structured JSON mode); attributes become ``ce_*`` headers on Kafka."""
    fact = decode(notification.topic, notification.state)
    aggregate_id = UUID(str(notification.originator_id))
    return {
        "specversion": "1.0",
        "id": message_id(source, aggregate_id, notification.originator_version),
        "source": f"/duban/{source}",
        "type": notification.topic,
        "time": fact.timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "partitionkey": str(aggregate_id),
        "sequence": str(notification.id),
        "data": msgspec.json.decode(notification.state),
    }
