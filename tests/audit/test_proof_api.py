"""Checkpoints, keys and proofs over HTTP: an auditor checks them with nothing but RFC 9162 and a public key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import Client

from services.suite import SUITE
from shared.audit import merkle, seal
from shared.audit.checkpoint import Checkpoint, Note, PublicKey
from shared.events.audit import AuditAccessed
from shared.testing import Caller, Opened, StoppedClock, an_act, shanghai
from shared.web.server import dispatch

NOW = shanghai("2021-02-05 10:00")
AUDIT = "/api/v1/audit/assignment"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with Opened(tmp_path, StoppedClock(NOW), *SUITE.values()) as opened:
        for number in range(5):
            register(opened, f"u{number}")
        opened.settle()
        opened.clock.advance(hours=2)
        for number in range(5, 9):
            register(opened, f"u{number}")
        opened.settle()
        yield opened


def register(opened: Opened, unit: str) -> UUID:
    app: Any = opened["assignment"].app
    written = app.register_unit(an_act(opened.clock.now), unit=unit, name=f"单位{unit}", kind="department")
    return UUID(written.id)


def auditor(opened: Opened, role: str = "auditor") -> Caller:
    return opened.client("assignment", role, "audit", "audit/auditor")


def checkpoint_of(note: str, key: PublicKey) -> Checkpoint:
    read = Note.parse(note)
    assert read.signer([key]) == key
    return Checkpoint.parse(read.text)


def as_bytes(path: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in path]


def first_key(caller: Caller) -> PublicKey:
    return PublicKey.parse(caller.get(f"{AUDIT}/keys").json["keys"][0]["vkey"])


def test_an_event_is_proved_under_the_newest_checkpoint_and_under_an_older_one(opened: Opened) -> None:
    caller = auditor(opened)
    key = first_key(caller)
    [row] = opened["assignment"].app.log.leaf_rows(2, 1)
    assert row[1] is not None
    assert row[3] is not None
    older = caller.get(f"{AUDIT}/checkpoints").json["items"][0]
    for size in (None, older["size"]):
        asked = f"{AUDIT}/inclusion?aggregate={UUID(bytes=row[1])}&version={row[2]}"
        answer = caller.get(asked if size is None else f"{asked}&size={size}")
        assert answer.status_code == 200, answer.json
        proof = answer.json
        checkpoint = checkpoint_of(proof["checkpoint"], key)
        leaf = merkle.leaf_hash(row[1], row[2], row[3], row[4])
        assert (proof["leaf"], proof["position"], proof["index"]) == (leaf.hex(), 3, 2)
        assert checkpoint.size == (size or caller.get(f"{AUDIT}/checkpoints/latest").json["size"])
        merkle.check_inclusion(leaf, 2, checkpoint.size, as_bytes(proof["path"]), checkpoint.root)


def test_the_newer_checkpoint_extends_the_older_one(opened: Opened) -> None:
    caller = auditor(opened)
    key = first_key(caller)
    one, two = caller.get(f"{AUDIT}/checkpoints").json["items"]
    assert one["size"] < two["size"]
    proof = caller.get(f"{AUDIT}/consistency?first={one['size']}").json
    first, second = (checkpoint_of(proof[f"{which}_checkpoint"], key) for which in ("first", "second"))
    assert (first.size, second.size) == (one["size"], two["size"])
    merkle.check_consistency(first.size, second.size, as_bytes(proof["path"]), first.root, second.root)
    named = caller.get(f"{AUDIT}/consistency?first={one['size']}&second={two['size']}").json
    assert named["path"] == proof["path"]


def test_checkpoints_come_in_pages(opened: Opened) -> None:
    caller = auditor(opened)
    page = caller.get(f"{AUDIT}/checkpoints?limit=1").json
    assert [one["id"] for one in page["items"]] == [1]
    rest = caller.get(f"{AUDIT}/checkpoints?limit=1&cursor={page['next']}").json
    assert [one["id"] for one in rest["items"]] == [2]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("asked", "status", "rule"),
    [
        (f"inclusion?aggregate={UUID(int=7)}&version=1", 404, "no-such-event"),
        ("consistency?first=1", 404, "no-checkpoint-of-that-size"),
        ("consistency?first=9999", 422, "sizes-are-the-wrong-way-round"),
        ("inclusion?aggregate=x&version=1", 422, None),
        (f"inclusion?aggregate={UUID(int=7)}&version=0", 422, None),
        ("consistency", 422, None),
        ("checkpoints?cursor=x", 422, None),
    ],
)
def test_what_cannot_be_proved_is_refused_with_its_reason(
    opened: Opened, asked: str, status: int, rule: str | None
) -> None:
    answer = auditor(opened).get(f"{AUDIT}/{asked}")
    assert answer.status_code == status, answer.json
    assert rule in (None, answer.json["rule"])


def test_an_event_that_is_not_sealed_yet_is_not_proved(opened: Opened) -> None:
    aggregate = register(opened, "late")
    answer = auditor(opened).get(f"{AUDIT}/inclusion?aggregate={aggregate}&version=1")
    assert (answer.status_code, answer.json["rule"]) == (409, "not-sealed-yet")
    opened.settle()  # in the tree, and no checkpoint says so yet
    answer = auditor(opened).get(f"{AUDIT}/inclusion?aggregate={aggregate}&version=1")
    assert (answer.status_code, answer.json["rule"]) == (409, "not-sealed-yet")
    runtime = opened["assignment"]
    seal.seal_now(opened.config, "assignment", runtime.app.log, opened.clock)
    assert auditor(opened).get(f"{AUDIT}/inclusion?aggregate={aggregate}&version=1").status_code == 200


def test_nothing_is_proved_from_a_tree_that_was_changed(opened: Opened) -> None:
    with opened["assignment"].app.log.writing() as execute:
        execute("UPDATE seal_tiles SET hashes=zeroblob(length(hashes))", ())
    [row] = opened["assignment"].app.log.leaf_rows(2, 1)
    assert row[1] is not None
    answer = auditor(opened).get(f"{AUDIT}/inclusion?aggregate={UUID(bytes=row[1])}&version={row[2]}")
    assert (answer.status_code, answer.json["rule"]) == (409, "tree-does-not-lead-there")


@pytest.mark.parametrize("role", ["overseer", "unit_head", "operator", "main_leader", "supervision_office"])
def test_only_an_auditor_is_answered(opened: Opened, role: str) -> None:
    for asked in ("checkpoints", "checkpoints/latest", "keys", "inclusion", "consistency"):
        assert auditor(opened, role).get(f"{AUDIT}/{asked}").status_code == 403


def test_every_access_is_recorded_in_the_log(opened: Opened) -> None:
    caller = auditor(opened)
    caller.get(f"{AUDIT}/keys")
    caller.get(f"{AUDIT}/keys")
    caller.get(f"{AUDIT}/consistency?first=1")
    asked = opened.of_kind("assignment", AuditAccessed)
    assert [fact.question for fact in asked] == ["keys", "keys", "consistency"]
    assert [(one.name, one.value) for one in asked[-1].about] == [("first", "1")]
    assert asked[0].by.post == "audit/auditor"


def test_on_one_port_every_service_answers_for_its_own_log(opened: Opened) -> None:
    port = Client(dispatch({name: runtime.web() for name, runtime in opened.runtimes.items()}))
    token = auditor(opened)._token
    for name in SUITE:
        answer = port.get(f"/api/v1/audit/{name}/keys", headers={"Authorization": f"Bearer {token}"})
        keys = answer.json["keys"]  # type: ignore[index]
        assert [key["name"] for key in keys] == ([f"duban.local/{name}"] if keys else [])
