"""Inbox and outbox: every notice and every digest."""

from typing import Any

from sqlalchemy import (
    Boolean,
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

from shared.database.columns import MomentColumn
from shared.events import notify
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views


class NoticesView(View):
    """通知: what each post was told, and what became of it; also what is still to be delivered."""

    name = "notices"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``deliver_at`` is empty once the notice has left or was withdrawn: the index of what is to be delivered."""
        return [
            Column("matter", String, nullable=False, info={"index": True}),
            Column("case_id", String, info={"index": True}),
            Column("clock", String, nullable=False),
            Column("cycle", Integer, nullable=False),
            Column("level", String, nullable=False),
            Column("colour", String, nullable=False),
            Column("to_unit", String, nullable=False),
            Column("to_post", String, nullable=False, info={"index": True}),
            Column("subject", Text, nullable=False),
            Column("text", Text, nullable=False),
            Column("not_before", MomentColumn, nullable=False),
            Column("needs_acknowledgement", Boolean, nullable=False, default=False),
            Column("reminder", Integer, nullable=False, default=0),
            Column("state", String, nullable=False, default="open"),
            Column("issued_at", MomentColumn, nullable=False),
            Column("acknowledged_at", MomentColumn),
            Column("note", Text),
            Column("withdrawn_at", MomentColumn),
            Column("ground", Text),
            Column("deliver_at", MomentColumn, info={"index": True}),
            Column("delivered_at", MomentColumn),
            Column("reference", String),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_notice_issued(self, rows: Rows, fact: notify.NoticeIssued, message: Message) -> None:
        rows.put(
            fact.notice_id,
            matter=str(message.aggregate_id),
            case_id=None if fact.case_id is None else str(fact.case_id),
            clock=fact.clock,
            cycle=fact.cycle,
            level=fact.level,
            colour=fact.colour,
            to_unit=fact.to_unit,
            to_post=fact.to_post,
            subject=fact.subject,
            text=fact.text,
            not_before=fact.not_before,
            needs_acknowledgement=fact.needs_acknowledgement,
            reminder=fact.reminder,
            issued_at=fact.timestamp,
            deliver_at=fact.not_before,
            concerned=concerned(fact.to_unit),
            secrecy="internal",  # the text of a secret matter's notice holds no more than its number
            version=message.version,
        )

    def on_digest_sent(self, rows: Rows, fact: notify.DigestSent, message: Message) -> None:
        rows.put(
            fact.notice_id,
            matter=str(message.aggregate_id),
            clock="digest",
            cycle=0,
            level="digest",
            colour="blue",
            to_unit=fact.unit,
            to_post=fact.post,
            subject=fact.subject,
            text=fact.text,
            not_before=fact.happened_at,
            issued_at=fact.timestamp,
            deliver_at=fact.happened_at,
            concerned=concerned(fact.unit),
            secrecy="internal",
            version=message.version,
        )

    def on_notice_withdrawn(self, rows: Rows, fact: notify.NoticeWithdrawn, message: Message) -> None:
        rows.change(
            fact.notice_id,
            state="withdrawn",
            withdrawn_at=fact.timestamp,
            ground=fact.ground,
            deliver_at=None,
            version=message.version,
        )

    def on_notice_acknowledged(self, rows: Rows, fact: notify.NoticeAcknowledged, message: Message) -> None:
        rows.change(
            fact.notice_id,
            state="acknowledged",
            acknowledged_at=fact.happened_at,
            note=fact.note,
            version=message.version,
        )

    def on_acknowledgement_expired(
        self, rows: Rows, fact: notify.AcknowledgementExpired, message: Message
    ) -> None:
        rows.change(fact.notice_id, state="open", version=message.version)

    def on_notice_delivered(self, rows: Rows, fact: notify.NoticeDelivered, message: Message) -> None:
        rows.change(fact.notice_id, deliver_at=None, delivered_at=fact.timestamp, reference=fact.reference)


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
