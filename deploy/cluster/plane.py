"""A real control plane on 127.0.0.1 (etcd, API server, controllers, scheduler), and nodes that only play their part."""

import json
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.cluster.install import PROGRAMS, ensure_control_plane
from deploy.stack.program import START_SECONDS, Program, free_port

USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "nodes": "system:masters",
}
"""Who logs in to the API server, by a token that is the name, and their group."""


class _Part(Program):
    """One program of the control plane."""

    def __init__(self, name: str, folder: Path, port: int | None = None) -> None:
        self.name = name  # type: ignore[misc]  # here each instance has its own
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, port)
        self.command: Sequence[str] = ()
        self.answers: Callable[[], bool] = lambda: True

    def start(self, *, detached: bool = False) -> None:
        self._spawn(list(self.command), detached=detached)
        until = time.monotonic() + 2 * START_SECONDS
        while not self.answers():
            if not self.running or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"{self.name} did not start in {self.folder}:\n{self._tail()}")
            time.sleep(0.2)


class ControlPlane:
    """Started by ``with``; ``kubectl`` speaks to it."""

    def __init__(self, folder: Path) -> None:
        ensure_control_plane()
        self.folder = folder.resolve()
        self._running = ExitStack()
        parts = {
            name: _Part(name, self.folder) for name in ("etcd", "api", "controllers", "scheduler", "nodes")
        }
        self._parts = parts
        self._etcd, peer = f"http://127.0.0.1:{parts['etcd'].port}", f"http://127.0.0.1:{free_port()}"
        self.server = f"https://127.0.0.1:{parts['api'].port}"
        key = self.folder / "accounts.pem"
        key.write_bytes(
            rsa.generate_private_key(65537, 2048).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        tokens = self.folder / "tokens.csv"
        tokens.write_text(
            "".join(f'{user},{user},{user},"{group}"\n' for user, group in USERS.items()), "ascii"
        )
        parts["etcd"].command = [
            f"{PROGRAMS}/server",
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls={self._etcd}",
            f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]
        parts["etcd"].answers = lambda: _answers(f"{self._etcd}/health")
        serving = ["--bind-address=127.0.0.1", f"--cert-dir={self.folder}/certificates"]
        parts["api"].command = [
            f"{PROGRAMS}/kube-apiserver",
            *serving,
            f"--secure-port={parts['api'].port}",
            f"--etcd-servers={self._etcd}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--enable-admission-plugins=PodSecurity",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://cluster.local",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        ]
        parts["api"].answers = lambda: _answers(f"{self.server}/readyz")
        for name, program, user, options in (
            (
                "controllers",
                "kube-controller-manager",
                "system:kube-controller-manager",
                [
                    f"--service-account-private-key-file={key}",
                    "--use-service-account-credentials=true",
                    # A simulated node never fails; on a busy machine its signs of life come late.
                    "--node-monitor-grace-period=1h",
                ],
            ),
            ("scheduler", "kube-scheduler", "system:kube-scheduler", []),
        ):
            part = parts[name]
            part.command = [
                f"{PROGRAMS}/{program}",
                *serving,
                f"--secure-port={part.port}",
                f"--kubeconfig={self._config_of(user)}",
                "--leader-elect=false",
                *options,
            ]
            part.answers = lambda port=part.port: _answers(f"https://127.0.0.1:{port}/healthz")  # type: ignore[misc]
        parts["nodes"].command = [
            f"{PROGRAMS}/kwok",
            f"--kubeconfig={self._config_of('nodes')}",
            "--manage-all-nodes",
        ]

    def __enter__(self) -> Self:
        with self._running as starting:
            for part in self._parts.values():
                starting.enter_context(part)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def kubectl(self, *arguments: str, given: str | None = None, namespace: str = "") -> str:
        """What kubectl writes. RuntimeError with what it says if it fails."""
        command = [str(PROGRAMS / "kubectl"), f"--kubeconfig={self._config_of('admin')}", *arguments]
        if namespace:
            command.append(f"--namespace={namespace}")
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, *arguments: str, namespace: str = "") -> Any:
        """An object or a list of the cluster."""
        return json.loads(self.kubectl("get", *arguments, "--output=json", namespace=namespace))

    def apply(self, manifest: str, *options: str) -> str:
        """Apply it on the server, strictly; a line for each object."""
        command = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-")
        return self.kubectl(*command, *options, given=manifest)

    def _config_of(self, user: str) -> Path:
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        cluster = {"server": self.server, "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": user}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": user}}],
            "current-context": "here",
        }
        path.write_text(json.dumps(config), "ascii")
        return path


def _answers(url: str) -> bool:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE  # each signs its own certificate
    try:
        with urllib.request.urlopen(url, timeout=5, context=trusting) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
