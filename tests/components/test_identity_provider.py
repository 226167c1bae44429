"""A real OpenID Connect provider: its tokens are taken, its keys rotate, and it may be away, slow or wrong."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.stack import Keycloak
from deploy.stack.keycloak import ADMIN
from tests.faults.cluster import Member, until
from tests.faults.proxy import Proxy
from tests.roles.site import Answer, Site, ask, asked

REALM = "banner"
SECRET = "for-tests"


class Realm:
    """A realm with machine clients, by the administration's API."""

    def __init__(self, server: Keycloak) -> None:
        self.server = server
        self._own = f"http://127.0.0.1:{server.port}"
        self.call("POST", "", {"realm": REALM, "enabled": True, "accessTokenLifespan": 300})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the administration."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": ADMIN}
        token = requests.post(
            f"{self._own}/realms/master/protocol/openid-connect/token", data=form, timeout=30
        ).json()["access_token"]
        answer = requests.request(
            method,
            f"{self._own}/admin/realms{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json() if answer.text else None

    def client(self, name: str, *, audience: str = "duban", lifespan: int = 300, **claims: str) -> None:
        """A machine client whose tokens carry these claims."""
        mappers = [
            {
                "name": claim,
                "protocol": "openid-connect",
                "protocolMapper": "oidc-hardcoded-claim-mapper",
                "config": {"claim.name": claim, "claim.value": value, "access.token.claim": "true"},
            }
            for claim, value in claims.items()
        ]
        of_audience = {
            "name": "audience",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.custom.audience": audience, "access.token.claim": "true"},
        }
        self.call(
            "POST",
            f"/{REALM}/clients",
            {
                "clientId": name,
                "secret": SECRET,
                "serviceAccountsEnabled": True,
                "standardFlowEnabled": False,
                "attributes": {"access.token.lifespan": str(lifespan)},
                "protocolMappers": [*mappers, of_audience],
            },
        )

    def token(self, client: str) -> str:
        """An access token by client credentials."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": SECRET}
        url = f"{self._own}/realms/{REALM}/protocol/openid-connect/token"
        return str(requests.post(url, data=form, timeout=30).json()["access_token"])

    def rotate(self) -> None:
        """A new key signs from now on; the old one is still published."""
        (realm,) = [one for one in self.call("GET", "") if one["realm"] == REALM]
        self.call(
            "POST",
            f"/{REALM}/components",
            {
                "name": f"key {time.monotonic_ns()}",
                "parentId": realm["id"],
                "providerId": "rsa-generated",
                "providerType": "org.keycloak.keys.KeyProvider",
                "config": {"priority": [str(time.monotonic_ns() // 1_000_000)], "algorithm": ["RS256"]},
            },
        )


@pytest.fixture(scope="module")
def realm(keycloak: tuple[Keycloak, Proxy]) -> Realm:
    made = Realm(keycloak[0])
    office = {"post": "office/system", "unit": "office", "rank": "banner-office"}
    made.client("office-system", **office)
    made.client("brief", lifespan=2, **office)
    made.client("other-audience", audience="elsewhere", **office)
    made.client("no-role", post="office/system", unit="office")
    return made


@pytest.fixture
def site(keycloak: tuple[Keycloak, Proxy], realm: Realm, tmp_path: Path) -> Iterator[Site]:
    keycloak[1].passing()
    with Site(None, tmp_path / "site", kafka=False) as made:
        yield made
    keycloak[1].passing()


def _web(site: Site, keycloak: tuple[Keycloak, Proxy]) -> Member:
    path = site.folder / "issuers.toml"
    path.write_text(
        f"""
        [[issuer]]
        url = "{keycloak[0].realm(REALM)}"
        audience = "duban"
        algorithms = ["RS256"]
        claims = {{ role = "rank" }}
        roles = {{ banner-office = "government_office" }}
        """,
        "utf-8",
    )
    web = site.add("assignment", "web", issuers=path, clock="system")
    until(lambda: asked(web, "/healthz") == 200, site.tail)
    return web


def _read(web: Member, token: str) -> Answer:
    return ask(web.port, "GET", "/api/v1/units", {"Authorization": f"Bearer {token}"}, None, 30)


def test_tokens_of_a_real_provider_are_taken_or_refused_by_name(
    site: Site, keycloak: tuple[Keycloak, Proxy], realm: Realm
) -> None:
    web = _web(site, keycloak)
    brief, taken = realm.token("brief"), time.monotonic()
    until(lambda: _read(web, realm.token("office-system")).status == 200, site.tail)
    refused = {
        "other-audience": "token-audience-is-wrong",
        "no-role": "role-is-not-mapped",
    }
    for client, rule in refused.items():
        assert _read(web, realm.token(client)).body["rule"] == rule
    assert _read(web, site.token()).body["rule"] == "token-issuer-is-wrong", "the local key is not configured"
    time.sleep(max(0.0, 3 - (time.monotonic() - taken)))
    assert _read(web, brief).body["rule"] == "token-has-expired"


def test_keys_rotate_while_requests_run(site: Site, keycloak: tuple[Keycloak, Proxy], realm: Realm) -> None:
    web = _web(site, keycloak)
    until(lambda: _read(web, realm.token("office-system")).status == 200, site.tail)
    tokens, answers, ended = [realm.token("office-system")], [], threading.Event()

    def ask_on() -> None:
        while not ended.is_set():
            answers.append(_read(web, tokens[-1]).status)

    asking = threading.Thread(target=ask_on)
    asking.start()
    time.sleep(6)  # so that the provider may be asked again
    realm.rotate()
    tokens.append(realm.token("office-system"))
    before = len(answers)
    until(lambda: len(answers) > before + 20, site.tail)
    ended.set()
    asking.join()
    assert set(answers) == {200}
    assert tokens[0].split(".")[0] != tokens[1].split(".")[0], "signed by another key"
    assert _read(web, tokens[0]).status == 200, "the old key is still published"


@pytest.mark.parametrize("fault", ["cut", "black_hole"])
def test_a_provider_that_is_away_or_slow_leaves_known_keys_working(
    site: Site, keycloak: tuple[Keycloak, Proxy], realm: Realm, fault: str
) -> None:
    knowing = _web(site, keycloak)
    token = realm.token("office-system")
    until(lambda: _read(knowing, token).status == 200, site.tail)
    getattr(keycloak[1], fault)()
    fresh = _web(site, keycloak)
    refused = _read(fresh, token)
    assert refused.status == 503
    assert refused.body["rule"] == "identity-provider-unavailable"
    ready = ask(fresh.port, "GET", "/readyz", {}, None, 5)
    assert ready.status == 503
    assert keycloak[0].realm(REALM) in ready.body["reasons"][0]
    assert _read(knowing, token).status == 200
    assert ask(knowing.port, "GET", "/readyz", {}, None, 5).status == 200
    keycloak[1].passing()
    until(lambda: _read(fresh, token).status == 200, site.tail)
    until(lambda: ask(fresh.port, "GET", "/readyz", {}, None, 5).status == 200, site.tail)
