"""A person forces the circuit open and pauses the drain, in a real browser."""

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


@pytest.mark.parametrize("script", [True, False])
def test_a_person_forces_the_circuit_open_and_pauses_the_drain(
    open_overview: Open, site: PageSite, script: bool
) -> None:
    page = open_overview(script=script, width=375 if script else 1280, dark=script)
    page.get_by_role("link", name="Force open").click()
    send(page, "Force the circuit open", lasts="4 h")
    expect(page.locator(".done")).to_have_text("✓ You have forced the circuit open.")
    # With JavaScript, to load the page again says it no more; without, the page loads itself without it.
    expect(page).to_have_url(f"{site.address}/{'' if script else '?done=circuit_forced_open'}")
    circuit = page.locator("section[aria-labelledby=circuit]")
    expect(circuit).to_contain_text("forced open by kim 0 s ago: the bank calls. It ends by itself in 4 h.")

    page.get_by_role("link", name="Pause", exact=True).click()
    send(page, "Pause the drain", lasts="until a person ends it")
    expect(page.locator(".done")).to_have_text("✓ You have paused the drain.")
    expect(page.locator("#drain ~ p")).to_contain_text("Paused by kim")

    page.get_by_role("link", name="Back to automatic").click()
    send(page, "Lift the override")
    page.get_by_role("link", name="Resume").click()
    send(page, "Resume the drain")
    expect(page.get_by_role("link", name="Pause", exact=True)).to_be_visible()
    assert site.site.breaker.status().override is None


def send(page: Page, button: str, lasts: str | None = None) -> None:
    """Fill in the form of an action, with the keyboard alone."""
    page.get_by_label("Reason").fill("the bank calls")
    page.get_by_label("Your name").fill("kim")
    if lasts is not None:
        page.get_by_label("How long").select_option(lasts)
    page.get_by_role("button", name=button).press("Enter")


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
    page.goto(f"{site.address}/act/drain/resume")
    expect(page.get_by_role("alert")).to_contain_text("The drain is not paused.")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_role("button", name="Pause the drain")).to_be_visible()


def test_a_refused_form_is_accessible_and_keeps_what_was_typed(open_overview: Open) -> None:
    page = open_overview(script=True, width=375, dark=True)
    page.get_by_role("link", name="Limit the speed").click()
    page.get_by_label("Reason").fill("the bank calls")
    page.get_by_label("Orders a second").fill("2,5")
    page.get_by_role("button", name="Set the speed").click()
    expect(page.get_by_role("alert")).to_contain_text("Orders a second: It should be a number above 0")
    expect(page.get_by_label("Orders a second")).to_have_value("2,5")
    expect(page.get_by_label("Reason")).to_have_value("the bank calls")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
