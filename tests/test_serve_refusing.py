"""``duban serve`` when a consumer refuses to go on, or a worker keeps dying: it is read and written all the same."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.stack import free_port
from services import processes
from services.processes import Process, Watched
from shared.process.standing import Board, shown

ROOT = Path(__file__).resolve().parent.parent


class Suite:
    """A running ``duban serve`` on SQLite."""

    def __init__(self, data: Path, log: Path) -> None:
        self.data, self.log, self.port = data, log, free_port()
        serve = [sys.executable, "-m", "services", "serve", "--data", str(data), "--port", str(self.port)]
        with log.open("wb") as output:
            self.process = subprocess.Popen(serve, cwd=ROOT, stdout=output, stderr=output)
        made = [sys.executable, "-m", "services", "token", "--data", str(data), "--post", "inspect/chief"]
        made += ["--unit", "inspect", "--role", "government_office"]
        self.token = subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    def call(self, path: str, body: Any = None, language: str = "en") -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Accept-Language", language)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
            request.add_header("Idempotency-Key", uuid4().hex)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()

    def until(self, reached: Callable[[], Any]) -> None:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                if reached():
                    return
            except OSError:
                assert self.process.poll() is None, self.log.read_text("utf-8")
            time.sleep(0.2)
        raise AssertionError(self.log.read_text("utf-8")[-3000:])

    def register(self, unit: str) -> int:
        body = {"id": unit, "name": f"单位{unit}", "kind": "department"}
        return self.call("/api/v1/units", body)[0]


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    running = Suite(tmp_path / "data", tmp_path / "log")
    yield running
    running.process.terminate()
    running.process.wait(60)


def spoil(log: Path, number: int) -> None:
    """Facts that nobody can read, in a row, as a faulty release would have written them."""
    with sqlite3.connect(log, timeout=20) as database:
        for _ in range(number):
            database.execute(
                "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?,?,?,?)",
                (uuid4().hex, 1, "assignment.unit_registered", b"{}"),
            )


def test_a_consumer_that_refuses_leaves_reads_and_writes(suite: Suite) -> None:
    suite.until(lambda: suite.call("/readyz") == (200, '{"reasons":[]}\n'))
    assert suite.register("fgw") == 201
    suite.until(lambda: "fgw" in suite.call("/api/v1/units")[1])
    spoil(suite.data / "assignment" / "events.sqlite", 30)
    suite.until(lambda: "refuses to go on" in suite.call("/readyz")[1])
    assert "messages in a row could not be handled" in suite.call("/readyz")[1]
    assert "assignment project 已停止：连续" in suite.call("/readyz", language="zh")[1]
    assert suite.register("czj") == 201
    assert "fgw" in suite.call("/api/v1/units")[1]
    assert 'duban_role_refuses{role="project",service="assignment"} 1.0' in suite.call("/metrics")[1]
    suite.process.send_signal(signal.SIGTERM)
    assert suite.process.wait(60) == 1, "it did not end well"
    log = suite.log.read_text("utf-8")
    assert "ended_refusing" in log
    assert "suite_ended" in log
    assert list((suite.data / "refusing").iterdir()) == []


@pytest.mark.parametrize(
    ("module", "code", "board", "ends"),
    [
        (["this"], 0, True, None),  # a module that ends at once
        (["json.tool", "--none"], 2, True, 1),  # misconfigured at its first start
        (["json.tool", "--none"], 2, False, 1),
        (["this"], 0, False, 5),
    ],
    ids=["worker dies", "worker misconfigured", "web misconfigured", "web dies"],
)
def test_a_worker_that_keeps_dying_does_not_end_the_suite(
    module: list[str],
    code: int,
    board: bool,
    ends: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = Board(tmp_path, "notify", "process") if board else None
    watched = Watched(Process("x", module, dict(os.environ), tmp_path / "log"), of)
    watched.process.start()
    deaths = 0
    for _ in range(5):
        assert watched.process.handle is not None
        assert watched.process.handle.wait(30) == code
        deaths += 1
        if not watched.look():
            break
    assert deaths == (ends or 5)
    if ends is None:
        [why] = shown(tmp_path, "notify").values()
        assert f"exit code {code}" in why.en
        assert watched.look(), "it rests"
        assert watched.process.ended() == code
        monkeypatch.setattr(processes, "REST_SECONDS", 0.0)
        watched.next_start = time.monotonic()
        assert watched.look()
        watched.process.arguments = ["http.server", "--bind", "127.0.0.1", "0"]
        watched.process.stop()
        watched.process.start()
        assert watched.look()
        assert shown(tmp_path, "notify") == {}, "it lives"
        watched.process.stop()
