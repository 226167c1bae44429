"""``duban person``: erasing somebody's personal data, and changing the master key that protects them (个人信息)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from services.cli.options import Data, Id, Line, config_of, must_hold_logs, with_logs
from shared.application.application import Application
from shared.domain.aggregate import COMMAND_LINE
from shared.domain.clock import local_day
from shared.events.base import Actor
from shared.personal_data.erasure import NothingToErase, erase, erase_again
from shared.personal_data.keystore import KeyStore, rotate_master
from shared.personal_data.master import make_master
from shared.process.config import Config
from shared.runtime.event_log import open_log

HOLDERS = ("assignment", "enterprise")
"""The services whose events hold personal data: of posts' holders, of enterprises' contacts."""
TIMEOUT = 60.0
"""Seconds that one wait for the key store's database may last."""


@click.group()
def person() -> None:
    """个人信息 Personal data: erase them, change their master key."""


def service_of(subject: str) -> str:
    """The service in whose log the subject's data are: a post's id has a slash, a credit code has none."""
    return "assignment" if "/" in subject else "enterprise"


@person.command("erase")
@Data
@click.argument("subject", type=Id(120))
@click.option(
    "--ground",
    type=Line(2000, blank=True),
    required=True,
    help="依据 Why; shown in place of the data, so it must name nobody.",
)
@click.option(
    "--by", "post", type=Id(80), default=None, help="岗位 Who does it: a post id (default: the command line)."
)
def erase_(data: Path | None, subject: str, ground: str, post: str | None) -> None:
    """删除个人信息 Erase for good the personal data of SUBJECT: a credit code (its contact), a post id (all its holders
    so far), or one holder of a post as ``duban person list`` names them (fgw/head#7).

    Only the key is erased: no log changes, every proof still holds, and every view, export and backup shows
    "erased" instead, in a running suite within seconds. Who is registered afterwards gets a new key.
    """
    config = with_logs(data)
    with _opened(config, service_of(subject)) as (app, store):
        by = (
            Actor(unit="office", post=COMMAND_LINE)
            if post is None
            else Actor(unit=post.partition("/")[0], post=post)
        )
        keys = store.table.of(subject)
        present = dict.fromkeys(row.subject for row in keys if row.erased_at is None)
        for one in present or [keys[-1].subject if keys else subject]:
            click.echo(f"{one}: 已删除 erased（密钥 key {erase(app, store, by, one, ground)}）")


@person.command("list")
@Data
@click.argument("subject", type=Id(120))
def list_(data: Path | None, subject: str) -> None:
    """列出 Whose data are kept under a post id or credit code, since when, what was erased when and why; no names."""
    config = with_logs(data)
    with _opened(config, service_of(subject)) as (_, store):
        rows = store.table.of(subject)
        if not rows:
            raise NothingToErase(subject=subject)
        for row in rows:
            line = f"{row.subject}: {local_day(row.created_at)} 登记 registered（密钥 key {row.generation}）"
            if row.erased_at is not None:
                line += f"，{local_day(row.erased_at)} 已删除 erased：{row.ground}"
            click.echo(line)


@person.command("reapply")
@Data
def reapply(data: Path | None) -> None:
    """重做删除 Erase again whatever the logs say was erased: after a key store was restored from an older copy."""
    config = with_logs(data)
    for service in HOLDERS:
        with _opened(config, service) as (app, store):
            click.echo(f"{service}: {erase_again(app, store)}")


@person.command("make-master")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def make_master_(file: Path) -> None:
    """生成主密钥 Make FILE with a new master key, readable for its owner only; an existing file stays as it is."""
    made = not file.exists()
    make_master(file)
    click.echo(f"{file}: {'已生成 made' if made else '已存在 there already'}")


@person.command("rotate-master")
@Data
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def rotate(data: Path | None, file: Path) -> None:
    """轮换主密钥 Wrap every person's key with the master key in FILE (made if it is missing), in one transaction.

    Where DUBAN_MASTER_KEY names the file of master keys, add the new key's line to it at every process first: they
    read it when they need it. Afterwards move that line to the top, rotate once more, and take the old one out.
    Without DUBAN_MASTER_KEY the data folder's own file is brought up to date here.
    """
    config = config_of(data)
    if not Path(config.keys_place).is_file():  # keys may be kept without logs, but not in a suite of nothing
        must_hold_logs(config)
    make_master(file)
    with closing(KeyStore(config, config.make_clock(), timeout=TIMEOUT)) as store:
        click.echo(f"{rotate_master(config, store, file)} 个密钥已重新封装 keys wrapped anew")


@contextmanager
def _opened(config: Config, service: str) -> Iterator[tuple[Application, KeyStore]]:
    clock = config.make_clock()
    with (
        closing(open_log(config, service, clock)) as app,
        closing(KeyStore(config, clock, timeout=TIMEOUT)) as store,
    ):
        yield app, store
