"""The read models in their database, and reading them."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

from shared.database import pipeline
from shared.database.engine import engine, execute_on
from shared.log import schema
from shared.messaging import inbox_store
from shared.messaging.batch import Position
from shared.messaging.parked import Parked
from shared.readmodels.generations import Generations
from shared.readmodels.view import View

T = TypeVar("T")
CONSUMER = "project"


class _Snapshot(threading.local):
    """The snapshot that a thread reads from, if any."""

    stack: ExitStack | None = None
    connection: Connection | None = None
    tables: Mapping[str, Table]
    kept: dict[str, Any]


class ViewStore:
    """The read models of a service in one database or file. ``timeout``: seconds of one wait for PostgreSQL."""

    def __init__(self, place: str | Path, views: Sequence[View], timeout: float, pool_size: int) -> None:
        self.views = {view.name: view for view in views}
        self.generations = Generations(self.views)
        self._engine = engine(place, timeout, pool_size)
        self.is_postgres = self._engine.dialect.name == "postgresql"
        self._reader = (
            self._engine.execution_options(isolation_level="REPEATABLE READ")
            if self.is_postgres
            else self._engine
        )
        self.writer = self._engine.execution_options(**({} if self.is_postgres else {"writes": True}))
        """The engine of writing transactions."""
        self._snapshot = _Snapshot()

    def create(self) -> None:
        """Make missing tables. In an empty database every view is live at once."""
        with self.writer.begin() as connection:
            for statement in schema.inbox_tables("BYTEA" if self.is_postgres else "BLOB"):
                connection.exec_driver_sql(statement)
            empty = not inbox_store.positions(execute_on(connection), CONSUMER)
            self.generations.create(connection, empty=empty)

    def table(self, connection: Connection, view: str) -> Table:
        """The live table of a view, for a query on this connection. Raises ViewIsBeingBuilt."""
        if connection is self._snapshot.connection and view in self._snapshot.tables:
            return self._snapshot.tables[view]
        return self.generations.live(connection, self.views[view])

    def being_built(self) -> list[str]:
        """Views that cannot be read yet."""
        with self.reading() as connection:
            if not self.generations.present(connection):
                return list(self.views)
            live = self.generations.all_live(connection)
        return [name for name in self.views if name not in live]

    def retire(self) -> None:
        """Drop older generations and versions of live views, which no reader can find any more."""
        with self.writer.begin() as connection:
            self.generations.drop_older(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose queries read one snapshot."""
        snapshot = self._snapshot
        if snapshot.stack is None:
            with self._snapshot_connection() as connection:
                yield connection
            return
        if snapshot.connection is None:
            snapshot.connection = snapshot.stack.enter_context(self._snapshot_connection())
            snapshot.tables = self.generations.all_live(snapshot.connection)
        yield snapshot.connection

    @contextmanager
    def _snapshot_connection(self) -> Iterator[Connection]:
        with self._reader.connect() as connection:
            yield connection
            connection.commit()  # a rollback would discard the driver's prepared statements

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything that this thread reads in this context is from one snapshot, taken at the first read."""
        if self._snapshot.stack is not None:
            yield
            return
        with ExitStack() as stack:
            self._snapshot.stack, self._snapshot.kept = stack, {}
            try:
                yield
            finally:
                self._snapshot.stack = self._snapshot.connection = None

    def keep(self, what: str, find: Callable[[], T]) -> T:
        """The result of ``find``, cached while in ``snapshot``."""
        if self._snapshot.stack is None:
            return find()
        kept = self._snapshot.kept
        if what not in kept:
            kept[what] = find()
        found: T = kept[what]
        return found

    def query_now(self, statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows of one statement (``?`` placeholders), from the thread's snapshot if it has one.

        Otherwise without a transaction, and without SQLAlchemy: its overhead would exceed that of this frequent query.
        """
        if self._snapshot.connection is not None:
            return execute_on(self._snapshot.connection)(statement, parameters)
        with closing(self._engine.raw_connection()) as link:
            driver: Any = link.driver_connection
            try:
                if not self.is_postgres:
                    return driver.execute(statement, parameters).fetchall()  # type: ignore[no-any-return]
                driver.autocommit = True
                rows = list(pipeline.execute_on(driver)(statement, parameters))
                driver.autocommit = False
            except BaseException:
                link.invalidate()
                raise
        return rows

    def close(self) -> None:
        """Close connections."""
        self._engine.dispose()

    def reached(self, source: str, position: int) -> bool:
        """Whether all facts of a source up to this position have been received."""
        with self.reading() as connection:
            return inbox_store.reached(execute_on(connection), CONSUMER, source, position)

    def positions(self) -> Mapping[tuple[str, int], Position]:
        """The position in every source and partition from which facts have been received."""
        with self.reading() as connection:
            return inbox_store.positions(execute_on(connection), CONSUMER)

    def connections_in_use(self) -> int:
        """How many connections of the pool are in use."""
        pool: Any = self._engine.pool
        return int(pool.checkedout())

    def received_upto(self, source: str) -> int:
        """The last position of a source up to which all its facts have been received."""
        with self.reading() as connection:
            return inbox_store.received_upto(execute_on(connection), CONSUMER, source)

    def parked(self) -> list[Parked]:
        """Messages that could not be folded, with reasons."""
        with self.reading() as connection:
            return inbox_store.parked(execute_on(connection), CONSUMER)

    def holes(self) -> list[tuple[str, int, int, int]]:
        """Positions that have not been received: see inbox_store.holes."""
        with self.reading() as connection:
            return inbox_store.holes(execute_on(connection), CONSUMER)
