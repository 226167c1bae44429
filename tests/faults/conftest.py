"""The real components for the fault harness; without them a test is skipped, in CI it fails."""

import os
import random
from collections.abc import Iterator

import pytest

from deploy.stack import ComponentMissing, ensure_programs
from tests.faults.client import people
from tests.faults.cluster import Cluster

LONG = os.environ.get("DUBAN_FAULTS") == "long"


@pytest.fixture(scope="session")
def seed() -> int:
    """DUBAN_FAULTS_SEED, else a new one; printed with every failure."""
    given = os.environ.get("DUBAN_FAULTS_SEED")
    found = int(given) if given else random.SystemRandom().randrange(1_000_000)
    print(f"DUBAN_FAULTS_SEED={found}")
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A small suite of the module's ROLES with its people registered, for all tests of the module."""
    try:
        ensure_programs()
    except ComponentMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs the real components: {missing}")
    with Cluster(tmp_path_factory.mktemp("cluster"), request.module.ROLES) as running:
        running.history += people(running)
        running.quiesce()
        yield running
