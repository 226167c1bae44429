"""PostgreSQL databases that an earlier release wrote are upgraded, go on and prove themselves."""

import subprocess
from pathlib import Path
from typing import Any

from deploy.stack import Broker, Postgres
from deploy.stack.programs import postgres_programs
from services.suite import SUITE, make_topics, migrate_suite
from shared.messaging.relay import republish
from shared.messaging.transport.kafka.client import checkpoints_topic_of, topic_of
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.testing import Opened, StoppedClock
from tests.faults.cluster import delete_topics
from tests.stored import goes_on, proves_itself, unpack


def restored(server: Postgres, dumps: Path) -> None:
    """Each database as ``pg_dump`` wrote it."""
    psql = [str(postgres_programs() / "psql"), "-Xq", "--set=ON_ERROR_STOP=1"]
    for name in (*SUITE, "keys"):
        server.create_database(f"stored_{name}")
        dump = ["--file", str(dumps / f"{name}.sql"), server.url(f"stored_{name}")]
        subprocess.run([*psql, *dump], check=True, capture_output=True)


def published_again(config: Config, clock: StoppedClock) -> None:
    """All logs on a broker that has nothing: a read model of a new version is made of its topics."""
    for name, service in SUITE.items():
        runtime = open_service(service, config, clock)
        assert runtime.relay is not None
        republish(name, runtime.app.log, config.database_of(name), 1)
        while runtime.relay.step():
            pass
        runtime.close()


def test_the_demos_databases_are_upgraded_go_on_and_prove_themselves(
    server: Postgres, broker: Broker, tmp_path: Path
) -> None:
    stored = unpack("postgresql.3a5645c", tmp_path / "stored")
    restored(server, stored)
    delete_topics(broker, *map(topic_of, SUITE), *map(checkpoints_topic_of, SUITE))
    settings: dict[str, Any] = {
        "database": server.url("stored_{service}"),
        "kafka": broker.bootstrap,
        "master_key": stored / "master.key",
    }
    config = Config(data=tmp_path / "data", clock=f"file:{stored / 'clock'}", **settings)
    clock = StoppedClock(config.make_clock()())
    list(migrate_suite(config, clock))
    make_topics(config)
    published_again(config, clock)
    with Opened(config.data, clock, *SUITE.values(), **settings) as suite:
        goes_on(suite)
        proves_itself(config, stored / "checkpoints")
