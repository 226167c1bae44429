"""Reading a topic outside any consumer group."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from eventsourcing.persistence import Notification
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from shared.messaging.batch import Batch
from shared.messaging.transport.kafka.client import (
    LIMIT,
    broker_errors,
    consumer_settings,
    end_offsets,
    new_client,
    topic_of,
)
from shared.messaging.transport.kafka.envelope import batch_of, row_of
from shared.process.config import Config

LONGEST_STEP = 10_000
"""Offsets of one step back in search of the last record."""
NO_PROGRESS = 5.0
"""Seconds after which a search gives up if its position does not move."""


class KafkaReplay:
    """A topic from its beginning."""

    def __init__(self, config: Config, source: str) -> None:
        self._source, topic = source, topic_of(source)
        self._consumer = new_client(
            KafkaConsumer, **consumer_settings(config, group_id=None, max_poll_records=LIMIT * 5)
        )
        try:
            with broker_errors():
                known = self._consumer.partitions_for_topic(topic) or ()
        except BaseException:
            self.close()
            raise
        self._where = [TopicPartition(topic, n) for n in sorted(known)]
        self._consumer.assign(self._where)
        self._consumer.seek_to_beginning(*self._where)
        self._ahead: dict[int, list[Any]] = {where.partition: [] for where in self._where}

    @property
    def partitions(self) -> list[int]:
        """The topic's partitions."""
        return [where.partition for where in self._where]

    def up_to(self, positions: Mapping[int, int]) -> Iterator[Batch]:
        """See Replay. Reads to the end of the topic; records beyond the positions are kept for the next call."""
        for partition, ahead in self._ahead.items():
            self._ahead[partition] = []
            yield from self._within(partition, ahead, positions.get(partition, 0))
        with broker_errors():
            ends = end_offsets(self._consumer, self._where)
        while self._before(ends):
            with broker_errors():
                found = self._consumer.poll(timeout_ms=1000, max_records=LIMIT * 5)
            for where, records in found.items():
                yield from self._within(where.partition, records, positions.get(where.partition, 0))

    def _before(self, ends: Mapping[TopicPartition, int]) -> bool:
        with broker_errors():
            return any(self._consumer.position(where) < end for where, end in ends.items())

    def _within(self, partition: int, records: Sequence[Any], position: int) -> Iterator[Batch]:
        read = [(row_of(record)[0].id, record) for record in records]
        self._ahead[partition] += [record for id_, record in read if id_ > position]
        within = [record for id_, record in read if 0 <= id_ <= position]
        if within:
            yield batch_of(self._source, partition, within)

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=3000)


@broker_errors()
def last_rows(config: Config, service: str, partitions: int) -> list[Notification | None]:
    """The last event in each partition of a service's topic, or None. Raises BrokerUnavailable."""
    where = [TopicPartition(topic_of(service), n) for n in range(partitions)]
    found = _last_records(config, where, lambda record: row_of(record)[0].id > 0)
    return [row_of(found[one])[0] if one in found else None for one in where]


@broker_errors()
def last_offsets(config: Config, where: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    """The offset of the last record, of whatever kind, in each partition that holds one. Raises BrokerUnavailable."""
    return {one: record.offset for one, record in _last_records(config, where, lambda record: True).items()}


def _last_records(
    config: Config, where: Sequence[TopicPartition], wanted: Callable[[Any], bool]
) -> dict[TopicPartition, Any]:
    """The last record of those ``wanted`` in each partition that holds one.

    The end of a partition need not be a record (a transaction's marker has an offset too), nor a wanted one: so it
    steps back, further each time.
    """
    consumer = new_client(KafkaConsumer, **consumer_settings(config, group_id=None, fetch_max_wait_ms=50))
    found: dict[TopicPartition, Any] = {}
    try:
        start = dict(end_offsets(consumer, where))
        begin = consumer.beginning_offsets(where)
        step = 1
        while left := [one for one in where if one not in found and start[one] > begin[one]]:
            stop = {one: start[one] for one in left}
            start |= {one: max(begin[one], stop[one] - step) for one in left}
            for record in _between(consumer, {one: (start[one], stop[one]) for one in left}):
                if wanted(record):
                    found[TopicPartition(record.topic, record.partition)] = record
            step = min(step * 10, LONGEST_STEP)
        return found
    finally:
        consumer.close(autocommit=False, timeout_ms=2000)


def _between(consumer: Any, windows: Mapping[TopicPartition, tuple[int, int]]) -> Iterator[Any]:
    """The records of some stretches of partitions, until the position has passed the end of each."""
    consumer.assign([*windows])
    for where, (start, _) in windows.items():
        consumer.seek(where, start)
    before: dict[TopicPartition, int] = {}
    deadline = time.monotonic() + NO_PROGRESS
    while True:
        for where, records in consumer.poll(timeout_ms=200).items():
            yield from (record for record in records if record.offset < windows[where][1])
        at = {where: consumer.position(where) for where in windows}
        if all(at[where] >= stop for where, (_, stop) in windows.items()):
            return
        if at != before:
            before, deadline = at, time.monotonic() + NO_PROGRESS
        elif time.monotonic() > deadline:
            raise KafkaError(f"the last records of {', '.join(map(str, windows))} could not be read")


def records_after(config: Config, source: str, position: int) -> list[Notification]:
    """The events in a topic after a position of its log. Raises BrokerUnavailable."""
    found = []
    with closing(KafkaReplay(config, source)) as replay:
        for batch in replay.up_to(dict.fromkeys(replay.partitions, sys.maxsize)):
            found += [row for row in batch.rows if row.id > position]
    return list({row.id: row for row in found}.values())  # re-published events are there twice
