"""``duban``: the suite's command line and composition root."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from services.assignment.application.lists import RowsRefused
from services.assignment.spreadsheets import RowProblem, read_units
from services.audit import audit, proof, questions  # noqa: F401 - the latter two attach their commands
from services.audit import web as audit_web  # noqa: F401 - attaches its command
from services.audit.personal_data import person
from services.cli.backup import run_backup, run_recover, run_restore
from services.cli.options import Data, config_of
from services.processes import serve_web, supervise
from services.suite import SUITE, make_topics, migrate_suite, open_suite
from shared.application.application import Application
from shared.calendar import Calendar
from shared.calendar.due import due as due_of
from shared.domain.aggregate import CommandContext
from shared.domain.clock import SHANGHAI, local_day
from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.events import supervision
from shared.events.base import Actor
from shared.log.codec import Unreadable, cloudevent, decode, personal_fields
from shared.log.recorder import rows_of
from shared.log.unavailable import UNAVAILABLE
from shared.personal_data.keystore import MASKED
from shared.process import logs
from shared.process.config import Config, Misconfigured
from shared.readmodels.reference import calendar_of
from shared.rulebook import load_rulebook
from shared.runtime.roles import settings
from shared.runtime.service import open_log, open_service
from shared.web.auth import issue_token, load_key


class Cli(click.Group):
    """Shows a refusal as the reader's sentence, never as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Called by click."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            english = os.environ.get("DUBAN_LANGUAGE") == "en"
            raise click.ClickException(refusal.text("en" if english else "zh")) from refusal
        except UNAVAILABLE as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from error
        except Misconfigured as error:
            click.echo(f"duban: {error}", err=True)
            sys.exit(2)


@click.group(cls=Cli)
def main() -> None:
    """督办 duban: 让政府决定落到实处 — makes a government's decisions get carried out."""


@main.command()
@Data
@click.option("--host", default=None, help="监听地址 Address to listen on (default 127.0.0.1).")
@click.option("--port", type=int, default=None, help="端口 Port (default 8080).")
def serve(data: Path | None, host: str | None, port: int | None) -> None:
    """启动整套系统 Serve the whole suite on one port until Ctrl-C or SIGTERM."""
    changes: dict[str, Any] = {}
    if host is not None:
        changes["host"] = host
    if port is not None:
        changes["port"] = port
    config = config_of(data, **changes)
    click.echo(f"http://{config.host}:{config.port}/  ({config.data})", err=True)
    sys.exit(supervise(config))


@main.command(hidden=True)
def web() -> None:
    """The web process of ``duban serve``."""
    serve_web(settings())


@main.command()
@Data
@click.option("--post", required=True, help="岗位编号 Post id, e.g. fgw/head.")
@click.option("--unit", required=True, help="单位编号 Unit id, e.g. fgw; for an enterprise its credit code.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="角色 Role.")
@click.option("--hours", type=click.IntRange(1, 24 * 366), default=12, show_default=True, help="有效小时数.")
def token(data: Path | None, post: str, unit: str, role: str, hours: int) -> None:
    """签发访问令牌 Make a bearer token with the data folder's own key."""
    config = config_of(data)
    config.data.mkdir(parents=True, exist_ok=True)
    click.echo(
        issue_token(
            load_key(config.data),
            post=post,
            unit=unit,
            role=Role(role),
            now=config.make_clock()(),
            lifetime=timedelta(hours=hours),
            issuer=config.token_issuer,
            audience=config.token_audience,
        )
    )


class When(click.ParamType[Any]):
    """A day (2021-02-05), a month (2021-02) or a moment (2021-02-05T16:00, Beijing time unless it says otherwise)."""

    name = "when"

    def convert(self, value: Any, param: Any, ctx: Any) -> date | datetime:
        """Called by click."""
        try:
            if len(value) == 7:
                return date.fromisoformat(value + "-01")
            if len(value) == 10:
                return date.fromisoformat(value)
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r}: 2021-02-05, 2021-02, 2021-02-05T16:00", param, ctx)
        return moment.replace(tzinfo=SHANGHAI) if moment.tzinfo is None else moment


def calendar_in(config: Config) -> Calendar:
    """The calendar in force in a data folder; the base if there is none yet."""
    if not (config.data / "supervision" / "events.sqlite").exists():
        return Calendar.base()
    log = open_log(config, "supervision", config.make_clock())
    try:
        rows = log.log.select_notifications(
            start=None, limit=100_000, topics=[supervision.CalendarReleased.TOPIC]
        )
        released = [cast(supervision.CalendarReleased, decode(row.topic, row.state)) for row in rows]
        return calendar_of(released)
    finally:
        log.close()


