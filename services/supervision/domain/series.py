"""The numbers of public namings and their corrections."""

from typing import Any

from shared.domain.lifecycle import Lifecycle
from shared.domain.series import Series, SeriesState
from shared.events import supervision

NAMINGS = "通报"
"""The series of published namings and their corrections."""

evolve = Lifecycle(SeriesState, begins=supervision.SeriesOpened)


@evolve.register
def _(fact: supervision.SeriesOpened) -> SeriesState:
    return SeriesState(fact.year)


@evolve.register
def _(fact: supervision.NumberIssued) -> SeriesState:
    return SeriesState(fact.year, fact.number)


class NamingSeries(Series, lifecycle=evolve):
    """通报编号: the numbers of one year's namings."""

    TOPIC = "supervision.series"
    kind, opened, issued = "series", supervision.SeriesOpened, supervision.NumberIssued

    def said_of(self, number: int) -> dict[str, Any]:
        """See Series."""
        return {"series": NAMINGS, "year": self.state.year, "number": number}
