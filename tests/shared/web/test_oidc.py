"""Tokens of OpenID Connect providers: rotation, other issuers, other algorithms, providers that fail."""

import base64
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from shared.domain.roles import Role
from shared.process.config import Config, Misconfigured
from shared.web.auth import (
    Accepting,
    NotAuthenticated,
    TokenAlgorithmRefused,
    TokenAudienceIsWrong,
    TokenHasExpired,
    TokenIsMalformed,
    TokenIsNotYetValid,
    TokenIssuerIsWrong,
    TokenSignatureIsWrong,
    issue_token,
    load_key,
)
from shared.web.oidc import (
    ALGORITHMS,
    REFRESH_SECONDS,
    RETRY_SECONDS,
    IdentityProviderUnavailable,
    Issuer,
    Keys,
    Provider,
    RoleIsNotMapped,
    TokenKeyIsUnknown,
    read_issuers,
    verifier_of,
)

NOW = datetime(2021, 3, 1, 1, 0, tzinfo=UTC)
SOUND = Accepting(algorithms=list(ALGORITHMS))
KEYS: dict[str, tuple[str, Key]] = {
    "rsa": ("RS256", RSAKey.generate_key(2048)),
    "pss": ("PS256", RSAKey.generate_key(2048)),
    "ec": ("ES256", ECKey.generate_key("P-256")),
    "ed": ("EdDSA", OKPKey.generate_key("Ed25519")),
}


class _Published:
    """A provider's two documents on a port of this machine, as a test wants them."""

    def __init__(self) -> None:
        self.keys: list[str] = list(KEYS)
        self.asked: list[str] = []
        self.answer: Callable[[str], tuple[int, bytes]] | None = None
        published = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                published.asked.append(self.path)
                status, body = (published.answer or published.documents)(self.path)
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/realms/banner"

    def documents(self, path: str) -> tuple[int, bytes]:
        """What a sound provider answers."""
        if path.endswith("openid-configuration"):
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        keys = [{**KEYS[kid][1].as_dict(private=False), "kid": kid, "use": "sig"} for kid in self.keys]
        return 200, json.dumps({"keys": keys}).encode()


@pytest.fixture
def published() -> Iterator[_Published]:
    made = _Published()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


class _Time:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> _Time:
    return _Time()


def _provider(published: _Published, now: _Time, **options: Any) -> Provider:
    issuer = Issuer(url=published.url, audience="duban", **options)
    return Provider(issuer, lambda: NOW, Keys(issuer, now))


def _token(published: _Published, kid: str = "rsa", /, **claims: Any) -> str:
    algorithm, key = KEYS[kid]
    said = {
        "iss": published.url,
        "aud": ["account", "duban"],
        "sub": "7c1",
        "post": "fgw/head",
        "unit": "fgw",
        "role": "unit_head",
        "exp": NOW.timestamp() + 300,
        **claims,
    }
    return jwt.encode(
        {"alg": algorithm, "kid": kid}, {k: v for k, v in said.items() if v is not None}, key, registry=SOUND
    )


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


@pytest.mark.parametrize("kid", KEYS)
def test_a_token_of_each_kind_of_key_is_accepted(published: _Published, now: _Time, kid: str) -> None:
    identity = _provider(published, now)(_token(published, kid))
    assert (identity.post, identity.unit, identity.role) == ("fgw/head", "fgw", Role.unit_head)


@pytest.mark.parametrize(
    ("claims", "refused"),
    [
        ({"exp": NOW.timestamp()}, TokenHasExpired),
        ({"exp": None}, TokenIsMalformed),
        ({"exp": "tomorrow"}, TokenIsMalformed),
        ({"nbf": NOW.timestamp() + 31}, TokenIsNotYetValid),
        ({"aud": "account"}, TokenAudienceIsWrong),
        ({"aud": None}, TokenAudienceIsWrong),
        ({"post": ""}, TokenIsMalformed),
        ({"unit": ["fgw"]}, TokenIsMalformed),
        ({"role": "emperor"}, RoleIsNotMapped),
        ({"role": ["unit_head", "officer"]}, RoleIsNotMapped),
        ({"role": None}, RoleIsNotMapped),
        ({"typ": "ID"}, TokenIsMalformed),
    ],
)
def test_a_claim_that_is_wrong_is_refused_by_name(
    published: _Published, now: _Time, claims: dict[str, Any], refused: type[NotAuthenticated]
) -> None:
    with pytest.raises(refused):
        _provider(published, now)(_token(published, **claims))


