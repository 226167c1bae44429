"""A real PostgreSQL and real brokers for the tests of this folder; without them a test is skipped, in CI it fails."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Broker, ComponentMissing, Postgres, ensure_programs


@pytest.fixture(scope="session")
def programs() -> None:
    try:
        ensure_programs()
    except ComponentMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs the real components: {missing}")


@pytest.fixture
def postgres(programs: None, tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path / "postgres") as running:
        yield running


@pytest.fixture
def broker(programs: None, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def sasl_broker(programs: None, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", sasl=True) as running:
        yield running
