"""A real browser, for the test of the pages."""

import shutil

from deploy.stack.install import ensure_program
from deploy.stack.programs import ComponentMissing


def browser() -> str:
    """Chromium's program, installed if it is missing. Raises ComponentMissing where it cannot be installed."""
    return ensure_program("Chromium", _chromium, "chromium")


def _chromium() -> str:
    program = shutil.which("chromium")
    if program is None:
        raise ComponentMissing("Chromium: no chromium in PATH")
    return program
