"""The benchmarks' own parts, and the page that shows their last run."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from bench.harness.chart import Chart, Panel
from bench.harness.meters import quantile
from bench.harness.page import BEGIN, END, put_into
from bench.harness.rows import NEVER, NOT_THERE, Reach, Row, table
from bench.services.payment import Behavior, Service
from bench.shop import arrival_times
from tests.source_tree import ROOT

RESULTS = ROOT / "docs" / "benchmarks" / "results.json"


def test_the_page_shows_the_rows_of_the_last_run_and_nothing_else() -> None:
    rows = [Row.from_json(row) for row in json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]]
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert rows
    assert page.partition(BEGIN)[2].partition(END)[0].partition("\n\n|")[2].strip() == table(rows)[1:].strip()


@pytest.mark.parametrize("name", ["outage", "recovery", "valentine"])
def test_each_chart_is_an_image_without_scripts(name: str) -> None:
    root = ElementTree.parse(RESULTS.with_name(f"{name}.svg")).getroot()
    assert root.tag.endswith("svg")
    assert not [part for part in root.iter() if part.tag.endswith("script")]


@pytest.mark.parametrize(
    ("reach", "ours", "peer", "held"),
    [
        (Reach(at_most=2), 2.0, None, True),
        (Reach(at_most=2), 2.1, None, False),
        (Reach(at_least=5, ratio=True), 50.0, 10.0, True),
        (Reach(at_least=5, ratio=True), 49.0, 10.0, False),
        (Reach(at_most=0), 0.0, None, True),
        (Reach(at_most=2), None, None, False),
        (Reach(at_most=2, ratio=True), 1.0, None, False),
        (None, 1.0, None, None),
    ],
)
def test_a_row_is_held_if_our_value_or_its_ratio_is_within_the_bound(
    reach: Reach | None, ours: float | None, peer: float | None, held: bool | None
) -> None:
    assert Row("s", "w", ours, {"peer": peer}, reach).held is held


def test_a_value_that_this_version_does_not_have_is_not_one_that_never_came_to_an_end() -> None:
    assert Row("s", "w", None, {"peer": None}, note=NOT_THERE).cells[2:4] == [f"peer {NEVER}", NOT_THERE]
    assert Row("s", "w", None, {}).cells[3] == NEVER


def test_the_table_of_a_run_takes_the_place_of_the_last_one(tmp_path) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    conditions = dict.fromkeys(("python", "postgresql", "redis", "cores", "load", "size"), "?")
    put_into(page, [Row("s", "w", 1.0, {})], conditions)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| s | w |" in text


def test_customers_come_evenly_at_the_rate_of_each_step() -> None:
    offsets = list(arrival_times([[2, 100, 100], [1, 100, 0]]))
    assert len([at for at in offsets if at < 2]) == pytest.approx(200, abs=2)
    assert len([at for at in offsets if at >= 2]) == pytest.approx(50, abs=2)
    assert offsets == sorted(offsets)


def test_a_quantile_is_the_smallest_value_that_the_share_does_not_exceed() -> None:
    assert quantile(range(1, 101), 0.99) == 99
    assert quantile([5.0], 0.5) == 5.0
    assert quantile([], 0.5) == 0.0


def test_the_collapsing_service_hangs_each_call_above_its_places() -> None:
    service = Service()
    service.behavior = Behavior(latency=0.02, places=2, collapse=2.0)
    assert [service.begin() for _ in range(3)] == [(None, 0.02), (None, 0.02), (503, 2.0)]
    assert service.stats()["peak"] == 3


def test_the_throttling_service_refuses_what_is_above_its_rate() -> None:
    service = Service()
    service.behavior = Behavior(rate=10.0)
    service.tokens = 1.0
    assert [service.begin()[0] for _ in range(2)] == [None, 429]


def test_a_chart_has_a_line_for_each_contender_in_each_panel_and_both_schemes_of_colors() -> None:
    panel = Panel(
        "calls", {"ours": [(0, 0), (10, 5)], "plain Celery": [(0, 1), (10, 50)]}, limit=(12, "places")
    )
    svg = Chart("A test", [panel, panel]).svg()
    assert svg.count("<polyline") == 4
    assert "prefers-color-scheme:dark" in svg
    ElementTree.fromstring(svg)


def test_the_timeline_has_a_point_for_each_quarter_of_a_second_also_while_calls_only_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, now = Service(), [100.0]
    monkeypatch.setattr("bench.services.payment.time.monotonic", lambda: now[0])
    service.begin()
    service.begin()
    now[0] = 101.1
    service.end("hung")
    now[0] = 101.6
    points = service.timeline()
    assert [point["at"] for point in points] == [100 + 0.25 * number for number in range(7)]
    assert [point["in_hand"] for point in points] == [2, 2, 2, 2, 2, 1, 1]


def test_the_names_of_a_shade_and_a_limit_are_in_the_panels_heading() -> None:
    panel = Panel("calls", {}, limit=(12, "its places"), shaded=(3, 9, "it is down"))
    assert panel.heading == "calls; grey: it is down; dashed: its places"
