"""A view's statements, compiled once and executed by the driver.

Only for speed: SQLAlchemy would compile them for every batch (tests/bench/project.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy import BindParameter, Connection, Select, Table, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from shared.database.engine import driver_of


class Statements:
    """Reads, upserts and deletes rows of one table."""

    _read: dict[str, Callable[[Any], Any]] | None = None
    """SQLAlchemy's result processors by column, known after the first result has told the types."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        key = table.c.id
        self._table = table
        self._selects: dict[str, Select[Any]] = {}
        insert = (postgresql if dialect.name == "postgresql" else sqlite).insert(table)
        others = {column.name: insert.excluded[column.name] for column in table.columns if column is not key}
        upsert = insert.on_conflict_do_update(index_elements=[key], set_=others)
        names = [column.name for column in table.columns]
        self.upsert = str(upsert.compile(dialect=dialect, column_keys=names))
        self.delete = str(delete(table).where(key == bindparam("key")).compile(dialect=dialect))
        found = {
            column.name: column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns
        }
        self._processors = {name: written for name, written in found.items() if written is not None}
        self._columns, self._dialect = table.columns, dialect
        self._select_by_driver = str(select(table).compile(dialect=dialect))

    def parameters(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as parameters of the driver."""
        return {**row, **{name: written(row[name]) for name, written in self._processors.items()}}

    def read(
        self, connection: Connection, values: Sequence[str], column: str = "id"
    ) -> Iterator[dict[str, Any]]:
        """The rows with these ids, or these values of another column."""
        if connection.dialect.name != "postgresql":
            if column not in self._selects:
                keys: BindParameter[Any] = bindparam("keys", expanding=True)
                self._selects[column] = select(self._table).where(self._table.c[column].in_(keys))
            for found in connection.execute(self._selects[column], {"keys": values}):
                yield dict(found._mapping)
            return
        cursor = driver_of(connection).cursor(row_factory=dict_row)
        name = self._dialect.identifier_preparer.quote(column)
        cursor.execute(f"{self._select_by_driver} WHERE {name} = ANY(%s)", (values,), prepare=True)
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
    def to(cls, table: Table, dialect: Dialect) -> "Statements":
        """The statements of this table."""
        if dialect.name not in table.info:
            by_name = dialect if dialect.name == "postgresql" else sqlite.dialect(paramstyle="named")
            table.info[dialect.name] = cls(table, by_name)
        found: Statements = table.info[dialect.name]
        return found
