"""The ``seal`` role: follows a service's log, extends its tree, signs checkpoints and sends them away (封存).

Writing commands does nothing for it. Of several processes one is active, by an advisory lock on PostgreSQL; the mark's
compare-and-set keeps the tree right whoever is at work. A place that is away is tried again later and never holds up
sealing.
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
"""Events that are added to the tree in one transaction."""
LOCK = 0x6475_6261_6E03
"""The advisory lock of a service's database that the active sealer holds."""
LEAD_AGAIN = 5.0
"""Seconds after which one that stands by asks for the lock again."""
AGAIN, LONGEST = 5.0, 300.0
"""Seconds after which a place that was away is tried again, at first and at most."""


class SealKeyWrong(Exception):
    """The private key that is there does not belong to the last public key of the log's checkpoints."""


class TreeWasChanged(Exception):
    """The stored tree no longer leads to the last checkpoint: nothing is signed over it."""


# --- the key ---------------------------------------------------------------------------------------------


def key_path(config: Config) -> Path:
    """Where the private key is."""
    return config.seal_key or config.data / "seal.key"


def next_key_path(config: Config) -> Path:
    """Where the next private key waits while keys are changed."""
    path = key_path(config)
    return path.with_name(path.name + ".next")


def make_key(path: Path) -> None:
    """Make a private key, unless there is one. Two who make it at once end with the same."""
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
    """The key that may sign now: the last one of the log's chain; at the first need it is made.

    Raises SealKeyWrong.
    """
    known = tree.keys()
    name = origin_of(config, service)
    if not known:
        make_key(key_path(config))
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
    """Sign a checkpoint over the tree as it stands, and keep it; with ``next_key`` that one signs from here on.

    Raises SealKeyWrong, TreeWasChanged, and IntegrityError if another process signed at the same moment.
    """
    signer = signer_of(config, service, tree)
    first = not tree.keys()
    try:
        last, mark, nodes = tree.last(), tree.mark(), tree.nodes()
        root = merkle.root(nodes, mark.size)
        if last is not None:
            before = Checkpoint.parse(Note.parse(last.note).text)
            if before.size > mark.size or merkle.root(nodes, before.size) != before.root:
                raise TreeWasChanged(
                    f"{service}: the stored tree does not lead to the checkpoint of {before.size}"
                )
    except (ValueError, BadNote) as error:
        raise TreeWasChanged(f"{service}: {error}") from error
    checkpoint = Checkpoint(
        origin_of(config, service), mark.size, root, clock().replace(microsecond=0), next_key
    )
    keys = [*([signer.public] if first else []), *([next_key] if next_key else [])]
    tree.add_checkpoint(checkpoint, signer.sign(checkpoint.text()), keys)
    signed = tree.last()
    assert signed is not None
    log.info("checkpoint", service=service, size=checkpoint.size, key=signer.public.id.hex())
    return signed


