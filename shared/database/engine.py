"""SQLAlchemy over a PostgreSQL database or a SQLite file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event

from shared.database import pipeline, postgres
from shared.database.execute import Execute

PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")
"""Of a read models' file: lost transactions are folded again."""


def engine(place: str | Path, timeout: float, pool_size: int, durable: Sequence[str] = ()) -> Engine:
    """SQLAlchemy over a PostgreSQL database or a SQLite file, which a connection with the option ``writes`` locks.

    ``place``: the URL of the database, or the path of the file.
    ``durable``: the pragmas of a file that is not read models; on PostgreSQL a commit then waits for the disk.
    """
    if isinstance(place, str):
        return postgres.engine(place, timeout, pool_size, durable=bool(durable))
    # An URL of parts, never of text: a folder may be called "a?b".
    where = URL.create("sqlite", database=str(place.absolute()))
    opened = create_engine(where, json_deserializer=msgspec.json.decode)

    @event.listens_for(opened, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below is the only one
        for pragma in (*(durable or PRAGMAS), "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(opened, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that reads its position first must hold the write lock from the start.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return opened


def driver_of(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection


def execute_on(connection: Connection) -> Execute:
    """Run statements on this connection."""
    if connection.dialect.name == "postgresql":
        return pipeline.execute_on(driver_of(connection))

    def execute(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        result = connection.exec_driver_sql(statement, tuple(parameters))
        return result.all() if result.returns_rows else []

    return execute


@contextmanager
def pipelined(connection: Connection) -> Iterator[Execute]:
    """Statements sent in one pipeline where the database has pipelines: see pipeline.pipelined."""
    with (
        pipeline.pipelined(driver_of(connection))
        if connection.dialect.name == "postgresql"
        else nullcontext()
    ):
        yield execute_on(connection)
