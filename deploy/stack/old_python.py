"""The oldest Python that an auditor's machine may have, for the test of what an auditor is handed."""

import shutil
from pathlib import Path

from deploy.stack.install import one_at_a_time, unpacked
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
    with unpacked("Python 3.7", ARTIFACT) as folder:
        new = folder / "org" / "bytedeco" / "cpython" / "linux-x86_64"
        (new / "bin" / "python3.7").chmod(0o755)
        shutil.rmtree(HOME, ignore_errors=True)
        new.rename(HOME)
