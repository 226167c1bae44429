"""What the main leader was told, and when to remind him."""

from typing import Any

from sqlalchemy import Column, Integer, String, Text

from shared.database.columns import MomentColumn
from shared.events import notify
from shared.events.base import Message
from shared.readmodels.concerned import concerned, concerned_too
from shared.readmodels.rows import Rows
from shared.readmodels.view import View


class EscalationsView(View):
    """提级: by matter, the present or last escalation; a matter never escalated has no ``state`` and is not shown."""

    name = "escalations"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The matter, and how its escalation stands."""
        return [
            Column("case_id", String, nullable=False, info={"index": True}),
            Column("kind", String, nullable=False),
            Column("number", String, nullable=False),
            Column("title", Text, nullable=False),
            Column("unit", String, nullable=False, info={"index": True}),
            Column("to_post", String),
            Column("round", Integer),
            Column("state", String, info={"index": True}),
            Column("opened_at", MomentColumn, info={"index": True}),
            Column("reminders", Integer, nullable=False, default=0),
            Column("next_reminder_at", MomentColumn),
            Column("acknowledged_at", MomentColumn),
            Column("note", Text),
            Column("expires_at", MomentColumn),
            Column("last_progress", Text),
            Column("withdrawn_at", MomentColumn),
            Column("ground", Text),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_matter_followed(self, rows: Rows, fact: notify.MatterFollowed, message: Message) -> None:
        rows.put(
            message.aggregate_id,
            case_id=str(fact.case_id),
            kind=fact.kind,
            number=fact.number,
            title=fact.title,
            unit=fact.unit,
            concerned=concerned(fact.unit, *fact.supporters),
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_matter_handed_over(self, rows: Rows, fact: notify.MatterHandedOver, message: Message) -> None:
        row = rows.get(message.aggregate_id)
        if row is not None:
            rows.change(message.aggregate_id, unit=fact.unit, concerned=concerned_too(row, fact.unit))

    def on_escalation_opened(self, rows: Rows, fact: notify.EscalationOpened, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            to_post=fact.to_post,
            round=fact.cycle,
            state="open",
            opened_at=fact.timestamp,
            reminders=0,
            next_reminder_at=fact.next_reminder_at,
            acknowledged_at=None,
            note=None,
            expires_at=None,
            last_progress=None,
            withdrawn_at=None,
            ground=None,
            version=message.version,
        )

    def on_escalation_reminded(self, rows: Rows, fact: notify.EscalationReminded, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            reminders=fact.times,
            next_reminder_at=fact.next_reminder_at,
            version=message.version,
        )

    def on_notice_acknowledged(self, rows: Rows, fact: notify.NoticeAcknowledged, message: Message) -> None:
        if fact.escalated:
            rows.change(
                message.aggregate_id,
                state="acknowledged",
                acknowledged_at=fact.happened_at,
                note=fact.note,
                expires_at=fact.expires_at,
                next_reminder_at=None,
                version=message.version,
            )

    def on_progress_seen(self, rows: Rows, fact: notify.ProgressSeen, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            last_progress=fact.what,
            expires_at=fact.expires_at,
            version=message.version,
        )

    def on_acknowledgement_expired(
        self, rows: Rows, fact: notify.AcknowledgementExpired, message: Message
    ) -> None:
        rows.change(
            message.aggregate_id,
            state="open",
            next_reminder_at=fact.next_reminder_at,
            expires_at=None,
            version=message.version,
        )

    def on_escalation_withdrawn(self, rows: Rows, fact: notify.EscalationWithdrawn, message: Message) -> None:
        rows.change(
            message.aggregate_id,
            state="withdrawn",
            withdrawn_at=fact.timestamp,
            ground=fact.ground,
            next_reminder_at=None,
            expires_at=None,
            version=message.version,
        )


class TimersView(View):
    """待办时点: one row for each matter whose escalation waits for a moment, indexed by that moment."""

    name = "timers"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``what`` is ``remind`` or ``expire``."""
        return [
            Column("due_at", MomentColumn, nullable=False, info={"index": True}),
            Column("what", String, nullable=False),
        ]

    def on_set_to_remind(
        self,
        rows: Rows,
        fact: notify.EscalationOpened | notify.EscalationReminded | notify.AcknowledgementExpired,
        message: Message,
    ) -> None:
        rows.put(message.aggregate_id, due_at=fact.next_reminder_at, what="remind")

    def on_notice_acknowledged(self, rows: Rows, fact: notify.NoticeAcknowledged, message: Message) -> None:
        if fact.escalated:
            rows.put(message.aggregate_id, due_at=fact.expires_at, what="expire")

    def on_progress_seen(self, rows: Rows, fact: notify.ProgressSeen, message: Message) -> None:
        if fact.expires_at is not None:
            rows.put(message.aggregate_id, due_at=fact.expires_at, what="expire")

    def on_escalation_withdrawn(self, rows: Rows, fact: notify.EscalationWithdrawn, message: Message) -> None:
        rows.drop(message.aggregate_id)
