"""Numbers by series and year: none left out, none given twice (measures B6)."""

from typing import Self
from uuid import UUID

from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation, stable_id
from shared.events import supervision

NAMINGS = "通报"
"""The series of published namings and their corrections."""


class Series(Aggregate):
    """编号: one aggregate per series and year; saved together with the document, so a number cannot get lost."""

    TOPIC = "supervision.series"
    latest_event_only = True

    series: str
    year: int
    last: int

    @classmethod
    def open(cls, act: CommandContext, series: str, year: int) -> Self:
        """Begin a year's numbers."""
        return cls.begin(cls.Opened, act, id=stable_id("series", series, year), series=series, year=year)

    def issue(self, act: CommandContext, document_id: UUID) -> int:
        """The next number, for this document."""
        number = self.last + 1
        self.record(
            Series.Issued, act, series=self.series, year=self.year, number=number, document_id=document_id
        )
        return number

    class Opened(supervision.SeriesOpened, Creation):
        def apply(self, series: "Series") -> None:
            series.series, series.year, series.last = self.series, self.year, 0

    class Issued(supervision.NumberIssued, Change):
        def apply(self, series: "Series") -> None:
            series.series, series.year, series.last = self.series, self.year, self.number
