"""Apache Kafka, behind one module: what is sent, how it is followed, which topics and rights there must be.

Envelope: CloudEvents 1.0 Kafka protocol binding, binary mode. One topic a service, ``duban.<service>.events``, key =
aggregate id. A consumer's position is its mark in the database; the offsets that it commits only help lag tools.
"""

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import msgspec
from eventsourcing.persistence import Notification
from kafka import (
    ConsumerRebalanceListener,
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
)
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, SecurityDisabledError, TopicAlreadyExistsError
from kafka.net.compat import KafkaNetClient
from kafka.partitioner import murmur2

from shared.database.unavailable import BrokerUnavailable
from shared.events.base import message_id
from shared.messaging.inbox import Batch, Position
from shared.messaging.transport import PositionOf
from shared.process import logs
from shared.process.config import Config

T = TypeVar("T")

log = logs.log("kafka")

LIMIT = 2000
FETCH_WAIT_MS = 500
"""Milliseconds that the broker may keep a fetch for which it has nothing; it answers at once when something comes."""
UNPRESSING, LOOK_SECONDS = 5, 0.2
"""A source that has so often in a row brought nothing pressing is looked at every so many seconds until it does:
each look costs the client more than 2 ms of processor, whatever it brings."""
COMMIT_SECONDS = 1.0
JOIN_WAIT = 2.0
"""Seconds that a poll takes at most while the group shares out its partitions. A client that gives up earlier begins to
join anew, and with it the whole group: two that are impatient never come to an end."""
LINGER_MS = 50
"""Milliseconds that a record may wait for others to go with it, while there are more to come: see Publisher.flush."""
STALLED_AFTER = 10.0
"""Seconds in which nothing came, after which a consumer looks whether something should have come. At the second look
without a move it begins with a new client: after a broker was lost and set up anew, kafka-python 3.0.12 was seen to be
no member of its group any more and never to notice."""
ACKNOWLEDGED_WITHIN = 15.0
"""Seconds within which the broker must acknowledge a message, or the producer is given up."""


@contextmanager
def _named() -> Iterator[None]:
    """What the client raises, by the name that the rest of the suite knows."""
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error


def _made(kind: Callable[..., T], **settings: Any) -> T:
    """A client of the broker; one that cannot be made ends what it has begun. Raises BrokerUnavailable.

    kafka-python 3.0.12 does not: of every consumer that found no broker a thread was left, with its sockets.
    """
    with _named(), ExitStack() as begun:

        def begin(**given: Any) -> Any:
            client = KafkaNetClient(**given)
            begun.callback(client.close)
            return client

        made = kind(**settings, kafka_client=begin)
        begun.pop_all()  # they are now the client's to close
        return made


def _ends(consumer: Any, where: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    """The offset behind the last record of each partition. Raises BrokerUnavailable where there is no such topic."""
    try:
        found: Mapping[TopicPartition, int] = consumer.end_offsets(where)
    except KeyError as missing:  # all that kafka-python 3.0.12 says of a partition that is not there
        raise BrokerUnavailable(
            f"{missing.args[0]} is not on the broker: run duban topics apply"
        ) from missing
    return found


def topic_of(service: str) -> str:
    """The topic of a service's events."""
    return f"duban.{service}.events"


def checkpoints_topic_of(service: str) -> str:
    """The topic of a service's signed checkpoints."""
    return f"duban.{service}.checkpoints"


@lru_cache(maxsize=10_000)
def partition_of(aggregate_id: object, partitions: int) -> int:
    """The partition of an aggregate's events: Kafka's own default for keys."""
    return int(murmur2(str(aggregate_id).encode()) & 0x7FFFFFFF) % partitions


def client_settings(config: Config) -> dict[str, Any]:
    """The settings of a consumer and of a producer.

    It keeps no figures of its own, which nobody would see: what is shown is in shared/process/metrics.py.
    """
    return {**reaching_the_broker(config), "metrics_enabled": False}


def reaching_the_broker(config: Config) -> dict[str, Any]:
    """How every client reaches the broker: TLS and SCRAM by configuration."""
    settings: dict[str, Any] = {
        "bootstrap_servers": config.kafka.split(","),
        "security_protocol": config.kafka_security,
        "bootstrap_timeout_ms": 5000,
        "request_timeout_ms": 10_000,
        "reconnect_backoff_max_ms": 1000,
        "metadata_max_age_ms": 30_000,
    }
    if config.kafka_security.startswith("SASL"):
        settings |= {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": config.kafka_user,
            "sasl_plain_password": config.kafka_password,
        }
    if config.kafka_security.endswith("SSL"):
        settings |= {
            "ssl_cafile": None if config.kafka_ca is None else str(config.kafka_ca),
            "ssl_certfile": None if config.kafka_certificate is None else str(config.kafka_certificate),
            "ssl_keyfile": None if config.kafka_key is None else str(config.kafka_key),
        }
    return settings


# --- what is sent ----------------------------------------------------------------------------------------


class _Recorded(msgspec.Struct):
    timestamp: str
    because: str


_recorded = msgspec.json.Decoder(_Recorded)


def headers_of(source: str, row: Notification, sent: str) -> list[tuple[str, bytes]]:
    """The CloudEvents attributes of a row of the log, as headers.

    ``ce_sequence`` is its position; ``ce_sent``, before it, the last position in every partition. All events of one
    command share the trace id of ``traceparent``, which is made from what caused them.
    """
    recorded = _recorded.decode(row.state)
    key = str(row.originator_id)
    name = message_id(source, key, row.originator_version)  # type: ignore[arg-type]
    trace = hashlib.blake2b(recorded.because.encode(), digest_size=16).hexdigest()
    span = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", name.encode()),
        ("ce_source", f"/duban/{source}".encode()),
        ("ce_type", row.topic.encode()),
        ("ce_time", recorded.timestamp.encode()),  # RFC 3339, with the offset with which it was recorded
        ("ce_partitionkey", key.encode()),
        ("ce_sequence", str(row.id).encode()),
        ("ce_sent", sent.encode()),
        ("content-type", b"application/json"),
        ("traceparent", f"00-{trace}-{span}-01".encode()),
    ]


