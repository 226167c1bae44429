"""The seal, its tree and its checkpoints on a real PostgreSQL and a real broker."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import ConfigResource, ConfigResourceType

from deploy.stack import Broker, Postgres, password_of
from services.suite import SUITE
from shared.audit import merkle, proofs, seal
from shared.audit.checkpoint import Checkpoint, Note, Shown
from shared.audit.places import Outside, folder_of
from shared.database.unavailable import UNAVAILABLE, BrokerUnavailable
from shared.messaging.transport.kafka.client import checkpoints_topic_of, connection_settings, topic_of
from shared.messaging.transport.kafka.publisher import publish_checkpoint
from shared.messaging.transport.kafka.topics import apply_topics
from shared.personal_data.keystore import migrate_keys
from shared.personal_data.master import make_master
from shared.process.config import Config
from shared.runtime.schema import migrate
from shared.testing import StoppedClock
from tests.audit.sealed import SERVICE, START, Events, Sealed, open_sealed
from tests.audit.test_seal import kill_again_and_again
from tests.audit.test_tampering import Row, first_bad_place
from tests.faults.cluster import delete_topics

SIZES = (90, 256, 300, 400)
TAMPERINGS = 40
TABLE = f"{SERVICE}_events"


def opened_on(server: Postgres, name: str, data: Path, clock: StoppedClock | None = None) -> Sealed:
    """A log in the database ``name_assignment``, made if it is not there."""
    url = server.url(f"{name}_{{service}}")
    server.create_database(f"{name}_{SERVICE}")
    clock = clock or StoppedClock(START)
    migrate(SUITE[SERVICE], Config(data=data, database=url), clock)
    return open_sealed(data, clock=clock, database=url)


@pytest.fixture(scope="module")
def original(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed log of 400 events whose positions have gaps, as the database ``original_assignment``."""
    data = tmp_path_factory.mktemp("original")
    sealed = opened_on(server, "original", data)
    events = Events(31, 30)
    written = 0
    with psycopg.connect(sealed.config.database_of(SERVICE), autocommit=True) as connection:
        for size in SIZES:
            while written < size:
                count = min(37, size - written)
                sealed.write(events.some(count))
                written += count
                sequence = connection.execute(
                    "SELECT pg_get_serial_sequence(%s, 'notification_id')", (TABLE,)
                ).fetchone()
                assert sequence is not None
                connection.execute("SELECT nextval(%s), nextval(%s)", (sequence[0], sequence[0]))
            sealed.seal()
    sealed.close()
    return data


def rows_of(connection: psycopg.Connection[tuple[object, ...]]) -> list[Row]:
    found = connection.execute(
        "SELECT notification_id, replace(originator_id::text, '-', ''), originator_version, topic, state "
        f"FROM {TABLE} ORDER BY notification_id"
    ).fetchall()
    return [(int(str(a)), str(b), int(str(c)), str(d), bytes(e)) for a, b, c, d, e in found]  # type: ignore[arg-type]


def tamper(connection: psycopg.Connection[tuple[object, ...]], kind: str, chance: random.Random) -> None:
    rows = rows_of(connection)
    one, two = chance.sample(rows, 2)
    if kind == "update":
        column, value = chance.choice(
            [("state", one[4] + b" "), ("topic", one[3] + "x"), ("originator_version", one[2] + 500)]
        )
        connection.execute(f"UPDATE {TABLE} SET {column}=%s WHERE notification_id=%s", (value, one[0]))
    elif kind == "delete":
        connection.execute(f"DELETE FROM {TABLE} WHERE notification_id=%s", (one[0],))
    elif kind == "insert":  # into a gap
        taken = {row[0] for row in rows}
        gap = chance.choice([at for at in range(1, rows[-1][0]) if at not in taken])
        connection.execute(
            f"INSERT INTO {TABLE} (originator_id, originator_version, topic, state, notification_id) "
            "OVERRIDING SYSTEM VALUE VALUES (%s, 1, %s, %s, %s)",
            (UUID(int=chance.getrandbits(128)), one[3], one[4], gap),
        )
    elif kind == "swap":
        for place, content in ((one, two), (two, one)):
            connection.execute(
                f"UPDATE {TABLE} SET state=%s WHERE notification_id=%s", (content[4], place[0])
            )
    else:
        connection.execute(f"DELETE FROM {TABLE} WHERE notification_id>%s", (min(one[0], two[0]),))


