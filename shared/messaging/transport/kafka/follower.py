"""One member of a consumer group."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor

from shared.database.unavailable import BrokerUnavailable
from shared.messaging.batch import Batch, Position
from shared.messaging.transport import PositionOf
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
from shared.messaging.transport.kafka.replay import KafkaReplay
from shared.process import logs
from shared.process.config import Config

log = logs.log("kafka")
UNPRESSING, LOOK_SECONDS = 5, 0.2
"""A source that has so often in a row brought nothing pressing is looked at every so many seconds until it does:
each look costs the client more than 2 ms of processor, whatever it brings."""
COMMIT_SECONDS = 1.0
JOIN_WAIT = 2.0
"""Seconds that a poll takes at most while the group shares out its partitions. A client that gives up earlier begins to
join anew, and with it the whole group: two that are impatient never come to an end."""
STALLED_AFTER = 10.0
"""Seconds in which nothing came, after which a consumer looks whether something should have come. At the second look
without a move it begins with a new client: after a broker was lost and set up anew, kafka-python 3.0.12 was seen to be
no member of its group any more and never to notice."""


class _Revoked(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the client's own thread and may not call it: remembers what the loop must look at."""

    def __init__(self) -> None:
        self.changed, self.joining = False, True

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.changed, self.joining = True, True

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.changed, self.joining = True, False


