"""A relay that refuses to go on stands aside; one that stands by does not say that all is well."""

import threading
from typing import Any

from kafka import KafkaAdminClient

from shared.messaging.transport.kafka.client import topic_of
from shared.process.config import Config
from shared.runtime.gauges import gauges
from shared.runtime.roles import health_of
from shared.runtime.worker import Worker
from shared.testing import Opened, an_act
from tests.components.ward import everything_seen, open_ward, register, until
from tests.shared.test_mechanism import NOW


def measured(opened: Opened) -> dict[str, Any]:
    return {gauge.name: dict(values) for gauge, values in gauges(opened["ward"])}


def test_a_changed_number_of_partitions_stops_the_relay_and_nothing_else(config: Config) -> None:
    with open_ward(config) as opened:
        register(opened, 5)
        until(lambda: everything_seen(opened, 5), opened)
    admin = KafkaAdminClient(bootstrap_servers=config.kafka)
    admin.create_partitions({topic_of("ward"): 4})
    admin.close()
    with open_ward(config) as opened:
        ward, stop = opened["ward"], threading.Event()
        worker, turns = Worker(stop, alone=False), list[str]()

        def own() -> bool:
            turns.append("tick")
            return False

        def seen() -> None:
            if "relay" in worker.refusing and len(turns) > 3:
                stop.set()

        worker.run(lambda: {**ward.roles(), "tick": [own]}, lambda: stop.wait(0.05), seen)
        assert list(worker.refusing) == ["relay"]
        why = worker.refusing["relay"]
        assert "had 3 partitions and has 4 now" in why.en
        assert "原有 3 个分区，现有 4 个" in why.zh
        ward.app.register(an_act(NOW), "late")  # type: ignore[attr-defined]
        assert ward.app.log.max_notification_id() == 11
        client = health_of(ward, worker, lambda: {**ward.alarms(), **worker.refusing}).test_client()
        answer = client.get("/readyz", headers={"Accept-Language": "zh"})
        assert answer.status_code == 503
        assert f"ward relay 已停止：{why.zh}" in answer.json["reasons"]
        assert 'duban_role_refuses{role="relay",service="ward"} 1.0' in client.get("/metrics").text


def test_a_standby_says_that_it_stands_by(config: Config, opened: Opened) -> None:
    register(opened, 3)
    assert "duban_relay_unsent" in measured(opened)
    assert measured(opened)["duban_relay_unsent"] == {}, "it has not begun"
    until(lambda: everything_seen(opened, 3), opened)
    assert measured(opened)["duban_relay_unsent"] == {(): 0.0}
    with open_ward(config) as other:
        relay = other["ward"].relay
        assert relay is not None
        assert not relay.step()
        now = measured(other)
        assert (now["duban_relay_active"], now["duban_relay_standby"]) == ({(): 0.0}, {(): 1.0})
        assert (now["duban_relay_unsent"], now["duban_relay_unsent_seconds"]) == ({}, {})
        worker = Worker(threading.Event(), alone=True)
        worker.unavailable = None
        answer = (
            health_of(other["ward"], worker, dict)
            .test_client()
            .get("/readyz?", headers={"Accept-Language": "en"})
        )
        assert (answer.status_code, answer.json["reasons"]) == (
            200,
            ["relay stands by: another process publishes"],
        )
        active = opened["ward"].relay
        assert active is not None
        active.close()
        relay.step()
        assert measured(other)["duban_relay_unsent"] == {(): 0.0}
        assert not active.step()
        assert measured(opened)["duban_relay_unsent"] == {}
