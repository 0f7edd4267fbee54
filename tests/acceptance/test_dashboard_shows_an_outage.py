"""The Grafana dashboard shows an outage: Prometheus' own tool evaluates each expression over a real scrape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from breakwall.access import shared_read
from breakwall.monitor.metrics.totals import COMMITTED
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from breakwall.payments.outcomes.delivering import register_ways
from breakwall.payments.outcomes.schedule import OUTAGE
from tests.acceptance.test_dashboard import targets
from tests.contract.payments.outcomes.outbox_site import OutboxSite, Shop
from tests.contract.site import Site, order
from tests.contract.web.api_site import ApiSite
from tests.contract.web.exposition import Scrape, scrape
from tests.gateway import DOWN, PAID
from tests.servers.packages import run
from tests.servers.promtool import promtool
from tests.source_tree import ROOT

INTERVAL = 15  # Seconds between two scrapes.


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSite]:
    monkeypatch.setattr(shared_read, "in_a_thread", lambda work: work())
    site = Site(f"sqlite:///{tmp_path}/orders.db", adaptive_limit=True)
    one = ApiSite(site)
    with one.client:
        yield one
    site.producer.close()


class Prometheus:
    """Scrapes, and keeps the answers."""

    def __init__(self, api: ApiSite) -> None:
        self._api = api
        self._scrapes: list[Scrape] = []

    def wait(self, seconds: float) -> None:
        for _ in range(math.ceil(seconds / INTERVAL)):
            self._scrapes.append(scrape(self._api))
            self._api.site.advance(INTERVAL)

    @property
    def seconds(self) -> int:
        return INTERVAL * len(self._scrapes)

    def series(self) -> list[dict[str, str]]:
        """As promtool's tests have them."""
        answers = [one.by_series() for one in self._scrapes]
        names = sorted({name for answer in answers for name in answer})
        return [
            {"series": name, "values": " ".join(str(answer.get(name, "_")) for answer in answers)}
            for name in names
        ]


def play(api: ApiSite) -> Prometheus:
    """An outage with all that the dashboard has a line for."""
    site, prometheus = api.site, Prometheus(api)
    register_ways(site.database.engine, ["webhook"], site.clock)
    control = DrainControl(site.database, clock=site.clock)
    prometheus.wait(30)
    site.gateway.answers.extend([DOWN, DOWN, DOWN])
    placed = [site.producer.place(order(f"cart-{number}")).order_id for number in range(4)]
    prometheus.wait(15)
    control.pause(Author("kim", "a try"))
    prometheus.wait(15)
    control.resume(Author("kim", "a try"))
    prometheus.wait(30)
    for order_id in placed:
        site.gateway.answers.append(PAID)
        site.retrier.run(order_id)
        prometheus.wait(15)
    prometheus.wait(COMMITTED)
    tell_late(site, prometheus)
    return prometheus


def tell_late(site: Site, prometheus: Prometheus) -> None:
    outbox = OutboxSite(site.database.engine.url.render_as_string(hide_password=False))
    outbox.database, outbox.clock = site.database, site.clock
    site.advance(OUTAGE)
    prometheus.wait(390)  # An alert fires after five minutes.
    outbox.worker(Shop())
    prometheus.wait(30)


def showing(expression: str, prometheus: Prometheus) -> dict[str, object]:
    """A case of promtool: the expression has a series at one scrape at least."""
    asked = expression.replace("$__rate_interval", "1m")
    during = f"[{prometheus.seconds}s:{INTERVAL}s]"
    return {
        "expr": f"clamp_max(count(count_over_time(({asked}){during})), 1)",
        "eval_time": f"{prometheus.seconds}s",
        "exp_samples": [{"value": 1}],
    }


def test_each_line_of_the_dashboard_is_drawn(api: ApiSite, tmp_path: Path) -> None:
    prometheus = play(api)
    cases = [showing(target["expr"], prometheus) for target in targets()]
    outage = {
        "interval": f"{INTERVAL}s",
        "input_series": prometheus.series(),
        "promql_expr_test": cases,
    }
    file = tmp_path / "outage.yml"
    rules = [str(ROOT / "deploy/prometheus/alerts.yml")]
    file.write_text(yaml.safe_dump({"rule_files": rules, "tests": [outage]}))
    assert "SUCCESS" in run([str(promtool()), "test", "rules", str(file)])
