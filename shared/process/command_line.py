"""The language of the command line, and click's own messages in it: ``click.csv``."""

import csv
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import click  # noqa: F401 - whose modules translate() looks at

FILE = Path(__file__).with_name("click.csv")


def language() -> str:
    """``zh`` or ``en``, by ``DUBAN_LANGUAGE``; known before the configuration is read."""
    return "en" if os.environ.get("DUBAN_LANGUAGE") == "en" else "zh"


@cache
def chinese() -> Mapping[str, str]:
    """click's messages and what they are in Chinese."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {line["message"]: line["zh"] for line in csv.DictReader(lines)}


def message(text: str) -> str:
    """One of click's messages in the language of the command line."""
    return chinese().get(text, text) if language() == "zh" else text


def translate() -> None:
    """Let click say its messages in the language of the command line; call it before parameters are declared.

    click takes them through the names ``_`` and ``ngettext`` of its modules. gettext itself would ask the machine's
    locale, which is not the suite's language, and wants a compiled catalogue.
    """

    def counted(one: str, many: str, count: int) -> str:
        return message(one if count == 1 else many)

    said: Mapping[str, Callable[..., str]] = {"_": message, "ngettext": counted}
    for name, module in sys.modules.items():
        if name.startswith("click."):
            module.__dict__.update({own: say for own, say in said.items() if own in module.__dict__})
