"""A long log for benchmarks: units that are registered and then renamed again and again."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from eventsourcing.persistence import StoredEvent

from shared.events import assignment
from shared.events.base import Actor
from shared.log.codec import encode
from shared.log.recorder import LogRecorder

NOW = datetime(2021, 1, 4, 1, 0, tzinfo=UTC)
CHANGES = 9
"""So often each unit is renamed."""
STAMP: dict[str, Any] = {
    "timestamp": NOW,
    "happened_at": NOW,
    "by": Actor(unit="office", post="office/clerk"),
    "because": "request:bench",
}


def history(number: int) -> list[StoredEvent]:
    """The events of one unit."""
    id = uuid5(UUID(int=0), str(number))  # noqa: A001
    facts: list[assignment.UnitRegistered | assignment.UnitRenamed] = [
        assignment.UnitRegistered(unit=f"u{number}", name=f"单位{number}", kind="department", **STAMP)
    ]
    facts += [
        assignment.UnitRenamed(unit=f"u{number}", name=f"单位{number}-{change}", **STAMP)
        for change in range(CHANGES)
    ]
    return [StoredEvent(id, version, fact.TOPIC, encode(fact)) for version, fact in enumerate(facts, start=1)]


def mingled(units: range, at_once: int = 200) -> Iterator[list[StoredEvent]]:
    """The events of these units, those of ``at_once`` units mingled, as they would be written by many."""
    for first in range(units.start, units.stop, at_once):
        histories = [history(number) for number in range(first, min(units.stop, first + at_once))]
        for of_one_version in zip(*histories, strict=True):
            yield list(of_one_version)


def fill(log: LogRecorder, units: range) -> int:
    """Write them into a log; the position of the last."""
    for events in mingled(units):
        log.insert_events(events)
    return log.max_notification_id() or 0
