"""The Grafana dashboard: every expression is PromQL over metrics that are exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.documented_metrics import documented_metrics, used_metrics
from tests.servers.packages import run
from tests.servers.promtool import promtool
from tests.source_tree import ROOT

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/breakwall.json").read_text())


def targets() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        yield from panel.get("targets", [])


def test_each_expression_is_valid(tmp_path: Path) -> None:
    # Grafana replaces its own variables before it asks.
    rules = [
        {"record": f"panel:{number}", "expr": target["expr"].replace("$__rate_interval", "1m")}
        for number, target in enumerate(targets())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run([str(promtool()), "check", "rules", str(file)])


def test_it_shows_only_metrics_that_are_exported() -> None:
    used = {name for target in targets() for name in used_metrics(target["expr"])}
    assert used <= documented_metrics()
    assert len(used) > 20


def test_the_data_source_is_chosen_where_it_is_loaded() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    assert {target["datasource"]["uid"] for target in targets()} == {"${datasource}"}


def test_two_api_processes_are_shown_once() -> None:
    assert all("without (instance)" in target["expr"] for target in targets())


def test_no_panel_covers_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken, panel["title"]
        assert max(columns) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
