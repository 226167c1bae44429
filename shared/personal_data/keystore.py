"""Personal data 个人信息: encrypted under a key per subject that is kept outside the logs, and shown only at the edge.

A log cannot forget; a key can be erased. What is stored, folded, published, backed up and exported is a token::

    personal:1:<generation>:<subject>:<topic>:<aggregate id>:<field>:<base64url of nonce ‖ AES-256-GCM>

The subject is an id, or ``id#n`` where it stands for one person after another (a post): the n-th event of that post.
All before the last colon is authenticated with the text, so a token says whose and what it is and cannot be taken for
another. Whoever answers a person (HTTP, the command line) shows it by ``revealed``. Erasing a subject's key empties
every view, export and backup at once and changes no byte of a log. Each key is wrapped by a master key that is
configured (``DUBAN_MASTER_KEY``); docs/decisions/0004-personal-data-in-events.md.
"""

import base64
import binascii
import hmac
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, unquote
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy import exc as sql
from sqlalchemy.dialects import postgresql, sqlite

from shared.application.application import Application
from shared.application.result import CommandResult
from shared.database.columns import MomentColumn
from shared.database.engine import engine
from shared.database.postgres import PATIENCE
from shared.database.unavailable import UNAVAILABLE, DatabaseUnavailable
from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.domain.clock import Clock, local_day
from shared.domain.refusal import Refusal
from shared.events import audit
from shared.events.base import Actor
from shared.log.recorder import rows_of
from shared.process import logs
from shared.process.config import Config, Misconfigured
from shared.process.files import put_once, read_by_others, replace

log = logs.log("people")

KEPT_SECONDS = 2.0
"""How long a process may show a text with a key that was erased meanwhile. Nothing is ever encrypted from memory."""
BLOCK = 32
"""Bytes: texts are padded to a multiple, so that a token does not tell how long a name is."""
KEY = 32
NONCE = 12
PRAGMAS = ("journal_mode=DELETE", "synchronous=FULL", "secure_delete=ON")
"""Of the store's file: a key is on the disk before an event is, and what is erased is written over."""
TOKEN = re.compile(r"personal:1:[1-9][0-9]{0,8}:[^:]+:[a-z0-9_.]+:[0-9a-f-]{36}:[a-z0-9_]+:[A-Za-z0-9_-]+=*")
FINGERPRINTS = "duban/fingerprints"
"""No subject: the key of ``keyed``, kept with the subjects' keys."""
NOT_HERE = "密钥不在此处 key not here"
"""Shown where the subject's key is not in this key store: a copy of the logs that was taken elsewhere."""
MASKED = "***"
"""Shown to those who may not see whose data they are, where they must see that there are some."""
DAMAGED = "无法解读 unreadable"
"""Shown where a token was changed: the proof over the log names the place."""


class NothingToErase(Refusal):
    """没有 {subject} 的个人信息密钥：从未登记过其个人信息。
    There is no key of {subject}: none of its personal data were ever registered."""

    status = 404


class ErasedAlready(Refusal):
    """{subject} 的个人信息已于 {day} 删除（{ground}），此后没有再登记，未作任何更改。
    The personal data of {subject} were erased on {day} ({ground}) and none registered since: nothing was changed."""


class ErasureNeedsGround(Refusal):
    """删除个人信息须写明依据。
    An erasure needs its ground."""

    status = 422
    field = "ground"


class MasterNotReadableYet(Refusal):
    """请先把 {file} 中的新主密钥作为另一行加入每个进程的 {variable} 文件，再轮换，否则它们将读不出个人信息。
    Put the new master key of {file} as a further line into every process's {variable} file first, then rotate: else
    they could not read personal data."""


# --- the master key --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Master:
    """A key that wraps keys (主密钥); its id says which, and nothing of it."""

    id: str
    key: bytes

    @classmethod
    def of(cls, key: bytes) -> "Master":
        """The master key of these 32 bytes."""
        return cls(sha256(b"duban master key\0" + key).hexdigest()[:16], key)

    @property
    def line(self) -> str:
        """As it stands in a file."""
        return base64.b64encode(self.key).decode() + "\n"


def master_path(config: Config) -> Path:
    """Where the master keys are: the first one wraps, the others still unwrap while masters are changed."""
    return config.master_key or config.data / "master.key"


