"""The periods of a rule that have begun (时段登记): each begins once, also after any downtime."""

from dataclasses import dataclass
from datetime import date
from typing import Self
from uuid import UUID

from shared.calendar.period import Period
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.lifecycle import Lifecycle
from shared.events import supervision


@dataclass(frozen=True)
class PeriodsState:
    """From which day on the next period may begin."""

    rule: str
    since: date


evolve = Lifecycle(PeriodsState, begins=supervision.PeriodsCounted)


@evolve.register
def _(fact: supervision.PeriodsCounted) -> PeriodsState:
    return PeriodsState(fact.rule, fact.since)


@evolve.register
def _(fact: supervision.PeriodBegan) -> PeriodsState:
    return PeriodsState(fact.rule, Period(fact.first, fact.last).after)


class Periods(Aggregate, lifecycle=evolve):
    """One aggregate per rule that is owed anew for each period; saved together with the duties that arise."""

    TOPIC = "supervision.periods"
    latest_event_only = True
    state: PeriodsState

    @staticmethod
    def id_of(rule: str) -> UUID:
        """The id of this rule's periods."""
        return stable_id("periods", rule)

    @classmethod
    def count(cls, act: CommandContext, rule: str, since: date) -> Self:
        """The rule is owed for each period that begins on or after ``since``."""
        return cls.begin(supervision.PeriodsCounted, act, id=cls.id_of(rule), rule=rule, since=since)

    def begin_next(self, act: CommandContext, period: Period, owers: int) -> None:
        """The next period began, and so many owe it."""
        self.record(
            supervision.PeriodBegan,
            act,
            rule=self.state.rule,
            first=period.first,
            last=period.last,
            owers=owers,
        )
