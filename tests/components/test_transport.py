"""The path of an event over a real broker and a real database."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from eventsourcing.persistence import Notification
from kafka import KafkaConsumer, KafkaProducer

from deploy.stack import Broker, Postgres, free_port, password_of
from services.notify.reactions import NotifyReactions
from services.supervision.reactions import SupervisionReactions
from shared.database.unavailable import BrokerUnavailable
from shared.domain.aggregate import stable_id
from shared.events import enterprise
from shared.messaging.batch import Batch, Position
from shared.messaging.relay import republish, sent_before
from shared.messaging.transport.kafka import client, follower, quiet_sources, topics
from shared.messaging.transport.kafka.client import partition_of, topic_of
from shared.messaging.transport.kafka.publisher import KafkaPublisher, publish_checkpoint
from shared.messaging.transport.kafka.replay import KafkaReplay, last_rows
from shared.messaging.transport.kafka.topics import apply_topics
from shared.process.config import Config
from shared.testing import Opened, an_act
from tests.components.ward import UNITS, everything_seen, open_ward, register, until
from tests.shared.test_mechanism import NOW


def test_facts_travel_over_the_broker_and_have_their_effect_once(opened: Opened) -> None:
    register(opened)
    until(lambda: everything_seen(opened), opened)
    rows = opened.rows("ward", "names")
    assert {(row["name"], row["changes"]) for row in rows.values()} == {
        (f"new u{n}", 1) for n in range(UNITS)
    }
    assert opened.rebuild_and_compare("ward") == []
    ward = opened["ward"]
    assert ward.parked() == []
    assert ward.holes() == []


@pytest.mark.parametrize("more", [0, 2])
def test_view_rows_lost_in_a_database_crash_are_folded_again(
    opened: Opened, server: Postgres, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr(follower, "STALLED_AFTER", 2.0)
    app, ward = opened["ward"].app, opened["ward"]
    database = ward.config.database_of("ward").rpartition("/")[2]
    with ward.views.reading() as connection:
        table = ward.views.table(connection, "names").name
    kept = [table, "inbox_marks", "inbox_versions"]
    register(opened, 5)
    until(lambda: everything_seen(opened, 5), opened)
    for one in kept:
        server.psql(f'CREATE TABLE "{one}_then" AS SELECT * FROM "{one}"', database)
    for n in range(5, 10):
        app.register(an_act(NOW), f"u{n}")  # type: ignore[attr-defined]
    until(lambda: everything_seen(opened, 10), opened)
    rows = opened.rows("ward", "names")

    of_views = "WHERE consumer='project'"
    for one in kept:
        which = "" if one == table else of_views
        server.psql(
            f'DELETE FROM "{one}" {which}; INSERT INTO "{one}" SELECT * FROM "{one}_then" {which}', database
        )
    assert opened.rows("ward", "names") != rows
    for n in range(10, 10 + more):  # without more it finds out when it has been idle for a while
        app.register(an_act(NOW), f"u{n}")  # type: ignore[attr-defined]
    until(lambda: everything_seen(opened, 10 + more), opened)
    now = opened.rows("ward", "names")
    assert {id_: row for id_, row in now.items() if id_ in rows} == rows
    assert (len(now), ward.holes(), ward.parked()) == (10 + more, [], [])


def test_republished_events_change_nothing(opened: Opened) -> None:
    register(opened)
    until(lambda: everything_seen(opened), opened)
    before, ward = opened.rows("ward", "names"), opened["ward"]
    republish("ward", ward.app.log, ward.config.database_of("ward"), 11)
    topic = KafkaConsumer(bootstrap_servers=ward.config.kafka, auto_offset_reset="earliest")
    topic.subscribe([topic_of("ward")])
    sent: list[Any] = []

    def twice() -> bool:
        for records in topic.poll(timeout_ms=100).values():
            sent.extend(records)
        return len(sent) == 2 * UNITS + (2 * UNITS - 10)

    until(twice, opened)
    topic.close()
    until(lambda: ward.follower.lag() and not any(ward.follower.lag().values()), opened)
    assert opened.rows("ward", "names") == before
    assert (ward.app.log.max_notification_id(), ward.holes(), ward.parked()) == (2 * UNITS, [], [])


def test_a_recreated_topic_that_ends_at_the_stored_offset_is_read_from_its_beginning(opened: Opened) -> None:
    ward = opened["ward"]
    register(opened, 9)
    while ward.relay.step():  # type: ignore[union-attr]
        pass
    held = [partition_of(stable_id("unit", f"u{n}"), 3) for n in range(9)]
    assert set(held) == {0, 1, 2}
    following = follower.KafkaFollower(ward.config, "ward", "test", ["ward"], 0.1)
    came: list[Batch] = []
    for _ in range(100):
        # The topic of before held one record more in each partition, and that one was the last to be handled.
        came += following.poll(lambda _, partition: Position(position=100, offset=held.count(partition)))
        if sum(len(batch.rows) for batch in came) == 9:
            break
    following.close()
    assert sorted(row.id for batch in came for row in batch.rows) == [*range(1, 10)]


def test_a_source_without_urgent_facts_is_polled_less_often(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet_sources, "QUIET_AFTER", 1)
    monkeypatch.setattr(quiet_sources, "PAUSE_SECONDS", 3.0)
    ward, urgent = opened["ward"], [False]
    following = follower.KafkaFollower(ward.config, "ward", "test", ["ward"], 0.1, lambda batch: urgent[0])

    def sent_and_come(unit: str) -> tuple[str, float]:
        """What comes next, and when, after this unit was registered."""
        ward.app.register(an_act(NOW), unit)  # type: ignore[attr-defined]
        while ward.relay.step():  # type: ignore[union-attr]
            pass
        for _ in range(300):
            for batch in following.poll(lambda *_: Position()):
                [row] = batch.rows
                return str(row.originator_id), time.monotonic()
        raise AssertionError("it never came")

    names = [str(stable_id("unit", unit)) for unit in "abcde"]
    assert sent_and_come("a")[0] == names[0]
    assert following._quiet.paused_until == {}
    second, _ = sent_and_come("b")
    [due] = following._quiet.paused_until.values()
    urgent[0] = True
    third, came = sent_and_come("c")
    assert (second, third) == (names[1], names[2])
    assert came >= due
    assert following._quiet.paused_until == {}, "something urgent has come"
    urgent[0] = False
    assert [sent_and_come(unit)[0] for unit in "de"] == names[3:]
    assert list(following._quiet.paused_until) == ["ward"]
    following.close()


def test_two_workers_share_the_partitions_and_nothing_happens_twice(config: Config, opened: Opened) -> None:
    with open_ward(config) as other:
        members: list[Any] = [one["ward"].follower for one in (opened, other)]
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                other["ward"].settle()

        def shared() -> bool:
            assigned = [len(one._consumer.assignment()) if one._consumer else 0 for one in members]
            return sorted(assigned) == [1, 2]

        thread = threading.Thread(target=work)
        thread.start()
        try:
            until(shared, opened)
            register(opened)
            until(lambda: everything_seen(opened), opened)
        finally:
            stop.set()
            thread.join()
        assert {row["changes"] for row in opened.rows("ward", "names").values()} == {1}
        assert opened.rebuild_and_compare("ward") == []


def test_a_third_party_cloudevents_sdk_reads_the_records(opened: Opened) -> None:
    register(opened, 3)
    until(lambda: everything_seen(opened, 3), opened)
    config = opened["ward"].config
    consumer = KafkaConsumer(
        topic_of("ward"),
        bootstrap_servers=config.kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    )
    records = list(consumer)
    consumer.close()
    assert len(records) == 6
    for record in records:
        event = from_binary_event(
            KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value)
        )
        data: Any = event.get_data()
        aggregate_id = str(stable_id("unit", data["unit"]))
        version = 2 if data["name"].startswith("new ") else 1
        assert event.get_id() == f"ward/{aggregate_id}/{version}"
        assert event.get_type() == ("ward.ward_opened" if version == 1 else "ward.ward_renamed")
        assert event.get_source() == "/duban/ward"
        assert event.get_time() == NOW
        assert event.get_datacontenttype() == "application/json"
        assert event.get_extension("partitionkey") == aggregate_id == record.key.decode()
        assert record.partition == partition_of(aggregate_id, 3)
    traces = [dict(record.headers)["traceparent"].decode().split("-")[1] for record in records]
    assert len(set(traces)) == 6  # six commands


def test_what_partitions_hold_before_a_position_is_found_in_the_log(opened: Opened) -> None:
    register(opened, 9)
    log = opened["ward"].app.log
    rows = log.select_notifications(start=1, limit=100)
    for position in range(1, 10):
        expected = [0, 0, 0]
        for row in rows[: position - 1]:
            expected[partition_of(row.originator_id, 3)] = row.id
        assert sent_before(log, position, 3) == expected


def test_the_number_of_partitions_is_frozen(config: Config) -> None:
    grown = Config(**{**vars(config), "kafka_partitions": 4})
    with pytest.raises(BrokerUnavailable, match="the number is frozen"):
        apply_topics(grown, {"ward": ["ward"]})


def certificates(folder: Path) -> None:
    """An authority of the test's own and a certificate of it for a broker at 127.0.0.1."""
    now = datetime.now(UTC)

    def signed(name: str, key: Any, issuer: str, by: Any, *extensions: Any) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(minutes=1),
            now + timedelta(days=1),
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(by, hashes.SHA256())

    authority, broker = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = signed("duban test", authority, "duban test", authority, (x509.BasicConstraints(True, None), True))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    own = signed("broker", broker, "duban test", authority, (names, False))
    private = broker.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (folder / "broker.pem").write_bytes(
        private + own.public_bytes(Encoding.PEM) + ca.public_bytes(Encoding.PEM)
    )


