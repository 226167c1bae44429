"""A suite with a story behind it, for whoever asks about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from services.audit.questions import Questions
from services.suite import SUITE
from shared.domain.roles import Role
from shared.testing import Opened, StoppedClock, shanghai
from shared.web.auth import Identity
from tests.test_order import Suite

START = shanghai("2021-01-04 09:00")
AUDITOR = Identity("audit/auditor", "audit/auditor", "audit", Role.auditor)
CLEARED = Identity("inspect/head", "inspect/head", "inspect", Role.supervision_office)

LISTS = (
    "/api/v1/tasks?limit=200",
    "/api/v1/cases?limit=200",
    "/api/v1/clocks?limit=200",
    "/api/v1/rounds?limit=200",
    "/api/v1/namings?limit=200",
    "/api/v1/whistles?limit=200",
    "/api/v1/rates?since=2021-01-01&until=2021-12-31",
    "/api/v1/whistle-rates?from=2021-01-01&until=2021-12-31",
)
"""Lists, boards and rates that the story fills."""


class Told(Suite):
    """All four services after the story of tests/test_order.py, with one secret task more."""

    secret: UUID
    questions: Questions

    def run(self) -> None:
        super().run()
        listed = self.do("office/head", "assignment:task-lists", title="涉密清单", dated="2021-01-04")
        self.secret = self.do(
            "office/head",
            f"assignment:task-lists/{listed}/tasks",
            number="密1",
            title="不公开的事项",
            lead_unit="fgw",
            target={"metric": "完成", "unit": "项", "value": 1},
            due_on="2021-12-31",
            secrecy="secret",
            secrecy_ground="保密规定",
        )
        self.opened.settle()

    def case_of(self, number: str) -> str:
        """The case of the first task of this number."""
        rows = self.opened.rows("supervision", "cases")
        return next(id_ for id_, row in sorted(rows.items()) if row["number"] == number)

    def facts_of(self, service: str, kind: Any) -> list[Any]:
        return self.opened.of_kind(service, kind)


@contextmanager
def told(folder: Path, **settings: Any) -> Iterator[Told]:
    """The story, told in this folder, or where ``settings`` say, and somebody who can be asked about it."""
    clock = StoppedClock(START)
    with Opened(folder, clock, *SUITE.values(), **settings) as opened:
        suite = Told(opened, clock)
        suite.run()
        clock.advance(hours=1)
        suite.questions = Questions(opened.config, clock)
        yield suite
        suite.questions.close()
