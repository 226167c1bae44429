"""``duban log``, ``parked``, ``views``, ``relay``, ``backup`` and ``restore``: the logs and what is made of them."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from services.cli.backup import back_up, read_manifest, recover, restore
from services.cli.options import Data, Position, config_of, seen, with_broker, with_logs
from services.suite import SUITE, open_suite
from shared.application.application import Application
from shared.domain.clock import Clock
from shared.log.codec import Unreadable, cloudevent, personal_fields
from shared.log.recorder import rows_of
from shared.personal_data.encryption import MASKED
from shared.process.config import Config
from shared.runtime.event_log import SERVICES, open_log
from shared.runtime.opening import open_service

COMMAND_TIMEOUT = 300.0
"""Seconds of one wait for the database in a command over much data."""
READERS_GRACE = 1.0
"""Seconds between the swap and dropping the old tables, for readers that have just looked them up."""


@click.group()
def views() -> None:
    """读模型 Read models."""


@views.command("rebuild")
@Data
@click.argument("name", required=False)
def rebuild(data: Path | None, name: str | None) -> None:
    """重建读模型 Rebuild the read model NAME, or all of them, from the logs, and swap it in.

    NAME as ``tasks`` or ``assignment.tasks``. The suite may be running. Exit code 1 if they lack facts of the log.
    """
    config = with_logs(data)
    wanted = {
        service.name: [
            view.name for view in service.views if name in (None, view.name, f"{service.name}.{view.name}")
        ]
        for service in SUITE.values()
    }
    if not any(wanted.values()):
        raise click.ClickException(f"没有名为 {name} 的读模型 no read model named {name}")
    behind = False
    for service, names in ((service, names) for service, names in wanted.items() if names):
        runtime = open_service(SUITE[service], config, config.make_clock(), timeout=COMMAND_TIMEOUT)
        with closing(runtime), seen() as progress:
            end = runtime.app.log.max_notification_id() or 0
            if not config.kafka:
                runtime.catch_up()  # they are built up to where the live ones are: nobody else may be projecting
            facts = 0

            def advance(done: int, what: str = f"{service}: {', '.join(names)}") -> None:
                nonlocal facts
                facts = done
                progress(what, done)

            runtime.views.rebuild(names, runtime.follower, progress=advance)
            time.sleep(READERS_GRACE)
            runtime.views.retire()
            click.echo(f"{service}: {len(names)} 个读模型，{facts} 条事实 read models from {facts} facts")
            if end and not runtime.views.reached(service, end):
                behind = True
                click.echo(
                    f"{service}: 读模型尚未到 {service}:{end} the read models have not reached that yet",
                    err=True,
                )
    if behind:
        sys.exit(1)


@click.command()
@Data
@click.option(
    "--service", type=click.Choice(list(SUITE)), default=None, help="只看一个服务 One service only."
)
@click.option("--follow", is_flag=True, help="持续显示 Go on as events come.")
def log(data: Path | None, service: str | None, follow: bool) -> None:
    """查看事件日志 Show the event log as CloudEvents, one JSON object a line; personal data is masked."""
    config = with_logs(data)
    names = [service] if service else list(SUITE)
    logs_of = {name: open_log(config, name, config.make_clock()) for name in names}
    positions = dict.fromkeys(names, 0)
    while True:
        for line in sorted(_new_lines(logs_of, positions), key=lambda line: (line["time"], line["id"])):
            click.echo(json.dumps(line, ensure_ascii=False))
        if not follow:
            return
        time.sleep(config.poll_seconds)


def _new_lines(logs_of: dict[str, Application], positions: dict[str, int]) -> Iterator[dict[str, Any]]:
    for name, application in logs_of.items():
        for batch in rows_of(application.log, positions[name]):
            for row in batch:
                try:
                    line = cloudevent(name, row)
                except Unreadable as error:
                    raise click.ClickException(f"{name} {row.id}: {error}") from error
                for field in personal_fields(row.topic):
                    line["data"][field] = MASKED
                yield line
            positions[name] = batch[-1].id


@click.command()
@Data
@click.option("--retry", is_flag=True, help="重试 Handle them again, in order.")
@click.option(
    "--discard-strangers", is_flag=True, help="丢弃外来记录 Give up records that are no events of this suite."
)
def parked(data: Path | None, retry: bool, discard_strangers: bool) -> None:
    """搁置的消息 Messages that a reaction or a view could not handle, with reasons."""
    config = with_logs(data)
    left = 0
    for name, runtime in open_suite(config, config.make_clock()).items():
        if retry:
            runtime.retry_parked()
        if discard_strangers:
            click.echo(f"{name}: {runtime.discard_strangers()}")
        for consumer, row in runtime.parked():
            left += 1
            view = f" view {row.handler}" if row.handler else ""
            click.echo(f"{name} {consumer}{view} {row.source}:{row.position} {row.kind}: {row.reason}")
        for source in runtime.behind():
            click.echo(
                f"{name}: 尚未收到 {source} 的全部事实 has not received all facts of {source} yet", err=True
            )
        runtime.close()
    if left:
        sys.exit(1)


@click.group()
def relay() -> None:
    """事件发布 The relays, which publish each service's log."""


