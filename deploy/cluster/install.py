"""Builds and installs what `make image` and `make deploy-test` need; all of it stays in .cache/cluster."""

import json
import os
import shutil
from pathlib import Path

from deploy.stack.install import ensure_installed, maven, one_at_a_time, run
from deploy.stack.programs import ROOT, ComponentMissing, java

CACHE = ROOT / ".cache" / "cluster"
PROGRAMS = CACHE / "bin"
SOURCES = ROOT / "deploy" / "cluster" / "programs"
TOOLS = CACHE / "tools"
PATIENT = ("nice", "-n", "15")
"""What takes minutes leaves the machine to others."""

VERSION = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in {"gitVersion": "v1.36.3", "gitMajor": "1", "gitMinor": "36"}.items()
)
"""What the programs say they are: Kubernetes' own build sets it like this."""

CRDS = {
    "github.com/cloudnative-pg/cloudnative-pg@v1.27.0": "config/crd/bases",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd-full",
}
"""Go modules that hold the definitions of custom resources, and where in them."""


def ensure_control_plane() -> None:
    """Build the control plane (kubectl with it) and the simulated nodes: 9 minutes on two free cores, once.

    Raises ComponentMissing.
    """
    with one_at_a_time(CACHE):
        for name in ("control-plane", "nodes"):
            source, built_from = SOURCES / name / "go.sum", CACHE / f"{name}.sum"
            if built_from.exists() and built_from.read_bytes() == source.read_bytes():
                continue
            PROGRAMS.mkdir(exist_ok=True)
            command = [*PATIENT, _go(), "build", f"-ldflags={VERSION}", "-o", f"{PROGRAMS}/", "tool"]
            run(f"the {name}", command, source.parent)
            shutil.copy(source, built_from)


def ensure_containers() -> None:
    """Install what makes an image and runs it. Raises ComponentMissing."""
    with one_at_a_time(CACHE):
        ensure_installed("containers", _container_programs, "buildah", "podman", "runc", "debootstrap")


def ensure_tools() -> Path:
    """The folder of the programs that check manifests, in an environment of their own. Raises ComponentMissing."""
    wanted, ready = ROOT / "deploy" / "cluster" / "tools.txt", TOOLS / ".ready"
    with one_at_a_time(CACHE):
        if not ready.exists() or ready.read_bytes() != wanted.read_bytes():
            shutil.rmtree(TOOLS, ignore_errors=True)
            run("the tools", [*PATIENT, "python3.11", "-m", "venv", str(TOOLS)])
            pip = [str(TOOLS / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            run("the tools", [*PATIENT, *pip, "-r", str(wanted)])
            shutil.copy(wanted, ready)
    return TOOLS / "bin"


def custom_resource_definitions() -> list[Path]:
    """The folders with the definitions of those custom resources that a registry has. Raises ComponentMissing."""
    found = []
    for module, folder in CRDS.items():
        said = run(module, [_go(), "mod", "download", "-json", module], SOURCES)
        found.append(Path(json.loads(said)["Dir"]) / folder)
    return found


def strimzi_model() -> list[str]:
    """The command that reads Strimzi's resources by Strimzi's own classes. Raises ComponentMissing.

    Its definitions are in no registry of packages; its classes are, and know the same fields.
    """
    source = SOURCES / "strimzi"
    libs, pom = CACHE / "strimzi" / "libs", source / "pom.xml"
    with one_at_a_time(CACHE):
        ensure_installed("javac", _javac, "default-jdk-headless")
        if not (libs / pom.name).exists() or (libs / pom.name).read_bytes() != pom.read_bytes():
            shutil.rmtree(libs, ignore_errors=True)
            goal = ["dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
            run(
                "Strimzi's classes",
                [*PATIENT, maven(), "-q", "-B", "-Dstyle.color=never", "-f", str(pom), *goal],
            )
            shutil.copy(pom, libs)
    return [java(), "-cp", f"{libs}/*", str(source / "Read.java")]


def _javac() -> None:
    if shutil.which("javac") is None:
        raise ComponentMissing("Java's compiler: no javac in PATH")


def _go() -> str:
    program = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    if program is None:
        raise ComponentMissing("Go: no go in PATH")
    return program


def _container_programs() -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [
        name for name in ("buildah", "podman", "runc", "debootstrap") if not shutil.which(name, path=path)
    ]:
        raise ComponentMissing(f"no {', '.join(missing)}")
