"""What is shown of a read model: a schema made from the view's own columns; only differences are declared."""

from collections.abc import Collection
from decimal import Decimal
from types import NoneType
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from marshmallow import Schema, fields, validate
from marshmallow_sqlalchemy import ModelConverter
from sqlalchemy import Column

from shared.database.columns import MomentColumn
from shared.readmodels.view import View
from shared.web.fields import Quantity
from shared.web.http import BaseSchema

UNSEEN = frozenset({"concerned", "secrecy", "number_key"})
"""Columns that decide who sees a row, or by which it is found."""


class _Converter(ModelConverter):
    SQLA_TYPE_MAPPING = {**ModelConverter.SQLA_TYPE_MAPPING, MomentColumn: fields.DateTime}  # noqa: RUF012 - the library's


_CONVERTER = _Converter()


def shown(
    name: str, view: type[View], *, hidden: Collection[str] = (), **others: "fields.Field[Any]"
) -> type[Schema]:
    """The schema ``name`` of the view's rows, their id first, unless it is hidden.

    ``hidden``: columns that are not shown, beside those that only decide who sees a row. ``others``: fields that the
    view has not, or that are shown otherwise than it keeps them.
    """
    members: dict[str, fields.Field[Any]] = {} if "id" in hidden else {"id": fields.UUID(required=True)}
    for column in view.columns():
        if column.name not in {*UNSEEN, *hidden, *others}:
            members[column.name] = field_of(column)
    return BaseSchema.from_dict({**members, **others}, name=name)


def field_of(column: Column[Any]) -> "fields.Field[Any]":
    """The field that shows this column: always there, and null only where the column may be."""
    hint = column.info.get("hint")
    options: dict[str, Any] = {"required": True, "allow_none": bool(column.nullable)}
    if hint is None or hint in (str, int, bool) or _is_moment(hint):
        converted: fields.Field[Any] = _CONVERTER.column2field(column, validate=None, **options)
        return converted
    return _field(hint, options)


def _is_moment(hint: Any) -> bool:
    return isinstance(hint, type) and hint.__name__ in ("date", "datetime")


_PLAIN: dict[Any, type[fields.Field[Any]]] = {
    str: fields.String,
    int: fields.Integer,
    float: fields.Float,
    bool: fields.Boolean,
    Decimal: Quantity,
    UUID: fields.UUID,
}


def _field(hint: Any, options: dict[str, Any]) -> "fields.Field[Any]":
    """The field for a state's type, without None."""
    origin, parts = get_origin(hint), [part for part in get_args(hint) if part not in (NoneType, Ellipsis)]
    if origin is Literal:
        return fields.String(validate=validate.OneOf(parts), **options)
    if hint in _PLAIN:
        return _PLAIN[hint](**options)
    if origin in (tuple, list, frozenset) and len(parts) == 1:
        return fields.List(_field(parts[0], {}), **options)
    raise TypeError(f"say how {hint} is shown: the schema needs a field of its own for it")
