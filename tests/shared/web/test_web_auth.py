"""Who is asking, and who may."""

import base64
import hmac
import json
import os
import stat
import subprocess
import sys
from datetime import timedelta

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import OKPKey

from shared.domain.roles import Role
from shared.process.config import Config, Misconfigured
from shared.web.app import create_app
from shared.web.auth import load_key, undecided_routes, verifier
from shared.web.http import Blueprint

TASK = "/api/v1/tasks/00000000-0000-0000-0000-000000000001"


def rule_for(toy, header):
    headers = {} if header is None else {"Authorization": header}
    answer = toy.client.get("/api/v1/tasks", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.mimetype == "application/problem+json"
    return answer.json["rule"]


def test_a_valid_token_is_let_in(toy):
    assert toy.call("GET", "/api/v1/tasks").status_code == 200


def test_a_missing_token_is_named(toy):
    assert rule_for(toy, None) == "token-is-missing"
    assert rule_for(toy, "Basic abc") == "token-is-missing"
    assert rule_for(toy, "Bearer ") == "token-is-missing"


@pytest.mark.parametrize(
    "text", ["abc", "a.b.c", "....", "é.é.é", "eyJhbGciOiJFZERTQSJ9.e30.", "[" * 5000, "e30.e30.e30"]
)
def test_a_malformed_token_is_named(toy, text):
    assert rule_for(toy, f"Bearer {text}") in ("token-is-malformed", "token-signature-is-wrong")


def test_an_expired_token_is_named_at_the_very_second(toy):
    token = toy.token(lifetime=timedelta(seconds=60))
    toy.now += timedelta(seconds=59)
    assert toy.client.get("/api/v1/tasks", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    toy.now += timedelta(seconds=1)
    assert rule_for(toy, f"Bearer {token}") == "token-has-expired"


def test_a_token_of_the_future_is_named(toy):
    token = toy.token(now=toy.now + timedelta(seconds=5))
    assert rule_for(toy, f"Bearer {token}") == "token-is-not-yet-valid"


def test_a_foreign_key_is_named(toy):
    assert (
        rule_for(toy, f"Bearer {toy.token(key=OKPKey.generate_key('Ed25519'))}") == "token-signature-is-wrong"
    )


def test_wrong_issuer_and_audience_are_named(toy):
    assert rule_for(toy, f"Bearer {toy.token(issuer='other')}") == "token-issuer-is-wrong"
    assert rule_for(toy, f"Bearer {toy.token(audience='other')}") == "token-audience-is-wrong"


def claims(toy):
    return jwt.decode(toy.token(), toy.key, algorithms=["EdDSA", "Ed25519"]).claims


def encoded(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_other_algorithms_are_refused_even_with_our_own_public_key(toy):
    payload = encoded(json.dumps(claims(toy)).encode())
    for algorithm in ("none", "HS256", "RS256", "ES256"):
        signed = f"{encoded(json.dumps({'alg': algorithm}).encode())}.{payload}"
        signature = hmac.digest(toy.key.as_pem(private=False), signed.encode(), "sha256")
        for end in ("", encoded(signature)):
            assert rule_for(toy, f"Bearer {signed}.{end}") == "token-algorithm-refused"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": 1e300},
        {"nbf": None},
        {"role": "emperor"},
        {"role": ["officer"]},
        {"unit": ""},
        {"post": 7},
    ],
)
def test_claims_of_the_wrong_shape_are_malformed(toy, change):
    payload = {name: value for name, value in {**claims(toy), **change}.items() if value is not None}
    token = jwt.encode({"alg": "Ed25519"}, payload, toy.key, algorithms=["Ed25519"])
    assert rule_for(toy, f"Bearer {token}") == "token-is-malformed"


def test_the_wrong_role_is_forbidden_and_told_who_may(toy):
    answer = toy.call("POST", f"{TASK}/close", role=Role.officer, headers={"Accept-Language": "en"})
    assert answer.status_code == 403
    assert answer.json["rule"] == "role-may-not"
    assert answer.json["detail"].endswith("these may: unit head")


def test_the_key_has_mode_0600_and_stays(tmp_path):
    first = load_key(tmp_path)
    path = tmp_path / "keys" / "token.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path).as_pem(private=True) == first.as_pem(private=True)
    assert os.listdir(path.parent) == ["token.pem"]


def test_a_key_that_others_can_read_stops_the_start(tmp_path):
    load_key(tmp_path)
    (tmp_path / "keys" / "token.pem").chmod(0o640)
    with pytest.raises(Misconfigured, match=r"DUBAN_DATA: .*mode 0640"):
        load_key(tmp_path)


def test_a_mounted_secret_may_be_read_by_its_group(tmp_path):
    key = load_key(tmp_path)
    (tmp_path / "keys" / "token.pem").chmod(0o440)
    assert load_key(tmp_path).as_pem(private=True) == key.as_pem(private=True)


def test_a_broken_key_stops_the_start(tmp_path):
    (tmp_path / "keys").mkdir()
    path = tmp_path / "keys" / "token.pem"
    path.write_text("no key")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="DUBAN_DATA"):
        load_key(tmp_path)


START = """
import sys
from pathlib import Path
from shared.web.auth import load_key
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
print(load_key(Path(sys.argv[1])).as_pem(private=True).hex())
"""


def test_processes_that_start_at_once_end_with_one_key(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    starting = [subprocess.Popen([sys.executable, "-c", START, str(tmp_path)], **pipes) for _ in range(4)]
    for process in starting:
        assert process.stdout.readline() == "ready\n"
    for process in starting:
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=30)[0] for process in starting}
    assert len(keys) == 1
    assert keys != {""}
    assert os.listdir(tmp_path / "keys") == ["token.pem"]


def test_an_undecided_route_stops_the_start(toy):
    blueprint = Blueprint("forgotten", __name__)

    @blueprint.get("/forgotten")
    @blueprint.response(200)
    def forgotten() -> None: ...

    verify = verifier(toy.key, clock=lambda: toy.now, issuer="duban", audience="duban")
    with pytest.raises(RuntimeError, match="/forgotten"):
        create_app(
            "toy", config=Config(), clock=lambda: toy.now, blueprints=[blueprint], title="t", verify=verify
        )


def test_undecided_routes_are_listed(toy):
    assert undecided_routes(toy.app) == []
    app = Flask("bare", static_folder=None)
    app.add_url_rule("/x", view_func=lambda: "x", endpoint="x", methods=["POST"])
    assert undecided_routes(app) == ["OPTIONS,POST /x"]
