"""PostgreSQL as the log's and the read models' database: bounded in time, and honest about being away.

Every wait for the server ends after ``patience`` seconds, whatever has become of the link; and once it has been found
away, one thread at a time finds out whether it is back, and all others are told at once.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import msgspec
import psycopg
import psycopg_pool
from eventsourcing import (
    postgres as library,  # whose factory's name in this module would be found beside our own
)
from eventsourcing.persistence import (
    BaseInfrastructureFactory,
    InterfaceError,
    Notification,
    OperationalError,
    PersistenceError,
    StoredEvent,
)
from eventsourcing.utils import retry
from psycopg import Connection, Cursor
from psycopg.rows import DictRow, args_row, tuple_row
from psycopg.sql import SQL, Composable, Identifier
from psycopg.types.numeric import Int8
from sqlalchemy import Engine, create_engine, event
from sqlalchemy import exc as sql
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from shared.audit.merkle import LeafRow
from shared.log import recorder
from shared.log.recorder import Answer, First, LogRecorder, write_answer
from shared.messaging.inbox import Execute
from shared.process import logs

log = logs.log("postgres")

PATIENCE = 2.0
"""Seconds that one wait for the server may last in a web process."""
ABANDONED_AFTER = 10.0
"""Seconds after which the server ends a transaction whose client does nothing: one that stands still (a suspended
machine) would else hold its locks for as long, and nobody could take over its work. In the midst of a pipeline of
statements, and behind one of the driver's until the next statement, PostgreSQL 15 does not notice: then it is ended by
who has waited for its locks in vain."""
AWAY_FOR = 1.0
"""Seconds after which a server that was found away is asked again."""
MADE_AGAIN_WITHIN, MADE_AGAIN_AFTER = 1.0, 0.2
"""Seconds within which a save that has failed is made again, and after how many: a lost connection is found out at
once. What has failed later has waited for an answer or a lock, and whoever asked is told to come back."""
TRUSTED_FOR = 1.0
"""Seconds after an answer in which a connection from a pool is used without asking whether it still stands."""


class DatabaseUnavailable(PersistenceError):
    """The database cannot be reached. Not one of the errors that the library tries again ten times."""


class Link:
    """Whether a server answers, as this process's threads have found out.

    If each of them waited for a server that is away, the requests behind them would wait for the sum.
    """

    def __init__(self) -> None:
        self._away_until = 0.0
        """0: it answers. Else the time (monotonic) from which one thread may ask it again."""
        self._asking = threading.Lock()

    def lost(self) -> None:
        """It did not answer."""
        self._away_until = time.monotonic() + AWAY_FOR

    def check(self) -> None:
        """Raises DatabaseUnavailable if it did not answer within the last second."""
        if time.monotonic() < self._away_until:
            raise DatabaseUnavailable("the database did not answer a moment ago")

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Wraps whatever needs a connection. Raises DatabaseUnavailable for every error of the driver or its pool."""
        self.check()
        away = self._away_until > 0
        if away and not self._asking.acquire(blocking=False):
            raise DatabaseUnavailable(
                "the database did not answer; another thread is finding out whether it is back"
            )
        try:
            yield
            self._away_until = 0.0
        except (PersistenceError, psycopg.OperationalError, sql.OperationalError, sql.TimeoutError) as error:
            self.lost()
            raise DatabaseUnavailable(str(error)) from error
        finally:
            if away:
                self._asking.release()


@cache
def link_to(url: str) -> Link:
    """The one for all of this process's connections to a database."""
    return Link()


