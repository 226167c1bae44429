"""Clients who give keyed commands over HTTP, ask again after a lost answer, and write down what came of each."""

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.domain.roles import Role
from tests.faults.cluster import Cluster, Member

UNITS = tuple(f"u{number}" for number in range(5))
OFFICE = "office/director"
DUE_ON = "2021-06-30"
PATIENCE = 30.0
"""Seconds for which a client asks again under the same key."""
ANSWER_WITHIN = 8.0
"""Seconds that it waits for one answer."""

Outcome = Literal["ok", "failed", "unknown"]


@dataclass
class Command:
    """One keyed command, and what the client knows of it."""

    key: str
    kind: str
    post: str
    path: str
    body: dict[str, Any]
    outcome: Outcome = "unknown"
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    replayed: bool = False
    errors: list[str] = field(default_factory=list)
    """Why it was asked again."""


class Client(threading.Thread):
    """One client: ``number`` commands, one after the other, then it ends.

    ``pause``: the longest time that it thinks between two commands, in seconds.
    """

    def __init__(self, cluster: Cluster, name: str, number: int, seed: int, pause: float = 0.0) -> None:
        super().__init__(name=name)
        self.chance = random.Random(f"{seed}/{name}")
        self.cluster, self.number, self.pause = cluster, number, pause
        self.webs = cluster.of("assignment", "web")
        self.history: list[Command] = []
        self.failure: BaseException | None = None
        self._duties: list[tuple[str, str]] = []
        self._tasks: dict[str, str] = {}
        self._list: str | None = None
        self._tokens = {OFFICE: cluster.token(OFFICE, Role.government_office)} | {
            f"{unit}/head": cluster.token(f"{unit}/head", Role.unit_head) for unit in UNITS
        }

    def run(self) -> None:
        """Give the commands."""
        try:
            for _ in range(self.number):
                self.one()
                time.sleep(self.chance.uniform(0, self.pause))
        except BaseException as error:  # noqa: BLE001 - shown by whoever waits for this thread
            self.failure = error

    def one(self) -> Command:
        """One command of the usual mixture."""
        kind = self.chance.choices(("directive", "arrange", "task", "reassign"), (35, 30, 15, 20))[0]
        if kind == "arrange" and self._duties:
            return self.arrange(*self._duties.pop(self.chance.randrange(len(self._duties))))
        if kind in ("task", "reassign") and self._list is None:
            return self.open_list()
        if kind == "reassign" and self._tasks:
            return self.reassign(self.chance.choice(sorted(self._tasks)))
        if kind == "task":
            return self.assign()
        return self.directive()

    # -- commands --------------------------------------------------------------------------------------------

    def directive(self) -> Command:
        """A document came in that two units have to arrange."""
        units = self.chance.sample(UNITS, 2)
        body = {
            "number": f"{self.name}-{len(self.history)}号",
            "title": "通知",
            "kind": "banner_document",
            "units": units,
            "leader_post": "gov/main-leader",
        }
        done = self.give("directive", OFFICE, "/directives", body)
        if done.outcome == "ok":
            self._duties += [(done.answer["id"], unit) for unit in units]
        return done

    def arrange(self, directive: str, unit: str) -> Command:
        """A unit has arranged it."""
        path = f"/directives/{directive}/report-arrangement"
        return self.give("arrange", f"{unit}/head", path, {"text": "已布置"})

    def open_list(self) -> Command:
        """The client's own task list."""
        body = {
            "title": f"{self.name}的第{len(self.history)}份清单",
            "dated": "2021-01-04",
            "leader_post": "gov/main-leader",
        }
        done = self.give("list", OFFICE, "/task-lists", body)
        if done.outcome == "ok":
            self._list = done.answer["id"]
        return done

    def assign(self) -> Command:
        """A task for a unit."""
        unit = self.chance.choice(UNITS)
        body = {
            "number": str(len(self.history)),
            "title": "任务",
            "lead_unit": unit,
            "post": f"{unit}/head",
            "target": {"metric": "完成率", "unit": "%", "value": 100},
            "due_on": DUE_ON,
        }
        done = self.give("task", OFFICE, f"/task-lists/{self._list}/tasks", body)
        if done.outcome == "ok":
            self._tasks[done.answer["id"]] = unit
        return done

    def reassign(self, task: str) -> Command:
        """Another unit leads."""
        unit = self.chance.choice([one for one in UNITS if one != self._tasks[task]])
        body = {"lead_unit": unit, "post": f"{unit}/head", "reason": "职责调整"}
        done = self.give("reassign", OFFICE, f"/tasks/{task}/reassign", body)
        if done.outcome == "ok":
            self._tasks[task] = unit
        else:
            del self._tasks[task]  # who leads is not known
        return done

    # -- one command, as often as it takes -------------------------------------------------------------------

    def give(self, kind: str, post: str, path: str, body: dict[str, Any]) -> Command:
        """Send it until there is an answer, for PATIENCE seconds, each time to another web process."""
        command = Command(f"{self.name}-{len(self.history)}", kind, post, path, body)
        self.history.append(command)
        end = time.monotonic() + PATIENCE
        first = self.chance.randrange(len(self.webs))
        while time.monotonic() < end:
            web = self.webs[(first + command.attempts) % len(self.webs)]
            command.attempts += 1
            if self._send(command, web):
                break
            time.sleep(0.2)
        return command

    def _send(self, command: Command, web: Member) -> bool:
        """Whether there is an answer that says what came of it."""
        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=ANSWER_WITHIN)
        headers = {
            "Authorization": f"Bearer {self._tokens[command.post]}",
            "Idempotency-Key": command.key,
            "Content-Type": "application/json",
        }
        try:
            connection.request("POST", f"/api/v1{command.path}", json.dumps(command.body), headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            command.errors.append(f"{web.name}: {type(error).__name__}")
            return False
        finally:
            connection.close()
        command.status = answer.status
        if answer.status >= 500:
            command.errors.append(f"{web.name}: {answer.status} {text[:300].decode('utf-8', 'replace')}")
            return False
        command.outcome = "ok" if answer.status < 300 else "failed"
        command.answer = json.loads(text)
        command.replayed = answer.getheader("Idempotency-Replayed") == "true"
        return True


def people(cluster: Cluster) -> list[Command]:
    """Register the units and posts that the commands speak of; as a history."""
    one = Client(cluster, "people", 0, 0)
    units = [("gov", "government"), ("office", "office"), *((unit, "department") for unit in UNITS)]
    posts = [("gov/main-leader", "main_leader"), *((f"{unit}/head", "unit_head") for unit in UNITS)]
    for unit, kind in units:
        body = {"id": unit, "name": f"{unit}局", "kind": kind}
        one.give("unit", OFFICE, "/units", body)
    for post, role in posts:
        one.give("post", OFFICE, "/posts", {"id": post, "title": post, "role": role})
    for unit in UNITS:
        holder = {"holder": "某人", "since": "2021-01-01"}
        one.give("holder", OFFICE, f"/posts/{unit}/head/appoint-holder", holder)
    for command in one.history:
        assert command.outcome == "ok", command
    return one.history


def run(clients: Sequence[Client]) -> list[Command]:
    """Let them all give their commands; the history of all of them."""
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    for client in clients:
        if client.failure is not None:
            raise client.failure
    return [command for client in clients for command in client.history]
