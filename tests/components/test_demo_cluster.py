"""The demo once more with every role of every service a process, on a real broker and a real database."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_closed_loop_runs_on_kafka_and_postgresql(programs: None, tmp_path: Path) -> None:
    duban = f"{sys.executable} -m services"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deploy.stack", "run", "sh", "-c"),
            f"{duban} migrate && {duban} topics apply && {duban} demo --cluster --data {tmp_path}/demo",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "通报〔2021〕1号" in done.stdout
    assert "views rebuilt from the logs equal the live ones" in done.stdout