def read_masters(path: Path) -> list[Master]:
    """The master keys in a file, one a line. Raises Misconfigured."""
    try:
        if (mode := read_by_others(path)) is not None:
            raise Misconfigured(
                f"DUBAN_MASTER_KEY: {path} has mode {mode:04o}; the key must not be for others to read"
            )
        lines = path.read_text("ascii").split()
        keys = [base64.b64decode(line, validate=True) for line in lines]
    except (OSError, ValueError, binascii.Error) as error:
        raise Misconfigured(f"DUBAN_MASTER_KEY: {path}: {error}") from error
    if not keys or any(len(key) != KEY for key in keys):
        raise Misconfigured(f"DUBAN_MASTER_KEY: {path} does not hold {KEY} bytes in base64 on each line")
    return [Master.of(key) for key in keys]


def make_master(path: Path) -> None:
    """Make a file with a new master key, unless there is one. Two who make it at once end with the same."""
    if not path.exists():
        put_once(path, _lines([Master.of(secrets.token_bytes(KEY))]))


def _lines(masters: Iterable[Master]) -> bytes:
    return "".join(master.line for master in masters).encode()


# --- the key store ---------------------------------------------------------------------------------------

TABLE = Table(
    "subject_keys",
    MetaData(),
    Column("subject", String, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("wrapped", LargeBinary),
    Column("master_id", String),
    Column("created_at", MomentColumn, nullable=False),
    Column("erased_at", MomentColumn),
    Column("ground", Text),
)
"""A row a key. An erased one keeps when and why, and nothing of the key; who registers again gets the next one."""


@dataclass(frozen=True)
class _Key:
    """A subject's key as it was just read, or when and why it was erased."""

    generation: int
    bytes: bytes | None
    erased_at: datetime | None = None
    ground: str = ""


class KeyStore:
    """The keys of the persons, in a file or a database of their own, outside every log and every backup of logs.

    Opened at the first need. What it does while the store is away raises DatabaseUnavailable, as any database does.
    """

    def __init__(
        self, config: Config, clock: Clock, *, patience: float = PATIENCE, pool_size: int = 2
    ) -> None:
        self._config, self._clock = config, clock
        self._patience, self._pool_size = patience, pool_size
        self._masters: list[Master] = []
        self._kept: dict[tuple[str, int], tuple[float, _Key]] = {}
        self._opened: Engine | None = None

    def close(self) -> None:
        """Let go of files and connections."""
        if self._opened is not None:
            self._opened.dispose()
            self._opened = None
        self._kept.clear()

    # -- sealing -------------------------------------------------------------------------------------------------

    def seal(self, subject: str, topic: str, aggregate_id: UUID, texts: Mapping[str, str]) -> dict[str, str]:
        """Tokens for the texts of some fields of one event, under the subject's present key.

        The first time, and the first time after an erasure, a key is made: it is durable before the event is.
        """
        generation, key = self._present_key(subject)
        cipher = AESGCM(key)
        sealed = {}
        for field, said in texts.items():
            head = ":".join(
                ("personal:1", str(generation), quote(subject, safe="/"), topic, str(aggregate_id), field)
            )
            nonce = os.urandom(NONCE)
            hidden = nonce + cipher.encrypt(nonce, _padded(said), head.encode())
            sealed[field] = f"{head}:{base64.urlsafe_b64encode(hidden).decode()}"
        return sealed

    def keyed(self, fingerprint: str) -> str:
        """A hash of something that holds personal data, so that nobody without the key store finds out by trying."""
        _, key = self._present_key(FINGERPRINTS)
        return hmac.new(key, fingerprint.encode(), sha256).hexdigest()

    def _present_key(self, subject: str) -> tuple[int, bytes]:
        for _ in range(100):
            row = self._latest(subject)
            if row is not None and row.erased_at is None:
                return row.generation, _unwrap(self._master(row.master_id), row)
            # Two that make it at once: one row wins, and both read that one.
            generation = 1 if row is None else row.generation + 1
            master = self._wrapping()
            with self._asking(writes=True) as connection:
                insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(TABLE)
                connection.execute(
                    insert.on_conflict_do_nothing(),
                    {
                        "subject": subject,
                        "generation": generation,
                        "wrapped": _wrap(master, subject, generation, secrets.token_bytes(KEY)),
                        "master_id": master.id,
                        "created_at": self._clock(),
                    },
                )
        raise DatabaseUnavailable(f"the key of {subject} is erased again and again")

    def _latest(self, subject: str) -> Any:
        """The row of the subject's last key, erased or not; None if there was never one."""
        with self._asking() as connection:
            return connection.execute(
                select(TABLE).where(TABLE.c.subject == subject).order_by(TABLE.c.generation.desc()).limit(1)
            ).first()

    # -- showing -------------------------------------------------------------------------------------------------

    def reveal(self, value: str | None, subject: str) -> str | None:
        """What a field that belongs to ``subject`` says: the text of a token, or that it was erased, when and why.

        A value that is no token of this subject is shown as it is: release 0.1.0 stored texts in clear.
        """
        named = None if value is None else _named_in(value, subject)
        if value is None or named is None:
            return value
        head, _, hidden = value.rpartition(":")
        key = self._keys([named])[named]
        if key is None:
            return NOT_HERE
        if key.bytes is None:
            assert key.erased_at is not None
            return f"已删除 erased {local_day(key.erased_at)}：{key.ground}"
        try:
            raw = base64.urlsafe_b64decode(hidden)
            return _unpadded(AESGCM(key.bytes).decrypt(raw[:NONCE], raw[NONCE:], head.encode()))
        except (InvalidTag, ValueError) as error:
            log.error("token_damaged", token=head, reason=repr(error))
            return DAMAGED

    def revealed(self, rows: Sequence[Mapping[str, Any]], subject: str, *fields: str) -> list[dict[str, Any]]:
        """Rows of a view with their fields revealed; ``subject`` names the column that holds whose they are."""
        self._keys(
            named
            for row in rows
            for field in fields
            if row[field] is not None and (named := _named_in(row[field], row[subject])) is not None
        )
        return [{**row, **{field: self.reveal(row[field], row[subject]) for field in fields}} for row in rows]

    def forget(self) -> None:
        """Keep nothing that was read: the next reveal asks the store."""
        self._kept.clear()

    def _keys(self, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], _Key | None]:
        now = time.monotonic()
        found: dict[tuple[str, int], _Key | None] = {}
        missing = []
        for name in dict.fromkeys(wanted):
            until, key = self._kept.get(name, (0.0, None))
            found[name] = key if now < until else None
            if now >= until:
                missing.append(name)
        if missing:
            with self._asking() as connection:
                rows = connection.execute(
                    select(TABLE).where(tuple_(TABLE.c.subject, TABLE.c.generation).in_(missing))
                ).all()
            if len(self._kept) > 10_000:
                self._kept.clear()
            for row in rows:
                key = self._unwrapped(row)
                found[row.subject, row.generation] = key
                self._kept[row.subject, row.generation] = (now + KEPT_SECONDS, key)
        return found

    # -- erasing -------------------------------------------------------------------------------------------------

    def keys_of(self, subject: str) -> Sequence[Any]:
        """All keys of this subject, or of those who bear its id one after another: rows in the order they were made."""
        its = or_(TABLE.c.subject == subject, TABLE.c.subject.startswith(f"{subject}#", autoescape=True))
        with self._asking() as connection:
            return connection.execute(
                select(TABLE).where(its).order_by(TABLE.c.created_at, TABLE.c.subject, TABLE.c.generation)
            ).all()

    def present_generation(self, subject: str) -> int:
        """The number of the subject's key. Raises NothingToErase, ErasedAlready."""
        row = self._latest(subject)
        if row is None or subject == FINGERPRINTS:
            raise NothingToErase(subject=subject)
        if row.erased_at is not None:
            raise ErasedAlready(subject=subject, day=local_day(row.erased_at), ground=row.ground)
        generation: int = row.generation
        return generation

    def erase(self, subject: str, generation: int, at: datetime, ground: str) -> bool:
        """Erase the subject's keys up to this one, for good; whether there was one. Others notice in KEPT_SECONDS."""
        with self._asking(writes=True) as connection:
            erased = connection.execute(
                update(TABLE)
                .where(
                    TABLE.c.subject == subject,
                    TABLE.c.generation <= generation,
                    TABLE.c.erased_at.is_(None),
                )
                .values(wrapped=None, master_id=None, erased_at=at, ground=ground)
            ).rowcount
        self.forget()
        return erased > 0

    def clean(self) -> None:
        """After erasures: on PostgreSQL the rows as they were still lie in the table's file, which is written anew.

        (SQLite overwrites at once: secure_delete.) The server's own write-ahead log keeps them until it is recycled.
        """
        if self._engine.dialect.name == "postgresql":
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM FULL subject_keys"))

    # -- the master key ------------------------------------------------------------------------------------------

    def rotate(self, new: Master) -> int:
        """Wrap every key with another master key, in one transaction; how many. All can be read before and after."""
        with self._asking(writes=True) as connection:
            rows = connection.execute(
                select(TABLE)
                .where(TABLE.c.wrapped.is_not(None), TABLE.c.master_id != new.id)
                .with_for_update()
            ).all()
            for row in rows:
                key = _unwrap(self._master(row.master_id), row)
                connection.execute(
                    update(TABLE)
                    .where(TABLE.c.subject == row.subject, TABLE.c.generation == row.generation)
                    .values(wrapped=_wrap(new, row.subject, row.generation, key), master_id=new.id)
                )
        return len(rows)

    def check(self) -> None:
        """At a process's start: the store's file is private, the master key is there and is the right one.

        While the store is away the last cannot be told. Raises Misconfigured.
        """
        if self._config.master_key is not None:
            self._read_masters()
        file = _file(self._config.keys_url)
        if file is not None:
            if not file.exists():
                return
            _must_be_private(file)
        try:
            with self._asking() as connection:
                used = {
                    row.master_id
                    for row in connection.execute(
                        select(TABLE.c.master_id).where(TABLE.c.wrapped.is_not(None)).distinct()
                    )
                }
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
        """The master key that wraps new keys; in a data folder of one's own it is made at the first need."""
        path = master_path(self._config)
        if self._config.master_key is None and not path.exists():
            with self._asking() as connection:
                kept = connection.execute(
                    select(func.count()).select_from(TABLE).where(TABLE.c.wrapped.is_not(None))
                ).scalar_one()
            if not kept:
                make_master(path)
        self._read_masters_again()  # it may be another one than a minute ago
        return self._masters[0]

    def _read_masters(self) -> None:
        self._masters = read_masters(master_path(self._config))

    def _read_masters_again(self) -> None:
        try:
            self._read_masters()
        except Misconfigured as error:  # it was right at the start: somebody is at work there
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
        return _Key(row.generation, _unwrap(self._master(row.master_id), row))

    # -- the database --------------------------------------------------------------------------------------------

    @property
    def _engine(self) -> Engine:
        if self._opened is None:
            url = self._config.keys_url
            if (file := _file(url)) is not None:
                if not file.exists():  # private before it holds anything, and SQLite's journal takes its mode
                    put_once(file, b"")
                try:
                    _must_be_private(file)
                except Misconfigured as error:  # it was right at the start: somebody is at work there
                    raise DatabaseUnavailable(str(error)) from error
            opened = engine(url, self._patience, self._pool_size, PRAGMAS)
            if file is not None:
                _create(opened)
            self._opened = opened
        return self._opened

    def create(self) -> None:
        """Make the table, unless it is there. Raises UNAVAILABLE."""
        _create(self._engine)

    @contextmanager
    def _asking(self, *, writes: bool = False) -> Iterator[Connection]:
        try:
            with (
                self._engine.connect().execution_options(writes=writes) as connection,
                connection.begin(),
            ):
                yield connection
        except (sql.ProgrammingError, sqlite3.Error, OSError, sql.OperationalError) as error:
            _away(error)


