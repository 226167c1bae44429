"""The seal role: the tree grows with the log, checkpoints are signed in time and leave the house, keys are changed."""

import random
import socketserver
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from email import message_from_string, policy
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import StoredEvent

from services.processes import worker_of
from services.suite import SUITE
from shared.audit import merkle, seal
from shared.audit.checkpoint import Checkpoint, Note, PublicKey, Shown, Signer
from shared.audit.evidence import evidence_of
from shared.audit.places import Outside, OutsideDiffers, copy_outside, folder_of
from shared.audit.tree import Tree
from shared.audit.verification import verify
from shared.process.config import Config, Misconfigured
from shared.runtime.gauges import gauges
from shared.runtime.opening import open_service
from shared.testing import Opened, StoppedClock
from tests.audit.sealed import ORIGIN, SERVICE, START, Events, Sealed, open_sealed


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Sealed]:
    opened = open_sealed(tmp_path / "data", create=True)
    yield opened
    opened.close()


def root_of(sealed: Sealed, size: int) -> bytes:
    """The root as a loop over the log makes it."""
    hashes = merkle.leaf_hashes(sealed.app.log.leaf_rows(0, size))
    peaks = merkle.Peaks()
    for start in range(0, size // 256 * 256, 256):
        peaks.add(merkle.tile_root(hashes[start : start + 256]))
    return peaks.root(hashes[size // 256 * 256 :])


def checkpoints(sealed: Sealed) -> list[Checkpoint]:
    return [Checkpoint.parse(Note.parse(one.note).text) for one in sealed.tree.checkpoints()]


# --- the tree --------------------------------------------------------------------------------------------


def test_the_tree_is_the_same_in_whatever_steps_it_grew(sealed: Sealed) -> None:
    chance = random.Random(1)
    events = Events(1, 50)
    sizes = [0]
    for count in [1, 254, 1, 1, 255, 256, 257, 512, 700, *(chance.randrange(1, 90) for _ in range(12))]:
        sealed.write(events.some(count))
        while sealed.sealer.step():
            pass
        sizes.append(sizes[-1] + count)
        assert sealed.tree.position().size == sizes[-1]
        nodes = sealed.tree.nodes()
        assert merkle.root(nodes, sizes[-1]) == root_of(sealed, sizes[-1])
    for size in sizes[1:]:
        assert merkle.root(sealed.tree.nodes(), size) == root_of(sealed, size), (
            "and it holds every earlier one"
        )
    assert sealed.verify().holds


def test_a_tree_of_three_levels(sealed: Sealed) -> None:
    sealed.write(Events(2, 500).some(256 * 256 + 300))
    sealed.seal()
    assert sealed.tree.tile(2, 0) is not None
    assert sealed.outside.tile(2, 0) is not None
    assert sealed.verify(sealed.outside).holds
    assert sealed.tree.index_of(65_600) == 65_599
    nodes = sealed.tree.nodes()
    size = sealed.tree.position().size
    leaf = merkle.leaf_hashes(sealed.app.log.leaf_rows(65_599, 1))[0]
    path = merkle.inclusion_proof(nodes, 65_599, size)
    merkle.check_inclusion(leaf, 65_599, size, path, checkpoints(sealed)[-1].root)


def test_an_event_is_found_by_its_position_though_positions_have_gaps(sealed: Sealed) -> None:
    events = Events(3, 20)
    sealed.write(events.some(400))
    with sealed.app.log.writing() as execute:
        for position in range(400, 0, -1):
            execute("UPDATE stored_events SET rowid=? WHERE rowid=?", (position * 3, position))
    sealed.seal()
    for index in (0, 1, 255, 256, 257, 399):
        assert sealed.tree.index_of((index + 1) * 3) == index
    assert sealed.tree.index_of(4) is None
    assert sealed.tree.index_of(1201) is None


def test_two_sealers_at_once_make_one_tree(sealed: Sealed) -> None:
    sealed.write(Events(4, 50).some(9000))
    others = [seal.Sealer(SERVICE, sealed.app.log, sealed.config, sealed.clock) for _ in range(3)]
    failures: list[BaseException] = []

    def work(sealer: seal.Sealer) -> None:
        try:
            while sealer.tree.position().size < 9000:
                sealer.step()
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    sealed.seal()
    assert sealed.verify(sealed.outside).holds


def test_a_row_that_is_no_event_holds_up_sealing_and_nothing_else(sealed: Sealed) -> None:
    events = Events(5, 9)
    sealed.write(events.some(10))
    with sealed.app.log.writing() as execute:
        execute("UPDATE stored_events SET state='text' WHERE rowid=4", ())
    assert not sealed.sealer.step()
    assert sealed.sealer.unavailable()["tree"] == 1
    assert "tree: " in sealed.sealer.problems()[0]
    sealed.write(events.some(10))
    assert sealed.sealer.lag() == 20
    [first, *_] = sealed.verify().findings
    assert (first.kind, first.position) == ("not_an_event", 4)


# --- checkpoints -----------------------------------------------------------------------------------------


def test_a_checkpoint_is_signed_at_once_and_then_every_hour_while_the_log_grows(sealed: Sealed) -> None:
    events = Events(6, 9)

    def worked() -> list[int]:
        while sealed.sealer.step():
            pass
        return [one.size for one in sealed.tree.checkpoints()]

    assert worked() == [], "an empty log needs none"
    sealed.write(events.some(5))
    assert worked() == [5]
    sealed.write(events.some(5))
    sealed.clock.advance(minutes=59)
    assert worked() == [5]
    sealed.clock.advance(minutes=1)
    assert worked() == [5, 10]
    sealed.clock.advance(hours=5)
    assert worked() == [5, 10], "nothing new"
    sealed.write(events.some(1))
    assert worked() == [5, 10, 11]
    assert [one.time for one in checkpoints(sealed)][1] == START.replace(hour=2)
    assert [one.root for one in checkpoints(sealed)] == [root_of(sealed, size) for size in (5, 10, 11)]


def test_a_checkpoint_on_demand_covers_the_whole_log(sealed: Sealed) -> None:
    sealed.write(Events(7, 9).some(3000))
    signed, away = seal.seal_now(sealed.config, SERVICE, sealed.app.log, sealed.clock)
    assert (signed.size, away) == (3000, [])
    again, _ = seal.seal_now(sealed.config, SERVICE, sealed.app.log, sealed.clock)
    assert again == signed, "nothing new to say"
    assert sealed.sealer.step() is False
    assert len(sealed.tree.checkpoints()) == 1


# --- the copy outside ------------------------------------------------------------------------------------


def test_the_copy_outside_only_grows_and_has_every_tile(sealed: Sealed) -> None:
    events = Events(8, 30)
    kept: dict[Path, bytes] = {}
    for count in (100, 156, 1, 600, 2000):
        sealed.write(events.some(count))
        sealed.seal()
        files = {path: path.read_bytes() for path in sealed.outside.folder.rglob("*") if path.is_file()}
        files.pop(sealed.outside.folder / "checkpoint")
        assert kept.items() <= files.items()
        kept = files
    assert sealed.outside.size() == 2857
    assert (sealed.outside.folder / "tile/0/011.p/41").exists()
    assert (sealed.outside.folder / "tile/1/000.p/11").exists()
    assert [one.where for one in sealed.outside.notes()][-1] == "000000005-2857.note"
    newest = sealed.tree.last()
    assert newest is not None
    assert (sealed.outside.folder / "checkpoint").read_text("utf-8") == newest.note
    assert sealed.verify(sealed.outside).holds


def test_a_deviating_copy_is_never_overwritten_and_is_reported(sealed: Sealed) -> None:
    sealed.write(Events(9, 9).some(10))
    sealed.seal()
    note = next((sealed.outside.folder / "checkpoints").iterdir())
    note.write_text("something else\n", "utf-8")
    newest = sealed.tree.last()
    assert newest is not None
    with pytest.raises(OutsideDiffers, match="holds something else"):
        copy_outside(sealed.outside.folder, sealed.tree, newest)
    assert note.read_text("utf-8") == "something else\n"


def test_a_log_that_was_sealed_anew_does_not_pass_over_the_copy_outside(sealed: Sealed) -> None:
    events = Events(10, 9)
    sealed.write(events.some(300))
    sealed.seal()
    with sealed.app.log.writing() as execute:
        for table in ("seal_tiles", "seal_checkpoints", "seal_deliveries"):
            execute(f"DELETE FROM {table}", ())
        execute("UPDATE seal_mark SET size=0, position=0", ())
        execute("UPDATE stored_events SET state=? WHERE rowid=7", (b"{}",))
    sealer = seal.Sealer(SERVICE, sealed.app.log, sealed.config, sealed.clock)
    while sealer.step():
        pass
    [trouble] = sealer.problems()
    assert "holds something else than the database" in trouble


def test_an_unavailable_folder_blocks_nothing_and_is_filled_later(tmp_path: Path) -> None:
    outside = tmp_path / "mounted" / "outside"
    sealed = open_sealed(tmp_path / "data", create=True, seal_folder=outside)
    outside.parent.write_text("not mounted", "utf-8")
    events = Events(11, 9)
    for count in (10, 20):
        sealed.write(events.some(count))
        sealed.clock.advance(hours=1)
        while sealed.sealer.step():
            pass
    assert [one.size for one in sealed.tree.checkpoints()] == [10, 30]
    assert [value for name, value in sealed.sealer.unavailable().items() if name.startswith("folder")] == [
        1.0
    ]
    outside.parent.unlink()
    sealed.sealer._failing.clear()  # the wait of five seconds is over
    sealed.sealer.step()
    assert sealed.sealer.problems() == []
    assert [one.where for one in sealed.outside.notes()] == ["000000001-10.note", "000000002-30.note"]
    assert sealed.verify(sealed.outside).holds
    sealed.close()


# --- mail ------------------------------------------------------------------------------------------------


class MailServer(socketserver.ThreadingTCPServer):
    """As much of SMTP (RFC 5321) as a sender needs."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.mails: list[tuple[list[str], str]] = []
        super().__init__(("127.0.0.1", port), _Session)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        to: list[str] = []
        assert isinstance(self.server, MailServer)
        while line := self.rfile.readline():
            verb = line.split(b" ")[0].strip().upper()
            if verb == b"RCPT":
                to.append(line.decode().split("<")[1].split(">")[0])
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append((to, b"".join(lines).decode()))
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@contextmanager
def mail_server(port: int = 0) -> Iterator[MailServer]:
    with MailServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_checkpoint_goes_out_by_mail_and_can_be_verified_from_it(tmp_path: Path) -> None:
    with mail_server() as server:
        sealed = open_sealed(
            tmp_path / "data",
            create=True,
            smtp=f"127.0.0.1:{server.port}",
            seal_mail_to="audit@example.gov.cn,news@example.cn",
        )
        events = Events(12, 9)
        for count in (10, 20):
            sealed.write(events.some(count))
            sealed.seal()
    assert [to for to, _ in server.mails] == [["audit@example.gov.cn", "news@example.cn"]] * 2
    mail = message_from_string(server.mails[0][1], policy=policy.default)
    assert "assignment 10" in mail["Subject"]
    text = mail.get_content().replace("\r\n", "\n")
    note = text[text.index(ORIGIN) :].rstrip("\n") + "\n"
    assert note == sealed.tree.checkpoints()[0].note
    assert sealed.verify(others=[Shown("mail", note)]).holds
    with sealed.app.log.writing() as execute:
        execute("UPDATE stored_events SET state=? WHERE rowid=7", (b"{}",))
    assert not sealed.verify(others=[Shown("mail", note)]).holds
    sealed.close()


def test_an_unavailable_mail_server_blocks_nothing_and_gets_every_checkpoint_later(tmp_path: Path) -> None:
    with mail_server() as free:
        port = free.port
    sealed = open_sealed(
        tmp_path / "data", create=True, smtp=f"127.0.0.1:{port}", seal_mail_to="audit@example.gov.cn"
    )
    events = Events(13, 9)
    for count in (10, 20):
        sealed.write(events.some(count))
        sealed.clock.advance(hours=1)
        while sealed.sealer.step():
            pass
    assert [one.size for one in sealed.tree.checkpoints()] == [10, 30]
    assert sealed.sealer.unavailable()["mail"] == 1
    wait = sealed.sealer._failing["mail"]
    for _ in range(50):
        sealed.sealer.step()
    assert sealed.sealer._failing["mail"] is wait, "it is not asked at each step: each try makes a new wait"
    with mail_server(port) as server:
        sealed.sealer._failing.clear()  # the wait of five seconds is over
        sealed.sealer.step()
    assert sealed.sealer.problems() == []
    subjects = [message_from_string(mail, policy=policy.default)["Subject"] for _, mail in server.mails]
    assert [subject.rpartition(" ")[2] for subject in subjects] == ["10", "30"]
    sealed.close()


# --- keys ------------------------------------------------------------------------------------------------


def test_the_key_is_made_at_the_first_need_and_is_the_owners_alone(sealed: Sealed) -> None:
    sealed.write(Events(14, 9).some(5))
    sealed.seal()
    path = seal.key_path(sealed.config)
    assert (path.name, path.stat().st_mode & 0o777) == ("seal.key", 0o600)
    assert list(sealed.tree.keys()) == [Signer(ORIGIN, seal.read_key(path)).public]
    path.chmod(0o644)
    with pytest.raises(seal.SealKeyWrong, match="mode 0644"):
        seal.signer_of(sealed.config, SERVICE, sealed.tree)


def test_a_mounted_key_is_used_where_nothing_can_be_written() -> None:
    seal.make_key(Path("/proc/version"))  # there, and nobody can write beside it


def test_a_key_that_cannot_be_made_is_the_sealers_problem_and_does_not_end_it(sealed: Sealed) -> None:
    nowhere = replace(sealed.config, seal_key=Path("/proc/seal.key"))
    with pytest.raises(seal.SealKeyWrong, match="none can be made"):
        seal.signer_of(nowhere, SERVICE, sealed.tree)


def test_after_a_change_of_the_key_trust_goes_on_from_the_first(sealed: Sealed) -> None:
    events = Events(15, 9)
    sealed.write(events.some(10))
    sealed.seal()
    first = sealed.tree.keys()[0]
    for _ in range(2):
        seal.rotate(sealed.config, {SERVICE: sealed.tree}, sealed.clock)
        sealed.write(events.some(10))
        sealed.seal()
    assert len(sealed.tree.keys()) == 3
    report = sealed.verify(sealed.outside, first_key=first)
    assert report.holds, report.findings
    assert (report.checkpoints, len(report.keys)) == (5, 3)
    assert sealed.verify(first_key=sealed.tree.keys()[1]).findings, "not from a later one"


@pytest.mark.parametrize("done_before", [0, 1, 2])
def test_a_change_of_the_key_that_was_interrupted_is_completed(tmp_path: Path, done_before: int) -> None:
    """The power fails after one of the services, or before the file is put in its place."""
    clock = StoppedClock(START)
    with Opened(tmp_path, clock, SUITE["assignment"], SUITE["notify"]) as opened:
        trees = {name: Tree(opened[name].app.log) for name in ("assignment", "notify")}
        for name in trees:
            opened[name].app.log.insert_events(Events(16, 3).some(4))
            seal.seal_now(opened.config, name, opened[name].app.log, clock)
        old = seal.read_key(seal.key_path(opened.config)).private_bytes_raw()
        seal.make_key(seal.next_key_path(opened.config))
        for name in list(trees)[:done_before]:
            following = Signer(f"duban.local/{name}", seal.read_key(seal.next_key_path(opened.config))).public
            seal.sign(opened.config, name, trees[name], clock, next_key=following)
            events = Events(17, 3)
            opened[name].app.log.insert_events(
                [
                    StoredEvent(
                        originator_id=UUID(int=9), originator_version=1, topic=one.topic, state=one.state
                    )
                    for one in events.some(1)
                ]
            )
            seal.seal_now(opened.config, name, opened[name].app.log, clock)  # and life goes on in between
        lines = seal.rotate(opened.config, trees, clock)
        assert len(lines) == 2
        assert not seal.next_key_path(opened.config).exists()
        assert seal.read_key(seal.key_path(opened.config)).private_bytes_raw() != old
        for name, tree in trees.items():
            assert len(tree.keys()) == 2
            seal.catch_up(tree)
            seal.sign(opened.config, name, tree, clock)
            report = verify(evidence_of(opened[name].app.log, name, f"duban.local/{name}"))
            assert report.holds, report.findings


def test_nothing_is_signed_with_a_key_that_is_not_the_logs(sealed: Sealed) -> None:
    sealed.write(Events(18, 9).some(10))
    sealed.seal()
    seal.key_path(sealed.config).unlink()
    with pytest.raises(seal.SealKeyWrong):
        seal.sign(sealed.config, SERVICE, sealed.tree, sealed.clock)
    assert not seal.key_path(sealed.config).exists(), "a lost key is not made anew in silence"
    seal.make_key(seal.key_path(sealed.config))
    with pytest.raises(seal.SealKeyWrong):
        seal.sign(sealed.config, SERVICE, sealed.tree, sealed.clock)


def test_a_checkpoint_signed_by_an_unknown_key_in_the_database_is_found(sealed: Sealed) -> None:
    sealed.write(Events(20, 9).some(10))
    sealed.seal()
    stranger = Signer(ORIGIN, Ed25519PrivateKey.generate())
    forged = Checkpoint(ORIGIN, 10, root_of(sealed, 10), sealed.clock())
    sealed.tree.add_checkpoint(forged, stranger.sign(forged.text()))
    assert [one.kind for one in sealed.verify().findings] == ["stranger"]
    assert [one.kind for one in sealed.verify(first_key=stranger.public).findings].count("stranger") == 1


def test_a_split_view_between_the_database_and_what_was_kept_is_found(sealed: Sealed) -> None:
    """Two histories of one length, both signed with the log's own key."""
    sealed.write(Events(21, 9).some(10))
    sealed.seal()
    signer = seal.signer_of(sealed.config, SERVICE, sealed.tree)
    other = Checkpoint(ORIGIN, 10, b"\x07" * 32, sealed.clock())
    report = sealed.verify(others=[Shown("the auditor's own", signer.sign(other.text()))])
    kinds = {one.kind for one in report.findings}
    assert {"split_view", "root", "checkpoint_missing"} <= kinds
    assert report.proven == 0


def test_the_key_given_decides_whose_log_it_is(sealed: Sealed) -> None:
    sealed.write(Events(22, 9).some(10))
    sealed.seal()
    stranger = PublicKey(ORIGIN, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert not sealed.verify(first_key=stranger).holds
    assert sealed.verify(first_key=sealed.tree.keys()[0]).holds


# --- as a process ----------------------------------------------------------------------------------------


def test_a_sealer_that_is_killed_at_any_moment_loses_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    config = Config(data=tmp_path / "data", poll_seconds=0.01, seal_seconds=1.0, log_level="error")
    kill_again_and_again(config, tmp_path, request)


def kill_again_and_again(config: Config, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Ten times, while the log of SERVICE grows; the tree is then the one that is made in peace."""
    chance = random.Random(23)
    runtime = open_service(SUITE[SERVICE], config, config.make_clock())
    events = Events(23, 200)
    runtime.app.log.insert_events(events.some(12_000))
    tree = Tree(runtime.app.log)
    worker = worker_of(SERVICE, config, tmp_path / "worker.log", role="seal")
    request.addfinalizer(worker.kill)

    def until_more_than(size: int) -> None:
        end = time.monotonic() + 60
        while tree.position().size <= size:
            assert time.monotonic() < end, (tmp_path / "worker.log").read_text("utf-8")
            time.sleep(0.002)

    worker.start()
    killed_at = []
    # Amid the batches, before the first, while a checkpoint is signed and copied.
    for latest in (0.02, 0.02, 0.02, 0.3, 0.3, 0.02, 0.3, 0.02, 0.3, 0.02):
        until_more_than(tree.position().size)
        time.sleep(chance.uniform(0, latest))
        worker.kill()
        killed_at.append(tree.position().size)
        runtime.app.log.insert_events(events.some(6_000))
        worker.start()
    until_more_than(events.written - 1)
    end = time.monotonic() + 60
    while (
        (last := tree.last()) is None
        or last.size < events.written
        or tree.delivered(_folder(config)) < last.id
    ):
        assert time.monotonic() < end, (tmp_path / "worker.log").read_text("utf-8")
        time.sleep(0.05)
    assert worker.stop() == 0
    report = verify(
        evidence_of(runtime.app.log, SERVICE, ORIGIN, outside=Outside(folder_of(config, SERVICE)))
    )
    assert report.holds, report.findings
    assert report.events == report.sealed == report.proven == events.written == 72_000
    print(f"killed at {killed_at}, {report.checkpoints} checkpoints")
    peaceful = open_sealed(tmp_path / "peace", create=True)
    peaceful.write(Events(23, 200).some(events.written))
    peaceful.seal()
    for level in range(3):
        assert list(tree.tiles(level)) == list(peaceful.tree.tiles(level)) != []
    assert tree.position() == peaceful.tree.position()
    peaceful.close()
    runtime.close()


def _folder(config: Config) -> str:
    return f"folder {folder_of(config, SERVICE).resolve()}"


def test_a_data_folder_of_the_release_before_gets_its_tree(tmp_path: Path) -> None:
    with Opened(tmp_path, StoppedClock(START), SUITE["notify"]) as opened:
        opened["notify"].app.log.insert_events(Events(24, 3).some(7))
    with closing(sqlite3.connect(tmp_path / "notify" / "events.sqlite")) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'seal_%'"
        ).fetchall():
            connection.execute(f"DROP TABLE {name}")
        connection.commit()
    with Opened(tmp_path, StoppedClock(START), SUITE["notify"]) as opened:
        sealer = opened["notify"].sealer
        while sealer.step():
            pass
        last = sealer.tree.last()
        assert last is not None
        assert last.size == 7


def test_what_sealing_waits_for_is_measured(tmp_path: Path) -> None:
    with Opened(tmp_path, StoppedClock(START), SUITE["notify"]) as opened:
        runtime = opened["notify"]
        runtime.app.log.insert_events(Events(25, 3).some(7))
        asked = {gauge.name: values for gauge, values in gauges(runtime)}
        assert list(asked["duban_seal_unsealed"].values()) == [7.0]
        assert list(asked["duban_seal_active"].values()) == [1.0]
        while runtime.sealer.step():
            pass
        asked = {gauge.name: values for gauge, values in gauges(runtime)}
        assert list(asked["duban_seal_unsealed"].values()) == [0.0]
        assert set(asked["duban_seal_away"].values()) == {0.0}


def test_every_service_has_the_role_and_the_worker_does_it(tmp_path: Path) -> None:
    for service in SUITE.values():
        assert "seal" in service.roles
    with Opened(tmp_path, StoppedClock(START), SUITE["notify"]) as opened:
        assert opened["notify"].sealer.step in opened["notify"].steps()
        assert opened["notify"].steps("seal") == [opened["notify"].sealer.step]


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("DUBAN_SEAL_SECONDS", "0", "not between"),
        ("DUBAN_SEAL_ORIGIN", "two words", "not a name"),
        ("DUBAN_SEAL_MAIL_TO", "nobody", "a@b.cn"),
        ("DUBAN_SEAL_MAIL_TO", "a@b.cn", "needs DUBAN_SMTP"),
        ("DUBAN_SMTP", "mail", "host:port"),
    ],
)
def test_a_faulty_setting_is_named(variable: str, value: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=f"{variable}: .*{reason}"):
        Config.from_environment({variable: value})
