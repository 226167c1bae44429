"""The manifests on a real API server that enforces restricted Pod Security, rolled out on simulated nodes."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from deploy.cluster.plane import ControlPlane
from tests.deploy.overlays import objects

NODES = 3
SECONDS = 180.0


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
    for number in range(8):
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


def apply(plane: ControlPlane, manifest: str, namespace: str) -> None:
    """Apply the namespace first, then everything, all of it in a namespace of its own."""
    wanted = objects(manifest.replace("namespace: duban\n", f"namespace: {namespace}\n"))
    for one in wanted:
        if one["kind"] == "Namespace":
            one["metadata"]["name"] = namespace
            plane.apply(yaml.safe_dump(one))
    plane.apply(yaml.safe_dump_all(wanted), "--warnings-as-errors")


def test_every_workload_rolls_out_and_its_jobs_end(
    plane: ControlPlane, nodes: None, definitions: None, manifests: dict[str, str]
) -> None:
    apply(plane, manifests["test"], "duban")
    deployments = [
        one["metadata"]["name"] for one in objects(manifests["test"]) if one["kind"] == "Deployment"
    ]
    patience = f"--timeout={SECONDS:.0f}s"
    for name in deployments:
        plane.kubectl("rollout", "status", f"deployment/{name}", patience, namespace="duban")
    for job in ("migrate", "topics"):
        plane.kubectl("wait", f"job/{job}", "--for=condition=Complete", patience, namespace="duban")
    refused = plane.get("events", "--field-selector=reason=FailedCreate", namespace="duban")["items"]
    assert [one["message"] for one in refused] == []


def test_an_autoscaler_starts_a_second_web_process_on_another_node(plane: ControlPlane) -> None:
    for service in ("assignment", "audit"):
        until(f"two of {service}", lambda service=service: len(web_pods(plane, service)) == 2)
        until(
            f"two nodes of {service}",
            lambda service=service: (
                len({one["spec"].get("nodeName", "") for one in web_pods(plane, service)} - {""}) == 2
            ),
        )


def test_a_drained_node_never_takes_the_last_web_process(plane: ControlPlane) -> None:
    until("both are healthy", lambda: budget(plane, "notify-web")["currentHealthy"] == 2)
    (first, second) = web_pods(plane, "notify")
    for node in range(NODES):
        plane.kubectl("cordon", f"node-{node}")  # who is evicted has nowhere to go
    try:
        evict(plane, first)
        until("the budget is counted again", lambda: budget(plane, "notify-web")["disruptionsAllowed"] == 0)
        with pytest.raises(RuntimeError, match="disruption budget"):
            evict(plane, second)
    finally:
        for node in range(NODES):
            plane.kubectl("uncordon", f"node-{node}")
    until("the evicted one has a successor", lambda: budget(plane, "notify-web")["currentHealthy"] == 2)


def test_every_budget_counts_its_pods(plane: ControlPlane, manifests: dict[str, str]) -> None:
    for one in objects(manifests["test"]):
        if one["kind"] == "PodDisruptionBudget":
            until(
                one["metadata"]["name"],
                lambda one=one: budget(plane, one["metadata"]["name"])["expectedPods"] > 0,
            )


def test_a_pod_that_may_do_more_is_refused(plane: ControlPlane) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": "duban"},
        "spec": {"containers": [{"name": "root", "image": "any"}]},
    }
    with pytest.raises(RuntimeError, match='violates PodSecurity "restricted'):
        plane.apply(yaml.safe_dump(pod))


@pytest.mark.parametrize("overlay", ["small", "production"])
def test_the_server_accepts_every_object_and_warns_of_none(
    plane: ControlPlane, definitions: None, manifests: dict[str, str], overlay: str
) -> None:
    known = [
        one for one in objects(manifests[overlay]) if one["apiVersion"].partition("/")[0] not in NO_DEFINITION
    ]
    apply(plane, yaml.safe_dump_all(known), overlay)
    if overlay == "small":
        for workload in (
            "deployment/suite-web",
            "deployment/notify-worker",
            "statefulset/kafka",
            "statefulset/postgres",
        ):
            plane.kubectl("rollout", "status", workload, f"--timeout={SECONDS:.0f}s", namespace=overlay)


def evict(plane: ControlPlane, pod: dict[str, Any]) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    plane.kubectl(
        "create",
        f"--raw=/api/v1/namespaces/{namespace}/pods/{name}/eviction",
        "--filename=-",
        given=json.dumps(eviction),
    )


def budget(plane: ControlPlane, name: str) -> dict[str, Any]:
    found: dict[str, Any] = plane.get("poddisruptionbudget", name, namespace="duban").get("status", {})
    return {"expectedPods": 0, "disruptionsAllowed": 0, "currentHealthy": 0, **found}


def web_pods(plane: ControlPlane, service: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plane.get(
        "pods", f"{WEB},app.kubernetes.io/name={service}", namespace="duban"
    )["items"]
    return found


WEB = "--selector=app.kubernetes.io/component=web"
NO_DEFINITION = {"external-secrets.io", "kafka.strimzi.io"}
"""Groups of custom resources whose definitions are in no registry: see test_overlays.py."""
