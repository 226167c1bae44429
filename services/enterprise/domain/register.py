"""The register of whistles 吹哨登记簿, one a year, numbering without a gap; and what an enterprise raised before."""

import re
from typing import Any, NamedTuple
from uuid import UUID

from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.clock import local_day
from shared.domain.lifecycle import Lifecycle
from shared.domain.series import Series, SeriesState
from shared.domain.text import identity
from shared.events import enterprise


def matter_of(credit_code: str, category: str, title: str) -> UUID:
    """What a whistle is about: the same enterprise, category and title are the same matter.

    Punctuation makes no difference, nor what makes none between two spellings of a name (shared/domain/text.py).
    """
    plain = re.sub(r"[\W_]+", "", identity(title))
    return stable_id("matter", credit_code, category, plain or title)


evolve_register = Lifecycle(SeriesState, begins=enterprise.WhistleRegisterOpened)


@evolve_register.register
def _(fact: enterprise.WhistleRegisterOpened) -> SeriesState:
    return SeriesState(fact.year)


@evolve_register.register
def _(fact: enterprise.WhistleNumberIssued) -> SeriesState:
    return SeriesState(int(fact.number.split("-")[1]), fact.serial)


class Register(Series, lifecycle=evolve_register):
    """The whistles of one year, by the day on which they are registered (Asia/Shanghai)."""

    TOPIC = "enterprise.whistle_register"
    serialise_writers = True
    kind, opened, issued = (
        "whistle_register",
        enterprise.WhistleRegisterOpened,
        enterprise.WhistleNumberIssued,
    )

    def issue(self, act: CommandContext, whistle_id: UUID, matter: UUID) -> str:
        """The next number, like ``W-2021-0001``."""
        return self._number(self.issue_next(act, whistle_id=whistle_id, matter=matter))

    def said_of(self, number: int) -> dict[str, Any]:
        """See Series."""
        return {"serial": number, "number": self._number(number)}

    def _number(self, serial: int) -> str:
        return f"W-{self.state.year}-{serial:04d}"


class ConcernState(NamedTuple):
    """When a concern was last raised."""

    last_whistle: UUID
    last_year: int


evolve_concern = Lifecycle(ConcernState, begins=enterprise.ConcernRaised)


@evolve_concern.register
def _(fact: enterprise.ConcernRaised | enterprise.ConcernRaisedAgain) -> ConcernState:
    return ConcernState(fact.whistle_id, local_day(fact.timestamp).year)


class Concern(Aggregate, lifecycle=evolve_concern):
    """诉求: what an enterprise raises, once or again and again (its id: :func:`matter_of`)."""

    TOPIC = "enterprise.concern"
    latest_event_only = True
    state: ConcernState

    @classmethod
    def first(cls, act: CommandContext, matter: UUID, whistle_id: UUID) -> "Concern":
        """It is raised for the first time."""
        return cls.begin(enterprise.ConcernRaised, act, id=matter, whistle_id=whistle_id)

    def again(self, act: CommandContext, whistle_id: UUID) -> None:
        """It is raised again."""
        self.record(enterprise.ConcernRaisedAgain, act, whistle_id=whistle_id)

    def repeated_in(self, year: int) -> UUID | None:
        """The whistle that one of this ``year`` repeats: the last one, if it is of this year or of the year before."""
        return self.state.last_whistle if self.state.last_year >= year - 1 else None