def test_over_tls_a_service_logs_in_and_may_write_only_its_own_topic(programs: None, tmp_path: Path) -> None:
    certificates(tmp_path)
    with Broker(tmp_path / "broker", sasl=True, tls=tmp_path) as broker:

        def as_user(user: str) -> Config:
            return Config(
                kafka=broker.bootstrap,
                database="postgresql://nobody/{service}",
                kafka_security="SASL_SSL",
                kafka_user=user,
                kafka_password=password_of(user),
                kafka_ca=tmp_path / "ca.pem",
                kafka_partitions=1,
            )

        done = apply_topics(as_user("admin"), {"assignment": [], "notify": ["assignment"]})
        assert "rights" in done[-1]
        row = Notification(
            id=1,
            originator_id=stable_id("unit", "a"),
            originator_version=1,
            topic="ward.ward_opened",
            state=b'{"timestamp":"2021-01-04T01:00:00Z","because":"request:x"}',
        )
        own = KafkaPublisher(as_user("assignment"), "assignment")
        own.acknowledged(own.send(row, 0, "0"), 10)
        own.close()
        other = KafkaPublisher(as_user("notify"), "assignment")
        refused = other.send(row, 0, "0")
        with pytest.raises(BrokerUnavailable, match="Authorization"):
            other.acknowledged(refused, 10)
        other.close()


