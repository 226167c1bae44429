"""A Keycloak server (an OpenID Connect provider) on a port of 127.0.0.1; what it knows is in memory."""

import time
import urllib.request
from pathlib import Path

from deploy.stack.program import Program, free_port
from deploy.stack.programs import java, keycloak_home

START_SECONDS = 240.0
ADMIN = "admin"
"""Name and password of its administrator."""

JVM = (
    "-Xms64m",
    "-Xmx600m",
    "-XX:TieredStopAtLevel=1",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory="
    "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
)


def command(home: Path, *arguments: str) -> list[str]:
    """What ``bin/kc.sh`` would run; it itself would leave Java running when it is killed."""
    places = [f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}"]
    start = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"
    return [java(), *JVM, *places, "-cp", str(home / "lib" / "quarkus-run.jar"), start, *arguments]


class Keycloak(Program):
    """A server without realms of its own. Clients reach it at ``public`` (a proxy's port), else at its own port."""

    name = "keycloak"

    def __init__(self, folder: Path, port: int | None = None, *, public: int | None = None) -> None:
        super().__init__(folder, port)
        self.public = public or self.port

    def realm(self, name: str, *, direct: bool = False) -> str:
        """The URL of a realm: its issuer."""
        return f"http://127.0.0.1:{self.port if direct else self.public}/realms/{name}"

    def start(self, *, detached: bool = False) -> None:
        """Start it and wait until it answers; no effect if it runs already.

        Raises ComponentMissing, or RuntimeError with the end of its log if it does not answer within 240 s.
        """
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "http-enabled": "true",
            "http-host": "127.0.0.1",
            "http-port": str(self.port),
            "http-management-port": str(free_port()),
            "hostname": f"http://127.0.0.1:{self.public}",
            "bootstrap-admin-username": ADMIN,
            "bootstrap-admin-password": ADMIN,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._spawn(command(keycloak_home(), "start", "--optimized", *options), detached=detached)
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.running or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"Keycloak did not start in {self.folder}:\n{self._tail()}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.realm("master", direct=True), timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
