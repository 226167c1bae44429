"""Tokens of OpenID Connect providers: discovery, keys and their rotation, claims by data (身份提供方).

OpenID Connect Discovery 1.0, RFC 7517 (keys), RFC 9068 (access tokens). Keys are fetched when they are first needed,
when a token names an unknown one, and every few minutes; while a provider is away the known keys go on working.
"""

import base64
import json
import threading
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import urllib3
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, KeySet

from shared.domain.clock import Clock
from shared.domain.roles import Role
from shared.domain.words import Title
from shared.process import logs
from shared.process.config import Config, Misconfigured
from shared.web.auth import (
    Accepting,
    Identity,
    NotAuthenticated,
    Token,
    TokenAlgorithmRefused,
    TokenIsMalformed,
    TokenIssuerIsWrong,
    TokenSignatureIsWrong,
    check_audience,
    load_key,
    moments_of,
    the_claim,
    verifier,
)

log = logs.log("oidc")

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signature algorithms that may be configured: with a public key, so that nobody can sign with what is published."""
REFRESH_SECONDS = 300.0
"""Age at which the keys of a provider are fetched again: for so long a key that it has withdrawn may still be taken."""
RETRY_SECONDS = 5.0
"""Least time between two requests to a provider, whoever asks for however many unknown keys."""
TIMEOUT = urllib3.Timeout(connect=2.0, read=2.0, total=3.0)
LARGEST_DOCUMENT = 256 * 1024
LEEWAY = 30.0
"""Seconds by which a provider's clock may be ahead."""


class TokenKeyIsUnknown(NotAuthenticated):
    """令牌的签名密钥不是身份提供方 {issuer} 公布的
    The token's key is none that the identity provider {issuer} publishes"""


class IdentityProviderUnavailable(NotAuthenticated):
    """身份提供方 {issuer} 暂时不可用，无法核验令牌，请稍后重试
    The identity provider {issuer} is unavailable, so that the token cannot be verified; please try again"""

    status = 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class RoleIsNotMapped(NotAuthenticated):
    """令牌没有给出唯一的角色：{given}
    The token does not give exactly one role: {given}"""

    status = 403


# --- configuration -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Issuer:
    """An OpenID Connect provider whose tokens are accepted."""

    url: str
    """Exactly as in the token's ``iss``."""
    audience: str
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    claims: Mapping[str, str] = field(default_factory=dict)
    """``subject``, ``post``, ``unit``, ``role`` → the claim's name; a dot leads into an object."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """The provider's role → the suite's; empty: they have the same names."""
    ca: str = ""
    """A file with the certificates to trust; empty: those of the system."""


CLAIMS = ("subject", "post", "unit", "role")
_DEFAULT_CLAIMS = {"subject": "sub", "post": "post", "unit": "unit", "role": "role"}


def read_issuers(path: Path) -> tuple[Issuer, ...]:
    """The providers of a TOML file, a table ``[[issuer]]`` each. Raises Misconfigured."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        tables = document.pop("issuer", None)
        if document or not isinstance(tables, list) or not tables:
            raise ValueError(f"needs tables [[issuer]] and nothing else; has {', '.join(document) or 'none'}")
        issuers = tuple(_issuer(table) for table in tables)
    except (OSError, ValueError, TypeError) as error:
        raise Misconfigured(f"DUBAN_ISSUERS: {path}: {error}") from error
    if len({one.url for one in issuers}) < len(issuers):
        raise Misconfigured(f"DUBAN_ISSUERS: {path}: a url stands twice")
    return issuers


