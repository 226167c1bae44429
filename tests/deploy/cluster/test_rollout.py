"""The manifests on a real API server that enforces restricted Pod Security, rolled out on simulated nodes."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from deploy.cluster.plane import ControlPlane

NODES = 3
SECONDS = 180.0
CUSTOM = {"external-secrets.io": "external secrets", "kafka.strimzi.io": "Strimzi"}
"""Groups of custom resources whose definitions are in no registry."""


def objects(manifest: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(manifest) if one]


def until(what: str, holds: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.5)


@pytest.fixture(scope="module")
def nodes(plane: ControlPlane) -> None:
    """Three nodes on which every pod runs at once, and volumes for whoever claims one."""
    room = {"cpu": "8", "memory": "32Gi", "pods": "200"}
    for number in range(NODES):
        labels = {"kubernetes.io/hostname": f"node-{number}", "kubernetes.io/os": "linux"}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"node-{number}", "labels": labels},
            "status": {"capacity": room, "allocatable": room},
        }
        plane.kubectl("create", "--filename=-", given=json.dumps(node))
    plane.apply(
        json.dumps(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {
                    "name": "simulated",
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": "kubernetes.io/no-provisioner",
            }
        )
    )
    for number in range(4):
        plane.apply(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolume",
                    "metadata": {"name": f"volume-{number}"},
                    "spec": {
                        "capacity": {"storage": "50Gi"},
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": "simulated",
                        "hostPath": {"path": f"/volume-{number}"},
                    },
                }
            )
        )


def applied(plane: ControlPlane, manifest: str) -> list[str]:
    """Apply the namespace first and then everything; the names of what was not: its kind is unknown here."""
    known = [one for one in objects(manifest) if one["apiVersion"].partition("/")[0] not in CUSTOM]
    for kinds in (("Namespace",), None):
        plane.apply(yaml.safe_dump_all(one for one in known if kinds is None or one["kind"] in kinds))
    return sorted(
        {CUSTOM[one["apiVersion"].partition("/")[0]] for one in objects(manifest) if one not in known}
    )


def test_every_workload_rolls_out(
    plane: ControlPlane, nodes: None, definitions: None, manifests: dict[str, str]
) -> None:
    assert applied(plane, manifests["test"]) == []
    deployments = [one for one in objects(manifests["test"]) if one["kind"] == "Deployment"]
    assert len(deployments) == 23
    for one in deployments:
        plane.kubectl(
            "rollout",
            "status",
            f"deployment/{one['metadata']['name']}",
            f"--timeout={SECONDS:.0f}s",
            namespace="duban",
        )
    for job in ("migrate", "topics"):
        plane.kubectl(
            "wait", f"job/{job}", "--for=condition=Complete", f"--timeout={SECONDS:.0f}s", namespace="duban"
        )
    events = plane.get("events", "--field-selector=type=Warning", namespace="duban")["items"]
    assert [one["message"] for one in events if one["reason"] == "FailedCreate"] == []
