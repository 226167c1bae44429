"""The metrics that rules and dashboards ask for."""

import json
import re
from pathlib import Path

import yaml

from deploy.stack.programs import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text("utf-8"))["spec"]
DASHBOARDS: list[Path] = sorted(FOLDER.glob("dashboard-*.json"))


def names_in(expression: str) -> set[str]:
    """The suite's metrics in a PromQL expression."""
    return set(re.findall(r"\bduban_\w+", re.sub(r'"[^"]*"', "", expression)))


def asked_for() -> set[str]:
    """Every metric that an alert rule or a panel of a dashboard asks for."""
    rules = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
    panels = [
        target["expr"]
        for path in DASHBOARDS
        for panel in json.loads(path.read_text("utf-8"))["panels"]
        for target in panel["targets"]
    ]
    return {name for expression in (*rules, *panels) for name in names_in(expression)}
