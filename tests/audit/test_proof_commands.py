"""An auditor's commands: seal, verify, take away, prove one fact, change the key; a changed fact is named."""

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

import services.__main__
from services.suite import SUITE
from shared.audit import merkle
from shared.audit.checkpoint import Checkpoint, Note, PublicKey
from shared.events import audit as events
from shared.log.codec import decode
from shared.testing import Opened, StoppedClock, an_act, shanghai

NOW = shanghai("2021-02-05 10:00")
PYTHON = "/usr/bin/python3"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Opened(tmp_path / "data", StoppedClock(NOW), *SUITE.values()) as opened:
        app: Any = opened["assignment"].app
        for number in range(5):
            app.register_unit(an_act(NOW), unit=f"u{number}", name=f"单位{number}", kind="department")
    return tmp_path / "data"


def duban(data: Path, *arguments: str) -> Any:
    command = ["audit", arguments[0], "--data", str(data), *arguments[1:]]
    return CliRunner().invoke(services.__main__.main, command)


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(data / "assignment" / "events.sqlite") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_a_sealed_log_holds_and_a_changed_fact_is_named(data: Path) -> None:
    assert duban(data, "checkpoint").exit_code == 0
    whole = duban(data, "verify", "--outside", str(data / "checkpoints"), "--json")
    assert whole.exit_code == 0, whole.output
    assert [one["holds"] for one in json.loads(whole.stdout)] == [True] * 4
    [(position, aggregate)] = rows(
        data, "SELECT rowid, originator_id FROM stored_events WHERE CAST(state AS TEXT) LIKE '%单位3%'"
    )
    with sqlite3.connect(data / "assignment" / "events.sqlite") as connection:
        connection.execute(
            "UPDATE stored_events SET state=CAST(replace(CAST(state AS TEXT),'单位3','单位8') AS BLOB) WHERE rowid=?",
            (position,),
        )
    connection.close()
    changed = duban(data, "verify", "--service", "assignment", "--json")
    assert changed.exit_code == 1
    [report] = json.loads(changed.stdout)
    first = report["findings"][0]
    assert (first["position"], first["aggregate"]) == (position, str(UUID(aggregate)))


def test_an_export_proves_itself_and_one_fact_is_proved_under_the_newest_checkpoint(
    data: Path, tmp_path: Path
) -> None:
    assert duban(data, "export", str(tmp_path / "export")).exit_code == 0
    done = subprocess.run(
        [PYTHON, "-I", "verify.py"], cwd=tmp_path / "export", env={}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [(aggregate, version), *_] = rows(data, "SELECT originator_id, originator_version FROM stored_events")
    proved = duban(data, "prove", f"assignment/{aggregate}/{version}")
    assert proved.exit_code == 0, proved.output
    proof = json.loads(proved.stdout)
    signed = Checkpoint.parse(Note.parse(proof["checkpoint"]).text)
    path = [bytes.fromhex(one) for one in proof["path"]]
    merkle.check_inclusion(bytes.fromhex(proof["leaf"]), proof["index"], signed.size, path, signed.root)
    assert duban(data, "prove", f"assignment/{aggregate}/99").exit_code == 1
    assert duban(data, "export", str(tmp_path / "export")).exit_code == 1, "the folder is not empty"


def test_after_a_change_of_the_key_the_chain_still_holds(data: Path) -> None:
    assert duban(data, "checkpoint").exit_code == 0
    assert duban(data, "rotate-key").exit_code == 0
    assert duban(data, "checkpoint").exit_code == 0
    [report] = json.loads(duban(data, "verify", "--service", "assignment", "--json").stdout)
    assert report["holds"]
    assert len(report["keys"]) == 2


def test_each_access_is_recorded_in_the_log_that_was_read(data: Path) -> None:
    assert duban(data, "verify", "--service", "assignment").exit_code == 3, "no checkpoint: nothing is proven"
    [last] = rows(data, "SELECT topic, state FROM stored_events ORDER BY rowid DESC LIMIT 1")
    fact: Any = decode(last[0], bytes(last[1]))
    assert isinstance(fact, events.AuditAccessed)
    assert fact.question == "verify"


def test_a_key_or_a_checkpoint_of_an_unknown_log_is_refused(data: Path, tmp_path: Path) -> None:
    assert duban(data, "checkpoint").exit_code == 0
    kept = data / "checkpoints" / "assignment" / "checkpoints" / "000000001-6.note"
    vkey = (data / "checkpoints" / "assignment" / "keys" / "000001.vkey").read_text("utf-8").strip()
    held = duban(data, "verify", "--service", "assignment", "--checkpoint", str(kept), "--key", vkey)
    assert held.exit_code == 0, held.output
    foreign = tmp_path / "foreign.note"
    foreign.write_text(kept.read_text("utf-8").replace("duban.local", "elsewhere.cn"), "utf-8")
    refused = duban(data, "verify", "--checkpoint", str(foreign))
    assert refused.exit_code == 1
    assert "--checkpoint: foreign.note" in refused.output
    stranger = PublicKey("elsewhere.cn/assignment", PublicKey.parse(vkey).key)
    refused = duban(data, "verify", "--key", str(stranger))
    assert refused.exit_code == 1
    assert "--key: elsewhere.cn/assignment" in refused.output
    assert duban(data, "verify", "--key", "nonsense").exit_code == 1


def test_a_later_checkpoint_extends_an_earlier_one(data: Path) -> None:
    assert duban(data, "checkpoint").exit_code == 0
    assert duban(data, "checkpoint").exit_code == 0  # the look itself has made the log longer
    proved = duban(data, "prove-consistency", "--service", "assignment", "6")
    assert proved.exit_code == 0, proved.output
    proof = json.loads(proved.stdout)
    one, two = (
        Checkpoint.parse(Note.parse(proof[f"{which}_checkpoint"]).text) for which in ("first", "second")
    )
    assert (one.size, two.size) == (6, 7)
    path = [bytes.fromhex(hash_) for hash_ in proof["path"]]
    merkle.check_consistency(one.size, two.size, path, one.root, two.root)
    assert duban(data, "prove-consistency", "--service", "assignment", "5").exit_code == 1