class Publisher(Protocol):
    """Sends a service's events to its topic."""

    partitions: int

    def send(self, row: Notification, partition: int, sent: str) -> Any:
        """Send one; what ``acknowledged`` takes. Raises BrokerUnavailable."""

    def flush(self, timeout: float) -> None:
        """Send what is still buffered. Raises BrokerUnavailable after ``timeout`` seconds."""

    def acknowledged(self, future: Any, timeout: float) -> None:
        """Return when the broker has taken it. Raises BrokerUnavailable, also after ``timeout`` seconds."""

    def close(self) -> None:
        """Give up what is not acknowledged."""


class KafkaPublisher:
    """An idempotent producer: ``acks=all``, several batches in flight, in order."""

    def __init__(self, config: Config, service: str) -> None:
        self._service, self._topic = service, topic_of(service)
        self._producer = _made(
            KafkaProducer,
            **client_settings(config),
            client_id=f"duban-{service}-relay",
            enable_idempotence=True,
            acks="all",
            linger_ms=LINGER_MS,
            batch_size=65_536,
            allow_auto_create_topics=False,
            max_block_ms=5000,
            delivery_timeout_ms=int(ACKNOWLEDGED_WITHIN * 1000),
        )
        try:
            with _named():
                self.partitions = len(self._producer.partitions_for(self._topic) or ())
            if not self.partitions:
                raise BrokerUnavailable(f"there is no topic {self._topic}: run duban topics apply")
        except BaseException:
            self.close()
            raise

    def send(self, row: Notification, partition: int, sent: str) -> Any:
        """See Publisher."""
        try:
            return self._producer.send(
                self._topic,
                value=row.state,
                key=str(row.originator_id).encode(),
                headers=headers_of(self._service, row, sent),
                partition=partition,
            )
        except KafkaError as error:
            raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error

    def flush(self, timeout: float) -> None:
        """See Publisher. It hides failures: each future is looked at all the same."""
        with _named():
            self._producer.flush(timeout=timeout)

    def acknowledged(self, future: Any, timeout: float) -> None:
        """See Publisher."""
        if future.succeeded():
            return  # as nearly all of a batch have by the time that its first one has
        with _named():
            future.get(timeout=timeout)

    def close(self) -> None:
        """See Publisher."""
        if self._producer._sender is not None:
            # Or it would first wait for what is given up here, fail at that, and send it after all when it can: behind
            # the back of the producer that comes next.
            self._producer._sender.force_close()
        try:
            self._producer.close(timeout=2)
        except KafkaError as error:
            log.warning("producer_closes_later", reason=f"{type(error).__name__}: {error}")


