"""Signed checkpoints: the size and the root of a log at a moment (C2SP tlog-checkpoint, signed-note).

::

    duban.local/assignment              origin: the log's name
    417                                 size: the number of events
    qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=   root (RFC 9162)
    time 2021-03-05T08:00:00Z           when it was signed (UTC)
    next-key duban.local/assignment+…   only where the key changes: the next key signs from here on

    — duban.local/assignment <base64(key id ‖ Ed25519 signature over the lines above)>

Key id = SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)[:4]. The chain of trust starts at the first public key and follows
the ``next-key`` lines, each signed by the key before.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.audit.merkle import HASH

ED25519 = b"\x01"
"""The algorithm byte of signed-note."""
KEY_ID = 4
SIGNATURE = 64
LARGEST = 1_000_000
"""The longest note that is read, in characters."""


class BadNote(Exception):
    """A malformed note, checkpoint or public key; the text says what is wrong."""


@dataclass(frozen=True)
class PublicKey:
    """A named public key (验证公钥)."""

    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        """The key id, 4 bytes."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:KEY_ID]

    def __str__(self) -> str:
        """The signed-note form: ``name+key id+base64``."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.key).decode()}"

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read ``name+key id+base64``. Raises BadNote."""
        found = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", text.strip())
        if found is None:
            raise BadNote(f"{text!r} is not a public key: name+id+base64")
        raw = _base64(found[3], "public key")
        if len(raw) != 33 or raw[:1] != ED25519:
            raise BadNote("the public key is not one of Ed25519")
        key = cls(found[1], raw[1:])
        if key.id.hex() != found[2]:
            raise BadNote(f"the public key's id should be {key.id.hex()}, not {found[2]}")
        return key

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether this key made ``signature`` over ``text``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A named private key."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """Its public key."""
        return PublicKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """A signed note of ``text``, which ends with a newline."""
        signed = base64.b64encode(self.public.id + self.private.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signed}\n"


@dataclass(frozen=True)
class Note:
    """A text with signatures."""

    text: str
    signatures: Sequence[tuple[str, bytes, bytes]]
    """Name, key id, signature."""

    @classmethod
    def parse(cls, written: str) -> "Note":
        """Read a signed note. Raises BadNote."""
        if len(written) > LARGEST:
            raise BadNote("the note is too long")
        text, between, signed = written.rpartition("\n\n")
        if not between or not signed.endswith("\n"):
            raise BadNote("no empty line stands before the signatures, or no newline behind them")
        signatures = []
        for line in signed[:-1].split("\n"):
            found = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+=*)", line)
            if found is None:
                raise BadNote(f"{line[:80]!r} is not a signature")
            raw = _base64(found[2], "signature")
            if len(raw) != KEY_ID + SIGNATURE:
                raise BadNote("a signature has the wrong length")
            signatures.append((found[1], raw[:KEY_ID], raw[KEY_ID:]))
        return cls(text + "\n", signatures)

    def signer(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """The first of ``keys`` that signed the note, or None.

        Raises BadNote if a signature in one of their names is invalid.
        """
        found = None
        for key in keys:
            for name, key_id, signature in self.signatures:
                if (name, key_id) == (key.name, key.id):
                    if not key.verifies(self.text.encode(), signature):
                        raise BadNote(f"the signature is not that of {key.name}+{key.id.hex()}")
                    found = found or key
        return found


@dataclass(frozen=True)
class Checkpoint:
    """检查点: the size and the root of a log at a moment."""

    origin: str
    size: int
    root: bytes
    time: datetime
    next_key: PublicKey | None = None

    def text(self) -> str:
        """What is signed."""
        lines = [
            self.origin,
            str(self.size),
            base64.b64encode(self.root).decode(),
            f"time {self.time.astimezone(UTC).isoformat().replace('+00:00', 'Z')}",
            *([] if self.next_key is None else [f"next-key {self.next_key}"]),
        ]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a note's text as a checkpoint. Raises BadNote. Unknown extension lines are ignored."""
        lines = text.split("\n")
        if len(lines) < 5 or lines[-1] or not all(lines[:-1]):
            raise BadNote("a checkpoint has an origin, a size, a root and a time, a line each")
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", lines[1]):
            raise BadNote(f"{lines[1][:40]!r} is not a size")
        root = _base64(lines[2], "root")
        if len(root) != HASH:
            raise BadNote("the root has not 32 bytes")
        extensions = dict(line.partition(" ")[::2] for line in lines[3:-1])
        try:
            time = datetime.fromisoformat(extensions["time"])
            if time.tzinfo is None:
                raise ValueError
        except (KeyError, ValueError) as error:
            raise BadNote("the checkpoint does not say at what time it was made") from error
        next_key = PublicKey.parse(extensions["next-key"]) if "next-key" in extensions else None
        return cls(lines[0], int(lines[1]), root, time.astimezone(UTC), next_key)


