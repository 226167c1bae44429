"""``duban backup`` and ``duban restore``."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from services.cli.backup_logs import back_up, read_manifest, recover, restore
from services.cli.options import seen
from shared.domain.clock import Clock
from shared.process.config import Config
from shared.runtime.service import SERVICES


def _said(manifest: dict[str, Any]) -> None:
    for name, one in manifest["services"].items():
        click.echo(f"{name}: {one['events']} 条 events, root {one['root']}")


def run_backup(config: Config, folder: Path, clock: Clock) -> None:
    """Write it, and say what is in it."""
    with seen() as progress:
        manifest = back_up(config, folder, clock, version("duban"), progress)
    _said(manifest)


def run_restore(config: Config, folder: Path, clock: Clock) -> None:
    """Put it back, take from the broker what it holds beyond it, and say what was done."""
    said = read_manifest(folder)
    totals = {name: one["events"] for name, one in said["services"].items()}
    with seen(totals=totals) as progress:
        _said(restore(config, folder, clock, progress))
    if config.kafka:
        run_recover(config, list(SERVICES), clock)


def run_recover(config: Config, services: list[str], clock: Clock) -> None:
    """Take back from the broker what the logs lack."""
    for name in services:
        click.echo(f"{name}: 从主题取回 taken back from the topic: {recover(config, name, clock)}")
