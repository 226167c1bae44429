"""Personal data 个人信息: encrypted under a key per subject outside the logs, decrypted only at the edge.

A log cannot forget; a key can be erased. What is stored, folded, published, backed up and exported is a token::

    personal:1:<generation>:<subject>:<topic>:<aggregate id>:<field>:<base64url of nonce ‖ AES-256-GCM>

The subject is an id, or ``id#n`` where it stands for one person after another (a post): the n-th event of that post.
All before the last colon is authenticated with the text: a token says whose and what it is and cannot be moved. The
edge (HTTP, the command line) decrypts it with ``revealed``. Erasing a subject's key empties every view, export and
backup at once and changes no byte of a log. Each key is wrapped by a configured master key (``DUBAN_MASTER_KEY``);
docs/decisions/0004-personal-data-in-events.md.
"""

import hmac
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from shared.database.postgres import TIMEOUT
from shared.database.unavailable import UNAVAILABLE, DatabaseUnavailable
from shared.domain.clock import Clock, local_day
from shared.domain.refusal import Refusal
from shared.personal_data.encryption import (
    DAMAGED,
    NOT_HERE,
    UNREADABLE,
    open_text,
    owner_of,
    seal_text,
    unwrap,
    wrap,
)
from shared.personal_data.key_table import KeyTable
from shared.personal_data.master import KEY, Master, lines_of, make_master, master_path, read_masters
from shared.process import logs
from shared.process.config import Config, Misconfigured
from shared.process.files import replace

log = logs.log("people")
CACHE_SECONDS = 2.0
"""Seconds for which keys are cached for decryption: an erased one may be used so long. Never for encryption."""
FINGERPRINTS = "duban/fingerprints"
"""Not a subject: the key of ``keyed``, stored with the subjects' keys."""


class MasterNotReadableYet(Refusal):
    """请先把 {file} 中的新主密钥作为另一行加入每个进程的 {variable} 文件，再轮换，否则它们将读不出个人信息。
    Add the new key of {file} to each process's {variable} file before rotating, or they read no personal data."""


@dataclass(frozen=True)
class _Key:
    """A subject's key, or when and why it was erased."""

    generation: int
    bytes: bytes | None
    erased_at: datetime | None = None
    ground: str = ""


