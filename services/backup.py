"""``duban backup`` and ``duban restore``."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from shared.backup import back_up, read_manifest, recover, restore
from shared.clock import Clock
from shared.config import Config
from shared.service import SERVICES


class _Bars:
    """A bar for each service."""

    def __init__(self, progress: Progress, totals: dict[str, int]) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {
            name: progress.add_task(name, total=totals.get(name)) for name in SERVICES
        }

    def __call__(self, service: str, done: int) -> None:
        self._progress.update(self._bars[service], completed=done)


def _said(manifest: dict[str, Any]) -> None:
    for name, one in manifest["services"].items():
        click.echo(f"{name}: {one['events']} 条 events, root {one['root']}")


def run_backup(config: Config, folder: Path, clock: Clock) -> None:
    """Write it, and say what is in it."""
    with Progress(console=Console(stderr=True)) as progress:
        manifest = back_up(config, folder, clock, version("duban"), _Bars(progress, {}))
    _said(manifest)


def run_restore(config: Config, folder: Path, clock: Clock) -> None:
    """Put it back, take from the broker what it holds beyond it, and say what was done."""
    said = read_manifest(folder)
    totals = {name: one["events"] for name, one in said["services"].items()}
    with Progress(console=Console(stderr=True)) as progress:
        _said(restore(config, folder, clock, _Bars(progress, totals)))
    if config.kafka:
        run_recover(config, list(SERVICES), clock)


def run_recover(config: Config, services: list[str], clock: Clock) -> None:
    """Take back from the broker what the logs lack."""
    for name in services:
        click.echo(f"{name}: 从主题取回 taken back from the topic: {recover(config, name, clock)}")
