"""A supervision service beside the logs of the others, into which published facts are written as on the wire."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from services.supervision.__main__ import SERVICE
from services.supervision.domain import Case
from shared.domain.aggregate import stable_id
from shared.domain.case_id import case_id
from shared.events import assignment, enterprise, supervision
from shared.events.base import Actor, Fact
from shared.log.codec import encode
from shared.runtime.event_log import open_log
from shared.testing import Caller, Opened, StoppedClock, kinds, shanghai

POSTS = {
    "gov/main-leader": ("gov", "main_leader"),
    "gov/vice-leader": ("gov", "vice_leader"),
    "inspect/chief": ("inspect", "unit_head"),
    "inspect/officer": ("inspect", "officer"),
    "office/head": ("office", "unit_head"),
    **{f"{unit}/head": (unit, "unit_head") for unit in ("fgw", "czj", "zrj")},
    **{f"{unit}/officer": (unit, "officer") for unit in ("fgw", "czj", "zrj")},
}
NAMES = {
    "gov": ("鄂托克前旗人民政府", "government"),
    "office": ("旗人民政府办公室", "office"),
    "inspect": ("旗人民政府督查室", "supervision"),
    "fgw": ("旗发展和改革委员会", "department"),
    "czj": ("旗财政局", "department"),
    "zrj": ("旗自然资源局", "department"),
}


class World:
    """The supervision service, its clock, and the other services' logs."""

    def __init__(self, opened: Opened, clock: StoppedClock) -> None:
        self.opened, self.clock = opened, clock
        self._versions: Counter[UUID] = Counter()
        self._logs = {
            source: open_log(opened.config, source, clock) for source in ("assignment", "enterprise")
        }
        self.web = opened["supervision"].web().test_client()

    @property
    def app(self) -> Any:
        return self.opened["supervision"].app

    def close(self) -> None:
        for log in self._logs.values():
            log.close()

    def say(
        self, fact_type: type[Fact], aggregate: UUID, /, *, happened_at: datetime | None = None, **what: Any
    ) -> None:
        """Another service records a fact; nobody has read it yet."""
        now = self.clock()
        fact = fact_type(
            timestamp=now,
            happened_at=happened_at or now,
            by=Actor(unit="inspect", post="inspect/chief"),
            because=f"request:test-{sum(self._versions.values())}",
            **what,
        )
        self._versions[aggregate] += 1
        self._logs[fact.TOPIC.partition(".")[0]].log.insert_events(
            [StoredEvent(aggregate, self._versions[aggregate], fact.TOPIC, encode(fact))]
        )

    def told(self, fact_type: type[Fact], aggregate: UUID, /, **what: Any) -> None:
        """Another service records a fact, and this one has read it."""
        self.say(fact_type, aggregate, **what)
        self.opened.settle()

    def units(self) -> None:
        for unit, (name, kind) in NAMES.items():
            self.say(assignment.UnitRegistered, stable_id("unit", unit), unit=unit, name=name, kind=kind)
        for post, (unit, role) in POSTS.items():
            self.say(
                assignment.PostCreated,
                stable_id("post", post),
                post=post,
                unit=unit,
                title=f"{NAMES[unit][0]}岗位",
                role=role,
            )
        self.opened.settle()

    def task(self, name: str = "1", due_on: date = date(2021, 3, 5), **other: Any) -> UUID:
        """A task is assigned to fgw; its id."""
        task_id = stable_id("test-task", name)
        what: dict[str, Any] = {
            "list_id": stable_id("list", 1),
            "number": f"2021-{name}",
            "title": "上海庙园区道路贯通",
            "lead_unit": "fgw",
            "post": "fgw/officer",
            "supporters": (assignment.Support(unit="czj", part="资金"),),
            "leader_post": "gov/vice-leader",
            "target": assignment.Target(metric="道路", unit="公里", value=Decimal(12)),
            "due_on": due_on,
        }
        self.told(assignment.TaskAssigned, task_id, **{**what, **other})
        return task_id

    def directive(self, name: str = "1", *units: str, **other: Any) -> UUID:
        directive_id = stable_id("test-directive", name)
        what: dict[str, Any] = {
            "number": f"鄂前政发〔2021〕{name}号",
            "title": "强化抓落实",
            "kind": "banner_document",
            "origin_level": "banner",
            "units": units,
            "office_unit": "office",
            "leader_post": "gov/main-leader",
        }
        self.told(assignment.DirectiveRegistered, directive_id, **{**what, **other})
        return directive_id

    def whistle(self, name: str = "1", **other: Any) -> UUID:
        whistle_id = stable_id("test-whistle", name)
        what: dict[str, Any] = {
            "number": f"哨〔2021〕{name}号",
            "enterprise_id": stable_id("enterprise", "a"),
            "credit_code": "91150623MA0N000011",
            "enterprise_name": "煤化工公司",
            "category": "用地",
            "title": "用地手续",
            "text": "已等三个月",
            "desk_unit": "office",
            "leader_post": "gov/vice-leader",
        }
        self.told(enterprise.WhistleBlown, whistle_id, **{**what, **other})
        return whistle_id

    def at(self, moment: str) -> None:
        """The clock stands there, and every worker has run."""
        self.clock.set(moment)
        self.opened.settle()

    def facts_of(self, aggregate_id: UUID) -> list[Any]:
        rows = self.app.log.select_events(aggregate_id)
        return [self.app.mapper.to_domain_event(row) for row in rows]

    def kinds_of(self, aggregate_id: UUID) -> list[str]:
        return kinds(self.facts_of(aggregate_id))

    def last(self, aggregate_id: UUID, kind: type[Fact]) -> Any:
        return [fact for fact in self.facts_of(aggregate_id) if isinstance(fact, kind)][-1]

    def count(self, aggregate_id: UUID, kind: type[Fact]) -> int:
        return sum(isinstance(fact, kind) for fact in self.facts_of(aggregate_id))

    def case_of(self, subject_id: UUID, kind: Any = "task", *parts: str) -> UUID:
        return case_id(kind, subject_id, *parts)

    def case(self, case_id: UUID) -> Case:
        return self.app.load(Case, case_id)  # type: ignore[no-any-return]

    def clock_row(self, case_id: UUID, clock: str, cycle: int = 1) -> dict[str, Any]:
        return self.opened.rows("supervision", "clocks")[f"{case_id}/{clock}/{cycle}"]

    def size(self) -> int:
        return len(self.opened.log("supervision"))

    def consistent(self) -> None:
        """Every fact delivered again: no effect. Every view rebuilt: no difference. Nothing parked."""
        before = self.opened.log("supervision")
        for source in ("assignment", "enterprise", "supervision"):
            self.opened.deliver_again("supervision", source)
        self.opened.settle()
        assert self.opened.log("supervision") == before
        assert self.opened.rebuild_and_compare("supervision") == []
        assert self.opened["supervision"].reactor.parked() == []
        assert self.opened["supervision"].views.parked() == []

    def client(self, post: str, role: str | None = None) -> Caller:
        unit, own_role = POSTS[post]
        known = {"inspect": "supervision_office", "office": "government_office"}
        return self.opened.client("supervision", role or known.get(unit) or own_role, unit, post)

    def do(self, post: str, path: str, _role: str | None = None, **body: Any) -> Any:
        """A command that must be accepted; the answer's JSON, after every worker has run."""
        answer = self.client(post, _role).post(f"/api/v1/{path}", body)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        self.opened.settle()
        return answer.json

    def refused(self, rule: str, post: str, path: str, _role: str | None = None, **body: Any) -> Any:
        """A command that must be refused by that rule and write nothing; the problem document."""
        before = self.size()
        answer = self.client(post, _role).post(f"/api/v1/{path}", body)
        assert answer.status_code >= 400, answer.get_data(as_text=True)
        assert answer.json["rule"] == rule, answer.json
        assert self.size() == before
        return answer.json

    def slow_round(self, case_id: UUID, number: int, judge: str = "inspect/chief") -> None:
        """fgw answers and signs round ``number``; it is judged slow."""
        self.answered(case_id, number)
        self.slow(case_id, number, judge)

    def slow(self, case_id: UUID, number: int, judge: str = "inspect/chief") -> None:
        """The signed round is found slow, and the vice leader verifies that."""
        path = f"cases/{case_id}/rounds/{number}"
        self.do(judge, f"{path}/judge", verdict="slow", reason="进展缓慢")
        self.do("gov/vice-leader", f"{path}/verify-slow", agreed=True, reason="属实")

    def answered(self, case_id: UUID, number: int, unit: str = "fgw") -> None:
        self.do(f"{unit}/officer", f"cases/{case_id}/rounds/{number}/answer", text="正在办理")
        self.do(f"{unit}/head", f"cases/{case_id}/rounds/{number}/sign")

    def confirmed(self, case_id: UUID, clock: str, cycle: int = 1, *, holds: bool = True) -> None:
        """The supervision office confirms, or not, what was entered late."""
        path = f"cases/{case_id}/clocks/{clock}/{cycle}/confirm-earlier-time"
        self.do("inspect/chief", path, confirmed=holds, reason="有原始记录")

    def issued(self, case_id: UUID) -> None:
        self.do("inspect/chief", f"cases/{case_id}/issue-round", requirement="请说明进展")

    def named(self, name: str = "1") -> tuple[UUID, UUID]:
        """A task with two slow rounds; its case and the naming drafted from them."""
        case_id = self.case_of(self.task(name, due_on=date(2021, 12, 31)))
        self.issued(case_id)
        self.slow_round(case_id, 1)
        self.slow_round(case_id, 2)
        (naming_id,) = self.case(case_id).namings_due.values()
        return case_id, naming_id


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Monday 2021-03-01, nine in the morning; units and posts are registered."""
    clock = StoppedClock(shanghai("2021-03-01 09:00"))
    with Opened(tmp_path, clock, SERVICE) as opened:
        world = World(opened, clock)
        world.units()
        yield world
        world.close()


__all__ = ["World", "supervision"]