def test_a_clock_that_is_a_little_ahead_is_allowed(published: _Published, now: _Time) -> None:
    assert _provider(published, now)(_token(published, nbf=NOW.timestamp() + 29)).unit == "fgw"


def test_claims_are_found_by_the_mapping(published: _Published, now: _Time) -> None:
    provider = _provider(
        published,
        now,
        claims={"role": "realm_access.roles", "post": "https://example.gov.cn/post", "unit": "organ.code"},
        roles={"banner-head": "unit_head", "banner-inspector": "supervision_office"},
    )
    said = {
        "realm_access": {"roles": ["offline_access", "banner-inspector"]},
        "https://example.gov.cn/post": "inspect/chief",
        "organ": {"code": "inspect"},
        "role": "auditor",
    }
    identity = provider(_token(published, **said))
    assert (identity.post, identity.unit, identity.role) == (
        "inspect/chief",
        "inspect",
        Role.supervision_office,
    )
    with pytest.raises(RoleIsNotMapped):
        provider(_token(published, **said | {"realm_access": {"roles": ["unit_head"]}}))


def test_a_signature_with_what_is_published_is_refused(published: _Published, now: _Time) -> None:
    provider = _provider(published, now)
    public = KEYS["rsa"][1].as_pem(private=False)
    head, body, _ = _token(published).split(".")
    hs256 = _encoded(b'{"alg":"HS256","kid":"rsa"}')
    signed = f"{hs256}.{body}"
    with pytest.raises(TokenAlgorithmRefused):
        provider(f"{signed}.{_encoded(hmac.digest(public, signed.encode(), 'sha256'))}")
    none = _encoded(b'{"alg":"none","kid":"rsa"}')
    for forged in (f"{none}.{body}.", f"{head}.{body}.", f"{head}.{body}.{'A' * 342}"):
        with pytest.raises(NotAuthenticated):
            provider(forged)
    claims = jwt.decode(_token(published), KEYS["rsa"][1], registry=SOUND).claims
    other = jwt.encode({"alg": "RS256", "kid": "rsa"}, claims, KEYS["pss"][1], registry=SOUND)
    with pytest.raises(TokenSignatureIsWrong):
        provider(other)


def test_an_algorithm_that_is_not_configured_is_refused(published: _Published, now: _Time) -> None:
    provider = _provider(published, now, algorithms=("ES256",))
    assert provider(_token(published, "ec")).unit == "fgw"
    with pytest.raises(TokenAlgorithmRefused):
        provider(_token(published, "rsa"))


def test_a_new_key_is_fetched_when_a_token_names_it_and_seldom(published: _Published, now: _Time) -> None:
    published.keys = ["rsa"]
    provider = _provider(published, now)
    assert provider(_token(published)).unit == "fgw"
    published.keys = ["rsa", "ec"]
    before = len(published.asked)
    for _ in range(5):
        with pytest.raises(TokenKeyIsUnknown):
            provider(_token(published, "ec"))
    assert len(published.asked) == before, "strangers' tokens do not make it ask again and again"
    now.seconds += RETRY_SECONDS
    assert provider(_token(published, "ec")).unit == "fgw"


def test_a_key_that_was_withdrawn_is_not_accepted_after_the_next_refresh(
    published: _Published, now: _Time
) -> None:
    provider = _provider(published, now)
    token = _token(published, "ec")
    assert provider(token).unit == "fgw"
    published.keys = ["rsa"]
    now.seconds += REFRESH_SECONDS
    provider(_token(published))  # begins the refresh
    for thread in threading.enumerate():
        if thread.name == "oidc":
            thread.join()
    with pytest.raises(TokenKeyIsUnknown):
        provider(token)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: (500, b""),
        lambda _: (302, b""),
        lambda _: (200, b"<html>"),
        lambda _: (200, b"[]"),
        lambda _: (200, b'{"issuer": "https://other.example"}'),
        lambda _: (200, b"[" * 100_000),
        lambda _: (200, b" " * 300_000),
    ],
    ids=["500", "redirect", "html", "list", "another issuer", "deep", "large"],
)
def test_a_provider_that_fails_is_named_and_known_keys_go_on_working(
    published: _Published, now: _Time, answer: Callable[[str], tuple[int, bytes]]
) -> None:
    published.answer = answer
    provider = _provider(published, now)
    with pytest.raises(IdentityProviderUnavailable):
        provider(_token(published))
    assert provider.keys.fault
    published.answer = None
    now.seconds += RETRY_SECONDS
    assert provider(_token(published)).unit == "fgw"
    assert provider.keys.fault is None
    published.answer = answer
    now.seconds += REFRESH_SECONDS
    assert provider(_token(published)).unit == "fgw"
    for thread in threading.enumerate():
        if thread.name == "oidc":
            thread.join()
    assert provider.keys.fault
    assert provider(_token(published, sub="another")).subject == "another"


