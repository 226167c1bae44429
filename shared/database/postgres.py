"""Connections to PostgreSQL: every wait is bounded, and an unavailable server is reported at once.

A wait for the server ends after ``timeout`` seconds, even on a dead network link. Once the server is unavailable, one
thread at a time probes it; the others fail at once.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import psycopg
import psycopg_pool
from eventsourcing.persistence import PersistenceError
from psycopg import Connection
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy import exc as sql
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from shared.database.unavailable import DatabaseUnavailable
from shared.process import logs

log = logs.log("postgres")
TIMEOUT = 2.0
"""Seconds that a web process waits for the server at most."""
ABANDONED_AFTER = 10.0
"""Seconds after which the server ends an idle transaction: a suspended client would otherwise hold its locks, and
nobody could take over its work. PostgreSQL 15 does not notice it inside a pipeline of statements: there the client
whose lock timed out ends it (``end_abandoned``)."""
RETRY_AFTER = 1.0
"""Seconds after a failure until the server is probed again."""
VALIDATE_AFTER = 1.0
"""Seconds for which a pooled connection is used without a check after the server last answered on it."""


class CircuitBreaker:
    """Whether a server answers, for all threads of this process.

    If each thread waited for an unavailable server, the requests behind them would wait for the sum.
    """

    def __init__(self) -> None:
        self._open_until = 0.0
        """0: closed, the server answers. Else the monotonic time from which one thread may probe it."""
        self._probing = threading.Lock()

    def trip(self) -> None:
        """The server did not answer."""
        self._open_until = time.monotonic() + RETRY_AFTER

    def check(self) -> None:
        """Raises DatabaseUnavailable if the server failed to answer within the last second."""
        if time.monotonic() < self._open_until:
            raise DatabaseUnavailable("the database did not answer a moment ago")

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Wrap code that needs a connection: errors of the driver and its pool become DatabaseUnavailable."""
        self.check()
        away = self._open_until > 0
        if away and not self._probing.acquire(blocking=False):
            raise DatabaseUnavailable(
                "the database did not answer; another thread is finding out whether it is back"
            )
        try:
            yield
            self._open_until = 0.0
        except (PersistenceError, psycopg.OperationalError, sql.OperationalError, sql.TimeoutError) as error:
            self.trip()
            raise DatabaseUnavailable(str(error)) from error
        finally:
            if away:
                self._probing.release()


@cache
def breaker_of(url: str) -> CircuitBreaker:
    """The one breaker for all of this process's connections to a database."""
    return CircuitBreaker()


class TimedConnection(Connection[Any]):
    """A connection whose every wait ends after ``timeout`` seconds, also on a link that drops packets silently.

    The connection is then closed and an OperationalError raised. The driver's ``connect_timeout`` covers connecting
    only, and the server's ``statement_timeout`` does not help if nothing arrives.
    """

    url: str
    timeout: float = TIMEOUT
    breaker: CircuitBreaker
    _answered_at = 0.0

    def check(self) -> None:
        """Raises psycopg.OperationalError if the server no longer answers. An answer is trusted for VALIDATE_AFTER."""
        if time.monotonic() - self._answered_at > VALIDATE_AFTER:
            psycopg_pool.ConnectionPool.check_connection(self)

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Called by psycopg for everything that waits for the server."""
        try:
            found = super().wait(gen, interval, timeout=self.timeout if timeout is None else timeout)
            self._answered_at = time.monotonic()
            return found
        except psycopg.errors.IdleInTransactionSessionTimeout as error:
            # The driver raises an InternalError, at which a worker would exit; only the connection is lost.
            raise psycopg.OperationalError(str(error)) from error
        except psycopg.errors.LockNotAvailable:
            end_abandoned(self.url)
            raise
        except psycopg.errors._WaitTimeout as error:
            if timeout is not None:
                raise
            self.pgconn.finish()
            self.breaker.trip()
            raise psycopg.OperationalError(f"no answer within {self.timeout:g} seconds") from error


def abandoned_after(timeout: float) -> int:
    """A client with a long timeout may also work long between two statements."""
    return round(max(ABANDONED_AFTER, timeout))


_ABANDONED = """
SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND xact_start IS NOT NULL AND wait_event_type = 'Client'
AND greatest(query_start, state_change) < clock_timestamp()
    - make_interval(secs => substring(application_name FROM 'abandoned after ([0-9]+) s')::int)
