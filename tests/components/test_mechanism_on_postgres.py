"""The mechanism's own tests once more, on a real PostgreSQL."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import tuple_row
from sqlalchemy import Column, Engine, MetaData, String, Table

from deploy.stack import Postgres
from services.suite import SUITE
from shared.database import pipeline, postgres
from shared.database.execute import Execute
from shared.database.unavailable import UNAVAILABLE
from shared.log import postgres as postgres_log
from shared.log.recorder import Answer, write_answer
from shared.messaging.batch import Batch
from shared.readmodels.projector import Projector
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.testing import Opened, StoppedClock, an_act
from tests.faults.cluster import until
from tests.shared import test_mechanism as mechanism
from tests.shared.test_mechanism import *  # noqa: F403 - every test there is to run here too

del test_a_new_version_is_built_beside_the_old_and_swapped_when_done  # noqa: F821 - opens files by itself


@pytest.fixture
def opened(server: Postgres, tmp_path: Path) -> Iterator[Opened]:
    name = f"{tmp_path.name[-30:].lower()}_ward"
    server.create_database(name)
    database = server.url(name.replace("ward", "{service}"))
    with Opened(tmp_path, StoppedClock(mechanism.NOW), mechanism.SERVICE, database=database) as opened:
        yield opened


def test_connections_closed_by_the_server_cost_one_retry_each(opened: Opened, server: Postgres) -> None:
    app, runtime = mechanism.app_of(opened), opened["ward"]
    database = urlsplit(runtime.config.database_of("ward")).path.lstrip("/")
    wanted = set[str]()
    for number in range(4):
        act = an_act(mechanism.NOW, key=f"clerk|{number}")
        wanted.add(f"u{number}")
        lost = 0
        while opened.rows("ward", "names").keys() < wanted:
            if not lost and number:  # all connections were used within the second in which they are trusted
                server.psql(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='{database}'"
                )
            try:
                app.perform(act, lambda act, number=number: app.register(act, f"u{number}"))
                opened.settle()
            except UNAVAILABLE:
                lost += 1
        assert (lost > 0) == (number > 0), "nothing was lost: this tests nothing"
        assert lost <= 2 * (runtime.config.web_threads + 1)
    assert {row["name"] for row in opened.rows("ward", "names").values()} == {
        f"new {unit}" for unit in wanted
    }


def test_the_server_drops_dead_clients_and_commits_synchronously_where_configured(
    server: Postgres,
) -> None:
    server.create_database("sessions")
    url = server.url("sessions")
    of_a_log = postgres_log.Datastore(url, timeout=2.0, pool_size=1)
    with of_a_log.get_connection() as of_the_log, postgres.connect(url) as own:
        for connection in (of_the_log, own):
            cursor = connection.cursor(row_factory=tuple_row)
            for name, value in (("idle", "5"), ("interval", "2"), ("count", "2")):
                cursor.execute(f"SHOW tcp_keepalives_{name}")  # type: ignore[arg-type]
                assert cursor.fetchone() == (value,)
    of_a_log.close()
    for durable, said in ((True, "on"), (False, "off")):
        engine = postgres.engine(url, 2.0, 1, durable=durable)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == said
        engine.dispose()


def test_a_stalled_transaction_is_ended_by_whoever_waits_for_its_locks(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.create_database("abandoned")
    url = server.url("abandoned")
    update = "UPDATE things SET count = count + 1 WHERE id = 1"
    with postgres.connect(url, timeout=30, autocommit=True) as patient:
        patient.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, count INTEGER)")
        patient.execute("INSERT INTO things VALUES (1, 0)")
        monkeypatch.setattr(postgres, "ABANDONED_AFTER", 2.0)
        with ExitStack() as stack:
            behind, amid = (stack.enter_context(postgres.connect(url, timeout=2)) for _ in range(2))
            with behind.cursor() as cursor:  # the driver makes a pipeline of it
                cursor.executemany("UPDATE things SET count = count + %s WHERE id = 1", [(1,), (1,)])
            assert _tries(url, update) > 1
            with pytest.raises(psycopg.OperationalError):
                behind.execute("SELECT 1")

            stack.enter_context(amid.pipeline())
            amid.execute(update).fetchone  # noqa: B018
            amid.pgconn.send_flush_request()
            amid.pgconn.flush()
            look = "SELECT 1 FROM things FOR UPDATE SKIP LOCKED"
            until(lambda: not patient.execute(look).fetchone(), lambda: "the update came to the server")
            assert _tries(url, update) > 1
            with pytest.raises(psycopg.OperationalError):
                amid.execute("SELECT 1").fetchone()
            stack.pop_all()
        with patient.transaction():  # who may take longer is left in peace
            patient.execute("SELECT count FROM things FOR UPDATE")
            time.sleep(2.5)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                _try(url, update)
            assert patient.execute("SELECT count FROM things").fetchone() == (2,)


def _try(url: str, statement: str) -> None:
    with postgres.connect(url, timeout=1, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def _tries(url: str, statement: str) -> int:
    for tried in range(1, 20):
        try:
            _try(url, statement)
        except psycopg.errors.LockNotAvailable:
            continue
        return tried
    raise AssertionError("the lock was never let go of")


def test_a_conflicting_batch_is_split_in_halves(
    opened: Opened, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = mechanism.app_of(opened)
    for unit in "abcdefgh":
        app.register(an_act(mechanism.NOW), unit)
    opened.settle()
    for unit in "abcdefgh":
        app.rename(an_act(mechanism.NOW), unit, f"other {unit}")
    sizes: list[int] = []
    fold_in, flush = Projector._fold_in, Rows.flush

    def counted(self: Projector, batches: Sequence[Batch], *others: Any) -> Any:
        sizes.append(sum(len(batch.rows) for batch in batches))
        return fold_in(self, batches, *others)

    def met(self: Rows) -> None:
        if sizes == [8]:
            with psycopg.connect(opened["ward"].config.database_of("ward"), autocommit=True) as other:
                other.execute("UPDATE names__v1_1 SET changes = changes WHERE id = 'h'")
        flush(self)

    monkeypatch.setattr(Projector, "_fold_in", counted)
    monkeypatch.setattr(Rows, "flush", met)
    opened.settle()
    assert sizes[:3] == [8, 4, 4]
    assert {row["name"] for row in opened.rows("ward", "names").values()} == {
        f"other {u}" for u in "abcdefgh"
    }
    assert {row["changes"] for row in opened.rows("ward", "names").values()} == {2}


def test_a_retried_save_answers_the_position_of_its_events(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, tries = mechanism.app_of(opened), []

    def lost_at_first(execute: Execute, answer: Answer, positions: Sequence[int]) -> None:
        write_answer(execute, answer, positions)
        tries.append(list(positions))
        if len(tries) == 1:
            execute("SELECT pg_terminate_backend(pg_backend_pid())", ())

    monkeypatch.setattr(postgres_log, "write_answer", lost_at_first)
    act = an_act(mechanism.NOW, key="clerk|1", fingerprint="a")
    written = app.perform(act, lambda act: app.register(act, "a"))
    again = app.perform(act, lambda act: app.register(act, "a"))
    [row] = app.log.select_notifications(start=1, limit=10)
    assert [written.position, again.position] == [row.id] * 2
    assert (len(tries), again.replayed) == (2, True)
    assert tries[0] != tries[1] == [row.id]


def test_a_save_that_timed_out_is_not_retried(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    app, tries = mechanism.app_of(opened), []
    save = postgres_log.PostgresLog._save

    def counted(self: postgres_log.PostgresLog, *args: Any) -> list[int]:
        tries.append(1)
        return save(self, *args)

    monkeypatch.setattr(postgres_log.PostgresLog, "_save", counted)
    act = an_act(mechanism.NOW, key="clerk|1", fingerprint="a")
    with postgres.connect(opened["ward"].config.database_of("ward")) as other:
        other.execute("LOCK TABLE ward_events IN EXCLUSIVE MODE")
        with pytest.raises(UNAVAILABLE):
            app.perform(act, lambda act: app.register(act, "a"))
    assert len(tries) == 1
    assert not app.perform(act, lambda act: app.register(act, "a")).replayed


@pytest.mark.parametrize(
    "answered", ["at the end", "before more is said", "before the end", "when looked at"]
)
def test_a_pipeline_raises_its_first_failure(opened: Opened, answered: str) -> None:
    url = opened["ward"].config.database_of("ward")

    def say(execute: Execute) -> None:
        execute("BEGIN", ())
        execute("INSERT INTO once VALUES (2)", ())
        taken = execute("INSERT INTO once VALUES (1) RETURNING n", ())
        if answered == "before more is said":
            time.sleep(0.002)
        execute("INSERT INTO nowhere VALUES (1)", ())
        if answered == "when looked at":
            list(taken)
        execute("COMMIT", ())
        if answered == "before the end":
            time.sleep(0.002)

    with postgres.connect(url, autocommit=True) as connection:
        execute = pipeline.execute_on(connection)
        execute("CREATE TABLE once (n INTEGER PRIMARY KEY)", ())
        execute("INSERT INTO once VALUES (1)", ())
        for _ in range(50):
            with pytest.raises(psycopg.errors.UniqueViolation), pipeline.pipelined(connection):
                say(execute)
            connection.rollback()
        with pipeline.pipelined(connection):
            rows = execute("SELECT n FROM once", ())
        assert (len(rows), list(rows), rows[0]) == (1, [(1,)], (1,))


def test_waiting_for_rows_does_not_block_reads_of_other_rows(opened: Opened) -> None:
    url = opened["ward"].config.database_of("ward")
    with postgres.connect(url, autocommit=True) as one, postgres.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(7)")
        with ThreadPoolExecutor(1) as pool, pipeline.pipelined(one):
            waited_for = pipeline.execute_on(one)("SELECT pg_advisory_lock(7)", ())
            waiting = pool.submit(list, waited_for)
            for _ in range(50):  # in one of these it waits
                assert list(pipeline.execute_on(other)("SELECT 1", ())) == [(1,)]
                time.sleep(0.002)
            assert not waiting.done()
            other.execute("SELECT pg_advisory_unlock(7)")
            assert len(waiting.result()) == 1


@pytest.fixture(scope="module")
def of_no_view(server: Postgres) -> Iterator[Engine]:
    server.create_database("columns")
    engine = postgres.engine(server.url("columns"), 2.0, 1)
    yield engine
    engine.dispose()


VALUES: dict[type, object] = {  # JSON is an object
    str: "字",
    int: 7,
    float: 12.5,
    bool: True,
    date: date(2021, 1, 4),
    datetime: mechanism.NOW,
    object: {"键": [1, 2.5, None, True, "é"]},
}


@pytest.mark.parametrize(
    "view",
    sorted({view for service in SUITE.values() for view in service.views}, key=lambda view: view.name),
    ids=lambda view: str(view.name),
)
def test_rows_of_every_column_type_are_read_back_unchanged(view: type[View], of_no_view: Engine) -> None:
    columns = list(view.columns())
    table = Table(view.name, MetaData(), Column("id", String, primary_key=True), *columns)
    full = {column.name: VALUES[column.type.python_type] for column in columns}
    bare = {name: None if table.c[name].nullable else value for name, value in full.items()}
    with of_no_view.connect() as connection:  # nothing of it stays
        table.create(connection)
        written = Rows(connection, table, {}, complete=False)
        written.put("full", **full)
        written.put("bare", **bare)
        written.flush()
        wanted = [{"id": "full", **full}, {"id": "bare", **bare}]
        for _ in range(2):  # at the first the driver tells the columns' types
            found = Rows(connection, table, {}, complete=False)
            assert found.some(["full", "bare", "none"]) == wanted
        by_sqlalchemy = connection.execute(table.select().order_by(table.c.id.desc()))
        assert [dict(row._mapping) for row in by_sqlalchemy] == wanted


def test_the_parts_of_one_thing_include_those_not_flushed_yet(of_no_view: Engine) -> None:
    columns = [Column("case", String, nullable=False), Column("note", String)]
    table = Table("parts", MetaData(), Column("id", String, primary_key=True), *columns)
    with of_no_view.connect() as connection:
        table.create(connection)
        written = Rows(connection, table, {}, complete=False)
        for key in ("one/a", "one/b", "one/c", "two/a"):
            written.put(key, case=key.partition("/")[0])
        written.flush()
        rows = Rows(connection, table, {}, complete=False)
        rows.change("one/a", note="changed")
        rows.drop("one/b")
        rows.put("one/d", case="one")
        found = [(row["id"], row["note"]) for row in rows.parts("one", "case")]
        assert found == [("one/a", "changed"), ("one/c", None), ("one/d", None)]
        rows.flush()
        complete = Rows(connection, table, {}, complete=False)
        assert [row["id"] for row in complete.parts("one", "case")] == ["one/a", "one/c", "one/d"]
