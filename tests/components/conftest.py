"""A broker that one has to log in to; the test's own service over the shared one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Broker, Postgres
from shared.process.config import Config
from shared.testing import Opened
from tests.components.ward import config_of_ward, open_ward


@pytest.fixture
def sasl_broker(programs: None, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", sasl=True) as running:
        yield running


@pytest.fixture
def config(server: Postgres, broker: Broker, tmp_path: Path) -> Config:
    """See ward.py."""
    return config_of_ward(server, broker, tmp_path)


@pytest.fixture
def opened(config: Config) -> Iterator[Opened]:
    """The service, opened."""
    with open_ward(config) as running:
        yield running