class KeyStore:
    """Encrypts and decrypts with the persons' keys. Every method may raise DatabaseUnavailable."""

    def __init__(self, config: Config, clock: Clock, *, timeout: float = TIMEOUT, pool_size: int = 2) -> None:
        self._config, self._clock = config, clock
        self.table = KeyTable(config.keys_place, timeout, pool_size)
        self._masters: list[Master] = []
        self._cache: dict[tuple[str, int], tuple[float, _Key]] = {}

    def close(self) -> None:
        """Let go of files and connections."""
        self.table.close()
        self._cache.clear()

    def seal(self, subject: str, topic: str, aggregate_id: UUID, texts: Mapping[str, str]) -> dict[str, str]:
        """Tokens for the texts of some fields of one event, under the subject's present key.

        The first time, and the first time after an erasure, a key is made: it is durable before the event is.
        """
        generation, key = self._present_key(subject)
        owner = f"personal:1:{generation}:{quote(subject, safe='/')}:{topic}:{aggregate_id}"
        return {field: seal_text(key, f"{owner}:{field}", text) for field, text in texts.items()}

    def keyed(self, fingerprint: str) -> str:
        """A keyed hash of text with personal data, which cannot be guessed without the key store."""
        _, key = self._present_key(FINGERPRINTS)
        return hmac.new(key, fingerprint.encode(), sha256).hexdigest()

    def _present_key(self, subject: str) -> tuple[int, bytes]:
        for _ in range(100):
            row = self.table.latest(subject)
            if row is not None and row.erased_at is None:
                return row.generation, unwrap(self._master(row.master_id), row)
            # Of two processes that make a key at once, both then read the one that was stored.
            generation = 1 if row is None else row.generation + 1
            master = self._wrapping()
            wrapped = wrap(master, subject, generation, secrets.token_bytes(KEY))
            self.table.add(subject, generation, wrapped, master.id, self._clock())
        raise DatabaseUnavailable(f"the key of {subject} is erased again and again")

    def reveal(self, value: str | None, subject: str) -> str | None:
        """The text of a field that belongs to ``subject``: the decrypted token, or when and why it was erased.

        A value that is no token of this subject is shown as it is: release 0.1.0 stored texts in clear.
        """
        named = None if value is None else owner_of(value, subject)
        if value is None or named is None:
            return value
        key = self._keys([named])[named]
        if key is None:
            return NOT_HERE
        if key.bytes is None:
            assert key.erased_at is not None
            return f"已删除 erased {local_day(key.erased_at)}：{key.ground}"
        try:
            return open_text(key.bytes, value)
        except UNREADABLE as error:
            log.error("token_damaged", token=value.rpartition(":")[0], reason=repr(error))
            return DAMAGED

    def revealed(self, rows: Sequence[Mapping[str, Any]], subject: str, *fields: str) -> list[dict[str, Any]]:
        """Rows of a view with these fields revealed; ``subject`` names the column of their owner."""
        self._keys(
            named
            for row in rows
            for field in fields
            if row[field] is not None and (named := owner_of(row[field], row[subject])) is not None
        )
        return [{**row, **{field: self.reveal(row[field], row[subject]) for field in fields}} for row in rows]

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    def _keys(self, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], _Key | None]:
        now = time.monotonic()
        found: dict[tuple[str, int], _Key | None] = {}
        missing = []
        for name in dict.fromkeys(wanted):
            until, key = self._cache.get(name, (0.0, None))
            found[name] = key if now < until else None
            if now >= until:
                missing.append(name)
        if missing:
            rows = self.table.named(missing)
            if len(self._cache) > 10_000:
                self._cache.clear()
            for row in rows:
                key = self._unwrapped(row)
                found[row.subject, row.generation] = key
                self._cache[row.subject, row.generation] = (now + CACHE_SECONDS, key)
        return found

    def erase(self, subject: str, generation: int, at: datetime, ground: str) -> bool:
        """Erase the subject's keys up to this one for good; whether there was one. Other processes: CACHE_SECONDS."""
        erased = self.table.erase(subject, generation, at, ground)
        self.forget()
        return erased

    def rotate(self, new: Master) -> int:
        """Wrap every key with another master key in one transaction; how many."""

        def wrapped(row: Any) -> bytes:
            return wrap(new, row.subject, row.generation, unwrap(self._master(row.master_id), row))

        return self.table.rewrap(new.id, wrapped)

    def check(self) -> None:
        """At a process's start: the store's file is private, and the master key present and right.

        The last is not checked while the store is unavailable. Raises Misconfigured.
        """
        if self._config.master_key is not None:
            self._read_masters()
        if not self.table.check_file():
            return
        try:
            used = self.table.masters()
        except UNAVAILABLE as error:
            log.warning("master_key_not_checked", reason=str(error))
            return
        if used and not self._masters:
            self._read_masters()
        unknown = used - {master.id for master in self._masters}
        if unknown:
            raise Misconfigured(
                f"DUBAN_MASTER_KEY: {master_path(self._config)} is not the key that personal data are kept under "
                f"(it has not {', '.join(sorted(unknown))})"
            )

    def _wrapping(self) -> Master:
        """The master key that wraps new keys; the data folder's own one is made when first needed."""
        path = master_path(self._config)
        if self._config.master_key is None and not path.exists() and not self.table.masters():
            make_master(path)
        self._read_masters_again()  # it may be another one than a minute ago
        return self._masters[0]

    def _read_masters(self) -> None:
        self._masters = read_masters(master_path(self._config))

    def _read_masters_again(self) -> None:
        try:
            self._read_masters()
        except Misconfigured as error:  # it was valid at the start: it is being changed
            raise DatabaseUnavailable(str(error)) from error

    def _master(self, id_: str) -> Master:
        for _ in range(2):
            for master in self._masters:
                if master.id == id_:
                    return master
            self._read_masters_again()  # masters are being changed: the file may know more than it did
        raise DatabaseUnavailable(
            f"DUBAN_MASTER_KEY: {master_path(self._config)} has not the master key {id_}"
        )

    def _unwrapped(self, row: Any) -> _Key:
        if row.erased_at is not None:
            return _Key(row.generation, None, row.erased_at, row.ground)
        return _Key(row.generation, unwrap(self._master(row.master_id), row))


def check_keys(config: Config, clock: Clock) -> None:
    """At a process's start: see KeyStore.check. Raises Misconfigured."""
    with closing(KeyStore(config, clock)) as store:
        store.check()


def rotate_master(config: Config, store: KeyStore, file: Path) -> int:
    """Wrap every key with the first master key in ``file``; how many were wrapped with another.

    Raises Misconfigured, and MasterNotReadableYet unless the configured file holds it
    (the data folder's own file is updated).
    """
    new = read_masters(file)[0]
    path = master_path(config)
    if config.master_key is None and not path.exists():
        make_master(path)
    known = read_masters(path)
    if new not in known:
        if config.master_key is not None:
            raise MasterNotReadableYet(file=file, variable="DUBAN_MASTER_KEY")
        known.append(new)
        replace(path, lines_of(known))
    wrapped = store.rotate(new)
    if config.master_key is None:
        replace(path, lines_of([new, *(master for master in known if master != new)]))
    return wrapped


def migrate_keys(config: Config, clock: Clock) -> str:
    """Make the key store's table in its PostgreSQL database; what was done. Raises UNAVAILABLE."""
    with closing(KeyStore(config, clock)) as store:
        store.table.create()
        store.check()
    return "keys: subject_keys"
