"""Alert rules and dashboards: every alert fires for its fault, has a runbook, and asks for metrics that there are."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack.programs import ROOT
from tests.deploy.metrics import DASHBOARDS, FOLDER, RULES, names_in

CASES = yaml.safe_load((FOLDER / "rules_test.yaml").read_text("utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.fixture(scope="module")
def checked(promtool: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs promtool in a folder with the rules as Prometheus reads them, and their cases."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.plain.yaml").write_text(yaml.safe_dump(RULES, allow_unicode=True), "utf-8")
    (folder / "rules_test.yaml").write_bytes((FOLDER / "rules_test.yaml").read_bytes())

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([promtool, *arguments], cwd=folder, capture_output=True, text=True, check=False)

    return run


def test_the_rules_are_prometheus_own(checked: Any) -> None:
    done = checked("check", "rules", "rules.plain.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_for_its_fault_and_none_while_all_is_well(checked: Any) -> None:
    done = checked("test", "rules", "rules_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    fires = {
        case["alertname"]
        for test in CASES["tests"]
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    assert fires == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_its_runbook(rule: dict[str, Any]) -> None:
    document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert document == "docs/operations.md"
    assert f'<a id="{anchor}"></a>' in OPERATIONS
    assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_of_a_dashboard_asks_for_something(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert all(names_in(target["expr"]) for target in panel["targets"]), panel["title"]
        assert re.search(r"[一-鿿]", panel["title"]), "the government's office reads Chinese"