def publish_checkpoint(config: Config, service: str, size: int, note: str) -> None:
    """Send a signed checkpoint to its compacted topic and wait until it is acknowledged. Raises BrokerUnavailable.

    The key is its size and its own hash: were it the size alone, another checkpoint of that size (a split view) would
    let the broker forget the first.
    """
    with _named():
        producer = _made(
            KafkaProducer,
            **client_settings(config),
            client_id=f"duban-{service}-seal",
            acks="all",
            allow_auto_create_topics=False,
            max_block_ms=3000,
            delivery_timeout_ms=12_000,
        )
        try:
            key = f"{size}-{hashlib.sha256(note.encode()).hexdigest()[:16]}"
            sent = producer.send(checkpoints_topic_of(service), value=note.encode(), key=key.encode())
            sent.get(timeout=ACKNOWLEDGED_WITHIN)
        finally:
            producer.close(timeout=2)


# --- how it is followed ----------------------------------------------------------------------------------


def row_of(record: Any) -> tuple[Notification, int, str]:
    """A record as the row of the log that it is; what its ``ce_sent`` says of its partition, and as a whole.

    A stranger's has a negative position.
    """
    headers = dict(record.headers or ())
    try:
        _, aggregate_id, version = headers["ce_id"].decode().rsplit("/", 2)
        sent = headers["ce_sent"].decode()
        before = int(sent.split(" ")[record.partition])
        row = object.__new__(Notification)  # its own constructor takes three times as long
        row.__dict__.update(
            id=int(headers["ce_sequence"]),
            originator_id=aggregate_id,
            originator_version=int(version),
            topic=headers["ce_type"].decode(),
            state=record.value or b"",
        )
    except (KeyError, ValueError, IndexError, AttributeError):
        stranger = Notification(
            id=-record.offset - 1,
            originator_id=f"{record.topic}/{record.partition}/{record.offset}",
            originator_version=1,
            topic="",
            state=record.value or b"",
        )
        return stranger, 0, ""
    return row, before, sent


