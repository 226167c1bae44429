"""``duban units``, ``import`` and ``export``: lists in and out of the assignment service."""

import hashlib
import json
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from services.assignment.application.lists import RowsRefused
from services.assignment.spreadsheets import LeftOut, RowProblem, read_units
from services.assignment.spreadsheets.writing import HEADINGS
from services.cli.options import Data, Line, When, config_of, with_logs
from services.suite import SUITE
from shared.domain.aggregate import COMMAND_LINE, CommandContext
from shared.domain.clock import local_day
from shared.domain.roles import Role
from shared.domain.words import Title, titles
from shared.events.base import Actor
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.web.http import checked_key


@click.group()
def units() -> None:
    """单位 Units."""


Key = click.option(
    "--key",
    default=None,
    help="请求编号 The request's key: repeated under it, the command is carried out once (default: a new one).",
)


def by_command_line(config: Config, key: str | None, *asked: object) -> CommandContext:
    """The context of a command given on the command line, in the government office's name.

    Every call is a request of its own, unless a ``key`` is given; ``asked`` is then what must be the same. Raises
    IdempotencyKeyMalformed.
    """
    now = config.make_clock()()
    key = f"{COMMAND_LINE}|{secrets.token_hex(16) if key is None else checked_key(key)}"
    return CommandContext(
        by=Actor(unit="office", post=COMMAND_LINE),
        because=f"request:{key}",
        recorded_at=now,
        happened_at=now,
        role=Role.government_office,
        key=key,
        fingerprint=hashlib.sha256(repr(asked).encode()).hexdigest(),
    )


@units.command("import")
@Data
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@Key
def units_import(data: Path | None, file: Path, key: str | None) -> None:
    """导入单位名册 Register the units of FILE (CSV or XLSX: id, name, short_names separated by ;, kind).

    All or nothing. Equal rows change nothing, another name renames. A new unit also gets its main head's post, held
    by somebody whose name is not registered yet.
    """
    config = config_of(data)
    content = file.read_bytes()
    read = read_units(content, file.name)
    for problem in read.rejected:
        reason = problem.reason_en if config.language == "en" else problem.reason_zh
        click.echo(_refused(problem.row, problem.field, problem.value, reason, config.language), err=True)
    _tell(read.left_out, config.language)
    if read.rejected:
        raise click.ClickException(f"{len(read.rejected)} 行有误，未导入 rows refused, nothing imported")
    with offline(config) as runtime:
        act = by_command_line(config, key, "units import", content)
        since = local_day(act.recorded_at)
        runtime.app.perform(act, partial(runtime.app.register_units, rows=read.accepted, heads_since=since))
        runtime.catch_up()
    click.echo(f"{len(read.accepted)} 个单位 units")


@contextmanager
def offline(config: Config) -> Iterator[Any]:
    """The assignment service opened on the data folder; the suite may be running."""
    runtime = open_service(SUITE["assignment"], config, config.make_clock())
    try:
        runtime.catch_up()
        yield runtime
    finally:
        runtime.close()


@click.command("import")
@Data
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dated", type=When(), default=None, help="清单日期 The list's own date (default: today).")
@click.option(
    "--title", type=Line(), default=None, help="清单名称 The list's title (default: the file's name)."
)
@click.option(
    "--dry-run", is_flag=True, help="只检查不导入 Only say what would be imported and what refused."
)
@click.option(
    "--accept-valid", is_flag=True, help="只导入无误的行 Import the good rows though others are refused."
)
@Key
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def import_(
    data: Path | None,
    file: Path,
    dated: Any,
    title: str | None,
    dry_run: bool,
    accept_valid: bool,
    key: str | None,
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
        left_out: Sequence[LeftOut] = ()
        try:
            _, report = app.import_file(
                by_command_line(config, key, "import", content, title or file.stem, day, accept_valid),
                content,
                file.name,
                title=title or Line().convert(file.stem, None, None),
                dated=day,
                dry_run=dry_run,
                accept_valid=accept_valid,
                progress=lambda done, total: progress.update(bar, completed=done, total=total),
            )
            refused, left_out = list(report["rejected"]), report["left_out"]
        except RowsRefused as problem:
            refused, left_out = list(problem.problems), problem.left_out
        runtime.catch_up()
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
                    "ignored_columns": list(report.get("ignored_columns", ())),
                    "left_out": [one.to_json(config.language) for one in left_out],
                },
                ensure_ascii=False,
            )
        )
    else:
        for one in refused:
            reason = one.reason(config.language)
            click.echo(_refused(one.row, one.field, one.value, reason, config.language), err=True)
        _tell(left_out, config.language)
        would = "（未写入 nothing written）" if dry_run else ""
        click.echo(
            f"新增 {report['assigned']} 项，未变 {report['unchanged']} 项，退回 {len(refused)} 处{would}  "
            f"{report['assigned']} assigned, {report['unchanged']} unchanged, {len(refused)} refused"
        )
    if refused and not accept_valid and not dry_run:
        sys.exit(1)


@click.group()
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
    with offline(with_logs(data)) as runtime:
        file.write_bytes(runtime.app.export_tasks(kind))
    click.echo(str(file))


def _tell(left_out: Iterable[LeftOut], language: str) -> None:
    """What stands in a file and was not taken, a line each."""
    for one in left_out:
        click.echo(one.in_a_line(language), err=True)


def _refused(row: int, field: str, value: str, reason: str, language: str) -> str:
    """Why a cell is refused, in one line."""
    title = titles().get(("field", field)) or Title(HEADINGS.get(field, field), field)
    if language == "en":
        return f'row {row}, {title.within("en")} "{value}": {reason}'
    return f"第{row}行{HEADINGS.get(field, title.zh)}“{value}”：{reason}"


COMMANDS = (units, import_, export)
