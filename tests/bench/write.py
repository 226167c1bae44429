"""Write over HTTP: the assignment service against bare Flask with a bare save, in turn, on the same machine."""

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from services.demo.stage import free_ports
from services.suite import environment
from shared.clock import system_clock
from shared.config import Config
from shared.web.auth import Role, issue_token, load_key

ROUNDS, WRITES = 8, 300


def run() -> list[str]:
    """The report's lines."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(data=Path(folder) / "data", log_level="error")
        config.data.mkdir()
        bare_port, our_port = free_ports(2)
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.bench.bare", str(bare_port), f"{folder}/bare.sqlite"]
            ),
            subprocess.Popen(
                [sys.executable, "-m", "services.assignment", "web"],
                env=environment(config, DUBAN_PORT=our_port),
            ),
        ]
        try:
            for port in (bare_port, our_port):
                _ready(port)
            token = issue_token(
                load_key(config.data),
                post="office/clerk",
                unit="office",
                role=Role.government_office,
                now=system_clock(),
                lifetime=timedelta(hours=1),
                issuer=config.token_issuer,
                audience=config.token_audience,
            )
            ours, bare = [], []
            for turn in range(ROUNDS + 1):
                rates = (
                    _rate(bare_port, lambda n, t=turn: ("/units", {"name": f"单位{t}-{n}"}, {})),
                    _rate(
                        our_port,
                        lambda n, t=turn: (
                            "/api/v1/units",
                            {
                                "id": f"u{t}-{n}",
                                "name": f"单位{t}-{n}",
                                "short_names": [],
                                "kind": "department",
                            },
                            {"Authorization": f"Bearer {token}", "Idempotency-Key": f"k{t}-{n}"},
                        ),
                    ),
                )
                if turn:  # the first round warms up
                    bare.append(rates[0])
                    ours.append(rates[1])
        finally:
            for process in processes:
                process.terminate()
                process.wait()
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    return [
        f"write over HTTP, SQLite: {statistics.median(ours):.0f}/s against {statistics.median(bare):.0f}/s of bare "
        f"Flask with a bare save: ratio {ratio:.2f} (median of {ROUNDS} pairs; aim ≥ 0.8)"
    ]


Request = tuple[str, dict[str, object], dict[str, str]]


def _rate(port: int, make: Callable[[int], Request]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for number in range(WRITES):
        path, body, headers = make(number)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"{answer.status} {text.decode()}")
    return WRITES / (time.perf_counter() - started)


def _ready(port: int) -> None:
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {port}")
