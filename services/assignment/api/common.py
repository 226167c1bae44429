"""What the resources share: the blueprint, who may, quantities, and the one way from a body to an answer."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_args

from flask import Response
from marshmallow import fields, validate

from shared.application.result import CommandResult
from shared.domain.roles import Role
from shared.events import assignment
from shared.web.http import BaseSchema, Blueprint, Moment, Text, answer
from shared.web.request import perform

blueprint = Blueprint("assignment", __name__, url_prefix="/api/v1")

LEADERS = (Role.main_leader, Role.vice_leader)
OFFICES = (Role.government_office, Role.supervision_office)
UNITS = (Role.unit_head, Role.officer)
READERS = (*LEADERS, *OFFICES, *UNITS, Role.overseer, Role.auditor)
"""Who may read at all; which rows they see is decided row by row."""
ON_TASK = (*UNITS, *OFFICES)
"""Whoever may act for a unit on a task; the offices carry tasks too. Whose unit it is, is the domain's rule."""
EVERYBODY = tuple(Role)

MOST = 10**12
"""The largest quantity that is taken, with at most six decimals."""


class Quantity(fields.Decimal):
    """A number of something, exactly: JSON number in, JSON number out, never text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validate=validate.Range(min=0, max=MOST), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        number = Decimal(str(value))
        if abs(number) <= MOST and number != round(number, 6):
            raise self.make_error("invalid")
        return number

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        number = Decimal(value)
        return int(number) if number == number.to_integral_value() else float(number)


def Choice(kind: Any, **options: Any) -> fields.String:  # noqa: N802 - reads as the field that it makes
    """One of the words that the published language has for this."""
    return fields.String(validate=validate.OneOf(get_args(kind)), **options)


def SecrecyField(**options: Any) -> fields.String:  # noqa: N802 - reads as the field that it makes
    """public, internal or secret."""
    return Choice(assignment.Secrecy, **options)


class Happened(BaseSchema):
    """A command about something that may have happened earlier than it is recorded."""

    happened_at = Moment(metadata={"description": "when it became true; now, unless given"})


class Reasoned(Happened):
    """A command with its reason."""

    reason = Text(2000, lines=True, required=True)


def done(
    use_case: Callable[..., CommandResult], body: dict[str, Any], *ids: object, status: int = 200
) -> Response:
    """Carry out a use case with the body's fields, once per request."""
    happened_at = body.pop("happened_at", None)
    return answer(perform(lambda act: use_case(act, *ids, **body), happened_at=happened_at), status)
