"""A broker that one has to log in to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Broker


@pytest.fixture
def sasl_broker(programs: None, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", sasl=True) as running:
        yield running
