"""The stored keys of persons."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

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
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy import exc as sql
from sqlalchemy.dialects import postgresql, sqlite

from shared.database.columns import MomentColumn
from shared.database.engine import engine
from shared.database.unavailable import DatabaseUnavailable
from shared.process.config import Misconfigured
from shared.process.files import put_once, read_by_others

PRAGMAS = ("journal_mode=DELETE", "synchronous=FULL", "secure_delete=ON")
"""Of the store's file: a key is on the disk before an event is, and what is erased is written over."""
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
"""One row per key. An erased one keeps when and why; a person registered again gets the next generation."""


class KeyTable:
    """The stored keys, in a file or database of their own, outside every log and every backup of logs.

    Opened when first needed. Every method raises DatabaseUnavailable while it is unavailable.
    """

    def __init__(self, place: str | Path, timeout: float, pool_size: int) -> None:
        self._place, self._timeout, self._pool_size = place, timeout, pool_size
        self._opened: Engine | None = None

    def close(self) -> None:
        """Let go of files and connections."""
        if self._opened is not None:
            self._opened.dispose()
            self._opened = None

    def create(self) -> None:
        """Make the table, unless it is there. Raises UNAVAILABLE."""
        _create(self._engine)

    def latest(self, subject: str) -> Any:
        """The row of the subject's last key, erased or not; None if there was never one."""
        with self._asking() as connection:
            return connection.execute(
                select(TABLE).where(TABLE.c.subject == subject).order_by(TABLE.c.generation.desc()).limit(1)
            ).first()

    def add(
        self, subject: str, generation: int, wrapped: bytes, master_id: str, created_at: datetime
    ) -> None:
        """Store a new key, unless another process was first."""
        with self._asking(writes=True) as connection:
            insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(TABLE)
            connection.execute(
                insert.on_conflict_do_nothing(),
                {
                    "subject": subject,
                    "generation": generation,
                    "wrapped": wrapped,
                    "master_id": master_id,
                    "created_at": created_at,
                },
            )

    def named(self, wanted: Sequence[tuple[str, int]]) -> Sequence[Any]:
        """The rows of these subjects and generations."""
        with self._asking() as connection:
            return connection.execute(
                select(TABLE).where(tuple_(TABLE.c.subject, TABLE.c.generation).in_(wanted))
            ).all()

    def of(self, subject: str) -> Sequence[Any]:
        """All keys of ``subject`` and of ``subject#n``, in the order of their creation."""
        its = or_(TABLE.c.subject == subject, TABLE.c.subject.startswith(f"{subject}#", autoescape=True))
        with self._asking() as connection:
            return connection.execute(
                select(TABLE).where(its).order_by(TABLE.c.created_at, TABLE.c.subject, TABLE.c.generation)
            ).all()

    def erase(self, subject: str, generation: int, at: datetime, ground: str) -> bool:
        """Erase the subject's keys up to this generation; whether there was one."""
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
        return erased > 0

    def clean(self) -> None:
        """Rewrite the table's file after erasures: on PostgreSQL it still holds the old rows.

        (SQLite overwrites at once: secure_delete.) The server's own write-ahead log keeps them until it is recycled.
        """
        if self._engine.dialect.name == "postgresql":
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM FULL subject_keys"))

    def rewrap(self, master_id: str, wrapped: Callable[[Any], bytes]) -> int:
        """Store every key as ``wrapped`` has it under another master key, in one transaction; how many there were."""
        with self._asking(writes=True) as connection:
            rows = connection.execute(
                select(TABLE)
                .where(TABLE.c.wrapped.is_not(None), TABLE.c.master_id != master_id)
                .with_for_update()
            ).all()
            for row in rows:
                connection.execute(
                    update(TABLE)
                    .where(TABLE.c.subject == row.subject, TABLE.c.generation == row.generation)
                    .values(wrapped=wrapped(row), master_id=master_id)
                )
        return len(rows)

    def masters(self) -> set[str]:
        """The ids of the master keys that wrap any key."""
        with self._asking() as connection:
            return {
                row.master_id
                for row in connection.execute(
                    select(TABLE.c.master_id).where(TABLE.c.wrapped.is_not(None)).distinct()
                )
            }

    def check_file(self) -> bool:
        """Whether there is anything to open. Raises Misconfigured if others may read the store's file."""
        file = self._file
        if file is None:
            return True
        if not file.exists():
            return False
        _must_be_private(file)
        return True

    @property
    def _file(self) -> Path | None:
        return self._place if isinstance(self._place, Path) else None

    @property
    def _engine(self) -> Engine:
        if self._opened is None:
            if (file := self._file) is not None:
                if not file.exists():  # private before it holds anything, and SQLite's journal takes its mode
                    put_once(file, b"")
                try:
                    _must_be_private(file)
                except Misconfigured as error:  # it was valid at the start: it is being changed
                    raise DatabaseUnavailable(str(error)) from error
            opened = engine(self._place, self._timeout, self._pool_size, PRAGMAS)
            if file is not None:
                _create(opened)
            self._opened = opened
        return self._opened

    @contextmanager
    def _asking(self, *, writes: bool = False) -> Iterator[Connection]:
        try:
            with (
                self._engine.connect().execution_options(writes=writes) as connection,
                connection.begin(),
            ):
                yield connection
        except (sql.ProgrammingError, sqlite3.Error, OSError, sql.OperationalError) as error:
            _unavailable(error)


def _create(engine: Engine) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        TABLE.create(connection, checkfirst=True)


def _must_be_private(file: Path) -> None:
    """Raises Misconfigured if others may read the store's file; OSError."""
    if (mode := read_by_others(file)) is not None:
        raise Misconfigured(
            f"DUBAN_KEYS: {file} has mode {mode:04o}; the keys must not be for others to read: chmod 600 {file}"
        )


def _unavailable(error: Exception) -> NoReturn:
    raise DatabaseUnavailable(
        f"the key store (DUBAN_KEYS; its table is made by duban migrate): {error}"
    ) from error