@relay.command("republish")
@click.option("--service", "name", type=click.Choice(list(SUITE)), required=True, help="服务 Whose log.")
@click.option("--from", "start", type=Position, required=True, help="起始位置 From this position on.")
def relay_republish(name: str, start: int) -> None:
    """重新发布 Publish a service's log again from a position on, after a topic has lost messages.

    Consumers take what they have missed; what they had already has no effect.
    """
    from shared.messaging.relay import republish

    config = with_broker()
    log_of = open_log(config, name, config.make_clock())
    try:
        republish(name, log_of.log, config.database_of(name), start)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    finally:
        log_of.close()
    click.echo(f"{name}: {start} …")


@relay.command("recover")
@click.option("--service", "names", type=click.Choice(list(SUITE)), multiple=True, help="服务 Whose log.")
def relay_recover(names: tuple[str, ...]) -> None:
    """取回事件 Take back from the topics the events that a restored log lacks. The services must not be running."""
    config = with_broker()
    recover_from_topics(config, list(names or SUITE), config.make_clock())


@click.command()
@Data
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def backup(data: Path | None, folder: Path) -> None:
    """备份 Write a backup of all logs, as they are at one moment, into the empty FOLDER. The suite may be running.

    Read models are not in it (they are rebuilt), nor are keys: back those up separately (docs/auditing.md).
    """
    config = with_logs(data)
    with seen() as progress:
        manifest = back_up(config, folder, config.make_clock(), version("duban"), progress)
    show_manifest(manifest)


@click.command("restore")
@Data
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore_(data: Path | None, folder: Path) -> None:
    """恢复 Put the backup in FOLDER into an empty suite, SQLite or PostgreSQL, and verify it: all logs or nothing.

    On PostgreSQL the tables must be there: duban migrate. With a broker, events that it holds beyond the backup are
    taken back from it. The suite must not be running.
    """
    config = config_of(data)
    clock = config.make_clock()
    totals = {name: one["events"] for name, one in read_manifest(folder)["services"].items()}
    with seen(totals=totals) as progress:
        manifest = restore(config, folder, clock, progress)
    show_manifest(manifest)
    if config.kafka:
        recover_from_topics(config, list(SERVICES), clock)


def show_manifest(manifest: dict[str, Any]) -> None:
    for name, one in manifest["services"].items():
        click.echo(f"{name}: {one['events']} 条 events, root {one['root']}")


def recover_from_topics(config: Config, services: list[str], clock: Clock) -> None:
    """Recover from the broker what the logs lack."""
    for name in services:
        click.echo(f"{name}: 从主题取回 taken back from the topic: {recover(config, name, clock)}")


COMMANDS = (views, log, parked, relay, backup, restore_)
