"""The Grafana dashboard: Grafana knows every field, and every expression is PromQL over metrics that are exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from breakwall.monitor.metrics.breaker_gauges import STATES
from tests.documented_metrics import documented_metrics, used_metrics
from tests.grafana_schema import UNITS, faults
from tests.servers.packages import run
from tests.servers.promtool import promtool
from tests.source_tree import ROOT

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/breakwall.json").read_text())


PANELS: list[dict[str, Any]] = DASHBOARD["panels"]

# What an override may change in every kind of panel. All else is `custom.…`, an option of the panel's own.
STANDARD = {"color", "decimals", "displayName", "mappings", "max", "min", "noValue", "thresholds", "unit"}


def targets() -> Iterator[dict[str, Any]]:
    for panel in PANELS:
        yield from panel.get("targets", [])


def overrides() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each with its panel."""
    for panel in PANELS:
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            yield panel, override


def defaults_with(override: dict[str, Any]) -> dict[str, Any]:
    """The options of an override as Grafana's schema has them: an override's own may be anything there."""
    defaults: dict[str, Any] = {"custom": {}}
    for change in override["properties"]:
        kind, _, option = change["id"].rpartition(".")
        assert kind == "custom" or option in STANDARD, f"Grafana would ignore {change['id']}"
        (defaults["custom"] if kind else defaults)[option] = change["value"]
    return defaults


def test_grafana_knows_every_field_and_allows_its_value() -> None:
    assert faults(DASHBOARD) == []


def test_grafana_knows_every_option_of_an_override() -> None:
    for panel, override in overrides():
        changed = {**panel, "fieldConfig": {"defaults": defaults_with(override), "overrides": []}}
        assert faults({"panels": [changed]}) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"title": "Circuit"', '"titel": "Circuit"'),
        ('"type": "timeseries"', '"type": "timeserie"'),
        ('"drawStyle": "bars"', '"drawStyle": "barz"'),
        ('"colorMode"', '"colourMode"'),
        ('"mode": "absolute"', '"mode": "absolut"'),
        ('"w": 24', '"w": "24"'),
        ('"expr"', '"query"'),
        ('"instant": true', '"instant": "yes"'),
    ],
)
def test_a_mistake_is_noticed(right: str, wrong: str) -> None:
    text = json.dumps(DASHBOARD)
    assert right in text
    assert faults(json.loads(text.replace(right, wrong))) != []


def test_each_override_is_for_a_line_of_its_panel() -> None:
    for panel, override in overrides():
        legends = {target["legendFormat"] for target in panel["targets"]}
        lines = legends | set(STATES) if "{{state}}" in legends else legends
        assert override["matcher"] == {"id": "byName", "options": override["matcher"]["options"]}
        assert override["matcher"]["options"] in lines, panel["title"]


def test_each_state_of_the_circuit_has_a_color() -> None:
    """Grafana's own choice would be green for an open circuit, too."""
    for title in ("Circuit", "State"):
        colored = {
            override["matcher"]["options"]
            for panel, override in overrides()
            if panel["title"] == title and "color" in {change["id"] for change in override["properties"]}
        }
        assert colored >= set(STATES)


def test_grafana_knows_each_unit() -> None:
    given = [panel.get("fieldConfig", {}).get("defaults", {}) for panel in PANELS]
    given += [defaults_with(override) for _, override in overrides()]
    used = {options["unit"] for options in given if "unit" in options}
    assert used <= UNITS
    assert used


def test_an_event_is_drawn_once() -> None:
    """The time of a sum goes a scrape beyond the distance of two points, which is short unless the panel says so."""
    summing = [
        panel for panel in PANELS if any("increase(" in target["expr"] for target in panel.get("targets", []))
    ]
    assert {panel.get("interval") for panel in summing} == {"1m"}


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
    for panel in PANELS:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken, panel["title"]
        assert max(columns) < 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
