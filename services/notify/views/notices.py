"""Inbox and outbox: every notice and every digest."""

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    String,
    Table,
    Text,
    and_,
    exists,
    or_,
    select,
)

from services.notify.domain import digest, notice
from shared.database.columns import MomentColumn
from shared.events import notify
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views


class NoticesView(LifecycleView):
    """通知: what each post was told, and what became of it; also what is still to be delivered."""

    name = "notices"
    version = 2
    lifecycle = notice.evolve
    whole = "matter"
    indexed = ("case_id", "to_post", "deliver_at")

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        """See LifecycleView."""
        return str(fact.notice_id)

    def on_digest_sent(self, rows: Rows, fact: notify.DigestSent, message: Message) -> None:
        self.follow(rows, fact, message, digest.evolve)


class DigestsView(View):
    """每日摘要: the digests of each unit."""

    name = "digests"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """Unit, day and what it said."""
        return [
            Column("unit", String, nullable=False, info={"index": True}),
            Column("post", String, nullable=False),
            Column("day", Date, nullable=False, info={"index": True}),
            Column("subject", Text, nullable=False),
            Column("text", Text, nullable=False),
            Column("sent_at", MomentColumn, nullable=False),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_digest_sent(self, rows: Rows, fact: notify.DigestSent, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            unit=fact.unit,
            post=fact.post,
            day=fact.day,
            subject=fact.subject,
            text=fact.text,
            sent_at=fact.timestamp,
            concerned=concerned(fact.unit),
            secrecy="internal",
            version=message.version,
        )


def telling_no_secret(connection: Connection, views: Views, told: Table) -> ColumnElement[bool]:
    """The rows of ``notices`` or ``digests`` that tell of no secret matter, be it by its number alone (as exports do).

    A notice is of one matter, whose secrecy its own log says before it; a digest is one text about many.
    """
    cases, matters = views.table(connection, "cases"), views.table(connection, "escalations")
    names_one = exists().where(
        cases.c.secrecy == "secret",
        or_(told.c.subject.contains(cases.c.number), told.c.text.contains(cases.c.number)),
    )
    if told.name == views.table(connection, "digests").name:
        return ~names_one
    known = select(matters.c.id).where(matters.c.secrecy != "secret")
    return or_(told.c.matter.in_(known), and_(told.c.level == "digest", ~names_one))
