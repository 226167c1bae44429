"""The ``seal`` role: extends a log's tree, signs checkpoints and delivers them (封存).

Writers are not involved. On PostgreSQL one process is active, by an advisory lock; the compare-and-set of the tree's
position keeps it right in any case. A target that fails is retried and never blocks sealing.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import IntegrityError, PersistenceError

from shared.audit import merkle, places
from shared.audit.checkpoint import BadNote, Checkpoint, Note, PublicKey, Signer
from shared.audit.tree import Signed, Tree, TreePosition
from shared.database import postgres
from shared.database.unavailable import BrokerUnavailable
from shared.domain.clock import Clock
from shared.log.recorder import LogRecorder
from shared.process import logs
from shared.process.config import Config
from shared.process.files import put_once, read_by_others

log = logs.log("seal")

BATCH = 2048
"""Events per transaction."""
LOCK = 0x6475_6261_6E03
"""The advisory lock of a service's database that the active sealer holds."""
LOCK_RETRY_SECONDS = 5.0
"""Seconds between attempts of a standby to acquire the lock."""
RETRY_SECONDS, LONGEST_RETRY = 5.0, 300.0
"""Seconds until the first retry after a failure, and at most between retries."""


class SealKeyWrong(Exception):
    """The private key does not match the last public key of the log's checkpoints."""


class TreeWasChanged(Exception):
    """The stored tree does not lead to the last checkpoint: nothing more is signed."""


# --- the key ---------------------------------------------------------------------------------------------


def key_path(config: Config) -> Path:
    """The file of the private key."""
    return config.seal_key or config.data / "seal.key"


def next_key_path(config: Config) -> Path:
    """The file of the next private key during a key change."""
    path = key_path(config)
    return path.with_name(path.name + ".next")