def rotate(config: Config, trees: Mapping[str, Tree], clock: Clock) -> list[str]:
    """Change the key of all services: each old key signs over the next, which then takes its place (换钥).

    Interrupted, it goes on where it stopped when it is called again. What was done, a line each. Raises SealKeyWrong,
    TreeWasChanged.
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
    """Extend the tree to the end of the log; where it is then."""
    while True:
        mark = tree.mark()
        rows = tree.rows_after(mark, BATCH)
        if not rows:
            return mark
        tree.extend(mark, rows)


# --- the role --------------------------------------------------------------------------------------------


@dataclass
class _Wait:
    """A place that was away: since which try, and until when (monotonic) it is left alone."""

    seconds: float
    until: float
    why: str


class Sealer:
    """One process that would be the active sealer of a service."""

    def __init__(
        self, service: str, log_of: LogRecorder, config: Config, clock: Clock, *, alone: bool = False
    ) -> None:
        """``alone``: a command's own sealer, which needs no lock."""
        self.service, self._config, self._clock = service, config, clock
        self.tree = Tree(log_of)
        self._log = log_of
        self._needs_lock = bool(config.database) and not alone
        self._connection: psycopg.Connection[Any] | None = None
        self._lead_at = 0.0
        self._last: Signed | None = None
        self._last_is_known = False
        self._away: dict[str, _Wait] = {}
        self._delivered: dict[str, int] = {}
        self._targets = places.targets(config, service)

    @property
    def active(self) -> bool:
        """Whether this process seals; the others stand by."""
        return not self._needs_lock or self._connection is not None

    def step(self) -> bool:
        """Seal what is there; whether there was anything. Raises database trouble."""
        try:
            if not self._lead():
                return False
            moved = self._extend()
            if not moved and self._due():
                self._sign()
            self.deliver()
            return moved
        except (psycopg.Error, PersistenceError):
            self.close()
            raise

    def _lead(self) -> bool:
        if self.active:
            return True
        if time.monotonic() < self._lead_at:
            return False
        self._lead_at = time.monotonic() + LEAD_AGAIN
        connection = postgres.connect(self._config.database_of(self.service), autocommit=True)
        if not connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()[0]:  # type: ignore[index]
            connection.close()
            return False
        self._connection = connection
        log.info("sealer_active", service=self.service)
        return True

    def _extend(self) -> bool:
        if self._resting("tree"):
            return False
        mark = self.tree.mark()
        rows = self.tree.rows_after(mark, BATCH)
        try:
            self.tree.extend(mark, rows)
        except merkle.NOT_AN_EVENT as error:
            # What stands in the log behind the mark cannot be an event, or the tree itself was changed. Nobody who
            # writes or reads is held up by it; verify names the place.
            self._rest("tree", error)
            return False
        self._away.pop("tree", None)
        return bool(rows)

    def _due(self) -> bool:
        if not self._last_is_known:
            self._last, self._last_is_known = self.tree.last(), True
        every = timedelta(seconds=self._config.seal_seconds)
        if self._last is not None and self._clock() < self._last.made_at + every:
            return False
        self._last = self.tree.last()  # a command may have signed meanwhile
        size = self.tree.mark().size
        return size > (0 if self._last is None else self._last.size) and (
            self._last is None or self._clock() >= self._last.made_at + every
        )

    def _sign(self) -> None:
        if self._resting("key"):
            return
        try:
            self._last = sign(self._config, self.service, self.tree, self._clock)
            self._away.pop("key", None)
        except IntegrityError:
            self._last_is_known = False  # another process signed at the same moment
        except (SealKeyWrong, TreeWasChanged, BadNote) as error:
            self._rest("key", error)

    def deliver(self) -> None:
        """Send checkpoints to where they have not been yet; a place that is away is tried again later."""
        for name, send in self._targets.items():
            if not self._resting(name):
                try:
                    self._deliver(name, send)
                except (OSError, BrokerUnavailable, places.OutsideDiffers) as error:
                    self._rest(name, error)

    def _deliver(self, name: str, send: Callable[[Tree, Signed], None]) -> None:
        if self._last is not None and self._delivered.get(name) == self._last.id:
            return
        self._delivered[name] = self.tree.delivered(name)
        for signed in self.tree.checkpoints(after=self._delivered[name], limit=100):
            send(self.tree, signed)
            self.tree.has_delivered(name, signed.id)
            self._delivered[name] = signed.id
        self._away.pop(name, None)

    def _resting(self, name: str) -> bool:
        return name in self._away and time.monotonic() < self._away[name].until

    def _rest(self, name: str, why: Exception) -> None:
        before = self._away.get(name)
        seconds = AGAIN if before is None else min(LONGEST, before.seconds * 2)
        self._away[name] = _Wait(seconds, time.monotonic() + seconds, f"{type(why).__name__}: {why}")
        log.error("seal_held_up", service=self.service, at=name, reason=str(why), again_in_seconds=seconds)

    def away(self) -> dict[str, float]:
        """By what it needs (``tree``, ``key``, and the places): 1 if that is away or wrong."""
        return {name: float(name in self._away) for name in ("tree", "key", *self._targets)}

    def trouble(self) -> list[str]:
        """What is away or wrong, a sentence each."""
        return [f"{name}: {wait.why}" for name, wait in self._away.items()]

    def lag(self) -> int:
        """Positions of the log that are not sealed yet."""
        return max(0, (self._log.max_notification_id() or 0) - self.tree.mark().position)

    def close(self) -> None:
        """Stand down: another sealer may take over at once."""
        connection, self._connection = self._connection, None
        self._last_is_known = False
        if connection is not None:
            connection.close()


def seal_now(config: Config, service: str, log_of: LogRecorder, clock: Clock) -> tuple[Signed, list[str]]:
    """Seal everything that is in the log and sign, unless the last checkpoint says it already; send it away.

    The checkpoint, and what could not be reached. Raises SealKeyWrong, TreeWasChanged, and what merkle.leaf_hash
    raises for a row that cannot be an event.
    """
    sealer = Sealer(service, log_of, config, clock, alone=True)
    mark = catch_up(sealer.tree)
    last = sealer.tree.last()
    if last is None or last.size < mark.size:
        try:
            last = sign(config, service, sealer.tree, clock)
        except IntegrityError:
            last = sealer.tree.last()
            assert last is not None
    sealer.deliver()
    return last, sealer.trouble()


def chain(keys: Iterable[PublicKey]) -> list[dict[str, str]]:
    """Public keys for JSON."""
    return [{"name": key.name, "id": key.id.hex(), "vkey": str(key)} for key in keys]
