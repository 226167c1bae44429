"""What commit 3a5645c wrote: the demo's data folder, and the databases of the demo on a cluster.

``tests/data`` holds them as ``duban demo`` and ``duban demo --cluster`` left them, the databases by ``pg_dump``, with
the demo's own keys, which protect nothing. What a later release writes gets archives of its own; these stay.
"""

import subprocess
import sys
import tarfile
from pathlib import Path

from services.processes import environment
from services.suite import SUITE
from shared.process.config import Config
from shared.testing import Opened
from tests.faults.cluster import until

DATA = Path(__file__).resolve().parent / "data"
EVENTS = {"assignment": 250, "supervision": 200, "enterprise": 20, "notify": 500}
"""At least as many events the demo left in each log."""


def unpack(name: str, folder: Path) -> Path:
    """An archive of ``tests/data`` in an empty folder."""
    with tarfile.open(DATA / f"{name}.tar.xz") as archive:
        archive.extractall(folder)
    return folder


def duban(config: Config, *arguments: str) -> str:
    """Run ``duban``, which must succeed; what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        env=environment(config),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def proves_itself(config: Config, checkpoints: Path) -> None:
    """``audit verify``, against the checkpoints of then, and ``audit replay``."""
    said = duban(config, "audit", "verify", "--outside", str(checkpoints))
    assert said.count("完好 holds") == len(SUITE), said
    assert "0 rows differ" in duban(config, "audit", "replay")


def goes_on(suite: Opened) -> None:
    """Every event is read, personal data are, and what was begun takes a new command."""
    for service, least in EVENTS.items():
        assert len(suite.log(service)) >= least, service
    office = suite.client("assignment", "government_office", "office", "office/director")
    assert office.get("/api/v1/posts/gov/main-leader").json["holder"] == "旗长（在任）"
    task = office.get("/api/v1/tasks?state=accepted").json["items"][0]
    unit = task["lead_unit"]
    head = suite.client("assignment", "unit_head", unit, f"{unit}/head")
    answer = head.post(f"/api/v1/tasks/{task['id']}/report-progress", {"value": 1, "narrative": "已过半。"})
    assert answer.status_code == 200, answer.json
    assert task["last_progress_at"] is None

    def projected() -> bool:
        suite.settle()
        return bool(head.get(f"/api/v1/tasks/{task['id']}").json["progress_value"] == 1)

    until(projected, lambda: task)
