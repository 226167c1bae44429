"""What a read model is: its columns and its fold."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import Column

from shared.events.base import Message
from shared.messaging.handlers import handlers_of, sources_of
from shared.readmodels.rows import Rows


class View:
    """One read model: a table, its fold and its name for ever.

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
        """The columns beside ``id``, made anew at each call."""
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """The services whose facts are folded."""
        return sources_of(self.handlers)

    def row_id(self, message: Message) -> str:
        """The row that this message most likely changes: a batch's are read together. A wrong guess costs only time."""
        return str(message.aggregate_id)

    def fold(self, rows: Rows, message: Message) -> None:
        """Fold one message into the rows."""
        for name in self.handlers.get(message.fact.TOPIC, ()):
            getattr(self, name)(rows, message.fact, message)