def test_a_foreign_record_is_parked_and_can_be_discarded(opened: Opened) -> None:
    ward = opened["ward"]
    producer = KafkaProducer(bootstrap_servers=ward.config.kafka)
    producer.send(topic_of("ward"), key=b"x", value=b"\xff what is this").get(timeout=10)
    producer.close()
    register(opened, 3)
    until(lambda: everything_seen(opened, 3) and len(ward.parked()) == 2, opened)
    assert {(consumer, row.kind, row.reason, row.state) for consumer, row in ward.parked()} == {
        (consumer, "fault", "not an event of this suite", b"\xff what is this")
        for consumer in ("project", "react")
    }
    ward.retry_parked()
    assert len(ward.parked()) == 2
    assert ward.discard_strangers() == 2
    assert ward.parked() == []


def test_a_blown_whistle_is_urgent_for_notify_and_not_for_supervision() -> None:
    blown = Notification(
        originator_id=stable_id("test-whistle", 1),
        originator_version=1,
        topic=enterprise.WhistleBlown.TOPIC,
        state=b"",
        id=1,
    )
    batch = Batch("enterprise", 0, [blown], [0], [0], ["0"])
    app: Any = None  # not asked
    assert NotifyReactions(app).is_urgent(batch)
    assert not SupervisionReactions(app).is_urgent(batch)


@pytest.fixture
def sockets_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The library's, of connections that failed: found before another test runs. What it has logged holds them."""
    yield
    caplog.get_records("call").clear()
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize(
    "begin",
    [
        lambda config: follower.KafkaFollower(config, "ward", "project", ["ward"], 0.1).poll(
            lambda source, partition: Position()
        ),
        lambda config: KafkaReplay(config, "ward"),
        lambda config: KafkaPublisher(config, "ward"),
        lambda config: last_rows(config, "ward", 3),
        lambda config: publish_checkpoint(config, "ward", 1, "note"),
        lambda config: apply_topics(config, {"ward": ["ward"]}),
    ],
    ids=["follow", "replay", "publish", "last rows", "checkpoint", "topics"],
)
def test_a_failed_connection_to_the_broker_leaks_no_thread(
    begin: Callable[[Config], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sockets_left_behind: None,
) -> None:
    settings = client.connection_settings
    for module in (client, topics):
        monkeypatch.setattr(
            module, "connection_settings", lambda config: {**settings(config), "bootstrap_timeout_ms": 300}
        )
    config = Config(data=tmp_path, database="postgresql://nobody/{service}", kafka=f"127.0.0.1:{free_port()}")
    before = set(threading.enumerate())
    with pytest.raises(BrokerUnavailable):
        begin(config)
    assert set(threading.enumerate()) <= before
