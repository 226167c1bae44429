"""The local stack is what it says it is: real programs, which keep what they confirmed and leave nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from kafka.errors import TopicAuthorizationFailedError

from deploy.stack import Broker, Postgres, password_of
from deploy.stack.__main__ import DATABASES
from deploy.stack.broker import PROPERTIES
from tests.faults.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "duban.assignment.events"


@pytest.fixture
def postgres(programs: None, tmp_path: Path) -> Iterator[Postgres]:
    """Of the test's own."""
    with Postgres(tmp_path / "postgres") as running:
        yield running


@pytest.fixture
def broker(programs: None, tmp_path: Path) -> Iterator[Broker]:
    """Of the test's own."""
    with Broker(tmp_path / "broker") as running:
        yield running


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def login(user: str) -> dict[str, str]:
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": password_of(user),
    }


def create_topic(bootstrap: str, topic: str, **settings: str) -> None:
    with KafkaAdminClient(bootstrap_servers=bootstrap, **settings) as admin:
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)


def send(bootstrap: str, topic: str, value: bytes, **settings: str) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, **settings)
    try:
        producer.send(topic, key=b"task", value=value).get(timeout=15)
    finally:
        producer.close(timeout=5)


def received(bootstrap: str, topic: str, **settings: str) -> list[bytes]:
    """Every value in the topic."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        **settings,
    )
    try:
        parts = sorted(consumer.partitions_for_topic(topic) or ())
        topics = [TopicPartition(topic, part) for part in parts]
        consumer.assign(topics)
        ends = consumer.end_offsets(topics)
        values: list[bytes] = []
        deadline = time.monotonic() + 15
        while any(consumer.position(one) < ends[one] for one in topics):
            assert time.monotonic() < deadline
            for records in consumer.poll(timeout_ms=200).values():
                values += [record.value for record in records]
        return values
    finally:
        consumer.close(timeout_ms=5000)


def test_a_committed_row_outlives_kill_9_and_an_uncommitted_one_does_not(postgres: Postgres) -> None:
    postgres.create_database("duban_assignment")
    postgres.create_database("duban_assignment")
    postgres.psql("CREATE TABLE tasks (number int)", "duban_assignment")
    connection = psycopg.connect(postgres.url("duban_assignment"))
    with connection:
        connection.execute("INSERT INTO tasks VALUES (1)")
    connection = psycopg.connect(postgres.url("duban_assignment"))
    connection.execute("INSERT INTO tasks VALUES (2)")
    backend, postmaster = connection.info.backend_pid, postgres.pid
    assert postmaster is not None

    postgres.kill()

    assert not postgres.running
    assert is_gone(backend)
    assert is_gone(postmaster)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    postgres.start()
    postgres.start()  # a second one changes nothing
    assert postgres.psql("SELECT number FROM tasks", "duban_assignment") == "1"
    assert postgres.psql("SHOW fsync") == "on"


def test_a_stopped_postgres_restarts_on_the_same_port_and_its_errors_are_raised(
    postgres: Postgres,
) -> None:
    postgres.stop()
    assert not postgres.running
    again = Postgres(postgres.folder)
    assert again.port == postgres.port
    again.start()
    assert postgres.running, "any process finds it by its folder"
    with pytest.raises(RuntimeError, match='relation "nothing" does not exist'):
        again.psql("SELECT * FROM nothing")
    again.stop("immediate")


def test_a_suspended_and_a_killed_broker_keep_their_records_and_a_wiped_one_does_not(broker: Broker) -> None:
    create_topic(broker.bootstrap, TOPIC)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    try:
        producer.send(TOPIC, b"registered").get(timeout=10)
        broker.suspend()
        waiting = producer.send(TOPIC, b"assigned")
        time.sleep(1)
        assert not waiting.is_done
        assert broker.running
        broker.resume()
        waiting.get(timeout=15)
    finally:
        producer.close(timeout=5)
    assert received(broker.bootstrap, TOPIC) == [b"registered", b"assigned"]

    broker.kill()
    assert not broker.running
    with Proxy(broker.port) as proxy:
        broker.advertised_port = proxy.port
        broker.start()
        dropped = proxy.drop_reply_after(lambda request: b"accepted" in request)
        send(broker.bootstrap, TOPIC, b"accepted")
        assert dropped.is_set(), (
            "the bootstrap address is the broker's own, everything else goes through the proxy"
        )
        # The idempotent producer sent it again, and the broker knew it.
        assert received(broker.bootstrap, TOPIC) == [b"registered", b"assigned", b"accepted"]

        cluster = cluster_of(broker)
        broker.wipe()
        broker.start()
        assert cluster_of(broker) != cluster
        create_topic(broker.bootstrap, TOPIC)
        assert received(broker.bootstrap, TOPIC) == []


def cluster_of(broker: Broker) -> str:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        return str(admin.describe_cluster()["cluster_id"])


def test_a_service_logs_in_and_writes_its_own_topic_only(sasl_broker: Broker) -> None:
    bootstrap = sasl_broker.bootstrap
    for service in ("assignment", "supervision"):
        create_topic(bootstrap, f"duban.{service}.events", **login("admin"))
    with KafkaAdminClient(bootstrap_servers=bootstrap, **login("admin")) as admin:
        own = ResourcePattern(ResourceType.TOPIC, "duban.assignment.events")
        admin.create_acls([ACL("User:assignment", "*", ACLOperation.WRITE, ACLPermissionType.ALLOW, own)])
    send(bootstrap, "duban.assignment.events", b"own", **login("assignment"))
    with pytest.raises(TopicAuthorizationFailedError):
        send(bootstrap, "duban.supervision.events", b"foreign", **login("assignment"))
    assert received(bootstrap, "duban.assignment.events", **login("admin")) == [b"own"]
    assert received(bootstrap, "duban.supervision.events", **login("admin")) == []


@pytest.mark.usefixtures("programs")
def test_programs_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from deploy.stack import Postgres\n"
        "postgres = Postgres(Path(sys.argv[1])); postgres.start(); print(postgres.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "postgres")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: is_gone(pid))


@pytest.mark.usefixtures("programs")
def test_the_command_starts_a_stack_that_another_process_stops(tmp_path: Path) -> None:
    folder = tmp_path / "stack"

    def stack(command: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.stack", command, str(folder)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    try:
        code, said = stack("start")
        assert (code, "started" in said) == (0, True), said
        code, said = stack("start")
        assert (code, "runs already" in said) == (0, True), said
        assert stack("status")[0] == 0
        sourced = subprocess.run(
            ["sh", "-c", f". '{folder}/env' && echo $DUBAN_DATABASE $DUBAN_KAFKA"],
            capture_output=True,
            text=True,
            check=True,
        )
        database, kafka = sourced.stdout.split()
        for service in ("assignment", "supervision", "enterprise", "notify"):
            with psycopg.connect(database.replace("{service}", service)) as connection:
                assert connection.execute("SELECT current_database()").fetchone() == (f"duban_{service}",)
        create_topic(kafka, TOPIC)
    finally:
        code, said = stack("stop")
    assert (code, said.count("stopped")) == (0, 2), said
    assert stack("status")[0] == 1


def test_the_compose_file_sets_what_the_stack_sets() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))["services"]
    broker = {name: str(value) for name, value in services["kafka"]["environment"].items()}
    wanted = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in PROPERTIES.items()}
    assert wanted.items() <= broker.items()
    created = (ROOT / "deploy" / "postgres" / "databases.sql").read_text("utf-8")
    assert re.findall(r"^CREATE DATABASE (\w+);$", created, re.MULTILINE) == list(DATABASES)
