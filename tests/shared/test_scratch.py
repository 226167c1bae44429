"""Scratch folders of killed processes are removed by whoever starts next; those of living ones stay."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shared.process.files import put_once
from shared.process.scratch import discard, remove_leftovers, scratch

MAKES_ONE = "from shared.process.scratch import scratch; print(scratch(), flush=True); input()"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_what_a_killed_process_leaves_is_removed_at_the_next_start(temporary: Path) -> None:
    (temporary / "duban-scratch-of-nobody.txt").write_text("no folder")
    (temporary / "somebody-elses").mkdir()
    command = [sys.executable, "-c", MAKES_ONE]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    killed, living = (Path(process.stdout.readline().strip()) for process in processes)  # type: ignore[union-attr]
    own = scratch()
    (killed / "events.sqlite").write_text("much")
    processes[0].send_signal(signal.SIGKILL)
    processes[0].communicate()
    remove_leftovers()
    assert (killed.exists(), living.exists(), own.exists()) == (False, True, True)
    discard(own)
    processes[1].communicate("\n")
    remove_leftovers()
    assert sorted(os.listdir(temporary)) == ["duban-scratch-of-nobody.txt", "somebody-elses"]


def test_a_link_to_a_folder_is_not_followed(temporary: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    (temporary / "duban-scratch-link").symlink_to(other)
    remove_leftovers()
    assert (other / "kept").exists()


def test_an_unfinished_file_is_removed_an_hour_later(temporary: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "notify"
    put_once(data / ".hidden", b"whole")
    old, new = (data / f".letter.eml.{digit * 16}" for digit in "ab")
    for path in (old, new, data / ".hidden"):
        path.touch()
        if path is not new:
            os.utime(path, (0, 0))
    remove_leftovers([tmp_path / "data", tmp_path / "nowhere"])
    assert sorted(os.listdir(data)) == [".hidden", new.name]
