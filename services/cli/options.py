"""Shared by the commands of ``duban``: the data folder option and progress bars."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from shared.domain.refusal import Refusal
from shared.domain.words import Title, no_such_day
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
    return reason.zh if language() == "zh" else reason.en


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
