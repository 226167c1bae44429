"""Write over HTTP on PostgreSQL: the assignment service against two baselines, in turn, on the same machine."""

import statistics
from collections.abc import Callable
from functools import partial

from services.demo.stage import free_ports
from services.processes import Process, environment, web_of
from shared.domain.clock import system_clock
from shared.domain.roles import Role
from tests.bench.components import Ground, Request, ground, rate, ready, running, token
from tests.bench.write import bare_unit, our_unit, unit

ROUNDS, WRITES = 30, 60
BASELINES = {"bare": ("bare Flask with a bare save", 0.8), "crud": ("Flask + SQLAlchemy + audit table", 1.0)}


def run() -> list[str]:
    """The report's lines."""
    with ground() as here:
        here.migrate("assignment", clock=system_clock)
        rates = _rates(here)
    ours = rates.pop("ours")
    return [
        f"write over HTTP, PostgreSQL: {statistics.median(ours):.0f}/s against {statistics.median(theirs):.0f}/s of "
        f"{BASELINES[name][0]}: ratio {statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.2f} "
        f"(median of {ROUNDS} pairs; aim ≥ {BASELINES[name][1]})"
        for name, theirs in rates.items()
    ]


def _rates(here: Ground) -> dict[str, list[float]]:
    names = ("ours", *BASELINES)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    processes = [web_of("assignment", here.config, ports["ours"])]
    for name in BASELINES:
        here.postgres.create_database(name)
        command = [f"tests.bench.{name}", str(ports[name]), here.postgres.url(name)]
        processes.append(Process(name, command, environment(here.config)))
    with running(*processes):
        for port in ports.values():
            ready(port)
        clerk = token(
            here.config, system_clock(), unit="office", post="office/clerk", role=Role.government_office
        )
        make: dict[str, Callable[[int, int], Request]] = {
            "ours": partial(our_unit, clerk),
            "bare": bare_unit,
            "crud": lambda turn, n: ("/units", unit(turn, n), {"X-User": "office/clerk"}),
        }
        found: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(ROUNDS + 1):
            for name in names[turn % 3 :] + names[: turn % 3]:
                measured = rate(ports[name], WRITES, partial(make[name], turn))
                if turn:  # the first round warms up
                    found[name].append(measured)
    return found
