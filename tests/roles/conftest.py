"""A real PostgreSQL and a real broker behind proxies; without them a test is skipped, in CI it fails."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.stack import Broker, ComponentMissing, Postgres, ensure_programs, free_port
from tests.faults.proxy import Proxy
from tests.roles.site import Site, Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """For all tests of this folder."""
    try:
        ensure_programs()
    except ComponentMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs the real components: {missing}")
    folder = tmp_path_factory.mktemp("stack")
    kafka_port = free_port()
    with ExitStack() as running:
        postgres = running.enter_context(Postgres(folder / "postgres"))
        broker = running.enter_context(Broker(folder / "broker", advertised_port=kafka_port))
        database = running.enter_context(Proxy(postgres.port))
        kafka = running.enter_context(Proxy(broker.port, kafka_port))
        yield Stack(postgres, broker, database, kafka)


@pytest.fixture
def new_site(stack: Stack, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes a suite with databases of its own; all its processes end with the test."""
    with ExitStack() as opened:
        sites = 0

        def make(**options: bool) -> Site:
            nonlocal sites
            sites += 1
            return opened.enter_context(Site(stack, tmp_path / f"site{sites}", **options))

        yield make


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    """A suite on PostgreSQL and Kafka, its tables and topics made."""
    return new_site()
