"""A single-node Apache Kafka broker (KRaft) on a port of 127.0.0.1."""

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path

from deploy.stack.program import START_SECONDS, Program, free_port
from deploy.stack.programs import CLASSES, broker_jars, java

USERS = ("admin", "assignment", "supervision", "enterprise", "notify", "auditor")
"""The users of a broker with SASL: its superuser, each service, and the reader of checkpoints."""

STARTED = b"Kafka Server started (kafka.server.KafkaRaftServer)"
LISTENING = "127.0.0.1:{port}"

JVM = ("-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "min.insync.replicas": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "3000",
    "offsets.topic.num.partitions": "4",
    "auto.create.topics.enable": "false",
    # A killed broker may rejoin only after its old session has expired: 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}

LOGGING = """\
status = error
appender.output.type = Console
appender.output.name = output
appender.output.layout.type = PatternLayout
appender.output.layout.pattern = %d %p %m (%c)%n%throwable
logger.settings.name = org.apache.kafka.common.config
logger.settings.level = warn
rootLogger.level = info
rootLogger.appenderRef.output.ref = output
"""


def password_of(user: str) -> str:
    """The password of a user of a test broker."""
    return f"{user}-secret"


class Broker(Program):
    """A broker with its data in ``folder``; after bootstrap clients connect to ``advertised_port`` (a proxy's).

    With ``sasl`` the users of `USERS` log in by SCRAM-SHA-512; ``admin`` may do everything, the others what ACLs allow.
    With ``tls``, a folder with ``broker.pem`` (key and certificates) and ``ca.pem``, clients speak TLS.
    """

    name = "broker"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        sasl: bool = False,
        tls: Path | None = None,
        advertised_port: int | None = None,
    ) -> None:
        super().__init__(folder, port)
        self.jvm: tuple[str, ...] = JVM
        self.sasl, self.tls = sasl, tls
        self.advertised_port = advertised_port

    @property
    def bootstrap(self) -> str:
        """``127.0.0.1:PORT``, the broker's own port."""
        return LISTENING.format(port=self.port)

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    def start(self, *, detached: bool = False) -> None:
        """Start it and wait until it is ready; no effect if it runs already.

        Raises ComponentMissing, or RuntimeError with the end of its log if it does not start within 60 s.
        """
        if self.running:
            return
        if not (self.data / "meta.properties").exists():  # written last by the formatter
            self._format()
        self._write_settings()
        seen = self.log.stat().st_size if self.log.exists() else 0
        self._spawn([*self._java(), "kafka.Kafka", str(self._properties)], detached=detached)
        until = time.monotonic() + START_SECONDS
        while not self._has_started(seen):
            if not self.running or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"the broker did not start in {self.folder}:\n{self._tail()}")
            time.sleep(0.05)

    def wipe(self) -> None:
        """Stop it and reformat it: empty, with a new cluster id, not started."""
        self.stop()
        self._format()

    def _format(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._controller_port.write_text(f"{free_port()}\n", "ascii")
        self._write_settings()
        users = [
            f"--add-scram=SCRAM-SHA-512=[name={user},password={password_of(user)}]"
            for user in (USERS if self.sasl else ())
        ]
        # 16 bytes in base64, as Kafka's own; the first is 0 because an id that begins with "-" is parsed as an option.
        cluster = base64.urlsafe_b64encode(b"\0" + os.urandom(15)).decode("ascii").rstrip("=")
        tool = [*self._java(), "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, *users]
        command = [*tool, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(f"the broker's storage in {self.folder}:\n{done.stdout}{done.stderr}")

    def _write_settings(self) -> None:
        settings = (
            PROPERTIES | self._listeners() | (self._security() if self.sasl else {}) | self._certificates()
        )
        settings["log.dirs"] = str(self.data)
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        self._properties.write_text(lines, "utf-8")
        self._logging.write_text(LOGGING, "utf-8")

    def _listeners(self) -> dict[str, str]:
        # The controller's port stands in the log of the quorum: it stays what it was when the storage was formatted.
        controller = LISTENING.format(port=self._controller_port.read_text("ascii").strip())
        advertised = LISTENING.format(port=self.advertised_port or self.port)
        login = "SASL_" if self.sasl else ""
        client = f"{login}SSL" if self.tls else f"{login}PLAINTEXT"
        return {
            "listeners": f"CLIENT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENT://{advertised}",
            "controller.quorum.bootstrap.servers": controller,
            "listener.security.protocol.map": f"CLIENT:{client},CONTROLLER:{login}PLAINTEXT",
        }

    def _certificates(self) -> dict[str, str]:
        if self.tls is None:
            return {}
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.tls / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.tls / "ca.pem"),
        }

    def _security(self) -> dict[str, str]:
        modules = "org.apache.kafka.common.security"
        admin = f'username="admin" password="{password_of("admin")}"'
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": (
                f"{modules}.scram.ScramLoginModule required {admin};"
            ),
            # PLAIN between broker and controller: SCRAM users are in the log that the controller has yet to read.
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": (
                f'{modules}.plain.PlainLoginModule required {admin} user_admin="{password_of("admin")}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:admin",
        }

    def _java(self) -> list[str]:
        shared = [f"-XX:SharedArchiveFile={CLASSES}"] if CLASSES.exists() else []
        return [
            java(),
            *self.jvm,
            *shared,
            f"-Dlog4j2.configurationFile=file:{self._logging}",
            "-cp",
            f"{broker_jars()}/*",
        ]

    def _has_started(self, seen: int) -> bool:
        if not self.log.exists():
            return False
        with self.log.open("rb") as log:
            log.seek(seen)
            return STARTED in log.read()

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _logging(self) -> Path:
        return self.folder / "log4j2.properties"

    @property
    def _controller_port(self) -> Path:
        return self.folder / "controller.port"
