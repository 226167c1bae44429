"""The key store of personal data: who reads what with which key, and what happens when keys or masters change."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from services.cli.main import main
from services.suite import SUITE
from shared.database.unavailable import DatabaseUnavailable
from shared.personal_data.encryption import DAMAGED, NOT_HERE
from shared.personal_data.erasure import NothingToErase, present_generation
from shared.personal_data.keystore import (
    FINGERPRINTS,
    KeyStore,
    MasterNotReadableYet,
    check_keys,
    rotate_master,
)
from shared.personal_data.master import Master, make_master, read_masters
from shared.process.config import Config, Misconfigured
from shared.testing import Opened, StoppedClock, as_id, shanghai

NOW = shanghai("2021-03-05 09:00")
SUBJECT = "91150623MA0N000017"
ROOT = Path(__file__).resolve().parents[2]
TOPIC = "enterprise.enterprise_registered"
AGGREGATE = UUID(int=7)


def clock() -> StoppedClock:
    return StoppedClock(NOW)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data=tmp_path)


@pytest.fixture
def store(config: Config) -> Iterator[KeyStore]:
    opened = KeyStore(config, clock())
    yield opened
    opened.close()


def sealed(store: KeyStore, said: str = "欧阳明珠", subject: str = SUBJECT) -> str:
    return store.seal(subject, TOPIC, AGGREGATE, {"contact_name": said})["contact_name"]


def another(config: Config) -> KeyStore:
    return KeyStore(config, clock())


def test_a_sealed_text_is_read_by_every_process_and_looks_different_each_time(
    store: KeyStore, config: Config
) -> None:
    one, two = sealed(store), sealed(store)
    assert one != two
    other = another(config)
    assert other.reveal(one, SUBJECT) == other.reveal(two, SUBJECT) == "欧阳明珠"
    other.close()


def test_a_token_does_not_tell_how_long_a_name_is(store: KeyStore) -> None:
    assert (
        len({len(sealed(store, name)) for name in ("李", "王五", "欧阳明珠", "13847712345", "呼和巴特尔")})
        == 1
    )


@pytest.mark.parametrize("said", ["x", "名" * 100, "a\0b", "personal:1:1:x:y.z:w", "：,\n\t🙂"])
def test_any_text_comes_back_as_it_was(store: KeyStore, said: str) -> None:
    assert store.reveal(sealed(store, said), SUBJECT) == said
    # Who writes a token as their name is shown the token, not what is in it.
    assert store.reveal(sealed(store, sealed(store, said)), SUBJECT).startswith("personal:1:1:")  # type: ignore[union-attr]


@pytest.mark.parametrize("subject", ["fgw/head", "a:b", "百分%", "9115"])
def test_any_subject_can_be_named_in_a_token(store: KeyStore, subject: str) -> None:
    token = sealed(store, "某", subject)
    assert store.reveal(token, subject) == "某"
    assert store.reveal(token, subject + "x") == token


def test_a_changed_or_moved_token_is_refused(store: KeyStore) -> None:
    token = sealed(store)
    head, _, hidden = token.rpartition(":")
    raw = bytearray(base64.urlsafe_b64decode(hidden))
    raw[20] ^= 1
    changed = [
        f"{head}:{base64.urlsafe_b64encode(raw).decode()}",
        token.replace("contact_name", "contact_phone"),
        token.replace(str(AGGREGATE), str(uuid4())),
        token.replace("registered", "renamed"),
        f"{head}:AAAA",
    ]
    assert {store.reveal(one, SUBJECT) for one in changed} == {DAMAGED}
    assert store.reveal(token.replace("personal:1:1:", "personal:1:2:"), SUBJECT) == NOT_HERE


def test_an_erased_key_leaves_no_byte_of_itself_in_the_store(store: KeyStore, config: Config) -> None:
    token = sealed(store)
    path = config.data / "keys.sqlite"
    master = read_masters(config.data / "master.key")[0]
    with store.table._asking() as connection:
        (wrapped,) = connection.exec_driver_sql("SELECT wrapped FROM subject_keys").one()
    assert wrapped in path.read_bytes()
    assert store.erase(SUBJECT, 1, NOW, "到期") is True
    left = b"".join(one.read_bytes() for one in config.data.iterdir())
    assert wrapped not in left
    assert master.id.encode() not in path.read_bytes()
    assert store.reveal(token, SUBJECT) == "已删除 erased 2021-03-05：到期"
    assert store.erase(SUBJECT, 1, NOW, "又一次") is False


def test_another_process_notices_an_erasure_within_seconds(
    store: KeyStore, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sealed(store)
    other = another(config)
    assert other.reveal(token, SUBJECT) == "欧阳明珠"
    store.erase(SUBJECT, 1, NOW, "到期")
    moment = time.monotonic()
    monkeypatch.setattr("shared.personal_data.keystore.time.monotonic", lambda: moment + 2.1)
    assert other.reveal(token, SUBJECT) == "已删除 erased 2021-03-05：到期"
    # Writing never goes by memory: the next text has the next key, at once.
    assert sealed(other).startswith(f"personal:1:2:{SUBJECT}:")
    other.close()


def test_many_processes_that_make_a_key_at_once_end_with_one(config: Config) -> None:
    code = (
        "import sys; from pathlib import Path; from uuid import UUID; from shared.process.config import Config\n"
        "from shared.personal_data.keystore import KeyStore; from shared.domain.clock import system_clock\n"
        "store = KeyStore(Config(data=Path(sys.argv[1])), system_clock); input()\n"
        "print(store.seal(sys.argv[2], 'a.b', UUID(int=7), {'holder': '某人'})['holder'])"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(config.data), SUBJECT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    tokens = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    store = another(config)
    assert [store.reveal(token, SUBJECT) for token in tokens] == ["某人"] * 4
    assert {token.split(":")[2] for token in tokens} == {"1"}
    with store.table._asking() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM subject_keys").scalar_one() == 1
    store.close()


# --- the master key ----------------------------------------------------------------------------------------


def test_masters_are_changed_while_another_process_reads_and_writes(store: KeyStore, config: Config) -> None:
    other = another(config)
    tokens = [sealed(store, f"人{n}", f"u/{n}") for n in range(5)]
    assert other.reveal(tokens[0], "u/0") == "人0"
    old = read_masters(config.data / "master.key")
    make_master(config.data / "new.key")
    assert rotate_master(config, store, config.data / "new.key") == 5
    assert [other.reveal(token, f"u/{n}") for n, token in enumerate(tokens)] == [f"人{n}" for n in range(5)]
    assert other.reveal(sealed(other, "后来", "u/9"), "u/9") == "后来"
    new = read_masters(config.data / "new.key")[0]
    assert read_masters(config.data / "master.key") == [new, *old]
    with other.table._asking() as connection:
        used = connection.exec_driver_sql("SELECT DISTINCT master_id FROM subject_keys").scalars().all()
    assert used == [new.id]
    assert rotate_master(config, store, config.data / "new.key") == 0
    # Without the former master everything is still there.
    (config.data / "master.key").write_text(new.line, "ascii")
    check_keys(config, clock())
    fresh = another(config)
    assert fresh.reveal(tokens[3], "u/3") == "人3"
    fresh.close()
    other.close()


def test_a_configured_master_is_changed_only_when_every_process_can_read_the_next_one(tmp_path: Path) -> None:
    config = Config(data=tmp_path, master_key=tmp_path / "configured")
    make_master(tmp_path / "configured")
    make_master(tmp_path / "next")
    store = KeyStore(config, clock())
    token = sealed(store)
    with pytest.raises(MasterNotReadableYet):
        rotate_master(config, store, tmp_path / "next")
    lines = [(tmp_path / name).read_text("ascii") for name in ("configured", "next")]
    (tmp_path / "configured").write_text("".join(lines), "ascii")
    assert rotate_master(config, store, tmp_path / "next") == 1
    assert (tmp_path / "configured").read_text("ascii") == "".join(lines)
    assert store.reveal(token, SUBJECT) == "欧阳明珠"
    store.close()


def test_the_wrong_master_is_refused_at_the_start_by_its_variables_name(
    store: KeyStore, config: Config, tmp_path: Path
) -> None:
    sealed(store)
    make_master(tmp_path / "other.key")
    wrong = replace(config, master_key=tmp_path / "other.key")
    with pytest.raises(Misconfigured, match=r"^DUBAN_MASTER_KEY: .*other.key is not the key"):
        check_keys(wrong, clock())
    env = {name: value for name, value in os.environ.items() if not name.startswith("DUBAN_")}
    env |= {"DUBAN_DATA": str(config.data), "DUBAN_MASTER_KEY": str(tmp_path / "other.key")}
    for arguments in (["services.enterprise", "web"], ["services.enterprise", "worker"], ["services", "web"]):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], env=env, capture_output=True, text=True, cwd=ROOT, timeout=60
        )
        assert (done.returncode, "duban: DUBAN_MASTER_KEY: " in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr
    (config.data / "master.key").unlink()
    with pytest.raises(Misconfigured, match=r"DUBAN_MASTER_KEY: .*master.key"):
        check_keys(config, clock())  # and no new one is made over keys that it could not read
    assert not (config.data / "master.key").exists()


@pytest.mark.parametrize("content", ["", "AAAA\n", "not base64!\n", base64.b64encode(bytes(31)).decode()])
def test_a_file_that_holds_no_master_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "master"
    path.write_text(content, "ascii")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match=r"^DUBAN_MASTER_KEY: "):
        check_keys(Config(data=tmp_path, master_key=path), clock())


def test_a_master_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_master(tmp_path / "master")
    (tmp_path / "master").chmod(0o644)
    with pytest.raises(Misconfigured, match="mode 0644"):
        read_masters(tmp_path / "master")


def test_with_a_database_the_master_key_is_configured_or_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^DUBAN_MASTER_KEY: needed with DUBAN_DATABASE"):
        Config.from_environment({"DUBAN_DATABASE": "postgresql://duban@127.0.0.1:5432/duban_{service}"})
    make_master(tmp_path / "master")
    config = Config.from_environment(
        {
            "DUBAN_DATABASE": "postgresql://duban@127.0.0.1:5432/duban_{service}",
            "DUBAN_MASTER_KEY": str(tmp_path / "master"),
        }
    )
    assert config.keys_place == "postgresql://duban@127.0.0.1:5432/duban_keys"


def test_the_command_line_makes_and_changes_the_master(store: KeyStore, config: Config) -> None:
    token = sealed(store)
    run = CliRunner().invoke
    made = run(main, ["person", "make-master", str(config.data / "next")])
    assert "已生成 made" in made.output
    assert (config.data / "next").stat().st_mode & 0o777 == 0o600
    assert "已存在 there already" in run(main, ["person", "make-master", str(config.data / "next")]).output
    done = run(main, ["person", "rotate-master", str(config.data / "next"), "--data", str(config.data)])
    assert (done.exit_code, done.output) == (0, "1 个密钥已重新封装 keys wrapped anew\n")
    assert read_masters(config.data / "master.key")[0] == read_masters(config.data / "next")[0]
    assert store.reveal(token, SUBJECT) == "欧阳明珠"


def test_a_master_is_known_by_an_id_that_tells_nothing_of_it() -> None:
    one, two = Master.of(bytes(32)), Master.of(bytes(31) + b"\1")
    assert one.id != two.id
    assert bytes(32).hex()[:16] != one.id


# --- the store's file ----------------------------------------------------------------------------------------


def test_the_stores_file_is_its_owners_alone_from_its_first_byte(config: Config) -> None:
    code = (
        "import os, stat, sys; from pathlib import Path; from uuid import UUID\n"
        "from shared.process.config import Config\n"
        "from shared.personal_data.keystore import KeyStore; from shared.domain.clock import system_clock\n"
        "os.umask(0)\n"
        "data, seen = Path(sys.argv[1]), set()\n"
        "def look(*_):\n"
        "    seen.update((path.name, oct(path.stat().st_mode)[-3:]) for path in data.glob('keys.sqlite*'))\n"
        "store = KeyStore(Config(data=data), system_clock)\n"
        "sys.setprofile(look)\n"  # at each call and return
        "store.seal('fgw/head', 'a.b', UUID(int=7), {'holder': '某人'})\n"
        "sys.setprofile(None)\n"
        "print(sorted(seen))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(config.data)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "[('keys.sqlite', '600'), ('keys.sqlite-journal', '600')]\n"


def test_a_store_that_others_may_read_stops_the_start_and_says_what_to_do(
    store: KeyStore, config: Config
) -> None:
    token = sealed(store)
    store.close()
    path = config.data / "keys.sqlite"
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match=rf"^DUBAN_KEYS: .*mode 0644.*: chmod 600 {path}$"):
        check_keys(config, clock())
    with pytest.raises(DatabaseUnavailable, match="chmod 600"):
        store.reveal(token, SUBJECT)
    env = {name: value for name, value in os.environ.items() if not name.startswith("DUBAN_")}
    env |= {"DUBAN_DATA": str(config.data)}
    for arguments in (["services.enterprise", "web"], ["services", "audit", "serve"]):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], env=env, capture_output=True, text=True, cwd=ROOT, timeout=60
        )
        assert (done.returncode, "duban: DUBAN_KEYS: " in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr
    path.chmod(0o600)
    check_keys(config, clock())
    assert store.reveal(token, SUBJECT) == "欧阳明珠"


# --- the store is away ---------------------------------------------------------------------------------------


def test_only_personal_data_wait_for_an_unavailable_key_store(tmp_path: Path) -> None:
    with Opened(tmp_path / "data", clock(), *SUITE.values()) as opened:
        office = opened.client("enterprise", "government_office", "office", "office/head")
        body = {"credit_code": SUBJECT, "name": "甲公司", "contact_name": "欧阳明珠"}
        as_id(office.post("/api/v1/enterprises", body))
        clerk = opened.client("assignment", "government_office", "office", "office/head")
        opened.settle()
        keys, aside = tmp_path / "data" / "keys.sqlite", tmp_path / "aside"
        for runtime in opened.runtimes.values():
            runtime.app.personal_data.close()
        keys.rename(aside)
        keys.mkdir()  # nothing that could be opened
        away = office.get("/api/v1/enterprises")
        assert (away.status_code, away.headers["Retry-After"]) == (503, "2")
        other = {**body, "credit_code": "91150623MA0N00002" + "5", "name": "乙公司"}
        before = opened.log("enterprise")
        assert office.post("/api/v1/enterprises", other).status_code == 503
        assert opened.log("enterprise") == before
        # Nothing personal in it: as ever.
        as_id(clerk.post("/api/v1/units", {"id": "fgw", "name": "发改委", "kind": "department"}))
        assert office.get("/api/v1/whistles").status_code == 200
        leader = opened.client("enterprise", "main_leader", "gov", "gov/main-leader")
        assert leader.get("/api/v1/enterprises").json["items"][0]["contact_name"] is None
        keys.rmdir()
        aside.rename(keys)
        assert office.get("/api/v1/enterprises").json["items"][0]["contact_name"] == "欧阳明珠"


def test_a_key_store_without_its_master_key_is_unavailable(store: KeyStore, config: Config) -> None:
    token = sealed(store)
    (config.data / "master.key").rename(config.data / "elsewhere")
    other = another(config)
    with pytest.raises(DatabaseUnavailable, match="DUBAN_MASTER_KEY"):
        other.reveal(token, SUBJECT)
    (config.data / "elsewhere").rename(config.data / "master.key")
    assert other.reveal(token, SUBJECT) == "欧阳明珠"
    other.close()


def test_a_subject_without_keys_cannot_be_erased(store: KeyStore) -> None:
    store.keyed("a request")  # its key is kept with the subjects', and is no person's
    for subject in ("zrj/head", FINGERPRINTS):
        with pytest.raises(NothingToErase):
            present_generation(store, subject)