def test_every_tampering_on_postgresql_is_named_at_the_first_bad_position(
    server: Postgres, original: Path, tmp_path: Path
) -> None:
    chance = random.Random(32)
    seen: Counter[str] = Counter()
    for turn in range(TAMPERINGS):
        kind = ("update", "delete", "insert", "swap", "truncate")[turn % 5]
        recomputed = turn % 2 == 1
        server.psql("DROP DATABASE IF EXISTS copy_assignment")
        server.psql("CREATE DATABASE copy_assignment TEMPLATE original_assignment")
        url = server.url("copy_{service}")
        with psycopg.connect(url.replace("{service}", SERVICE)) as connection:
            before = rows_of(connection)
            tamper(connection, kind, chance)
            after = rows_of(connection)
            if recomputed:
                for table in ("tiles", "checkpoints", "keys", "deliveries"):
                    connection.execute(f"DELETE FROM seal_{table}")  # type: ignore[arg-type]
                connection.execute("UPDATE seal_mark SET size=0, position=0")
        place = first_bad_place(before, after)
        sealed = open_sealed(tmp_path / str(turn), database=url)
        if recomputed:
            seal.catch_up(sealed.tree)
            seal.sign(sealed.config, SERVICE, sealed.tree, sealed.clock)  # with a key of their own
        outside = Outside(original / "checkpoints" / SERVICE) if recomputed else None
        report = sealed.verify(outside)
        first = report.first
        told = (turn, kind, recomputed, place, report.findings)
        assert first is not None, told
        assert first.index == place.index, told
        assert first.position is not None, told
        last_good = before[place.index - 1][0] if place.index else 0
        assert last_good < first.position <= max(place.position, last_good + 1), told
        if first.kind not in ("removed", "truncated"):
            assert first.position == place.position, told
            assert first.aggregate == place.aggregate, told
        elif place.aggregate is not None:
            assert first.aggregate == place.aggregate, told
        sealed.close()
        seen[f"{kind}{', recomputed' if recomputed else ''}"] += 1
    print(dict(seen))


def test_an_untouched_log_holds_and_its_events_are_proved(server: Postgres, original: Path) -> None:
    sealed = open_sealed(original, database=server.url("original_{service}"))
    report = sealed.verify(sealed.outside)
    assert report.holds, report.findings
    assert (report.events, report.proven, report.checkpoints) == (400, 400, 4)
    for row in sealed.app.log.leaf_rows(0, 400)[::57]:
        assert row[1] is not None
        proof = proofs.inclusion(SERVICE, sealed.app.log, UUID(bytes=row[1]), row[2])
        checkpoint = Checkpoint.parse(Note.parse(proof["checkpoint"]).text)
        path = [bytes.fromhex(one) for one in proof["path"]]
        merkle.check_inclusion(bytes.fromhex(proof["leaf"]), proof["index"], 400, path, checkpoint.root)
        assert proof["position"] == row[0]
    assert proofs.consistency(SERVICE, sealed.app.log, 90)["second"] == 400
    sealed.close()


def test_one_sealer_is_active_and_another_takes_over(server: Postgres, tmp_path: Path) -> None:
    sealed = opened_on(server, "takeover", tmp_path)
    other = seal.Sealer(SERVICE, sealed.app.log, sealed.config, sealed.clock)
    events = Events(33, 9)
    sealed.write(events.some(20))
    assert sealed.sealer.step()
    assert not other.step()
    assert (sealed.sealer.active, other.active) == (True, False)
    sealed.sealer.close()
    other._lock_at = 0.0  # its five seconds are over
    sealed.write(events.some(20))
    assert other.step()
    other.step()
    assert sealed.tree.position().size == 40
    assert sealed.verify(sealed.outside).holds
    other.close()
    sealed.close()


