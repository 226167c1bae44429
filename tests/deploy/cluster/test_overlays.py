"""Each overlay as kustomize renders it: references lead somewhere, selectors select, independent checkers agree."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.overlays import objects, templates
from tests.deploy.test_manifests import BY_OTHERS

OVERLAYS = ("small", "production", "test")
ACCEPTED = Path(__file__).with_name("checkov.yaml")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_a_pod_refers_to_exists(manifests: dict[str, str], overlay: str) -> None:
    made: dict[str, set[str]] = {"Secret": set(BY_OTHERS)}
    for one in objects(manifests[overlay]):
        kind = "Secret" if one["kind"] == "ExternalSecret" else one["kind"]
        made.setdefault(kind, set()).add(one["metadata"]["name"])
    for name, template in templates(manifests[overlay]):
        spec = template["spec"]
        used = {
            ("PriorityClass", spec.get("priorityClassName")),
            ("ServiceAccount", spec.get("serviceAccountName")),
        }
        for volume in spec.get("volumes", []):
            used.add(("Secret", volume.get("secret", {}).get("secretName")))
            used.add(("ConfigMap", volume.get("configMap", {}).get("name")))
            used.add(("PersistentVolumeClaim", volume.get("persistentVolumeClaim", {}).get("claimName")))
        for container in spec["containers"]:
            for source in container.get("envFrom", []):
                used.add(("ConfigMap", source.get("configMapRef", {}).get("name")))
                used.add(("Secret", source.get("secretRef", {}).get("name")))
            for variable in container.get("env", []):
                used.add(("Secret", variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name")))
        assert {(kind, ref) for kind, ref in used if ref and ref not in made.get(kind, ())} == set(), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_selector_selects_pods(manifests: dict[str, str], overlay: str) -> None:
    labels = [template["metadata"]["labels"] for _, template in templates(manifests[overlay])]
    for one in objects(manifests[overlay]):
        spec = one.get("spec", {})
        if one["kind"] == "Service":
            wanted = spec["selector"]
        elif one["kind"] in ("PodDisruptionBudget", "PodMonitor"):
            wanted = spec["selector"]["matchLabels"]
        elif one["kind"] == "NetworkPolicy":
            wanted = spec["podSelector"].get("matchLabels", {})
        else:
            continue
        assert any(wanted.items() <= one.items() for one in labels), one["metadata"]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_says_what_it_needs(manifests: dict[str, str], overlay: str) -> None:
    for name, template in templates(manifests[overlay]):
        for container in template["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_by_its_schema(
    manifests: dict[str, str], tools: Path, overlay: str, tmp_path: Path
) -> None:
    known = [one for one in objects(manifests[overlay]) if not is_custom(one)]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(known), "utf-8")
    done = valid(tools, tmp_path / "all.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_finding_of_checkov_but_those_accepted_with_a_reason(
    manifests: dict[str, str], tools: Path, overlay: str, tmp_path: Path
) -> None:
    accepted = yaml.safe_load(ACCEPTED.read_text("utf-8"))
    assert all(one["reason"] for one in accepted.values())
    (tmp_path / "all.yaml").write_text(manifests[overlay], "utf-8")
    options = ["--framework=kubernetes", "--output=json", "--compact", "--quiet", "--skip-download"]
    command = [tools / "checkov", *options, f"--file={tmp_path / 'all.yaml'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 100, done.stderr
    assert report["summary"]["parsing_errors"] == 0
    findings = {(one["check_id"], one["resource"]) for one in report["results"]["failed_checks"]}
    assert {
        (check, resource)
        for check, resource in findings
        if check not in accepted or resource not in accepted[check].get("only", [resource])
    } == set()


def test_strimzi_understands_every_field_of_its_resources(
    manifests: dict[str, str], strimzi: list[str]
) -> None:
    wanted = [
        one for one in objects(manifests["production"]) if one["apiVersion"].startswith("kafka.strimzi.io/")
    ]
    done = subprocess.run(
        strimzi, input=yaml.safe_dump_all(wanted), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(wanted) > 10
    wanted[-1]["spec"]["nonsense"] = 1
    done = subprocess.run(
        strimzi, input=yaml.safe_dump(wanted[-1]), capture_output=True, text=True, check=False
    )
    assert 'Unrecognized field "nonsense"' in done.stderr


def test_a_misspelt_field_is_found(tools: Path, tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [], "restartpolicy": "Never"},
    }
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod), "utf-8")
    assert valid(tools, tmp_path / "pod.yaml").returncode != 0


def is_custom(one: dict[str, Any]) -> bool:
    group = one["apiVersion"].partition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def valid(tools: Path, path: Path) -> "subprocess.CompletedProcess[str]":
    command = [tools / "kubernetes-validate", "--strict", "--kubernetes-version=1.36.0", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)
