"""What the manifests say about the suite is what the suite says about itself.

They are read as they stand; how kustomize puts them together is looked at in tests/deploy/cluster (`make deploy-test`).
"""

import json
import re
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack import free_port
from deploy.stack.programs import ROOT
from services.processes import Process, web_of, worker_of
from services.suite import SUITE
from shared.messaging.transport.kafka.topics import wanted_rights, wanted_topics
from shared.process.config import READERS, Config
from shared.web.oidc import read_issuers

KUBERNETES = ROOT / "deploy" / "kubernetes"
FILES = sorted(KUBERNETES.rglob("*.yaml"))
BY_OTHERS = {
    "duban-tls": "the certificate of the host, by cert-manager or by hand",
    "kafka-cluster-ca-cert": "Strimzi's operator",
}
"""Secrets that are referred to and made by others."""


def documents(path: Path) -> list[Any]:
    return [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one]


ALL = [(path, one) for path in FILES for one in documents(path)]


def nodes(one: object) -> Iterator[dict[str, Any]]:
    """Every mapping in a document, also in patches that stand in it as text."""
    if isinstance(one, dict):
        yield one
        for value in one.values():
            yield from nodes(value)
    elif isinstance(one, list):
        for value in one:
            yield from nodes(value)
    elif isinstance(one, str) and "\n" in one:
        yield from nodes(yaml.safe_load(one))


def literals() -> dict[str, set[str]]:
    """The settings in ConfigMaps, each with its values."""
    found: dict[str, set[str]] = {}
    for _, one in ALL:
        for generator in one.get("configMapGenerator", []):
            for line in generator.get("literals", []):
                name, _, value = line.partition("=")
                found.setdefault(name, set()).add(value)
    return found


@pytest.mark.parametrize(
    "path",
    [*FILES, ROOT / "deploy" / "Containerfile", ROOT / "deploy" / "secrets.py"],
    ids=lambda path: str(path.relative_to(ROOT / "deploy")),
)
def test_every_setting_is_one_that_the_configuration_knows(path: Path) -> None:
    assert set(re.findall(r"\bDUBAN_[A-Z_]+", path.read_text("utf-8"))) <= set(READERS)


def test_every_value_is_one_that_the_configuration_accepts() -> None:
    for name, values in literals().items():
        for value in values:
            if not value.startswith("/etc/duban/"):  # a mounted file, which is not here
                READERS[name](value)


def test_every_mounted_file_that_a_setting_names_is_mounted() -> None:
    mounted = {one["mountPath"] for _, document in ALL for one in nodes(document) if "mountPath" in one}
    files = {value for values in literals().values() for value in values if value.startswith("/etc/duban/")}
    assert files
    assert {str(Path(file).parent) for file in files} <= mounted


def test_every_role_of_every_service_is_a_deployment() -> None:
    for name, service in SUITE.items():
        (kustomization,) = documents(KUBERNETES / "base" / "services" / name / "kustomization.yaml")
        roles = {Path(resource).name for resource in kustomization["resources"]}
        assert roles == {"web", *service.roles} - {"worker"}
        for role in roles:
            deployment = documents(KUBERNETES / "base" / "roles" / role / "deployment.yaml")[0]
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            assert container["command"] == ["python", "-m", "services.$(SERVICE)", role]


@pytest.mark.parametrize("kind", ["web", "worker"])
def test_the_probes_ask_what_the_process_answers(kind: str, tmp_path: Path) -> None:
    (patch,) = documents(KUBERNETES / "components" / "pod" / f"{kind}.yaml")
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    setting = "DUBAN_PORT" if kind == "web" else "DUBAN_HEALTH_PORT"
    assert literals()[setting] == {str(port["containerPort"])}
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["port"] for probe in probes} == {port["name"]}
    here = free_port()
    config = Config(data=tmp_path, health_port=here)
    process: Process = (
        web_of("notify", config, here, tmp_path / "log")
        if kind == "web"
        else worker_of("notify", config, tmp_path / "log")
    )
    process.start()
    try:
        for probe in probes:
            assert _answers(f"http://127.0.0.1:{here}{probe['path']}"), probe
    finally:
        process.stop()


def _answers(url: str) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url) as answer:
                return bool(answer.status == 200)
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code != 503:
                return False
            time.sleep(0.1)
    return False