def _base64(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote(f"the {what} is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise BadNote(f"the {what} is not base64 in its one usual form")
    return raw


# --- the chain of keys -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A note and its source: ``database 3``, or a file's name."""

    where: str
    note: str


@dataclass(frozen=True)
class Problem:
    """What is wrong with a checkpoint."""

    kind: str
    where: str
    size: int | None
    zh: str
    en: str


@dataclass
class Read:
    """The checkpoints signed by the chain of keys, and the problems of the others."""

    held: list[tuple[str, Checkpoint]] = field(default_factory=list)
    """Source and checkpoint, smallest first."""
    problems: list[Problem] = field(default_factory=list)
    keys: list[PublicKey] = field(default_factory=list)
    """The chain, the first key first."""


def read_checkpoints(origin: str, first_key: PublicKey | None, shown: Iterable[Shown]) -> Read:
    """Read and check together all checkpoints of one log, whatever their source.

    Problems are: an unreadable checkpoint or one of another log; a signature by no key of the chain from
    ``first_key``; a signature by a key that had handed over before; a key that handed over to two others; two
    different roots for one size (分叉视图, split view).
    """
    found = Read(keys=[] if first_key is None else [first_key])
    readable: dict[str, tuple[str, Note, Checkpoint]] = {}
    for one in shown:
        try:
            note = Note.parse(one.note)
            checkpoint = Checkpoint.parse(note.text)
            if checkpoint.origin != origin:
                raise BadNote(f"it is of {checkpoint.origin}, not of {origin}")
        except BadNote as error:
            found.problems.append(
                Problem(
                    "unreadable",
                    one.where,
                    None,
                    f"检查点无法读取：{error}",
                    f"the checkpoint cannot be read: {error}",
                )
            )
            continue
        readable.setdefault(one.note, (one.where, note, checkpoint))
    signers = _follow_keys(found, list(readable.values()))
    roots: dict[int, tuple[str, bytes]] = {}
    for place, (where, _, checkpoint) in sorted(
        enumerate(readable.values()), key=lambda pair: (pair[1][2].size, pair[1][2].time)
    ):
        if place not in signers:
            continue
        found.held.append((where, checkpoint))
        before = roots.setdefault(checkpoint.size, (where, checkpoint.root))
        if before[1] != checkpoint.root:
            found.problems.append(
                Problem(
                    "split_view",
                    where,
                    checkpoint.size,
                    f"分叉视图：同为 {checkpoint.size} 条，此处与 {before[0]} 的根不同，两者都有有效签名",
                    f"split view: two signed roots for {checkpoint.size} events, here and in {before[0]}",
                )
            )
    return found


def _follow_keys(found: Read, readable: Sequence[tuple[str, Note, Checkpoint]]) -> set[int]:
    """Follow the chain from the first key; the indexes of ``readable`` that it signed."""
    signed_by: dict[int, PublicKey] = {}
    wrong: set[int] = set()
    handed_over: dict[bytes, tuple[int, PublicKey]] = {}
    for key in found.keys:  # grows during the loop
        for place, (where, note, checkpoint) in enumerate(readable):
            if place in signed_by or place in wrong:
                continue
            try:
                if note.signer([key]) is None:
                    continue
            except BadNote as error:
                wrong.add(place)
                found.problems.append(
                    Problem(
                        "bad_signature",
                        where,
                        checkpoint.size,
                        "签名不对，内容被改过",
                        f"the content was edited: {error}",
                    )
                )
                continue
            signed_by[place] = key
            if checkpoint.next_key is None:
                continue
            before = handed_over.setdefault(key.id, (checkpoint.size, checkpoint.next_key))
            if before[1] != checkpoint.next_key:
                found.problems.append(
                    Problem(
                        "two_chains",
                        where,
                        checkpoint.size,
                        f"密钥 {key.id.hex()} 先后移交给两个不同的密钥",
                        f"the key {key.id.hex()} handed over to two different keys",
                    )
                )
            elif checkpoint.next_key not in found.keys:
                found.keys.append(checkpoint.next_key)
    for place, (where, _, checkpoint) in enumerate(readable):
        if place in wrong:
            continue
        signer = signed_by.get(place)
        if signer is None:
            found.problems.append(
                Problem(
                    "stranger",
                    where,
                    checkpoint.size,
                    "由未知的密钥签名",
                    "signed by an unknown key",
                )
            )
        elif checkpoint.size > handed_over.get(signer.id, (checkpoint.size, None))[0]:
            found.problems.append(
                Problem(
                    "retired_key",
                    where,
                    checkpoint.size,
                    f"密钥 {signer.id.hex()} 移交之后仍在签名",
                    f"the key {signer.id.hex()} signed after it had handed over",
                )
            )
            del signed_by[place]
    return set(signed_by)


def as_json(checkpoint: Checkpoint) -> Mapping[str, object]:
    """The checkpoint's fields for JSON; the root in base64."""
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": base64.b64encode(checkpoint.root).decode(),
        "time": checkpoint.time,
        "next_key": None if checkpoint.next_key is None else str(checkpoint.next_key),
    }
