"""The engine of read models: fold batches in memory, write the final rows and the mark in one transaction.

A view has a version. A new version, or a rebuild, is built beside the live one from the whole log and swapped in;
reactions never run in it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from eventsourcing.persistence import Notification
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    delete,
    event,
    func,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from shared import logs
from shared.clock import Clock
from shared.events.base import Message
from shared.handlers import handlers_of, sources_of
from shared.refusal import Refusal
from shared.transport import Stream
from shared.wire import read

BATCH = 1000
CONSUMER = "project"

Row = dict[str, Any]

log = logs.log("views")


class MomentColumn(TypeDecorator[datetime]):
    """An aware moment, kept as ISO 8601 text in UTC so that SQLite and PostgreSQL sort and compare it alike."""

    impl = String(32)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What a value is on this side, so that a list's cursor is read as a moment and not as its text."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        """Called by SQLAlchemy for each value written."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        """Called by SQLAlchemy for each value read."""
        return None if value is None else datetime.fromisoformat(value)


class Rows:
    """A view's rows by their ``id``, during one batch: loaded when touched, written once at the end."""

    def __init__(
        self, connection: Connection, table: Table, known: dict[str, Row | None], complete: bool
    ) -> None:
        self._connection, self._table = connection, table
        self._known, self._complete = known, complete
        self._touched: set[str] = set()
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
            row = self._connection.execute(select(self._table).where(self._table.c.id == key)).one_or_none()
            self._known[key] = None if row is None else dict(row._mapping)
        return self._known[key]

    def put(self, id: object, **values: Any) -> None:  # noqa: A002
        """Write a whole row: columns not named take their defaults."""
        self._check(values)
        key = str(id)
        self._known[key] = {**self._blank, **values, "id": key}
        self._touched.add(key)

    def change(self, id: object, **values: Any) -> bool:  # noqa: A002
        """Change some columns of a row; False (and nothing happens) if there is no such row."""
        self._check(values)
        row = self.get(id)
        if row is None:
            return False
        key = str(id)
        self._known[key] = {**row, **values}
        self._touched.add(key)
        return True

    def drop(self, id: object) -> None:  # noqa: A002
        """Remove a row."""
        key = str(id)
        self._known[key] = None
        self._touched.add(key)

    def where(self, **equal: Any) -> list[Row]:
        """The rows whose columns equal these values, in order of id. Writes what is pending first: use it rarely."""
        self.flush()
        query = select(self._table).order_by(self._table.c.id)
        for name, value in equal.items():
            query = query.where(self._table.c[name] == value)
        rows = [dict(row._mapping) for row in self._connection.execute(query)]
        self._known.update({row["id"]: row for row in rows})
        return rows

    def flush(self) -> None:
        """Write the touched rows."""
        final = {key: self._known[key] for key in sorted(self._touched)}
        self._touched.clear()
        gone = [key for key, row in final.items() if row is None]
        kept = [row for row in final.values() if row is not None]
        if gone:
            self._connection.execute(delete(self._table).where(self._table.c.id.in_(gone)))
        if kept:
            _upsert(self._connection, self._table, kept, ("id",))

    def _check(self, values: Mapping[str, Any]) -> None:
        unknown = values.keys() - self._blank.keys()
        if unknown:
            raise TypeError(f"{self._table.name} has no column {', '.join(sorted(unknown))}")


def _upsert(connection: Connection, table: Table, rows: list[Row], key: tuple[str, ...]) -> None:
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    others = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in key}
    connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_=others), rows)


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

    def fold(self, rows: Rows, message: Message) -> None:
        """Fold one message into the rows."""
        for name in self.handlers.get(message.fact.TOPIC, ()):
            getattr(self, name)(rows, message.fact, message)


