"""SQLite files, found by their path whatever characters it holds."""

import sqlite3
from pathlib import Path
from typing import Any


def connect_file(path: Path, *, mode: str = "rwc", **options: Any) -> sqlite3.Connection:
    """Open a file: ``rwc`` makes a missing one, ``ro`` only reads. Raises sqlite3.Error.

    Always by an absolute URI: SQLite itself may take a path for one (``file:…``), or a part of it for options.
    """
    opened: sqlite3.Connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, **options
    )
    return opened
