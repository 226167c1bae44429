"""Following topics as a member of a consumer group."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor

from shared.database.unavailable import BrokerUnavailable
from shared.messaging.batch import Batch, Position
from shared.messaging.transport import PositionOf
from shared.messaging.transport.kafka.client import (
    LIMIT,
    broker_errors,
    consumer_settings,
    end_offsets,
    new_client,
    topic_of,
)
from shared.messaging.transport.kafka.envelope import batch_of, row_of
from shared.messaging.transport.kafka.quiet_sources import QuietSources
from shared.messaging.transport.kafka.replay import KafkaReplay, last_offsets
from shared.process import logs
from shared.process.config import Config

log = logs.log("kafka")
COMMIT_SECONDS = 1.0
JOIN_WAIT = 2.0
"""Seconds that a poll may take during a rebalance. A client that gives up earlier rejoins, and the whole group with it:
two such clients never finish."""
STALLED_AFTER = 10.0
"""Seconds without records after which a consumer checks whether it has stalled. At the second check without progress it
opens a new client: after a broker was replaced, kafka-python 3.0.12 lost its group membership without noticing."""


class _RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Called on the client's IO thread, where the consumer must not be called: only sets flags for the loop."""

    def __init__(self) -> None:
        self.changed, self.joining = False, True

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.changed, self.joining = True, True

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.changed, self.joining = True, False


