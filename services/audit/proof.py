"""``duban audit checkpoint | verify | export | prove | …``: the proof that no fact was changed (核验)."""

import json
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import get_args
from uuid import UUID

import click

from services.audit import audit
from services.audit.questions import asked_by_command_line, asking
from services.cli.options import Instant, Position, seen
from services.suite import SUITE
from shared.audit import seal
from shared.audit.checkpoint import BadNote, PublicKey, Shown
from shared.audit.evidence import evidence_of
from shared.audit.export import Selection, export
from shared.audit.places import Outside
from shared.audit.proofs import consistency, inclusion
from shared.audit.secrecy import Clearance
from shared.audit.tree import Tree
from shared.audit.verification import verify

Service = click.option(
    "--service", type=click.Choice(list(SUITE)), default=None, help="只看一个服务 One service only."
)


def _which(service: str | None) -> list[str]:
    return [service] if service else list(SUITE)


@audit.command("checkpoint")
@asked_by_command_line
@Service
def checkpoint_(data: Path | None, post: str, role: str, service: str | None) -> None:
    """封存 Seal each log to its end, sign a checkpoint, and send it to every configured place."""
    with asking(data, post, role) as (questions, identity):
        questions.record(identity, "checkpoint", {"service": service})
        failed: list[str] = []
        for name in _which(service):
            signed, failures = seal.seal_now(
                questions.config, name, questions.logs[name].log, questions.clock
            )
            click.echo(signed.note, nl=False)
            failed += [f"{name}: {one}" for one in failures]
    for line in failed:
        click.echo(line, err=True)
    if failed:
        sys.exit(1)


@audit.command("verify")
@asked_by_command_line
@Service
@click.option(
    "--outside",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="外存副本 The folder of the copy outside (with a folder for each service in it).",
)
@click.option(
    "--checkpoint",
    "notes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="外存检查点 A checkpoint kept elsewhere, e.g. one that came by mail.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="公钥 The first public key of a log (NAME+ID+…), as it was handed out: believed instead of the log's own.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def verify_(
    data: Path | None,
    post: str,
    role: str,
    service: str | None,
    outside: Path | None,
    notes: tuple[Path, ...],
    keys: tuple[str, ...],
    as_json: bool,
) -> None:
    """核验 Recompute every log: versions, tree, checkpoints, signatures, keys.

    Exit code 1 and the first bad place; 3 if a log was held against no checkpoint, so that nothing is proven of it.
    """
    try:
        trusted = {key.name: key for key in map(PublicKey.parse, keys)}
        others = [Shown(path.name, path.read_bytes().decode("utf-8", "replace")) for path in notes]
        with asking(data, post, role) as (questions, identity):
            origins = {seal.origin_of(questions.config, name) for name in SUITE}
            for strange in sorted(trusted.keys() - origins):
                raise click.ClickException(f"--key: {strange}: 不是本系统的日志 no log of this suite")
            for one in others:
                if one.note.partition("\n")[0] not in origins:
                    raise click.ClickException(
                        f"--checkpoint: {one.where}: 不是本系统日志的检查点 no checkpoint of a log of this suite"
                    )
            reports = []
            for name in _which(service):
                origin = seal.origin_of(questions.config, name)
                with seen(disable=as_json) as progress:
                    reports.append(
                        verify(
                            evidence_of(
                                questions.logs[name].log,
                                name,
                                origin,
                                outside=None if outside is None else Outside(outside / name),
                                others=[one for one in others if one.note.startswith(origin + "\n")],
                                first_key=trusted.get(origin),
                            ),
                            partial(progress, name),
                        )
                    )
            # Recorded afterwards, before it is answered: the look itself would else stand where events were cut off.
            questions.record(identity, "verify", {"service": service})
            language = questions.config.language
    except BadNote as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([one.as_json() for one in reports], ensure_ascii=False, indent=1))
    else:
        for report in reports:
            click.echo(
                f"{report.service}: {report.events} 条 events，封存 sealed {report.sealed}，"
                f"检查点 checkpoints {report.checkpoints}，已证 proven {report.proven}："
                f"{report.verdict.zh} {report.verdict.en}"
            )
            for finding in report.findings:
                click.echo(f"  {finding.text(language)}")
    if not all(report.holds for report in reports):
        sys.exit(1)
    if not any(report.proven for report in reports) or any(one.events and not one.proven for one in reports):
        sys.exit(3)