class KafkaFollower:
    """One member of a consumer group: it gets the partitions that the group gives it.

    ``wait``: seconds that a poll waits for something to come. ``pressing``: whether anything waits for what is in a
    batch; a source that goes on bringing nothing of that kind is looked at less often.
    """

    def __init__(
        self,
        config: Config,
        service: str,
        consumer: str,
        sources: Sequence[str],
        wait: float,
        pressing: Callable[[Batch], bool] = lambda batch: True,
    ) -> None:
        self._config, self._wait, self._pressing = config, wait, pressing
        self._group = f"duban.{service}.{consumer}"
        self._sources = {topic_of(source): source for source in sources}
        self._consumer: Any = None
        self._listener = _Revoked()
        self._sought: set[TopicPartition] = set()
        self._unproven: dict[TopicPartition, Position] = {}
        self._done: dict[TopicPartition, int] = {}
        self._committed_at = 0.0
        self._lag: dict[tuple[str, int], int] = {}
        self._unpressing: Counter[str] = Counter()
        self._look_at: dict[str, float] = {}
        """The sources that are left alone, and until when."""
        self._last_record_at = time.monotonic()
        self._looked: dict[TopicPartition, int] = {}

    def poll(self, position_of: PositionOf) -> list[Batch]:
        """See Follower. Raises BrokerUnavailable."""
        try:
            with broker_errors():
                return self._poll(position_of)
        except BrokerUnavailable:
            self.close()  # begin with a new client: this one may never recover
            raise

    def _poll(self, position_of: PositionOf) -> list[Batch]:
        if self._consumer is None:
            self._open()
        wait = JOIN_WAIT if self._listener.joining else self._look_again()
        found = self._consumer.poll(timeout_ms=int(wait * 1000), max_records=LIMIT)
        if found:
            self._last_record_at = time.monotonic()
        elif time.monotonic() - self._last_record_at > STALLED_AFTER:
            self._look_for_more(position_of)
        if self._listener.changed:
            self._listener.changed = False
            self._sought.clear()
            self._unproven.clear()
            self._lag.clear()
        new = self._consumer.assignment() - self._sought
        for where, end in end_offsets(self._consumer, list(new)).items() if new else ():
            self._seek(where, position_of(self._sources[where.topic], where.partition), end)
        batches = []
        for where, records in found.items():
            if where in new or where not in self._sought:
                continue  # fetched from where the group's offsets pointed; the mark decides
            records = self._proven(where, records)
            if records:
                batches.append(batch_of(self._sources[where.topic], where.partition, records))
                end = self._consumer.highwater(where)
                self._lag[self._sources[where.topic], where.partition] = max(
                    0, (end or 0) - 1 - records[-1].offset
                )
        self._leave_alone(batches)
        self._commit()
        return batches

    def _look_again(self) -> float:
        """At what is due; seconds that a poll may wait then."""
        now = time.monotonic()
        due = {source for source, at in self._look_at.items() if at <= now}
        if due:
            self._look_at = {source: at for source, at in self._look_at.items() if source not in due}
            self._consumer.resume(
                *(one for one in self._consumer.paused() if self._sources[one.topic] in due)
            )
        return min([self._wait, *(at - now for at in self._look_at.values())])

    def _leave_alone(self, batches: Sequence[Batch]) -> None:
        pressing = {batch.source for batch in batches if self._pressing(batch)}
        for source in {batch.source for batch in batches}:
            self._unpressing[source] = 0 if source in pressing else self._unpressing[source] + 1
            more = any(lag for (of, _), lag in self._lag.items() if of == source)
            if self._unpressing[source] > UNPRESSING and not more:
                self._look_at[source] = time.monotonic() + LOOK_SECONDS
                self._consumer.pause(
                    *(one for one in self._consumer.assignment() if self._sources[one.topic] == source)
                )

    def _look_for_more(self, position_of: PositionOf) -> None:
        """Raises BrokerUnavailable if records wait and no member of the group has moved since the last check."""
        self._last_record_at = time.monotonic()
        every = [
            TopicPartition(topic, n) for topic in self._sources for n in range(self._config.kafka_partitions)
        ]
        for where, end in end_offsets(self._consumer, every).items():
            source, offset = (
                self._sources[where.topic],
                position_of(self._sources[where.topic], where.partition).offset,
            )
            before, self._looked[where] = self._looked.get(where), offset
            if (
                end - 1 > offset == before or 0 < end <= offset == before
            ):  # the latter in a topic that was made anew
                log.error(
                    "consumer_stalled", group=self._group, source=source, partition=where.partition, at=offset
                )
                self._looked.clear()
                raise BrokerUnavailable(
                    f"{where.topic}/{where.partition} holds {end} records, and nothing comes from it"
                )
        # Who has asked for the marks begins at them: a crash of the database may have taken the last ones back.
        self.rewind()

    def _open(self) -> None:
        self._consumer = new_client(
            KafkaConsumer,
            **client_settings(self._config),
            client_id=self._group,
            group_id=self._group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            partition_assignment_strategy=(RangePartitionAssignor,),
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_poll_records=LIMIT,
            session_timeout_ms=int(self._config.kafka_session_seconds * 1000),
            heartbeat_interval_ms=int(self._config.kafka_session_seconds * 250),
            max_poll_interval_ms=int(self._config.kafka_session_seconds * 5000),
        )
        self._consumer.subscribe(topics=sorted(self._sources), listener=self._listener)

    def _seek(self, where: TopicPartition, mark: Position, end: int) -> None:
        # To the last record handled, not behind it: it proves that the topic is still the one it was. A topic that ends
        # before it is another one; at its very end nothing would come, and nothing be noticed, until one more is sent.
        self._consumer.seek(where, mark.offset if 0 <= mark.offset < end else 0)
        self._sought.add(where)
        if mark.offset >= 0:
            self._unproven[where] = mark

    def _proven(self, where: TopicPartition, records: list[Any]) -> list[Any]:
        mark = self._unproven.pop(where, None)
        if mark is None:
            return records
        first, *_ = row_of(records[0])
        if records[0].offset == mark.offset and first.id <= mark.position:
            return records[1:]
        log.error(
            "topic_was_replaced", topic=where.topic, partition=where.partition, expected_offset=mark.offset
        )
        if records[0].offset > 0:
            self._consumer.seek(where, 0)
            return []
        return records

    def handled(self, batch: Batch) -> None:
        """See Follower."""
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
        """See Follower."""
        self._sought.clear()
        self._unproven.clear()

    def lag(self) -> Mapping[tuple[str, int], int]:
        """See Follower."""
        return dict(self._lag)

    def replay(self, source: str) -> "KafkaReplay":
        """See Follower."""
        return KafkaReplay(self._config, source)

    def close(self) -> None:
        """See Follower."""
        consumer, self._consumer = self._consumer, None
        self._listener = _Revoked()
        self.rewind()
        self._lag.clear()
        self._look_at.clear()
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=3000)
