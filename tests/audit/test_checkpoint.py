"""Signed checkpoints: as C2SP writes them, read strictly, judged along the chain of keys."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit.checkpoint import (
    BadNote,
    Checkpoint,
    Note,
    PublicKey,
    Read,
    Shown,
    Signer,
    read_checkpoints,
)
from shared.testing import shanghai

ORIGIN = "duban.local/assignment"
NOW = shanghai("2021-03-05 16:00")
C2SP_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
C2SP_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
"""The example of golang.org/x/mod/sumdb/note, whose format signed-note specifies."""


def a_signer(name: str = ORIGIN) -> Signer:
    return Signer(name, Ed25519PrivateKey.generate())


def signed(
    signer: Signer,
    size: int,
    root: bytes = bytes(32),
    next_key: PublicKey | None = None,
    origin: str = ORIGIN,
) -> str:
    at = NOW + timedelta(hours=size)
    return signer.sign(Checkpoint(origin, size, root, at, next_key).text())


def judged(first: Signer | None, *notes: str) -> Read:
    shown = [Shown(f"database {number}", note) for number, note in enumerate(notes, 1)]
    return read_checkpoints(ORIGIN, None if first is None else first.public, shown)


def kinds(read: Read) -> list[str]:
    return [problem.kind for problem in read.problems]


def test_the_notes_and_keys_of_the_go_library_are_read() -> None:
    key = PublicKey.parse(C2SP_KEY)
    assert str(key) == C2SP_KEY
    assert Note.parse(C2SP_NOTE).signer([key]) == key
    with pytest.raises(BadNote):
        Note.parse(C2SP_NOTE.replace("answer", "Answer")).signer([key])


def test_a_checkpoint_has_the_lines_that_c2sp_wants() -> None:
    signer = a_signer()
    lines = signed(signer, 417, b"\x01" * 32).split("\n")
    assert lines[:4] == [
        ORIGIN,
        "417",
        base64.b64encode(b"\x01" * 32).decode(),
        "time 2021-03-22T17:00:00Z",
    ]
    assert lines[4] == ""
    assert lines[5].startswith(f"— {ORIGIN} ")
    assert lines[6:] == [""]


def test_a_note_is_read_back_unchanged() -> None:
    signer, following = a_signer(), a_signer()
    checkpoint = Checkpoint(ORIGIN, 7, b"\x02" * 32, NOW, following.public)
    assert Checkpoint.parse(Note.parse(signer.sign(checkpoint.text())).text) == checkpoint


@pytest.mark.parametrize(
    "edit",
    [
        lambda note: note[:-1],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("417", "0417"),
        lambda note: note.replace("417", "-1"),
        lambda note: note.replace("417", "4 17"),
        lambda note: note.replace("time ", "at "),
        lambda note: note.replace("Z\n", "\n"),
        lambda note: note.replace("AAAA=", "AAAB="),
        lambda note: note.replace("AAAA=", "AAAA"),
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("— ", "—  "),
        lambda note: note + "\n",
        lambda note: note + "x" * 1_000_000,
        lambda _: "",
        lambda _: "\n\n",
        lambda _: "a\nb\nc\n\n— a AAAA\n",
    ],
)
def test_a_malformed_note_is_refused(edit: object) -> None:
    signer = a_signer()
    note = edit(signed(signer, 417))  # type: ignore[operator]
    with pytest.raises(BadNote):
        Checkpoint.parse(Note.parse(note).text)
    assert kinds(judged(signer, note)) == ["unreadable"]


@pytest.mark.parametrize(
    "text", ["", "a+b", f"{C2SP_KEY}x", C2SP_KEY.replace("c74f20a3", "c74f20a4"), "a+00000000+AQ=="]
)
def test_a_malformed_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        PublicKey.parse(text)


def test_every_letter_of_a_checkpoint_is_under_its_signature() -> None:
    signer = a_signer()
    note = signed(signer, 417)
    for at, letter in enumerate(note):
        edited = note[:at] + ("x" if letter != "x" else "y") + note[at + 1 :]
        assert not judged(signer, edited).held, f"{letter!r} at {at}"


# --- the chain of keys -----------------------------------------------------------------------------------


def test_trust_follows_the_chain_of_next_keys() -> None:
    one, two, three = a_signer(), a_signer(), a_signer()
    notes = [
        signed(one, 10),
        signed(one, 20, next_key=two.public),
        signed(two, 30),
        signed(two, 30, next_key=three.public),
        signed(three, 40),
    ]
    read = judged(one, *reversed(notes))
    assert kinds(read) == []
    assert [checkpoint.size for _, checkpoint in read.held] == [10, 20, 30, 30, 40]
    assert read.keys == [one.public, two.public, three.public]


def test_a_checkpoint_signed_by_an_unknown_key_is_reported_and_does_not_count() -> None:
    own, stranger = a_signer(), a_signer()
    read = judged(
        own, signed(own, 10), signed(stranger, 20), signed(stranger, 20, next_key=a_signer().public)
    )
    assert kinds(read) == ["stranger", "stranger"]
    assert [problem.where for problem in read.problems] == ["database 2", "database 3"]
    assert [checkpoint.size for _, checkpoint in read.held] == [10]
    assert read.keys == [own.public]


def test_without_a_key_every_signer_is_unknown() -> None:
    assert kinds(judged(None, signed(a_signer(), 10))) == ["stranger"]


def test_a_key_that_signs_after_it_handed_over_is_named() -> None:
    one, two = a_signer(), a_signer()
    read = judged(one, signed(one, 20, next_key=two.public), signed(two, 30), signed(one, 40))
    assert kinds(read) == ["retired_key"]
    assert [checkpoint.size for _, checkpoint in read.held] == [20, 30]


def test_two_checkpoints_of_one_size_with_different_roots_are_a_split_view() -> None:
    own = a_signer()
    read = judged(own, signed(own, 10, b"\x01" * 32), signed(own, 10, b"\x02" * 32))
    assert kinds(read) == ["split_view"]
    assert "10" in read.problems[0].en


def test_two_checkpoints_of_one_size_with_the_same_root_are_none() -> None:
    own = a_signer()
    again = own.sign(Checkpoint(ORIGIN, 10, bytes(32), NOW).text())
    assert kinds(judged(own, signed(own, 10), again)) == []


def test_a_key_that_hands_over_to_two_others_is_named() -> None:
    one, two, three = a_signer(), a_signer(), a_signer()
    read = judged(
        one, signed(one, 10, next_key=two.public), signed(one, 10, next_key=three.public), signed(three, 20)
    )
    assert kinds(read) == ["two_chains", "stranger"]


def test_another_logs_checkpoint_is_none_of_this_one() -> None:
    own = a_signer()
    read = judged(own, signed(own, 10, origin="duban.local/notify"))
    assert kinds(read) == ["unreadable"]
    assert "duban.local/notify" in read.problems[0].en


def test_an_edited_checkpoint_is_distinguished_from_an_unknown_signer() -> None:
    own = a_signer()
    assert kinds(judged(own, signed(own, 10).replace("\n10\n", "\n11\n"))) == ["bad_signature"]
