"""A view's rows while a batch is folded.

The view of a lifecycle folds states and leaves each thing's last one in ``ahead``. The row is made of it once: when it
is asked for, at the latest before it is written. Of ten facts of a thing in a batch the first nine then cost a step of
its lifecycle and nothing else (tests/bench/rebuild.py). A fault in making a row shows in ``settle``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table

from shared.database.engine import driver_of
from shared.events.base import Message
from shared.messaging import inbox_store
from shared.readmodels.statements import Statements

Row = dict[str, Any]


@dataclass(slots=True)
class Ahead:
    """A thing whose state is ahead of its row."""

    of_row: Any
    """The state that the row holds; None if there is no row."""
    state: Any
    message: Message
    """The last one that changed the state."""
    changed: Callable[[Any, Any, Message], Row]
    """The columns to change, from these three."""


class Rows:
    """A view's rows by ``id`` during one batch: loaded on first use, written once at the end."""

    def __init__(
        self,
        connection: Connection,
        table: Table,
        known: dict[str, Row | None],
        complete: bool,
        parts: dict[str, set[str]] | None = None,
    ) -> None:
        self._connection, self._table = connection, table
        self._statements = Statements.to(table, connection.dialect)
        self._known, self._complete = known, complete
        self._parts = {} if parts is None else parts
        """The known rows of the parts of one thing, by its id, with which and a slash their own ids begin."""
        self._loaded_wholes: set[str] = set()
        self._touched: set[str] = set()
        self._expected: set[str] = set()
        self._undo: dict[str, Row | None] | None = None
        self.ahead: dict[str, Ahead] = {}
        """The things whose rows are still to be made."""
        self._blank: Row = {
            column.name: column.default.arg if column.default is not None else None  # type: ignore[attr-defined]
            for column in table.columns
        }

    def get(self, id: object) -> Row | None:  # noqa: A002
        """The current row (not to be mutated), or None."""
        key = str(id)
        if key in self.ahead:
            self._make(key)
        if key not in self._known:
            if self._complete:
                return None
            self.load(self._expected if key in self._expected else [key])
        return self._known[key]

    def expect(self, ids: Collection[str]) -> None:
        """These rows may be needed: they are loaded together with the first of them."""
        self._expected.update(ids)

    def load(self, ids: Collection[str]) -> None:
        """Load these rows in one query."""
        wanted = sorted({*ids} - self._known.keys())
        for start in range(0, len(wanted), inbox_store.CHUNK):
            some = wanted[start : start + inbox_store.CHUNK]
            self._known.update(dict.fromkeys(some))
            for row in self._statements.read(self._connection, some):
                self._know(row["id"], row)

    def some(self, ids: Sequence[str]) -> list[Row]:
        """The existing ones of these rows, loaded in one query."""
        self.load(ids)
        return [row for row in map(self.get, ids) if row is not None]

    def parts(self, whole: str, column: str) -> list[Row]:
        """The rows of the parts of one thing, whose id stands in this column, loaded in one query."""
        self.settle()
        if not self._complete and whole not in self._loaded_wholes:
            self._loaded_wholes.add(whole)
            for row in self._statements.read(self._connection, [whole], column):
                if row["id"] not in self._known:
                    self._know(row["id"], row)
        ids = sorted(self._parts.get(whole, ()))
        return [row for row in map(self.get, ids) if row is not None]

    def put(self, id: object, **values: Any) -> None:  # noqa: A002
        """Replace a row: columns not named take their defaults."""
        self._check(values)
        self._set(str(id), {**self._blank, **values, "id": str(id)})

    def change(self, id: object, **values: Any) -> bool:  # noqa: A002
        """Change columns of a row; False if there is no such row."""
        self._check(values)
        row = self.get(id)
        if row is None:
            return False
        self._set(str(id), {**row, **values})
        return True

    def drop(self, id: object) -> None:  # noqa: A002
        """Remove a row."""
        self._set(str(id), None)

    def settle(self) -> None:
        """Make the rows of all things that are ahead of theirs."""
        for key in list(self.ahead):
            self._make(key)

    def _make(self, key: str) -> None:
        thing = self.ahead.pop(key)
        changed = thing.changed(thing.of_row, thing.state, thing.message)
        self._set(key, {**(self.get(key) or self._blank), **changed, "id": key})

    def _set(self, key: str, row: Row | None) -> None:
        self.ahead.pop(key, None)
        if self._undo is not None and key not in self._undo:
            self._undo[key] = self.get(key)
        self._know(key, row)
        self._touched.add(key)

    def _know(self, key: str, row: Row | None) -> None:
        self._known[key] = row
        whole, slash, _ = key.partition("/")
        if slash:
            self._parts.setdefault(whole, set()).add(key)

    def begin(self) -> None:
        """Start recording changes for ``undo``."""
        self.settle()
        self._undo = {}

    def undo(self) -> None:
        """Undo the changes since ``begin``."""
        self.ahead.clear()
        for key, row in (self._undo or {}).items():
            self._known[key] = row
            self._touched.add(key)

    def flush(self) -> None:
        """Write the touched rows."""
        self.settle()
        final = {key: self._known[key] for key in sorted(self._touched)}
        self._touched.clear()
        gone = [{"key": key} for key, row in final.items() if row is None]
        kept = [self._statements.parameters(row) for row in final.values() if row is not None]
        for statement, rows in ((self._statements.delete, gone), (self._statements.upsert, kept)):
            if rows and self._connection.dialect.name == "postgresql":
                driver_of(self._connection).cursor().executemany(statement, rows)
            elif rows:
                self._connection.exec_driver_sql(statement, rows)

    def _check(self, values: Mapping[str, Any]) -> None:
        if not values.keys() <= self._blank.keys():
            unknown = ", ".join(sorted(values.keys() - self._blank.keys()))
            raise TypeError(f"{self._table.name} has no column {unknown}")