def _batch(source: str, partition: int, records: Sequence[Any]) -> Batch:
    rows, before, sent = zip(*map(row_of, records), strict=True)
    return Batch(source, partition, rows, [record.offset for record in records], before, sent)


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
            with _named():
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
        for where, end in _ends(self._consumer, list(new)).items() if new else ():
            self._seek(where, position_of(self._sources[where.topic], where.partition), end)
        batches = []
        for where, records in found.items():
            if where in new or where not in self._sought:
                continue  # fetched from where the group's offsets pointed; the mark decides
            records = self._proven(where, records)
            if records:
                batches.append(_batch(self._sources[where.topic], where.partition, records))
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
        for where, end in _ends(self._consumer, every).items():
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
        self._consumer = _made(
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


class KafkaReplay:
    """A topic from its beginning, read outside any group."""

    def __init__(self, config: Config, source: str) -> None:
        self._source, topic = source, topic_of(source)
        self._consumer = _made(
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
            with _named():
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

    def up_to(self, marks: Mapping[int, int]) -> Iterator[Batch]:
        """See Replay. Reads to the end of the topic; what is beyond the marks is kept for the next time."""
        for partition, ahead in self._ahead.items():
            self._ahead[partition] = []
            yield from self._within(partition, ahead, marks.get(partition, 0))
        with _named():
            ends = _ends(self._consumer, self._where)
        while self._before(ends):
            with _named():
                found = self._consumer.poll(timeout_ms=1000, max_records=LIMIT * 5)
            for where, records in found.items():
                yield from self._within(where.partition, records, marks.get(where.partition, 0))

    def _before(self, ends: Mapping[TopicPartition, int]) -> bool:
        with _named():
            return any(self._consumer.position(where) < end for where, end in ends.items())

    def _within(self, partition: int, records: Sequence[Any], position: int) -> Iterator[Batch]:
        read = [(row_of(record)[0].id, record) for record in records]
        self._ahead[partition] += [record for id_, record in read if id_ > position]
        within = [record for id_, record in read if 0 <= id_ <= position]
        if within:
            yield _batch(self._source, partition, within)

    def close(self) -> None:
        """See Replay."""
        self._consumer.close(autocommit=False, timeout_ms=3000)


# --- topics and rights -----------------------------------------------------------------------------------


def last_rows(config: Config, service: str, partitions: int) -> list[Notification | None]:
    """The last event in each partition of a service's topic; None where there is none. Raises BrokerUnavailable."""
    with _named():
        return _last_rows(config, service, partitions)


def _last_rows(config: Config, service: str, partitions: int) -> list[Notification | None]:
    topic = topic_of(service)
    consumer = _made(
        KafkaConsumer,
        **client_settings(config),
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    try:
        where = [TopicPartition(topic, n) for n in range(partitions)]
        consumer.assign(where)
        end = _ends(consumer, where)
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
    """The events that a topic holds beyond a position of its log. Raises BrokerUnavailable."""
    replay = KafkaReplay(config, source)
    found = []
    try:
        for batch in replay.up_to(dict.fromkeys(replay.partitions, sys.maxsize)):
            found += [row for row in batch.rows if row.id > position]
    finally:
        replay.close()
    return list({row.id: row for row in found}.values())  # what was published again is there twice


def apply_topics(config: Config, reads: Mapping[str, Sequence[str]]) -> list[str]:
    """Make the topics that are missing, set what they must have; rights too where the broker asks for them.

    ``reads``: for each service the services whose topics it follows. Returns a line for each change.
    Raises BrokerUnavailable, also if a topic has another number of partitions than configured: that number is frozen.
    """
    with _named():
        return _apply_topics(config, reads)


def _apply_topics(config: Config, reads: Mapping[str, Sequence[str]]) -> list[str]:
    admin = _made(KafkaAdminClient, **reaching_the_broker(config))
    try:
        done: list[str] = []
        for service in reads:
            done += _apply_topic(admin, config, topic_of(service), config.kafka_partitions, EVENTS)
            done += _apply_topic(admin, config, checkpoints_topic_of(service), 1, CHECKPOINTS)
        try:
            rights = [acl for service, sources in reads.items() for acl in _rights(service, sources)]
            admin.create_acls(rights)
            done.append(
                f"{len(rights)} rights: each service writes its own topics and reads those it follows, "
                f"the user {AUDITOR} reads the checkpoints"
            )
        except SecurityDisabledError:
            done.append("the broker has no authorizer: no rights set")
        return done
    finally:
        admin.close()


AUDITOR = "auditor"
"""The broker's user who reads the checkpoints, and nothing else."""
EVENTS = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
"""Settings of an event topic: what is written stays."""
CHECKPOINTS = {"cleanup.policy": "compact"}
"""Settings of a topic of checkpoints, which has one partition: they stay in order, and none is forgotten."""


def _apply_topic(
    admin: Any, config: Config, name: str, partitions: int, keeping: Mapping[str, str]
) -> Iterator[str]:
    settings = {**keeping, "min.insync.replicas": str(max(1, config.kafka_replication - 1))}
    known = {topic["name"]: topic for topic in admin.describe_topics([name]) if not topic.get("error_code")}
    if name in known:
        have = len(known[name]["partitions"])
        if have != partitions:
            raise KafkaError(
                f"{name} has {have} partitions and DUBAN_KAFKA_PARTITIONS says {partitions}: "
                "the number is frozen, because the order of an aggregate's events hangs on it"
            )
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)])
        yield f"{name}: there already, settings applied"
        return
    try:
        admin.create_topics(
            {
                name: {
                    "num_partitions": partitions,
                    "replication_factor": config.kafka_replication,
                    "configs": settings,
                }
            },
            wait_for_metadata=True,
        )
    except TopicAlreadyExistsError:
        yield f"{name}: another process has just made it"
        return
    how = "compacted" if keeping is CHECKPOINTS else f"{partitions} partitions"
    yield f"{name}: made, {how}, {config.kafka_replication} replicas"


def _rights(service: str, sources: Sequence[str]) -> Iterator[Any]:
    def allow(kind: Any, name: str, *operations: Any, user: str = service) -> Iterator[Any]:
        for operation in operations:
            yield ACL(
                principal=f"User:{user}",
                host="*",
                operation=operation,
                permission_type=ACLPermissionType.ALLOW,
                resource_pattern=ResourcePattern(kind, name),
            )

    own = topic_of(service)
    yield from allow(ResourceType.TOPIC, own, ACLOperation.WRITE, ACLOperation.DESCRIBE, ACLOperation.READ)
    checkpoints = checkpoints_topic_of(service)
    yield from allow(ResourceType.TOPIC, checkpoints, ACLOperation.WRITE, ACLOperation.DESCRIBE)
    yield from allow(ResourceType.TOPIC, checkpoints, ACLOperation.READ, ACLOperation.DESCRIBE, user=AUDITOR)
    for source in sources:
        yield from allow(ResourceType.TOPIC, topic_of(source), ACLOperation.READ, ACLOperation.DESCRIBE)
    for consumer in ("project", "react"):
        yield from allow(ResourceType.GROUP, f"duban.{service}.{consumer}", ACLOperation.READ)
