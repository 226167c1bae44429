"""Periods begin: the worker's step by which duties arise. Its cost follows what begins, not what is open."""

from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

from eventsourcing.persistence import IntegrityError

from services.supervision.application.use_cases import Supervision
from services.supervision.domain import Duty, Periods
from services.supervision.views.duties import roster
from shared.calendar.period import Period, period_of
from shared.domain.clock import local_day, midnight
from shared.rulebook import Rule


class PeriodsStep:
    """Lets each period of each rule with ``owed_by`` begin once, in order, from the roster of its first moment.

    After a downtime every period that was slept through begins with its own dates. A fresh installation counts from
    its first day on, never backwards. Units are as far as they are known here: whoever was registered before a period
    began and is heard of after it did owes nothing for that one.
    """

    def __init__(self, app: Supervision) -> None:
        self.app = app
        self._next: dict[str, date] = {}

    def __call__(self) -> bool:
        """Begin what has come; whether there was anything."""
        today = local_day(self.app.clock())
        come = [
            rule for rule in self.app.rulebook if rule.owed_by and self._next.get(rule.id, date.min) <= today
        ]
        return sum(self._begin(rule, today) for rule in come) > 0

    def _begin(self, rule: Rule, today: date) -> bool:
        """The next period of the rule, if it has come; whether it has."""
        periods = self.app.find(Periods, Periods.id_of(rule.id))
        new = periods is None
        if periods is None:
            act = self.app.own_act(f"periods:{rule.id}")
            began_today = act.recorded_at > midnight(today)
            periods = Periods.count(act, rule.id, today + timedelta(days=began_today))
        period = _first_since(rule, max(periods.state.since, rule.owed_from or date.min))
        self._next[rule.id] = period.first
        duties: list[Duty] = []
        if period.first <= today:
            act = self.app.own_act(f"period:{rule.id}/{period.first}")
            act = replace(act, happened_at=midnight(period.first))
            for ower in roster(self.app.views, rule.owed_by, act.happened_at):
                ower = replace(ower, leader_post=self.app.leader_of(ower.unit))
                duties.append(Duty.arise(act, rule, period, ower, self.app.rulebook.version))
            periods.begin_next(act, period, len(duties))
        elif not new:
            return False
        with suppress(IntegrityError):  # another worker was quicker
            self.app.save_own([periods, *duties])
        self._next.pop(rule.id)  # look again at once: after a downtime another period may have come
        return True


def _first_since(rule: Rule, day: date) -> Period:
    """The first period that begins on that day or later."""
    period = period_of(rule.unit, day)
    return period if period.first == day else period_of(rule.unit, period.after)
