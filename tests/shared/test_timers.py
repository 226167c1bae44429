"""The one scheduler: what is due is fired, the longest past first, whatever has gone wrong before."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, String, insert

from shared.readmodels import timers
from shared.readmodels.timers import Timers, fire_due
from shared.readmodels.views import Views
from shared.testing import StoppedClock, shanghai

NOW = shanghai("2021-01-04 09:00")


class Alarms(Timers):
    name = "alarms"

    @classmethod
    def what(cls) -> list[Column[Any]]:
        return [Column("what", String, nullable=False)]


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Views]:
    monkeypatch.setattr(timers, "AT_ONCE", 3)
    views = Views(tmp_path / "views.sqlite", [Alarms()], StoppedClock(NOW))
    views.create()
    with views.writer.begin() as connection:
        rows = [
            {"id": f"{n}", "due_at": NOW + timedelta(hours=n // 2 - 3), "what": f"alarm {n}"}
            for n in range(10)
        ]
        connection.execute(insert(views.table(connection, "alarms")), rows)
    yield views
    views.close()


class Fired:
    """Remembers what it was given; ``stuck`` rows have nothing to do."""

    def __init__(self, *stuck: str) -> None:
        self.batches: list[list[str]] = []
        self.stuck = stuck

    def __call__(self, rows: Sequence[dict[str, Any]]) -> bool:
        self.batches.append([row["id"] for row in rows])
        return any(row["id"] not in self.stuck for row in rows)


def test_everything_due_is_fired_in_batches_in_the_order_of_its_moment(views: Views) -> None:
    fired = Fired()
    assert fire_due(views, Alarms, NOW, fired, to_the_end=True)
    assert fired.batches == [["0", "1", "2"], ["3", "4", "5"], ["6", "7"]]
    early = Fired()
    assert not fire_due(views, Alarms, NOW - timedelta(days=1), early)
    assert early.batches == []


def test_one_call_ends_with_the_first_batch_that_had_something_to_do(views: Views) -> None:
    fired = Fired("0", "1", "2")
    assert fire_due(views, Alarms, NOW, fired)
    assert fired.batches == [["0", "1", "2"], ["3", "4", "5"]]


def test_only_what_is_asked_for_is_read(views: Views) -> None:
    seen: list[dict[str, Any]] = []
    fire_due(views, Alarms, NOW - timedelta(hours=3), lambda rows: bool(seen.extend(rows)), read=["what"])
    assert seen == [
        {"id": f"{n}", "due_at": NOW - timedelta(hours=3), "what": f"alarm {n}"} for n in range(2)
    ]
