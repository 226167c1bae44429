"""The half-month report 半月专报 (measure 9): one per unit and half month; a nil report is one too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Self

from shared.calendar.period import Period
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.clock import midnight
from shared.domain.lifecycle import Lifecycle
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.matter import Secrecy


class NoReportOwed(Refusal):
    """{unit}不需报送{period}的半月专报。
    {unit} owes no half-month report for {period}."""

    status = 422
    field = "half_month"


class ReportSubmittedAlready(Refusal):
    """{unit}已报送{period}的半月专报。
    {unit} has submitted its half-month report for {period}."""


class ReportedBeforeItBegan(Refusal):
    """发生时间 {at} 早于该半月的开始（{first}）。
    A report cannot be of {at}, before the half month began ({first})."""

    status = 422
    field = "happened_at"


class NothingReported(Refusal):
    """无事项的须选“零报告”，否则须写明内容。
    A report says something, or that there is nothing to report (nil)."""

    status = 422
    field = "text"


@dataclass(frozen=True, kw_only=True)
class HalfMonthReportState:
    """半月专报: what a unit reported."""

    unit: str
    first: date
    last: date
    nil: bool
    text: str
    evidence: tuple[str, ...]
    submitted_at: datetime
    submitted_by: str

    status: ClassVar[str] = "submitted"
    secrecy: ClassVar[Secrecy] = "internal"

    @property
    def concerned(self) -> tuple[str, ...]:
        """The unit."""
        return (self.unit,)


evolve = Lifecycle(HalfMonthReportState, begins=supervision.HalfMonthReportSubmitted)


@evolve.register
def _(fact: supervision.HalfMonthReportSubmitted) -> HalfMonthReportState:
    return HalfMonthReportState(
        unit=fact.unit,
        first=fact.first,
        last=fact.last,
        nil=fact.nil,
        text=fact.text,
        evidence=fact.evidence,
        submitted_at=fact.happened_at,
        submitted_by=fact.by.post,
    )


class HalfMonthReport(Aggregate, lifecycle=evolve):
    """A unit's report on one half month."""

    TOPIC = "supervision.half_month_report"
    state: HalfMonthReportState

    @classmethod
    def submit(
        cls, act: CommandContext, period: Period, *, nil: bool, text: str, evidence: Sequence[str]
    ) -> Self:
        """The unit reports."""
        if not nil and not text:
            raise NothingReported()
        if act.happened_at < midnight(period.first):
            raise ReportedBeforeItBegan(at=act.happened_at, first=period.first)
        return cls.begin(
            supervision.HalfMonthReportSubmitted,
            act,
            id=stable_id("half-month report", act.by.unit, period.first),
            unit=act.by.unit,
            first=period.first,
            last=period.last,
            nil=nil,
            text=text,
            evidence=tuple(evidence),
        )
