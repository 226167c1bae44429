"""``duban serve``, ``token``, ``migrate``, ``topics``, ``demo`` and ``docs``: the suite set up and run."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from services.cli.options import Data, Id, Whole, config_of, with_broker
from services.processes import serve_web, supervise
from services.suite import make_topics, migrate_suite
from shared.domain.roles import Role
from shared.process import logs
from shared.runtime.roles import settings
from shared.web.auth import issue_token, load_key


@click.command()
@Data
@click.option("--host", default=None, help="监听地址 Address to listen on (default 127.0.0.1).")
@click.option("--port", type=Whole(0, 65535), default=None, help="端口 Port (default 8080).")
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


@click.command(hidden=True)
def web() -> None:
    """The web process of ``duban serve``."""
    serve_web(settings())


@click.command()
@Data
@click.option("--post", type=Id(80), required=True, help="岗位编号 Post id, e.g. fgw/head.")
@click.option(
    "--unit",
    type=Id(80),
    required=True,
    help="单位编号 Unit id, e.g. fgw; for an enterprise its credit code.",
)
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="角色 Role.")
@click.option("--hours", type=Whole(1, 24 * 366), default=12, show_default=True, help="有效小时数.")
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


@click.command("migrate")
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


@click.group()
def topics() -> None:
    """Kafka 主题 The topics on the broker."""


@topics.command("apply")
def topics_apply() -> None:
    """建主题与授权 Make the topics that are missing, with their settings and rights.

    Where the broker has an authorizer, a service (user of its name) may write only its own topic and read only those
    it follows.
    """
    for line in make_topics(with_broker()):
        click.echo(line)


@click.command()
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

    config = with_broker() if cluster else None
    logs.configure("error")
    sys.exit(tell(data, language, config))


@click.command()
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


COMMANDS = (serve, web, token, migrate_, topics, demo, docs)
