"""A view that shows one row for each thing of a lifecycle: its columns are the state's fields, its fold is ``evolve``.

A state is a frozen dataclass. Its field ``status`` is the column ``state``; every other field has its own name. A view
adds what it names of the state's properties, ``id``, ``version`` and, unless everybody may see the thing, ``concerned``
(the units that may see the row) and ``secrecy``. Parts with lifecycles of their own are no columns: they have a view of
their own, which names in ``whole`` the column that holds the aggregate's id. What a part's state does not say of who
may see it, the whole's row says when it is read.

``version`` is the aggregate's after any of its facts. A state with a field ``version`` says itself at which version the
thing last changed; then only its own steps change its row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

import msgspec
from sqlalchemy import JSON, Boolean, Column, Date, Float, Integer, String
from sqlalchemy.types import TypeEngine

from shared.database.columns import MomentColumn
from shared.domain.lifecycle import Lifecycle
from shared.events.base import Fact, Message
from shared.readmodels.concerned import concerned
from shared.readmodels.rows import Ahead, Row, Rows
from shared.readmodels.view import View

S = TypeVar("S")

PLAIN: Mapping[Any, Callable[[], TypeEngine[Any]]] = {
    str: String,
    int: Integer,
    float: Float,
    bool: Boolean,
    date: Date,
    datetime: MomentColumn,
}
"""The column types of values that are kept as they are."""

AS_TEXT: Mapping[Any, Callable[[Any], str]] = {UUID: str, Decimal: "{:f}".format}
"""How values are written that are kept as text; everything else is kept as JSON."""


class Kept(NamedTuple):
    """How one field or property of a state is kept in a row."""

    name: str
    column: str
    hint: Any
    """Its type, without None."""
    optional: bool
    type: Callable[[], TypeEngine[Any]]
    write: Callable[[Any], Any] | None
    """From the state to the row; None for values that are kept as they are."""
    read: Callable[[Any], Any] | None

    def written(self, value: Any) -> Any:
        """What the row keeps of a state's value."""
        return value if value is None or self.write is None else self.write(value)


def _kept_of(lifecycle: Lifecycle[Any]) -> dict[str, Kept]:
    """How each field of the lifecycle's state (a dataclass) is kept, without its parts."""
    hints = get_type_hints(lifecycle.state)
    return {
        one.name: _kept(one.name, hints[one.name])
        for one in fields(lifecycle.state)
        if one.name not in lifecycle.parts
    }


def _kept(name: str, hint: Any) -> Kept:
    optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    if optional:
        hint = Union[tuple(part for part in get_args(hint) if part is not NoneType)]  # noqa: UP007 - made at run time
    plain = str if get_origin(hint) is Literal else hint
    column = "state" if name == "status" else name
    if plain in AS_TEXT:
        return Kept(name, column, hint, optional, String, AS_TEXT[plain], plain)
    if plain in PLAIN:
        return Kept(name, column, hint, optional, PLAIN[plain], None, None)
    return Kept(name, column, hint, optional, JSON, msgspec.to_builtins, partial(msgspec.convert, type=hint))


