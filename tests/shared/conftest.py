"""What the log said, for tests that look at it."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.process.logs import configure


@pytest.fixture
def capture_logs() -> Iterator[io.StringIO]:
    """What is logged, as it would stand on stderr."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure("info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = before, level
