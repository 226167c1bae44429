"""Duties of a period, the reports that meet them, absences, and the roster from which duties arise."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, String, or_, select

from services.supervision.domain import absence, duty, half_month_report
from services.supervision.domain.duty import Ower
from shared.database.columns import MomentColumn
from shared.events import assignment
from shared.events.base import Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views


class DutiesView(LifecycleView):
    """应办: what is owed for a period, what has been done; whether it was missed is its clock's to say."""

    name = "duties"
    lifecycle = duty.evolve
    indexed = ("rule", "ower", "unit", "first", "state")


class HalfMonthReportsView(LifecycleView):
    """半月专报: every report."""

    name = "half_month_reports"
    lifecycle = half_month_report.evolve
    indexed = ("unit", "first")


class AbsencesView(LifecycleView):
    """外出: every study trip and leave."""

    name = "absences"
    version = 2
    lifecycle = absence.evolve
    indexed = ("kind", "unit", "post", "first", "state")


class RosterView(View):
    """名册: the units and held posts by which duties arise, each with when it was recorded and when it ended."""

    name = "roster"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``kind`` is a unit's kind or a post's role; a post that nobody holds owes nothing."""
        return [
            Column("ower", String, nullable=False),
            Column("unit", String, nullable=False),
            Column("post", String),
            Column("kind", String, nullable=False, info={"index": True}),
            Column("since", MomentColumn),
            Column("until", MomentColumn),
        ]

    def on_unit_registered(self, rows: Rows, fact: assignment.UnitRegistered, message: Message) -> None:
        rows.put(message.aggregate_id, ower=fact.unit, unit=fact.unit, kind=fact.kind, since=fact.timestamp)

    def on_unit_dissolved(self, rows: Rows, fact: assignment.UnitDissolved, message: Message) -> None:
        rows.change(message.aggregate_id, until=fact.timestamp)

    def on_post_created(self, rows: Rows, fact: assignment.PostCreated, message: Message) -> None:
        rows.put(message.aggregate_id, ower=fact.post, unit=fact.unit, post=fact.post, kind=fact.role)

    def on_post_holder_appointed(
        self, rows: Rows, fact: assignment.PostHolderAppointed, message: Message
    ) -> None:
        row = rows.get(message.aggregate_id)
        if row is not None and (row["since"] is None or row["until"] is not None):
            rows.change(row["id"], since=fact.timestamp, until=None)

    def on_post_vacated(self, rows: Rows, fact: assignment.PostVacated, message: Message) -> None:
        rows.change(message.aggregate_id, until=fact.timestamp)


KINDS = {
    "departments": ("department",),
    "towns_and_zone": ("town", "zone"),
    "government_office": ("office",),
    "all_units": ("government", "office", "supervision", "zone", "town", "department"),
    "leaders": ("main_leader", "vice_leader"),
    "unit_heads": ("unit_head",),
}
"""The rulebook's selectors: kinds of units or roles of posts."""


def roster(views: Views, selectors: Sequence[str], moment: datetime) -> list[Ower]:
    """Who of the roster of that moment the selectors name, by id."""
    with views.reading() as connection:
        known = views.table(connection, "roster")
        query = (
            select(known.c.ower, known.c.unit, known.c.post)
            .where(known.c.kind.in_(sorted({kind for selector in selectors for kind in KINDS[selector]})))
            .where(known.c.since <= moment, or_(known.c.until.is_(None), known.c.until > moment))
            .order_by(known.c.ower)
        )
        return [Ower(row.ower, row.unit, row.post) for row in connection.execute(query)]