class PatientConnection(Connection[Any]):
    """A connection whose every wait is bounded: also where the link swallows what is sent and tells nobody.

    ``patience`` seconds; then the connection is broken and an OperationalError raised. Of the driver's own limits,
    ``connect_timeout`` ends with the connecting, and the server's ``statement_timeout`` is no help if nothing arrives.
    """

    url: str
    patience: float = PATIENCE
    link: Link
    _answered_at = 0.0

    def check(self) -> None:
        """Raises psycopg.OperationalError if the server does not answer any more; who has just heard it, trusts it."""
        if time.monotonic() - self._answered_at > TRUSTED_FOR:
            psycopg_pool.ConnectionPool.check_connection(self)

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Called by psycopg for everything that waits for the server."""
        try:
            found = super().wait(gen, interval, timeout=self.patience if timeout is None else timeout)
            self._answered_at = time.monotonic()
            return found
        except psycopg.errors.IdleInTransactionSessionTimeout as error:
            # The driver calls it an internal error, at which a worker would end; its connection is gone, no more.
            raise psycopg.OperationalError(str(error)) from error
        except psycopg.errors.LockNotAvailable:
            end_abandoned(self.url)
            raise
        except psycopg.errors._WaitTimeout as error:
            if timeout is not None:
                raise
            self.pgconn.finish()
            self.link.lost()
            raise psycopg.OperationalError(f"no answer within {self.patience:g} seconds") from error


def _abandoned_after(patience: float) -> int:
    """Who has the patience to wait long may also have much to do between two statements."""
    return round(max(ABANDONED_AFTER, patience))


_ABANDONED = """
SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND xact_start IS NOT NULL AND wait_event_type = 'Client'
AND greatest(query_start, state_change) < clock_timestamp()
    - make_interval(secs => substring(application_name FROM 'abandoned after ([0-9]+) s')::int)
"""


def end_abandoned(url: str) -> list[int]:
    """End this suite's transactions whose clients have said nothing for as long as their session's name allows.

    The server's processes that were ended. Raises psycopg.OperationalError.
    """
    with connect(url, autocommit=True) as connection:
        ended = connection.execute(_ABANDONED).fetchall()
    for pid, name, _ in ended:
        log.warning("abandoned_transaction_ended", pid=pid, session=name)
    return [pid for pid, *_ in ended]


def settings(
    url: str, patience: float, of_session: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The driver's settings for ``postgresql://user:password@host:port/database?option=…``."""
    parts = urlsplit(url)
    given = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "dbname": parts.path.lstrip("/"),
    }
    more = dict(parse_qsl(parts.query))
    # Both sides ask whether the other's machine still stands: else a dead relay would keep its lock for hours.
    keepalives = {"idle": 5, "interval": 2, "count": 2}
    of_session = {
        "idle_in_transaction_session_timeout": f"{_abandoned_after(patience)}s",
        # Before this side's patience ends: the server would know nothing of that, and go on to wait for the lock.
        "lock_timeout": f"{patience * 900:.0f}",
        **{f"tcp_keepalives_{name}": str(value) for name, value in keepalives.items()},
        **of_session,
    }
    options = " ".join(f"-c {name}={value}" for name, value in of_session.items())
    return {
        "connect_timeout": 2,
        "application_name": f"duban, abandoned after {_abandoned_after(patience)} s",
        **{f"keepalives_{name}": value for name, value in keepalives.items()},
        **{name: value for name, value in given.items() if value is not None},
        **more,
        "options": f"{options} {more.get('options', '')}".rstrip(),
    }


