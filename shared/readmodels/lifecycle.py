"""A view that shows one row for each thing of a lifecycle: its columns are the state's fields, its fold is ``evolve``.

A state is a frozen dataclass. Its field ``status`` is the column ``state``; every other field has its own name. A view
adds ``id``, ``version``, ``concerned`` (the units that may see the row) and ``secrecy``. Parts with lifecycles of their
own are no columns: they have a view of their own.

``version`` is the aggregate's after any of its facts. A state with a field ``version`` says itself at which version the
thing last changed; then only its own steps change its row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from datetime import date, datetime
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
from sqlalchemy import JSON, Boolean, Column, Date, Integer, String
from sqlalchemy.types import TypeEngine

from shared.database.columns import MomentColumn
from shared.domain.lifecycle import Lifecycle
from shared.events.base import Fact, Message
from shared.readmodels.concerned import concerned
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View

S = TypeVar("S")

PLAIN: Mapping[Any, Callable[[], TypeEngine[Any]]] = {
    str: String,
    int: Integer,
    bool: Boolean,
    date: Date,
    datetime: MomentColumn,
    UUID: String,
}
"""The column types of values that are kept as they are; everything else is kept as JSON."""


class Kept(NamedTuple):
    """How one field of a state is kept in a row."""

    field: str
    column: str
    hint: Any
    """The field's type, without None."""
    optional: bool
    type: Callable[[], TypeEngine[Any]]
    write: Callable[[Any], Any] | None
    """From the state to the row; None for values that are kept as they are."""
    read: Callable[[Any], Any] | None


def _kept_of(lifecycle: Lifecycle[Any]) -> dict[str, Kept]:
    """How each field of the lifecycle's state (a dataclass) is kept, without its parts."""
    hints = get_type_hints(lifecycle.state, include_extras=False)
    return {
        one.name: _kept(one, hints[one.name])
        for one in fields(lifecycle.state)
        if one.name not in lifecycle.parts
    }


def _kept(one: "Field[Any]", hint: Any) -> Kept:
    optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    if optional:
        hint = Union[tuple(part for part in get_args(hint) if part is not NoneType)]  # noqa: UP007 - made at run time
    plain = str if get_origin(hint) is Literal else hint
    column = "state" if one.name == "status" else one.name
    if plain is UUID:
        return Kept(one.name, column, hint, optional, String, str, UUID)
    if plain in PLAIN:
        return Kept(one.name, column, hint, optional, PLAIN[plain], None, None)
    return Kept(
        one.name, column, hint, optional, JSON, msgspec.to_builtins, partial(msgspec.convert, type=hint)
    )


class LifecycleView(View):
    """One row for each thing of a lifecycle.

    A subclass names ``lifecycle``, and in ``indexed`` the columns by which rows are looked up. Its state says in the
    property ``concerned`` which units may see the row, and in ``secrecy`` (a field or a property) how secret it is.
    """

    lifecycle: ClassVar[Lifecycle[Any]]
    indexed: ClassVar[Sequence[str]] = ()
    kept: ClassVar[Mapping[str, Kept]]
    """How each field of the state is kept in a row."""
    followed: ClassVar[frozenset[str]]
    """The topics of the facts that change a row."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kept = _kept_of(cls.lifecycle)
        cls.followed = frozenset(cls.lifecycle.own if "version" in cls.kept else cls.lifecycle.facts)
        for topic in cls.followed:
            cls.handlers.setdefault(topic, []).insert(0, "follow")

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The state's fields, what the subclass adds, and what every view of things has."""
        of_state = [
            Column(one.column, one.type(), nullable=one.optional, info={"hint": one.hint})
            for one in cls.kept.values()
        ]
        columns = [*of_state, *cls.more_columns()]
        names = {column.name for column in columns}
        columns += [
            column
            for column in (
                Column("concerned", String, nullable=False),
                Column("secrecy", String, nullable=False),
                Column("version", Integer, nullable=False),
            )
            if column.name not in names
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
        key = self.key(fact, message)
        row = rows.get(key)
        known, before = rows.states.get(key, (None, None))
        if row is not None and known is not row:
            before = self.state_of(row)
        after = (evolve or self.lifecycle).step(fact, before, message.version)
        values = self._changed(before, after)
        if "version" not in self.kept:
            values["version"] = message.version
        values["concerned"], values["secrecy"] = concerned(*after.concerned), after.secrecy
        if not rows.change(key, **values):
            rows.put(key, **values)
        now = rows.get(key)
        assert now is not None
        rows.states[key] = now, after

    @classmethod
    def _changed(cls, before: Any, after: Any) -> Row:
        """The columns in which the states differ; all of them if there was none before."""
        old = {} if before is None else vars(before)
        changed = [
            (field, value) for field, value in vars(after).items() if old.get(field, MISSING) is not value
        ]
        return {
            one.column: one.write(value) if one.write and value is not None else value
            for field, value in changed
            if (one := cls.kept.get(field)) is not None
        }

    @classmethod
    def state_of(cls, row: Row) -> Any:
        """The state that a row holds."""
        state = object.__new__(cls.lifecycle.state)
        vars(state).update(
            {
                one.field: one.read(value) if one.read and value is not None else value
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
