"""The rating windows that are open, found by the moment at which they end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, String, select

from shared.database.columns import MomentColumn
from shared.domain.clock import close_of
from shared.events import enterprise
from shared.events.base import Message
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views


class RatingWindowsView(View):
    """评价期: whistles that wait for the enterprise's rating, and until when."""

    name = "rating_windows"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The moment of the end, by index, and the resolution that opened it."""
        return [
            Column("ends_at", MomentColumn, nullable=False, info={"index": True}),
            Column("because", String, nullable=False),
        ]

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


def ended_windows(views: Views, now: datetime, limit: int) -> Sequence[tuple[UUID, str]]:
    """The whistles whose rating window has ended by ``now``, the longest past first, and their resolutions."""
    with views.reading() as connection:
        table = views.table(connection, "rating_windows")
        rows = connection.execute(
            select(table.c.id, table.c.because)
            .where(table.c.ends_at <= now)
            .order_by(table.c.ends_at, table.c.id)
            .limit(limit)
        )
        return [(UUID(row.id), row.because) for row in rows]
