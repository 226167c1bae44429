"""Pipelined statements: a transaction waits for PostgreSQL once or twice, not at every statement.

Only for speed: tests/bench/write_postgres.py and project.py need it.
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
def pipelined(connection: Connection[Any]) -> Iterator[None]:
    """Send the statements in one pipeline, synchronised when rows are read and at the end.

    Raises the error of the first statement that failed, not those that it caused.
    """
    failure: Exception | None = None
    try:
        with connection.pipeline():
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below: inside the pipeline the driver would warn
                failure = error
    except psycopg.Error as error:
        failure = failure or error
    if failure is not None:
        raise failure


def execute_on(connection: Connection[Any]) -> Execute:
    """Run statements on this connection; their rows are fetched when they are read."""

    def execute(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        cursor = psycopg.RawCursor(connection, row_factory=tuple_row)
        cursor.execute(_numbered(statement), parameters)
        return Rows(cursor) if statement.startswith("SELECT") or "RETURNING" in statement else []

    return execute


@lru_cache(maxsize=200)
def _numbered(statement: str) -> str:
    """``$1``, ``$2`` … for each ``?``: the driver then need not parse long statements."""
    first, *more = statement.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(more, 1))


class Rows(Sequence[Any]):
    """The rows of a statement, fetched when they are first read."""

    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor
        self._rows: list[Any] | None = None

    @property
    def _fetched(self) -> list[Any]:
        # No cached_property: in Python 3.11 all instances share one lock, held here while waiting for the server.
        if self._rows is None:
            self._rows = self._cursor.fetchall()
        return self._rows

    def __len__(self) -> int:
        return len(self._fetched)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._fetched)

    def __getitem__(self, where: Any) -> Any:
        return self._fetched[where]