def test_what_is_referred_to_exists() -> None:
    """Everywhere together; for each overlay by itself see tests/deploy/cluster."""
    made: dict[str, set[str]] = {"Secret": set(BY_OTHERS), "ConfigMap": set(), "ServiceAccount": set()}
    used: dict[str, set[str]] = {kind: set() for kind in made}
    for document in [*(one for _, one in ALL), *documents(ROOT / "deploy/postgres/kustomization.yaml")]:
        made["Secret"] |= {one["name"] for one in document.get("secretGenerator", [])}
        made["ConfigMap"] |= {one["name"] for one in document.get("configMapGenerator", [])}
        if (kind := document.get("kind")) in made or kind == "ExternalSecret":
            made["Secret" if kind == "ExternalSecret" else kind].add(document["metadata"]["name"])
        for one in nodes(document):
            for field, kind in REFERENCES.items():
                for named in one[field] if isinstance(one.get(field), list) else [one.get(field)]:
                    if isinstance(named, str):
                        used[kind].add(named)
                    elif isinstance(named, dict) and isinstance(named.get("name"), str):
                        used[kind].add(named["name"])
    assert {kind: names - made[kind] for kind, names in used.items()} == {kind: set() for kind in made}
    assert all(used.values())


REFERENCES = {
    "secretName": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "configMapRef": "ConfigMap",
    "configMap": "ConfigMap",
    "serviceAccountName": "ServiceAccount",
    "accessKeyId": "Secret",
    "secretAccessKey": "Secret",
}
"""A field, and the kind of what it names: by a text, or by ``name``."""


@pytest.mark.parametrize("service", [*SUITE, "audit"])
def test_every_address_is_routed_to_the_service_that_answers_it(service: str) -> None:
    (ingress,) = documents(KUBERNETES / "base" / "ingress.yaml")
    (rule,) = ingress["spec"]["rules"]
    routes = {one["path"]: one["backend"]["service"]["name"] for one in rule["http"]["paths"]}
    document = json.loads((ROOT / "docs" / "api" / f"{service}.openapi.json").read_text("utf-8"))
    for address in document["paths"]:
        parts = address.split("/")
        prefixes = ["/".join(parts[:length]) for length in range(len(parts), 1, -1)]
        longest = next((prefix for prefix in prefixes if prefix in routes), None)
        assert longest is not None, address
        assert routes[longest] == f"{service}-web", address


def test_strimzi_is_told_the_topics_and_rights_that_duban_would_make() -> None:
    folder = KUBERNETES / "components" / "kafka-strimzi"
    config = Config(kafka_replication=3)
    topics = {
        one["metadata"]["name"]: (
            one["spec"]["partitions"],
            one["spec"]["replicas"],
            {name: str(value) for name, value in one["spec"]["config"].items()},
        )
        for one in documents(folder / "topics.yaml")
    }
    assert topics == {
        name: (partitions, config.kafka_replication, settings)
        for name, partitions, settings in wanted_topics(config, SUITE)
    }
    rights = {
        (user["metadata"]["name"], acl["resource"]["type"], acl["resource"]["name"], operation)
        for user in documents(folder / "users.yaml")
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    assert rights == {
        (
            acl.principal.removeprefix("User:"),
            acl.resource_pattern.resource_type.name.lower(),
            acl.resource_pattern.resource_name,
            acl.operation.name.capitalize(),
        )
        for acl in wanted_rights({name: service.sources() for name, service in SUITE.items()})
    }


def test_the_image_has_the_packages_of_the_lock_and_no_others() -> None:
    ours, image = (
        dict(
            re.findall(
                r"^([a-z0-9-]+)==(\S+)", (ROOT / folder / "requirements.lock").read_text("utf-8"), re.M
            )
        )
        for folder in (".", "deploy")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.split(r"[^\w-]", one, maxsplit=1)[0].lower() for one in project["dependencies"]}
    assert image.items() <= ours.items()
    assert wanted <= set(image)
    assert "pytest" not in image


def test_the_provider_of_the_production_overlay_can_be_read() -> None:
    (issuer,) = read_issuers(KUBERNETES / "overlays" / "production" / "issuers.toml")
    assert issuer.audience == "duban"
