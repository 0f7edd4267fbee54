"""The pages over HTTP: whole without JavaScript, in two languages, and safe with any text of a customer."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from breakwall.monitor.backlog import Backlog
from breakwall.monitor.history.circuit_history import CircuitHistory
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.fleet.workers import Worker
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.interventions import Author
from breakwall.payments.orders import Order, OrderStatus
from breakwall.web.live.poller import INTERVAL, Live
from breakwall.web.page import routes
from breakwall.web.page.overview_html import Onlooker, as_event, fragment
from breakwall.web.page.overview_lists import OverviewLists, read_lists
from breakwall.web.page.page_data import PageData
from breakwall.web.page.words import Words
from breakwall.web.stopping import Stopping
from tests.contract.web.api_site import ApiSite
from tests.gateway import PAID
from tests.page_snapshots import CONFIG, backlog, history

EVIL = '<script>alert("1")</script>%(x)s%'


def place(api: ApiSite, key: str = "cart-1", **values: Any) -> str:
    api.site.producer.enqueue(
        [Order(**{"user_id": "u1", "amount": 48_000, "currency": "KRW", **values}, idempotency_key=key)]
    )
    return api.site.get(key).id


def get(api: ApiSite, path: str, status: int = 200, **headers: str) -> str:
    response = api.client.get(path, headers=headers)
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"].startswith("text/html")
    return response.text


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_overview_begins_with_the_verdict(api: ApiSite) -> None:
    place(api)
    html = get(api, "/")
    assert "No worker is alive: waiting orders are not charged." in html
    assert "1 order (₩48,000) waiting, none lost." in html
    assert html.index('class="verdict') < html.index('id="circuit"') < html.index('id="numbers"')


def test_the_sections_are_in_the_order_of_their_importance(api: ApiSite) -> None:
    found = re.findall(r'<h2 id="(\w+)"', get(api, "/"))
    wanted = ["circuit", "numbers", "course", "retries", "failures", "queue"]
    wanted += ["wanted", "bulk", "workers", "actions"]
    assert [name for name in found if name != "warnings"] == wanted


def test_the_language_is_the_browsers(api: ApiSite) -> None:
    assert "All is well: no order waits." in get(api, "/")
    html = get(api, "/", **{"Accept-Language": "ko-KR,ko;q=0.9"})
    assert '<html lang="ko">' in html
    assert "정상입니다. 대기 중인 주문이 없습니다." in html


def test_a_language_by_choice_is_kept(api: ApiSite) -> None:
    assert "정상입니다" in get(api, "/?lang=ko")
    assert "정상입니다" in get(api, "/")
    assert "All is well" in get(api, "/?lang=en")


def test_a_link_to_the_other_language_keeps_the_filters(api: ApiSite) -> None:
    assert 'href="/orders?status=dead&amp;lang=ko"' in get(api, "/orders?status=dead")


def test_no_script_or_style_is_inline_or_from_elsewhere(api: ApiSite) -> None:
    order = place(api)
    for path in ("/", "/orders", f"/orders/{order}"):
        response = api.client.get(path)
        html = response.text
        assert not re.search(
            r"<script(?![^>]*\bsrc=\"/)|<style|\sstyle=|\son\w+=|javascript:|https?://", html
        ), path
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]


def test_without_javascript_the_overview_is_loaded_again(api: ApiSite) -> None:
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in get(api, "/")


def test_a_page_is_never_kept_by_a_cache(api: ApiSite) -> None:
    assert api.client.get("/").headers["Cache-Control"] == "no-store"


def test_an_order_page_tells_its_life(api: ApiSite) -> None:
    order = place(api)
    api.site.attempt(order, PAID, OrderStatus.PAID)
    said = text_of(get(api, f"/orders/{order}"))
    assert "The way of the order: waiting → in flight → paid." in said
    assert "received" in said
    assert "attempt 1, by a worker" in said
    assert "charge ch_1" in said


def test_the_page_of_an_order_is_loaded_again_until_it_has_ended(api: ApiSite) -> None:
    order = place(api)
    html = get(api, f"/orders/{order}")
    assert f'<div id="live" data-may-change hx-get="/orders/{order}"' in html
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in html
    api.site.attempt(order, PAID, OrderStatus.PAID)
    html = get(api, f"/orders/{order}")
    assert '<div id="live">' in html
    assert "refresh" not in html


def test_the_texts_of_a_customer_are_shown_and_not_run(api: ApiSite) -> None:
    order = place(api, EVIL, user_id=EVIL)
    failed = replace(PAID, charge_id=None, outcome=Outcome.FAILED, code="x", detail=EVIL)
    api.site.attempt(order, failed, OrderStatus.DEAD)
    for path in ("/", "/orders", f"/orders/{order}"):
        html = get(api, path)
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(" in html


def test_no_page_shows_the_payment_method(api: ApiSite) -> None:
    order = place(api, payment_method="pm_secret", description="described", metadata={"a": "meta"})
    for path in ("/", "/orders", f"/orders/{order}"):
        assert not re.search("pm_secret|described|>meta<", get(api, path))


def test_an_order_is_found_by_its_key_or_its_id(api: ApiSite) -> None:
    order = place(api, "장바구니 1")
    for name in ("장바구니 1", order, f" {order} "):
        response = api.client.get("/orders", params={"name": name}, follow_redirects=False)
        assert (response.status_code, response.headers["Location"]) == (303, f"/orders/{order}")


@pytest.mark.parametrize(
    "path", ["/orders?name=nothing", "/orders/nothing", f"/orders/{'a' * 32}", "/orders/%00"]
)
def test_an_unknown_order_is_a_page_that_says_so(api: ApiSite, path: str) -> None:
    assert "No such order" in get(api, path, 404)


def test_the_list_is_filtered_by_state_and_currency(api: ApiSite) -> None:
    place(api, "won")
    place(api, "dollar", currency="USD")
    shown = text_of(get(api, "/orders?status=queued&currency=usd"))
    assert "dollar" in shown
    assert "won " not in shown
    assert "No order fits." in get(api, "/orders?status=dead")


@pytest.mark.parametrize("query", ["status=nonsense", "currency=XXX%27", "after=%00~x", "lang=../../etc"])
def test_a_filter_that_is_none_is_left_out(api: ApiSite, query: str) -> None:
    place(api)
    assert "cart-1" in get(api, f"/orders?{query}")


def test_a_long_list_goes_on_behind_its_last_order(api: ApiSite) -> None:
    for number in range(60):
        place(api, f"cart-{number}")
        api.site.advance(1)
    first = get(api, "/orders?status=queued")
    (more,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = get(api, more.replace("&amp;", "&"))
    found = re.findall(r">(cart-\d+)</a>", first + second)
    assert found == [f"cart-{number}" for number in range(59, -1, -1)]
    assert 'rel="next"' not in second


def test_without_the_database_each_page_says_so(api: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    order = place(api)

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(type(api.services.database), "read", away)
    for path in ("/", "/orders", "/orders?name=x", f"/orders/{order}", "/audit", f"/bulk-retries/{order}"):
        assert "The orders database does not answer, so nothing is known." in get(api, path, 503)


def test_old_numbers_stay_when_the_database_goes_away(api: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    place(api)
    seconds = [0.0]
    live = Live(api.services.monitor, Stopping(), monotonic=lambda: seconds[0])
    api.app.state.page_data = PageData(live, api.services.breaker.config)
    get(api, "/")

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(type(api.services.database), "read", away)
    seconds[0] = 30.0
    html = get(api, "/")
    assert "These numbers are 30 s old." in html
    assert '<div class="snapshot stale"' in html


def test_an_event_is_the_live_part_of_the_page(api: ApiSite) -> None:
    place(api)
    live = api.services.live
    html, _ = fragment(PageData(live, api.services.breaker.config), live.latest(), Onlooker(Words("ko")))
    assert html.startswith('<div class="snapshot"')
    assert "주문 1건(₩48,000)이 대기 중이며, 유실은 없습니다." in html
    assert 'id="chart"' not in html  # It stays as it is.
    event = as_event(html)
    assert event.endswith("\n\n")
    assert all(line.startswith("data: ") for line in event.splitlines()[:-1])


def test_the_overview_says_why_the_circuit_has_opened(api: ApiSite) -> None:
    api.site.seconds = api.site.clock.now.timestamp()
    kept = CircuitHistory(api.services.database, lambda _: True)
    kept.look(api.services.breaker.status())
    api.site.open_circuit()
    kept.look(api.services.breaker.status())
    said = text_of(get(api, "/"))
    assert "closed → open 3 calls failed within 60 s (it opens at 3)" in said


@pytest.mark.parametrize("is_open", [False, True])
def test_the_queue_says_whether_an_open_circuit_holds_it(api: ApiSite, is_open: bool) -> None:
    if is_open:
        api.site.open_circuit()
    said = text_of(get(api, "/"))
    assert "not paused" in said
    assert ("Nothing is sent now, because the circuit is open." in said) is is_open


def changed_parts(html: str) -> list[str]:
    """Which parts of the page an event brings beside the live part."""
    return re.findall(r'<hx-partial hx-target="([^"]+)"', html)


def test_each_part_that_an_event_brings_is_on_the_page_once(api: ApiSite) -> None:
    live = api.services.live
    data = PageData(live, CONFIG, lists=lambda: read_lists(api.services))
    html, _ = fragment(data, live.latest(), Onlooker(Words("en")))
    whole = get(api, "/")
    assert [whole.count(f'<div id="{name[1:]}">') for name in changed_parts(html)] == [1, 1, 1]
    assert html.count('id="workers"') == 1


def test_an_event_has_the_lists_only_if_they_have_changed(api: ApiSite) -> None:
    seconds = [0.0]
    live = Live(api.services.monitor, Stopping(), monotonic=lambda: seconds[0])
    data = PageData(live, CONFIG, lists=lambda: read_lists(api.services))

    def hear(shown: OverviewLists | None) -> tuple[str, OverviewLists | None]:
        seconds[0] += INTERVAL
        return fragment(data, live.latest(), Onlooker(Words("en")), shown)

    html, shown = hear(None)
    assert "Nobody has done anything yet." in html
    html, shown = hear(shown)
    assert changed_parts(html) == ["#fleet"]
    DrainControl(api.services.database, clock=api.site.clock).pause(Author("anna", "deploy"), 600.0)
    html, shown = hear(shown)
    assert changed_parts(html) == ["#fleet", "#lists", "#people"]
    assert "queue paused" in html
    assert changed_parts(hear(shown)[0]) == ["#fleet"]


def test_a_line_break_in_a_text_ends_no_event() -> None:
    assert as_event("a\n\nevent: b\r\nc") == "data: a\ndata: \ndata: event: b\ndata: c\n\n"


class Changing:
    """A monitor with one order more in each snapshot. It takes the next when ``go_on`` lets it."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = threading.Semaphore(1)

    def snapshot_with_workers(self) -> tuple[Backlog, list[Worker]]:
        assert self.go_on.acquire(timeout=60)
        self.asked += 1
        return backlog(queued=self.asked), []


