"""Whistles as they stand, with the history from which the six rates are counted."""

import msgspec
from sqlalchemy import select

from services.enterprise.domain.rates import Record
from services.enterprise.domain.whistle.state import Moment, evolve
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.views import Views


class WhistlesView(LifecycleView):
    """诉求: every whistle, who has it, how it went. What it shares with one merged into it is looked up when read."""

    name = "whistles"
    version = 3
    lifecycle = evolve
    indexed = (
        "number",
        "enterprise_id",
        "credit_code",
        "category",
        "urgency",
        "state",
        "lead_unit",
        "blown_at",
        "closed_at",
        "merged_into",
    )


def records(views: Views) -> list[Record]:
    """Every whistle's history, for the rates."""
    with views.reading() as connection:
        table = views.table(connection, "whistles")
        rows = connection.execute(
            select(
                table.c.id, table.c.blown_at, table.c.recorded_at, table.c.desk_unit, table.c.history
            ).order_by(table.c.id)
        )
        return [
            Record(
                id=row.id,
                blown_at=row.blown_at,
                recorded_at=row.recorded_at,
                desk_unit=row.desk_unit,
                history=msgspec.convert(row.history, tuple[Moment, ...]),
            )
            for row in rows
        ]
