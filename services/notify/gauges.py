"""The gauges of the notify service: who has not acknowledged, and what has not been delivered."""

from sqlalchemy import func, select

from services.notify.application import Notifier
from services.notify.views.escalations import EscalationsView
from services.notify.views.notices import NoticesView
from shared.runtime.gauge import Gauge, Values, age, one


def _unacknowledged(app: Notifier) -> Values:
    with app.views.reading() as connection:
        escalations = app.views.table(connection, EscalationsView.name)
        waiting = select(func.count()).where(escalations.c.state == "open")
        return one(connection.execute(waiting).scalar_one())


def _undelivered(app: Notifier) -> Values:
    now = app.clock()
    with app.views.reading() as connection:
        notices = app.views.table(connection, NoticesView.name)
        due = select(func.min(notices.c.deliver_at)).where(notices.c.deliver_at <= now)
        oldest = connection.execute(due).scalar()
    return one(0.0 if oldest is None else age(oldest, now))


GAUGES = (
    Gauge(
        "duban_escalations_unacknowledged",
        "Matters that the main leader was told of and has not acknowledged",
        _unacknowledged,
    ),
    Gauge(
        "duban_notice_oldest_undelivered_seconds",
        "Seconds since the oldest notice that should have been delivered was due",
        _undelivered,
    ),
)