"""


def end_abandoned(url: str) -> list[int]:
    """End this suite's transactions that have been idle for longer than their application name allows.

    Returns the ids of the server processes. Raises psycopg.OperationalError.
    """
    with connect(url, autocommit=True) as connection:
        ended = connection.execute(_ABANDONED).fetchall()
    for pid, name, _ in ended:
        log.warning("abandoned_transaction_ended", pid=pid, session=name)
    return [pid for pid, *_ in ended]


def settings(
    url: str, timeout: float, of_session: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The driver's settings for ``postgresql://user:password@host:port/database?option=…``."""
    parts = urlsplit(url)
    given = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "dbname": unquote(parts.path.lstrip("/")),
    }
    more = dict(parse_qsl(parts.query))
    # Keepalives on both sides: otherwise the lock of a relay on a dead machine would be held for hours.
    keepalives = {"idle": 5, "interval": 2, "count": 2}
    of_session = {
        "idle_in_transaction_session_timeout": f"{abandoned_after(timeout)}s",
        # Shorter than the client's timeout, of which the server knows nothing: it would go on waiting for the lock.
        "lock_timeout": f"{timeout * 900:.0f}",
        **{f"tcp_keepalives_{name}": str(value) for name, value in keepalives.items()},
        **of_session,
    }
    options = " ".join(f"-c {name}={value}" for name, value in of_session.items())
    return {
        "connect_timeout": 2,
        "application_name": f"duban, abandoned after {abandoned_after(timeout)} s",
        **{f"keepalives_{name}": value for name, value in keepalives.items()},
        **{name: value for name, value in given.items() if value is not None},
        **more,
        "options": f"{options} {more.get('options', '')}".rstrip(),
    }


def connect(
    url: str,
    timeout: float = TIMEOUT,
    of_session: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> TimedConnection:
    """A connection outside any pool; ``of_session``: the server's settings. Raises psycopg.OperationalError."""
    connection = TimedConnection.connect(**settings(url, timeout, of_session), **options)
    connection.url, connection.timeout, connection.breaker = url, timeout, breaker_of(url)
    return connection


class _Pool(QueuePool):
    """SQLAlchemy's pool, behind the circuit breaker."""

    breaker: CircuitBreaker

    def connect(self) -> PoolProxiedConnection:
        """Called by SQLAlchemy. Raises DatabaseUnavailable."""
        with self.breaker.guard():
            return super().connect()


def engine(url: str, timeout: float, pool_size: int, *, durable: bool = True) -> Engine:
    """SQLAlchemy over timed connections. Raises one of UNAVAILABLE while the server is unavailable.

    Unless ``durable``, a commit does not wait for the disk: a crash of the server may undo the last ones.
    """
    breaker = breaker_of(url)

    def new_connection() -> TimedConnection:
        breaker.check()  # the check of a pooled connection just before may have tripped it
        return connect(url, timeout, {} if durable else {"synchronous_commit": "off"})

    opened = create_engine(
        URL.create("postgresql+psycopg"),
        creator=new_connection,
        poolclass=type("GuardedPool", (_Pool,), {"breaker": breaker}),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout,
        json_deserializer=msgspec.json.decode,
    )

    @event.listens_for(opened, "checkout")
    def _check(connection: TimedConnection, *_: object) -> None:
        try:
            connection.check()
        except psycopg.Error as error:
            raise sql.InvalidatePoolError(str(error)) from error

    return opened
