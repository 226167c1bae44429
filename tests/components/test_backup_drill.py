"""The drill: the databases are gone, the backup is older than the broker: nothing is lost, nothing is done twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.cli.backup import restore
from shared.domain.clock import system_clock
from shared.process.config import Config
from tests.faults.checks import problems
from tests.faults.client import Client, Command, people
from tests.faults.cluster import Cluster, until

ROLES = (
    ("assignment", "web", 1),
    ("assignment", "relay", 1),
    ("assignment", "project", 1),
    ("supervision", "relay", 1),
    ("supervision", "react", 1),
    ("supervision", "project", 1),
)
SERVICES = ("assignment", "supervision", "enterprise", "notify")


@pytest.fixture(scope="module")
def cluster(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), ROLES) as running:
        running.history += people(running)
        running.quiesce()
        yield running


def ok(command: Command) -> str:
    assert command.outcome == "ok", command
    return str(command.answer["id"])


def test_a_backup_of_postgresql_is_restored_into_files(cluster: Cluster, tmp_path: Path) -> None:
    client = Client(cluster, "files", 0, 0)
    ok(client.open_list())
    ok(client.assign())
    cluster.history += client.history
    cluster.quiesce()
    cluster.duban("backup", str(tmp_path / "backup"))
    manifest = restore(
        Config(data=tmp_path / "files"), tmp_path / "backup", system_clock, lambda service, done: None
    )
    assert manifest["services"]["assignment"]["events"] == len(cluster.log("assignment")) > 0


# Last, because it destroys the databases.
def test_the_drill(cluster: Cluster, tmp_path: Path) -> None:
    client = Client(cluster, "drill", 0, 0)
    ok(client.open_list())
    tasks = [ok(client.assign()) for _ in range(3)]
    cluster.quiesce()
    backup = tmp_path / "backup"
    cluster.duban("backup", str(backup))
    # What is done after the backup: known to the broker, not to the backup.
    for task in tasks:
        ok(client.reassign(task))
    for _ in range(3):
        ok(client.assign())
    cluster.history += client.history
    cluster.quiesce()
    logs = {service: cluster.log(service) for service in SERVICES}
    rows = cluster.view_rows()

    cluster.stop(*cluster.members)
    for service in SERVICES:
        cluster.postgres.psql(f"DROP DATABASE duban_{service} WITH (FORCE)")
        cluster.postgres.create_database(f"duban_{service}")
    cluster.duban("migrate")

    # Restored by other means than ours: the relays see that the topic knows more, and publish nothing.
    restore(replace(cluster.direct, kafka=""), backup, system_clock, lambda service, done: None)
    held = {service: len(cluster.log(service)) for service in SERVICES}
    assert held["assignment"] < len(logs["assignment"])
    assert held["supervision"] < len(logs["supervision"])
    relays = [*cluster.of("assignment", "relay"), *cluster.of("supervision", "relay")]
    for relay in relays:
        cluster.start(relay)
    for relay in relays:
        until(
            lambda relay=relay: relay.ready() and relay.metric("duban_relay_log_behind") > 0,
            lambda: "unnoticed",
        )
        assert "duban relay recover" in str(relay.logged("log_is_behind_its_topic"))
    cluster.stop(*relays)

    said = cluster.duban("relay", "recover")
    assert (
        f"assignment: 从主题取回 taken back from the topic: {len(logs['assignment']) - held['assignment']}"
        in said
    )
    for member in cluster.members:
        cluster.start(member)
    cluster.wait_until_ready()
    cluster.quiesce()
    assert {service: cluster.log(service) for service in SERVICES} == logs
    assert cluster.view_rows() == rows
    ok(client.directive())
    cluster.history = [*cluster.history, client.history[-1]]
    cluster.quiesce()
    lost_answers = (
        "is half in",
    )  # the answers of after the backup are gone with the database: docs/operations.md
    found = [
        line for line in problems(cluster, cluster.history) if not any(one in line for one in lost_answers)
    ]
    assert not found, "\n".join(found[:20])
