"""The engine of read models: fold batches in memory, write the final rows and the mark in one transaction.

A view has a version. A new version, or a rebuild, is built beside the live one from the whole log and swapped in;
reactions never run in it.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeVar

import psycopg
from eventsourcing.persistence import Notification
from psycopg.rows import dict_row
from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError

from shared.database import pipeline
from shared.database.engine import driver_of, engine, execute_on, together
from shared.database.postgres import PATIENCE
from shared.database.unavailable import UNAVAILABLE
from shared.domain.clock import Clock
from shared.domain.refusal import Refusal
from shared.events.base import VOCABULARY, Message
from shared.log import schema
from shared.log.codec import read
from shared.messaging import inbox_store
from shared.messaging.batch import Batch, Position, portions
from shared.messaging.handlers import handlers_of, sources_of
from shared.messaging.inbox import Inbox
from shared.messaging.inbox_store import ConcurrencyConflict
from shared.messaging.parked import TOO_MANY_IN_A_ROW, Backoff, ConsumerStopped, Parked, parked_from
from shared.messaging.receipt import Receipt
from shared.messaging.transport import Follower, LogIncomplete, Replay
from shared.process import logs
from shared.process.metrics import count

T = TypeVar("T")

CONSUMER = "project"
RETRY_SECONDS = 5.0
"""Seconds after which parked messages are tried again at first."""
CONFLICTS = 20
"""How often a message is folded anew when another worker folded into the same rows. Of several, the halves are tried
one after the other: the shorter a transaction, the less it meets."""
CONFLICT = ("40001", "40P01")
"""SQLSTATE: of two transactions that cannot be put in an order, or wait for each other, this one is to begin again."""

Row = dict[str, Any]

log = logs.log("views")


class _Said:
    """What is said to a view's table at every batch: composed once.

    It is said in the driver's words, which SQLAlchemy would find anew each time.
    """

    _read: dict[str, Callable[[Any], Any]] | None = None
    """What SQLAlchemy makes of a column's values that the driver gives: known once the driver has said their types."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        key = table.c.id
        keys: BindParameter[Any] = bindparam("keys", expanding=True)
        self._some = select(table).where(key.in_(keys))
        insert = (postgresql if dialect.name == "postgresql" else sqlite).insert(table)
        others = {column.name: insert.excluded[column.name] for column in table.columns if column is not key}
        upsert = insert.on_conflict_do_update(index_elements=[key], set_=others)
        names = [column.name for column in table.columns]
        self.upsert = str(upsert.compile(dialect=dialect, column_keys=names))
        self.delete = str(delete(table).where(key == bindparam("key")).compile(dialect=dialect))
        found = {
            column.name: column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns
        }
        self._written = {name: written for name, written in found.items() if written is not None}
        self._columns, self._dialect = table.columns, dialect
        self._some_to_driver = f"{select(table).compile(dialect=dialect)} WHERE id = ANY(%s)"

    def written(self, row: Row) -> Row:
        """The row as the driver takes it."""
        return {**row, **{name: written(row[name]) for name, written in self._written.items()}}

    def read(self, connection: Connection, ids: Sequence[str]) -> Iterator[Row]:
        """The rows with these ids."""
        if connection.dialect.name != "postgresql":
            for found in connection.execute(self._some, {"keys": ids}):
                yield dict(found._mapping)
            return
        cursor = driver_of(connection).cursor(row_factory=dict_row)
        cursor.execute(self._some_to_driver, (ids,), prepare=True)
        if self._read is None:
            self._read = dict(self._readers(cursor.description))
        for row in cursor:
            for name, read_value in self._read.items():
                row[name] = read_value(row[name])
            yield row

    def _readers(self, description: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        for column, described in zip(self._columns, description, strict=True):
            implementation = column.type.dialect_impl(self._dialect)
            found = implementation.result_processor(self._dialect, described.type_code)
            if found is not None:
                yield column.name, found

    @classmethod
    def to(cls, table: Table, dialect: Dialect) -> "_Said":
        """The statements to this table."""
        if dialect.name not in table.info:
            by_name = dialect if dialect.name == "postgresql" else sqlite.dialect(paramstyle="named")
            table.info[dialect.name] = cls(table, by_name)
        found: _Said = table.info[dialect.name]
        return found


class Rows:
    """A view's rows by their ``id``, during one batch: loaded when touched, written once at the end."""

    def __init__(
        self, connection: Connection, table: Table, known: dict[str, Row | None], complete: bool
    ) -> None:
        self._connection, self._table = connection, table
        self._said = _Said.to(table, connection.dialect)
        self._known, self._complete = known, complete
        self._touched: set[str] = set()
        self._expected: set[str] = set()
        self._undo: dict[str, Row | None] | None = None
        self._blank: Row = {
            column.name: column.default.arg if column.default is not None else None  # type: ignore[attr-defined]
            for column in table.columns
        }

    def get(self, id: object) -> Row | None:  # noqa: A002
        """The row as it stands (to be read, not changed), or None."""
        key = str(id)
        if key not in self._known:
            if self._complete:
                return None
            self.load(self._expected if key in self._expected else [key])
        return self._known[key]

    def expect(self, ids: Collection[str]) -> None:
        """These rows may be asked for: once one of them is, they are read together."""
        self._expected.update(ids)

    def load(self, ids: Collection[str]) -> None:
        """Read these rows together, because they are about to be asked for."""
        wanted = sorted({*ids} - self._known.keys())
        for start in range(0, len(wanted), inbox_store.CHUNK):
            some = wanted[start : start + inbox_store.CHUNK]
            self._known.update(dict.fromkeys(some))
            for row in self._said.read(self._connection, some):
                self._known[row["id"]] = row

    def some(self, ids: Sequence[str]) -> list[Row]:
        """Those of these rows that there are, read together."""
        self.load(ids)
        return [row for row in map(self.get, ids) if row is not None]

    def put(self, id: object, **values: Any) -> None:  # noqa: A002
        """Write a whole row: columns not named take their defaults."""
        self._check(values)
        self._set(str(id), {**self._blank, **values, "id": str(id)})

    def change(self, id: object, **values: Any) -> bool:  # noqa: A002
        """Change some columns of a row; False (and nothing happens) if there is no such row."""
        self._check(values)
        row = self.get(id)
        if row is None:
            return False
        self._set(str(id), {**row, **values})
        return True

    def drop(self, id: object) -> None:  # noqa: A002
        """Remove a row."""
        self._set(str(id), None)

    def _set(self, key: str, row: Row | None) -> None:
        if self._undo is not None and key not in self._undo:
            self._undo[key] = self.get(key)
        self._known[key] = row
        self._touched.add(key)

    def begin(self) -> None:
        """From here on changes can be undone."""
        self._undo = {}

    def undo(self) -> None:
        """Take back what was changed since ``begin``."""
        for key, row in (self._undo or {}).items():
            self._known[key] = row
            self._touched.add(key)

    def flush(self) -> None:
        """Write the touched rows."""
        final = {key: self._known[key] for key in sorted(self._touched)}
        self._touched.clear()
        gone = [{"key": key} for key, row in final.items() if row is None]
        kept = [self._said.written(row) for row in final.values() if row is not None]
        for statement, rows in ((self._said.delete, gone), (self._said.upsert, kept)):
            if rows and self._connection.dialect.name == "postgresql":
                driver_of(self._connection).cursor().executemany(statement, rows)
            elif rows:
                self._connection.exec_driver_sql(statement, rows)

    def _check(self, values: Mapping[str, Any]) -> None:
        if not values.keys() <= self._blank.keys():
            unknown = ", ".join(sorted(values.keys() - self._blank.keys()))
            raise TypeError(f"{self._table.name} has no column {unknown}")


class View:
    """One read model: a table, its fold and its name for ever.

    Subclasses name their columns (beside ``id``) and hold ``on_…(self, rows: Rows, fact: SomeFact, message:
    Message)`` methods, which are pure: no clock, no network, no randomness.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    handlers: ClassVar[dict[str, list[str]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = handlers_of(cls, "on_")

    @classmethod
    def columns(cls) -> Sequence[Column[Any]]:
        """The columns beside ``id``, made anew at each call."""
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """The services whose facts are folded."""
        return sources_of(self.handlers)

    def row_id(self, message: Message) -> str:
        """The row that this message most likely changes: a batch's are read together. A wrong guess costs only time."""
        return str(message.aggregate_id)

    def fold(self, rows: Rows, message: Message) -> None:
        """Fold one message into the rows."""
        for name in self.handlers.get(message.fact.TOPIC, ()):
            getattr(self, name)(rows, message.fact, message)


_meta = MetaData()
_generations = Table(
    "views",
    _meta,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("live", Boolean, nullable=False),
)


_LIVE = "SELECT name, version, generation FROM views WHERE live"


@dataclass(frozen=True)
class Difference:
    """A row that a rebuild made otherwise than the live view has it."""

    view: str
    id: str
    live: Row | None
    rebuilt: Row | None


class ViewIsBeingBuilt(Refusal):
    """视图 {view} 正在重建，请稍后再试。
    The view {view} is being built: try again in a moment."""

    status = 503


class _Moment(threading.local):
    """What a thread reads in, while it is to be of one moment."""

    stack: ExitStack | None = None
    connection: Connection | None = None
    tables: Mapping[str, Table]
    kept: dict[str, Any]


class Views:
    """A service's read models in one database.

    ``patience``: seconds that one wait for a PostgreSQL server may last.
    """

    def __init__(
        self, url: str, views: Sequence[View], clock: Clock, *, patience: float = PATIENCE, pool_size: int = 5
    ) -> None:
        self.views = {view.name: view for view in views}
        self.clock = clock
        self._engine = engine(url, patience, pool_size)
        self._postgres = self._engine.dialect.name == "postgresql"
        self._reader = (
            self._engine.execution_options(isolation_level="REPEATABLE READ")
            if self._postgres
            else self._engine
        )
        # On PostgreSQL it says itself when a transaction begins: the driver would wait for that.
        self._writer = self._engine.execution_options(
            **({"isolation_level": "AUTOCOMMIT"} if self._postgres else {"writes": True})
        )
        self._builder = self._engine.execution_options(**({} if self._postgres else {"writes": True}))
        self._tables: dict[str, Table] = {}
        self._moment = _Moment()
        self._inbox = Inbox(CONSUMER)
        self._folded_into: Mapping[str, Table] = {}
        self._faults_in_a_row = 0
        self._retry = Backoff(RETRY_SECONDS)

    # -- tables --------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the tables that are missing. In an empty database every view is live at once."""
        with self._builder.begin() as connection:
            for statement in schema.inbox_tables("BYTEA" if self._postgres else "BLOB"):
                connection.exec_driver_sql(statement)
            _meta.create_all(connection)
            empty = not inbox_store.positions(execute_on(connection), CONSUMER)
            known = {(row.name, row.version) for row in connection.execute(select(_generations))}
            for view in self.views.values():
                if (view.name, view.version) not in known and empty:
                    self._new_generation(connection, view, 1, live=True)

    def _new_generation(self, connection: Connection, view: View, generation: int, *, live: bool) -> Table:
        connection.execute(
            _generations.insert().values(
                name=view.name, version=view.version, generation=generation, live=live
            )
        )
        table = self._table_of(view, generation)
        table.drop(connection, checkfirst=True)
        table.create(connection)
        return table

    def _table_of(self, view: View, generation: int) -> Table:
        name = f"{view.name}__v{view.version}_{generation}"
        if name not in self._tables:
            columns = list(view.columns())
            table = Table(name, MetaData(), Column("id", String, primary_key=True), *columns)
            for column in columns:
                if column.info.get("index"):
                    Index(f"{name}__{column.name}", column, table.c.id)
            self._tables[name] = table
        return self._tables[name]

    def table(self, connection: Connection, view: str) -> Table:
        """The live table of a view, to be queried in this connection. Raises ViewIsBeingBuilt."""
        if connection is self._moment.connection and view in self._moment.tables:
            return self._moment.tables[view]
        return self._live(connection, self.views[view])

    def _live(self, connection: Connection, view: View) -> Table:
        generation = connection.execute(
            select(_generations.c.generation).where(
                _generations.c.name == view.name, _generations.c.version == view.version, _generations.c.live
            )
        ).scalar()
        if generation is None:
            raise ViewIsBeingBuilt(view=view.name)
        return self._table_of(view, generation)

    def _all_live(self, connection: Connection) -> dict[str, Table]:
        return self._tables_of(execute_on(connection)(_LIVE, ()))

    def _tables_of(self, generations: Sequence[Sequence[Any]]) -> dict[str, Table]:
        return {
            name: self._table_of(self.views[name], generation)
            for name, version, generation in generations
            if name in self.views and self.views[name].version == version
        }

    def being_built(self) -> list[str]:
        """Views that cannot be read yet."""
        with self.reading() as connection:
            if not inspect(connection).has_table(_generations.name):
                return list(self.views)
            live = self._all_live(connection)
        return [name for name in self.views if name not in live]

    # -- reading -------------------------------------------------------------------------------------------------

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
            moment.tables = self._all_live(moment.connection)
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
                if not self._postgres:
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

    def position_of(self, source: str, partition: int) -> Position:
        """How far the views have come, for the follower that begins there."""
        with self.reading() as connection:
            return self._inbox.begin(execute_on(connection), source, partition)

    def parked(self) -> list[Parked]:
        """Messages that could not be folded, with reasons."""
        with self.reading() as connection:
            return inbox_store.parked(execute_on(connection), CONSUMER)

    def holes(self) -> list[tuple[str, int, int, int]]:
        """Positions that have not been received though later ones have: see inbox_store.holes."""
        with self.reading() as connection:
            return inbox_store.holes(execute_on(connection), CONSUMER)

    # -- folding -------------------------------------------------------------------------------------------------

    def project(self, follower: Follower) -> bool:
        """Fold what has come into the views; whether there was anything. Raises ConsumerStopped."""
        try:
            batches = follower.poll(self.position_of)
            if batches:
                self.fold(batches)
            for batch in batches:
                follower.handled(batch)
        except ConcurrencyConflict:
            self._begin_again(follower)
            return True
        except BaseException:
            self._begin_again(follower)
            raise
        if self._retry.due():
            healed, remaining = self.retry_parked()
            self._retry.tried(healed, remaining)
        return bool(batches)

    def _begin_again(self, follower: Follower) -> None:
        self._inbox.forget()
        follower.rewind()

    def fold(self, batches: Sequence[Batch]) -> None:
        """Fold batches: rows, received versions and marks in one transaction.

        Raises ConcurrencyConflict if another worker folds them, ConsumerStopped.
        """
        try:
            self._fold(batches, self._fold_quickly)
        except (*UNAVAILABLE, ConcurrencyConflict):
            raise  # the database's trouble, not the batch's: the worker tries again
        except Exception:  # noqa: BLE001 - whatever a fold raises is found and parked with its message
            self._inbox.forget()
            for batch in batches:
                self._fold([batch], self._fold_one_by_one)
        if self._faults_in_a_row >= TOO_MANY_IN_A_ROW:
            raise ConsumerStopped(f"{self._faults_in_a_row} messages in a row could not be folded")

    def _fold(self, batches: Sequence[Batch], how: "Folding") -> None:
        number = sum(len(batch.rows) for batch in batches)
        try:
            receipts = self._in_transaction(
                partial(self._fold_in, batches, how), CONFLICTS if number == 1 else 1
            )
        except LOST as error:
            if number == 1 or not _is_conflict(error):
                raise
            self._inbox.forget()
            for portion in portions(batches, (number + 1) // 2):
                self._fold(portion, how)
            return
        for receipt in receipts:
            count(CONSUMER, receipt.source, receipt.saved())
            if receipt.parked:
                self._retry.wanted()

    def _in_transaction(
        self, work: Callable[[Connection, Mapping[str, Table]], T], tries: int = CONFLICTS
    ) -> T:
        for attempt in range(tries):
            try:
                with self._writer.begin() as connection:
                    return work(connection, self._tables_to_fold_into(connection))
            except LOST as error:
                if attempt == tries - 1 or not _is_conflict(error):
                    raise
                self._inbox.forget()  # what was accepted is to be accepted again
        raise AssertionError("unreachable")

    def _tables_to_fold_into(self, connection: Connection) -> dict[str, Table]:
        with together(connection) as execute:
            if self._postgres:
                # Two workers may fold into one row: of two that cannot be put in an order, one begins again.
                execute("BEGIN ISOLATION LEVEL SERIALIZABLE", ())
                execute("LOCK TABLE views IN ROW SHARE MODE", ())  # a swap waits for us
            live = execute(_LIVE, ())
        return self._tables_of(live)

    def _fold_in(
        self,
        batches: Sequence[Batch],
        how: "Folding",
        connection: Connection,
        tables: Mapping[str, Table],
    ) -> list[Receipt]:
        if tables != self._folded_into:  # a rebuild has also written which messages of its view are parked
            self._inbox.forget()
            self._folded_into = tables
        execute = execute_on(connection)
        receipts = self._inbox.receive(execute, batches)
        accepted: list[tuple[Receipt, Notification]] = []
        for receipt, batch in zip(receipts, batches, strict=True):
            for message in receipt.accept(batch, self.clock()):
                if message.topic in VOCABULARY:
                    accepted.append((receipt, message))
                else:
                    receipt.park(parked_from(receipt.origin, message, "fault", "unknown event", self.clock()))
        sources = {batch.source for batch in batches}
        folded = how(
            connection,
            accepted,
            {
                name: tables[name]
                for name, view in self.views.items()
                if name in tables and sources.intersection(view.sources)
            },
        )
        with together(connection) as execute:
            for rows in folded:
                rows.flush()
            inbox_store.save(execute, receipts)
            if self._postgres:
                execute("COMMIT", ())  # here, with the rest: what comes later then has nothing to do
        return receipts

    def _fold_quickly(
        self,
        connection: Connection,
        accepted: Sequence[tuple[Receipt, Notification]],
        tables: Mapping[str, Table],
    ) -> list[Rows]:
        """All of it in memory; the rows, not yet written. Any exception undoes it all."""
        read_once: dict[int, Message] = {}
        folded = []
        receipts = dict.fromkeys(receipt for receipt, _ in accepted)
        for name, table in tables.items():
            view = self.views[name]
            rows = Rows(connection, table, {}, complete=False)
            blocked = {receipt: ids for receipt in receipts if (ids := receipt.blocked(name))}
            messages = []
            for at, (receipt, message) in enumerate(accepted):
                if message.topic not in view.handlers:
                    continue
                if blocked and str(message.originator_id) in blocked.get(receipt, ()):
                    receipt.park(_behind(receipt, message, name, self.clock()))
                    continue
                if at not in read_once:
                    read_once[at] = read(receipt.source, receipt.partition, message)
                messages.append(read_once[at])
            if len(messages) > 1:
                rows.expect({view.row_id(message) for message in messages})
            for found in messages:
                view.fold(rows, found)
            folded.append(rows)
        if read_once:
            self._faults_in_a_row = 0
        return folded

    def _fold_one_by_one(
        self,
        connection: Connection,
        accepted: Sequence[tuple[Receipt, Notification]],
        tables: Mapping[str, Table],
    ) -> list[Rows]:
        """Message by message and view by view, so that what cannot be folded is parked and nothing else."""
        for receipt, message in accepted:
            for name, table in tables.items():
                if message.topic not in self.views[name].handlers:
                    continue
                if str(message.originator_id) in receipt.blocked(name):
                    receipt.park(_behind(receipt, message, name, self.clock()))
                    continue
                reason = self._fold_one(connection, self.views[name], table, receipt.origin, message)
                if reason is None:
                    self._faults_in_a_row = 0
                    continue
                self._faults_in_a_row += 1
                receipt.park(parked_from(receipt.origin, message, "fault", reason, self.clock(), name))
        return []

    def _fold_one(
        self, connection: Connection, view: View, table: Table, origin: tuple[str, int], message: Notification
    ) -> str | None:
        """Fold one message into one view; why it cannot be, or None."""
        try:
            with connection.begin_nested():
                rows = Rows(connection, table, {}, complete=False)
                view.fold(rows, read(*origin, message))
                rows.flush()
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a fold raises, its message is parked with it
            return f"{type(error).__name__}: {error}"
        return None

    def retry_parked(self) -> tuple[int, int]:
        """Fold parked messages again, in order; how many are healed and how many remain.

        The first that fails again keeps the rest of its aggregate parked. Missing facts are not made up for here.
        """
        failed: set[tuple[str, str, str]] = set()
        healed = 0
        rows = self.parked()
        for row in sorted(rows, key=lambda row: (row.source, row.partition, row.position)):
            names = [row.handler] if row.handler else list(self.views)
            of_it = {(row.source, row.aggregate_id, name) for name in names}
            if row.kind == "gap" or row.position < 0 or of_it & failed:
                continue
            if self._in_transaction(partial(self._heal, row)):
                healed += 1
            else:
                failed |= of_it
        if rows:
            self._inbox.forget()
        return healed, len(rows) - healed

    def discard(self, row: Parked) -> None:
        """Give up a parked message for good. Raises ConcurrencyConflict if it is parked no longer."""
        self._in_transaction(lambda connection, _: inbox_store.remove(execute_on(connection), CONSUMER, row))

    def _heal(self, row: Parked, connection: Connection, tables: Mapping[str, Table]) -> bool:
        reason = None if row.topic in VOCABULARY else "unknown event"
        for name in [row.handler] if row.handler else tables:
            if reason is None and name in tables and row.topic in self.views[name].handlers:
                origin = (row.source, row.partition)
                reason = self._fold_one(connection, self.views[name], tables[name], origin, row.notification)
        execute = execute_on(connection)
        if reason is None:
            inbox_store.remove(execute, CONSUMER, row)
        elif reason != row.reason:
            inbox_store.keep(execute, CONSUMER, replace(row, reason=reason))
        return reason is None

    # -- building ------------------------------------------------------------------------------------------------

    def build_missing(self, follower: Follower) -> None:
        """Build every view whose present version is not live yet, from all that was ever said."""
        missing = self.being_built()
        if missing:
            log.info("views_are_built", views=missing)
            self.rebuild(missing, follower)
        self.retire()

    def rebuild(
        self,
        names: Sequence[str],
        follower: Follower,
        *,
        progress: Callable[[int], None] | None = None,
        compare: bool = False,
    ) -> list[Difference]:
        """Build views beside the live ones from the beginning, then swap them in at the live ones' very marks.

        ``progress`` gets the number of facts passed so far. With ``compare``, the rows that came out otherwise than
        the live ones. A message that cannot be folded is parked as ever. The old tables stand until ``retire``, for
        who has just looked one up. Raises LogIncomplete.
        """
        building = Building(self.clock, follower, progress)
        generations: dict[str, int] = {}
        try:
            with self._builder.begin() as connection:
                for name in names:
                    view = self.views[name]
                    generations[name] = self._next_generation(connection, view)
                    table = self._new_generation(connection, view, generations[name], live=False)
                    building.add(view, table)
            while building.fold(self._builder.begin) > inbox_store.CHUNK:
                pass  # the live views have moved on meanwhile
            with self._builder.begin() as connection:
                if self._postgres:
                    connection.exec_driver_sql("LOCK TABLE views IN EXCLUSIVE MODE")
                building.fold(lambda: nullcontext(connection))
                building.complete(connection)
                live = self._all_live(connection)
                differences: list[Difference] = []
                for name in names:
                    view = self.views[name]
                    if compare and name in live:
                        beside = self._table_of(view, generations[name])
                        differences += _compare(connection, view, live[name], beside)
                    self._swap(connection, view, generations[name])
                building.hand_over(connection)
        finally:
            building.close()
        return differences

    @staticmethod
    def _next_generation(connection: Connection, view: View) -> int:
        last = connection.execute(
            select(func.max(_generations.c.generation)).where(
                _generations.c.name == view.name, _generations.c.version == view.version
            )
        ).scalar()
        return (last or 0) + 1

    @staticmethod
    def _swap(connection: Connection, view: View, generation: int) -> None:
        of_view = _generations.c.name == view.name
        connection.execute(update(_generations).where(of_view).values(live=False))
        connection.execute(
            update(_generations)
            .where(of_view, _generations.c.version == view.version, _generations.c.generation == generation)
            .values(live=True)
        )

    def retire(self) -> None:
        """Drop the tables that no reader can find any more: older generations and versions of live views."""
        with self._builder.begin() as connection:
            self._retire(connection)

    @staticmethod
    def _retire(connection: Connection) -> None:
        rows = connection.execute(select(_generations)).all()
        live = {row.name: (row.version, row.generation) for row in rows if row.live}
        for row in rows:
            if (row.version, row.generation) >= live.get(row.name, (0, 0)):
                continue
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{row.name}__v{row.version}_{row.generation}"')
            connection.execute(
                delete(_generations).where(
                    _generations.c.name == row.name,
                    _generations.c.version == row.version,
                    _generations.c.generation == row.generation,
                )
            )


Folding = Callable[[Connection, Sequence[tuple[Receipt, Notification]], Mapping[str, Table]], list[Rows]]


@dataclass
class _Beside:
    view: View
    table: Table
    rows: dict[str, Row | None]
    """All its rows: nobody else writes them while it is built."""


class Building:
    """Views on their way from the beginning to the live views' marks; their inbox is kept in memory."""

    def __init__(self, clock: Clock, follower: Follower, progress: Callable[[int], None] | None) -> None:
        self.clock, self.progress, self._follower = clock, progress, follower
        self.passed = 0
        self._views: list[_Beside] = []
        self._replays: dict[str, Replay] = {}
        self._receipts: dict[tuple[str, int], Receipt] = {}

    def add(self, view: View, table: Table) -> None:
        """Build this view too."""
        self._views.append(_Beside(view, table, {}))
        for source in view.sources:
            if source not in self._replays:
                self._replays[source] = self._follower.replay(source)

    def close(self) -> None:
        """Let go of files and connections."""
        for replay in self._replays.values():
            replay.close()

    def fold(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> int:
        """Fold everything up to the marks of the live views, a batch a transaction; how many facts that were."""
        before = self.passed
        with transaction() as connection:
            execute = execute_on(connection)
            marks = inbox_store.positions(execute, CONSUMER)
            waiting = {
                (row.source, row.aggregate_id)
                for row in inbox_store.parked(execute, CONSUMER)
                if not row.handler and row.kind != "gap"
            }
        for source, replay in self._replays.items():
            own = {partition: mark.position for (of, partition), mark in marks.items() if of == source}
            for batch in replay.up_to(own):
                with transaction() as connection:
                    self._fold_batch(connection, batch, waiting)
                if self.progress is not None:
                    self.progress(self.passed)
        return self.passed - before

    def _fold_batch(self, connection: Connection, batch: Batch, waiting: set[tuple[str, str]]) -> None:
        here = batch.source, batch.partition
        if here not in self._receipts:
            self._receipts[here] = Receipt(CONSUMER, *here)
        receipt = self._receipts[here]
        accepted = [message for message in receipt.accept(batch, self.clock()) if message.topic in VOCABULARY]
        read_once: dict[int, Message] = {}
        for one in self._views:
            rows = Rows(connection, one.table, one.rows, complete=True)
            for message in accepted:
                if message.topic not in one.view.handlers:
                    continue
                key = str(message.originator_id)
                if (batch.source, key) in waiting or key in receipt.blocked(one.view.name):
                    receipt.park(_behind(receipt, message, one.view.name, self.clock()))
                    continue
                try:
                    rows.begin()
                    if message.id not in read_once:
                        read_once[message.id] = read(*here, message)
                    one.view.fold(rows, read_once[message.id])
                except OperationalError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a fold raises, its message is parked with it
                    rows.undo()
                    reason = f"{type(error).__name__}: {error}"
                    receipt.park(parked_from(here, message, "fault", reason, self.clock(), one.view.name))
            rows.flush()
        receipt.saved()
        self.passed += len(batch.rows)

    def complete(self, connection: Connection) -> None:
        """Raises LogIncomplete if not everything up to the marks was there, here or for the live views."""
        execute = execute_on(connection)
        missing = [hole for hole in inbox_store.holes(execute, CONSUMER) if hole[0] in self._replays]
        missing += [
            (*here, *hole) for here, receipt in self._receipts.items() for hole in receipt.holes.items()
        ]
        for (source, partition), mark in inbox_store.positions(execute, CONSUMER).items():
            receipt = self._receipts.get((source, partition))
            at = receipt.position.position if receipt else 0
            if source in self._replays and at < mark.position:
                missing.append((source, partition, at, mark.position))
        for source, partition, after, until in missing:
            raise LogIncomplete(
                f"{source}, partition {partition}: positions after {after} up to {until} are missing; "
                f"publish them again: duban relay republish --service {source} --from {after + 1}"
            )
        gaps = [row for row in inbox_store.parked(execute, CONSUMER) if row.source in self._replays]
        for row in [*gaps, *self._parked()]:
            if row.kind == "gap":
                raise LogIncomplete(f"{row.source}, aggregate {row.aggregate_id}: {row.reason}")

    def hand_over(self, connection: Connection) -> None:
        """What these views could not fold takes the place of what the old ones could not."""
        execute = execute_on(connection)
        for one in self._views:
            execute("DELETE FROM inbox_parked WHERE consumer=? AND handler=?", (CONSUMER, one.view.name))
        for row in self._parked():
            inbox_store.keep(execute, CONSUMER, row)

    def _parked(self) -> list[Parked]:
        return [row for receipt in self._receipts.values() for row in receipt.parked]


LOST = (OperationalError, psycopg.OperationalError)
"""The database is away, or another transaction came first: by SQLAlchemy's name, or by the driver's own."""


def _is_conflict(error: Exception) -> bool:
    return getattr(getattr(error, "orig", error), "sqlstate", None) in CONFLICT


def _behind(receipt: Receipt, message: Notification, handler: str, now: datetime) -> Parked:
    return parked_from(
        receipt.origin, message, "behind", "an earlier fact of the same aggregate is parked", now, handler
    )


def _compare(connection: Connection, view: View, live: Table, beside: Table) -> Iterator[Difference]:
    one = {row.id: dict(row._mapping) for row in connection.execute(select(live))}
    other = {row.id: dict(row._mapping) for row in connection.execute(select(beside))}
    for id in sorted(one.keys() | other.keys()):  # noqa: A001
        if one.get(id) != other.get(id):
            yield Difference(view.name, id, one.get(id), other.get(id))
