"""What a person can do with the circuit and the drain, in a real browser. ../test_outage.py does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from tests.integration.web.page.page_site import PageSite

Open = Callable[..., Page]


@pytest.fixture
def open_overview(browser: Browser, site: PageSite) -> Iterator[Open]:
    """Opens the overview of a site whose circuit is automatic, and whose drain runs."""
    site.site.breaker.auto("anna")
    DrainControl(site.site.database, clock=site.site.clock).resume(Author("anna"))
    site.show_itself()
    with ExitStack() as contexts:

        def opened(*, script: bool, width: int = 1280, dark: bool = False) -> Page:
            context = browser.new_context(
                viewport={"width": width, "height": 800},
                color_scheme="dark" if dark else "light",
                locale="en",
                java_script_enabled=script,
            )
            contexts.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.goto(site.address)
            return page

        yield opened


def test_the_live_part_of_an_open_page_offers_what_is_possible_now(
    open_overview: Open, site: PageSite
) -> None:
    page = open_overview(script=True)
    expect(page.locator("#said")).not_to_be_empty()  # The stream has begun.
    pause = page.get_by_role("link", name="Pause", exact=True)
    pause.focus()
    DrainControl(site.site.database, clock=site.site.clock).pause(Author("anna", "the bank calls"))
    expect(page.get_by_role("link", name="Resume")).to_be_visible()
    assert page.evaluate("document.activeElement.textContent") == "Keep it paused"


def test_what_is_not_possible_is_said_accessibly_with_what_is(open_overview: Open, site: PageSite) -> None:
    page = open_overview(script=True, width=375)
    page.goto(f"{site.address}/act/queue/resume")
    expect(page.get_by_role("alert")).to_contain_text("The queue is not paused.")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_role("button", name="Pause the queue")).to_be_visible()
