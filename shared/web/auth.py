"""Who is asking, and who may.

A token is a JWT signed with Ed25519. A service verifies; the data folder's own key signs in the embedded
default, an OIDC provider elsewhere.
"""

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from flask import Flask
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from shared.domain.clock import Clock
from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.domain.words import Enumerated, Title
from shared.process.config import Misconfigured
from shared.process.files import MOUNTED, put_once

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Identity:
    """The person behind a request, as the token names them."""

    subject: str
    post: str
    unit: str
    role: Role


Verify = Callable[[str], Identity]
"""A token's text → who it is, or a :class:`NotAuthenticated`."""


class NotAuthenticated(Refusal):
    """没有可用的身份令牌
    There is no usable token"""

    status = 401
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class TokenIsMissing(NotAuthenticated):
    """请在 Authorization 头里出示令牌：Bearer …
    Show a token in the Authorization header: Bearer …"""


class TokenIsMalformed(NotAuthenticated):
    """令牌不完整或格式不对：{reason}
    The token is malformed: {reason}"""


class TokenAlgorithmRefused(NotAuthenticated):
    """令牌的签名算法不被接受，只接受 {accepted}
    The token's signature algorithm is not accepted; accepted: {accepted}"""


class TokenSignatureIsWrong(NotAuthenticated):
    """令牌的签名不对，不是本系统签发的
    The token's signature is wrong; this suite did not issue it"""


class TokenHasExpired(NotAuthenticated):
    """令牌已于 {at} 过期
    The token expired at {at}"""


class TokenIsNotYetValid(NotAuthenticated):
    """令牌要到 {at} 才生效
    The token is not valid before {at}"""


class TokenIssuerIsWrong(NotAuthenticated):
    """令牌的签发者不对，应为 {expected}
    The token has the wrong issuer; expected {expected}"""


class TokenAudienceIsWrong(NotAuthenticated):
    """令牌不是给本系统用的，应为 {expected}
    The token is meant for another audience; expected {expected}"""


class RoleMayNot(Refusal, role=Enumerated(Role, "role"), allowed=Enumerated(Role, "role")):
    """角色 {role} 不能做这件事；可以做的角色：{allowed}
    The role {role} may not do this; these may: {allowed}"""

    status = 403


# --- the key ---------------------------------------------------------------------------------------------


def make_token_key(path: Path) -> None:
    """Make a key that signs tokens, unless it exists."""
    put_once(path, OKPKey.generate_key("Ed25519").as_pem(private=True))


def load_key(data: Path) -> OKPKey:
    """The data folder's own signing key, made at the first start."""
    path = data / "keys" / "token.pem"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_token_key(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~0o600 and mode != MOUNTED:
        raise Misconfigured(f"DUBAN_DATA: {path} has mode {mode:04o}; the key must not be wider than 0600")
    try:
        key = OKPKey.import_key(path.read_bytes())
        if key.curve_name != "Ed25519" or not key.is_private:
            raise ValueError("not a private Ed25519 key")
    except (JoseError, ValueError, TypeError) as error:
        raise Misconfigured(f"DUBAN_DATA: {path} is not a key ({error})") from error
    return key


# --- the token -------------------------------------------------------------------------------------------


class Accepting(JWSRegistry):
    """The signature algorithms of these names.

    ``EdDSA`` (RFC 8037) and ``Ed25519`` (RFC 9864) are two names of one algorithm; joserfc warns at each use of the
    older one, which identity providers still write.
    """

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not accepted")
        return self.algorithms["Ed25519" if name == "EdDSA" else name]


_REGISTRY = Accepting(algorithms=["EdDSA", "Ed25519"])


def issue_token(
    key: OKPKey,
    *,
    post: str,
    unit: str,
    role: Role,
    now: datetime,
    lifetime: timedelta,
    issuer: str,
    audience: str,
    subject: str | None = None,
) -> str:
    """A token for the holder of ``post``; the subject is the post unless another is given."""
    start = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject or post,
        "post": post,
        "unit": unit,
        "role": str(role),
        "iat": start,
        "nbf": start,
        "exp": start + int(lifetime.total_seconds()),
    }
    return jwt.encode({"alg": "EdDSA"}, claims, key, registry=_REGISTRY)


def _signed_claims(token: str, key: OKPKey) -> Mapping[str, Any]:
    try:
        return jwt.decode(token, key, registry=_REGISTRY).claims
    except BadSignatureError as error:
        raise TokenSignatureIsWrong from error
    except UnsupportedAlgorithmError as error:
        raise TokenAlgorithmRefused(accepted=["EdDSA"]) from error
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        # joserfc lets a few plain errors through for headers that are not what they should be.
        raise TokenIsMalformed(reason=Title("不是签名的 JWT", "it is no signed JWT")) from error


