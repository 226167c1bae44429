"""Numbers by series and year: none left out, none given twice (measures B6)."""

from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.events.base import Fact


class SeriesState(NamedTuple):
    """How far a series has come in a year."""

    year: int
    last: int = 0


class Series(Aggregate):
    """编号: one aggregate per series and year, saved in one transaction with the document that gets the number.

    The year is that of the day in Asia/Shanghai on which the number is given. A subclass names its facts, and its
    lifecycle reads year and last number from either of them.
    """

    latest_event_only = True
    kind: ClassVar[str]
    """The first part of the ids: never changed."""
    opened: ClassVar[type[Fact]]
    issued: ClassVar[type[Fact]]
    state: SeriesState

    @classmethod
    def id_of(cls, *key: object) -> UUID:
        """The id of the series of this name and year."""
        return stable_id(cls.kind, *key)

    @classmethod
    def open(cls, act: CommandContext, **key: Any) -> Self:
        """Begin a year's numbers; ``key``: what the first fact says, in the order of the id's parts."""
        return cls.begin(cls.opened, act, id=cls.id_of(*key.values()), **key)

    def issue_next(self, act: CommandContext, **document: Any) -> int:
        """Give the next number to a document. It counts only if it is saved together with the document."""
        number = self.state.last + 1
        self.record(self.issued, act, **self.said_of(number), **document)
        return number

    def said_of(self, number: int) -> dict[str, Any]:
        """What the fact says of a number."""
        raise NotImplementedError
