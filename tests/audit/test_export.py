"""An export is verified by one file of its own, without us, without network; any edit is noticed (A3)."""

import ast
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import StoredEvent

from deploy.stack.old_python import old_python
from shared.audit import export as exporting
from shared.audit import merkle, seal, verify
from shared.audit.checkpoint import PublicKey
from shared.audit.export import ExportFolderIsNotEmpty, Selection, export
from shared.testing import shanghai
from tests.audit.sealed import SERVICE, Events, Sealed, open_sealed
from tests.installed import installed

ALL = Selection(clearance="secret")


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Sealed]:
    """A log of 300 events with three checkpoints and one change of keys."""
    opened = open_sealed(tmp_path / "data", create=True)
    events = Events(11, 9)
    opened.write(events.some(120))
    opened.seal()
    seal.rotate(opened.config, {SERVICE: opened.tree}, opened.clock)
    opened.write(events.some(180))
    opened.seal()
    yield opened
    opened.close()


def exported(sealed: Sealed, folder: Path, selection: Selection = ALL) -> dict[str, Any]:
    return export(folder, sealed.config, sealed.clock, {SERVICE: sealed.app.log}, [SERVICE], selection)


OWN = str(Path(sysconfig.get_config_var("BINDIR")) / "python3")
NAMES = ("pypy3", *(f"python3.{minor}" for minor in range(7, 21)))


def run(folder: Path, *arguments: str, python: str = OWN) -> subprocess.CompletedProcess[str]:
    """verify.py as an auditor runs it: nothing in the environment, no package, no network where that can be had."""
    command = [*OFFLINE, "env", "-i", python, "-I", "-S", "verify.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, encoding="utf-8")


def _offline() -> list[str]:
    tried = ["unshare", "-n"]
    try:
        return (
            tried
            if subprocess.run([*tried, "true"], capture_output=True, check=False).returncode == 0
            else []
        )
    except FileNotFoundError:
        return []


OFFLINE = _offline()


def test_an_export_is_verified_in_an_empty_environment(sealed: Sealed, tmp_path: Path) -> None:
    exported(sealed, tmp_path / "export")
    moved = tmp_path / "elsewhere" / "on a stick"
    shutil.copytree(tmp_path / "export", moved)
    done = run(moved)
    assert (done.returncode, done.stderr) == (0, "")
    assert "assignment：300 条事件，3 个检查点，2 个公钥；300 条有内容" in done.stdout
    assert "全部相符" in done.stdout
    assert "Everything holds" in done.stdout
    print("without network" if OFFLINE else "unshare -n is not permitted here: with network")


def pythons_here() -> list[str]:
    """Those of this machine that are 3.7 or newer, and not only the name of one that could be installed."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += sorted(map(str, (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python")))
    asked = "import sys; sys.exit(sys.version_info < (3, 7))"
    return [
        python
        for python in found
        if subprocess.run(["env", "-i", python, "-c", asked], capture_output=True, check=False).returncode
        == 0
    ]


def oldest_python() -> str:
    """CPython 3.7."""
    return str(installed(old_python, "Python 3.7"))


def test_verify_py_runs_on_every_python_from_3_7_on(sealed: Sealed, tmp_path: Path) -> None:
    """A whole export, a key that is another's, and one edit of each file: the same answers as ours on each of them."""
    folder = tmp_path / "export"
    exported(sealed, folder)
    key = json.loads((folder / SERVICE / "keys.json").read_bytes())[1]["vkey"]
    edits = [folder / "manifest.note", *sorted((folder / SERVICE).rglob("*.*"))]

    def answers(python: str) -> list[tuple[int, str]]:
        found = [run(folder, python=python), run(folder, "--key", key, python=python)]
        for file in (file for file in edits if file.is_file()):
            whole = file.read_bytes()
            file.write_bytes(whole[:-9])
            found.append(run(folder, python=python))
            file.write_bytes(whole)
        return [(one.returncode, one.stdout) for one in found]

    wanted = answers(OWN)
    assert [code for code, _ in wanted] == [0] + [1] * (len(wanted) - 1)
    for python in [oldest_python(), *pythons_here()]:
        assert answers(python) == wanted, python


def test_verify_py_is_written_in_the_python_of_3_7() -> None:
    """Also where 3.7 itself is not to be had. That the types are right, mypy says by the annotations."""
    text = Path(verify.__file__).read_text("utf-8")
    ast.parse(text, feature_version=(3, 7))
    for newer in (
        "removeprefix",
        "removesuffix",
        "cached_property",
        "is_relative_to",
        "strict=",
        "with_stem",
    ):
        assert newer not in text


def test_verify_py_is_the_suites_own_file_of_the_standard_library_only(
    sealed: Sealed, tmp_path: Path
) -> None:
    exported(sealed, tmp_path / "export")
    text = (tmp_path / "export" / "verify.py").read_text("utf-8")
    assert text == Path(verify.__file__).read_text("utf-8")
    assert len(text.splitlines()) < 300, "an auditor reads it in ten minutes"
    imported = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)
    assert not imported & {"socket", "urllib", "http", "subprocess"}


