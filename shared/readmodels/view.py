"""A read model: its columns and its fold."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import Column

from shared.events.base import Message
from shared.messaging.handlers import handlers_of, sources_of
from shared.readmodels.rows import Rows


class View:
    """One read model: a table, a fold, and a pinned name.

    Subclasses name their columns (beside ``id``) and hold ``on_…(self, rows: Rows, fact: SomeFact, message:
    Message)`` methods, which are pure: no clock, no network, no randomness.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    handlers: ClassVar[dict[str, list[str]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = handlers_of(cls, "on_")

    @classmethod
    def columns(cls) -> Sequence[Column[Any]]:
        """New instances of the columns beside ``id``."""
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """The services whose facts are folded."""
        return sources_of(self.handlers)

    def row_id(self, message: Message) -> str:
        """The row that this message probably changes: a batch's are loaded together. A wrong guess costs time only."""
        return str(message.aggregate_id)

    def fold(self, rows: Rows, message: Message) -> None:
        """Fold one message into the rows."""
        for name in self.handlers.get(message.fact.TOPIC, ()):
            getattr(self, name)(rows, message.fact, message)
