"""Releases of the calendar: what every process knows, what moves, who is told, and who revises a verdict."""

import tempfile
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.supervision.__main__ import SERVICE
from services.supervision.application import Supervision
from shared.calendar import Calendar
from shared.testing import Opened, StoppedClock, an_act, shanghai

WEEK = [date(2021, 3, 1) + timedelta(days=n) for n in range(8)]
"""A week and a day, the weekend included."""


def release(app: Supervision, clock: StoppedClock, *days: date) -> None:
    """These days turn: what is worked becomes a rest day, what is rest is worked."""
    now, calendar = clock(), app.calendar()
    turned = [{"day": day, "working": not calendar.is_working(day), "name": "调休"} for day in days]
    title = f"关于第{calendar.version}版的通知"
    drafter = an_act(now, post="inspect/officer")
    drafted = app.draft_release(drafter, layer="banner", title=title, days=turned)
    app.release_calendar(an_act(now), UUID(drafted.id))


# -- every process knows the newest release -----------------------------------------------------------------------

Step = tuple[str, int, list[date]]
histories = st.lists(
    st.tuples(
        st.sampled_from(["release", "fold", "read", "decide"]),
        st.integers(0, 1),
        st.lists(st.sampled_from(WEEK), min_size=1, max_size=3, unique=True),
    ),
    max_size=20,
)


def no_process_keeps_an_old_calendar(history: list[Step], **database: Any) -> None:
    """Two processes on one database release, fold and read in turn."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clock = StoppedClock(shanghai("2021-03-01 09:00"))
        processes = [stack.enter_context(Opened(folder, clock, SERVICE, **database)) for _ in range(2)]
        released: list[list[date]] = []
        folded = 0
        for what, process, days in history:
            app: Supervision = processes[process]["supervision"].app
            if what == "release":
                release(app, clock, *days)
                released.append(days)
            elif what == "fold":
                views = processes[process]["supervision"].views
                while views.project(processes[process]["supervision"].follower):
                    pass
                folded = len(released)
            else:
                count = folded if what == "read" else len(released)
                known = app.reference.calendar() if what == "read" else app.calendar()
                turned = [day for release in released[:count] for day in release]
                wanted = [Calendar.base().is_working(day) ^ (turned.count(day) % 2) for day in WEEK]
                assert known.version == Calendar.base().version + count
                assert [known.is_working(day) for day in WEEK] == wanted


@settings(max_examples=30, deadline=None)
@given(histories)
def test_any_sequence_of_releases_and_reads_in_any_process_gives_the_newest(history: list[Step]) -> None:
    no_process_keeps_an_old_calendar(history)


READS, FOLDS = ("read", 0, WEEK[:1]), ("fold", 1, WEEK[:1])
FIRST, SECOND, THIRD = (("release", 1, [day]) for day in WEEK[1:4])
SOME_HISTORIES: list[list[Step]] = [
    [READS, FIRST, FOLDS, READS, SECOND, FOLDS, READS],
    [READS, FIRST, SECOND, FOLDS, READS, THIRD, FOLDS, READS],
]


def test_two_releases_between_two_reads_are_both_seen() -> None:
    for history in SOME_HISTORIES:
        no_process_keeps_an_old_calendar(history)
