"""A service's log in PostgreSQL, on the library's recorder."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from uuid import UUID

from eventsourcing import (
    postgres as library,  # whose factory's name in this module would be found beside our own
)
from eventsourcing.persistence import (
    BaseInfrastructureFactory,
    InterfaceError,
    Notification,
    OperationalError,
    StoredEvent,
)
from eventsourcing.utils import retry
from psycopg import Connection, Cursor
from psycopg.rows import DictRow, args_row, tuple_row
from psycopg.sql import SQL, Composable, Identifier
from psycopg.types.numeric import Int8

from shared.database.execute import Execute
from shared.database.pipeline import Rows, execute_on, pipelined
from shared.database.postgres import TIMEOUT, TimedConnection, abandoned_after, breaker_of, settings
from shared.log import schema
from shared.log.postgres_statements import LogStatements
from shared.log.recorder import Answer, Basis, First, LeafRow, LogRecorder, refuse_newer, write_answer

RETRY_WITHIN, RETRY_DELAY = 1.0, 0.2
"""Seconds within which a failed save is retried, and the pause before: a lost connection fails at once. A save that
fails later has waited for an answer or a lock, and its request is answered 503."""


class Datastore(library.PostgresDatastore):
    """The library's pool over timed connections."""

    def __init__(self, url: str, *, timeout: float, pool_size: int) -> None:
        given = settings(url, timeout)
        super().__init__(
            dbname=given["dbname"],
            host="",
            port="",
            user="",
            password="",
            connect_timeout=timeout,
            idle_in_transaction_session_timeout=abandoned_after(timeout),  # else the library sets 0: never
            pool_size=1,
            max_overflow=pool_size - 1,
            pre_ping=True,
        )
        self._breaker = breaker_of(url)
        timed = type("Timed", (TimedConnection,), {"url": url, "timeout": timeout, "breaker": self._breaker})
        self.pool.connection_class = timed
        self.pool._check = TimedConnection.check  # type: ignore[assignment]
        self.pool.kwargs = {**given, "row_factory": self.pool.kwargs["row_factory"]}  # type: ignore[index]
        # The pool then gives up, and the next request for a connection starts anew. At its default of 300 seconds its
        # retry intervals double, and it would reconnect a minute after the server is back.
        self.pool.reconnect_timeout = timeout

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """Called by the library. Raises DatabaseUnavailable."""
        with ExitStack() as stack:
            with self._breaker.guard():
                connection = stack.enter_context(super().get_connection())
            yield connection

    def register_type_adapters(self) -> None:
        """Called by the library when a recorder is made. The types are not used, and the server may be unavailable."""


