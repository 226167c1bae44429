"""No fact lies before the one that makes it possible (domain.md §3): every command of every service that is dated."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.suite import SUITE
from shared.domain.case_id import case_id
from shared.events.base import VOCABULARY, Fact, Message
from shared.log.codec import read
from shared.testing import Opened, StoppedClock, shanghai
from shared.web.commands import HAPPENED, OPERATIONS
from tests.test_order import Suite

PARTS = ("round", "clock", "cycle", "unit")
"""What tells apart which of several facts of a kind another one rests on."""

RESTS_ON_NOTHING = {
    "register_unit",
    "create_post",
    "register_directive",
    "open_task_list",
    "assign_task",
    "blow_whistle",
    "submit_half_month_report",
}
"""The commands with which a thing begins."""

DATED = {name for name, one in OPERATIONS.items() if HAPPENED in one.body._declared_fields}


def same_part(fact: Fact, ground: Fact) -> bool:
    """Whether they are about the same round, clock or unit, as far as both say it."""
    both = (name for name in PARTS if hasattr(fact, name) and hasattr(ground, name))
    return all(getattr(fact, name) == getattr(ground, name) for name in both)


class Dated(Suite):
    """The story; of every command that may be dated, what it recorded and what that rests on."""

    def __init__(self, opened: Opened, clock: StoppedClock) -> None:
        super().__init__(opened, clock)
        self.did: list[tuple[str, datetime | None]] = []
        self._read: dict[str, int] = {}
        self._facts: dict[tuple[str, UUID], list[Fact]] = {}

    def run(self) -> None:
        """The story, and what does not occur in it."""
        super().run()
        what = {"title": "批示事项", "dated": "2021-03-16", "leader_post": "gov/vice-leader"}
        tasks = self.do("office/head", "assignment:task-lists", **what)
        task = self.task(tasks, "1", from_leader_instruction=True)
        self.opened.settle()
        clock = f"supervision:cases/{case_id('task', task)}/clocks/task_due/1"
        self.do("inspect/head", f"{clock}/pause", reason="待批")
        self.clock.advance(hours=1)
        self.do("inspect/head", f"{clock}/resume")
        self.do("fgw/head", f"assignment:tasks/{task}/claim-completion", note="完成", evidence=["照片"])
        self.do("inspect/head", f"assignment:tasks/{task}/accept-completion")
        self.do("gov/vice-leader", f"assignment:tasks/{task}/no-new-instruction")

    def operation(self, service: str, post: str, path: str) -> str:
        web = self.client(service, post)._client.application
        endpoint, _ = web.url_map.bind("").match(f"/api/v1/{path}", method="POST")
        return endpoint.rpartition(".")[2]

    def do(self, post: str, path: str, /, **body: Any) -> UUID:
        service, _, rest = path.partition(":")
        operation = self.operation(service, post, rest)
        self.clock.advance(seconds=2)
        self.before(operation, service, post, rest, body)
        self.news(service)
        done = super().do(post, path, **body)
        news = [message for message in self.news(service) if message.aggregate_id == done]
        self.did.append((operation, self.ground(news)))
        return done

    def before(self, operation: str, service: str, post: str, path: str, body: dict[str, Any]) -> None:
        """What else is tried first."""

    def news(self, service: str) -> list[Message]:
        """What has been recorded since it was last asked."""
        log, last = self.opened[service].app.log, self._read.get(service)
        rows = log.select_notifications(start=None if last is None else last + 1, limit=1_000_000)
        found = [read(service, 0, row) for row in rows]
        for message in found:
            self._facts.setdefault((service, message.aggregate_id), []).append(message.fact)
        if found:
            self._read[service] = found[-1].position
        return found

    def ground(self, messages: list[Message]) -> datetime | None:
        """The latest moment before which none of it may lie; None if a thing began with it."""
        moments = []
        for message in messages:
            whole = self._facts[message.source, message.aggregate_id]
            before = whole[: messages[0].version - 1]
            kinds = VOCABULARY[message.fact.TOPIC].RESTS_ON
            grounds = [
                one for one in before if VOCABULARY[one.TOPIC] in kinds and same_part(message.fact, one)
            ]
            moments += [one.happened_at for one in (*before[:1], *grounds[-1:])]
        return max(moments, default=None)


class TriedBefore(Dated):
    """The story again; every such command is first said to have happened before what it rests on."""

    known: list[tuple[str, datetime | None]]
    tried: set[str]

    def before(self, operation: str, service: str, post: str, path: str, body: dict[str, Any]) -> None:
        known, ground = self.known[len(self.did)]
        assert known == operation, "the story is the same again"
        if operation not in DATED or ground is None:
            return
        self.tried.add(operation)
        early = (ground - timedelta(seconds=1)).isoformat()
        size = len(self.opened.log(service))
        answer = self.client(service, post).post(f"/api/v1/{path}", {**body, HAPPENED: early})
        assert answer.status_code == 422, (operation, early, answer.get_data(as_text=True))
        assert HAPPENED in answer.get_data(as_text=True), (operation, answer.get_data(as_text=True))
        assert len(self.opened.log(service)) == size


def the_suite(folder: Path) -> tuple[Opened, StoppedClock]:
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    return Opened(folder, clock, *SUITE.values()), clock


def test_no_command_is_dated_before_what_its_fact_rests_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    suite, clock = the_suite(tmp_path_factory.mktemp("first"))
    with suite as opened:
        first = Dated(opened, clock)
        first.run()
    suite, clock = the_suite(tmp_path_factory.mktemp("again"))
    with suite as opened:
        again = TriedBefore(opened, clock)
        again.known, again.tried = first.did, set()
        again.run()
    assert DATED - again.tried == RESTS_ON_NOTHING
