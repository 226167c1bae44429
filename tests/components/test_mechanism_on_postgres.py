"""The mechanism's own tests once more, on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Postgres
from shared.testing import Opened, StoppedClock
from tests.shared import test_mechanism as mechanism
from tests.shared.test_mechanism import *  # noqa: F403 - every test there is to run here too

del test_a_new_version_is_built_beside_the_old_and_swapped_when_done  # noqa: F821 - opens files by itself


@pytest.fixture(scope="module")
def server(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def opened(server: Postgres, tmp_path: Path) -> Iterator[Opened]:
    mechanism.Names.broken = mechanism.Echo.broken = False
    mechanism.Echo.misses = 0
    name = f"{tmp_path.name[-30:].lower()}_ward"
    server.create_database(name)
    database = server.url(name.replace("ward", "{service}"))
    with Opened(tmp_path, StoppedClock(mechanism.NOW), mechanism.SERVICE, database=database) as opened:
        yield opened
