"""Every setting has its effect in every way of starting; a stopped suite leaves nothing behind."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from services.processes import environment, health_ports, web_grace
from services.suite import SUITE
from shared.personal_data.master import make_master
from shared.process.config import READERS, Config
from shared.web.server import settings_of
from tests.test_command_line import ROOT

SECONDS = 90
RULEBOOK = ROOT / "shared" / "rulebook" / "rulebook.csv"


def some_config(folder: Path) -> Config:
    """Every setting of an embedded suite, none of them the default."""
    folder.mkdir()
    (folder / "clock").write_text("2021-03-08T09:00:00+08:00", "ascii")
    (folder / "rules.csv").write_text(
        re.sub(r"# version: \d+", "# version: 303", RULEBOOK.read_text("utf-8"), count=1), "utf-8"
    )
    make_master(folder / "master keys")
    with socket.socket() as probe:
        probe.bind(("127.0.0.3", 0))
        port = probe.getsockname()[1]
    return Config(
        data=folder / "data of ours",
        clock=f"file:{folder / 'clock'}",
        language="en",
        poll_seconds=0.05,
        host="127.0.0.3",
        port=port,
        token_issuer="issuer-of-ours",
        token_audience="audience-of-ours",
        rulebook=folder / "rules.csv",
        without_post="auditor,supervision_office",
        read_wait_seconds=0.5,
        log_level="error",
        health_port=port + 1 if port < 65000 else port - 9,
        rate_caller=90_000,
        rate_address=90_000,
        drain_seconds=9.0,
        web_workers=2,
        web_threads=3,
        seal_seconds=1.0,
        seal_origin="seal.of.ours",
        seal_key=folder / "our seal.key",
        seal_folder=folder / "sealed",
        seal_mail_to="a@example.cn,b@example.cn",
        smtp="127.0.0.1:1",
        keys=str(folder / "our keys"),
        master_key=folder / "master keys",
    )


def environment_of(config: Config, temporary: Path) -> dict[str, str]:
    temporary.mkdir(exist_ok=True)
    return {**environment(config), "TMPDIR": str(temporary)}


def get(config: Config, path: str, token: str = "", port: int = 0) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://{config.host}:{port or config.port}{path}",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
            return answer.status, json.loads(body) if answer.headers[
                "Content-Type"
            ] == "application/json" else body
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def wait_until(holds: Callable[[], bool], why: Callable[[], str]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def test_the_settings_are_all_there_and_reach_every_process(tmp_path: Path) -> None:
    named = {f"DUBAN_{one.name.upper()}" for one in fields(Config)}
    assert named == set(READERS)
    config = some_config(tmp_path / "ours")
    assert Config.from_environment(environment(config)) == config
    cluster = replace(
        config,
        issuers=tmp_path / "ours" / "clock",
        token_local="yes",
        trusted_proxies=1,
        database="postgresql://u@h:5432/duban_{service}?application_name=x%20y",
        kafka="a:1,b:2",
        kafka_security="SASL_SSL",
        kafka_user="u",
        kafka_password="p w",
        kafka_ca=tmp_path / "ours" / "clock",
        kafka_certificate=tmp_path / "ours" / "clock",
        kafka_key=tmp_path / "ours" / "clock",
        kafka_partitions=3,
        kafka_replication=2,
        kafka_session_seconds=7.5,
    )
    assert Config.from_environment(environment(cluster)) == cluster
    given = [
        one.name
        for one in fields(Config)
        if any(getattr(ours, one.name) != one.default for ours in (config, cluster))
    ]
    assert given == [one.name for one in fields(Config)]


@pytest.mark.parametrize(
    ("way", "variable", "value"),
    [
        ("services serve", "DUBAN_WEB_THREADS", "many"),
        ("services audit serve", "DUBAN_WEB_WORKERS", "0"),
        ("services views rebuild", "DUBAN_SMTP", "here"),
        ("services.assignment web", "DUBAN_DRAIN_SECONDS", "-1"),
        ("services.supervision worker", "DUBAN_PROT", "1"),
    ],
)
def test_every_way_of_starting_refuses_a_faulty_setting(
    tmp_path: Path, way: str, variable: str, value: str
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUBAN_")}
    done = subprocess.run(
        [sys.executable, "-m", *way.split()],
        env={**kept, "DUBAN_DATA": str(tmp_path / "data"), variable: value},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, variable in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "data").exists()


def test_the_web_servers_settings_are_those_of_the_configuration(tmp_path: Path) -> None:
    config = some_config(tmp_path / "ours")
    found = settings_of(config)
    assert (found["workers"], found["threads"], found["loglevel"]) == (2, 3, "error")
    assert found["bind"] == f"127.0.0.3:{config.port}"
    assert settings_of(replace(config, host="::1", port=1))["bind"] == "[::1]:1"
    assert web_grace(config) == web_grace(Config()) + 9
    assert set(health_ports(Config()).values()) == {0}
    assert health_ports(Config(health_port=9000)) == dict(zip(SUITE, range(9000, 9004), strict=True))
