"""``python -m deploy.cluster.image``: the image of deploy/Containerfile, on a base that debootstrap makes here.

Needs root, and neither Docker nor a registry of images. Beside it, in .cache/cluster, its SBOM (CycloneDX).
"""

import json
import os
import subprocess
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path

from deploy.cluster.install import CACHE, PATIENT, ensure_containers
from deploy.stack.install import one_at_a_time, run
from deploy.stack.programs import ROOT, ComponentMissing

SUITE = "bookworm"
BASE = f"localhost/duban-base:{SUITE}"
IMAGE = "localhost/duban:test"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
UNTRUSTED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--user=10001:10001",
)
"""A container as the restricted Pod Security standard wants it, and with a root that nobody writes."""
PODMAN = ("podman", "--runtime=runc", "--cgroup-manager=cgroupfs")
INVENTORY = """
import importlib.metadata as m, json, pathlib, re
packages = [(d.metadata["Name"], d.version) for d in m.distributions()]
status = pathlib.Path("/var/lib/dpkg/status").read_text("utf-8")
debian = [dict(re.findall(r"^(Package|Version|Architecture): (.*)$", one, re.M)) for one in status.split("\\n\\n")]
print(json.dumps({"python": sorted(packages), "debian": [one for one in debian if one]}))
"""
"""Run in the image: what is installed there."""


def build() -> str:
    """Build the image, and its base unless there is one. Its name. Raises ComponentMissing."""
    if os.geteuid() != 0:
        raise ComponentMissing("the image: only root makes a base with debootstrap")
    ensure_containers()
    with one_at_a_time(CACHE):
        if subprocess.run([*PODMAN, "image", "exists", BASE], check=False).returncode != 0:
            _make_base()
        _build()
        (CACHE / "duban.cdx.json").write_text(json.dumps(sbom(), indent=1), "utf-8")
    return IMAGE


def command(*options: str) -> list[str]:
    """The command line that runs a command in a container of the image, up to the command."""
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
    writable = ("--tmpfs=/tmp", "--tmpfs=/data:mode=1777")
    return [*PODMAN, "run", "--network=host", *UNTRUSTED, *limits, *writable, *options, IMAGE]


def sbom() -> dict[str, object]:
    """What the image holds, as CycloneDX 1.6."""
    found = json.loads(run("the SBOM", [*command("--rm"), "python", "-c", INVENTORY]))
    python = [(name, version, f"pkg:pypi/{name.lower()}@{version}") for name, version in found["python"]]
    debian = [
        (
            one["Package"],
            one["Version"],
            f"pkg:deb/debian/{one['Package']}@{one['Version']}?arch={one['Architecture']}",
        )
        for one in found["debian"]
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {"type": "container", "name": "duban", "version": _version()},
        },
        "components": [
            {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}
            for name, version, purl in (*python, *debian)
        ],
    }


def _make_base() -> None:
    root = CACHE / "base"
    if not (root / "etc" / "debian_version").exists():
        run("the base", [*PATIENT, "rm", "-rf", str(root)])
        run("the base", [*PATIENT, "debootstrap", "--variant=minbase", SUITE, str(root)])
        for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man"):
            run("the base", ["find", str(root / folder), "-type", "f", "-delete"])
    archive = root.with_suffix(".tar")
    run("the base", [*PATIENT, "tar", "-C", str(root), "-cf", str(archive), "."])
    run("the base", [*PATIENT, *PODMAN, "import", str(archive), BASE])
    run("the base", ["rm", "-rf", str(root), str(archive)])


def _build() -> None:
    revision = run("git", ["git", "-C", str(ROOT), "rev-parse", "HEAD"]).strip()
    arguments = {"BASE": BASE, "VERSION": _version(), "REVISION": revision}
    options: list[str] = []
    if CERTIFICATES.exists():  # whom this machine trusts, the build trusts too
        options.append(f"--volume={CERTIFICATES}:/etc/ssl/host.crt:ro")
        arguments["PIP_OPTIONS"] = "--cert=/etc/ssl/host.crt"
    file = ROOT / "deploy" / "Containerfile"
    _buildah(
        "build",
        "--layers",
        "--network=host",
        f"--file={file}",
        f"--ignorefile={file}.dockerignore",
        f"--tag={IMAGE}",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *options,
        str(ROOT),
    )


def _buildah(*arguments: str) -> None:
    isolated = ["env", "BUILDAH_ISOLATION=chroot", "buildah", *arguments]
    run("the image", [*PATIENT, *isolated])


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def main() -> int:
    """Build it and say how large it is."""
    try:
        name = build()
    except ComponentMissing as missing:
        print(f"not built: {missing}", file=sys.stderr)
        return 1
    size = int(run("the image", [*PODMAN, "image", "inspect", "--format={{.Size}}", name]))
    print(f"{name}: {size / 1e6:.0f} MB; SBOM: {CACHE / 'duban.cdx.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
