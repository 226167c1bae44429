"""AES-256-GCM: texts under a person's key, keys under a master key."""

import base64
import os
import re
from typing import Any
from urllib.parse import unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.database.unavailable import DatabaseUnavailable
from shared.personal_data.master import Master

BLOCK = 32
"""Texts are padded to a multiple of so many bytes, so that a token does not reveal a name's length."""
NONCE = 12
TOKEN = re.compile(r"personal:1:[1-9][0-9]{0,8}:[^:]+:[a-z0-9_.]+:[0-9a-f-]{36}:[a-z0-9_]+:[A-Za-z0-9_-]+=*")
NOT_HERE = "密钥不在此处 key not here"
"""Shown if the key is not in this key store: a copy of the logs taken elsewhere."""
MASKED = "***"
"""Shown to readers who may only see that there are personal data."""
DAMAGED = "无法解读 unreadable"
"""Shown if a token was changed: the proof of the log names the place."""

UNREADABLE = (InvalidTag, ValueError)
"""Errors of decrypting a token that was changed."""


def masked(value: Any) -> Any:
    """A value that anybody may see: MASKED in place of a token."""
    return MASKED if isinstance(value, str) and TOKEN.fullmatch(value) else value


def owner_of(value: str, subject: str) -> tuple[str, int] | None:
    """Subject and generation of a token of ``subject``, or of one ``subject#n``; None for other text."""
    if not TOKEN.fullmatch(value):
        return None
    _, _, generation, quoted, *_ = value.split(":")
    whose = unquote(quoted)
    return (whose, int(generation)) if whose.partition("#")[0] == subject else None


def _padded(text: str) -> bytes:
    raw = text.encode()
    raw = len(raw).to_bytes(4, "big") + raw
    return raw + bytes(-len(raw) % BLOCK)


def _unpadded(raw: bytes) -> str:
    return raw[4 : 4 + int.from_bytes(raw[:4], "big")].decode()


def seal_text(key: bytes, head: str, text: str) -> str:
    """The token of a text; ``head``, all before its last colon, is authenticated."""
    nonce = os.urandom(NONCE)
    hidden = nonce + AESGCM(key).encrypt(nonce, _padded(text), head.encode())
    return f"{head}:{base64.urlsafe_b64encode(hidden).decode()}"


def open_text(key: bytes, token: str) -> str:
    """The text of a token. Raises one of UNREADABLE if the token was changed."""
    head, _, hidden = token.rpartition(":")
    raw = base64.urlsafe_b64decode(hidden)
    return _unpadded(AESGCM(key).decrypt(raw[:NONCE], raw[NONCE:], head.encode()))


def wrap(master: Master, subject: str, generation: int, key: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(master.key).encrypt(nonce, key, _whose(master, subject, generation))


def unwrap(master: Master, row: Any) -> bytes:
    raw = bytes(row.wrapped)
    try:
        return AESGCM(master.key).decrypt(
            raw[:NONCE], raw[NONCE:], _whose(master, row.subject, row.generation)
        )
    except InvalidTag as error:
        raise DatabaseUnavailable(f"the key store's row of {row.subject} was changed") from error


def _whose(master: Master, subject: str, generation: int) -> bytes:
    return f"{master.id}\0{subject}\0{generation}".encode()
