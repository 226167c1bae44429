"""What the resources share: the blueprint, and the fields of several bodies."""

from typing import Any

from marshmallow import fields

from shared.events import assignment
from shared.web.commands import HappenedBody
from shared.web.fields import Choice, Reason
from shared.web.http import Blueprint

blueprint = Blueprint("assignment", __name__, url_prefix="/api/v1")


def SecrecyField(**options: Any) -> fields.String:  # noqa: N802 - reads as the field that it makes
    """密级: public, internal or secret."""
    return Choice(assignment.Secrecy, **options)


class Reasoned(HappenedBody):
    """A command with its reason."""

    reason = Reason(required=True)
