"""``python -m deploy.secrets [FOLDER]``: the files of deploy/kubernetes/components/secrets-plain that are missing."""

import secrets
from pathlib import Path

import click

from deploy.stack import USERS
from deploy.stack.programs import ROOT
from shared.audit.seal import make_key
from shared.personal_data.master import make_master
from shared.process.files import put_once
from shared.web.auth import make_token_key

FOLDER = ROOT / "deploy" / "kubernetes" / "components" / "secrets-plain"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=FOLDER)
@click.option("--database", default="postgres", show_default=True, help="Host of PostgreSQL.")
def main(folder: Path, database: str) -> None:
    """Make keys and passwords. What exists stays: without the master key no personal data can be read again."""
    before = {path.name for path in folder.iterdir()}
    put_once(folder / "postgres.env", f"username=duban\npassword={secrets.token_hex(16)}\n".encode())
    password = (folder / "postgres.env").read_text("ascii").strip().rpartition("=")[2]
    url = f"postgresql://duban:{password}@{database}:5432"
    put_once(folder / "database.env", f"DUBAN_DATABASE={url}/duban_{{service}}\n".encode())
    make_master(folder / "master.key")
    make_key(folder / "seal.key")
    make_token_key(folder / "token.pem")
    for user in USERS:
        put_once(folder / f"kafka-{user}", secrets.token_hex(16).encode())
    for path in sorted(folder.iterdir()):
        if path.name not in before:
            click.echo(path)


if __name__ == "__main__":
    main()
