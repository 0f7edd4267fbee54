"""`/metrics`: an outage can be read from it alone, and it answers whatever is down."""

from __future__ import annotations

import re
from dataclasses import replace
from threading import Event, Thread

import pytest

from breakwall.monitor.metrics.totals import COMMITTED
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from breakwall.payments.outcomes.delivering import register_ways
from breakwall.payments.outcomes.destination import Result
from breakwall.web.live.poller import Live, Seen
from breakwall.web.metrics import Scrapes
from tests.contract.payments.outcomes.outbox_site import OutboxSite, Shop
from tests.contract.site import Site, order
from tests.contract.web.api_site import ApiSite
from tests.contract.web.exposition import scrape
from tests.documented_metrics import documented_metrics
from tests.gateway import DECLINED, DOWN, PAID
from tests.manual_clock import MonotonicClock

AUTHOR = Author("kim", "a try")


def place(site: Site, *keys: str) -> list[str]:
    return [site.producer.place(order(key)).order_id for key in keys]


def recover(site: Site, order_ids: list[str]) -> None:
    """Let the interval run out, and drain: the gateway pays each order."""
    site.advance(site.breaker.status().retry_after)
    for order_id in order_ids:
        site.advance(60)
        site.gateway.answers.append(replace(PAID, charge_id=f"ch_{order_id}"))
        site.retrier.run(order_id)


def shop_of(site: Site) -> OutboxSite:
    """Whoever tells the shop how the orders of ``site`` end."""
    outbox = OutboxSite(site.database.engine.url.render_as_string(hide_password=False))
    outbox.database, outbox.clock = site.database, site.clock
    return outbox


def test_an_outage_can_be_read_from_the_metrics_alone(api: ApiSite) -> None:
    site = api.site
    register_ways(site.database.engine, ["webhook"], site.clock)
    before = scrape(api)
    assert before.state == "closed"
    assert before("breakwall_orders", status="queued") == 0

    site.gateway.answers.extend([DOWN, DOWN])
    failed = place(site, "cart-1", "cart-2")
    failing = scrape(api)
    assert failing.state == "closed"
    assert failing("resilience4j_circuitbreaker_buffered_calls", name="payment", kind="failed") == 2
    assert failing("resilience4j_circuitbreaker_failure_rate", name="payment") == 100

    site.gateway.answers.append(DOWN)
    failed += place(site, "cart-3")
    refused = place(site, "cart-4", "cart-5")
    site.advance(20)
    api.messages = 5
    down = scrape(api)
    assert down.state == "open"
    assert down("breakwall_breaker_transitions_total", circuit="payment", to="open") == 1
    assert down("breakwall_orders", status="queued") == 5
    assert down("breakwall_order_amount_minor_units", status="queued", currency="KRW") == 50_000
    assert down("breakwall_oldest_age_seconds") == 20
    assert down("breakwall_oldest_due_age_seconds") > 0
    assert down("breakwall_drainable_age_seconds") == 0, "more workers could do nothing"
    assert down("breakwall_blocked", by="circuit_open") == 1
    assert not down.has("breakwall_drain_eta_seconds"), "nobody knows"
    assert down("breakwall_broker_messages") == 5

    site.advance(site.breaker.status().retry_after)
    assert scrape(api).state == "half_open"

    recover(site, failed + refused)
    site.advance(COMMITTED)
    after = scrape(api)
    assert after.state == "closed"
    for state in ("open", "half_open", "closed"):
        assert after("breakwall_breaker_transitions_total", circuit="payment", to=state) == 1
    assert after("breakwall_orders", status="queued") == 0
    assert after("breakwall_drain_eta_seconds") == 0
    assert after("breakwall_orders_accepted_total") == 5
    assert after("breakwall_orders_ended_total", status="paid") == 5
    assert after("breakwall_orders_ended_minor_units_total", status="paid", currency="KRW") == 50_000
    assert after("breakwall_attempts_total", source="producer", outcome="not_sent") == 3
    assert after("breakwall_attempts_total", source="worker", outcome="succeeded") == 5
    assert after("breakwall_retries_total") == 5
    assert after("breakwall_payment_call_seconds_count", outcome="succeeded") == 5
    assert after("breakwall_payment_call_seconds_bucket", outcome="not_sent", le="+Inf") == 3
    assert after("breakwall_outcomes_waiting", destination="webhook") == 5

    assert after("breakwall_deliveries_total", destination="webhook", result="delivered") == 0

    shop = Shop()
    shop.answers.append(Result("HTTP 503"))
    shop_of(site).worker(shop)
    told = scrape(api)
    assert told("breakwall_deliveries_total", destination="webhook", result="delivered") == 4
    assert told("breakwall_deliveries_total", destination="webhook", result="failed") == 1
    assert told("breakwall_outcomes_waiting", destination="webhook") == 1


def test_an_opening_between_two_scrapes_is_counted(api: ApiSite) -> None:
    first = scrape(api)
    api.site.open_circuit()
    api.site.advance(api.site.breaker.status().retry_after)
    api.site.breaker_forgets()
    second = scrape(api)
    assert (first.state, second.state) == ("closed", "closed")
    name = "breakwall_breaker_transitions_total"
    assert second(name, circuit="payment", to="open") == first(name, circuit="payment", to="open") + 1