@main.command()
@Data
@click.argument("rule")
@click.argument("when", type=When())
@click.option("--own-date", type=When(), default=None, help="自定期限 The date of its own, for such clocks.")
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def due(data: Path | None, rule: str, when: Any, own_date: Any, as_json: bool) -> None:
    """计算并解释时限 When the clock RULE that starts at WHEN is due, explained day by day.

    RULE is the first column of the rulebook: arrange, decompose, feedback, contact, resolve_or_confirm, hard_limit, …
    """
    config = config_of(data)
    rulebook = load_rulebook(config.rulebook)
    found = rulebook.rule(rule)
    if found.unit == "own_date" and found.length is None and own_date is None:
        own_date = when if not isinstance(when, datetime) else local_day(when)
    answer = due_of(found, calendar_in(config), when, own_date=own_date, rulebook_version=rulebook.version)
    if as_json:
        click.echo(json.dumps(answer.to_json(), ensure_ascii=False))
        return
    for line in answer.explain("en" if config.language == "en" else "zh"):
        click.echo(line)


@main.group()
def units() -> None:
    """单位 Units."""


def by_command_line(config: Config, key: str) -> CommandContext:
    """An act of whoever may write in the data folder, in the government office's name."""
    now = config.make_clock()()
    key = f"duban/command-line|{key}"
    return CommandContext(
        by=Actor(unit="office", post="duban/command-line"),
        because=f"request:{key}",
        recorded_at=now,
        happened_at=now,
        role=Role.government_office,
        key=key,
    )


@units.command("import")
@Data
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def units_import(data: Path | None, file: Path) -> None:
    """导入单位名册 Register the units of FILE (CSV or XLSX: id, name, short_names separated by ;, kind).

    All or nothing. Equal rows change nothing, another name renames. A new unit also gets its main head's post, held
    by somebody whose name is not registered yet.
    """
    config = config_of(data)
    read = read_units(file.read_bytes(), file.name)
    for problem in read.rejected:
        reason = problem.reason_en if config.language == "en" else problem.reason_zh
        click.echo(f"第{problem.row}行 {problem.field}“{problem.value}”：{reason}", err=True)
    if read.rejected:
        raise click.ClickException(f"{len(read.rejected)} 行有误，未导入 rows refused, nothing imported")
    with offline(config) as runtime:
        act = by_command_line(config, f"units import {hashlib.sha256(file.read_bytes()).hexdigest()}")
        runtime.app.register_units(act, read.accepted, heads_since=local_day(act.recorded_at))
        catch_up(runtime)
    click.echo(f"{len(read.accepted)} 个单位 units")


@contextmanager
def offline(config: Config) -> Iterator[Any]:
    """The assignment service opened on the data folder; the suite may be running."""
    runtime = open_service(SUITE["assignment"], config, config.make_clock())
    try:
        catch_up(runtime)
        yield runtime
    finally:
        runtime.close()


def catch_up(runtime: Any) -> None:
    """Let the read models have all that is in the logs."""
    runtime.catch_up()


@main.command("import")
@Data
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dated", type=When(), default=None, help="清单日期 The list's own date (default: today).")
@click.option("--title", default=None, help="清单名称 The list's title (default: the file's name).")
@click.option(
    "--dry-run", is_flag=True, help="只检查不导入 Only say what would be imported and what refused."
)
@click.option(
    "--accept-valid", is_flag=True, help="只导入无误的行 Import the good rows though others are refused."
)
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def import_(
    data: Path | None,
    file: Path,
    dated: Any,
    title: str | None,
    dry_run: bool,
    accept_valid: bool,
    as_json: bool,
) -> None:
    """导入任务清单 Import the task list in FILE (XLSX or CSV), all or nothing unless --accept-valid."""
    config = config_of(data)
    content = file.read_bytes()
    with offline(config) as runtime, Progress(console=Console(stderr=True), disable=as_json) as progress:
        app = runtime.app
        day = local_day(dated) if isinstance(dated, datetime) else dated or app.today()
        bar = progress.add_task(file.name, total=None)
        refused: list[RowProblem] = []
        report: dict[str, Any] = {"accepted": [], "assigned": 0, "unchanged": 0}
        try:
            _, report = app.import_file(
                # The same file again is the same request only while nothing else has changed: its key is its moment.
                by_command_line(
                    config, f"import {app.clock().isoformat()} {hashlib.sha256(content).hexdigest()}"
                ),
                content,
                file.name,
                title=title or file.stem,
                dated=day,
                dry_run=dry_run,
                accept_valid=accept_valid,
                progress=lambda done, total: progress.update(bar, completed=done, total=total),
            )
            refused = list(report["rejected"])
        except RowsRefused as problem:
            refused = list(problem.problems)
        catch_up(runtime)
        names = app.unit_names(dissolved=True)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "accepted": [
                        {
                            "row": row["row"],
                            "number": row["number"],
                            "task": row["task"],
                            "lead": names.full_name(row["lead"]),
                            "supporters": [names.full_name(unit) for unit in row["supporters"]],
                            "due": row["due"].isoformat(),
                            "due_text": row["due_text"],
                        }
                        for row in report["accepted"]
                    ],
                    "rejected": [
                        {
                            "row": one.row,
                            "field": one.field,
                            "value": one.value,
                            "reason": one.reason(config.language),
                        }
                        for one in refused
                    ],
                },
                ensure_ascii=False,
            )
        )
    else:
        for one in refused:
            click.echo(f"第{one.row}行 {one.field}“{one.value}”：{one.reason(config.language)}", err=True)
        would = "（未写入 nothing written）" if dry_run else ""
        click.echo(
            f"新增 {report['assigned']} 项，未变 {report['unchanged']} 项，退回 {len(refused)} 处{would}  "
            f"{report['assigned']} assigned, {report['unchanged']} unchanged, {len(refused)} refused"
        )
    if refused and not accept_valid and not dry_run:
        sys.exit(1)


