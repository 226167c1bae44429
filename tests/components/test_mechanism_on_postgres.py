"""The mechanism's own tests once more, on a real PostgreSQL."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg.rows import tuple_row

from deploy.stack import Postgres
from shared import postgres
from shared.inbox import Execute
from shared.recorder import Answer, write_answer
from shared.testing import Opened, StoppedClock, an_act
from shared.trouble import TROUBLE
from tests.shared import test_mechanism as mechanism
from tests.shared.test_mechanism import *  # noqa: F403 - every test there is to run here too

del test_a_new_version_is_built_beside_the_old_and_swapped_when_done  # noqa: F821 - opens files by itself


@pytest.fixture(scope="module")
def server(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def opened(server: Postgres, tmp_path: Path) -> Iterator[Opened]:
    mechanism.Names.broken = mechanism.Echo.broken = False
    mechanism.Echo.misses = 0
    name = f"{tmp_path.name[-30:].lower()}_ward"
    server.create_database(name)
    database = server.url(name.replace("ward", "{service}"))
    with Opened(tmp_path, StoppedClock(mechanism.NOW), mechanism.SERVICE, database=database) as opened:
        yield opened


def test_connections_that_the_server_has_ended_cost_one_try_each_and_no_restart(
    opened: Opened, server: Postgres
) -> None:
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
            except TROUBLE:
                lost += 1
        assert (lost > 0) == (number > 0), "nothing was lost: this tests nothing"
        assert lost <= 2 * (runtime.config.web_threads + 1)
    assert {row["name"] for row in opened.rows("ward", "names").values()} == {
        f"new {unit}" for unit in wanted
    }


def test_the_server_lets_go_of_a_client_whose_machine_is_gone_and_waits_for_the_disk_where_it_matters(
    server: Postgres,
) -> None:
    server.create_database("sessions")
    url = server.url("sessions")
    of_a_log = postgres.Datastore(url, patience=2.0, pool_size=1)
    with of_a_log.get_connection() as of_the_log, postgres.connect(url) as own:
        for connection in (of_the_log, own):
            cursor = connection.cursor(row_factory=tuple_row)
            for name, value in (("idle", "5"), ("interval", "2"), ("count", "2")):
                cursor.execute(f"SHOW tcp_keepalives_{name}")  # type: ignore[arg-type]
                assert cursor.fetchone() == (value,)
    of_a_log.close()
    for lasting, said in ((True, "on"), (False, "off")):
        engine = postgres.engine(url, 2.0, 1, lasting=lasting)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == said
        engine.dispose()


def test_a_save_that_is_made_again_answers_where_the_events_stand(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, tries = mechanism.app_of(opened), []

    def lost_at_first(execute: Execute, answer: Answer, positions: Sequence[int]) -> None:
        write_answer(execute, answer, positions)
        tries.append(list(positions))
        if len(tries) == 1:
            execute("SELECT pg_terminate_backend(pg_backend_pid())", ())

    monkeypatch.setattr(postgres, "write_answer", lost_at_first)
    act = an_act(mechanism.NOW, key="clerk|1", fingerprint="a")
    written = app.perform(act, lambda act: app.register(act, "a"))
    again = app.perform(act, lambda act: app.register(act, "a"))
    [row] = app.log.select_notifications(start=1, limit=10)
    assert [written.position, again.position] == [row.id] * 2
    assert (len(tries), again.replayed) == (2, True)
    assert tries[0] != tries[1] == [row.id]