@pytest.mark.parametrize(
    "name",
    [
        "assignment/events.ndjson",
        "assignment/keys.json",
        "assignment/tile/0/000",
        "assignment/tile/0/001.p/44",
        "assignment/checkpoints/000000001-120.note",
        "assignment/checkpoints/000000002-120.note",
        "assignment/checkpoints/000000003-300.note",
        "schemas.json",
        "manifest.json",
        "manifest.note",
        "verify.py",
    ],
)
def test_every_edit_of_every_file_is_noticed(sealed: Sealed, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "export"
    exported(sealed, folder)
    file = folder / name
    whole = file.read_bytes()
    chance = random.Random(name)

    def refused(edit: str) -> None:
        done = run(folder)
        assert done.returncode == 1, f"{edit}: {done.stdout}{done.stderr}"
        if name != "verify.py":
            assert "DOES NOT HOLD" in done.stdout, f"{edit}: {done.stderr}"
            assert "Traceback" not in done.stderr, edit

    for _ in range(2):
        at = chance.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[at] ^= 1
        if name == "verify.py":  # an edit that leaves it a program
            flipped = bytearray(whole + b"# one line more\n")
        file.write_bytes(flipped)
        refused(f"a bit at {at}")
    file.write_bytes(whole + b"\n")
    refused("a newline at the end")
    if name != "verify.py":
        file.write_bytes(whole[: len(whole) // 2])
        refused("the second half gone")
        file.unlink()
        refused("gone")
    file.write_bytes(whole)
    assert run(folder).returncode == 0


def test_an_edit_is_noticed_though_the_manifest_is_made_to_match(sealed: Sealed, tmp_path: Path) -> None:
    """Whoever edits an event and its hash in the manifest still lacks the key that signed the manifest and the tree."""
    folder = tmp_path / "export"
    exported(sealed, folder)
    file = folder / "assignment" / "events.ndjson"
    file.write_text(file.read_text("utf-8").replace("fgw/head", "fgw/deputy", 1), "utf-8")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"]["assignment/events.ndjson"] = sha256(file.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    done = run(folder)
    assert done.returncode == 1
    assert "assignment: line 1 is not the event that was sealed" in done.stdout
    assert "the manifest is not the one that was signed" in done.stdout


def test_a_file_that_was_added_is_noticed(sealed: Sealed, tmp_path: Path) -> None:
    exported(sealed, tmp_path / "export")
    (tmp_path / "export" / "assignment" / "tile" / "0" / "002").write_bytes(bytes(8192))
    assert "is no part of this export" in run(tmp_path / "export").stdout


def test_the_key_on_paper_decides(sealed: Sealed, tmp_path: Path) -> None:
    exported(sealed, tmp_path / "export")
    keys = json.loads((tmp_path / "export" / "assignment" / "keys.json").read_text("utf-8"))
    assert run(tmp_path / "export", "--key", keys[0]["vkey"]).returncode == 0
    stranger = PublicKey(
        f"duban.local/{SERVICE}", Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    )
    assert run(tmp_path / "export", "--key", str(stranger)).returncode == 1
    other = PublicKey("duban.local/notify", stranger.key)
    assert "whose log is not in this export" in run(tmp_path / "export", "--key", str(other)).stdout
    assert run(tmp_path / "export", "--key", "nonsense").returncode == 2


def test_what_is_not_selected_has_no_content_and_still_verifies(sealed: Sealed, tmp_path: Path) -> None:
    rows = sealed.app.log.leaf_rows(0, 1000)
    chosen = UUID(bytes=rows[7][1])
    selections = {
        "aggregate": (
            Selection(aggregates=frozenset({chosen}), clearance="secret"),
            lambda row: row[1] == chosen.bytes,
        ),
        "since": (
            Selection(since=shanghai("2021-01-04 09:02"), clearance="secret"),
            lambda row: json.loads(row[4])["timestamp"] >= "2021-01-04T01:02:00Z",
        ),
        "until": (
            Selection(until=shanghai("2021-01-04 09:02"), clearance="secret"),
            lambda row: json.loads(row[4])["timestamp"] < "2021-01-04T01:02:00Z",
        ),
    }
    for name, (selection, wanted) in selections.items():
        manifest = exported(sealed, tmp_path / name, selection)
        lines = (tmp_path / name / "assignment" / "events.ndjson").read_text("utf-8").splitlines()
        assert [json.loads(line)["position"] for line in lines] == [row[0] for row in rows if wanted(row)]
        claims = manifest["services"][SERVICE]
        assert 0 < claims["events"] == len(lines) < 300
        assert claims["without_content"] == {"not_selected": 300 - len(lines), "above_clearance": 0}
        assert run(tmp_path / name).returncode == 0


def test_what_is_above_the_clearance_has_no_content(sealed: Sealed, tmp_path: Path) -> None:
    state = json.dumps(
        {"timestamp": "2021-01-04T02:00:00Z", "title": "不公开的事项", "secrecy": "secret"},
        ensure_ascii=False,
    )
    secret = StoredEvent(UUID(int=7), 1, "assignment.task_assigned", state.encode())
    sealed.app.log.insert_events([secret])
    for clearance, events in (("internal", 300), ("secret", 301)):
        folder = tmp_path / clearance
        manifest = exported(sealed, folder, Selection(clearance=clearance))
        claims = manifest["services"][SERVICE]
        assert (claims["events"], claims["size"]) == (events, 301)
        assert claims["without_content"] == {"not_selected": 0, "above_clearance": 301 - events}
        everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert ("不公开的事项".encode() in everything) == (clearance == "secret")
        done = run(folder)
        assert done.returncode == 0, done.stdout
        assert f"301 条事件，4 个检查点，2 个公钥；{events} 条有内容" in done.stdout


def test_an_event_that_was_tampered_with_before_the_export_is_named(sealed: Sealed, tmp_path: Path) -> None:
    with sealed.app.log.writing() as execute:
        execute("UPDATE stored_events SET state=? WHERE rowid=?", (b'{"note":"\xff"}', 77))
    manifest = exported(sealed, tmp_path / "export")
    assert manifest["services"][SERVICE]["mismatches"] == [76]
    done = run(tmp_path / "export")
    assert done.returncode == 1
    assert "assignment: leaf 76 was not as sealed when exported" in done.stdout
    assert "assignment: line 77 is not the event that was sealed" in done.stdout


def test_odd_bytes_survive_the_way_through_json(sealed: Sealed, tmp_path: Path) -> None:
    odd = '{"note":"\u2028\x85\\"\\n\U0001f600"}'.encode() + b'\x0b\r{"\xff\xfe"}'
    event = StoredEvent(
        originator_id=UUID(int=5), originator_version=1, topic="assignment.odd\u2028", state=odd
    )
    sealed.app.log.insert_events([event])
    exported(sealed, tmp_path / "export")
    done = run(tmp_path / "export")
    assert done.returncode == 0, done.stdout
    assert "301 条有内容" in done.stdout


def test_an_export_never_goes_into_a_folder_that_holds_something(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "mine").write_text("x", "utf-8")
    with pytest.raises(ExportFolderIsNotEmpty):
        exported(sealed, tmp_path / "export")
    assert os.listdir(tmp_path / "export") == ["mine"]


def test_every_event_has_its_schema() -> None:
    found = exporting.schemas()
    assert "assignment.task_assigned" in found["topics"]
    assert found["topics"]["assignment.task_assigned"]["$ref"] == "#/$defs/TaskAssigned"
    assert "due_on" in found["$defs"]["TaskAssigned"]["properties"]


def test_the_two_implementations_of_the_tree_agree() -> None:
    """verify.py shares no line with the suite; here both go over the same leaves."""
    hashes = [sha256(b"%d" % number).digest() for number in range(600)]
    peaks, roots = merkle.Peaks(), verify.roots_of(hashes, set(range(601)))
    for size in range(601):
        start = size // 256 * 256
        assert roots[size] == peaks.root(hashes[start:size])
        if size % 256 == 255:
            peaks.add(merkle.tile_root(hashes[start : size + 1]))


def test_the_plain_ed25519_agrees_with_the_librarys() -> None:
    key = Ed25519PrivateKey.generate()
    public, text = key.public_key().public_bytes_raw(), b"text"
    signature = key.sign(text)
    assert verify.signed_by(public, text, signature)
    assert not verify.signed_by(public, b"Text", signature)
    order = (2**252 + 27742317777372353535851937790883648493).to_bytes(33, "little")[:32]
    above = (int.from_bytes(signature[32:], "little") + int.from_bytes(order, "little")).to_bytes(
        32, "little"
    )
    assert not verify.signed_by(public, text, signature[:32] + above), "s must be below the order"
    for at in range(0, 64, 7):
        flipped = bytearray(signature)
        flipped[at] ^= 4
        assert not verify.signed_by(public, text, bytes(flipped))
        wrong = bytearray(public)
        wrong[at // 2] ^= 4
        assert not verify.signed_by(bytes(wrong), text, signature)


RFC_8032 = [
    # §7.1, tests 1 to 3: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_plain_ed25519_accepts_the_rfcs_vectors(public: str, message: str, signature: str) -> None:
    assert verify.signed_by(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
