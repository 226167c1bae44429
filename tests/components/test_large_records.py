"""Events up to their bound travel; a record that the broker refuses for itself is named, and is no outage."""

from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from shared.domain.aggregate import stable_id
from shared.log import codec
from shared.messaging import relay as relays
from shared.messaging.batch import Position
from shared.messaging.relay import Relay
from shared.messaging.transport.kafka import publisher
from shared.messaging.transport.kafka.client import LARGEST_RECORD, partition_of, topic_of
from shared.messaging.transport.kafka.follower import KafkaFollower
from shared.messaging.transport.kafka.replay import last_rows, records_after
from shared.messaging.transport.kafka.topics import apply_topics
from shared.process.config import Config
from shared.testing import Opened, an_act
from tests.shared.test_mechanism import NOW

LARGE = 30_000
TOPIC = ConfigResource(ConfigResourceType.TOPIC, topic_of("ward"), {})


@pytest.fixture
def admin(config: Config) -> Iterator[Any]:
    made = KafkaAdminClient(bootstrap_servers=config.kafka)
    yield made
    made.close()


def limit(admin: Any, size: int) -> None:
    admin.alter_configs([ConfigResource(TOPIC.resource_type, TOPIC.name, {"max.message.bytes": str(size)})])


def register(opened: Opened, *names: str) -> None:
    app: Any = opened["ward"].app
    for name in names:
        app.register(an_act(NOW), name)


def work(relay: Relay, steps: int = 50) -> None:
    for _ in range(steps):
        relay.step()


@pytest.mark.parametrize("judge", ["broker", "client"])
def test_the_relay_stands_loudly_at_a_record_that_is_refused_for_itself(
    opened: Opened,
    admin: Any,
    judge: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(relays, "REFUSED_INTERVAL", 0.0)
    if judge == "broker":
        limit(admin, LARGE // 2)
    else:
        monkeypatch.setattr(publisher, "LARGEST_RECORD", LARGE // 2)
    large = "x" * LARGE
    register(opened, *(f"u{n}" for n in range(5)), large, *(f"u{n}" for n in range(5, 10)))
    config, relay = opened["ward"].config, opened["ward"].relay
    assert relay is not None
    assert (relay.lag(), relay.alarm) == (None, None), "it does not know yet"
    work(relay)
    assert (relay.active, relay.lag()) == (True, 6)
    alarm = relay.alarm
    assert alarm is not None
    assert alarm.facts["position"] == 6
    assert str(2 * LARGE)[:1] in str(alarm.facts["size"])
    assert "病区开设" in alarm.text("zh")
    assert "TooLarge" in alarm.text("en")
    assert capsys.readouterr().out.count("record_not_accepted") == 1
    held = records_after(config, "ward", 0)
    assert {1, 2, 3, 4, 5} <= {row.id for row in held}
    here = partition_of(stable_id("unit", large), 3)
    assert all(row.id < 6 for row in held if partition_of(row.originator_id, 3) == here), "in order"

    if judge == "broker":
        limit(admin, LARGEST_RECORD)
    else:
        monkeypatch.setattr(publisher, "LARGEST_RECORD", LARGEST_RECORD)
    work(relay, 5)
    assert (relay.lag(), relay.alarm, relay.topic_behind) == (0, None, [])
    assert {row.id for row in records_after(config, "ward", 0)} == {*range(1, 12)}
    assert max(row.id for row in last_rows(config, "ward", 3) if row) == 11


def test_a_second_refused_record_is_found_after_the_first(
    opened: Opened, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "REFUSED_INTERVAL", 0.0)
    limit(admin, LARGE)
    register(opened, "a", "x" * LARGE, "b", "y" * (2 * LARGE), "c")
    relay = opened["ward"].relay
    assert relay is not None
    work(relay, 10)
    assert relay.alarm is not None
    assert relay.alarm.facts["position"] == 2
    limit(admin, 3 * LARGE)
    work(relay, 10)
    assert relay.alarm is not None
    assert relay.alarm.facts["position"] == 4
    relay.close()
    assert (relay.lag(), relay.alarm) == (2, None), "it knows still"
    limit(admin, LARGEST_RECORD)
    work(relay, 5)
    assert (relay.lag(), relay.alarm) == (0, None)


def test_the_largest_event_and_larger_ones_of_earlier_releases_travel(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = len(b'{"unit":"","name":""}') + 500
    largest = (codec.LARGEST_EVENT - around) // 2  # a unit is registered under its id as its name
    register(opened, "x" * largest)
    with pytest.raises(codec.EventTooLarge):
        register(opened, "y" * (largest + around))
    monkeypatch.setattr(codec, "LARGEST_EVENT", LARGEST_RECORD)
    register(opened, "y" * (3 * largest), "z" * (14 * largest))
    ward = opened["ward"]
    assert ward.relay is not None
    work(ward.relay, 5)
    assert (ward.relay.lag(), ward.relay.alarm) == (0, None)
    following = KafkaFollower(ward.config, "ward", "test", ["ward"], 0.1)
    came: dict[int, int] = {}
    for _ in range(200):
        for batch in following.poll(lambda *_: Position()):
            came |= {row.id: len(row.state) for row in batch.rows}
        if len(came) == 3:
            break
    following.close()
    assert came == {row.id: len(row.state) for row in ward.app.log.select_notifications(start=1, limit=9)}
    assert came == {row.id: len(row.state) for row in records_after(ward.config, "ward", 0)}


def test_applying_the_topics_alters_those_that_are_there(config: Config, admin: Any) -> None:
    limit(admin, 1000)
    apply_topics(config, {"ward": ["ward"]})
    assert str(LARGEST_RECORD) in str(admin.describe_configs([TOPIC]))
