"""A person retries the dead orders together and resolves one in review, in a real browser."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from breakwall.payments.orders import OrderStatus
from tests.contract import bulk
from tests.contract.people import dead, in_review
from tests.integration.web.page.page_site import PageSite


@pytest.mark.parametrize(("script", "width", "dark"), [(True, 375, True), (False, 1280, False)])
def test_a_person_retries_the_dead_orders_and_resolves_one_in_review(
    browser: Browser, site: PageSite, script: bool, width: int, dark: bool
) -> None:
    gone, unclear = (f"gone-{width}-1", f"gone-{width}-2"), f"unclear-{width}"
    dead(site.site, *gone)
    in_review(site.site, unclear)
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if dark else "light",
        locale="en",
        java_script_enabled=script,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(site.address)
    check(page, script)

    page.get_by_role("link", name="Retry all dead orders").click()
    check(page, script)
    page.get_by_label("Last error").fill("No credentials")
    page.get_by_role("button", name="Count the orders").press("Enter")
    expect(page.locator(".facts dt:has-text('Are retried') + dd")).to_have_text("2")
    check(page, script)
    send(page, "Retry these orders")
    expect(page.locator(".done")).to_have_text("✓ You have made a bulk retry. Workers do the rest.")
    expect(page.get_by_role("link", name="Abort the bulk retry")).to_be_visible()
    work(site, page)
    page.get_by_role("link", name="Load again").click()
    expect(page.locator(".whole-progress")).to_have_text("2 of 2")
    assert {site.site.get(key).status for key in gone} == {OrderStatus.QUEUED}

    page.goto(site.address)
    page.get_by_role("link", name=f"Resolve as paid: {unclear}").click()
    page.get_by_label("Charge").fill(f"ch_{width}")
    check(page, script)
    send(page, "Resolve as paid")
    expect(page.locator(".done")).to_have_text("✓ You have resolved the order as paid.")
    expect(page.locator("h1")).to_have_text(unclear)
    expect(page.get_by_role("link", name="Retry the order")).to_have_count(0)
    assert site.site.get(unclear).charge_id == f"ch_{width}"
    context.close()


def send(page: Page, button: str) -> None:
    """Fill in the form of an action, with the keyboard alone."""
    page.get_by_label("Reason").fill("the service is back")
    page.get_by_label("Your name").fill("kim")
    page.get_by_role("button", name=button).press("Enter")


def check(page: Page, script: bool) -> None:
    """The page is accessible, which only a script can find out, and fits its window."""
    if not script:
        return
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    width = page.viewport_size
    assert width is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= width["width"]


def work(site: PageSite, page: Page) -> None:
    """What a worker does for the bulk retry whose page is open."""
    bulk_id = page.url.rpartition("/")[2].partition("?")[0]
    list(bulk.runner(site.site.database, site.site.clock).run(bulk_id))