@main.group()
def export() -> None:
    """导出 Exports."""


@export.command("tasks")
@Data
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_tasks(data: Path | None, file: Path) -> None:
    """导出任务清单 Write every task that is not secret to FILE (.xlsx or .csv), with the columns that are read."""
    kind = file.suffix.lower().removeprefix(".")
    if kind not in ("xlsx", "csv"):
        raise click.ClickException(f"{file.name}: .xlsx / .csv")
    with offline(config_of(data)) as runtime:
        file.write_bytes(runtime.app.export_tasks(kind))
    click.echo(str(file))


@main.group()
def views() -> None:
    """读模型 Read models."""


@views.command("rebuild")
@Data
@click.argument("name", required=False)
def rebuild(data: Path | None, name: str | None) -> None:
    """重建读模型 Rebuild the read model NAME, or all of them, from the logs, and swap it in.

    NAME as ``tasks`` or ``assignment.tasks``. The suite may be running.
    """
    config = config_of(data)
    wanted = {
        service.name: [
            view.name for view in service.views if name in (None, view.name, f"{service.name}.{view.name}")
        ]
        for service in SUITE.values()
    }
    if not any(wanted.values()):
        raise click.ClickException(f"没有名为 {name} 的读模型 no read model named {name}")
    with Progress(console=Console(stderr=True)) as progress:
        for service, names in wanted.items():
            if names:
                runtime = open_service(SUITE[service], config, config.make_clock(), patience=COMMAND_PATIENCE)
                bar = progress.add_task(f"{service}: {', '.join(names)}", total=None)
                runtime.views.rebuild(names, runtime.follower, progress=partial(_advance, progress, bar))
                time.sleep(READERS_GRACE)
                runtime.views.retire()
                progress.update(bar, total=progress.tasks[bar].completed)
                runtime.close()


COMMAND_PATIENCE = 300.0
"""Seconds that one wait for the database may last in a command that goes over much data."""
READERS_GRACE = 1.0
"""Seconds that the old tables stand after a swap, for who has just looked them up."""


def _advance(progress: Progress, bar: TaskID, done: int) -> None:
    progress.update(bar, completed=done)


@main.command()
@Data
@click.option(
    "--service", type=click.Choice(list(SUITE)), default=None, help="只看一个服务 One service only."
)
@click.option("--follow", is_flag=True, help="持续显示 Go on as events come.")
def log(data: Path | None, service: str | None, follow: bool) -> None:
    """查看事件日志 Show the event log as CloudEvents, one JSON object a line; personal data is masked."""
    config = config_of(data)
    names = [service] if service else list(SUITE)
    if not config.database and not all((config.data / name / "events.sqlite").exists() for name in names):
        raise click.ClickException(f"{config.data}: 没有事件日志 no event log there")
    logs_of = {name: open_log(config, name, config.make_clock()) for name in names}
    marks = dict.fromkeys(names, 0)
    while True:
        for line in sorted(_new_lines(logs_of, marks), key=lambda line: (line["time"], line["id"])):
            click.echo(json.dumps(line, ensure_ascii=False))
        if not follow:
            return
        time.sleep(config.poll_seconds)