def _create(engine: Engine) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        TABLE.create(connection, checkfirst=True)


def _file(url: str) -> Path | None:
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:") else None


def _must_be_private(file: Path) -> None:
    """Raises Misconfigured if others may read the store's file; OSError."""
    if (mode := read_by_others(file)) is not None:
        raise Misconfigured(
            f"DUBAN_KEYS: {file} has mode {mode:04o}; the keys must not be for others to read: chmod 600 {file}"
        )


def _away(error: Exception) -> NoReturn:
    raise DatabaseUnavailable(
        f"the key store (DUBAN_KEYS; its table is made by duban migrate): {error}"
    ) from error


def check_keys(config: Config, clock: Clock) -> None:
    """At a process's start: see KeyStore.check. Raises Misconfigured."""
    store = KeyStore(config, clock)
    try:
        store.check()
    finally:
        store.close()


def rotate_master(config: Config, store: KeyStore, file: Path) -> int:
    """Wrap every key with the first master key in ``file``; how many were wrapped with another.

    Raises Misconfigured, and MasterNotReadableYet unless the configured file holds it (the data folder's own is told).
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
        replace(path, _lines(known))
    wrapped = store.rotate(new)
    if config.master_key is None:
        replace(path, _lines([new, *(master for master in known if master != new)]))
    return wrapped


def migrate_keys(config: Config, clock: Clock) -> str:
    """Make the key store's table in its PostgreSQL database; what was done. Raises UNAVAILABLE."""
    store = KeyStore(config, clock)
    try:
        store.create()
        store.check()
    finally:
        store.close()
    return "keys: subject_keys"


