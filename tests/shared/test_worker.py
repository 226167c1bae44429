"""A worker whose role refuses to go on: the others do, it is told, and tried again."""

import io
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.database.unavailable import BrokerUnavailable
from shared.domain.words import Title
from shared.messaging.parked import ConsumerStopped
from shared.process.standing import Board, forget, in_words, shown
from shared.runtime import worker as workers
from shared.runtime.worker import RoleRefuses, Worker


class Turns:
    """Steps of roles that do what is said, for so many turns."""

    def __init__(self, turns: int) -> None:
        self.stop = threading.Event()
        self.done: list[str] = []
        self.left = turns

    def step(self, role: str, *errors: Exception | None) -> Callable[[], bool]:
        waiting = list(errors)

        def step() -> bool:
            error = waiting.pop(0) if waiting else None
            if error is not None:
                raise error
            self.done.append(role)
            return True

        return step

    def last(self) -> bool:
        self.left -= 1
        if self.left == 0:
            self.stop.set()
        return True

    def run(self, worker: Worker, roles: dict[str, Sequence[Callable[[], bool]]], **more: Any) -> None:
        worker.run(lambda: {**roles, "last": [self.last]}, lambda: None, **more)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE", 1000.0)


STOPPED = ConsumerStopped(number=10, reason="ValueError: x")


@pytest.mark.parametrize(
    "error", [STOPPED, OverflowError("date"), KeyError("z")], ids=lambda e: type(e).__name__
)
def test_the_other_roles_go_on(error: Exception) -> None:
    turns = Turns(3)
    worker = Worker(turns.stop, alone=False)
    turns.run(worker, {"relay": [turns.step("relay", error)], "project": [turns.step("project")]})
    assert turns.done == ["project"] * 3
    assert list(worker.refusing) == ["relay"]
    assert worker.unavailable is None
    why = worker.refusing["relay"]
    assert (str(error) in why.en) if error is not STOPPED else ("10 条" in why.zh)


def test_a_role_is_tried_again_and_goes_on_once_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(workers, "LONGEST_PAUSE", 0.0)
    turns, seen = Turns(4), list[list[str]]()
    worker = Worker(turns.stop, alone=False)
    steps = [turns.step("relay", STOPPED, ValueError("y"), None)]
    turns.run(worker, {"relay": steps}, seen=lambda: seen.append([*worker.refusing]))
    assert seen == [["relay"], ["relay"], [], []]
    assert turns.done == ["relay", "relay"]


def test_a_broker_that_is_away_is_no_refusal() -> None:
    turns = Turns(2)
    worker = Worker(turns.stop, alone=True)
    turns.run(worker, {"relay": [turns.step("relay", BrokerUnavailable("away"))]})
    assert (turns.done, worker.refusing) == (["relay", "relay"], {})


def test_alone_in_its_process_a_role_ends_it(capture_logs: io.StringIO) -> None:
    turns = Turns(3)
    with pytest.raises(RoleRefuses, match="10 messages in a row"):
        turns.run(Worker(turns.stop, alone=True), {"project": [turns.step("project", STOPPED)]})
    assert turns.done == []
    assert capture_logs.getvalue().count("role_refuses") == 1


def test_what_cannot_be_begun_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.0)
    turns, seen = Turns(1), list[list[str]]()
    worker = Worker(turns.stop, alone=False)
    begin = turns.step("begun", ValueError("a view cannot be built"))

    def begins() -> dict[str, Any]:
        begin()
        return {"last": [turns.last]}

    worker.run(begins, lambda: None, lambda: seen.append([*worker.refusing]))
    assert seen == [["start"], []]


def test_a_board_says_what_refuses_until_it_does_no_more(tmp_path: Path) -> None:
    why = Title("分区数变了", "the partitions changed")
    board, other = Board(tmp_path, "notify", "worker"), Board(tmp_path, "notify", "process")
    assert shown(tmp_path, "notify") == {}
    board.show({"relay": why})
    other.show({"worker": Title("反复退出", "keeps ending")})
    assert shown(tmp_path, "assignment") == {}
    assert [one.zh for one in in_words(shown(tmp_path, "notify"))] == [
        "notify worker 已停止：反复退出",
        "notify relay 已停止：分区数变了",
    ]
    board.show({})
    forget(tmp_path)  # as the next start does after a crash
    assert shown(tmp_path, "notify") == {}
    assert list((tmp_path / "refusing").iterdir()) == []


def test_a_folder_that_may_only_be_read_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "refusing").write_text("in the way")
    Board(tmp_path, "notify", "worker").show({"relay": Title("x", "x")})
    assert shown(tmp_path, "notify") == {}
