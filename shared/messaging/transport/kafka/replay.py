"""Reading a topic outside any consumer group."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from eventsourcing.persistence import Notification
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from shared.messaging.batch import Batch
from shared.messaging.transport.kafka.client import (
    FETCH_WAIT_MS,
    LIMIT,
    broker_errors,
    client_settings,
    end_offsets,
    new_client,
    topic_of,
)
from shared.messaging.transport.kafka.envelope import batch_of, row_of
from shared.process.config import Config


class KafkaReplay:
    """A topic from its beginning."""

    def __init__(self, config: Config, source: str) -> None:
        self._source, topic = source, topic_of(source)
        self._consumer = new_client(
            KafkaConsumer,
            **client_settings(config),
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_poll_records=LIMIT * 5,
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
    topic = topic_of(service)
    consumer = new_client(
        KafkaConsumer,
        **client_settings(config),
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    try:
        where = [TopicPartition(topic, n) for n in range(partitions)]
        consumer.assign(where)
        end = end_offsets(consumer, where)
        begin = consumer.beginning_offsets(where)
        found: list[Notification | None] = [None] * partitions
        awaited = {one for one in where if end[one] > begin[one]}
        for one in awaited:
            consumer.seek(one, end[one] - 1)
        consumer.pause(*(one for one in where if one not in awaited))
        deadline = time.monotonic() + 5
        while awaited and time.monotonic() < deadline:
            for one, records in consumer.poll(timeout_ms=200).items():
                found[one.partition] = row_of(records[-1])[0]
                awaited.discard(one)
        if awaited:
            raise KafkaError(f"the last records of {topic} could not be read")
        return found
    finally:
        consumer.close(autocommit=False, timeout_ms=2000)


def records_after(config: Config, source: str, position: int) -> list[Notification]:
    """The events in a topic after a position of its log. Raises BrokerUnavailable."""
    found = []
    with closing(KafkaReplay(config, source)) as replay:
        for batch in replay.up_to(dict.fromkeys(replay.partitions, sys.maxsize)):
            found += [row for row in batch.rows if row.id > position]
    return list({row.id: row for row in found}.values())  # re-published events are there twice
