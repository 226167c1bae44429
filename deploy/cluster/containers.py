"""The suite's roles as containers of the image, each on this machine's network.

``python -m deploy.cluster.containers`` measures what each needs: the table in deploy/README.md.
"""

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.cluster import image
from deploy.stack import Broker, Postgres, ensure_programs, free_port
from services.suite import SUITE
from shared.audit.seal import make_key
from shared.personal_data.master import make_master
from shared.web.auth import make_token_key

COMMANDS = {"audit": ["duban", "audit", "serve"], "suite": ["python", "-m", "services", "web"]}
"""How they are started who are no service."""
IDLE_SECONDS = 60.0
START_SECONDS = 120.0
USER = 10001


def roles() -> Iterator[tuple[str, str]]:
    """Every role of every service, the auditors' process, and the web process of a small installation."""
    for name, service in SUITE.items():
        yield from ((name, role) for role in ("web", *service.roles))
    yield "audit", "web"
    yield "suite", "web"


@dataclass
class Container:
    """One process of the suite in its container."""

    service: str
    role: str
    id: str
    port: int
    started: float = field(default_factory=time.monotonic)

    def status(self, path: str = "/readyz") -> int:
        """What it answers: the HTTP status, 0 if nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def wait(self) -> float:
        """Wait until it is ready; the seconds since its start. TimeoutError with its log."""
        while self.status() != 200:
            if time.monotonic() > self.started + START_SECONDS:
                raise TimeoutError(
                    f"{self.service} {self.role} is not ready:\n{_podman('logs', '--tail=20', self.id)}"
                )
            time.sleep(0.1)
        return time.monotonic() - self.started

    @property
    def pids(self) -> list[int]:
        """Its processes, as this machine numbers them."""
        first = int(_podman("inspect", "--format={{.State.Pid}}", self.id))
        return _family(first)

    def memory(self) -> float:
        """Its proportional set size in MiB: pages that processes share are divided between them."""
        lines = (Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines() for pid in self.pids)
        return (
            sum(int(line.split()[1]) for found in lines for line in found if line.startswith("Pss:")) / 1024
        )

    def processor(self) -> float:
        """The processor time that it has used, in seconds."""
        fields = (
            Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split() for pid in self.pids
        )
        return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """SIGTERM, and after 30 seconds SIGKILL; the exit code."""
        _podman("stop", "--time=30", self.id)
        return int(_podman("inspect", "--format={{.State.ExitCode}}", self.id))


class Site:
    """A suite of containers on a database server and a broker; ``with`` removes them."""

    def __init__(self, folder: Path, database: str, kafka: str) -> None:
        self.settings = {
            "DUBAN_DATABASE": database,
            "DUBAN_KAFKA": kafka,
            "DUBAN_HOST": "127.0.0.1",
            "DUBAN_MASTER_KEY": "/etc/duban/master/master.key",
            "DUBAN_SEAL_KEY": "/etc/duban/seal/seal.key",
        }
        self.containers: list[Container] = []
        self._mounts = {"master": "/etc/duban/master", "seal": "/etc/duban/seal", "token": "/data/keys"}
        make_master(folder / "master" / "master.key")
        make_key(folder / "seal" / "seal.key")
        make_token_key(folder / "token" / "token.pem")
        for path in (folder, *folder.rglob("*")):
            if path.is_file():  # as Kubernetes mounts a secret: for the group, and nobody writes
                os.chown(path, 0, USER)
                path.chmod(0o440)
            else:
                path.chmod(0o755)
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for container in self.containers:
            _podman("rm", "--force", "--time=0", container.id)

    def run(self, *command: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            [*image.command("--rm", *self._options(settings)), *command],
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, service: str, role: str, **settings: str) -> Container:
        """Start a role."""
        port = free_port()
        where = {"DUBAN_PORT" if role == "web" else "DUBAN_HEALTH_PORT": str(port)}
        command = COMMANDS.get(service, ["python", "-m", f"services.{service}", role])
        options = self._options(where | settings)
        done = subprocess.run(
            [*image.command("--detach", *options), *command], capture_output=True, text=True, check=True
        )
        container = Container(service, role, done.stdout.strip(), port)
        self.containers.append(container)
        return container

    def _options(self, settings: Mapping[str, str]) -> Iterator[str]:
        yield from (f"--env={name}={value}" for name, value in (self.settings | dict(settings)).items())
        yield from (f"--volume={self._folder / name}:{place}:ro" for name, place in self._mounts.items())


def _family(first: int) -> list[int]:
    found, parents = [first], {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[1]
                )
            except OSError:
                continue  # it has just ended
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _podman(*arguments: str) -> str:
    done = subprocess.run([*image.PODMAN, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip() or done.stderr.strip()


def measure() -> None:
    """Print what each role needs when it is ready and has nothing to do."""
    ensure_programs()
    image.build()
    with tempfile.TemporaryDirectory(prefix="duban-containers-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Postgres(folder / "postgres") as postgres, Broker(folder / "broker") as broker:
            for service in (*SUITE, "keys"):
                postgres.create_database(f"duban_{service}")
            with Site(folder / "keys", postgres.url("duban_{service}"), broker.bootstrap) as site:
                for command in (("duban", "migrate"), ("duban", "topics", "apply")):
                    site.run(*command).check_returncode()
                took = {(service, role): site.start(service, role).wait() for service, role in roles()}
                time.sleep(IDLE_SECONDS / 2)
                before = {one.id: one.processor() for one in site.containers}
                time.sleep(IDLE_SECONDS)
                print("| process | memory MiB | idle, thousandths of a core | seconds to ready |")
                print("| --- | --- | --- | --- |")
                for one in site.containers:
                    idle = (one.processor() - before[one.id]) / IDLE_SECONDS * 1000
                    seconds = took[one.service, one.role]
                    print(
                        f"| {one.service} {one.role} | {one.memory():.0f} | {idle:.0f} | {seconds:.1f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    measure()