_meta = MetaData()
_generations = Table(
    "views",
    _meta,
    Column("name", String(80), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("live", Boolean, nullable=False),
)
_marks = Table(
    "view_marks",
    _meta,
    Column("table_name", String(120), primary_key=True),
    Column("source", String(80), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", Integer, nullable=False),
)
_parked = Table(
    "view_parked",
    _meta,
    Column("table_name", String(120), primary_key=True),
    Column("source", String(80), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("aggregate_id", String(36), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
)


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


class Views:
    """A service's read models in one database."""

    def __init__(self, url: str, views: Sequence[View], clock: Clock) -> None:
        self.views = {view.name: view for view in views}
        self.clock = clock
        self._engine = _engine(url)
        self._writer = self._engine.execution_options(writes=True)
        self._tables: dict[str, Table] = {}
        self._complete: dict[str, dict[str, Row | None]] = {}

    def create(self) -> None:
        """Make the tables that are missing. The first version of a view is live at once; a later one when built."""
        with self._writer.begin() as connection:
            _meta.create_all(connection)
            for view in self.views.values():
                known = connection.execute(
                    select(_generations.c.version).where(_generations.c.name == view.name)
                )
                versions = set(known.scalars())
                if view.version not in versions:
                    self._new_generation(connection, view, 1, live=not versions)

    def _new_generation(self, connection: Connection, view: View, generation: int, *, live: bool) -> Table:
        connection.execute(
            _generations.insert().values(
                name=view.name, version=view.version, generation=generation, live=live
            )
        )
        table = self._table_of(view, generation)
        table.drop(connection, checkfirst=True)
        table.create(connection)
        if not live:
            self._complete[table.name] = {}  # nobody else writes it while it is built
        return table

    def _table_of(self, view: View, generation: int) -> Table:
        name = f"{view.name}__v{view.version}_{generation}"
        if name not in self._tables:
            columns = list(view.columns())
            table = Table(name, MetaData(), Column("id", String(160), primary_key=True), *columns)
            for column in columns:
                if column.info.get("index"):
                    Index(f"{name}__{column.name}", column, table.c.id)
            self._tables[name] = table
        return self._tables[name]

    def table(self, connection: Connection, view: str) -> Table:
        """The live table of a view, to be queried in this connection. Raises ViewIsBeingBuilt."""
        table, live = self._current(connection, self.views[view])
        if not live:
            raise ViewIsBeingBuilt(view=view)
        return table

    def _current(self, connection: Connection, view: View) -> tuple[Table, bool]:
        """The generation that is kept up to date: the live one, or the one that will be."""
        row = connection.execute(
            select(_generations.c.generation, _generations.c.live)
            .where(_generations.c.name == view.name, _generations.c.version == view.version)
            .order_by(_generations.c.live.desc(), _generations.c.generation.desc())
        ).first()
        if row is None:
            raise ViewIsBeingBuilt(view=view.name)
        return self._table_of(view, row.generation), row.live

    def being_built(self) -> list[str]:
        """Views that cannot be read yet."""
        with self.reading() as connection:
            if not inspect(connection).has_table(_generations.name):
                return list(self.views)
            found = []
            for view in self.views.values():
                try:
                    self.table(connection, view.name)
                except ViewIsBeingBuilt:
                    found.append(view.name)
            return found

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to query with; everything read in it is of one moment."""
        with self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Let go of connections."""
        self._engine.dispose()

    def positions(self) -> dict[str, int]:
        """How far every view has come, by source: what a reader may rely on."""
        found: dict[str, int] = {}
        with self.reading() as connection:
            for view in self.views.values():
                table = self.table(connection, view.name)
                marks = self._marks_of(connection, table)
                for source in view.sources:
                    position = marks.get((source, 0), 0)
                    found[source] = min(found.get(source, position), position)
        return found

    @staticmethod
    def _marks_of(connection: Connection, table: Table) -> dict[tuple[str, int], int]:
        rows = connection.execute(
            select(_marks.c.source, _marks.c.partition, _marks.c.position).where(
                _marks.c.table_name == table.name
            )
        )
        return {(source, partition): position for source, partition, position in rows}

    def parked(self) -> list[Row]:
        """Messages that a view could not fold, with reasons."""
        with self.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(select(_parked))]

    # -- folding -------------------------------------------------------------------------------------------------

    def project(self, streams: Sequence[Stream]) -> bool:
        """Fold what has come into the views; whether there was anything. A finished new version goes live."""
        did = False
        for view in self.views.values():
            with self.reading() as connection:
                table, live = self._current(connection, view)
            moved = self._advance(view, table, streams)
            did = moved or did
            if not live and not moved:
                with self._writer.begin() as connection:
                    connection.execute(
                        update(_generations)
                        .where(_generations.c.name == view.name, _generations.c.version == view.version)
                        .values(live=True)
                    )
                    self._retire_older_versions(connection)
        return did

    def _advance(self, view: View, table: Table, streams: Sequence[Stream]) -> bool:
        did = False
        for stream in streams:
            if stream.source not in view.sources:
                continue
            for partition in stream.partitions:
                with self.reading() as connection:
                    mark = self._marks_of(connection, table).get((stream.source, partition), 0)
                batch = stream.read(partition, after=mark, limit=BATCH)
                if batch:
                    self._fold_batch(view, table, stream.source, partition, batch)
                    did = True
        return did

    def _fold_batch(
        self, view: View, table: Table, source: str, partition: int, batch: Sequence[Notification]
    ) -> None:
        try:
            self._write_batch(view, table, source, partition, batch, [])
        except OperationalError:
            raise  # the database's trouble, not the batch's: the worker tries again
        except Exception as error:  # noqa: BLE001 - whatever a fold raises is parked with its message below
            self._complete.pop(table.name, None)
            if len(batch) > 1:
                for notification in batch:
                    self._fold_batch(view, table, source, partition, [notification])
                return
            reason = f"{type(error).__name__}: {error}"
            log.error("message_parked", view=view.name, source=source, position=batch[0].id, reason=reason)
            self._write_batch(view, table, source, partition, [], [(batch[0], reason)])

    def _write_batch(
        self,
        view: View,
        table: Table,
        source: str,
        partition: int,
        batch: Sequence[Notification],
        parking: list[tuple[Notification, str]],
    ) -> None:
        complete = self._complete.get(table.name)
        with self._writer.begin() as connection:
            mark = self._marks_of(connection, table).get((source, partition), 0)
            known = {} if complete is None else complete
            rows = Rows(connection, table, known, complete is not None)
            blocked = self._blocked(connection, table, source)
            for notification in batch:
                if notification.id <= mark or notification.topic not in view.handlers:
                    continue
                if str(notification.originator_id) in blocked:
                    parking.append((notification, "an earlier fact of the same aggregate is parked"))
                    continue
                view.fold(rows, read(source, partition, notification))
            rows.flush()
            for notification, reason in parking:
                _upsert(
                    connection,
                    _parked,
                    [
                        {
                            "table_name": table.name,
                            "source": source,
                            "partition": partition,
                            "position": notification.id,
                            "aggregate_id": str(notification.originator_id),
                            "reason": reason,
                            "since": self.clock(),
                        }
                    ],
                    ("table_name", "source", "partition", "position"),
                )
            last = max([n.id for n in batch] + [n.id for n, _ in parking])
            if last > mark:
                _upsert(
                    connection,
                    _marks,
                    [
                        {
                            "table_name": table.name,
                            "source": source,
                            "partition": partition,
                            "position": last,
                        }
                    ],
                    ("table_name", "source", "partition"),
                )

    @staticmethod
    def _blocked(connection: Connection, table: Table, source: str) -> set[str]:
        return set(
            connection.execute(
                select(_parked.c.aggregate_id).where(
                    _parked.c.table_name == table.name, _parked.c.source == source
                )
            ).scalars()
        )

    # -- rebuilding ----------------------------------------------------------------------------------------------

    def rebuild(
        self,
        name: str,
        streams: Sequence[Stream],
        *,
        progress: Callable[[int], None] | None = None,
        compare: bool = False,
    ) -> list[Difference]:
        """Build the view beside the live one from the whole log, then swap it in.

        ``progress`` gets the number of positions passed so far. With ``compare``, the rows that came out otherwise
        than the live ones, read at the same positions. A message that cannot be folded is parked as ever.
        """
        view = self.views[name]
        with self._writer.begin() as connection:
            live = self.table(connection, name)
            last = connection.execute(
                select(func.max(_generations.c.generation)).where(
                    _generations.c.name == name, _generations.c.version == view.version
                )
            ).scalar_one()
            beside = self._new_generation(connection, view, last + 1, live=False)
        while self._advance(view, beside, streams):
            if progress is not None:
                with self.reading() as connection:
                    progress(sum(self._marks_of(connection, beside).values()))
        with self._writer.begin() as connection:
            differences: list[Difference] = []
            if compare and self._marks_of(connection, live) == self._marks_of(connection, beside):
                differences = list(_compare(connection, view, live, beside))
            connection.execute(
                update(_generations)
                .where(
                    _generations.c.name == name,
                    _generations.c.version == view.version,
                    _generations.c.generation == last + 1,
                )
                .values(live=True)
            )
            connection.execute(
                delete(_generations).where(
                    _generations.c.name == name,
                    _generations.c.version == view.version,
                    _generations.c.generation <= last,
                )
            )
            for bookkeeping in (_marks, _parked):
                connection.execute(delete(bookkeeping).where(bookkeeping.c.table_name == live.name))
            live.drop(connection)
        self._complete.pop(beside.name, None)
        return differences

    def _retire_older_versions(self, connection: Connection) -> None:
        for row in connection.execute(select(_generations)).all():
            view = self.views.get(row.name)
            if view is None or row.version >= view.version:
                continue
            old = f"{row.name}__v{row.version}_{row.generation}"
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{old}"')
            for bookkeeping in (_marks, _parked):
                connection.execute(delete(bookkeeping).where(bookkeeping.c.table_name == old))
            connection.execute(
                delete(_generations).where(
                    _generations.c.name == row.name, _generations.c.version == row.version
                )
            )

    def retry_parked(self, streams: Sequence[Stream]) -> list[Difference]:
        """Rebuild each view that has parked messages: what can be folded now, is."""
        with self.reading() as connection:
            names = {row.table_name.rpartition("__v")[0] for row in connection.execute(select(_parked))}
        return [difference for name in sorted(names) for difference in self.rebuild(name, streams)]


def _compare(connection: Connection, view: View, live: Table, beside: Table) -> Iterator[Difference]:
    one = {row.id: dict(row._mapping) for row in connection.execute(select(live))}
    other = {row.id: dict(row._mapping) for row in connection.execute(select(beside))}
    for id in sorted(one.keys() | other.keys()):  # noqa: A001
        if one.get(id) != other.get(id):
            yield Difference(view.name, id, one.get(id), other.get(id))


def _engine(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # SQLAlchemy's BEGIN below is the only one
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA busy_timeout=10000")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # A writer that reads its mark first must hold the write lock from the start (architecture.md, 11).
            writes = connection.get_execution_options().get("writes")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
