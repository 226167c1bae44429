"""The statements of a view's table, composed once and given to the driver as they are.

Only for speed: SQLAlchemy would compose them anew for every batch (tests/bench/project.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from shared.database.engine import driver_of


class Statements:
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

    def written(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as the driver takes it."""
        return {**row, **{name: written(row[name]) for name, written in self._written.items()}}

    def read(self, connection: Connection, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
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
    def to(cls, table: Table, dialect: Dialect) -> "Statements":
        """The statements to this table."""
        if dialect.name not in table.info:
            by_name = dialect if dialect.name == "postgresql" else sqlite.dialect(paramstyle="named")
            table.info[dialect.name] = cls(table, by_name)
        found: Statements = table.info[dialect.name]
        return found
