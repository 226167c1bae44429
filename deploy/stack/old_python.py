"""The oldest Python that an auditor's machine may have, for the test of what an auditor is handed."""

import shutil
import tempfile
from pathlib import Path

from deploy.stack.install import maven, one_at_a_time, run
from deploy.stack.programs import ROOT

ARTIFACT = "org.bytedeco:cpython:3.7.7-1.5.3:jar:linux-x86_64"
HOME = ROOT / ".cache" / "python3.7"


def old_python() -> Path:
    """CPython 3.7, fetched if it is not there. Raises ComponentMissing where it cannot be fetched."""
    program = HOME / "bin" / "python3.7"
    with one_at_a_time():
        if not program.exists():
            _fetch()
    return program


def _fetch() -> None:
    with tempfile.TemporaryDirectory(dir=HOME.parent, prefix="fetching-") as folder:
        goal = [
            "dependency:unpack",
            f"-Dartifact={ARTIFACT}",
            f"-DoutputDirectory={folder}",
            f"-DmarkersDirectory={folder}/markers",
        ]
        run("Python 3.7", [maven(), "-q", "-B", "-Dstyle.color=never", "--strict-checksums", *goal])
        new = Path(folder) / "org" / "bytedeco" / "cpython" / "linux-x86_64"
        (new / "bin" / "python3.7").chmod(0o755)
        shutil.rmtree(HOME, ignore_errors=True)
        new.rename(HOME)
