"""``duban due``: a due date, explained."""

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import click

from services.cli.options import Data, DueDay, Line, When, config_of, with_logs
from shared.calendar import Calendar
from shared.calendar.due import what_if
from shared.domain.clock import local_day
from shared.events import supervision
from shared.log.codec import decode
from shared.process.config import Config
from shared.readmodels.reference import calendar_of
from shared.rulebook import load_rulebook
from shared.runtime.event_log import open_log


def calendar_in(config: Config) -> Calendar:
    """The calendar in force in a data folder; the base if there is none yet."""
    if not (config.data / "supervision" / "events.sqlite").exists():
        return Calendar.base()
    with closing(open_log(config, "supervision", config.make_clock())) as log:
        rows = log.log.select_notifications(
            start=None, limit=100_000, topics=[supervision.CalendarReleased.TOPIC]
        )
        released = [cast(supervision.CalendarReleased, decode(row.topic, row.state)) for row in rows]
        return calendar_of(released)


@click.command()
@Data
@click.argument("rule", type=Line(60))
@click.argument("when", type=When())
@click.option(
    "--own-date", type=DueDay(), default=None, help="自定期限 The date of its own, for such clocks."
)
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def due(data: Path | None, rule: str, when: Any, own_date: Any, as_json: bool) -> None:
    """计算并解释时限 When the clock RULE that starts at WHEN is due, explained day by day.

    RULE is the first column of the rulebook: arrange, decompose, feedback, contact, resolve_or_confirm, hard_limit, …
    """
    config = config_of(None) if data is None else with_logs(data)  # another calendar could be meant
    rulebook = load_rulebook(config.rulebook)
    found = rulebook.rule(rule)
    if found.unit == "own_date" and found.length is None and own_date is None:
        own_date = when if not isinstance(when, datetime) else local_day(when)
    answer = what_if(found, calendar_in(config), when, own_date, rulebook_version=rulebook.version)
    if as_json:
        click.echo(json.dumps(answer.to_json(), ensure_ascii=False))
        return
    for line in answer.explain("en" if config.language == "en" else "zh"):
        click.echo(line)


COMMANDS = (due,)
