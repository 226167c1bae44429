"""``duban``: the suite's command line and composition root."""

import sys
from typing import Any

import click

from services.audit import audit, proof, questions  # noqa: F401 - the latter two attach their commands
from services.audit import web as audit_web  # noqa: F401 - attaches its command
from services.audit.personal_data import person
from services.cli import due_dates, lists, logs, running
from shared.database.unavailable import CONFLICTS, UNAVAILABLE
from shared.domain.refusal import Refusal
from shared.process.command_line import language
from shared.process.config import Misconfigured


class Cli(click.Group):
    """Shows a refusal as the reader's sentence, never as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Called by click."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            raise click.ClickException(refusal.text(language())) from refusal
        except UNAVAILABLE as error:
            away = "暂时不可用" if language() == "zh" else "unavailable for the moment"
            raise click.ClickException(f"{away}: {error}") from error
        except CONFLICTS as error:
            at_once = (
                "他人同时写入，未完成，请重新执行"
                if language() == "zh"
                else "others wrote at the same moment: again"
            )
            raise click.ClickException(f"{at_once} ({type(error).__name__})") from error
        except Misconfigured as error:
            click.echo(f"duban: {error}", err=True)
            sys.exit(2)


@click.group(cls=Cli)
def main() -> None:
    """督办 duban: 让政府决定落到实处 — makes a government's decisions get carried out."""


for command in (audit, person, *due_dates.COMMANDS, *lists.COMMANDS, *logs.COMMANDS, *running.COMMANDS):
    main.add_command(command)
