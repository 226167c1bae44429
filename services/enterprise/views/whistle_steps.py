"""Every step of every whistle, in order: the enterprise sees all of its own (measures A13)."""

from dataclasses import fields
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, Integer, String

from services.enterprise.domain.whistle.state import evolve
from shared.database.columns import MomentColumn
from shared.events.base import VOCABULARY, Fact, Message
from shared.readmodels.lifecycle import HistoryView
from shared.readmodels.rows import Rows

_COMMON = {field.name for field in fields(Fact)}

HIDDEN = {"enterprise_id", "credit_code", "enterprise_name"}
"""Left out of a step: another reporter's identity is none of the enterprise's business, its own it knows."""


class WhistleStepsView(HistoryView):
    """办理过程: one row per fact of a whistle."""

    name = "whistle_steps"
    lifecycle = evolve

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """What happened, when, when it was recorded, by which post, and the details of the fact."""
        return [
            Column("whistle_id", String, nullable=False, info={"index": True}),
            Column("version", Integer, nullable=False),
            Column("kind", String, nullable=False),
            Column("happened_at", MomentColumn, nullable=False, info={"index": True}),
            Column("recorded_at", MomentColumn, nullable=False),
            Column("by_unit", String, nullable=False),
            Column("by_post", String, nullable=False),
            Column("details", JSON, nullable=False),
        ]

    def write(self, rows: Rows, fact: Fact, message: Message) -> None:
        """See HistoryView."""
        rows.put(
            f"{message.aggregate_id}/{message.version:06d}",
            whistle_id=str(message.aggregate_id),
            version=message.version,
            kind=VOCABULARY[fact.TOPIC].__name__,
            happened_at=fact.happened_at,
            recorded_at=fact.timestamp,
            by_unit=fact.by.unit,
            by_post=fact.by.post,
            details={
                field.name: _plain(getattr(fact, field.name))
                for field in fields(fact)
                if field.name not in _COMMON | HIDDEN
            },
        )


def _plain(value: Any) -> Any:
    match value:
        case UUID() | date():
            return str(value)
        case tuple():
            return [_plain(one) for one in value]
        case _:
            return value
