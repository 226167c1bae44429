"""The key store on a real PostgreSQL: made by migrate, raced for, erased to the last byte, and away."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.stack import Postgres
from services.processes import environment
from services.suite import SUITE
from shared.domain.clock import system_clock
from shared.personal_data.keystore import KeyStore, migrate_keys, rotate_master
from shared.personal_data.master import make_master, read_masters
from shared.process.config import Config
from shared.testing import Opened, StoppedClock, as_id, shanghai

ROOT = Path(__file__).resolve().parents[2]
CODE = "91150623MA0N000017"
NOW = shanghai("2021-03-05 09:00")
RACE = (
    "import sys; from uuid import UUID; from shared.runtime.roles import settings\n"
    "from shared.personal_data.keystore import KeyStore; from shared.domain.clock import system_clock\n"
    "store = KeyStore(settings(), system_clock); input()\n"
    "print(store.seal('fgw/head', 'a.b', UUID(int=7), {'holder': '某人'})['holder'])"
)


@pytest.fixture
def opened(server: Postgres, tmp_path: Path) -> Iterator[Opened]:
    for name in (*SUITE, "keys"):
        server.create_database(f"people_{name}")
    make_master(tmp_path / "master.key")
    database, master = server.url("people_{service}"), tmp_path / "master.key"
    config = Config(data=tmp_path / "data", database=database, master_key=master)
    assert migrate_keys(config, system_clock) == migrate_keys(config, system_clock)
    with Opened(
        tmp_path / "data", StoppedClock(NOW), *SUITE.values(), database=database, master_key=master
    ) as opened:
        yield opened


def test_keys_of_persons_on_postgresql(opened: Opened, server: Postgres, tmp_path: Path) -> None:
    desk = opened.client("enterprise", "government_office", "office", "office/head")
    body = {"credit_code": CODE, "name": "甲公司", "contact_name": "欧阳明珠", "contact_phone": "13847712345"}
    as_id(desk.post("/api/v1/enterprises", body))
    opened.settle()

    def contact() -> str:
        (row,) = desk.get("/api/v1/enterprises").json["items"]
        return str(row["contact_name"])

    assert contact() == "欧阳明珠"
    assert opened.rebuild_and_compare("enterprise") == []
    assert contact() == "欧阳明珠"
    dump = server.psql("SELECT convert_from(state, 'UTF8') FROM enterprise_events", "people_enterprise")
    assert "甲公司" in dump
    assert "欧阳明珠" not in dump
    assert "13847712345" not in dump
    view = opened.rows("enterprise", "enterprises")
    assert all(row["contact_phone"].startswith(f"personal:1:1:{CODE}:") for row in view.values())

    # Four processes make one key.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE],
            env=environment(opened.config),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    tokens = [process.communicate("\n")[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    store = KeyStore(opened.config, opened.clock)
    assert [store.reveal(token, "fgw/head") for token in tokens] == ["某人"] * 4
    counted = "SELECT count(*) FROM subject_keys WHERE subject = 'fgw/head'"
    assert server.psql(counted, "people_keys") == "1"

    # The master is changed under a running suite.
    make_master(tmp_path / "next.key")
    lines = [(tmp_path / name).read_text("ascii") for name in ("master.key", "next.key")]
    (tmp_path / "master.key").write_text("".join(lines), "ascii")
    assert rotate_master(opened.config, store, tmp_path / "next.key") == 3  # and the fingerprints' key
    new = read_masters(tmp_path / "next.key")[0].id
    assert server.psql("SELECT DISTINCT master_id FROM subject_keys", "people_keys") == new
    opened["enterprise"].app.personal_data.forget()
    assert contact() == "欧阳明珠"

    # The wrapped key is gone from the table's file, not only from its rows.
    query = "SELECT encode(wrapped, 'hex') FROM subject_keys WHERE subject = 'fgw/head'"
    wrapped = bytes.fromhex(server.psql(query, "people_keys"))
    files = server.data / "base" / server.psql("SELECT oid FROM pg_database WHERE datname='people_keys'")

    def is_there() -> bool:
        server.psql("CHECKPOINT", "people_keys")
        return any(wrapped in path.read_bytes() for path in files.iterdir())

    assert is_there()
    assert store.erase("fgw/head", 1, NOW, "离任")
    store.table.clean()
    assert not is_there()
    assert store.reveal(tokens[0], "fgw/head") == "已删除 erased 2021-03-05：离任"

    # Erased by the command line, whose log is PostgreSQL too.
    done = subprocess.run(
        [sys.executable, "-m", "services", "person", "erase", CODE, "--ground", "本人申请"],
        env=environment(opened.config),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (0, f"{CODE}: 已删除 erased（密钥 key 1）\n"), done.stderr
    opened["enterprise"].app.personal_data.forget()
    assert contact().startswith("已删除 erased ")
    assert "欧阳明珠" not in server.psql("SELECT * FROM subject_keys", "people_keys")

    # Away: what is personal waits, everything else does not.
    store.close()
    opened["enterprise"].app.personal_data.close()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE people_keys RENAME TO people_keys_away")
    assert desk.get("/api/v1/enterprises").status_code == 503
    assert desk.post("/api/v1/enterprises", {**body, "credit_code": "91150623MA0N000025"}).status_code == 503
    assert desk.get("/api/v1/whistles").status_code == 200