def masked(value: Any) -> Any:
    """A value as anybody may see it: of a token, that there is one."""
    return MASKED if isinstance(value, str) and TOKEN.fullmatch(value) else value


# --- bytes -----------------------------------------------------------------------------------------------


def _named_in(value: str, subject: str) -> tuple[str, int] | None:
    """Subject and generation of a token of this subject, or of one of those who bear its id; None for other text."""
    if not TOKEN.fullmatch(value):
        return None
    _, _, generation, quoted, *_ = value.split(":")
    whose = unquote(quoted)
    return (whose, int(generation)) if whose.partition("#")[0] == subject else None


def _padded(said: str) -> bytes:
    raw = said.encode()
    raw = len(raw).to_bytes(4, "big") + raw
    return raw + bytes(-len(raw) % BLOCK)


def _unpadded(raw: bytes) -> str:
    return raw[4 : 4 + int.from_bytes(raw[:4], "big")].decode()


def _wrap(master: Master, subject: str, generation: int, key: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(master.key).encrypt(nonce, key, _whose(master, subject, generation))


def _unwrap(master: Master, row: Any) -> bytes:
    raw = bytes(row.wrapped)
    try:
        return AESGCM(master.key).decrypt(
            raw[:NONCE], raw[NONCE:], _whose(master, row.subject, row.generation)
        )
    except InvalidTag as error:
        raise DatabaseUnavailable(f"the key store's row of {row.subject} was changed") from error


def _whose(master: Master, subject: str, generation: int) -> bytes:
    return f"{master.id}\0{subject}\0{generation}".encode()


# --- erasing is a fact -----------------------------------------------------------------------------------


class Erasure(Aggregate):
    """删除个人信息: the keys of one subject were erased, told by its only event."""

    TOPIC = "audit.erasure"
    subject: str
    ground: str
    at: datetime

    @staticmethod
    def id_of(subject: str, generation: int) -> UUID:
        """The id of the one erasure of this key."""
        return stable_id("erasure", subject, generation)

    @property
    def number(self) -> str:
        """Whose data they were."""
        return self.subject

    class Erased(audit.PersonErased, Creation):
        def apply(self, erasure: "Erasure") -> None:
            erasure.subject, erasure.ground, erasure.at = self.subject, self.ground, self.timestamp


def erase(app: Application, store: KeyStore, by: Actor, subject: str, ground: str) -> int:
    """Record in the log of ``app`` that the subject's personal data are erased, then erase them; up to which key.

    The fact comes first: an erasure that was cut short is finished by the same command again, or by ``erase_again``.
    Two who do it at once record it once. Raises NothingToErase, ErasedAlready, ErasureNeedsGround.
    """
    ground, now = ground.strip(), app.clock()
    if not ground:
        raise ErasureNeedsGround()
    generation = store.present_generation(subject)
    id_ = Erasure.id_of(subject, generation)
    key = f"duban/erasure|{id_}"
    act = CommandContext(by=by, because=f"request:{key}", recorded_at=now, happened_at=now, key=key)

    def use_case(act: CommandContext) -> CommandResult:
        fact = Erasure.begin(Erasure.Erased, act, id_, subject=subject, generation=generation, ground=ground)
        return app.commit(act, fact)

    app.perform(act, use_case)
    fact = app.load(Erasure, id_)
    store.erase(subject, generation, fact.at, fact.ground)
    store.clean()
    return generation


def erase_again(app: Application, store: KeyStore) -> int:
    """Erase every key whose erasure stands in the log of ``app``; how many were there.

    For a key store that was restored from a copy older than an erasure.
    """
    found = 0
    for rows in rows_of(app.log, topics=[audit.PersonErased.TOPIC]):
        for row in rows:
            fact: Any = app.mapper.to_domain_event(row)
            found += store.erase(fact.subject, fact.generation, fact.timestamp, fact.ground)
    store.clean()
    return found
