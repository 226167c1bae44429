"""How often somebody may ask."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import OKPKey

from shared.domain.roles import Role
from shared.process.config import Config
from shared.web.app import create_app
from shared.web.auth import verifier
from tests.shared.web.conftest import Toy, toy_blueprint

TASKS = "/api/v1/tasks"


def _app(key: OKPKey, now: datetime, **settings: Any) -> Flask:
    return create_app(
        "toy",
        config=Config(**settings),
        clock=lambda: now,
        blueprints=[toy_blueprint()],
        title="玩具",
        verify=verifier(key, clock=lambda: now, issuer="duban", audience="duban"),
        extras={"seen": []},
    )


def _ask(app: Flask, token: str, address: str = "10.0.0.1", **headers: str) -> Any:
    return app.test_client().get(
        TASKS,
        headers={"Authorization": f"Bearer {token}", **headers},
        environ_overrides={"REMOTE_ADDR": address},
    )


def test_a_caller_who_asks_too_often_waits_and_others_do_not(toy: Toy, key: OKPKey) -> None:
    app = _app(key, toy.now, rate_caller=5)
    busy, other = toy.token(subject="busy"), toy.token(subject="other")
    assert [_ask(app, busy).status_code for _ in range(7)] == [200] * 5 + [429] * 2
    refused = _ask(app, busy, "10.0.0.2")
    assert refused.json["rule"] == "too-many-requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json["status"] == 429
    assert _ask(app, other).status_code == 200


def test_an_address_is_bound_before_its_token_is_read(toy: Toy, key: OKPKey) -> None:
    app = _app(key, toy.now, rate_address=4)
    assert [_ask(app, "nonsense").status_code for _ in range(6)] == [401] * 4 + [429] * 2
    assert _ask(app, toy.token()).status_code == 429
    assert _ask(app, toy.token(), "10.0.0.2").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_never_bound(toy: Toy, key: OKPKey, path: str) -> None:
    client = _app(key, toy.now, rate_address=1).test_client()
    assert {client.get(path).status_code for _ in range(5)} == {200}


def test_the_address_is_what_a_trusted_proxy_names(toy: Toy, key: OKPKey) -> None:
    direct = _app(key, toy.now, rate_address=1, port=1)
    assert _ask(direct, toy.token(), X_Forwarded_For="1.1.1.1").status_code == 200
    assert _ask(direct, toy.token(), **{"X-Forwarded-For": "2.2.2.2"}).status_code == 429, (
        "anybody may write that"
    )
    behind = _app(key, toy.now, rate_address=1, trusted_proxies=1)
    for client in ("1.1.1.1", "2.2.2.2"):
        assert _ask(behind, toy.token(), **{"X-Forwarded-For": f"9.9.9.9, {client}"}).status_code == 200
    assert _ask(behind, toy.token(), **{"X-Forwarded-For": "8.8.8.8, 1.1.1.1"}).status_code == 429


def test_without_settings_nothing_is_bound(toy: Toy) -> None:
    assert {toy.call("GET", TASKS, role=Role.officer).status_code for _ in range(300)} == {200}


def test_the_window_slides(monkeypatch: pytest.MonkeyPatch, toy: Toy, key: OKPKey) -> None:
    from shared.web.rates import Rate, TooManyRequests

    at = [datetime(2021, 3, 1, tzinfo=UTC).timestamp()]
    monkeypatch.setattr("time.time", lambda: at[0])
    rate = Rate(3)
    for _ in range(3):
        rate.count("a")
    with pytest.raises(TooManyRequests):
        rate.count("a")
    at[0] += 125
    rate.count("a")