def _new_lines(logs_of: dict[str, Application], marks: dict[str, int]) -> Iterator[dict[str, Any]]:
    for name, application in logs_of.items():
        for batch in rows_of(application.log, marks[name]):
            for row in batch:
                try:
                    line = cloudevent(name, row)
                except Unreadable as error:
                    raise click.ClickException(f"{name} {row.id}: {error}") from error
                for field in personal_fields(row.topic):
                    line["data"][field] = MASKED
                yield line
            marks[name] = batch[-1].id


@main.command()
@Data
@click.option("--retry", is_flag=True, help="重试 Handle them again, in order.")
@click.option(
    "--discard-strangers", is_flag=True, help="丢弃外来记录 Give up records that are no events of this suite."
)
def parked(data: Path | None, retry: bool, discard_strangers: bool) -> None:
    """搁置的消息 Messages that a reaction or a view could not handle, with reasons."""
    config = config_of(data)
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
        runtime.close()
    if left:
        sys.exit(1)


@main.command("migrate")
def migrate_() -> None:
    """建表与升级 Make or upgrade the tables of every service in the databases that DUBAN_DATABASE names.

    Harmless when they are right already. Processes of the suite wait, unready, until this has run.
    """
    config = settings()
    if not config.database:
        raise click.ClickException(
            "DUBAN_DATABASE 未设置：SQLite 文件会自动建好 not set: SQLite files make themselves"
        )
    for line in migrate_suite(config, config.make_clock()):
        click.echo(line)


@main.group()
def topics() -> None:
    """Kafka 主题 The topics on the broker."""


@topics.command("apply")
def topics_apply() -> None:
    """建主题与授权 Make the topics that are missing, with their settings and rights.

    Where the broker has an authorizer, a service (user of its name) may write only its own topic and read only those
    it follows.
    """
    for line in make_topics(_with_broker()):
        click.echo(line)


def _with_broker() -> Config:
    config = settings()
    if not config.kafka:
        raise Misconfigured("DUBAN_KAFKA: not set")
    return config


@main.group()
def relay() -> None:
    """事件发布 The relays, which publish each service's log."""


@relay.command("republish")
@click.option("--service", "name", type=click.Choice(list(SUITE)), required=True, help="服务 Whose log.")
@click.option(
    "--from", "start", type=click.IntRange(1), required=True, help="起始位置 From this position on."
)
def relay_republish(name: str, start: int) -> None:
    """重新发布 Publish a service's log again from a position on, after a topic has lost messages.

    Consumers take what they have missed; what they had already has no effect.
    """
    from shared.messaging.relay import republish

    config = _with_broker()
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
    config = _with_broker()
    run_recover(config, list(names or SUITE), config.make_clock())


@main.command()
@Data
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def backup(data: Path | None, folder: Path) -> None:
    """备份 Write a backup of all logs, as they are at one moment, into the empty FOLDER. The suite may be running.

    Read models are not in it (they are rebuilt), nor are keys: back those up separately (docs/auditing.md).
    """
    config = config_of(data)
    run_backup(config, folder, config.make_clock())


@main.command("restore")
@Data
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore_(data: Path | None, folder: Path) -> None:
    """恢复 Put the backup in FOLDER into an empty suite, SQLite or PostgreSQL, and verify it: all logs or nothing.

    On PostgreSQL the tables must be there: duban migrate. With a broker, events that it holds beyond the backup are
    taken back from it. The suite must not be running.
    """
    config = config_of(data)
    run_restore(config, folder, config.make_clock())


@main.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), default=None, help="数据目录.")
@click.option(
    "--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="语言 Language."
)
@click.option(
    "--cluster",
    is_flag=True,
    help="每个角色一个进程 On DUBAN_KAFKA and DUBAN_DATABASE, each role a process of its own.",
)
def demo(data: Path | None, language: str, cluster: bool) -> None:
    """演示 The whole closed loop, told line by line, on a stepped clock (needs no data; takes under a minute).

    With --cluster the databases and topics must be there and empty: duban migrate, duban topics apply.
    """
    from services.demo import tell

    config = _with_broker() if cluster else None
    logs.configure("error")
    sys.exit(tell(data, language, config))


@main.command()
@click.option(
    "--check", is_flag=True, help="只检查是否最新 Only say whether the committed copies are current."
)
def docs(check: bool) -> None:
    """生成接口文档 Regenerate OpenAPI, AsyncAPI, the event map and golden files of new events."""
    from services.cli.documents import stale, write

    logs.configure("error")
    if check:
        old = stale()
        for path in old:
            click.echo(f"not current: {path}")
        sys.exit(1 if old else 0)
    for path in write():
        click.echo(path)


main.add_command(audit)
main.add_command(person)
