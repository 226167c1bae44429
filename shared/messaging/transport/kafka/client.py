"""Clients of the broker: how they are made, reached and closed; the names of topics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.partitioner import murmur2

from shared.database.unavailable import BrokerUnavailable
from shared.process.config import Config

LIMIT = 2000
FETCH_WAIT_MS = 500
"""Milliseconds that the broker may keep a fetch for which it has nothing; it answers at once when something comes."""
T = TypeVar("T")


@contextmanager
def broker_errors() -> Iterator[None]:
    """What the client raises, by the name that the rest of the suite knows."""
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error


def new_client(kind: Callable[..., T], **settings: Any) -> T:
    """A client of the broker; one that cannot be made ends what it has begun. Raises BrokerUnavailable.

    kafka-python 3.0.12 does not: of every consumer that found no broker a thread was left, with its sockets.
    """
    with broker_errors(), ExitStack() as begun:

        def begin(**given: Any) -> Any:
            client = KafkaNetClient(**given)
            begun.callback(client.close)
            return client

        made = kind(**settings, kafka_client=begin)
        begun.pop_all()  # they are now the client's to close
        return made


def end_offsets(consumer: Any, where: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
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
    return {**connection_settings(config), "metrics_enabled": False}


def connection_settings(config: Config) -> dict[str, Any]:
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