def test_every_series_of_a_counter_begins_with_0(api: ApiSite) -> None:
    first = scrape(api)
    assert first("breakwall_orders_ended_total", status="paid") == 0
    assert first("breakwall_attempts_total", source="worker", outcome="unknown") == 0
    assert first("breakwall_breaker_transitions_total", circuit="payment", to="open") == 0


class TestDrainableAge:
    """What scaling may use: 0 where more workers could do nothing."""

    @pytest.fixture
    def api(self, api: ApiSite) -> ApiSite:
        """With an order that is due since a minute."""
        api.site.ledger.accept_queued([order()])
        api.site.advance(60)
        return api

    def age(self, api: ApiSite) -> float:
        return scrape(api)("breakwall_drainable_age_seconds")

    def test_it_is_the_oldest_due_age_while_the_circuit_is_closed(self, api: ApiSite) -> None:
        assert self.age(api) == 60

    def test_it_is_0_while_the_queue_is_paused(self, api: ApiSite) -> None:
        control = DrainControl(api.site.database, clock=api.site.clock)
        control.pause(AUTHOR)
        assert self.age(api) == 0
        control.resume(AUTHOR)
        assert self.age(api) == 60

    def test_it_is_0_while_the_circuit_is_open_or_half_open(self, api: ApiSite) -> None:
        api.site.open_circuit()
        assert self.age(api) == 0
        api.site.advance(api.site.breaker.status().retry_after)
        assert scrape(api).state == "half_open"
        assert self.age(api) == 0

    def test_an_override_decides_before_the_computed_state(self, api: ApiSite) -> None:
        api.site.breaker.force_open("maintenance", "kim")
        assert self.age(api) == 0
        api.site.breaker.force_close("a false alarm", "kim")
        assert self.age(api) == 60


def test_no_label_tells_an_order_a_customer_or_an_error(api: ApiSite) -> None:
    site = api.site
    site.gateway.answers.extend([DECLINED, DOWN])
    site.producer.place(order("cart-declined"))
    site.producer.place(order("cart-down"))
    site.advance(COMMITTED)
    stored = [site.get(key) for key in ("cart-declined", "cart-down")]
    text = scrape(api).text
    for one in stored:
        for secret in (one.id, one.idempotency_key, one.charge_key, one.user_id, str(one.last_error)):
            assert secret not in text


def test_each_label_has_few_values(api: ApiSite) -> None:
    known = {
        "name",
        "state",
        "kind",
        "circuit",
        "mode",
        "to",
        "status",
        "currency",
        "by",
        "source",
        "outcome",
        "result",
        "le",
    }
    assert {label for _, label, _ in scrape(api).labels()} <= known | {"destination", "version"}


def test_when_the_database_is_away_it_answers_what_it_knows(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("the orders database does not answer")

    scrape(api)  # The process has read the tokens once.
    api.site.open_circuit()
    with monkeypatch.context() as outage:
        outage.setattr(Database, "read", away)
        found = scrape(api)
    assert found("breakwall_up") == 0
    assert found.state == "open"
    assert not found.has("breakwall_orders"), "an old number would look like a new one"
    assert scrape(api)("breakwall_up") == 1


def test_while_the_database_is_silent_each_scrape_waits_for_a_bounded_time(api: ApiSite) -> None:
    scrapes, silent, asked = Scrapes(api.services, wait=0.05), Event(), []

    class SilentLive(Live):
        def latest(self, max_age: float = 0.0) -> Seen:
            asked.append(max_age)
            silent.wait(30)
            return Seen(1, None, (), 0.0, "the orders database does not answer")

    api.services.__dict__["live"] = SilentLive(api.services.monitor, api.services.stopping)
    try:
        for _ in range(60):
            found = {family.name: family for family in scrapes.families()}
            assert found["breakwall_up"].values == {(): 0.0}
            assert found["resilience4j_circuitbreaker_state"].values
            assert "breakwall_orders" not in found
    finally:
        silent.set()
    assert len(asked) == 1, "one thread waits for the database, however many scrapers there are"


def test_a_scrape_without_a_thread_does_not_end_all_others(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrapes = Scrapes(api.services)

    def is_up() -> float:
        return next(family.values[()] for family in scrapes.families() if family.name == "breakwall_up")

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", refuse)
        assert is_up() == 0
    assert is_up() == 1


def test_scrapers_of_the_same_moment_share_one_reading(api: ApiSite) -> None:
    clock = MonotonicClock()
    live = Live(api.services.monitor, api.services.stopping, monotonic=clock)
    api.services.__dict__["live"] = live  # In place of the cached one.
    scrapes = Scrapes(api.services, max_age=2.0, clock=clock)

    def accepted() -> dict[tuple[str, ...], float]:
        return next(dict(family.values) for family in scrapes.families() if family.name == "breakwall_orders")

    before = accepted()
    api.site.ledger.accept_queued([order()])
    clock.advance(1.9)
    assert accepted() == before
    clock.advance(0.1)
    assert accepted() != before


def test_a_scraper_that_asks_for_openmetrics_gets_it(api: ApiSite) -> None:
    answer = api.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    plain = api.client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")


def test_the_page_documents_each_metric_and_no_other(api: ApiSite) -> None:
    typed = set(re.findall(r"^# TYPE (\S+)", scrape(api).text, re.M))
    assert typed == documented_metrics()
