"""The rulebooks that supervision has released: a case stays pinned to the version that it began with."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Date, Integer, Text, select

from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views
from shared.rulebook import Rulebook, parse_rulebook

parsed = lru_cache(maxsize=16)(parse_rulebook)


class RulebooksView(View):
    """督办规则: each released rulebook's very text."""

    name = "rulebooks"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The text as released."""
        return [
            Column("version", Integer, nullable=False),
            Column("effective", Date, nullable=False),
            Column("text", Text, nullable=False),
        ]

    def on_rulebook_released(self, rows: Rows, fact: supervision.RulebookReleased, message: Message) -> None:
        rows.put(f"{fact.version:06d}", version=fact.version, effective=fact.effective, text=fact.text)


def released_rulebook(views: Views, version: int) -> Rulebook | None:
    """The rulebook of that version as supervision released it; None if that has not arrived here."""
    with views.reading() as connection:
        released = views.table(connection, "rulebooks")
        text = connection.execute(select(released.c.text).where(released.c.id == f"{version:06d}")).scalar()
    return None if text is None else parsed(text, f"rulebook version {version}")