@dataclass(frozen=True)
class Token:
    """A token whose signature and claims are in order, at the moments from ``nbf`` to before ``exp``."""

    identity: Identity
    nbf: float
    exp: float

    def at(self, now: datetime) -> Identity:
        """Who it is. Raises TokenHasExpired, TokenIsNotYetValid."""
        moment = now.timestamp()
        if moment >= self.exp:
            raise TokenHasExpired(at=datetime.fromtimestamp(self.exp, now.tzinfo))
        if moment < self.nbf:
            raise TokenIsNotYetValid(at=datetime.fromtimestamp(self.nbf, now.tzinfo))
        return self.identity


def the_claim(name: str) -> Title:
    """A claim, named in a reason."""
    return Title(f"声明“{name}”", f'the claim "{name}"')


def moments_of(claims: Mapping[str, Any]) -> tuple[float, float]:
    """Not before (0 if there is none), and the end, in Unix time. Raises TokenIsMalformed."""
    found = []
    for name, value in (("nbf", claims.get("nbf", 0)), ("exp", claims.get("exp"))):
        # Bounded, so that a moment can be made of it; a bool is an int in Python.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**35:
            raise TokenIsMalformed(reason=the_claim(name))
        found.append(float(value))
    return found[0], found[1]


def check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Raises TokenAudienceIsWrong."""
    audiences = claims.get("aud")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise TokenAudienceIsWrong(expected=audience)


def _checked(claims: Mapping[str, Any], *, issuer: str, audience: str) -> Token:
    for name in ("iss", "sub", "post", "unit", "role"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            raise TokenIsMalformed(reason=the_claim(name))
    if "nbf" not in claims:
        raise TokenIsMalformed(reason=the_claim("nbf"))
    before, until = moments_of(claims)
    if claims["iss"] != issuer:
        raise TokenIssuerIsWrong(expected=issuer)
    check_audience(claims, audience)
    if claims["role"] not in Role.__members__:
        raise TokenIsMalformed(reason=the_claim("role"))
    identity = Identity(claims["sub"], claims["post"], claims["unit"], Role(claims["role"]))
    return Token(identity, before, until)


def verifier(key: OKPKey, *, clock: Clock, issuer: str, audience: str) -> Verify:
    """Who a token is for, or the named reason why it is not accepted.

    What the token says is checked once, for as long as it is among the last thousand; the time at each request.
    """

    @lru_cache(maxsize=1024)
    def read(token: str) -> Token:
        return _checked(_signed_claims(token, key), issuer=issuer, audience=audience)

    return lambda token: read(token).at(clock())


def bearer(header: str | None) -> str:
    """The token in an ``Authorization`` header."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenIsMissing
    return token.strip()


# --- the decision of each route --------------------------------------------------------------------------


def _decide(view: View, roles: frozenset[Role], **documented: Any) -> View:
    # flask-smorest copies ``_apidoc`` from decorator to decorator and merges ``manual_doc`` last.
    apidoc = {**getattr(view, "_apidoc", {})}
    apidoc["manual_doc"] = {**apidoc.get("manual_doc", {}), **documented}
    view._apidoc = apidoc  # type: ignore[attr-defined]
    view.duban_roles = roles  # type: ignore[attr-defined]
    return view


def allow(*roles: Role) -> Callable[[View], View]:
    """Only these roles may; written into the OpenAPI operation too."""
    if not roles:
        raise ValueError("name at least one role, or declare the route @public")
    names = sorted(str(role) for role in roles)
    documented = {"x-roles": names, "security": [{"bearer": []}]}
    return lambda view: _decide(view, frozenset(roles), **documented)


def public(view: View) -> View:
    """Anybody may, without a token."""
    return _decide(view, frozenset(), **{"x-roles": ["public"], "security": []})


def allowed_roles(view: object) -> frozenset[Role] | None:
    """Who may; empty for everybody, ``None`` where nobody decided."""
    return cast("frozenset[Role] | None", getattr(view, "duban_roles", None))


def undecided_routes(app: Flask) -> list[str]:
    """The routes for which nobody declared who may."""
    return sorted(
        f"{','.join(sorted(rule.methods or ()))} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if allowed_roles(app.view_functions[rule.endpoint]) is None
    )
