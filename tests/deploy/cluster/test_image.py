"""Every role from the image, with a root that nobody writes, no capability and no name, on real components."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cluster.containers import USER, Container, Site, roles
from deploy.cluster.image import sbom
from deploy.stack import Broker, Postgres
from services.suite import SUITE
from shared.messaging.transport.kafka.client import topic_of
from tests.faults.cluster import delete_topics


@pytest.fixture(scope="module")
def site(
    built: str, server: Postgres, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    delete_topics(broker, *map(topic_of, SUITE))
    for service in (*SUITE, "keys"):
        server.create_database(f"image_{service}")
    folder = tmp_path_factory.mktemp("keys")
    with Site(folder, server.url("image_{service}"), broker.bootstrap) as opened:
        yield opened


def test_the_jobs_of_an_installation_end_well(site: Site) -> None:
    for command in (("duban", "migrate"), ("duban", "topics", "apply")):
        done = site.run(*command)
        assert done.returncode == 0, done.stderr
    assert "schema" in site.run("duban", "migrate").stdout


@pytest.mark.parametrize(("service", "role"), list(roles()), ids=lambda part: part)
def test_a_role_becomes_ready_and_ends_when_told(site: Site, service: str, role: str) -> None:
    container = site.start(service, role)
    container.wait()
    for pid in container.pids:
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
        )
        assert set(status["Uid"].split()) == {str(USER)}
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0}
        assert status["NoNewPrivs"] == "1"
    assert container.stop() == 0


def test_an_outage_of_the_database_toggles_readiness_only(site: Site) -> None:
    nowhere = {"DUBAN_DATABASE": "postgresql://duban@127.0.0.1:1/image_{service}"}
    for role in ("web", "project"):
        container = site.start("assignment", role, **nowhere)
        alive(container)
        assert container.status("/readyz") == 503
        assert container.status("/healthz") == 200
        assert container.stop() == 0


def alive(container: Container) -> None:
    until = time.monotonic() + 60
    while container.status("/healthz") != 200:
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("DUBAN_LANGUAGE", "de", '\'de\' is not "zh" or "en"'),
        ("DUBAN_KAFKA", "kafka", "'kafka' is not host:port,host:port"),
        ("DUBAN_MASTER_KEY", "/etc/duban/none", "/etc/duban/none is not a file"),
        ("DUBAN_DATABSE", "", "no such setting"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(site: Site, setting: str, value: str, reason: str) -> None:
    done = site.run("python", "-m", "services.assignment", "web", **{setting: value})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"duban: {setting}: {reason}")


def test_nothing_can_be_written_but_data_and_tmp(site: Site) -> None:
    script = """
import os
for folder in ("/", "/etc", "/opt/duban", "/usr", "/var/tmp", "/home"):
    try:
        open(os.path.join(folder, "written"), "w")
    except OSError:
        continue
    print(folder)
"""
    done = site.run("python", "-c", script)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_image_has_no_compiler_and_no_installer(site: Site) -> None:
    script = (
        "import shutil; print([name for name in ('gcc', 'cc', 'make', 'pip', 'pip3') if shutil.which(name)])"
    )
    assert site.run("python", "-c", script).stdout == "[]\n"


def test_a_backup_and_its_verification_run_as_their_schedules_do(site: Site, tmp_path: Path) -> None:
    assert site.run("duban", "migrate").returncode == 0
    done = site.run("duban", "backup", "/tmp/pod-1")
    assert done.returncode == 0, done.stderr
    done = site.run("duban", "audit", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sbom_lists_what_is_installed(built: str) -> None:
    listed = {one["purl"].partition("@")[0] for one in sbom()["components"]}  # type: ignore[attr-defined]
    assert {"pkg:pypi/flask", "pkg:pypi/duban", "pkg:deb/debian/libc6"} <= listed
    assert "pkg:pypi/pip" not in listed