@audit.command("export")
@asked_by_command_line
@click.argument("folder", type=click.Path(path_type=Path))
@Service
@click.option("--since", type=Instant(), default=None, help="登记不早于 Recorded at or after.")
@click.option("--until", type=Instant(), default=None, help="登记早于 Recorded before.")
@click.option("--aggregate", "aggregates", type=click.UUID, multiple=True, help="聚合 These aggregates only.")
@click.option(
    "--clearance",
    type=click.Choice(get_args(Clearance)),
    default="internal",
    show_default=True,
    help="密级 Content above it is left out; its hash stays.",
)
def export_(
    data: Path | None,
    post: str,
    role: str,
    folder: Path,
    service: str | None,
    since: datetime | None,
    until: datetime | None,
    aggregates: tuple[UUID, ...],
    clearance: Clearance,
) -> None:
    """导出 Write what an auditor takes away into an empty FOLDER: there, python3 verify.py proves it without us."""
    with asking(data, post, role) as (questions, identity), seen() as progress:
        about = {
            "service": service,
            "clearance": clearance,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
        }
        questions.record(identity, "export", about)
        manifest = export(
            folder,
            questions.config,
            questions.clock,
            {name: application.log for name, application in questions.logs.items()},
            _which(service),
            Selection(since=since, until=until, aggregates=frozenset(aggregates), clearance=clearance),
            progress,
        )
    for name, claim in manifest["services"].items():
        left = claim["without_content"]
        click.echo(
            f"{name}: {claim['size']} 条 events，有内容 with content {claim['events']}，"
            f"未选 not selected {left['not_selected']}，涉密未出 above clearance {left['above_clearance']}"
        )


@audit.command("prove")
@asked_by_command_line
@click.argument("event")
def prove(data: Path | None, post: str, role: str, event: str) -> None:
    """证明 The inclusion proof of EVENT (SERVICE/AGGREGATE/VERSION) under the newest checkpoint; JSON (RFC 9162)."""
    service, aggregate, version = _event(event)
    with asking(data, post, role) as (questions, identity):
        questions.record(identity, "prove", {"event": event})
        found = inclusion(service, questions.logs[service].log, aggregate, version)
    click.echo(json.dumps(found, ensure_ascii=False, indent=1))


def _event(text: str) -> tuple[str, UUID, int]:
    try:
        service, aggregate, version = text.removeprefix("event:").split("/")
        if service not in SUITE:
            raise ValueError(service)
        return service, UUID(aggregate), Position(version)
    except (ValueError, click.BadParameter) as error:
        raise click.ClickException(f"EVENT: {text!r}: SERVICE/AGGREGATE/VERSION") from error


@audit.command("prove-consistency")
@asked_by_command_line
@click.option("--service", type=click.Choice(list(SUITE)), required=True, help="服务 Whose log.")
@click.argument("first", type=Position)
@click.argument("second", type=Position, required=False)
def prove_consistency(
    data: Path | None, post: str, role: str, service: str, first: int, second: int | None
) -> None:
    """只增证明 The proof that the checkpoint of SECOND events (default: newest) only adds to that of FIRST; JSON."""
    with asking(data, post, role) as (questions, identity):
        questions.record(identity, "consistency", {"service": service, "first": str(first)})
        found = consistency(service, questions.logs[service].log, first, second)
    click.echo(json.dumps(found, ensure_ascii=False, indent=1))


@audit.command("rotate-key")
@asked_by_command_line
def rotate_key(data: Path | None, post: str, role: str) -> None:
    """换钥 Change the sealing key: each log's old key signs over the next one."""
    with asking(data, post, role) as (questions, identity):
        questions.record(identity, "rotate-key", {})
        trees = {name: Tree(application.log) for name, application in questions.logs.items()}
        for line in seal.rotate(questions.config, trees, questions.clock):
            click.echo(line)
