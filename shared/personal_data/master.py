"""The master keys 主密钥, which wrap the keys of persons."""

import base64
import binascii
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from shared.process.config import Config, Misconfigured
from shared.process.files import put_once, read_by_others

KEY = 32


@dataclass(frozen=True)
class Master:
    """A key that wraps keys (主密钥); its id reveals nothing of it."""

    id: str
    key: bytes

    @classmethod
    def of(cls, key: bytes) -> "Master":
        """The master key of these 32 bytes."""
        return cls(sha256(b"duban master key\0" + key).hexdigest()[:16], key)

    @property
    def line(self) -> str:
        """Its line in a file."""
        return base64.b64encode(self.key).decode() + "\n"


def master_path(config: Config) -> Path:
    """The file of the master keys: the first one wraps, the others only unwrap, during a rotation."""
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
    """Make a file with a new master key, unless it exists. Two processes at once end with the same key."""
    put_once(path, lines_of([Master.of(secrets.token_bytes(KEY))]))


def lines_of(masters: Iterable[Master]) -> bytes:
    return "".join(master.line for master in masters).encode()