def test_a_hundred_open_pages_cost_one_snapshot_together_and_show_each(api: ApiSite) -> None:
    monitor = Changing()
    heard = asyncio.run(hear(monitor, pages=100, events=3))
    assert monitor.asked <= 4  # One may be under way at the end.
    for events in heard:
        assert re.findall(r'data-title="\S+ (\d) waiting"', "".join(events)) == ["1", "2", "3"]


async def hear(monitor: Changing, pages: int, events: int) -> list[list[str]]:
    """What each open page hears until all have heard so many events; then the process stops."""
    stopping = Stopping()
    live = Live(cast(Any, monitor), stopping, interval=0.01)
    services, data = cast(Any, SimpleNamespace(live=live)), PageData(live, CONFIG)
    heard: list[list[str]] = [[] for _ in range(pages)]

    async def listen(found: list[str]) -> None:
        async for event in routes._fragments(services, data, Onlooker(Words("en"))):
            found.append(event)
            assert len(found) <= events
            if all(len(one) == len(found) for one in heard):
                if len(found) == events:
                    stopping.begin()
                monitor.go_on.release()

    await asyncio.gather(*map(listen, heard))
    return heard


def test_the_chart_has_its_columns(api: ApiSite) -> None:
    api.app.state.page_data = PageData(api.services.live, CONFIG, lambda: history("down"))
    columns = api.client.get("/page/history").json()
    assert {len(column) for column in columns.values()} == {180}
    assert columns["open_share"][0] == 0
    assert columns["open_share"][-1] == 1
    assert columns["at"] == sorted(columns["at"])


def test_the_chart_is_a_table_too(api: ApiSite) -> None:
    api.app.state.page_data = PageData(api.services.live, CONFIG, lambda: history("down"))
    html = get(api, "/")
    assert 'id="chart"' in html
    assert "Samples of the backlog, the newest first" in html
    assert "No history yet" not in html


def test_the_pages_are_not_in_the_document_of_the_api(api: ApiSite) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    assert not {path for path in paths if path == "/" or path.startswith(("/page", "/static", "/orders"))}
