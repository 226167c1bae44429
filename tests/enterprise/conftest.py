"""An enterprise service in a folder of its own, with the units and posts that another service has told it of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from services.enterprise.__main__ import SERVICE
from services.enterprise.domain.credit_code import check_digit
from services.supervision.__main__ import SERVICE as SUPERVISION
from shared.domain.aggregate import stable_id
from shared.events import assignment
from shared.events.base import Actor, Fact
from shared.log.codec import encode
from shared.runtime.service import Service
from shared.service.application import ServiceApplication
from shared.testing import Caller, Opened, StoppedClock, as_id, shanghai

NOW = shanghai("2021-02-05 16:00")
"""A Friday; the Sunday after it is worked, and the Spring Festival follows."""


def a_code(n: int) -> str:
    """A valid credit code."""
    first_17 = f"91150623MA0N{n:05d}"
    return first_17 + check_digit(first_17)


COAL, MILK = a_code(1), a_code(2)

UNITS = {
    "gov": "government",
    "office": "office",
    "inspect": "supervision",
    "fgw": "department",
    "czj": "department",
    "zrj": "department",
    "gxj": "department",
}
POSTS = {
    "gov/main-leader": ("gov", "main_leader"),
    "gov/vice-leader": ("gov", "vice_leader"),
    "office/officer": ("office", "officer"),
    "inspect/chief": ("inspect", "unit_head"),
    **{f"{unit}/head": (unit, "unit_head") for unit in ("office", "fgw", "czj", "zrj", "gxj")},
    **{f"{unit}/officer": (unit, "officer") for unit in ("fgw", "czj", "zrj", "gxj")},
}


class Elsewhere(ServiceApplication):
    """Another service's log, into which a test writes the facts that it tells."""

    name = "assignment"

    def tell(self) -> None:
        """Units, posts and a portfolio."""
        common: dict[str, Any] = {
            "timestamp": NOW,
            "happened_at": NOW,
            "by": Actor(unit="office", post="office/head"),
            "because": "request:test",
        }
        facts: list[Fact] = [
            assignment.UnitRegistered(unit=unit, name=unit, kind=kind, **common)  # type: ignore[arg-type]
            for unit, kind in UNITS.items()
        ]
        facts += [
            assignment.PostCreated(post=post, unit=unit, title=post, role=role, **common)  # type: ignore[arg-type]
            for post, (unit, role) in POSTS.items()
        ]
        portfolio = ("fgw", "czj", "zrj", "gxj")
        facts.append(assignment.PortfolioAssigned(post="gov/vice-leader", units=portfolio, **common))
        self.log.insert_events(
            [StoredEvent(stable_id("told", n), 1, fact.TOPIC, encode(fact)) for n, fact in enumerate(facts)]
        )


ELSEWHERE = Service(name="assignment", title="test", application=Elsewhere, views=[], blueprints=[])


ACTORS = {
    "coal": ("enterprise", COAL, "legal-person"),
    "milk": ("enterprise", MILK, "legal-person"),
    "office": ("government_office", "office", "office/officer"),
    "inspect": ("supervision_office", "inspect", "inspect/chief"),
    "leader": ("main_leader", "gov", "gov/main-leader"),
    "vice": ("vice_leader", "gov", "gov/vice-leader"),
    "fgw": ("officer", "fgw", "fgw/officer"),
    "czj": ("unit_head", "czj", "czj/head"),
    "zrj": ("unit_head", "zrj", "zrj/head"),
    "impostor": ("enterprise", "fgw", "fgw/officer"),
}


class Town:
    """The actors of a story, who talk HTTP to the enterprise service."""

    coal: Caller
    milk: Caller
    office: Caller
    fgw: Caller

    def __init__(self, opened: Opened) -> None:
        self.opened, self.clock = opened, opened.clock
        self._supervision: dict[str, Caller] = {}

    def __getattr__(self, name: str) -> Caller:
        """An actor, made when first asked for."""
        if name not in ACTORS:
            raise AttributeError(name)
        caller = self.opened.client("enterprise", *ACTORS[name])
        setattr(self, name, caller)
        return caller

    def supervision(self, actor: str) -> Caller:
        """An actor who talks HTTP to the supervision service."""
        if actor not in self._supervision:
            self._supervision[actor] = self.opened.client("supervision", *ACTORS[actor])
        return self._supervision[actor]

    def register(self, *, phone: str = "13800000001") -> None:
        """Both enterprises."""
        for caller, code, name in ((self.coal, COAL, "煤化工公司"), (self.milk, MILK, "乳业公司")):
            body = {"credit_code": code, "name": name, "contact_name": "联系人", "contact_phone": phone}
            as_id(caller.post("/api/v1/enterprises", body))
        self.opened.settle()

    def blow(self, caller: Caller | None = None, **more: Any) -> UUID:
        """A whistle."""
        body = {"category": "用地", "title": "项目用地手续迟迟未办", "text": "已等三个月。", **more}
        found = as_id((caller or self.coal).post("/api/v1/whistles", body))
        self.opened.settle()
        return found

    def do(self, caller: Caller, whistle: UUID, command: str, **body: Any) -> Any:
        """A command; the answer, whatever it is, after the views have followed."""
        answer = caller.post(f"/api/v1/whistles/{whistle}/{command}", body)
        self.opened.settle()
        return answer

    def did(self, caller: Caller, whistle: UUID, command: str, **body: Any) -> Any:
        """A command that must be accepted; its answer."""
        answer = self.do(caller, whistle, command, **body)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.json

    def refused(
        self, status: int, rule: str, caller: Caller, whistle: UUID, command: str, **body: Any
    ) -> dict[str, Any]:
        """A command that must be refused by that rule and write nothing; the problem document."""
        before = len(self.opened.log("enterprise"))
        answer = self.do(caller, whistle, command, **body)
        assert (answer.status_code, answer.json["rule"]) == (status, rule), answer.json
        assert len(self.opened.log("enterprise")) == before
        return answer.json  # type: ignore[no-any-return]

    def route(self, whistle: UUID, lead: str = "fgw", *supporters: str) -> None:
        """The office routes it."""
        self.did(self.office, whistle, "route", lead_unit=lead, supporters=list(supporters))

    def contact(self, whistle: UUID, unit: str = "fgw") -> None:
        """A unit that has it contacts the enterprise."""
        self.did(getattr(self, unit), whistle, "contact", how="phone")

    def resolved(self, whistle: UUID) -> None:
        """Routed to fgw, contacted and resolved by it."""
        self.route(whistle)
        self.contact(whistle)
        self.did(self.fgw, whistle, "resolve", result="已办好")

    def whistle(self, whistle: UUID) -> dict[str, Any]:
        """Its row."""
        return self.opened.rows("enterprise", "whistles")[str(whistle)]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with Opened(tmp_path, StoppedClock(NOW), SERVICE, SUPERVISION, ELSEWHERE) as opened:
        opened["assignment"].app.tell()  # type: ignore[attr-defined]
        opened.settle()
        yield opened
        opened.settle()
        assert opened["enterprise"].views.parked() == []


@pytest.fixture
def town(opened: Opened) -> Town:
    town = Town(opened)
    town.register()
    return town
