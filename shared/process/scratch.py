"""What only the running process needs: scratch folders, and files that are being written.

A process that is killed leaves them; the next one to start removes them.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from shared.process import logs
from shared.process.files import UNFINISHED

PREFIX = "duban-scratch-"
SURELY_DEAD = 3600.0
"""Age in seconds of an unfinished file whose writer cannot be at work any more."""
_OWNED: dict[Path, int] = {}
log = logs.log("scratch")


def scratch() -> Path:
    """A new empty folder of this process, locked as long as the process lives. Raises OSError."""
    new = Path(tempfile.mkdtemp(prefix="duban-new-"))
    lock = os.open(new, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Renamed only now: by the other name nobody takes it for one whose owner is dead.
    folder = new.rename(new.with_name(PREFIX + new.name.rpartition("-")[2]))
    _OWNED[folder] = lock
    return folder


def discard(folder: Path) -> None:
    """Remove a folder; of a scratch one the lock, too."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder in _OWNED:
        os.close(_OWNED.pop(folder))


def remove_leftovers(folders: Iterable[Path] = ()) -> None:
    """Remove scratch folders whose process is dead, and in these folders files that nobody finishes."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            _remove_if_dead(path)
    for path in (path for folder in folders for path in folder.rglob(".*")):
        with suppress(OSError):
            if UNFINISHED.fullmatch(path.name) and time.time() - path.stat().st_mtime > SURELY_DEAD:
                path.unlink()
                log.info("leftover_removed", path=str(path))


def _remove_if_dead(path: Path) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(lock).st_uid != os.geteuid():
            return
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
        log.info("leftover_removed", path=str(path))
    finally:
        os.close(lock)
