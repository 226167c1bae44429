"""The stage of the demo: the services as processes on free ports, a stepped clock, actors who speak HTTP."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, count
from pathlib import Path
from typing import Any

from services.processes import Process, web_of, worker_of
from services.suite import SUITE
from shared.domain.clock import SHANGHAI, SteppedClock
from shared.domain.roles import Role
from shared.process.config import Config
from shared.runtime.service import Service
from shared.web.auth import issue_token, load_key

WAIT_SECONDS = 60.0
"""How long something may take that the suite does by itself."""


class Deviation(Exception):
    """The services answered otherwise than the measures say."""


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def rule(self) -> str:
        """The refused rule's name, or an empty string."""
        return str(self.body.get("rule", "")) if isinstance(self.body, dict) and self.status >= 400 else ""


class Actor:
    """Somebody with a token of their own."""

    def __init__(self, stage: "Stage", unit: str, post: str, role: Role) -> None:
        self.stage, self.unit, self.post_id, self.role = stage, unit, post, role
        config = stage.config
        self._token = issue_token(
            load_key(config.data),
            post=post,
            unit=unit,
            role=role,
            now=stage.clock(),
            lifetime=timedelta(days=3650),
            issuer=config.token_issuer,
            audience=config.token_audience,
        )

    def does(self, service: str, path: str, body: Any = None, *, key: str | None = None) -> dict[str, Any]:
        """POST, and it must be accepted; the answer's body."""
        answer = self.tries(service, path, body, key=key)
        if answer.status >= 400:
            raise Deviation(f"POST {path}: {answer.status} {json.dumps(answer.body, ensure_ascii=False)}")
        return dict(answer.body)

    def tries(self, service: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """POST, whatever comes of it."""
        return self._send(service, "POST", path, json.dumps(body or {}).encode(), "application/json", key=key)

    def uploads(self, service: str, path: str, file: Path, **fields: str) -> Answer:
        """POST a file as a form, whatever comes of it."""
        boundary = "duban-demo-boundary"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="list{file.suffix}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + file.read_bytes()
            + b"\r\n"
        )
        parts.append(f"--{boundary}--\r\n".encode())
        return self._send(service, "POST", path, b"".join(parts), f"multipart/form-data; boundary={boundary}")

    def sees(self, service: str, path: str) -> Any:
        """GET, and it must be answered; the body."""
        answer = self._send(service, "GET", path)
        if answer.status >= 400:
            raise Deviation(f"GET {path}: {answer.status} {json.dumps(answer.body, ensure_ascii=False)}")
        return answer.body

    def waits_for(self, service: str, path: str, wanted: Callable[[Any], Any], what: str) -> Any:
        """GET again and again until ``wanted`` finds in the body what the suite does by itself; what it found."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            body = self.sees(service, path)
            found = wanted(body)
            if found:
                return found
            if time.monotonic() > until:
                raise Deviation(
                    f"waited {WAIT_SECONDS:.0f} s in vain for: {what}; GET {path}: {_short(body)}"
                )
            time.sleep(0.05)

    def _send(
        self,
        service: str,
        method: str,
        path: str,
        data: bytes | None = None,
        kind: str = "",
        key: str | None = None,
    ) -> Answer:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.stage.ports[service]}/api/v1/{path}", data=data, method=method
        )
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Accept-Language", self.stage.language)
        if method == "POST":
            request.add_header("Content-Type", kind)
            request.add_header("Idempotency-Key", key or f"demo-{next(self.stage.keys)}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return Answer(answer.status, json.loads(text) if text else None, dict(answer.headers))
        except urllib.error.HTTPError as error:
            text = error.read()
            return Answer(error.code, json.loads(text) if text else None, dict(error.headers))


class Stage:
    """The suite on free ports with its data in ``folder``, standing at ``start``.

    On a database and a broker, if ``config`` names them, every role of every service is a process of its own.
    """

    def __init__(
        self, folder: Path, start: datetime, language: str = "zh", config: Config | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.clock = SteppedClock(folder / "clock")
        self.clock.set(start)
        self.language = language
        self.keys = count(1)
        self.config = replace(
            config or Config(),
            data=folder,
            clock=f"file:{(folder / 'clock').resolve()}",
            poll_seconds=0.03,
            log_level="warning",
            kafka_session_seconds=6.0,
        )
        self.ports = dict(zip(SUITE, free_ports(len(SUITE)), strict=True))
        self.workers = {
            name: [
                worker_of(name, self.config, folder / f"{name}-{role}.log", role)
                for role in self._roles(service)
            ]
            for name, service in SUITE.items()
        }
        self.webs = {
            name: web_of(name, self.config, port, folder / f"{name}-web.log")
            for name, port in self.ports.items()
        }

    def _roles(self, service: Service) -> Sequence[str]:
        return [role for role in service.roles if role != "worker"] if self.config.kafka else ["worker"]

    @property
    def processes(self) -> list[Process]:
        """Everything that runs."""
        return [*self.webs.values(), *chain.from_iterable(self.workers.values())]

    def kill_workers(self, service: str) -> None:
        """``kill -9`` for everything of a service but its web process."""
        for process in self.workers[service]:
            process.kill()

    def start_workers(self, service: str) -> None:
        """Start them again."""
        for process in self.workers[service]:
            process.start()

    def open(self) -> None:
        """Start everything and wait until every port answers that it is ready."""
        for process in self.processes:
            process.start()
        for name, port in self.ports.items():
            self._wait_until_ready(name, port)

    def _wait_until_ready(self, name: str, port: int) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            code = self.webs[name].ended()
            if code is not None:
                raise Deviation(f"the {name} web process ended with {code}: see {self.webs[name].log_file}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass  # not listening yet, or not ready: asked again below
            time.sleep(0.05)
        raise Deviation(f"{name} was not ready within a minute: see {self.webs[name].log_file}")

    def close(self) -> list[str]:
        """Stop everything in order; the processes that did not end cleanly."""
        for process in self.processes:
            process.ask_to_stop()
        codes = {process.name: process.stop() for process in self.processes}
        return [f"{name} (exit code {code})" for name, code in codes.items() if code != 0]

    def step(self, text: str) -> None:
        """Move the suite's clock to this moment, Beijing time."""
        self.clock.set(moment(text))

    def actor(self, unit: str, post: str, role: Role) -> Actor:
        """Somebody who acts from now on."""
        return Actor(self, unit, post, role)


def moment(text: str) -> datetime:
    """``"2021-02-05 16:00"``, Beijing time."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def free_ports(number: int) -> list[int]:
    """So many ports on which nothing listens."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _short(body: Any) -> str:
    text = json.dumps(body, ensure_ascii=False)
    return text if len(text) < 600 else text[:600] + "…"
