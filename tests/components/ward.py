"""The test's own service over a real broker and a real database."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.stack import Broker, Postgres
from shared.messaging.transport.kafka.client import topic_of
from shared.messaging.transport.kafka.topics import apply_topics
from shared.process.config import Config
from shared.testing import Opened, StoppedClock, an_act
from tests.faults.cluster import delete_topics
from tests.shared.test_mechanism import NOW, SERVICE

UNITS = 40


def config_of_ward(server: Postgres, broker: Broker, tmp_path: Path) -> Config:
    """A database and a topic of its own, empty."""
    name = f"{tmp_path.name[-20:].lower()}_ward"
    server.create_database(name)
    delete_topics(broker, topic_of("ward"))
    config = Config(
        data=tmp_path / "data",
        database=server.url(name.replace("ward", "{service}")),
        kafka=broker.bootstrap,
        kafka_partitions=3,
        kafka_session_seconds=6.0,
    )
    apply_topics(config, {"ward": ["ward"]})
    return config


def open_ward(config: Config) -> Opened:
    settings = {
        name: value for name, value in vars(config).items() if name not in ("data", "poll_seconds", "clock")
    }
    return Opened(config.data, StoppedClock(NOW), SERVICE, **settings)


def until(reached: Callable[[], Any], *opened: Opened) -> None:
    """Let the workers work until something is so."""
    for _ in range(600):
        for one in opened:
            one["ward"].settle()
        if reached():
            return
        time.sleep(0.05)
    raise AssertionError("it never came so far")


def register(opened: Opened, number: int = UNITS) -> None:
    app: Any = opened["ward"].app
    for n in range(number):
        app.register(an_act(NOW), f"u{n}")


def everything_seen(opened: Opened, units: int = UNITS) -> bool:
    """Every unit registered, renamed by the reaction, both seen by the view."""
    ward = opened["ward"]
    end = ward.app.log.max_notification_id() or 0
    return end == 2 * units and ward.views.reached("ward", end)
