"""Installs the programs of the stack."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from deploy.stack.broker import JVM, Broker
from deploy.stack.keycloak import command
from deploy.stack.programs import (
    CLASSES,
    KEYCLOAK,
    KEYCLOAK_VERSION,
    LIBS,
    POM,
    ComponentMissing,
    jars_are_current,
    java,
    postgres_programs,
    promtool,
)

T = TypeVar("T")
DEPENDENCY_PLUGIN = "3.8.1"
"""Maven's own plugin that copies artifacts, as in the broker's pom.xml."""


def ensure_programs() -> None:
    """Install what is missing of PostgreSQL, Java and the broker's jars; safe in several processes at once.

    Raises ComponentMissing for what cannot be installed here.
    """
    with one_at_a_time():
        ensure_installed("PostgreSQL", postgres_programs, "postgresql")
        ensure_installed("Java", java, "default-jre-headless")
        if not jars_are_current():
            _fetch_jars()
        if not CLASSES.exists():
            _keep_classes()


def ensure_prometheus() -> str:
    """The program ``promtool``, installed if it is missing. Raises ComponentMissing."""
    return ensure_program("Prometheus", promtool, "prometheus")


def ensure_program(what: str, find: Callable[[], T], package: str) -> T:
    """What ``find`` finds, of Debian's package if it is missing. Raises ComponentMissing."""
    with one_at_a_time():
        ensure_installed(what, find, package)
    return find()


def ensure_keycloak() -> None:
    """Fetch and prepare Keycloak if it is missing. Raises ComponentMissing."""
    with one_at_a_time():
        ensure_installed("Java", java, "default-jre-headless")
        if not KEYCLOAK.exists():
            _fetch_keycloak()


def _fetch_keycloak() -> None:
    new = KEYCLOAK.with_suffix(".new")
    with unpacked("Keycloak", f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK_VERSION}:zip") as folder:
        shutil.rmtree(new, ignore_errors=True)
        (folder / KEYCLOAK.name).rename(new)
    run("Keycloak", command(new, "build", "--db=dev-mem"))
    new.rename(KEYCLOAK)


@contextmanager
def unpacked(what: str, artifact: str) -> Iterator[Path]:
    """A temporary folder beside the jars with what an archive of Maven's registry holds. Raises ComponentMissing."""
    with tempfile.TemporaryDirectory(dir=LIBS.parent, prefix="fetching-") as folder:
        goal = f"org.apache.maven.plugins:maven-dependency-plugin:{DEPENDENCY_PLUGIN}:copy"
        options = [f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
        run(what, [maven(), "-q", "-B", "-Dstyle.color=never", "--strict-checksums", goal, *options])
        (archive,) = Path(folder).iterdir()
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        yield Path(folder)


def maven() -> str:
    """Maven's program, installed if it is missing. Raises ComponentMissing."""
    ensure_installed("Maven", _maven, "maven")
    return _maven()


def _maven() -> str:
    program = shutil.which("mvn")
    if program is None:
        raise ComponentMissing("Maven: no mvn in PATH")
    return program


def _fetch_jars() -> None:
    with tempfile.TemporaryDirectory(dir=LIBS.parent, prefix="fetching-") as folder:
        new = Path(folder) / "libs"
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={new}"]
        run(
            "the broker's jars",
            [maven(), "-q", "-B", "-Dstyle.color=never", "--strict-checksums", "-f", str(POM), *goal],
        )
        shutil.copy(POM, new)
        shutil.rmtree(LIBS, ignore_errors=True)
        new.rename(LIBS)


def _keep_classes() -> None:
    new = CLASSES.with_suffix(".new")
    with tempfile.TemporaryDirectory(dir=LIBS.parent, prefix="starting-") as folder:
        broker = Broker(Path(folder))
        broker.jvm = (*JVM, f"-XX:ArchiveClassesAtExit={new}")
        with broker:
            pass
    new.rename(CLASSES)


def ensure_installed(what: str, find: Callable[[], object], *packages: str) -> None:
    """Install Debian's packages unless ``find`` finds the program. Raises ComponentMissing."""
    try:
        find()
    except ComponentMissing as missing:
        apt = shutil.which("apt-get")
        if apt is None or os.geteuid() != 0:
            raise ComponentMissing(
                f"{missing}; only root can install Debian's {' '.join(packages)}"
            ) from None
        run(what, [apt, "-q", "update"])
        run(what, [apt, "-q", "install", "-y", "--no-install-recommends", *packages])
        find()


def run(what: str, command: Sequence[str], folder: Path | None = None) -> str:
    """Run an installing command; what it wrote. Raises ComponentMissing with what it said."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        said = done.stdout.strip().splitlines()
        errors = [line for line in said if line.startswith(("[ERROR]", "E:"))]  # as Maven and apt write them
        raise ComponentMissing(f"{what}: `{' '.join(command)}` failed: {' '.join((errors or said)[:2])}")
    return done.stdout


@contextmanager
def one_at_a_time(folder: Path = LIBS.parent) -> Iterator[None]:
    """One process at a time installs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        yield
