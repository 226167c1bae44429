"""The read models in their database, and how they are read."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

from shared.database import pipeline
from shared.database.engine import engine, execute_on
from shared.log import schema
from shared.messaging import inbox_store
from shared.messaging.parked import Parked
from shared.readmodels.generations import Generations
from shared.readmodels.view import View

T = TypeVar("T")
CONSUMER = "project"


class _Moment(threading.local):
    """What a thread reads in, while it is to be of one moment."""

    stack: ExitStack | None = None
    connection: Connection | None = None
    tables: Mapping[str, Table]
    kept: dict[str, Any]


class ViewStore:
    """The read models of a service as they are kept in one database, to be read.

    ``timeout``: seconds that one wait for a PostgreSQL server may last.
    """

    def __init__(self, url: str, views: Sequence[View], timeout: float, pool_size: int) -> None:
        self.views = {view.name: view for view in views}
        self.generations = Generations(self.views)
        self._engine = engine(url, timeout, pool_size)
        self.is_postgres = self._engine.dialect.name == "postgresql"
        self._reader = (
            self._engine.execution_options(isolation_level="REPEATABLE READ")
            if self.is_postgres
            else self._engine
        )
        self.writer = self._engine.execution_options(**({} if self.is_postgres else {"writes": True}))
        """Begins transactions that write."""
        self._moment = _Moment()

    def create(self) -> None:
        """Make the tables that are missing. In an empty database every view is live at once."""
        with self.writer.begin() as connection:
            for statement in schema.inbox_tables("BYTEA" if self.is_postgres else "BLOB"):
                connection.exec_driver_sql(statement)
            empty = not inbox_store.positions(execute_on(connection), CONSUMER)
            self.generations.create(connection, empty=empty)

    def table(self, connection: Connection, view: str) -> Table:
        """The live table of a view, to be queried in this connection. Raises ViewIsBeingBuilt."""
        if connection is self._moment.connection and view in self._moment.tables:
            return self._moment.tables[view]
        return self.generations.live(connection, self.views[view])

    def being_built(self) -> list[str]:
        """Views that cannot be read yet."""
        with self.reading() as connection:
            if not self.generations.present(connection):
                return list(self.views)
            live = self.generations.all_live(connection)
        return [name for name in self.views if name not in live]

    def retire(self) -> None:
        """Drop the tables that no reader can find any more: older generations and versions of live views."""
        with self.writer.begin() as connection:
            self.generations.drop_older(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to query with; everything read in it is of one moment."""
        moment = self._moment
        if moment.stack is None:
            with self._snapshot_connection() as connection:
                yield connection
            return
        if moment.connection is None:
            moment.connection = moment.stack.enter_context(self._snapshot_connection())
            moment.tables = self.generations.all_live(moment.connection)
        yield moment.connection

    @contextmanager
    def _snapshot_connection(self) -> Iterator[Connection]:
        with self._reader.connect() as connection:
            yield connection
            connection.commit()  # at a rollback the driver would forget the statements it has prepared

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything that this thread reads in here is of one moment: that of its first reading."""
        if self._moment.stack is not None:
            yield
            return
        with ExitStack() as stack:
            self._moment.stack, self._moment.kept = stack, {}
            try:
                yield
            finally:
                self._moment.stack = self._moment.connection = None

    def keep(self, what: str, find: Callable[[], T]) -> T:
        """What ``find`` finds; in ``snapshot`` it is looked for once."""
        if self._moment.stack is None:
            return find()
        kept = self._moment.kept
        if what not in kept:
            kept[what] = find()
        found: T = kept[what]
        return found

    def query_now(self, statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows of one statement (``?`` placeholders): of the thread's one moment, if it reads already, else of now.

        Of now means without a transaction: the statement is a moment of its own.
        """
        if self._moment.connection is not None:
            return execute_on(self._moment.connection)(statement, parameters)
        # Asked at every request: SQLAlchemy's part would take longer than the question.
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
        """Let go of connections."""
        self._engine.dispose()

    def reached(self, source: str, position: int) -> bool:
        """Whether all facts of a source up to this position have been received: what a reader may rely on."""
        with self.reading() as connection:
            return inbox_store.reached(execute_on(connection), CONSUMER, source, position)

    def parked(self) -> list[Parked]:
        """Messages that could not be folded, with reasons."""
        with self.reading() as connection:
            return inbox_store.parked(execute_on(connection), CONSUMER)

    def holes(self) -> list[tuple[str, int, int, int]]:
        """Positions that have not been received though later ones have: see inbox_store.holes."""
        with self.reading() as connection:
            return inbox_store.holes(execute_on(connection), CONSUMER)
