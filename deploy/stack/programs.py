"""Finds the programs of the stack on this machine."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBS = ROOT / ".cache" / "broker" / "libs"
CLASSES = LIBS / "classes.jsa"
"""The broker's class data sharing archive: with it a start takes half the time (1.3 s, not 2.7 s)."""
POM = ROOT / "deploy" / "broker" / "pom.xml"
KEYCLOAK_VERSION = "26.5.6"
KEYCLOAK = ROOT / ".cache" / f"keycloak-{KEYCLOAK_VERSION}"
OLDEST_POSTGRES = 15
OLDEST_JAVA = 17


class ComponentMissing(Exception):
    """What is missing, and why it cannot be installed here."""


@cache  # exceptions are not cached: a missing program is searched for again
def postgres_programs() -> Path:
    """The folder of the newest PostgreSQL's programs. Raises ComponentMissing if none is new enough."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    in_path = shutil.which("postgres")
    if in_path is not None:
        found.append(Path(in_path).resolve())
    versions = {_first_number([str(program), "--version"]): program.parent for program in found}
    if not versions or max(versions) < OLDEST_POSTGRES:
        raise ComponentMissing(f"PostgreSQL {OLDEST_POSTGRES} or newer: found {sorted(versions) or 'none'}")
    return versions[max(versions)]


@cache  # exceptions are not cached: a missing program is searched for again
def java() -> str:
    """The Java that runs the broker. Raises ComponentMissing if there is none or it is too old."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else None)
    version = 0 if program is None else _first_number([program, "--version"])
    if program is None or version < OLDEST_JAVA:
        raise ComponentMissing(f"Java {OLDEST_JAVA} or newer: found {version or 'none'}")
    return program


def keycloak_home() -> Path:
    """The folder of Keycloak's distribution. Raises ComponentMissing if it has not been fetched and built."""
    if not KEYCLOAK.is_dir():
        raise ComponentMissing(f"Keycloak: not in {KEYCLOAK}")
    return KEYCLOAK


def promtool() -> str:
    """Prometheus' tool for rules. Raises ComponentMissing if it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        raise ComponentMissing("Prometheus: no promtool in PATH")
    return program


def broker_jars() -> Path:
    """The folder of the broker's jars. Raises ComponentMissing if they have not been fetched."""
    if not jars_are_current():
        raise ComponentMissing(f"the broker's jars: not in {LIBS}; `make stack` fetches them")
    return LIBS


def _first_number(command: list[str]) -> int:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+", done.stdout)
    return int(found[0]) if found else 0


def jars_are_current() -> bool:
    """Whether the jars were fetched for the present pom.xml."""
    fetched_for = LIBS / POM.name
    return fetched_for.exists() and fetched_for.read_bytes() == POM.read_bytes()
