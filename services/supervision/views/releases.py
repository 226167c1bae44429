"""Drafted and released calendars, and released rulebooks."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, Date, Integer, String, Text

from shared.application.application import NoSuchThing
from shared.database.columns import MomentColumn
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.web.lists import many, one


class CalendarDraftsView(View):
    """节假日安排: every draft, and as which version it was released."""

    name = "calendar_drafts"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The draft, who made it, and its release if there is one; nobody's secret.

        What comes from the draft is empty while only its release has arrived; such a row is not shown.
        """
        return [
            Column("layer", String, info={"index": True}),
            Column("title", String),
            Column("days", JSON),
            Column("years", JSON),
            Column("follows", Integer),
            Column("state", String, nullable=False, default="drafted", info={"index": True}),
            Column("drafted_by", String),
            Column("drafted_at", MomentColumn),
            Column("released_by", String),
            Column("released_at", MomentColumn),
            Column("calendar_version", Integer, info={"index": True}),
            Column("concerned", String, nullable=False, default=""),
            Column("secrecy", String, nullable=False, default="public"),
            Column("version", Integer),
        ]

    def on_drafted(self, rows: Rows, fact: supervision.CalendarReleaseDrafted, message: Message) -> None:
        self._fill(
            rows,
            message.aggregate_id,
            layer=fact.layer,
            title=fact.title,
            days=[
                {"day": day.day.isoformat(), "working": day.working, "name": day.name} for day in fact.days
            ],
            years=list(fact.years),
            follows=fact.follows,
            drafted_by=fact.by.post,
            drafted_at=fact.timestamp,
            version=message.version,
        )

    def on_released(self, rows: Rows, fact: supervision.CalendarReleased, message: Message) -> None:
        self._fill(
            rows,
            fact.release_id,
            state="released",
            released_by=fact.by.post,
            released_at=fact.timestamp,
            calendar_version=fact.version,
        )

    @staticmethod
    def _fill(rows: Rows, draft_id: UUID, **values: Any) -> None:
        # Draft and release are two aggregates: whichever arrives first makes the row.
        if not rows.change(draft_id, **values):
            rows.put(draft_id, **values)


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


# -- queries ------------------------------------------------------------------------------------------------------


def _shown(row: Row) -> Row:
    return {**row, "days": [{**day, "day": date.fromisoformat(day["day"])} for day in row["days"]]}


def calendar_drafts(args: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the drafts that have arrived."""
    arrived = [lambda drafts: drafts.c.drafted_at.is_not(None)]
    found = many("calendar_drafts", args, "state", "layer", where=arrived, all_see=True)
    return {**found, "items": [_shown(row) for row in found["items"]]}


def calendar_draft(draft_id: object) -> tuple[Row, dict[str, str]]:
    """One draft, with its ETag. Raises NoSuchThing, also while only its release has arrived."""
    row, headers = one("calendar_drafts", draft_id, kind="CalendarDraft")
    if row["drafted_at"] is None:
        raise NoSuchThing(kind="CalendarDraft", id=draft_id)
    return _shown(row), headers