class PostgresLog(library.PostgresApplicationRecorder, LogRecorder):
    """The log in PostgreSQL. Positions become visible in order: a save locks the table for writers."""

    def __init__(self, datastore: library.PostgresDatastore, **kwargs: Any) -> None:
        if datastore.enable_db_functions:
            raise ValueError("with database functions a reader can miss events")
        super().__init__(datastore, **kwargs)
        # Without the statement that sets a lock timeout: TimedConnection has one. The rest is composed once.
        _, *lock = self.lock_table_statements
        self.lock_table_statements = [one.as_bytes() if isinstance(one, Composable) else one for one in lock]
        self._events = SQL("{}.{}").format(
            Identifier(self.datastore.schema), Identifier(self.events_table_name)
        )
        self._statements = LogStatements(self._events, self.channel_name)

    def _notify_channel(self, curs: Cursor[Any]) -> None:
        curs.execute(self._statements.notify, prepare=True)

    def create_table(self) -> None:
        """Called by the library when tables are made."""
        super().create_table()
        with self.datastore.transaction(commit=True) as cursor:
            for statement in schema.tables("BYTEA"):
                cursor.execute(statement)

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        first: First | None = None,
        answer: Answer | None = None,
        basis: Basis | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        """Called by the library; its own waits for the server five times, this one at most three times."""
        until = time.monotonic() + RETRY_WITHIN
        while True:
            try:
                return self._save(stored_events, first, answer, basis)
            except (InterfaceError, OperationalError):
                if time.monotonic() > until:
                    raise
                time.sleep(RETRY_DELAY)

    def _save(
        self,
        stored_events: Sequence[StoredEvent],
        first: First | None,
        answer: Answer | None,
        basis: Basis | None,
    ) -> list[int]:
        with self.datastore.get_connection() as connection:
            with pipelined(connection):
                # Not prepared: the fault harness reads these statements on the wire.
                connection.execute("BEGIN", prepare=False)
                if first is not None:
                    first(execute_on(connection))
                inserted = self._insert(connection, stored_events) if stored_events else ()
                if basis is not None and inserted:
                    events = self._events.as_string(connection)
                    own: int = inserted[0][0]
                    refuse_newer(execute_on(connection), events, "notification_id", basis, own)
                if answer is not None:
                    write_answer(execute_on(connection), answer, [position for (position,) in inserted])
                connection.execute("COMMIT", prepare=False)
            return [position for (position,) in inserted]

    def _insert(self, connection: Connection[Any], stored_events: Sequence[StoredEvent]) -> Sequence[Any]:
        cursor = connection.cursor()
        self._lock_table(cursor)
        self._notify_channel(cursor)
        columns = (
            [one.originator_id for one in stored_events],
            [Int8(one.originator_version) for one in stored_events],
            [one.topic for one in stored_events],
            [one.state for one in stored_events],
        )
        cursor = connection.cursor(row_factory=tuple_row)
        return Rows(cursor.execute(self._statements.insert, columns, prepare=True))

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def streams(self, asked: Sequence[tuple[UUID, bool]]) -> list[Sequence[StoredEvent]]:
        """See LogRecorder. Waits for the server once."""
        with self.datastore.get_connection() as connection:
            cursors = []
            with pipelined(connection) if len(asked) > 1 else nullcontext():
                for id_, last in asked:
                    cursor = connection.cursor(row_factory=tuple_row)
                    statement = self._statements.last_event if last else self._statements.stream
                    cursors.append(cursor.execute(statement, (id_,), prepare=True))
            return [[StoredEvent(*row) for row in cursor.fetchall()] for cursor in cursors]

    def connections_in_use(self) -> int:
        """See LogRecorder."""
        stats = self.datastore.pool.get_stats()
        return stats["pool_size"] - stats["pool_available"]

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        with self.datastore.get_connection() as connection:
            yield execute_on(connection)

    @contextmanager
    def writing(self) -> Iterator[Execute]:
        with self.datastore.get_connection() as connection, connection.transaction():
            yield execute_on(connection)

    def listen(self, connection: Connection[Any]) -> None:
        """Have the server notify this connection of every save: a hint, readers still poll."""
        connection.execute(SQL("LISTEN {}").format(Identifier(self.channel_name)))

    def after(self, connection: Connection[Any], position: int, limit: int) -> Cursor[Notification]:
        """The events after a position, read on the caller's connection."""
        cursor = connection.cursor(row_factory=args_row(Notification))
        return cursor.execute(self._statements.after, (position, limit), prepare=True)

    def position_of(self, aggregate_id: UUID, version: int) -> int | None:
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            cursor.execute(
                SQL("SELECT notification_id FROM {} WHERE originator_id=%s AND originator_version=%s").format(
                    self._events
                ),
                (aggregate_id, version),
            )
            found = cursor.fetchone()
        return None if found is None else int(found[0])

    def leaf_rows(self, after: int, limit: int) -> list[LeafRow]:
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(binary=True, row_factory=tuple_row) as cursor,
        ):
            cursor.execute(
                SQL(
                    "SELECT notification_id, uuid_send(originator_id), originator_version, topic, state "
                    "FROM {} WHERE notification_id>%s ORDER BY notification_id LIMIT %s"
                ).format(self._events),
                (after, limit),
            )
            return cursor.fetchall()


class Factory(library.PostgresFactory):
    """What the library opens a log with: ``DUBAN_LOG_URL``, ``DUBAN_LOG_PATIENCE`` and ``DUBAN_LOG_POOL``."""

    def __init__(self, env: Any) -> None:
        BaseInfrastructureFactory.__init__(self, env)
        self.datastore = Datastore(
            str(self.env.get("DUBAN_LOG_URL")),
            timeout=float(self.env.get("DUBAN_LOG_PATIENCE") or TIMEOUT),
            pool_size=int(self.env.get("DUBAN_LOG_POOL") or 5),
        )


def log_settings(url: str, *, timeout: float, pool_size: int, create: bool = False) -> Mapping[str, str]:
    """How the library opens a service's log on PostgreSQL."""
    return {
        "PERSISTENCE_MODULE": "shared.log.postgres",
        "APPLICATION_RECORDER_TOPIC": "shared.log.postgres:PostgresLog",
        "DUBAN_LOG_URL": url,
        "DUBAN_LOG_PATIENCE": str(timeout),
        "DUBAN_LOG_POOL": str(pool_size),
        "CREATE_TABLE": "yes" if create else "no",
    }
