"""gunicorn from our own code, and several services on one port."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from types import MappingProxyType

import pytest
from werkzeug.test import Client

from shared.domain.roles import Role
from shared.domain.words import Title
from shared.process.config import Config
from shared.web.app import create_app
from shared.web.auth import allow
from shared.web.http import Blueprint
from shared.web.server import dispatch

SERVER = """
import os
from datetime import UTC, datetime
from shared.process import logs
from shared.process.config import Config
from shared.web.app import create_app
from shared.web.server import dispatch, serve

PARENT = os.getpid()
logs.configure("info")

def make():
    assert os.getpid() != PARENT, "built before the fork"
    app = create_app("one", config=Config(), clock=lambda: datetime.now(UTC), blueprints=[], title="t", verify=None)
    return dispatch({"one": app})

serve(make, Config(port=%d, web_workers=2, drain_seconds=0.2))
"""


def other_app(toy, reasons, standing=MappingProxyType({})):
    blueprint = Blueprint("other", __name__, url_prefix="/api/v1")

    @blueprint.get("/whistles")
    @allow(Role.officer)
    @blueprint.response(200)
    def whistles() -> list[str]:
        return ["w"]

    verify = toy.app.extensions["duban"].verify
    return create_app(
        "other",
        config=Config(),
        clock=lambda: toy.now,
        blueprints=[blueprint],
        title="t",
        verify=verify,
        readiness=lambda: reasons,
        standing=lambda: standing,
    )


def test_several_services_answer_on_one_port(toy):
    reasons = []
    client = Client(dispatch({"toy": toy.app, "other": other_app(toy, reasons)}))
    headers = {"Authorization": f"Bearer {toy.token(Role.officer)}"}
    assert client.get("/api/v1/tasks", headers=headers).status_code == 200
    assert client.get("/api/v1/whistles", headers=headers).json == ["w"]
    assert client.get("/api/v1/toy/openapi.json").json["info"]["summary"] == "玩具"
    assert client.get("/api/v1/other/openapi.json").status_code == 200
    assert client.delete("/api/v1/whistles", headers=headers).headers["Allow"] == "GET, HEAD"
    assert client.get("/nowhere").json["rule"] == "no-such-page"

    assert client.get("/readyz").status_code == 200
    reasons.append("behind")
    assert client.get("/readyz").json == {"reasons": ["other: behind"]}

    text = client.get("/metrics").text
    assert text.count("# TYPE duban_http_requests_total counter") == 1
    for service in ("toy", "other", "suite"):
        assert f'service="{service}"' in text


def test_a_role_beside_it_that_refuses_is_told_and_leaves_it_ready(toy):
    standing = {("other", "relay"): Title("分区数变了", "the partitions changed")}
    client = Client(dispatch({"toy": toy.app, "other": other_app(toy, [], standing)}))
    for language, line in (
        ("zh-CN", "other relay 已停止：分区数变了"),
        ("en", "other relay refuses to go on: the partitions changed"),
    ):
        answer = client.get("/readyz", headers={"Accept-Language": language})
        assert (answer.status_code, answer.json) == (200, {"reasons": [line]})
    assert 'duban_role_refuses{role="relay",service="other"} 1.0' in client.get("/metrics").text
    standing.clear()
    assert client.get("/readyz").json == {"reasons": []}
    assert "duban_role_refuses{" not in client.get("/metrics").text


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_gunicorn_builds_after_the_fork_and_ends_with_0(tmp_path, stop):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": os.getcwd()}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER % port], env=environment, stderr=log, stdout=log
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            assert b'route="/readyz"' in answer.read()
        server.send_signal(stop)
        assert server.wait(15) == 0, (tmp_path / "log").read_text()
    finally:
        server.kill()
        server.wait()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines
    assert all(line.startswith("{") for line in lines), lines