def connect(
    url: str,
    patience: float = PATIENCE,
    of_session: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> PatientConnection:
    """A connection of one's own; ``of_session``: settings of the server. Raises psycopg.OperationalError."""
    connection = PatientConnection.connect(**settings(url, patience, of_session), **options)
    connection.url, connection.patience, connection.link = url, patience, link_to(url)
    return connection


class _Pool(QueuePool):
    """SQLAlchemy's pool, which tells at once that the server is away."""

    link: Link

    def connect(self) -> PoolProxiedConnection:
        """Called by SQLAlchemy. Raises DatabaseUnavailable."""
        with self.link.connecting():
            return super().connect()


def engine(url: str, patience: float, pool_size: int, *, lasting: bool = True) -> Engine:
    """SQLAlchemy over patient connections. What it raises is UNAVAILABLE if the server is away.

    What is not ``lasting`` may be taken back by the server's crash: a commit does not wait for the disk.
    """
    link = link_to(url)

    def new_connection() -> PatientConnection:
        link.check()  # the connection from the pool, tried just before, may have found out
        return connect(url, patience, {} if lasting else {"synchronous_commit": "off"})

    opened = create_engine(
        url.replace("postgresql:", "postgresql+psycopg:", 1),
        creator=new_connection,
        poolclass=type("LinkPool", (_Pool,), {"link": link}),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=patience,
        json_deserializer=msgspec.json.decode,
    )

    @event.listens_for(opened, "checkout")
    def _check(connection: PatientConnection, *_: object) -> None:
        try:
            connection.check()
        except psycopg.Error as error:
            raise sql.InvalidatePoolError(str(error)) from error

    return opened


class Datastore(library.PostgresDatastore):
    """The library's pool over patient connections."""

    def __init__(self, url: str, *, patience: float, pool_size: int) -> None:
        given = settings(url, patience)
        super().__init__(
            dbname=given["dbname"],
            host="",
            port="",
            user="",
            password="",
            connect_timeout=patience,
            idle_in_transaction_session_timeout=_abandoned_after(patience),  # else the library sets 0: never
            pool_size=1,
            max_overflow=pool_size - 1,
            pre_ping=True,
        )
        self._link = link_to(url)
        patient = type(
            "Patient", (PatientConnection,), {"url": url, "patience": patience, "link": self._link}
        )
        self.pool.connection_class = patient
        self.pool._check = PatientConnection.check  # type: ignore[assignment]
        self.pool.kwargs = {**given, "row_factory": self.pool.kwargs["row_factory"]}  # type: ignore[index]
        # After this the pool gives up, and whoever next asks for a connection begins anew; at its own 300 seconds
        # it would try at intervals that double, and be back a minute after the server is.
        self.pool.reconnect_timeout = patience

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """Called by the library. Raises DatabaseUnavailable."""
        with ExitStack() as stack:
            with self._link.connecting():
                connection = stack.enter_context(super().get_connection())
            yield connection

    def register_type_adapters(self) -> None:
        """Called by the library when a recorder is made. Its types are not used, and the server may be away."""


class PostgresLog(library.PostgresApplicationRecorder, LogRecorder):
    """The log in PostgreSQL. Positions become visible in order, because a save locks the table for writers."""

    def __init__(self, datastore: library.PostgresDatastore, **kwargs: Any) -> None:
        if datastore.enable_db_functions:
            raise ValueError("with database functions a reader can miss events")
        super().__init__(datastore, **kwargs)
        # Composed once and not at every save. Nor is the server told at every save how long to wait for the lock: for
        # as long as it takes, which is what it does anyway.
        _, *lock = self.lock_table_statements
        self.lock_table_statements = [_composed(statement) for statement in lock]
        # Lists in the server's own form, not the library's list of composites, which takes twice as long to write.
        self._insert_statement = _composed(
            SQL(
                "INSERT INTO {}.{} (originator_id, originator_version, topic, state) "
                "SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[]) RETURNING notification_id"
            ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        )
        self._notify_statement = _composed(SQL("NOTIFY {}").format(Identifier(self.channel_name)))
        stream = SQL(
            "SELECT originator_id, originator_version, topic, state FROM {}.{} WHERE originator_id=%s "
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        self._stream_statement = _composed(stream + SQL("ORDER BY originator_version"))
        self._last_statement = _composed(stream + SQL("ORDER BY originator_version DESC LIMIT 1"))
        self._after_statement = _composed(
            SQL(
                "SELECT originator_id, originator_version, topic, state, notification_id FROM {}.{} "
                "WHERE notification_id>%s ORDER BY notification_id LIMIT %s"
            ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        )

    def _notify_channel(self, curs: Cursor[Any]) -> None:
        curs.execute(self._notify_statement, prepare=True)

    def create_table(self) -> None:
        """Called by the library when tables are made."""
        super().create_table()
        with self.datastore.transaction(commit=True) as cursor:
            for statement in recorder.tables("BYTEA"):
                cursor.execute(statement)

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        first: First | None = None,
        answer: Answer | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        """Called by the library, in place of its own, which says the same and waits for the server five times.

        Here once for what ``first`` looks at, once for the positions if an answer is made of them, once for the rest.
        """
        until = time.monotonic() + MADE_AGAIN_WITHIN
        while True:
            try:
                return self._save(stored_events, first, answer)
            except (InterfaceError, OperationalError):
                if time.monotonic() > until:
                    raise
                time.sleep(MADE_AGAIN_AFTER)

    def _save(
        self, stored_events: Sequence[StoredEvent], first: First | None, answer: Answer | None
    ) -> list[int]:
        with self.datastore.get_connection() as connection:
            with together(connection):
                # Not prepared, so that whoever listens on the link (a fault harness) can read them.
                connection.execute("BEGIN", prepare=False)
                if first is not None:
                    first(execute_on(connection))
                inserted = self._insert(connection, stored_events) if stored_events else ()
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
        return _Rows(cursor.execute(self._insert_statement, columns, prepare=True))

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def streams(self, asked: Sequence[tuple[UUID, bool]]) -> list[Sequence[StoredEvent]]:
        """See LogRecorder. The server is waited for once."""
        with self.datastore.get_connection() as connection:
            cursors = []
            with together(connection) if len(asked) > 1 else nullcontext():
                for id_, last in asked:
                    cursor = connection.cursor(row_factory=tuple_row)
                    statement = self._last_statement if last else self._stream_statement
                    cursors.append(cursor.execute(statement, (id_,), prepare=True))
            return [[StoredEvent(*row) for row in cursor.fetchall()] for cursor in cursors]

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        """See LogRecorder."""
        with self.datastore.get_connection() as connection:
            yield execute_on(connection)

    @contextmanager
    def writing(self) -> Iterator[Execute]:
        """See LogRecorder."""
        with self.datastore.get_connection() as connection, connection.transaction():
            yield execute_on(connection)

    def listen(self, connection: Connection[Any]) -> None:
        """From here on the server tells this connection of every save: a hint, which a reader that polls may miss."""
        connection.execute(SQL("LISTEN {}").format(Identifier(self.channel_name)))

    def after(self, connection: Connection[Any], position: int, limit: int) -> Cursor[Notification]:
        """What comes after a position, asked in a connection of one's own."""
        cursor = connection.cursor(row_factory=args_row(Notification))
        return cursor.execute(self._after_statement, (position, limit), prepare=True)

    def position_of(self, aggregate_id: UUID, version: int) -> int | None:
        """See LogRecorder."""
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            cursor.execute(
                SQL(
                    "SELECT notification_id FROM {}.{} WHERE originator_id=%s AND originator_version=%s"
                ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name)),
                (aggregate_id, version),
            )
            found = cursor.fetchone()
        return None if found is None else int(found[0])

    def leaf_rows(self, after: int, limit: int) -> list[LeafRow]:
        """See LogRecorder."""
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(binary=True, row_factory=tuple_row) as cursor,
        ):
            cursor.execute(
                SQL(
                    "SELECT notification_id, uuid_send(originator_id), originator_version, topic, state "
                    "FROM {}.{} WHERE notification_id>%s ORDER BY notification_id LIMIT %s"
                ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name)),
                (after, limit),
            )
            return cursor.fetchall()


def _composed(statement: object) -> bytes:
    assert isinstance(statement, Composable)
    return statement.as_bytes()


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
        cursor.execute(_in_servers_words(statement), parameters)
        return _Rows(cursor) if statement.startswith("SELECT") or "RETURNING" in statement else []

    return execute


@lru_cache(maxsize=200)
def _in_servers_words(statement: str) -> str:
    """With ``$1``, ``$2`` … for each ``?``: the driver then need not take a long statement apart."""
    first, *more = statement.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(more, 1))


class _Rows(Sequence[Any]):
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
        "PERSISTENCE_MODULE": "shared.log.postgres",
        "APPLICATION_RECORDER_TOPIC": "shared.log.postgres:PostgresLog",
        "DUBAN_LOG_URL": url,
        "DUBAN_LOG_PATIENCE": str(patience),
        "DUBAN_LOG_POOL": str(pool_size),
        "CREATE_TABLE": "yes" if create else "no",
    }
