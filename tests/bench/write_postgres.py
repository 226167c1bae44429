"""Write over HTTP on PostgreSQL: the assignment service against two baselines, in turn, on the same machine."""

import statistics
from collections.abc import Callable
from functools import partial

from services.demo.stage import free_ports
from services.suite import Process, environment, web_of
from shared.clock import system_clock
from shared.web.auth import Role
from tests.bench.components import Ground, Request, ground, rate, ready, running, token

ROUNDS, WRITES = 8, 300
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
        headers = {"Authorization": f"Bearer {clerk}"}
        make: dict[str, Callable[[int, int], Request]] = {
            "ours": partial(_ours, headers),
            "bare": lambda turn, n: ("/units", {"name": f"单位{turn}-{n}"}, {}),
            "crud": lambda turn, n: ("/units", _unit(turn, n), {"X-User": "office/clerk"}),
        }
        found: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(ROUNDS + 1):
            for name in names[turn % 3 :] + names[: turn % 3]:
                measured = rate(ports[name], WRITES, partial(make[name], turn))
                if turn:  # the first round warms up
                    found[name].append(measured)
    return found


def _unit(turn: int, number: int) -> dict[str, object]:
    return {
        "id": f"u{turn}-{number}",
        "name": f"单位{turn}-{number}",
        "short_names": [],
        "kind": "department",
    }


def _ours(headers: dict[str, str], turn: int, number: int) -> Request:
    return "/api/v1/units", _unit(turn, number), {**headers, "Idempotency-Key": f"k{turn}-{number}"}
