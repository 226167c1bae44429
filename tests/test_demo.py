"""The demo is the end-to-end test: real processes, real HTTP, every step checked by the story itself."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_closed_loop_runs_from_the_notice_to_a_named_unit(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services", "demo", "--data", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "通报〔2021〕1号" in done.stdout
    assert "3月下半月31个单位应报半月专报，30个按时" in done.stdout
    assert "views rebuilt from the logs equal the live ones" in done.stdout


def test_a_deviation_ends_the_demo_with_what_differed(tmp_path: Path) -> None:
    (tmp_path / "assignment").mkdir()
    (tmp_path / "assignment" / "events.sqlite").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "services", "demo", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 1
