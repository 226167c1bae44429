"""The register of whistles 吹哨登记簿: one a year, numbering without a gap and knowing what came before."""

import re
import unicodedata
from uuid import UUID

from shared.aggregate import Act, Aggregate, Change, Creation, stable_id
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

    year: int
    last_serial: int
    last_of: dict[UUID, UUID]

    @classmethod
    def open(cls, act: Act, year: int) -> "Register":
        """The empty register of ``year``."""
        return cls.begin(cls.Opened, act, id=stable_id("whistle_register", year), year=year)

    def issue(self, act: Act, whistle_id: UUID, matter: UUID) -> str:
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
            register.last_of = {}

    class NumberIssued(enterprise.WhistleNumberIssued, Change):
        def apply(self, register: "Register") -> None:
            register.last_serial = self.serial
            register.last_of[self.matter] = self.whistle_id
