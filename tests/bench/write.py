"""Write over HTTP: the assignment service against bare Flask with a bare save, in turn, on the same machine."""

import statistics
import tempfile
from functools import partial
from pathlib import Path

from services.demo.stage import free_ports
from services.processes import Process, environment, web_of
from shared.domain.clock import system_clock
from shared.domain.roles import Role
from shared.process.config import Config
from tests.bench.components import Request, rate, ready, running, token

ROUNDS, WRITES = 40, 60


def run() -> list[str]:
    """The report's lines."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(data=Path(folder) / "data", log_level="error")
        config.data.mkdir()
        bare_port, our_port = free_ports(2)
        command = ["tests.bench.bare", str(bare_port), f"{folder}/bare.sqlite"]
        with running(Process("bare", command, environment(config)), web_of("assignment", config, our_port)):
            for port in (bare_port, our_port):
                ready(port)
            clerk = token(
                config, system_clock(), unit="office", post="office/clerk", role=Role.government_office
            )
            ours, bare = [], []
            for turn in range(ROUNDS + 1):
                rates = (
                    rate(bare_port, WRITES, partial(bare_unit, turn)),
                    rate(our_port, WRITES, partial(our_unit, clerk, turn)),
                )
                if turn:  # the first round warms up
                    bare.append(rates[0])
                    ours.append(rates[1])
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    return [
        f"write over HTTP, SQLite: {statistics.median(ours):.0f}/s against {statistics.median(bare):.0f}/s of bare "
        f"Flask with a bare save: ratio {ratio:.2f} (median of {ROUNDS} pairs; aim ≥ 0.8)"
    ]


def bare_unit(turn: int, number: int) -> Request:
    """A unit, as the bare baseline takes it."""
    return "/units", {"name": f"单位{turn}-{number}"}, {}


def unit(turn: int, number: int) -> dict[str, object]:
    """A unit's own fields."""
    return {
        "id": f"u{turn}-{number}",
        "name": f"单位{turn}-{number}",
        "short_names": [],
        "kind": "department",
    }


def our_unit(clerk: str, turn: int, number: int) -> Request:
    """A unit, as the assignment service takes it from a clerk with this token."""
    headers = {"Authorization": f"Bearer {clerk}", "Idempotency-Key": f"k{turn}-{number}"}
    return "/api/v1/units", unit(turn, number), headers