def test_a_sealer_on_postgresql_that_is_killed_at_any_moment_loses_nothing(
    server: Postgres, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    make_master(tmp_path / "master.key")
    config = Config(
        data=tmp_path / "data",
        database=server.url("killed_{service}"),
        master_key=tmp_path / "master.key",
        poll_seconds=0.01,
        seal_seconds=1.0,
        log_level="error",
    )
    for database in (SERVICE, "keys"):
        server.create_database(f"killed_{database}")
    migrate(SUITE[SERVICE], config, config.make_clock())
    migrate_keys(config, config.make_clock())
    kill_again_and_again(config, tmp_path, request)


def test_sealing_resumes_after_the_database_was_unavailable(programs: None, tmp_path: Path) -> None:
    with Postgres(tmp_path / "postgres") as server:
        sealed = opened_on(server, "away", tmp_path / "data")
        events = Events(34, 9)
        sealed.write(events.some(300))
        sealed.seal()
        server.stop("immediate")
        with pytest.raises(UNAVAILABLE):
            sealed.sealer.step()
        assert sealed.sealer.active is False
        server.start()
        sealed.sealer._lock_at = 0.0
        end, more = time.monotonic() + 20, events.some(5)
        while True:  # the pool finds out that the server is back
            try:
                sealed.write(more)
                break
            except UNAVAILABLE:
                assert time.monotonic() < end
                time.sleep(0.2)
        sealed.seal()
        assert sealed.verify(sealed.outside).holds
        assert sealed.tree.position().size == 305
        sealed.close()


# --- the broker ------------------------------------------------------------------------------------------


def notes_on(broker: Broker, **login: object) -> list[tuple[str, str]]:
    """Key and value of every checkpoint on the topic."""
    with KafkaConsumer(
        checkpoints_topic_of(SERVICE),
        bootstrap_servers=broker.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
        **login,
    ) as consumer:
        return [(record.key.decode(), record.value.decode()) for record in consumer]


def test_checkpoints_go_to_a_compacted_topic_and_can_be_verified_from_there(
    server: Postgres, broker: Broker, tmp_path: Path
) -> None:
    delete_topics(broker, topic_of(SERVICE), checkpoints_topic_of(SERVICE))
    plain = opened_on(server, "kafka", tmp_path)
    plain.close()
    config = Config(data=tmp_path, database=plain.config.database, kafka=broker.bootstrap, kafka_partitions=1)
    sealed = open_sealed(tmp_path, database=config.database, kafka=broker.bootstrap, kafka_partitions=1)
    events = Events(35, 9)
    sealed.write(events.some(10))
    sealed.clock.advance(hours=1)
    while sealed.sealer.step():
        pass
    assert sealed.sealer.unavailable()["kafka"] == 1, "there is no topic yet, and sealing goes on"
    done = apply_topics(config, {SERVICE: []})
    assert f"{checkpoints_topic_of(SERVICE)}: made, compacted, 1 replicas" in done
    assert f"{checkpoints_topic_of(SERVICE)}: there already, settings applied" in apply_topics(
        config, {SERVICE: []}
    )
    sealed.sealer._failing.clear()
    sealed.write(events.some(10))
    sealed.seal()
    found = notes_on(broker)
    assert [note for _, note in found] == [one.note for one in sealed.tree.checkpoints()]
    assert [key.partition("-")[0] for key, _ in found] == ["10", "20"]
    assert len({key for key, _ in found}) == 2
    assert sealed.verify(others=[Shown(key, note) for key, note in found]).holds
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, checkpoints_topic_of(SERVICE))
        assert "compact" in str(admin.describe_configs([resource]))
    assert folder_of(config, SERVICE).exists()
    sealed.close()


def test_who_writes_checkpoints_and_who_reads_them_on_a_broker_with_rights(
    sasl_broker: Broker, tmp_path: Path
) -> None:
    def settings(user: str) -> dict[str, Any]:
        return {
            "kafka": sasl_broker.bootstrap,
            "kafka_security": "SASL_PLAINTEXT",
            "kafka_user": user,
            "kafka_password": password_of(user),
            "kafka_partitions": 1,
        }

    login = connection_settings(Config(**settings("auditor")))
    del login["bootstrap_servers"]
    apply_topics(Config(**settings("admin")), {SERVICE: [], "notify": []})
    sealed = open_sealed(tmp_path, create=True, **settings(SERVICE))
    events = Events(36, 9)
    for count in (10, 20):
        sealed.write(events.some(count))
        sealed.seal()
    # Who may write nowhere is not even given a producer's id.
    refused = {"notify": "TopicAuthorizationFailedError", "auditor": "ClusterAuthorizationFailedError"}
    for stranger, error in refused.items():
        with pytest.raises(BrokerUnavailable, match=error):
            publish_checkpoint(Config(**settings(stranger)), SERVICE, 2, "a forged note")

    found = notes_on(sasl_broker, **login)
    assert [note for _, note in found] == [one.note for one in sealed.tree.checkpoints()]
    report = sealed.verify(others=[Shown(key, note) for key, note in found])
    assert report.holds, report.findings
    with KafkaAdminClient(bootstrap_servers=sasl_broker.bootstrap, **login) as admin:
        assert set(admin.list_topics()) == {checkpoints_topic_of(SERVICE), checkpoints_topic_of("notify")}

    # Whoever has the database and the key rewrites the log; what is on the broker tells.
    with sealed.app.log.writing() as execute:
        for table in ("tiles", "checkpoints", "deliveries"):
            execute(f"DELETE FROM seal_{table}", ())
        execute("UPDATE seal_mark SET size=0, position=0", ())
        execute("UPDATE stored_events SET state=? WHERE rowid=7", (b"{}",))
    seal.catch_up(sealed.tree)
    seal.sign(sealed.config, SERVICE, sealed.tree, sealed.clock)
    assert sealed.verify().holds
    kinds = {one.kind for one in sealed.verify(others=[Shown(key, note) for key, note in found]).findings}
    assert "split_view" in kinds
    sealed.close()
