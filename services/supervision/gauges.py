"""The gauges of the supervision service: what is counted against time at present, and what the scheduler has missed."""

from sqlalchemy import func, select

from services.supervision.application import Supervision
from services.supervision.views.clocks import ClocksView, TimersView
from services.supervision.views.duties import DutiesView
from services.supervision.views.rounds import RoundsView
from shared.runtime.gauge import Gauge, Values, age, one


def _clocks(app: Supervision) -> Values:
    with app.views.reading() as connection:
        clocks = app.views.table(connection, ClocksView.name)
        counted = select(clocks.c.state, func.count()).where(clocks.c.state.in_(("open", "paused")))
        found: dict[str, int] = dict(connection.execute(counted.group_by(clocks.c.state)).all())
    return {(state,): float(found.get(state, 0)) for state in ("open", "paused")}


def _overdue(app: Supervision) -> Values:
    with app.views.reading() as connection:
        clocks = app.views.table(connection, ClocksView.name)
        late = (clocks.c.state == "open") & (clocks.c.due_at <= app.clock())
        return one(connection.execute(select(func.count()).where(late)).scalar_one())


def _undetected(app: Supervision) -> Values:
    now = app.clock()
    with app.views.reading() as connection:
        timers = app.views.table(connection, TimersView.name)
        oldest = connection.execute(select(func.min(timers.c.due_at)).where(timers.c.due_at <= now)).scalar()
    return one(0.0 if oldest is None else age(oldest, now))


def _in_state(view: str, state: str, app: Supervision) -> Values:
    with app.views.reading() as connection:
        table = app.views.table(connection, view)
        return one(connection.execute(select(func.count()).where(table.c.state == state)).scalar_one())


GAUGES = (
    Gauge("duban_clocks", "Clocks that are open or paused", _clocks, ("state",)),
    Gauge("duban_clocks_overdue", "Open clocks whose due moment has passed", _overdue),
    Gauge(
        "duban_clock_oldest_undetected_seconds",
        "Seconds since the oldest due moment or warning that the scheduler has not handled yet",
        _undetected,
    ),
    Gauge(
        "duban_duties_open",
        "Duties that are not met and not excused",
        lambda app: _in_state(DutiesView.name, "open", app),
    ),
    Gauge(
        "duban_rounds_unanswered",
        "Supervision rounds that wait for an answer",
        lambda app: _in_state(RoundsView.name, "issued", app),
    ),
)
