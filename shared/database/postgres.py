"""PostgreSQL as the log's and the read models' database: bounded in time, and honest about being away.

Every wait for the server ends after ``patience`` seconds, whatever has become of the link; and once it has been found
away, one thread at a time finds out whether it is back, and all others are told at once.
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
from sqlalchemy import Engine, create_engine, event
from sqlalchemy import exc as sql
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from shared.database.unavailable import DatabaseUnavailable
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


TRUSTED_FOR = 1.0
"""Seconds after an answer in which a connection from a pool is used without asking whether it still stands."""


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


def abandoned_after(patience: float) -> int:
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
        "idle_in_transaction_session_timeout": f"{abandoned_after(patience)}s",
        # Before this side's patience ends: the server would know nothing of that, and go on to wait for the lock.
        "lock_timeout": f"{patience * 900:.0f}",
        **{f"tcp_keepalives_{name}": str(value) for name, value in keepalives.items()},
        **of_session,
    }
    options = " ".join(f"-c {name}={value}" for name, value in of_session.items())
    return {
        "connect_timeout": 2,
        "application_name": f"duban, abandoned after {abandoned_after(patience)} s",
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
