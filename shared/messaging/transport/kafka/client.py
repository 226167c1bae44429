"""Clients of the broker and their settings; names and partitions of topics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.partitioner import murmur2

from shared.database.unavailable import BrokerUnavailable
from shared.log.codec import LARGEST_EVENT
from shared.process.config import Config

LIMIT = 2000
FETCH_WAIT_MS = 500
"""Milliseconds that the broker may hold an empty fetch; it answers at once when records arrive."""
LARGEST_RECORD = 16 * LARGEST_EVENT
"""Bytes of a record, for topics and producers: an event, its headers, and room for the logs of earlier releases, which
had no bound."""
FETCH_BYTES = 2 * LARGEST_EVENT
"""Bytes that a fetch brings from a partition; a larger record comes all the same, alone."""
T = TypeVar("T")


@contextmanager
def broker_errors() -> Iterator[None]:
    """Raise BrokerUnavailable for the client's errors."""
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error


def new_client(kind: Callable[..., T], **settings: Any) -> T:
    """Make a client of the broker. Raises BrokerUnavailable, and then closes what was opened.

    kafka-python 3.0.12 does not: every consumer that found no broker leaked a thread with its sockets.
    """
    with broker_errors(), ExitStack() as begun:

        def begin(**given: Any) -> Any:
            client = KafkaNetClient(**given)
            begun.callback(client.close)
            return client

        made = kind(**settings, kafka_client=begin)
        begun.pop_all()  # the client closes them from here on
        return made


def end_offsets(consumer: Any, where: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    """The end offset of each partition. Raises BrokerUnavailable if there is no such topic."""
    try:
        found: Mapping[TopicPartition, int] = consumer.end_offsets(where)
    except KeyError as missing:  # kafka-python 3.0.12 raises only this for a missing partition
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
    """The settings of a consumer or producer, without its own metrics: ours are in shared/process/metrics.py."""
    return {**connection_settings(config), "metrics_enabled": False}


def consumer_settings(config: Config, **more: Any) -> dict[str, Any]:
    """The settings of every consumer: it begins at the beginning, and commits by itself at most."""
    return {
        **client_settings(config),
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "max_partition_fetch_bytes": FETCH_BYTES,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        **more,
    }


def connection_settings(config: Config) -> dict[str, Any]:
    """How a client connects to the broker: TLS and SCRAM by configuration."""
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
