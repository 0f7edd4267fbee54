"""The page in a real browser."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from breakwall.access.scopes import Scope
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.record import BulkRetries
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import Order, OrderStatus
from tests.gateway import PAID
from tests.integration.web.page.page_site import REFUSED, PageSite
from tests.stopwatch import Stopwatch

Open = Callable[..., Page]
WIDTHS = (375, 1280)
TOP = "document.getElementById('chart').getBoundingClientRect().top"  # Where the reader sees it.
PLACES = (
    "down",
    "no_worker",
    "draining",
    "/orders",
    "paid",
    "review",
    "dead",
    "/audit",
    "bulk",
    "/login",
    "/act/queue/rate",
)


@pytest.fixture
def open_page(browser: Browser, site: PageSite) -> Iterator[Open]:
    """Opens an address, the overview in a situation, or the order of a state; and checks that nothing went wrong."""
    problems: list[str] = []
    contexts = []

    def opened(
        place: str, *, width: int = 1280, dark: bool = False, language: str = "en", script: bool = True
    ) -> Page:
        scheme: Any = "dark" if dark else "light"
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            locale=language,
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: problems.append(f"{place}: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"{place}: {error}"))
        page.goto(site.address + address(site, place))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems  # No error, no warning, no violation of the content-security policy.


def address(site: PageSite, place: str) -> str:
    if place.startswith("/"):
        return place
    if place in site.orders:
        return f"/orders/{site.orders[place]}"
    if place == "bulk":
        return f"/bulk-retries/{site.bulk_retry}"
    site.show(place)
    return "/"


def chart_is_drawn(page: Page) -> None:
    expect(page.locator("#chart canvas")).to_have_count(3)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    open_page: Open, place: str, width: int
) -> None:
    # Both languages and both colours, each with each width and place.
    dark, language = (width == 375, "ko") if len(place) % 2 else (width != 375, "en")
    page = open_page(place, width=width, dark=dark, language=language)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("dark", "language"), [*itertools.product((False, True), ("en", "ko"))])
def test_an_outage_is_accessible_in_each_colour_and_language(
    open_page: Open, dark: bool, language: str
) -> None:
    page = open_page("down", dark=dark, language=language)
    chart_is_drawn(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_the_verdict_changes_while_the_page_is_open(open_page: Open, site: PageSite) -> None:
    page = open_page("down")
    expect(page.locator("h1")).to_have_text("Payment service down 12 min.")
    site.change("draining")
    expect(page.locator("h1")).to_have_text("Payment service up, and the backlog drains.")
    expect(page).to_have_title("◆ 1,284 waiting – Breakwall")
    expect(page.locator("#said")).to_have_text("◆ Watch, closed")


def test_a_change_moves_neither_the_focus_nor_the_scroll_nor_what_is_open(
    open_page: Open, site: PageSite
) -> None:
    page = open_page("down")
    chart_is_drawn(page)
    page.locator("summary").click()
    page.locator("#failures-table a").first.focus()
    page.evaluate("window.scrollTo(0, 600)")
    canvas = page.locator("#chart canvas").first.element_handle()
    place = page.evaluate(TOP)
    site.change("draining")
    expect(page.locator("h1")).to_have_text("Payment service up, and the backlog drains.")
    assert page.evaluate("document.activeElement.textContent") == "order aaaaaaaa"
    assert page.evaluate(TOP) == pytest.approx(place, abs=1)
    expect(page.locator("details")).to_have_attribute("open", "")
    assert canvas is not None
    assert canvas.evaluate("(one) => one.isConnected")


def test_a_list_changes_while_the_page_is_open_and_its_focus_stays(open_page: Open, site: PageSite) -> None:
    page = open_page("needs_person")
    link = page.locator("#lists").get_by_role("link", name="<b>cart</b>&amp;0022", exact=True)
    link.focus()
    site.site.producer.enqueue([Order("user-7732", 9000, "KRW", "dies-meanwhile")])
    new = site.site.get("dies-meanwhile").id
    site.site.attempt(new, REFUSED, OrderStatus.DEAD)
    expect(page.locator("#lists").get_by_role("link", name="dies-meanwhile", exact=True)).to_be_visible()
    expect(link).to_be_focused()


STALE = "document.querySelector('.snapshot').classList.add('stale')"  # As an event of a lost database does.
NO_SNAPSHOT = "document.querySelector('.snapshot').remove()"  # The server has none yet.
LOST = "document.body.classList.add('is-lost')"  # As page.js does when nothing comes.
PLAIN_SECTIONS = """[...document.querySelectorAll('section')]
    .filter((one) => getComputedStyle(one).filter === 'none').map((one) => one.getAttribute('aria-labelledby'))"""


@pytest.mark.parametrize("event", [STALE, NO_SNAPSHOT, LOST])
def test_all_parts_of_a_stale_overview_are_grey(open_page: Open, event: str) -> None:
    page = open_page("needs_person")
    fresh = page.evaluate(PLAIN_SECTIONS)
    assert {"circuit", "wanted", "workers", "actions"} <= set(fresh)
    # In one step: the next event makes it fresh.
    assert page.evaluate(f"() => {{ {event}; return {PLAIN_SECTIONS} }}") == []


def test_the_page_of_an_order_follows_it_until_it_has_ended(open_page: Open, site: PageSite) -> None:
    site.site.producer.enqueue([Order("user-7733", 9000, "KRW", "followed")])
    order = site.site.get("followed").id
    page = open_page(f"/orders/{order}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("link", name="Orders", exact=True).last.focus()
    site.site.attempt(order, replace(PAID, charge_id="ch_followed"), OrderStatus.PAID)
    expect(page.locator(".timeline")).to_contain_text("ended: paid")
    expect(page.locator(".lead")).to_contain_text("It was charged once.")
    expect(page.get_by_role("link", name="Orders", exact=True).last).to_be_focused()
    expect(page.locator("#live")).not_to_have_attribute("data-may-change", "")
    asked.clear()
    its_time_comes(page)
    assert asked == []


def test_the_page_of_an_order_is_quiet_in_a_hidden_tab_and_keeps_what_it_shows_when_the_server_fails(
    open_page: Open, site: PageSite
) -> None:
    page = open_page("queued")
    asked: list[str] = []

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=200, body="<main>Another page</main>", headers={"Content-Type": "text/html"})

    page.route("**/orders/*", fail)
    hide(page, hidden=True)
    its_time_comes(page)
    assert asked == []
    hide(page, hidden=False)
    its_time_comes(page)
    assert len(asked) > 0
    expect(page.locator("h1")).to_have_text("장바구니-0019")
    expect(page.locator(".lost")).to_be_visible()


def test_the_page_of_a_bulk_retry_follows_it_until_it_has_ended(open_page: Open, site: PageSite) -> None:
    anna = Author("anna", "it is back")
    all_ = BulkRetries(site.site.database, clock=site.site.clock)
    made = all_.create(Selection((OrderStatus.DEAD,), "USD"), anna, name="followed")
    page = open_page(f"/bulk-retries/{made.id}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide(page, hidden=True)
    asked.clear()  # On a busy machine its time may have come before.
    its_time_comes(page)
    assert asked == []
    hide(page, hidden=False)
    page.get_by_role("link", name="What people did with it").focus()
    all_.abort(made.id, anna)
    expect(page.locator(".lead")).to_contain_text("Aborted by anna")
    expect(page.get_by_role("link", name="What people did with it")).to_be_focused()
    expect(page.get_by_role("link", name="Abort the bulk retry")).to_have_count(0)
    asked.clear()
    its_time_comes(page)
    assert asked == []


def its_time_comes(page: Page) -> None:
    """As after three seconds. A request that follows has begun when this returns."""
    page.evaluate("htmx.trigger(document.getElementById('live'), 'every')")
    page.wait_for_timeout(200)


def test_a_script_that_comes_late_is_waited_for(open_page: Open, site: PageSite) -> None:
    """Otherwise htmx begins without its extension, and the page never changes."""
    page = open_page("down")

    def late(route: Route) -> None:
        page.wait_for_timeout(1500)
        route.continue_()

    page.route("**/hx-sse.min.js", late)
    page.reload()
    site.change("draining")
    expect(page.locator("h1")).to_have_text("Payment service up, and the backlog drains.")
    expect(page.locator("#said")).to_have_text("◆ Watch, closed")


def test_a_hidden_tab_is_quiet(open_page: Open, site: PageSite) -> None:
    page = open_page("down")
    expect(page.locator("#said")).to_have_text("◆ Watch, open")  # The stream has begun.
    hide(page, hidden=True)
    wait_until(lambda: site.streams == 0)
    site.change("draining")
    hide(page, hidden=False)
    expect(page.locator("h1")).to_have_text("Payment service up, and the backlog drains.")


def hide(page: Page, *, hidden: bool) -> None:
    value = "true" if hidden else "false"
    page.evaluate(f"Object.defineProperty(document, 'hidden', {{ value: {value}, configurable: true }})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("place", ["down", "/orders", "dead"])
def test_it_can_be_read_without_javascript(open_page: Open, place: str) -> None:
    page = open_page(place, script=False)
    expect(page.locator("h1")).to_be_visible()
    page.get_by_role("link", name="Orders", exact=True).first.click()
    page.get_by_role("link", name="cart-2026-11-28-0017").click()
    expect(page.locator("h1")).to_have_text("cart-2026-11-28-0017")
    expect(page.get_by_role("img", name="The way of the order")).to_be_visible()


def test_without_javascript_the_chart_is_a_table(open_page: Open) -> None:
    page = open_page("down", script=False)
    page.locator("summary").click()
    expect(page.get_by_role("table", name="Samples of the backlog")).to_be_visible()


def test_the_open_table_fits_a_telephone(open_page: Open) -> None:
    page = open_page("down", width=375)
    page.locator("summary").click()
    expect(page.get_by_role("table", name="Samples of the backlog")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_orders_are_found_by_a_form_without_javascript(open_page: Open) -> None:
    page = open_page("/orders", script=False)
    page.get_by_label("State").select_option("dead")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("link", name="<b>cart</b>&amp;0022", exact=True)).to_be_visible()
    page.get_by_label("Id or key of an order").fill("장바구니-0019")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("장바구니-0019")


@pytest.mark.parametrize("place", ["down", "/orders", "paid", "/audit"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(open_page: Open, place: str) -> None:
    page = open_page(place)
    wanted = page.locator("a:visible, button:visible, input:visible, select:visible, summary:visible")
    reached = set()
    for _ in range(wanted.count() + 3):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
        if page.evaluate("document.activeElement !== document.body"):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    missed = [
        html
        for html in wanted.evaluate_all("(all) => all.map((one) => one.outerHTML)")
        if html not in reached
    ]
    assert not missed


def test_the_form_to_sign_in_is_accessible_in_the_light(open_page: Open, site: PageSite) -> None:
    with site.token_needed("anna", Scope.OPS_READ):
        page = open_page("/audit")
        expect(page.locator("h1")).to_have_text("Sign in")
        found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_the_first_view_is_there_within_a_second(open_page: Open) -> None:
    page = open_page("down")
    # The first page also started the browser's processes.
    watch = Stopwatch(processes=True)
    page.reload()
    painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    # The page's policy forbids Playwright's own way to wait for it.
    wait_until(lambda: page.evaluate(painted) is not None)
    assert page.evaluate(painted) / 1000 < 1 + watch.lost


def test_a_lost_server_greys_the_page(open_page: Open) -> None:
    page = open_page("down")
    page.route(
        "**/page/events*", lambda route: route.fulfill(content_type="text/event-stream", body=": nothing\n\n")
    )
    page.reload()
    expect(page.locator(".lost")).not_to_be_visible()
    page.evaluate("Date.now = ((now) => () => now() + 60000)(Date.now)")
    expect(page.locator(".lost")).to_be_visible()
