"""A browser that loses its session, or goes back, loses nothing that was typed. Without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect

from breakwall.access.scopes import Scope
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from tests.integration.web.page.page_site import PageSite

PAUSE = "/act/queue/pause"
WHY = "은행이 전화했습니다"
OPERATOR = (Scope.OPS_READ, Scope.OPS_WRITE)


@pytest.fixture
def page(browser: Browser, site: PageSite) -> Iterator[Page]:
    DrainControl(site.site.database, clock=site.site.clock).resume(Author("anna"))
    with closing(browser.new_context(locale="en", java_script_enabled=False)) as context:
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        yield opened


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_a_token_that_ends_while_typing_costs_a_sign_in_and_no_text(page: Page, site: PageSite) -> None:
    with site.token_needed("minjun", *OPERATOR) as first:
        page.goto(f"{site.address}{PAUSE}")
        sign_in(page, first)
        page.get_by_label("Reason").fill(WHY)
        page.get_by_label("How long").select_option("300")
        with site.token_needed("yuna", *OPERATOR) as second:
            page.get_by_role("button", name="Pause the queue").click()
            sign_in(page, second)
            expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
            expect(page.get_by_label("Reason")).to_have_value(WHY)
            expect(page.get_by_label("How long")).to_have_value("300")
            page.get_by_role("button", name="Pause the queue").click()
            expect(page.locator(".done")).to_have_text("✓ You have paused the queue.")


def test_back_leads_to_the_refused_form_as_it_was(page: Page, site: PageSite) -> None:
    page.goto(f"{site.address}{PAUSE}")
    page.get_by_label("Reason").fill(" ")
    page.get_by_label("Your name").fill("민준")
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.get_by_role("alert")).to_contain_text("Please fill this in.")
    page.get_by_role("link", name="Orders", exact=True).click()
    page.go_back()
    expect(page.get_by_role("alert")).to_contain_text("Please fill this in.")
    expect(page.get_by_label("Your name")).to_have_value("민준")
    page.reload()
    expect(page.get_by_label("Your name")).to_have_value("민준")