def _issuer(table: Mapping[str, Any]) -> Issuer:
    issuer = Issuer(
        **{**table, **({"algorithms": tuple(table["algorithms"])} if "algorithms" in table else {})}
    )
    for name in ("url", "audience", "ca"):
        if not isinstance(getattr(issuer, name), str):
            raise ValueError(f"{name} must be text")
    parts = urlsplit(issuer.url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError(f"url {issuer.url!r} is not https://…")
    if not issuer.audience:
        raise ValueError("audience is empty")
    if wrong := sorted(set(issuer.algorithms) - set(ALGORITHMS)):
        raise ValueError(f"algorithms {', '.join(wrong)}: not among {', '.join(ALGORITHMS)}")
    if wrong := sorted(set(issuer.claims) - set(CLAIMS)):
        raise ValueError(f"claims {', '.join(wrong)}: not among {', '.join(CLAIMS)}")
    if wrong := sorted(set(issuer.roles.values()) - set(Role.__members__)):
        raise ValueError(f"roles {', '.join(wrong)}: not among {', '.join(Role.__members__)}")
    if issuer.ca and not Path(issuer.ca).is_file():
        raise ValueError(f"ca {issuer.ca!r} is not a file")
    return issuer


# --- keys --------------------------------------------------------------------------------------------------------


class ProviderFault(Exception):
    """A provider did not answer, or not with what the standards require."""


class Keys:
    """The published keys of one provider, as last fetched; safe in several threads."""

    def __init__(self, issuer: Issuer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.issuer, self._monotonic = issuer, monotonic
        self._keys: Mapping[str, Key] = {}
        self._fetched_at = self._tried_at = -REFRESH_SECONDS
        self._lock = threading.Lock()
        self.generation = 0
        """Changes whenever the keys change."""
        self.fault: str | None = None
        """Why the last request failed; None after a success."""
        self._http = urllib3.PoolManager(
            timeout=TIMEOUT, retries=False, cert_reqs="CERT_REQUIRED", ca_certs=issuer.ca or None
        )

    @property
    def known(self) -> bool:
        """Whether any key is known."""
        return bool(self._keys)

    def refresh(self) -> None:
        """Fetch the keys in the background if they are old."""
        if self._monotonic() - self._fetched_at >= REFRESH_SECONDS and self._may_ask():
            threading.Thread(target=self._fetch, name="oidc", daemon=True).start()

    def find(self, kid: str) -> Key:
        """The key of this id; a provider that may have new ones is asked.

        Raises TokenKeyIsUnknown, IdentityProviderUnavailable.
        """
        if kid not in self._keys and self._may_ask():
            self._fetch()
        if kid in self._keys:
            return self._keys[kid]
        if self.fault is not None:
            raise IdentityProviderUnavailable(issuer=self.issuer.url)
        raise TokenKeyIsUnknown(issuer=self.issuer.url)

    def _may_ask(self) -> bool:
        return self._monotonic() - self._tried_at >= RETRY_SECONDS

    def _fetch(self) -> None:
        with self._lock:
            if not self._may_ask():
                return  # another thread has just asked
            try:
                keys = self._ask()
            except ProviderFault as fault:
                self.fault = str(fault)
                log.error("identity_provider_unavailable", issuer=self.issuer.url, reason=self.fault)
            else:
                self.fault, self._fetched_at = None, self._monotonic()
                if keys.keys() != self._keys.keys():
                    log.info("identity_provider_keys", issuer=self.issuer.url, keys=sorted(keys))
                    self.generation += 1
                self._keys = keys
            finally:
                self._tried_at = self._monotonic()

    def _ask(self) -> Mapping[str, Key]:
        about = self._document(f"{self.issuer.url.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != self.issuer.url:
            raise ProviderFault(f"its configuration names another issuer: {about.get('issuer')!r}")
        where = about.get("jwks_uri")
        if not isinstance(where, str) or urlsplit(where).scheme != urlsplit(self.issuer.url).scheme:
            raise ProviderFault(f"its configuration names no place of its keys: {where!r}")
        published = self._document(where).get("keys")
        if not isinstance(published, list):
            raise ProviderFault("its document of keys has no list of keys")
        found = {}
        for one in published:
            if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
                continue
            try:
                (key,) = KeySet.import_key_set({"keys": [one]}).keys
            except (JoseError, ValueError, TypeError, KeyError):
                continue  # of a kind that is not known here
            if isinstance(one.get("kid"), str):
                found[one["kid"]] = key
        if not found:
            raise ProviderFault("it publishes no key for signatures")
        return found

    def _document(self, url: str) -> dict[str, Any]:
        try:
            answer = self._http.request("GET", url, preload_content=False, redirect=False)
            try:
                body = answer.read(LARGEST_DOCUMENT + 1)
            finally:
                answer.close()
            if answer.status != 200:
                raise ProviderFault(f"{url} answers {answer.status}")
            if len(body) > LARGEST_DOCUMENT:
                raise ProviderFault(f"{url} answers more than {LARGEST_DOCUMENT} bytes")
            document = json.loads(body)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ProviderFault(f"{url}: {type(error).__name__}") from error
        except (ValueError, RecursionError) as error:
            raise ProviderFault(f"{url} answers no JSON") from error
        if not isinstance(document, dict):
            raise ProviderFault(f"{url} answers no JSON object")
        return document


# --- tokens ------------------------------------------------------------------------------------------------------


class Provider:
    """Verifies the tokens of one provider."""

    def __init__(self, issuer: Issuer, clock: Clock, keys: Keys | None = None) -> None:
        self.issuer, self._clock = issuer, clock
        self.keys = keys or Keys(issuer)
        self._registry = Accepting(algorithms=list(issuer.algorithms))
        self._read = lru_cache(maxsize=1024)(self._verified)

    def __call__(self, token: str) -> Identity:
        """Who it is. Raises NotAuthenticated."""
        self.keys.refresh()
        return self._read(token, self.keys.generation).at(self._clock())

    def _verified(self, token: str, _: int) -> Token:
        key = self.keys.find(_key_id(token))
        try:
            claims = jwt.decode(token, key, registry=self._registry).claims
        except BadSignatureError as error:
            raise TokenSignatureIsWrong from error
        except UnsupportedAlgorithmError as error:
            raise TokenAlgorithmRefused(accepted=self.issuer.algorithms) from error
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise TokenIsMalformed(reason=Title("不是签名的 JWT", "it is no signed JWT")) from error
        return self._checked(claims)

    def _checked(self, claims: Mapping[str, Any]) -> Token:
        if claims.get("iss") != self.issuer.url:
            raise TokenIssuerIsWrong(expected=self.issuer.url)
        check_audience(claims, self.issuer.audience)
        if claims.get("typ") in ("ID", "Refresh"):
            raise TokenIsMalformed(reason=Title("不是访问令牌", "it is no access token"))
        before, until = moments_of(claims)
        said = {name: _at(claims, self.issuer.claims.get(name, _DEFAULT_CLAIMS[name])) for name in CLAIMS}
        for name in ("subject", "post", "unit"):
            if not isinstance(said[name], str) or not said[name]:
                raise TokenIsMalformed(reason=the_claim(self.issuer.claims.get(name, _DEFAULT_CLAIMS[name])))
        identity = Identity(said["subject"], said["post"], said["unit"], self._role(said["role"]))
        return Token(identity, before - LEEWAY, until)

    def _role(self, given: Any) -> Role:
        names = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str)]
        table = self.issuer.roles or {role.value: role.value for role in Role}
        found = {table[name] for name in names if name in table}
        if len(found) != 1:
            raise RoleIsNotMapped(given=names or "-")
        return Role(found.pop())


def _at(claims: Mapping[str, Any], path: str) -> Any:
    if path in claims:
        return claims[path]  # a name may hold dots itself: https://example.gov.cn/post
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _key_id(token: str) -> str:
    kid = _part(token, 0).get("kid")
    if not isinstance(kid, str):
        raise TokenIsMalformed(reason=Title("没有密钥编号 kid", "it names no key (kid)"))
    return kid


def _part(token: str, which: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a token, unverified: only to choose who verifies it."""
    try:
        text = token.split(".")[which]
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (IndexError, ValueError, RecursionError) as error:
        raise TokenIsMalformed(reason=Title("不是签名的 JWT", "it is no signed JWT")) from error
    if not isinstance(found, dict):
        raise TokenIsMalformed(reason=Title("不是签名的 JWT", "it is no signed JWT"))
    return cast("dict[str, Any]", found)


class Verifier:
    """Who a token is for, by the provider that its ``iss`` names, or by the data folder's own key."""

    def __init__(self, own: Callable[[str], Identity] | None, providers: Sequence[Provider]) -> None:
        self._own = own
        self._providers = {one.issuer.url: one for one in providers}

    def __call__(self, token: str) -> Identity:
        """Raises NotAuthenticated."""
        if self._providers:
            issuer = _part(token, 1).get("iss")
            if isinstance(issuer, str) and issuer in self._providers:
                return self._providers[issuer](token)
            if self._own is None:
                raise TokenIssuerIsWrong(expected=", ".join(self._providers))
        assert self._own is not None
        return self._own(token)

    def unready(self) -> list[str]:
        """Providers without any known key, and why; one that is away after its keys were fetched is not among them."""
        reasons = []
        for url, provider in self._providers.items():
            provider.keys.refresh()
            if not provider.keys.known:
                reasons.append(
                    f"the identity provider {url}: {provider.keys.fault or 'its keys are being fetched'}"
                )
        return reasons


def verifier_of(config: Config, clock: Clock) -> Verifier:
    """What the configuration accepts: the data folder's own key, providers, or both."""
    own = None
    if config.issuers is None or config.token_local == "yes":
        own = verifier(
            load_key(config.data), clock=clock, issuer=config.token_issuer, audience=config.token_audience
        )
    issuers = () if config.issuers is None else read_issuers(config.issuers)
    return Verifier(own, [Provider(issuer, clock) for issuer in issuers])
