"""Shared by the commands of ``duban``: the data folder option and progress bars."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from shared.domain.clock import SHANGHAI, local_day
from shared.domain.refusal import Refusal
from shared.domain.text import fault, is_blank, plain
from shared.domain.words import YEARS, Title, no_such_day, outside_the_years
from shared.process.command_line import language
from shared.process.config import Config, Misconfigured
from shared.runtime.event_log import SERVICES
from shared.runtime.roles import settings

Data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="数据目录 The data folder (default: DUBAN_DATA, else ./data).",
)


def unreadable(value: str, forms: str) -> str:
    """Why a day or a moment is refused: there is no such day, or it is not written as one of the ``forms``."""
    reason = no_such_day(value) or Title(
        f"“{value}”无法识别，可写 {forms}", f'"{value}" is not understood; write {forms}'
    )
    return _said(reason)


def _said(reason: Title) -> str:
    return reason.zh if language() == "zh" else reason.en


class Whole(click.IntRange):
    """A whole number within bounds, named as click names one without."""

    name = "integer"


Position = Whole(1, 2**53)
"""A place in a log."""


class Line(click.ParamType[str]):
    """A line of text, as every door takes it (shared/domain/text.py)."""

    name = "text"

    def __init__(self, most: int = 200, *, blank: bool = False) -> None:
        """``blank``: whether a blank one is taken, because whoever decides refuses it."""
        self._most, self._blank = most, blank

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Called by click."""
        reason = None if self._blank and is_blank(value) else fault(value)
        if len(value) > self._most:
            reason = Title(f"长度应在 1 与 {self._most} 之间", f"Length must be between 1 and {self._most}")
        if reason:
            self.fail(_said(reason), param, ctx)
        return str(value)


class Id(Line):
    """The id of a unit, post or enterprise, in whatever width it is spelled."""

    name = "id"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Called by click."""
        return plain(super().convert(value, param, ctx))


class Instant(click.ParamType[datetime]):
    """A moment (2021-02-05T16:00, Beijing time unless it says otherwise); a day is its beginning."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Called by click."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(unreadable(value, "2021-02-05T16:00, 2021-02-05"), param, ctx)
        if reason := outside_the_years(moment):
            self.fail(_said(reason), param, ctx)
        return moment.replace(tzinfo=SHANGHAI) if moment.tzinfo is None else moment


class When(click.ParamType[Any]):
    """A day (2021-02-05), a month (2021-02) or a moment (2021-02-05T16:00, Beijing time unless it says otherwise)."""

    name = "when"

    def convert(self, value: Any, param: Any, ctx: Any) -> date | datetime:
        """Called by click."""
        try:
            if len(value) <= len("2021-02-05"):
                day = date.fromisoformat(value if len(value) > len("2021-02") else f"{value}-01")
                return self._within(day, param, ctx)
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(unreadable(value, "2021-02-05, 2021-02, 2021-02-05T16:00"), param, ctx)
        self._within(moment, param, ctx)
        return moment.replace(tzinfo=SHANGHAI) if moment.tzinfo is None else moment

    def _within(self, day: date, param: Any, ctx: Any) -> date:
        if reason := outside_the_years(day):
            self.fail(_said(reason), param, ctx)
        return day


class DueDay(When):
    """A day until which something is to be done; whoever decides refuses one without end (9999-12-31)."""

    name = "day"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Called by click."""
        found = super().convert(value, param, ctx)
        return local_day(found) if isinstance(found, datetime) else found

    def _within(self, day: date, param: Any, ctx: Any) -> date:
        return day if day.year > YEARS[-1] else super()._within(day, param, ctx)


def config_of(data: Path | None, **changes: Any) -> Config:
    """The configuration, with the data folder and others from the command line."""
    config = settings()
    if data is not None:
        changes["data"] = data
    return replace(config, **changes)


class NoLogThere(Refusal):
    """{folder} 中没有事件日志。
    There is no event log in {folder}."""

    status = 422


def with_logs(data: Path | None, **changes: Any) -> Config:
    """The configuration of a suite whose logs are there. Raises NoLogThere, instead of making empty ones."""
    config = config_of(data, **changes)
    must_hold_logs(config)
    return config


def must_hold_logs(config: Config) -> None:
    """Raises NoLogThere."""
    if not config.database and not all((config.data / name / "events.sqlite").exists() for name in SERVICES):
        raise NoLogThere(folder=config.data)


def with_broker() -> Config:
    """The configuration of a suite with a broker. Raises Misconfigured."""
    config = settings()
    if not config.kafka:
        raise Misconfigured("DUBAN_KAFKA: not set")
    return config


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM ends what is within as Ctrl-C does: what it has opened is closed, what it has made removed."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


Progress = Callable[[str, int], None]
"""Called with the name of a task and how much of it is done."""


@contextmanager
def seen(*, disable: bool = False, totals: Mapping[str, int] = MappingProxyType({})) -> Iterator[Progress]:
    """Progress bars on stderr, one per task; ``totals`` where they are known."""
    with Bar(console=Console(stderr=True), disable=disable, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=totals.get(what))
            bars.update(tasks[what], completed=done)

        yield tell
