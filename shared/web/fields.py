"""The vocabulary of commands: each kind of value has its one bound here, whichever command takes it.

Choices come from the published language's ``Literal``s. Titles for people stand in ``shared/domain/titles.csv``.
"""

from decimal import Decimal
from typing import Any, ClassVar, get_args

from marshmallow import fields, post_load, validate

from shared.domain.text import identity
from shared.domain.written import DECIMALS, MOST
from shared.readmodels.reference import Reference
from shared.web.body import plain_number
from shared.web.http import BaseSchema, Text


class Reason(Text):
    """事由 Why somebody decides so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(2000, lines=True, **options)


class Narrative(Text):
    """文字说明 A text of several lines: a report, an answer, a plan, a ruling."""

    def __init__(self, **options: Any) -> None:
        super().__init__(5000, lines=True, **options)


class FullText(Text):
    """全文 The text of a document that is published as it stands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(10_000, lines=True, **options)


class Title(Text):
    """标题 One line that says what something is about."""

    def __init__(self, **options: Any) -> None:
        super().__init__(200, **options)


class CreditCode(Text):
    """统一社会信用代码 GB 32100-2015, 18 characters; blanks and hyphens are taken out."""

    def __init__(self, **options: Any) -> None:
        metadata = {"description": "GB 32100-2015, 18 characters", **options.pop("metadata", {})}
        super().__init__(40, metadata=metadata, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return identity(super()._deserialize(value, attr, data, **kwargs)).replace("-", "").upper()


class SeriesNumber(Text):
    """编号 The number of something that the suite numbers itself, like W-2021-0001, however it is spelled."""

    def __init__(self, **options: Any) -> None:
        super().__init__(20, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return identity(super()._deserialize(value, attr, data, **kwargs)).upper()


class Referring(Text):
    """An id of reference data; once its thing is loaded, a direct command asks ``reference`` for it.

    Not if ``known`` is False: then the decision says what it makes of an id that is not, or no longer, known.
    """

    @staticmethod
    def reference(reference: Reference, value: str, field: str) -> None:
        """Raises the refusal of an unknown id, at this field."""
        raise NotImplementedError

    def __init__(self, *, known: bool = True, **options: Any) -> None:
        super().__init__(80, **options)
        self.known = known

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return identity(super()._deserialize(value, attr, data, **kwargs))


class UnitId(Referring):
    """单位 A registered unit that is not dissolved. Refused otherwise: UnknownUnit."""

    @staticmethod
    def reference(reference: Reference, unit: str, field: str) -> None:
        """Raises UnknownUnit."""
        reference.unit(unit, field=field)


class PostId(Referring):
    """岗位 A registered post. Refused otherwise: UnknownPost."""

    @staticmethod
    def reference(reference: Reference, post: str, field: str) -> None:
        """Raises UnknownPost."""
        reference.post(post, field=field)


class Evidence(fields.List[str]):
    """佐证 Where the evidence is: names of files, numbers of documents, links."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("load_default", list)
        super().__init__(Text(500), validate=validate.Length(max=50), **options)


class Quantity(fields.Decimal):
    """数量 A number of something, exactly: JSON number in, JSON number out, never text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validate=validate.Range(min=0, max=MOST), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        number = Decimal(str(plain_number(value)))
        if abs(number) <= MOST and number != round(number, DECIMALS):
            raise self.make_error("invalid")
        return number

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        number = Decimal(value)
        return int(number) if number == number.to_integral_value() else float(number)


class Choice(fields.String):
    """选项 One of the words that the published language has for this: a ``Literal`` of strings."""

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__(validate=validate.OneOf(get_args(kind)), **options)


class Part(BaseSchema):
    """A part of a command's body, for which the published language has a dataclass."""

    makes: ClassVar[type]

    @post_load
    def _make(self, said: dict[str, Any], **_: Any) -> Any:
        return self.makes(**said)


class Parts(fields.List[Any]):
    """Several parts, each of the same kind."""

    def __init__(self, kind: type[Part], *, least: int = 0, most: int, **options: Any) -> None:
        bound = validate.Length(min=least or None, max=most)
        super().__init__(fields.Nested(kind), validate=bound, **options)