class LifecycleView(View):
    """One row for each thing of a lifecycle.

    A subclass names ``lifecycle``, in ``derived`` the properties of its state that are columns too, and in ``indexed``
    the columns by which rows are looked up. Its state says in the property ``concerned`` which units may see the row,
    and in ``secrecy`` (a field or a property) how secret it is; a state without ``concerned`` is everybody's to see.
    """

    lifecycle: ClassVar[Lifecycle[Any]]
    derived: ClassVar[Sequence[str]] = ()
    indexed: ClassVar[Sequence[str]] = ()
    whole: ClassVar[str] = ""
    """For parts of an aggregate: the column of its id."""
    kept: ClassVar[Mapping[str, Kept]]
    """How each field of the state is kept in a row."""
    properties: ClassVar[Sequence[Kept]]
    """How each property that is a column is kept in a row."""
    _fields: ClassVar[Sequence[tuple[str, str, Callable[[Any], Any] | None]]]
    """Each field's name, column and ``write``: asked at every fact (tests/bench/project.py)."""
    followed: ClassVar[frozenset[str]]
    """The topics of the facts that change a row."""
    seen_by: ClassVar[tuple[str, ...]]
    """The columns that say who may see a row, unless everybody may, as far as the state knows."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kept = _kept_of(cls.lifecycle)
        cls._fields = [(one.name, one.column, one.write) for one in cls.kept.values()]
        state = cls.lifecycle.state
        cls.properties = [
            _kept(name, get_type_hints(getattr(state, name).fget)["return"]) for name in cls.derived
        ]
        cls.seen_by = tuple(
            name for name in ("concerned", "secrecy") if name in cls.kept or hasattr(state, name)
        )
        cls.followed = frozenset(cls.lifecycle.own if "version" in cls.kept else cls.lifecycle.facts)
        for topic in cls.followed:
            cls.handlers.setdefault(topic, []).insert(0, "follow")

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The state's fields and properties, what the subclass adds, and what every view of things has."""
        of_state = [
            Column(one.column, one.type(), nullable=one.optional, info={"hint": one.hint})
            for one in (*cls.kept.values(), *cls.properties)
        ]
        columns = [*of_state, *cls.more_columns()]
        if cls.whole:
            columns.append(Column(cls.whole, String, nullable=False, info={"hint": UUID, "index": True}))
        names = {column.name for column in columns}
        columns += [
            Column(name, Integer if name == "version" else String, nullable=False)
            for name in (*cls.seen_by, "version")
            if name not in names
        ]
        for column in columns:
            if column.name in cls.indexed:
                column.info["index"] = True
        return columns

    @classmethod
    def more_columns(cls) -> Sequence[Column[Any]]:
        """Columns beside the state's, which the subclass fills in its own ``on_…`` methods."""
        return ()

    @classmethod
    def key(cls, fact: Fact, message: Message) -> str:
        """The row of the thing that this fact is about; the aggregate's id, unless an aggregate holds several."""
        return str(message.aggregate_id)

    def keys(self, rows: Rows, fact: Fact, message: Message) -> Sequence[str]:
        """The rows of the things that this fact is about."""
        return (self.key(fact, message),)

    def row_id(self, message: Message) -> str:
        return (
            self.key(message.fact, message)
            if message.fact.TOPIC in self.followed
            else super().row_id(message)
        )

    def follow(self, rows: Rows, fact: Fact, message: Message, evolve: Lifecycle[Any] | None = None) -> None:
        """Take the lifecycle's step; what the step left as it was is not written again.

        ``evolve``: another lifecycle of the same state, whose thing begins with another fact.
        """
        for key in self.keys(rows, fact, message):
            self._follow_one(rows, key, fact, message, evolve or self.lifecycle)

    def _follow_one(self, rows: Rows, key: str, fact: Fact, message: Message, evolve: Lifecycle[Any]) -> None:
        thing = rows.ahead.get(key)
        if thing is None:
            row = rows.get(key)
            before = None if row is None else self.state_of(row)
        else:
            before = thing.state
        if before is None and self.whole and evolve.needs_state(fact):
            return  # a past cut by when things happened may lack a part's first fact: the others still count
        after = evolve.step(fact, before, message.version)
        if after is before and self.whole:
            return  # it was about other parts
        if thing is None:
            rows.ahead[key] = Ahead(before, after, message, self._changed)
        else:
            thing.state, thing.message = after, message

    def _changed(self, before: Any, state: Any, message: Message) -> Row:
        values = self.row_of(state, before)
        if "version" not in self.kept:
            values["version"] = message.version
        for name in self.seen_by:
            value = getattr(state, name)
            values[name] = concerned(*value) if name == "concerned" else value
        if before is None and self.whole:
            values[self.whole] = str(message.aggregate_id)
        return values

    @classmethod
    def row_of(cls, state: Any, before: Any = None) -> Row:
        """The columns that hold this state; those in which it differs from ``before``, if there was a state before."""
        if state is before:
            return {}
        new, old = vars(state), None if before is None else vars(before)
        values: Row = {}
        for name, column, write in cls._fields:
            value = new[name]
            if old is None or old[name] is not value:
                values[column] = value if write is None or value is None else write(value)
        for one in cls.properties:
            values[one.column] = one.written(getattr(state, one.name))
        return values

    @classmethod
    def state_of(cls, row: Mapping[str, Any]) -> Any:
        """The state that a row holds."""
        state = object.__new__(cls.lifecycle.state)
        vars(state).update(
            {
                one.name: one.read(value) if one.read and value is not None else value
                for one in cls.kept.values()
                for value in (row[one.column],)
            },
            **{name: {} for name in cls.lifecycle.parts},
        )
        return state


class HistoryView(View):
    """One row for each fact of a lifecycle, whichever it is: a fact that gets a step is in its thing's history."""

    lifecycle: ClassVar[Lifecycle[Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for topic in cls.lifecycle.facts:
            cls.handlers.setdefault(topic, []).append("write")

    def write(self, rows: Rows, fact: Fact, message: Message) -> None:
        """Put the fact's row."""
        raise NotImplementedError
