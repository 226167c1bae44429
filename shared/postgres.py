"""PostgreSQL as the log's and the read models' database: bounded in time, and honest about being away.

Every wait for the server ends after ``patience`` seconds, whatever has become of the link; and once it has been found
away, whoever asks again within a second is told at once.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from eventsourcing import (
    postgres as library,  # whose factory's name in this module would be found beside our own
)
from eventsourcing.persistence import BaseInfrastructureFactory, PersistenceError, StoredEvent
from psycopg import Connection, Cursor
from psycopg.rows import DictRow
from psycopg.types.composite import CompositeInfo, register_composite

from shared import recorder
from shared.inbox import Execute
from shared.recorder import Answer, First, LogRecorder, write_answer

PATIENCE = 2.0
"""Seconds that one wait for the server may last in a web process."""
AWAY_FOR = 1.0
"""Seconds for which a server that was found away is taken to be so."""


class DatabaseAway(PersistenceError):
    """The database cannot be reached. Not one of the errors that the library tries again ten times."""


class PatientConnection(Connection[Any]):
    """A connection whose every wait is bounded: also where the link swallows what is sent and tells nobody.

    ``patience`` seconds; then the connection is broken and an OperationalError raised. Of the driver's own limits,
    ``connect_timeout`` ends with the connecting, and the server's ``statement_timeout`` is no help if nothing arrives.
    """

    patience: float = PATIENCE

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Called by psycopg for everything that waits for the server."""
        try:
            return super().wait(gen, interval, timeout=timeout or self.patience)
        except psycopg.errors._WaitTimeout as error:
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.patience:g} seconds") from error


def settings(url: str) -> dict[str, Any]:
    """The driver's settings for ``postgresql://user:password@host:port/database?option=…``."""
    parts = urlsplit(url)
    given = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "dbname": parts.path.lstrip("/"),
    }
    return {
        "connect_timeout": 2,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        **{name: value for name, value in given.items() if value is not None},
        **dict(parse_qsl(parts.query)),
    }


def connect(url: str, patience: float = PATIENCE, **options: Any) -> PatientConnection:
    """A connection of one's own. Raises psycopg.OperationalError."""
    connection = PatientConnection.connect(**settings(url), **options)
    connection.patience = patience
    return connection


class Datastore(library.PostgresDatastore):
    """The library's pool over patient connections."""

    def __init__(self, url: str, *, patience: float, pool_size: int) -> None:
        given = settings(url)
        super().__init__(
            dbname=given["dbname"],
            host="",
            port="",
            user="",
            password="",
            connect_timeout=patience,
            pool_size=1,
            max_overflow=pool_size - 1,
            pre_ping=True,
        )
        patient = type("Patient", (PatientConnection,), {"patience": patience})
        self.pool.connection_class = patient
        self.pool.kwargs = {**given, "row_factory": self.pool.kwargs["row_factory"]}  # type: ignore[index]
        self._away_until = 0.0

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """Called by the library. Raises DatabaseAway."""
        if time.monotonic() < self._away_until:
            raise DatabaseAway("the database did not answer a moment ago")
        got = False
        try:
            with super().get_connection() as connection:
                got = True
                self._know_types(connection)
                yield connection
        except PersistenceError as error:
            if got:
                raise
            self._away_until = time.monotonic() + AWAY_FOR
            raise DatabaseAway(str(error)) from error

    def register_type_adapters(self) -> None:
        """Called by the library when a recorder is made, which must not need the server: see ``_know_types``."""

    def _know_types(self, connection: Connection[DictRow]) -> None:
        for name in self.db_type_names - self.psycopg_type_adapters.keys():
            info = CompositeInfo.fetch(connection, f"{self.schema}.{name}")
            if info is None:
                continue  # no tables yet: who writes finds that out
            register_composite(info, connection)
            assert info.python_type is not None
            self.psycopg_type_adapters[name] = info
            self.psycopg_python_types[name] = info.python_type


class PostgresLog(library.PostgresApplicationRecorder, LogRecorder):
    """The log in PostgreSQL. Positions become visible in order, because a save locks the table for writers."""

    def __init__(self, datastore: library.PostgresDatastore, **kwargs: Any) -> None:
        if datastore.enable_db_functions:
            raise ValueError("with database functions a reader can miss events")
        super().__init__(datastore, **kwargs)

    def create_table(self) -> None:
        """Called by the library when tables are made."""
        super().create_table()
        with self.datastore.transaction(commit=True) as cursor:
            for statement in recorder.tables("BYTEA"):
                cursor.execute(statement)

    def _insert_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],
        *,
        first: First | None = None,
        answer: Answer | None = None,
        **kwargs: Any,
    ) -> None:
        if first is not None:
            first(execute_on(curs))
        super()._insert_events(curs, stored_events, **kwargs)
        if answer is not None and not stored_events:
            write_answer(execute_on(curs), answer, [])

    def _fetch_ids_after_insert_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],
        *,
        answer: Answer | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        positions = super()._fetch_ids_after_insert_events(curs, stored_events, **kwargs)
        if answer is not None:
            write_answer(execute_on(curs), answer, positions or [])
        return positions

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        """See LogRecorder."""
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            yield execute_on(cursor)


def execute_on(cursor: Cursor[Any]) -> Execute:
    """The cursor as the inbox uses it."""

    def execute(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        cursor.execute(statement.replace("?", "%s"), parameters)
        if not (statement.startswith("SELECT") or "RETURNING" in statement):
            return []
        return [tuple(row.values()) if isinstance(row, dict) else row for row in cursor.fetchall()]

    return execute


class Factory(library.PostgresFactory):
    """What the library opens a log with: ``DUBAN_LOG_URL``, ``DUBAN_LOG_PATIENCE`` and ``DUBAN_LOG_POOL``."""

    def __init__(self, env: Any) -> None:
        BaseInfrastructureFactory.__init__(self, env)
        self.datastore = Datastore(
            str(self.env.get("DUBAN_LOG_URL")),
            patience=float(self.env.get("DUBAN_LOG_PATIENCE") or PATIENCE),
            pool_size=int(self.env.get("DUBAN_LOG_POOL") or 5),
        )


def log_settings(url: str, *, patience: float, pool_size: int, create: bool = False) -> Mapping[str, str]:
    """How the library opens a service's log on PostgreSQL."""
    return {
        "PERSISTENCE_MODULE": "shared.postgres",
        "APPLICATION_RECORDER_TOPIC": "shared.postgres:PostgresLog",
        "DUBAN_LOG_URL": url,
        "DUBAN_LOG_PATIENCE": str(patience),
        "DUBAN_LOG_POOL": str(pool_size),
        "CREATE_TABLE": "yes" if create else "no",
    }
