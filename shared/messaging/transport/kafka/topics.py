"""Topics, their settings and access rights."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import KafkaError, SecurityDisabledError, TopicAlreadyExistsError

from shared.messaging.transport.kafka.client import (
    LARGEST_RECORD,
    broker_errors,
    checkpoints_topic_of,
    connection_settings,
    new_client,
    topic_of,
)
from shared.process.config import Config

EVENTS = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
"""Settings of an event topic: events are kept for ever."""
CHECKPOINTS = {"cleanup.policy": "compact"}
"""Settings of a topic of checkpoints, which has one partition: in order, and none is deleted."""
AUDITOR = "auditor"
"""The broker's user who reads the checkpoints, and nothing else."""


@broker_errors()
def apply_topics(config: Config, reads: Mapping[str, Sequence[str]]) -> list[str]:
    """Make missing topics and apply settings; and access rights, if the broker has an authorizer.

    ``reads``: for each service, the services whose topics it follows. Returns a line for each change. Raises
    BrokerUnavailable, also if a topic's number of partitions is not the configured one: that number is frozen.
    """
    admin = new_client(KafkaAdminClient, **connection_settings(config))
    try:
        done: list[str] = []
        for name, partitions, settings in wanted_topics(config, reads):
            done += _apply_topic(admin, config, name, partitions, settings)
        try:
            rights = wanted_rights(reads)
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


def wanted_topics(config: Config, services: Iterable[str]) -> Iterator[tuple[str, int, dict[str, str]]]:
    """The topics of these services: name, partitions, settings."""
    both = {
        "max.message.bytes": str(LARGEST_RECORD),
        "min.insync.replicas": str(max(1, config.kafka_replication - 1)),
    }
    for service in services:
        yield topic_of(service), config.kafka_partitions, {**EVENTS, **both}
        yield checkpoints_topic_of(service), 1, {**CHECKPOINTS, **both}


def wanted_rights(reads: Mapping[str, Sequence[str]]) -> list[Any]:
    """The access rights: each service writes its own topics and reads those it follows."""
    return [acl for service, sources in reads.items() for acl in _rights(service, sources)]


def _apply_topic(
    admin: Any, config: Config, name: str, partitions: int, settings: Mapping[str, str]
) -> Iterator[str]:
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
                    "configs": dict(settings),
                }
            },
            wait_for_metadata=True,
        )
    except TopicAlreadyExistsError:
        yield f"{name}: another process has just made it"
        return
    how = "compacted" if settings["cleanup.policy"] == "compact" else f"{partitions} partitions"
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
