"""The alerts fire when they should, and only then; each leads to a paragraph that says what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.documented_metrics import documented_metrics, used_metrics
from tests.servers.packages import run
from tests.servers.promtool import promtool
from tests.source_tree import ROOT

FOLDER = ROOT / "deploy/prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]


def test_the_rules_are_valid() -> None:
    assert f"{len(RULES)} rules found" in run([str(promtool()), "check", "rules", str(FOLDER / "alerts.yml")])


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    assert "SUCCESS" in run([str(promtool()), "test", "rules", str(FOLDER / "alerts_test.yml")])


def test_there_is_a_case_in_which_each_alert_fires() -> None:
    cases = (FOLDER / "alerts_test.yml").read_text()
    assert set(re.findall(r'alertname="(\w+)"', cases)) == set(NAMES)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    told = rule["annotations"]
    assert told["summary"]
    assert "`breakwall " in told["description"]
    page, anchor = told["runbook"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.M)
    assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


def test_the_alerts_use_only_metrics_that_are_exported() -> None:
    used = {name for rule in RULES for name in used_metrics(rule["expr"])}
    assert used <= documented_metrics()


def test_the_page_lists_each_alert() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    assert re.findall(r"^\| `(Breakwall\w+)`", page, re.M) == NAMES
