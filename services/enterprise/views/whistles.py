"""Whistles as they stand, with the history from which the six rates are counted."""

import msgspec
from sqlalchemy import Connection, select

from services.enterprise.domain.rates import OF_CLOCKS, Record
from services.enterprise.domain.whistle.state import Moment, evolve
from shared.figures.clocks import CountedClocksView
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.views import Views


class WhistlesView(LifecycleView):
    """诉求: every whistle, who has it, how it went. What it shares with one merged into it is looked up when read."""

    name = "whistles"
    version = 4
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


class WhistleClocksView(CountedClocksView):
    """诉求时限指标: the three clocks of every whistle, as supervision tells of them."""

    name = CountedClocksView.name
    only = tuple(OF_CLOCKS)


def records(connection: Connection, views: Views) -> list[Record]:
    """Every whistle's history, for the rates."""
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
