"""The pages at ``/`` and ``/docs``: everything that they need is served here, and a real browser draws them."""

import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from werkzeug.serving import make_server
from werkzeug.test import Client

from deploy.stack.browser import browser
from services.audit.web import web as audit_web
from services.suite import SUITE, open_suite
from shared.domain.clock import system_clock
from shared.process.config import Config
from shared.web.pages import ASSETS, FOLDER
from shared.web.server import dispatch
from tests.installed import installed

SERVICES = [*SUITE, "audit"]
PAGES = ["/", "/docs", *(f"/docs/{name}" for name in SERVICES)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    config = Config(data=tmp_path_factory.mktemp("data"))
    runtimes = open_suite(config, system_clock)
    apps = {name: runtime.web() for name, runtime in runtimes.items()}
    audit = audit_web(config, system_clock)
    yield dispatch({**apps, "audit": audit})
    audit.extensions["questions"].close()
    for runtime in runtimes.values():
        runtime.close()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("language", "says"), [("zh", "接口文档"), ("en", "API reference")])
def test_a_page_needs_nothing_from_elsewhere(suite: Any, page: str, language: str, says: str) -> None:
    client = Client(suite)
    answer = client.get(page, headers={"Accept-Language": language})
    assert (answer.status_code, says in answer.text) == (200, True)
    assert "//" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert re.sub(r"'self'|'none'|data:|[a-z]+-[a-z]+|;| ", "", policy) == ""
    wanted = re.findall(r'(?:href|src|data-document)="([^"]*)"', answer.text)
    assert len(wanted) > 3
    for address in wanted:
        found = client.get(urljoin(page, address)) if address != "data:," else answer
        assert found.status_code in (200, 503 if address.endswith("readyz") else 200), address


def test_a_browser_keeps_what_has_not_changed(suite: Any) -> None:
    first = Client(suite).get("/docs/assets/swagger-ui-bundle.js")
    assert len(first.data) > 1_000_000
    again = Client(suite).get(
        "/docs/assets/swagger-ui-bundle.js", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")


def test_what_is_no_page_is_not_found(suite: Any) -> None:
    for path in (
        "/docs/",
        "/docs/nothing",
        "/docs/suite",
        "/docs/assets/LICENSE",
        "/docs/assets/..%2fpages.py",
    ):
        assert Client(suite).get(path).json["rule"] == "no-such-page", path  # type: ignore[index]


def test_a_service_of_its_own_shows_its_own_documents(suite: Any, toy: Any) -> None:
    client = toy.app.test_client()
    assert re.findall('href="docs/([a-z]+)"', client.get("/").text) == ["toy"]
    assert client.get("/docs/toy").status_code == 200
    assert client.get("/docs/assignment").status_code == 404


def test_what_is_not_ours_stands_there_with_its_licence() -> None:
    assert "Apache License" in (FOLDER / "LICENSE").read_text("utf-8")
    assert (FOLDER / "NOTICE").read_text("utf-8").startswith("swagger-ui")
    for name in ("pages.css", "reference.js"):
        assert "//" not in re.sub(
            r"^// .*|// it .*", "", (FOLDER / name).read_text("utf-8"), flags=re.MULTILINE
        )
    assert {path.name for path in FOLDER.iterdir()} - set(ASSETS) == {
        "LICENSE",
        "NOTICE",
        "swagger-ui-bundle.js.LICENSE.txt",
    }


@pytest.fixture(scope="module")
def chromium() -> str:
    return installed(browser, "a browser")


def test_a_browser_draws_every_operation(suite: Any, chromium: str, tmp_path: Path) -> None:
    document = Client(suite).get("/api/v1/notify/openapi.json").json
    operations = sum(len(path.keys() & {"get", "post"}) for path in document["paths"].values())  # type: ignore[index]
    server = make_server("127.0.0.1", 0, suite, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        done = subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={tmp_path}",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--enable-logging=stderr",
                "--virtual-time-budget=60000",
                "--dump-dom",
                f"http://127.0.0.1:{server.server_port}/docs/notify",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert operations > 5
    assert done.stdout.count('class="opblock-summary-path"') == operations
    assert "通知" in done.stdout
    assert "Content Security Policy" not in done.stderr
