"""Rendered manifests, read."""

from collections.abc import Iterator
from typing import Any

import yaml


def objects(manifest: str) -> list[dict[str, Any]]:
    """What is rendered, one by one."""
    return [one for one in yaml.safe_load_all(manifest) if one]


def templates(manifest: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that the manifest makes: the name of what makes it, and the template."""
    for one in objects(manifest):
        spec = one.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if one["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob"):
            yield f"{one['kind']} {one['metadata']['name']}", template
