"""SQLAlchemy over a PostgreSQL database or a SQLite file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event

from shared.database import pipeline, postgres
from shared.database.execute import Execute

PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")
"""Of a read models' file: what is lost of it is folded again."""


def engine(url: str, patience: float, pool_size: int, lasting: Sequence[str] = ()) -> Engine:
    """SQLAlchemy over a PostgreSQL database or a SQLite file, which a connection with the option ``writes`` locks.

    ``lasting``: the pragmas of a file that is not read models; on PostgreSQL, too, a commit then waits for the disk.
    """
    if url.startswith("postgresql:"):
        return postgres.engine(url, patience, pool_size, lasting=bool(lasting))
    opened = create_engine(url, json_deserializer=msgspec.json.decode)

    @event.listens_for(opened, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below is the only one
        for pragma in (*(lasting or PRAGMAS), "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(opened, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that reads its mark first must hold the write lock from the start (architecture.md, 11).
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return opened


def driver_of(connection: Connection) -> Any:
    return connection.connection.driver_connection


def execute_on(connection: Connection) -> Execute:
    """The connection as the inbox uses it."""
    if connection.dialect.name == "postgresql":
        return pipeline.execute_on(driver_of(connection))

    def execute(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        result = connection.exec_driver_sql(statement, tuple(parameters))
        return result.all() if result.returns_rows else []

    return execute


@contextmanager
def together(connection: Connection) -> Iterator[Execute]:
    """What is said in here is said together, as far as the database knows that: see pipeline.together."""
    with (
        pipeline.together(driver_of(connection)) if connection.dialect.name == "postgresql" else nullcontext()
    ):
        yield execute_on(connection)
