"""The end of a partition need not be a record: markers of transactions stand there, and foreign records."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from shared.database.unavailable import BrokerUnavailable
from shared.messaging.batch import Position
from shared.messaging.relay import Relay
from shared.messaging.transport.kafka import follower
from shared.messaging.transport.kafka.client import topic_of
from shared.messaging.transport.kafka.replay import KafkaReplay, last_offsets, last_rows, records_after
from shared.process.config import Config
from shared.testing import Opened, an_act
from tests.components.ward import everything_seen, open_ward, register, until
from tests.shared.test_mechanism import NOW

TOPIC = topic_of("ward")
WHERE = [TopicPartition(TOPIC, n) for n in range(3)]


@contextmanager
def transactions(config: Config, number: int) -> Iterator[list[Any]]:
    """Producers with a transaction begun."""
    producers = [
        KafkaProducer(bootstrap_servers=config.kafka, transactional_id=f"mirror-{n}") for n in range(number)
    ]
    for producer in producers:
        producer.init_transactions()
        producer.begin_transaction()
    yield producers
    for producer in producers:
        producer.close(timeout=2)


def leave_markers(config: Config, *ends: str, foreign: int = 1) -> None:
    """Foreign records in every partition, then as many markers in a row as there are ``ends``."""
    with transactions(config, len(ends)) as producers:
        for producer in producers:
            for where in WHERE * foreign:
                producer.send(TOPIC, partition=where.partition, key=b"x", value=b"x")
            producer.flush()
        for producer, end in zip(producers, ends, strict=True):
            getattr(producer, f"{end}_transaction")()


def delete_before(config: Config, offsets: Mapping[TopicPartition, int]) -> None:
    """Delete the beginnings of partitions."""
    admin = KafkaAdminClient(bootstrap_servers=config.kafka)
    admin.delete_records(dict(offsets))
    admin.close()


def publish(opened: Opened) -> Relay:
    """Let the relay send what there is."""
    relay = opened["ward"].relay
    assert relay is not None
    while relay.step():
        pass
    return relay


def foreign_parked(opened: Opened) -> int:
    return sum(row.position < 0 for _, row in opened["ward"].parked())


@pytest.mark.parametrize(
    ("ends", "foreign"),
    [
        (["commit"], 1),
        (["abort"], 1),
        (["commit", "abort", "commit", "abort"], 1),
        (["abort"], 60),
    ],
    ids=["committed", "aborted", "several in a row", "many foreign records"],
)
def test_facts_flow_on_after_a_restart_behind_markers(
    config: Config, ends: list[str], foreign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ward(config) as opened:
        register(opened, 9)
        until(lambda: everything_seen(opened, 9), opened)
        before = last_rows(config, "ward", 3)
    assert None not in before
    leave_markers(config, *ends, foreign=foreign)
    assert last_rows(config, "ward", 3) == before
    with open_ward(config) as opened:
        ward = opened["ward"]
        until(lambda: foreign_parked(opened) == 2 * 3 * foreign * len(ends), opened)
        with monkeypatch.context() as patched:
            patched.setattr(follower, "STALLED_AFTER", 0.5)
            idle = time.monotonic() + 3
            while time.monotonic() < idle:  # several checks whether the consumer has stalled
                ward.settle()
                time.sleep(0.05)
        assert set(ward.follower.lag().values()) == {0}
        assert ward.views.reached("ward", 0)
        register_more(opened, 9, 12)
        until(lambda: everything_seen(opened, 12), opened)
        relay = ward.relay
        assert relay is not None
        assert (relay.topic_behind, relay.log_behind, relay.lag()) == ([], [], 0)
        assert (ward.holes(), foreign_parked(opened)) == ([], 2 * 3 * foreign * len(ends))
        assert opened.rebuild_and_compare("ward") == []
        assert len(records_after(config, "ward", 0)) == ward.app.log.max_notification_id()


def register_more(opened: Opened, first: int, end: int) -> None:
    app: Any = opened["ward"].app
    for n in range(first, end):
        app.register(an_act(NOW), f"u{n}")


def test_a_topic_that_holds_only_markers_is_begun(config: Config) -> None:
    leave_markers(config, "abort", "commit")
    delete_before(config, dict.fromkeys(WHERE, 2))  # the two foreign records of each partition
    assert last_rows(config, "ward", 3) == [None] * 3
    assert last_offsets(config, WHERE) == {}
    replay = KafkaReplay(config, "ward")
    assert list(replay.up_to(dict.fromkeys(range(3), 100))) == []
    replay.close()
    with open_ward(config) as opened:
        until(lambda: opened["ward"].follower.lag() == {}, opened)
        register(opened, 9)
        until(lambda: everything_seen(opened, 9), opened)
        assert (opened["ward"].holes(), opened["ward"].parked()) == ([], [])


def test_a_deleted_beginning_hides_nothing_of_the_end(config: Config) -> None:
    with open_ward(config) as opened:
        register(opened, 9)
        until(lambda: everything_seen(opened, 9), opened)
        last = last_offsets(config, WHERE)
        held = last_rows(config, "ward", 3)
    leave_markers(config, "commit")
    delete_before(config, last)
    assert last_rows(config, "ward", 3) == held
    with open_ward(config) as opened:
        until(lambda: foreign_parked(opened) == 6, opened)
        register_more(opened, 9, 12)
        until(lambda: everything_seen(opened, 12), opened)
        assert opened["ward"].relay.topic_behind == []  # type: ignore[union-attr]
    delete_before(config, {where: offset + 1 for where, offset in last_offsets(config, WHERE).items()})
    with open_ward(config) as opened:
        relay = publish(opened)
        assert [has for _, has, _ in relay.topic_behind] == [0, 0, 0], "and this the topic has lost"
        register_more(opened, 12, 15)
        until(lambda: everything_seen(opened, 15), opened)


def test_a_consumer_that_gets_nothing_of_what_is_outstanding_has_stalled(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = opened["ward"].config
    register(opened, 9)
    publish(opened)
    leave_markers(config, "commit")
    last = last_offsets(config, WHERE)
    following = follower.KafkaFollower(config, "ward", "test", ["ward"], 0.1)

    def poll(behind: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            following.poll(lambda _, n: Position(position=100, offset=last[WHERE[n]] - behind))

    poll(0, 3)
    monkeypatch.setattr(follower, "STALLED_AFTER", 0.3)
    poll(0, 2)
    following._consumer.pause(*following._consumer.assignment())
    with pytest.raises(BrokerUnavailable, match="nothing comes from it"):
        poll(1, 10)
    following.close()
