"""Files that are written atomically."""

import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}")
"""The name of a file while it is being written."""
MOUNTED = 0o440
"""The mode of a secret that Kubernetes mounts for a group; nobody can write it."""


def put_once(path: Path, content: bytes, *, mode: int = PRIVATE, sync: bool = True) -> None:
    """Write a file unless it exists; of two concurrent writers the first one wins. Raises OSError.

    Nothing is written beside one that exists: its folder may be a mounted secret, which is read-only.
    """
    if path.exists():
        return
    with suppress(FileExistsError):
        _put(path, content, mode, sync, os.link)


def replace(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Write or replace a file. Raises OSError."""
    _put(path, content, mode, True, os.replace)


def _put(path: Path, content: bytes, mode: int, sync: bool, place: Callable[[Path, Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        place(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def read_by_others(path: Path) -> int | None:
    """The file's mode, if others than its owner and its group (a mounted secret) may read it. Raises OSError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return mode if mode & 0o077 & ~0o040 else None
