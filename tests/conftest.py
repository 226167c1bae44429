"""For every test: hypothesis without deadlines (timing is a benchmark's business), derandomized in CI; files in memory.

The real components, too: one PostgreSQL and one broker for each process of pytest, which its tests use one after the
other, each with databases of its own. Without them a test is skipped, in CI it fails.

Whatever a declared command refuses in any test has to be in its document.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Response, current_app, request
from hypothesis import settings

from deploy.stack import (
    Broker,
    Keycloak,
    Postgres,
    ensure_keycloak,
    ensure_programs,
    ensure_prometheus,
    free_port,
)
from shared.domain.refusal import Refusal
from shared.web.commands import Command, command_of
from shared.web.openapi import OF_EVERY_REQUEST
from shared.web.problems import problem
from tests.faults.proxy import Proxy
from tests.installed import installed

settings.register_profile("duban", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "duban")

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that the files of the tests may need."""
# kill -9 takes nothing from a file in memory, as it takes nothing from one whose blocks have not reached the disk.
# What waits for the disk takes twice as long.
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

LONGEST = ("faults", "roles", "components")
"""The folders whose tests start processes, and wait for them most of the time, the longest first."""


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: see LONGEST."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no process is left alone with it at the end."""

    def turn(item: pytest.Item) -> int:
        folder, *inner = item.path.relative_to(Path(__file__).parent).parts
        return LONGEST.index(folder) if folder in LONGEST else len(LONGEST) + bool(inner)

    items.sort(key=turn)


@pytest.fixture(scope="session")
def programs() -> None:
    """What the real components need is there."""
    installed(ensure_programs)


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' tool for rules."""
    return installed(ensure_prometheus)


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Keycloak, Proxy]]:
    """An identity provider for all tests, and the proxy by which clients reach it."""
    installed(ensure_keycloak)
    port = free_port()
    with (
        Keycloak(tmp_path_factory.mktemp("keycloak"), public=port) as running,
        Proxy(running.port, port) as link,
    ):
        yield running, link


@pytest.fixture(scope="session")
def server(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One PostgreSQL for all tests; who stops it starts it again."""
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def kafka(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Broker, Proxy]]:
    """One broker for all tests, and the proxy to which it sends its clients; who stops it starts it again."""
    port = free_port()
    with (
        Broker(tmp_path_factory.mktemp("broker"), advertised_port=port) as running,
        Proxy(running.port, port) as link,
    ):
        yield running, link


@pytest.fixture(scope="session")
def broker(kafka: tuple[Broker, Proxy]) -> Broker:
    """The one broker."""
    return kafka[0]


@pytest.fixture(scope="session")
def undeclared() -> Iterator[set[str]]:
    """What declared commands refused, over HTTP or by ``carry_out``, that their documents do not list."""
    found: set[str] = set()
    run = Command.run

    def refused(command: Command[Any], refusal: Refusal) -> None:
        if type(refusal) not in (*command.refusals, *OF_EVERY_REQUEST):
            found.add(f"{command.operation}: {refusal.rule}")

    def watched_run(self: Command[Any], *where: Any, **asked: Any) -> Any:
        try:
            return run(self, *where, **asked)
        except Refusal as refusal:
            refused(self, refusal)
            raise

    def watched_problem(error: Exception) -> Response:
        rule = request.url_rule
        command = None if rule is None else command_of(current_app.view_functions[rule.endpoint])
        if command is not None and isinstance(error, Refusal):
            refused(command, error)
        return problem(error)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Command, "run", watched_run)
        patched.setattr("shared.web.app.problem", watched_problem)
        yield found


@pytest.fixture(autouse=True)
def every_refusal_is_declared(undeclared: set[str]) -> Iterator[None]:
    """See ``undeclared``."""
    undeclared.clear()
    yield
    assert not undeclared