def test_keys_that_are_none_are_left_out(published: _Published, now: _Time) -> None:
    odd: list[Any] = [1, {}, {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, {"kty": "XX", "kid": "x"}]
    sound = published.documents

    def answer(path: str) -> tuple[int, bytes]:
        status, body = sound(path)
        document = json.loads(body)
        if "keys" in document:
            document["keys"] = [*odd, *document["keys"]]
        return status, json.dumps(document).encode()

    published.answer = answer
    provider = _provider(published, now)
    assert provider(_token(published)).unit == "fgw"
    with pytest.raises(TokenKeyIsUnknown):
        provider.keys.find("s")


def _configured(tmp_path: Path, published: _Published, **changes: Any) -> Config:
    path = tmp_path / "issuers.toml"
    path.write_text(f'[[issuer]]\nurl = "{published.url}"\naudience = "duban"\n', "utf-8")
    return Config(data=tmp_path, issuers=path, **changes)


def _local(config: Config) -> str:
    return issue_token(
        load_key(config.data),
        post="fgw/head",
        unit="fgw",
        role=Role.unit_head,
        now=NOW,
        lifetime=timedelta(hours=1),
        issuer=config.token_issuer,
        audience=config.token_audience,
    )


def test_the_local_key_counts_beside_a_provider_only_if_configured(
    tmp_path: Path, published: _Published
) -> None:
    config = _configured(tmp_path, published)
    verify = verifier_of(config, lambda: NOW)
    assert verify(_token(published)).unit == "fgw"
    with pytest.raises(TokenIssuerIsWrong):
        verify(_local(config))
    assert (
        verifier_of(_configured(tmp_path, published, token_local="yes"), lambda: NOW)(_local(config)).unit
        == "fgw"
    )
    assert verifier_of(Config(data=tmp_path), lambda: NOW)(_local(config)).unit == "fgw"


def test_a_service_without_any_key_is_not_ready_and_says_why(tmp_path: Path, published: _Published) -> None:
    published.answer = lambda _: (503, b"")
    verify = verifier_of(_configured(tmp_path, published), lambda: NOW)
    with pytest.raises(IdentityProviderUnavailable):
        verify(_token(published))
    (reason,) = verify.unready()
    assert published.url in reason
    assert "503" in reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "issuer"),
        ("[[issuer]]\n", "url"),
        ('[[issuer]]\nurl = "https://a.cn"\n', "audience"),
        ('[[issuer]]\nurl = "http://a.cn"\naudience = "d"\n', "https"),
        ('[[issuer]]\nurl = "https://a.cn"\naudience = ""\n', "audience"),
        ('[[issuer]]\nurl = "https://a.cn"\naudience = "d"\nalgorithms = ["HS256"]\n', "HS256"),
        ('[[issuer]]\nurl = "https://a.cn"\naudience = "d"\nclaims = {person = "sub"}\n', "person"),
        ('[[issuer]]\nurl = "https://a.cn"\naudience = "d"\nroles = {x = "king"}\n', "king"),
        ('[[issuer]]\nurl = "https://a.cn"\naudience = "d"\nca = "/nowhere.pem"\n', "nowhere"),
        ('[[issuer]]\nurl = "https://a.cn"\naudience = "d"\ncolour = "red"\n', "colour"),
        ('[[issuer]]\nurl = "https://a.cn"\naudience = "d"\n' * 2, "twice"),
        ("issuer = 3\n", "issuer"),
        ("= nonsense", "line 1"),
    ],
)
def test_a_faulty_file_of_issuers_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "issuers.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(Misconfigured, match="DUBAN_ISSUERS") as caught:
        read_issuers(path)
    assert reason in str(caught.value)
