"""Suites on the real components, behind proxies."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.stack import Broker, Postgres
from tests.faults.proxy import Proxy
from tests.roles.site import Site, Stack


@pytest.fixture(scope="session")
def stack(server: Postgres, kafka: tuple[Broker, Proxy]) -> Iterator[Stack]:
    """For all tests of this folder."""
    with Proxy(server.port) as database:
        yield Stack(server, kafka[0], database, kafka[1])


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
