"""``python -m deploy.stack start|stop|status [DIR]``: the local stack, which runs until it is stopped."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from deploy.stack.broker import Broker
from deploy.stack.install import ensure_programs
from deploy.stack.postgres import Postgres
from deploy.stack.programs import ROOT, ComponentMissing
from shared.personal_data.master import make_master

DATABASES = tuple(
    f"duban_{service}" for service in ("assignment", "supervision", "enterprise", "notify", "keys")
)
"""One for each service, and one for the keys of personal data."""

folder_argument = click.argument(
    "folder", type=click.Path(file_okay=False, path_type=Path), default=ROOT / ".stack", metavar="[DIR]"
)


@click.group()
def main() -> None:
    """A real PostgreSQL and a real Kafka broker on free ports of 127.0.0.1, with their data in DIR (.stack)."""


@main.command()
@folder_argument
def start(folder: Path) -> None:
    """Install what is missing, start both, create the services' databases."""
    try:
        ensure_programs()
        postgres, broker = programs_in(folder)
        state = "runs already" if postgres.running and broker.running else "started"
        postgres.start(detached=True)
        broker.start(detached=True)
    except (ComponentMissing, RuntimeError) as failure:
        raise click.ClickException(str(failure)) from failure
    for database in DATABASES:
        postgres.create_database(database)
    env = folder / "env"
    env.write_text(
        "".join(f"export {name}={value}\n" for name, value in settings_of(folder, postgres, broker).items()),
        "utf-8",
    )
    click.echo(f"The stack in {folder} {state}: PostgreSQL on {postgres.port}, Kafka on {broker.port}.")
    click.echo(f"Use it: . {env}")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...]) -> None:
    """Run COMMAND on a new, empty stack of its own; exit with its exit code."""
    try:
        ensure_programs()
        with tempfile.TemporaryDirectory(prefix="duban-stack-") as folder:
            postgres, broker = programs_in(Path(folder))
            with postgres, broker:
                postgres.start()
                broker.start()
                for database in DATABASES:
                    postgres.create_database(database)
                named = settings_of(Path(folder), postgres, broker)
                code = subprocess.run(command, env={**os.environ, **named}, check=False).returncode
    except (ComponentMissing, RuntimeError) as failure:
        raise click.ClickException(str(failure)) from failure
    sys.exit(code)


@main.command()
@folder_argument
def stop(folder: Path) -> None:
    """Stop both; their data stays."""
    for program in reversed(programs_in(folder)):
        state = "stopped" if program.running else "did not run"
        program.stop()
        click.echo(f"{program.name}: {state}")


@main.command()
@folder_argument
def status(folder: Path) -> None:
    """Show which programs run; exit code 1 unless both do."""
    programs = programs_in(folder)
    for program in programs:
        click.echo(f"{program.name}: {f'runs on {program.port}' if program.running else 'does not run'}")
    if not all(program.running for program in programs):
        raise SystemExit(1)


def settings_of(folder: Path, postgres: Postgres, broker: Broker) -> dict[str, str]:
    """The suite's settings for this stack; the master key of personal data is created the first time."""
    master = folder.resolve() / "master.key"
    make_master(master)
    return {
        "DUBAN_DATABASE": postgres.url("duban_{service}"),
        "DUBAN_KAFKA": broker.bootstrap,
        "DUBAN_MASTER_KEY": str(master),
    }


def programs_in(folder: Path) -> tuple[Postgres, Broker]:
    """The two programs of the stack in a folder."""
    return Postgres(folder / "postgres"), Broker(folder / "broker")


if __name__ == "__main__":
    main()
