"""What the main leader was told, and when to remind him."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, FromClause, String, and_, case, select

from services.notify.domain.matter.state import evolve
from shared.events import notify
from shared.events.base import Message
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows
from shared.readmodels.timers import Timers
from shared.readmodels.views import Views


class EscalationsView(LifecycleView):
    """提级: by matter, the present or last escalation; a matter never escalated has no ``state`` and is not shown."""

    name = "escalations"
    version = 3
    lifecycle = evolve
    indexed = ("case_id", "unit", "state", "opened_at")


class TimersView(Timers):
    """待办时点: one row for each matter whose escalation waits for a moment, indexed by that moment."""

    name = "timers"

    @classmethod
    def what(cls) -> list[Column[Any]]:
        """``what`` is ``remind`` or ``expire``."""
        return [Column("what", String, nullable=False)]

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


# -- queries ------------------------------------------------------------------------------------------------------


def as_they_stand(connection: Connection, views: Views, now: datetime) -> FromClause:
    """The escalations as they stand now: an acknowledgement that has expired is open, also before somebody says so."""
    table = views.table(connection, "escalations")
    expired = and_(table.c.state == "acknowledged", table.c.expires_at <= now)
    state = case((expired, "open"), else_=table.c.state).label("state")
    columns = [state if column.name == "state" else column for column in table.c]
    return select(*columns).subquery("escalations")
