"""A suite for the fault harness, on components of its own: they are killed and wiped."""

import os
import random
from collections.abc import Iterator

import pytest

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
def cluster(
    programs: None, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """A small suite of the module's ROLES with its people registered, for all tests of the module."""
    with Cluster(tmp_path_factory.mktemp("cluster"), request.module.ROLES) as running:
        running.history += people(running)
        running.quiesce()
        yield running
