"""A notify service beside the logs of the others, into which published facts are written as they stand on the wire."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from services.notify.__main__ import SERVICE
from services.notify.domain import Matter
from shared.domain.aggregate import stable_id
from shared.domain.case_id import case_id
from shared.domain.clock import close_of
from shared.events import assignment, enterprise, notify, supervision
from shared.events.base import Actor, Fact
from shared.log.codec import encode
from shared.runtime.event_log import open_log
from shared.testing import Caller, Opened, StoppedClock, kinds, shanghai

POSTS = {
    "gov": {"gov/main-leader": "main_leader", "gov/vice-leader": "vice_leader"},
    "office": {"office/head": "unit_head"},
    "inspect": {"inspect/chief": "unit_head"},
    "fgw": {"fgw/head": "unit_head", "fgw/officer": "officer"},
    "czj": {"czj/head": "unit_head", "czj/officer": "officer"},
}
KINDS = {"gov": "government", "office": "office", "inspect": "supervision"}
NAMES = {
    "gov": "鄂托克前旗人民政府",
    "office": "旗人民政府办公室",
    "inspect": "旗人民政府督查室",
    "fgw": "旗发展和改革委员会",
    "czj": "旗财政局",
}
TITLE = "上海庙园区道路贯通"
BLOWN = {
    "number": "2021-case-1",
    "enterprise_id": stable_id("enterprise", "91150623MA0N000017"),
    "credit_code": "91150623MA0N000017",
    "enterprise_name": "煤化工公司",
    "category": "用地",
    "title": TITLE,
    "text": "已等三个月。",
    "desk_unit": "fgw",
    "leader_post": "gov/vice-leader",
}
"""A whistle, for which the development commission is the desk."""


class World:
    """The notify service, its clock, and the other services' logs."""

    def __init__(self, opened: Opened, clock: StoppedClock) -> None:
        self.opened, self.clock = opened, clock
        self._versions: Counter[UUID] = Counter()
        self._callers: dict[str, Caller] = {}
        self._logs = {
            source: open_log(opened.config, source, clock)
            for source in ("assignment", "supervision", "enterprise")
        }

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
        stored = StoredEvent(
            originator_id=aggregate,
            originator_version=self._versions[aggregate],
            topic=fact.TOPIC,
            state=encode(fact),
        )
        self._logs[fact.TOPIC.partition(".")[0]].log.insert_events([stored])

    def told(self, fact_type: type[Fact], aggregate: UUID, /, **what: Any) -> None:
        """Another service records a fact, and the notify service has read it."""
        self.say(fact_type, aggregate, **what)
        self.opened.settle()

    def units(self) -> None:
        for unit, posts in POSTS.items():
            self.say(
                assignment.UnitRegistered,
                stable_id("unit", unit),
                unit=unit,
                name=NAMES[unit],
                kind=KINDS.get(unit, "department"),
            )
            for post, role in posts.items():
                self.say(
                    assignment.PostCreated,
                    stable_id("post", post),
                    post=post,
                    unit=unit,
                    title=role,
                    role=role,
                )
        self.opened.settle()

    def case(self, name: str = "case-1", **other: Any) -> UUID:
        """Supervision opens a case of a task of the development commission."""
        what: dict[str, Any] = {
            "kind": "task",
            "subject_id": stable_id("test-task", name),
            "number": f"2021-{name}",
            "title": TITLE,
            "unit": "fgw",
            "supporters": ("czj",),
            "post": "fgw/officer",
            "leader_post": "gov/vice-leader",
            "secrecy": "public",
            "rulebook_version": 4,
        }
        what |= other
        opened = case_id(what["kind"], what["subject_id"])
        self.told(supervision.CaseOpened, opened, **what)
        return opened

    def blown(self, **other: Any) -> UUID:
        """A whistle is blown; the case that will be opened for it."""
        whistle = stable_id("test-task", "case-1")
        self.told(enterprise.WhistleBlown, whistle, **{**BLOWN, **other})
        return case_id("whistle", whistle)

    def started(self, case: UUID, clock: str = "task_due", cycle: int = 1, **other: Any) -> None:
        due_on: date = other.pop("due_on", date(2021, 3, 5))
        what = {
            "clock": clock,
            "cycle": cycle,
            "unit": "fgw",
            "started_at": self.clock(),
            "due_on": due_on,
            "due_at": close_of(due_on),
            "provisional": False,
            "calendar_version": 1,
            "rulebook_version": 4,
        }
        self.told(supervision.ClockStarted, case, **{**what, **other})

    def approaching(self, case: UUID, clock: str = "task_due", cycle: int = 1, **other: Any) -> None:
        due_on: date = other.pop("due_on", date(2021, 3, 5))
        what = {
            "clock": clock,
            "cycle": cycle,
            "unit": "fgw",
            "point": 1,
            "due_on": due_on,
            "due_at": close_of(due_on),
            "detected_at": self.clock(),
        }
        self.told(supervision.DeadlineApproaching, case, **{**what, **other})

    def missed(self, case: UUID, clock: str = "task_due", cycle: int = 1, **other: Any) -> None:
        due_on: date = other.pop("due_on", date(2021, 3, 5))
        what = {
            "clock": clock,
            "cycle": cycle,
            "unit": "fgw",
            "due_on": due_on,
            "due_at": close_of(due_on),
            "detected_at": self.clock(),
        }
        self.told(supervision.DeadlineMissed, case, **{**what, **other})

    def round(self, case: UUID, number: int, **other: Any) -> None:
        due_on: date = other.pop("due_on", date(2021, 3, 11))
        what = {
            "round": number,
            "unit": "fgw",
            "post": "fgw/officer",
            "kind": "special",
            "requirement": "说明原因并加快进度",
            "trigger": "deadline_missed" if number == 1 else "slow_round",
            "due_on": due_on,
            "due_at": close_of(due_on),
        }
        self.told(supervision.RoundIssued, case, **{**what, **other})

    def judged(self, case: UUID, number: int, verdict: str = "slow", **other: Any) -> None:
        what = {"round": number, "unit": "fgw", "verdict": verdict, "reason": "未见进展"}
        self.told(supervision.RoundJudged, case, **{**what, **other})

    def unresolved(self, case: UUID, number: int, **other: Any) -> None:
        """The round was judged slow, and supervision says that it left the matter unresolved."""
        self.judged(case, number, **other)
        what = {"unit": "fgw", "round": number, "reason": "未见进展"}
        self.told(supervision.SupervisionUnresolved, case, **what)

    def no_longer_unresolved(self, case: UUID, number: int, ground: str) -> None:
        what = {"unit": "fgw", "round": number, "ground": ground}
        self.told(supervision.SupervisionNoLongerUnresolved, case, **what)

    def escalated(self, name: str = "case-1", **other: Any) -> UUID:
        """A case that two rounds left unresolved."""
        case = self.case(name, **other)
        self.round(case, 1)
        self.judged(case, 1)
        self.round(case, 2)
        self.unresolved(case, 2)
        return case

    def notices(self, **equal: Any) -> list[dict[str, Any]]:
        """The inbox and outbox rows, in the order in which they were issued, of these columns."""
        rows = self.opened.rows("notify", "notices").values()
        found = [row for row in rows if all(row[name] == value for name, value in equal.items())]
        return sorted(found, key=lambda row: (row["issued_at"], row["version"]))

    def standing(self, **equal: Any) -> list[tuple[str, str]]:
        """Level and recipient of what has not been withdrawn, digests left out."""
        rows = [
            row for row in self.notices(**equal) if row["state"] != "withdrawn" and row["level"] != "digest"
        ]
        return [(row["level"], row["to_post"]) for row in rows]

    def facts(self, case: UUID) -> list[Fact]:
        """The notify service's facts about a case, deliveries left out."""
        app = self.opened["notify"].app
        rows = app.log.select_events(Matter.id_of(case))
        facts = [app.mapper.to_domain_event(row) for row in rows]
        return [fact for fact in facts if fact.TOPIC != notify.NoticeDelivered.TOPIC]

    def kinds(self, case: UUID) -> list[str]:
        return kinds(self.facts(case))

    def escalation(self, case: UUID) -> dict[str, Any]:
        return self.opened.rows("notify", "escalations")[str(Matter.id_of(case))]

    def at(self, moment: str) -> None:
        """The clock stands there, and every worker has run."""
        self.clock.set(moment)
        self.opened.settle()

    def size(self) -> int:
        """How many facts the notify service has recorded."""
        return len(self.opened.log("notify"))

    def nothing_new_when_delivered_again(self) -> None:
        """Every fact of every source once more: no effect. The views from the logs: no difference."""
        before = self.opened.log("notify")
        for source in self._logs:
            self.opened.deliver_again("notify", source)
        self.opened.settle()
        assert self.opened.log("notify") == before
        assert self.opened.rebuild_and_compare("notify") == []
        assert self.opened["notify"].reactor.parked() == []

    def eml(self) -> list[Path]:
        return sorted((self.opened.config.data / "notify" / "outbox").rglob("*.eml"))

    def client(self, post: str) -> Caller:
        """Somebody at this post, with the role that goes with it."""
        if post not in self._callers:
            unit = post.partition("/")[0]
            known = {"inspect": "supervision_office", "office": "government_office"}
            role = known.get(unit) or POSTS[unit][post]
            self._callers[post] = self.opened.client("notify", role, unit, post)
        return self._callers[post]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Monday 2021-03-08, nine in the morning; units and posts are registered."""
    clock = StoppedClock(shanghai("2021-03-08 09:00"))
    with Opened(tmp_path, clock, SERVICE) as opened:
        world = World(opened, clock)
        world.units()
        yield world
        world.close()
