"""Statements sent to PostgreSQL together: a transaction then waits for the server once or twice, not at each statement.

Only for speed: see tests/bench/write_postgres.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import Connection, Cursor
from psycopg.rows import tuple_row

from shared.database.execute import Execute


@contextmanager
def together(connection: Connection[Any]) -> Iterator[None]:
    """What is said in here goes to the server together, which is waited for when rows are looked at, and at the end.

    Raises what the first statement that failed raises: wherever that came to light, and whatever failed behind it.
    """
    failure: Exception | None = None
    try:
        with connection.pipeline():
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below: in here the driver would warn of it
                failure = error
    except psycopg.Error as error:
        failure = failure or error
    if failure is not None:
        raise failure


def execute_on(connection: Connection[Any]) -> Execute:
    """The connection as the inbox uses it."""

    def execute(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        cursor = psycopg.RawCursor(connection, row_factory=tuple_row)
        cursor.execute(_numbered(statement), parameters)
        return Rows(cursor) if statement.startswith("SELECT") or "RETURNING" in statement else []

    return execute


@lru_cache(maxsize=200)
def _numbered(statement: str) -> str:
    """With ``$1``, ``$2`` … for each ``?``: the driver then need not take a long statement apart."""
    first, *more = statement.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(more, 1))


class Rows(Sequence[Any]):
    """A statement's rows, fetched when they are looked at."""

    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor
        self._rows: list[Any] | None = None

    @property
    def _fetched(self) -> list[Any]:
        # No cached_property: in Python 3.11 its lock is one for all instances, and who waits for the server holds it.
        if self._rows is None:
            self._rows = self._cursor.fetchall()
        return self._rows

    def __len__(self) -> int:
        return len(self._fetched)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._fetched)

    def __getitem__(self, where: Any) -> Any:
        return self._fetched[where]
