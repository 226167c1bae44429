"""Publishing to a service's topics."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from eventsourcing.persistence import Notification
from kafka import KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnknownError,
)

from shared.database.unavailable import BrokerUnavailable
from shared.messaging.transport.kafka.client import (
    LARGEST_RECORD,
    broker_errors,
    checkpoints_topic_of,
    client_settings,
    new_client,
    topic_of,
)
from shared.messaging.transport.kafka.envelope import headers_of
from shared.process import logs
from shared.process.config import Config

log = logs.log("kafka")
LINGER_MS = 50
"""Milliseconds that a record may wait to be batched while more are sent: see Publisher.flush."""
ACKNOWLEDGED_WITHIN = 15.0
"""Seconds within which the broker must acknowledge a message, or the producer is closed."""


REFUSES_THE_RECORD = (
    InvalidRecordError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)


class RecordRefused(Exception):
    """The broker, or its client, refuses a record for what it is: it would be refused again."""


@contextmanager
def refusals_of_records() -> Iterator[None]:
    """Raise RecordRefused for the client's errors about a record, BrokerUnavailable for its others."""
    try:
        with broker_errors():
            yield
    except BrokerUnavailable as error:
        if isinstance(error.__cause__, REFUSES_THE_RECORD):
            raise RecordRefused(str(error)) from error
        raise


class Publisher(Protocol):
    """Sends a service's events to its topic."""

    partitions: int

    def send(self, row: Notification, partition: int, sent: str) -> Any:
        """Send a row; the future for ``acknowledged``. Raises RecordRefused, BrokerUnavailable."""

    def flush(self, timeout: float) -> None:
        """Send buffered records. Raises BrokerUnavailable after ``timeout`` seconds."""

    def acknowledged(self, future: Any, timeout: float) -> None:
        """Wait for the broker's acknowledgement.

        Raises RecordRefused, and BrokerUnavailable, also after ``timeout`` seconds.
        """

    def close(self) -> None:
        """Close, and drop records that are not acknowledged."""


class KafkaPublisher:
    """An idempotent producer: ``acks=all``, in order, several batches in flight."""

    def __init__(self, config: Config, service: str) -> None:
        self._service, self._topic = service, topic_of(service)
        self._producer = new_client(
            KafkaProducer,
            **client_settings(config),
            client_id=f"duban-{service}-relay",
            enable_idempotence=True,
            acks="all",
            linger_ms=LINGER_MS,
            batch_size=65_536,
            max_request_size=LARGEST_RECORD,
            allow_auto_create_topics=False,
            max_block_ms=5000,
            delivery_timeout_ms=int(ACKNOWLEDGED_WITHIN * 1000),
        )
        try:
            with broker_errors():
                self.partitions = len(self._producer.partitions_for(self._topic) or ())
            if not self.partitions:
                raise BrokerUnavailable(f"there is no topic {self._topic}: run duban topics apply")
        except BaseException:
            self.close()
            raise

    def send(self, row: Notification, partition: int, sent: str) -> Any:
        headers = headers_of(self._service, row, sent)
        with refusals_of_records():
            return self._producer.send(
                self._topic,
                value=row.state,
                key=str(row.originator_id).encode(),
                headers=headers,
                partition=partition,
            )

    def flush(self, timeout: float) -> None:
        """See Publisher. It hides failures: every future must be checked as well."""
        with broker_errors(), suppress(UnknownError):
            # kafka-python 3.0.12 raises this for a batch that it has just split because the broker found it too large.
            self._producer.flush(timeout=timeout)

    def acknowledged(self, future: Any, timeout: float) -> None:
        if future.succeeded():
            return  # nearly always true once the first of its batch has succeeded
        with refusals_of_records():
            future.get(timeout=timeout)

    def close(self) -> None:
        if self._producer._sender is not None:
            # Otherwise close() would wait for the dropped records and could still send them later, behind the back of
            # the next producer.
            self._producer._sender.force_close()
        try:
            self._producer.close(timeout=2)
        except KafkaError as error:
            log.warning("producer_closes_later", reason=f"{type(error).__name__}: {error}")


def publish_checkpoint(config: Config, service: str, size: int, note: str) -> None:
    """Send a signed checkpoint to its compacted topic and wait for the acknowledgement. Raises BrokerUnavailable.

    The key is size and hash: by size alone, compaction would remove the first of two checkpoints of a split view.
    """
    with broker_errors():
        producer = new_client(
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
