"""Drafted and released calendars, and released rulebooks."""

from typing import Any

from sqlalchemy import JSON, Column, Date, Integer, String, Text

from shared.events import supervision
from shared.events.base import Message
from shared.views import MomentColumn, Rows, View


class CalendarDraftsView(View):
    """节假日安排: every draft, and as which version it was released."""

    name = "calendar_drafts"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The draft, who made it, and its release if there is one; nobody's secret."""
        return [
            Column("layer", String(20), nullable=False, info={"index": True}),
            Column("title", String(200), nullable=False),
            Column("days", JSON, nullable=False),
            Column("years", JSON, nullable=False),
            Column("follows", Integer, nullable=False),
            Column("state", String(20), nullable=False, info={"index": True}),
            Column("drafted_by", String(80), nullable=False),
            Column("drafted_at", MomentColumn, nullable=False),
            Column("released_by", String(80)),
            Column("released_at", MomentColumn),
            Column("calendar_version", Integer, info={"index": True}),
            Column("concerned", String(80), nullable=False, default=""),
            Column("secrecy", String(10), nullable=False, default="public"),
            Column("version", Integer, nullable=False),
        ]

    def on_drafted(self, rows: Rows, fact: supervision.CalendarReleaseDrafted, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            layer=fact.layer,
            title=fact.title,
            days=[
                {"day": day.day.isoformat(), "working": day.working, "name": day.name} for day in fact.days
            ],
            years=list(fact.years),
            follows=fact.follows,
            state="drafted",
            drafted_by=fact.by.post,
            drafted_at=fact.timestamp,
            version=message.version,
        )

    def on_released(self, rows: Rows, fact: supervision.CalendarReleased, message: Message) -> None:
        rows.change(
            fact.release_id,
            state="released",
            released_by=fact.by.post,
            released_at=fact.timestamp,
            calendar_version=fact.version,
        )


class RulebooksView(View):
    """办理规则: every released version with its text."""

    name = "rulebooks"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The version, from when it holds, and its very text."""
        return [
            Column("rulebook_version", Integer, nullable=False),
            Column("effective", Date, nullable=False),
            Column("released_at", MomentColumn, nullable=False),
            Column("text", Text, nullable=False),
        ]

    def on_released(self, rows: Rows, fact: supervision.RulebookReleased, message: Message) -> None:
        rows.put(
            f"{fact.version:06d}",
            rulebook_version=fact.version,
            effective=fact.effective,
            released_at=fact.timestamp,
            text=fact.text,
        )
