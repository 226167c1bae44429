"""The rating windows that are open, found by the moment at which they end."""

from typing import Any

from sqlalchemy import Column, String

from shared.domain.clock import close_of
from shared.events import enterprise
from shared.events.base import Message
from shared.readmodels.rows import Rows
from shared.readmodels.timers import Timers


class RatingWindowsView(Timers):
    """评价期: whistles that wait for the enterprise's rating, and until when."""

    name = "rating_windows"
    by = "ends_at"

    @classmethod
    def what(cls) -> list[Column[Any]]:
        """The resolution that opened the window."""
        return [Column("because", String, nullable=False)]

    def on_whistle_resolved(self, rows: Rows, fact: enterprise.WhistleResolved, message: Message) -> None:
        rows.put(message.aggregate_id, ends_at=close_of(fact.rating_until), because=f"event:{message.id}")

    def on_no_rating_awaited(
        self,
        rows: Rows,
        fact: enterprise.WhistleRated
        | enterprise.ReworkOrdered
        | enterprise.WhistleUnmerged
        | enterprise.WhistleWithdrawn
        | enterprise.WhistleClosed,
        message: Message,
    ) -> None:
        if rows.get(message.aggregate_id) is not None:
            rows.drop(message.aggregate_id)