class KafkaFollower:
    """A member of a consumer group, which assigns its partitions.

    ``wait``: seconds that a poll waits for records. ``is_urgent``: whether a batch must be handled soon; a source that
    brings no such batch is polled less often.
    """

    def __init__(
        self,
        config: Config,
        service: str,
        consumer: str,
        sources: Sequence[str],
        wait: float,
        is_urgent: Callable[[Batch], bool] = lambda batch: True,
    ) -> None:
        self._config, self._wait = config, wait
        self._group = f"duban.{service}.{consumer}"
        self._sources = {topic_of(source): source for source in sources}
        self._consumer: Any = None
        self._listener = _RebalanceListener()
        self._sought: set[TopicPartition] = set()
        self._unverified: dict[TopicPartition, Position] = {}
        self._done: dict[TopicPartition, int] = {}
        self._committed_at = 0.0
        self._lag: dict[tuple[str, int], int] = {}
        self._quiet = QuietSources(self._sources, is_urgent)
        self._last_record_at = self._progressed_at = time.monotonic()
        self._checked_offsets: dict[TopicPartition, int] = {}
        self._searched: Mapping[TopicPartition, int] = {}
        self._last: Mapping[TopicPartition, int] = {}
        """The ends of the partitions whose last record was searched for, and its offsets."""

    def poll(self, position_of: PositionOf) -> list[Batch]:
        """See Follower. Raises BrokerUnavailable."""
        try:
            with broker_errors():
                return self._poll(position_of)
        except BrokerUnavailable:
            self.close()  # open a new client: this one may never recover
            raise

    def _poll(self, position_of: PositionOf) -> list[Batch]:
        if self._consumer is None:
            self._open()
        wait = JOIN_WAIT if self._listener.joining else self._quiet.resume(self._consumer, self._wait)
        found = self._consumer.poll(timeout_ms=int(wait * 1000), max_records=LIMIT)
        if found:
            self._last_record_at = time.monotonic()
        elif time.monotonic() - self._last_record_at > STALLED_AFTER:
            self._check_progress(position_of)
        if self._listener.changed:
            self._listener.changed = False
            self._sought.clear()
            self._unverified.clear()
            self._lag.clear()
        new = self._consumer.assignment() - self._sought
        for where, end in end_offsets(self._consumer, list(new)).items() if new else ():
            self._seek(where, position_of(self._sources[where.topic], where.partition), end)
        batches = []
        for where, records in found.items():
            if where in new or where not in self._sought:
                continue  # fetched from the committed offset; only the stored position counts
            records = self._verified(where, records)
            if records:
                batches.append(batch_of(self._sources[where.topic], where.partition, records))
        self._measure(found.keys())
        self._quiet.pause(self._consumer, batches, self._lag)
        self._commit()
        return batches

    def _measure(self, found: Collection[TopicPartition]) -> None:
        """The lag of partitions from which records came, or come no more: what follows may be no record."""
        for where in self._sought & self._consumer.assignment():
            here = self._sources[where.topic], where.partition
            if where not in found and not self._lag.get(here):
                continue
            at, end = self._consumer.position(where) or 0, self._consumer.highwater(where) or 0
            self._lag[here] = max(0, end - at)
            if where not in found and not self._lag[here]:
                self._done[where] = at

    def _check_progress(self, position_of: PositionOf) -> None:
        """Raises BrokerUnavailable if records are outstanding and the group has not moved since the last check."""
        self._last_record_at = time.monotonic()
        every = [
            TopicPartition(topic, n) for topic in self._sources for n in range(self._config.kafka_partitions)
        ]
        outstanding, unmoved = set[TopicPartition](), {}
        for where, end in end_offsets(self._consumer, every).items():
            offset = position_of(self._sources[where.topic], where.partition).offset
            before, self._checked_offsets[where] = self._checked_offsets.get(where), offset
            if offset != end - 1:
                outstanding.add(where)
                if before == offset:
                    unmoved[where] = offset, end
        self._refuse_outstanding(unmoved)
        if outstanding == unmoved.keys():
            self._progressed_at = time.monotonic()
        # position_of restarts the inbox at the stored positions, which a crash of the database may have set back.
        self.rewind()

    def _refuse_outstanding(self, unmoved: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Raises BrokerUnavailable if one of these partitions, by handled offset and end, holds a record after it."""
        ends = {where: end for where, (_, end) in unmoved.items()}
        if ends != self._searched:
            self._searched, self._last = ends, last_offsets(self._config, [*ends]) if ends else {}
        for where, (offset, end) in unmoved.items():
            last = self._last.get(where, -1)
            if last > offset or (end <= offset and last >= 0):  # the latter in a topic that was recreated
                log.error(
                    "consumer_stalled",
                    group=self._group,
                    source=self._sources[where.topic],
                    partition=where.partition,
                    at=offset,
                )
                self._checked_offsets.clear()
                raise BrokerUnavailable(
                    f"{where.topic}/{where.partition} holds a record at {last}, and nothing comes from it"
                )

    def _open(self) -> None:
        self._consumer = new_client(
            KafkaConsumer,
            **consumer_settings(self._config),
            client_id=self._group,
            group_id=self._group,
            partition_assignment_strategy=(RangePartitionAssignor,),
            max_poll_records=LIMIT,
            session_timeout_ms=int(self._config.kafka_session_seconds * 1000),
            heartbeat_interval_ms=int(self._config.kafka_session_seconds * 250),
            max_poll_interval_ms=int(self._config.kafka_session_seconds * 5000),
        )
        self._consumer.subscribe(topics=sorted(self._sources), listener=self._listener)

    def _seek(self, where: TopicPartition, position: Position, end: int) -> None:
        # To the last record handled, not after it: reading it again proves that the topic is still the same. A topic
        # that ends before it was recreated and is read from its beginning.
        self._consumer.seek(where, position.offset if 0 <= position.offset < end else 0)
        self._sought.add(where)
        if position.offset >= 0:
            self._unverified[where] = position

    def _verified(self, where: TopicPartition, records: list[Any]) -> list[Any]:
        position = self._unverified.pop(where, None)
        if position is None:
            return records
        first, *_ = row_of(records[0])
        if records[0].offset == position.offset and first.id <= position.position:
            return records[1:]
        log.error(
            "topic_was_replaced",
            topic=where.topic,
            partition=where.partition,
            expected_offset=position.offset,
        )
        if records[0].offset > 0:
            self._consumer.seek(where, 0)
            return []
        return records

    def handled(self, batch: Batch) -> None:
        self._progressed_at = time.monotonic()
        self._done[TopicPartition(topic_of(batch.source), batch.partition)] = batch.offsets[-1] + 1

    def _commit(self) -> None:
        now = time.monotonic()
        if not self._done or now - self._committed_at < COMMIT_SECONDS:
            return
        mine = {
            where: OffsetAndMetadata(at, "", -1) for where, at in self._done.items() if where in self._sought
        }
        if mine:
            self._consumer.commit_async(mine, callback=lambda *_: None)
        self._done.clear()
        self._committed_at = now

    def rewind(self) -> None:
        self._sought.clear()
        self._unverified.clear()

    def lag(self) -> Mapping[tuple[str, int], int]:
        return dict(self._lag)

    def progress_age(self) -> float:
        return time.monotonic() - self._progressed_at

    def replay(self, source: str) -> "KafkaReplay":
        return KafkaReplay(self._config, source)

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._listener = _RebalanceListener()
        self.rewind()
        self._lag.clear()
        self._quiet.clear()
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=3000)
