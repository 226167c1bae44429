"""What a test needs of this machine: installed, or the test is skipped with the reason; in CI it fails."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from deploy.stack import ComponentMissing

T = TypeVar("T")


def installed(ensure: Callable[[], T], what: str = "the real components") -> T:
    """What ``ensure`` installs."""
    try:
        return ensure()
    except ComponentMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs {what}: {missing}")