def make_key(path: Path) -> None:
    """Make a private key, unless it exists. Two processes at once end with the same key."""
    put_once(
        path,
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises SealKeyWrong."""
    try:
        if (mode := read_by_others(path)) is not None:
            raise SealKeyWrong(f"{path} has mode {mode:04o}; the key must not be for others to read")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SealKeyWrong(f"{path}: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SealKeyWrong(f"{path} is not an Ed25519 key")
    return key


def origin_of(config: Config, service: str) -> str:
    """The origin of a service's checkpoints, and the name of its key."""
    return f"{config.seal_origin}/{service}"


def signer_of(config: Config, service: str, tree: Tree) -> Signer:
    """The key that signs: the last one of the log's chain; made when first needed.

    Raises SealKeyWrong.
    """
    known = tree.keys()
    name = origin_of(config, service)
    if not known:
        try:
            make_key(key_path(config))
        except OSError as error:
            raise SealKeyWrong(f"no key, and none can be made: {error}") from error
        return Signer(name, read_key(key_path(config)))
    for path in (key_path(config), next_key_path(config)):
        if path.exists():
            signer = Signer(name, read_key(path))
            if signer.public == known[-1]:
                return signer
    raise SealKeyWrong(f"neither {key_path(config)} nor {next_key_path(config).name} is the key {known[-1]}")


# --- signing ---------------------------------------------------------------------------------------------


def sign(
    config: Config, service: str, tree: Tree, clock: Clock, *, next_key: PublicKey | None = None
) -> Signed:
    """Sign and store a checkpoint of the present tree; with ``next_key`` that one signs from then on.

    Raises SealKeyWrong, TreeWasChanged, and IntegrityError if another process signed at the same moment.
    """
    signer = signer_of(config, service, tree)
    first = not tree.keys()
    try:
        last, position, nodes = tree.last(), tree.position(), tree.nodes()
        root = merkle.root(nodes, position.size)
        if last is not None:
            before = Checkpoint.parse(Note.parse(last.note).text)
            if before.size > position.size or merkle.root(nodes, before.size) != before.root:
                raise TreeWasChanged(
                    f"{service}: the stored tree does not lead to the checkpoint of {before.size}"
                )
    except (ValueError, BadNote) as error:
        raise TreeWasChanged(f"{service}: {error}") from error
    checkpoint = Checkpoint(
        origin_of(config, service), position.size, root, clock().replace(microsecond=0), next_key
    )
    keys = [*([signer.public] if first else []), *([next_key] if next_key else [])]
    tree.add_checkpoint(checkpoint, signer.sign(checkpoint.text()), keys)
    signed = tree.last()
    assert signed is not None
    log.info("checkpoint", service=service, size=checkpoint.size, key=signer.public.id.hex())
    return signed


def rotate(config: Config, trees: Mapping[str, Tree], clock: Clock) -> list[str]:
    """Change the key of all services: each old key signs over the next, which then takes its place (换钥).

    If interrupted, call it again. Returns a line for each service. Raises SealKeyWrong, TreeWasChanged.
    """
    make_key(next_key_path(config))
    done = []
    for service, tree in trees.items():
        new = Signer(origin_of(config, service), read_key(next_key_path(config))).public
        if new not in set(tree.keys()):
            catch_up(tree)
            sign(config, service, tree, clock, next_key=new)
        done.append(f"{service}: {new}")
    os.replace(next_key_path(config), key_path(config))
    return done


def catch_up(tree: Tree) -> TreePosition:
    """Extend the tree to the end of the log; its position then."""
    while True:
        position = tree.position()
        rows = tree.rows_after(position, BATCH)
        if not rows:
            return position
        tree.extend(position, rows)


# --- the role --------------------------------------------------------------------------------------------


@dataclass
class _Failure:
    """A failure, with its backoff; retried at ``until`` (monotonic)."""

    seconds: float
    until: float
    why: str


class Sealer:
    """A process that is, or stands by to be, the active sealer of a service."""

    def __init__(
        self, service: str, log_of: LogRecorder, config: Config, clock: Clock, *, alone: bool = False
    ) -> None:
        """``alone``: a command's own sealer, which needs no lock."""
        self.service, self._config, self._clock = service, config, clock
        self.tree = Tree(log_of)
        self._log = log_of
        self._needs_lock = bool(config.database) and not alone
        self._connection: psycopg.Connection[Any] | None = None
        self._lock_at = 0.0
        self._last: Signed | None = None
        self._last_is_known = False
        self._failing: dict[str, _Failure] = {}
        self._delivered: dict[str, int] = {}
        self._targets = places.targets(config, service)

    @property
    def active(self) -> bool:
        """Whether this process seals."""
        return not self._needs_lock or self._connection is not None

    def step(self) -> bool:
        """Seal the next events; whether there were any. Raises the database's errors."""
        try:
            if not self._acquire_lock():
                return False
            moved = self._extend()
            if not moved and self._due():
                self._sign()
            self.deliver()
            return moved
        except (psycopg.Error, PersistenceError):
            self.close()
            raise

    def _acquire_lock(self) -> bool:
        if self.active:
            return True
        if time.monotonic() < self._lock_at:
            return False
        self._lock_at = time.monotonic() + LOCK_RETRY_SECONDS
        connection = postgres.connect(self._config.database_of(self.service), autocommit=True)
        if not connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()[0]:  # type: ignore[index]
            connection.close()
            return False
        self._connection = connection
        log.info("sealer_active", service=self.service)
        return True

    def _extend(self) -> bool:
        if self._is_paused("tree"):
            return False
        position = self.tree.position()
        rows = self.tree.rows_after(position, BATCH)
        try:
            self.tree.extend(position, rows)
        except merkle.NOT_AN_EVENT as error:
            # A row after the tree's position is no event, or the tree was changed: verify names the place. Writers and
            # readers go on.
            self._pause("tree", error)
            return False
        self._failing.pop("tree", None)
        return bool(rows)

    def _due(self) -> bool:
        if not self._last_is_known:
            self._last, self._last_is_known = self.tree.last(), True
        every = timedelta(seconds=self._config.seal_seconds)
        if self._last is not None and self._clock() < self._last.made_at + every:
            return False
        self._last = self.tree.last()  # a command may have signed
        size = self.tree.position().size
        return size > (0 if self._last is None else self._last.size) and (
            self._last is None or self._clock() >= self._last.made_at + every
        )

    def _sign(self) -> None:
        if self._is_paused("key"):
            return
        try:
            self._last = sign(self._config, self.service, self.tree, self._clock)
            self._failing.pop("key", None)
        except IntegrityError:
            self._last_is_known = False  # another process has signed
        except (SealKeyWrong, TreeWasChanged, BadNote) as error:
            self._pause("key", error)

    def deliver(self) -> None:
        """Deliver checkpoints to every target; one that fails is retried later."""
        for name, send in self._targets.items():
            if not self._is_paused(name):
                try:
                    self._deliver(name, send)
                except (OSError, BrokerUnavailable, places.OutsideDiffers) as error:
                    self._pause(name, error)

    def _deliver(self, name: str, send: Callable[[Tree, Signed], None]) -> None:
        if self._last is not None and self._delivered.get(name) == self._last.id:
            return
        self._delivered[name] = self.tree.delivered(name)
        for signed in self.tree.checkpoints(after=self._delivered[name], limit=100):
            send(self.tree, signed)
            self.tree.has_delivered(name, signed.id)
            self._delivered[name] = signed.id
        self._failing.pop(name, None)

    def _is_paused(self, name: str) -> bool:
        return name in self._failing and time.monotonic() < self._failing[name].until

    def _pause(self, name: str, why: Exception) -> None:
        before = self._failing.get(name)
        seconds = RETRY_SECONDS if before is None else min(LONGEST_RETRY, before.seconds * 2)
        self._failing[name] = _Failure(seconds, time.monotonic() + seconds, f"{type(why).__name__}: {why}")
        log.error("seal_held_up", service=self.service, at=name, reason=str(why), again_in_seconds=seconds)

    def unavailable(self) -> dict[str, float]:
        """For ``tree``, ``key`` and each target: 1 if it is failing."""
        return {name: float(name in self._failing) for name in ("tree", "key", *self._targets)}

    def problems(self) -> list[str]:
        """The reasons of current failures."""
        return [f"{name}: {wait.why}" for name, wait in self._failing.items()]

    def lag(self) -> int:
        """Positions not yet sealed."""
        return max(0, (self._log.max_notification_id() or 0) - self.tree.position().position)

    def overdue(self) -> float:
        """Seconds since the log's new events should have been in a signed checkpoint; 0 if they are, or are not due."""
        last = self.tree.last()
        if last is None or self.tree.position().size <= last.size:
            return 0.0
        due = last.made_at + timedelta(seconds=self._config.seal_seconds)
        return max(0.0, (self._clock() - due).total_seconds())

    def close(self) -> None:
        """Release the lock: another sealer may take over at once."""
        connection, self._connection = self._connection, None
        self._last_is_known = False
        if connection is not None:
            connection.close()


def seal_now(config: Config, service: str, log_of: LogRecorder, clock: Clock) -> tuple[Signed, list[str]]:
    """Seal the whole log, sign unless the last checkpoint covers it, and deliver.

    The checkpoint, and the failures. Raises SealKeyWrong, TreeWasChanged, and what merkle.leaf_hash
    raises for a row that cannot be an event.
    """
    sealer = Sealer(service, log_of, config, clock, alone=True)
    position = catch_up(sealer.tree)
    last = sealer.tree.last()
    if last is None or last.size < position.size:
        try:
            last = sign(config, service, sealer.tree, clock)
        except IntegrityError:
            last = sealer.tree.last()
            assert last is not None
    sealer.deliver()
    return last, sealer.problems()


def chain(keys: Iterable[PublicKey]) -> list[dict[str, str]]:
    """Public keys for JSON."""
    return [{"name": key.name, "id": key.id.hex(), "vkey": str(key)} for key in keys]
