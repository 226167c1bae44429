"""What is built once, and one control plane for all tests. What a machine cannot have is skipped with the reason."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cluster import image
from deploy.cluster.install import (
    PROGRAMS,
    custom_resource_definitions,
    ensure_control_plane,
    ensure_tools,
    strimzi_model,
)
from deploy.cluster.plane import ControlPlane
from deploy.stack import ComponentMissing
from deploy.stack.programs import ROOT

# They build for minutes the first time: `make deploy-test` runs them, `make test` does not.
collect_ignore_glob = [] if os.environ.get("DUBAN_DEPLOY") else ["test_*.py"]

OVERLAYS = ("small", "production", "test")


@pytest.fixture(scope="session")
def programs_of_the_cluster() -> None:
    try:
        ensure_control_plane()
    except ComponentMissing as missing:
        pytest.skip(f"no control plane: {missing}")


@pytest.fixture(scope="session")
def plane(programs_of_the_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture(scope="session")
def definitions(plane: ControlPlane) -> None:
    """The custom resources that the overlays use are known to the API server."""
    try:
        folders = custom_resource_definitions()
    except ComponentMissing as missing:
        pytest.skip(f"no definitions of custom resources: {missing}")
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            plane.apply(path.read_text("utf-8"))


@pytest.fixture(scope="session")
def manifests(programs_of_the_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each overlay as kustomize renders it, with secrets made for the occasion."""
    tree = tmp_path_factory.mktemp("deploy") / "deploy"
    shutil.copytree(ROOT / "deploy", tree, ignore=shutil.ignore_patterns("cluster", "stack", "__pycache__"))
    secrets = tree / "kubernetes" / "components" / "secrets-plain"
    subprocess.run(
        [sys.executable, "-m", "deploy.secrets", str(secrets)], check=True, cwd=ROOT, capture_output=True
    )
    return {name: kustomize(tree / "kubernetes" / "overlays" / name) for name in OVERLAYS}


def kustomize(folder: Path) -> str:
    return subprocess.run(
        [str(PROGRAMS / "kubectl"), "kustomize", str(folder)], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="session")
def tools() -> Path:
    try:
        return ensure_tools()
    except ComponentMissing as missing:
        pytest.skip(f"no tools: {missing}")


@pytest.fixture(scope="session")
def strimzi() -> list[str]:
    try:
        return strimzi_model()
    except ComponentMissing as missing:
        pytest.skip(f"no model of Strimzi's resources: {missing}")


@pytest.fixture(scope="session")
def built() -> str:
    """The image of the present tree."""
    try:
        return image.build()
    except ComponentMissing as missing:
        pytest.skip(f"no image: {missing}")
