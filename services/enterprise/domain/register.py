"""The register of whistles 吹哨登记簿, one a year, numbering without a gap; and what an enterprise raised before."""

import re
import unicodedata
from uuid import UUID

from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation, stable_id
from shared.domain.clock import local_day
from shared.events import enterprise


def matter_of(credit_code: str, category: str, title: str) -> UUID:
    """What a whistle is about: the same enterprise, category and title are the same matter.

    Width, letter case, punctuation and spaces of the title make no difference.
    """
    plain = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", title).casefold())
    return stable_id("matter", credit_code, category, plain or title)


class Register(Aggregate):
    """The whistles of one year, by the day on which they are registered (Asia/Shanghai)."""

    TOPIC = "enterprise.whistle_register"
    latest_event_only = True
    serialise_writers = True

    year: int
    last_serial: int

    @classmethod
    def open(cls, act: CommandContext, year: int) -> "Register":
        """The empty register of ``year``."""
        return cls.begin(cls.Opened, act, id=stable_id("whistle_register", year), year=year)

    def issue(self, act: CommandContext, whistle_id: UUID, matter: UUID) -> str:
        """The next number, like ``W-2021-0001``; kept only if it is saved together with its whistle."""
        serial = self.last_serial + 1
        number = f"W-{self.year}-{serial:04d}"
        self.record(
            self.NumberIssued, act, serial=serial, number=number, whistle_id=whistle_id, matter=matter
        )
        return number

    class Opened(enterprise.WhistleRegisterOpened, Creation):
        def apply(self, register: "Register") -> None:
            register.year = self.year
            register.last_serial = 0

    class NumberIssued(enterprise.WhistleNumberIssued, Change):
        def apply(self, register: "Register") -> None:
            register.year = int(self.number.split("-")[1])
            register.last_serial = self.serial


class Concern(Aggregate):
    """诉求: what an enterprise raises, once or again and again (its id: :func:`matter_of`)."""

    TOPIC = "enterprise.concern"
    latest_event_only = True

    last_whistle: UUID
    last_year: int

    @classmethod
    def first(cls, act: CommandContext, matter: UUID, whistle_id: UUID) -> "Concern":
        """It is raised for the first time."""
        return cls.begin(cls.Raised, act, id=matter, whistle_id=whistle_id)

    def again(self, act: CommandContext, whistle_id: UUID) -> None:
        """It is raised again."""
        self.record(self.RaisedAgain, act, whistle_id=whistle_id)

    def repeated_in(self, year: int) -> UUID | None:
        """The whistle that one of this ``year`` repeats: the last one, if it is of this year or of the year before."""
        return self.last_whistle if self.last_year >= year - 1 else None

    class Raised(enterprise.ConcernRaised, Creation):
        def apply(self, concern: "Concern") -> None:
            concern.last_whistle = self.whistle_id
            concern.last_year = local_day(self.timestamp).year

    class RaisedAgain(enterprise.ConcernRaisedAgain, Change):
        def apply(self, concern: "Concern") -> None:
            concern.last_whistle = self.whistle_id
            concern.last_year = local_day(self.timestamp).year
