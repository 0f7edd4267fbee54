"""One outage on the page in a real browser, from the calm before it to the calm after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, expect

from breakwall.access.scopes import Scope
from breakwall.web.page.labels import AUDIT_ACTIONS
from breakwall.web.page.words import Words
from tests.integration.web.page.outage_play import DEAD, UNCLEAR, Outage, Person
from tests.integration.web.page.page_site import PageSite

THINGS = ("%(number)s thing needs a person.", "%(number)s things need a person.")
CALM = "All is well: no order waits."
REASONS = {
    "token_sign_in": "–",
    "breaker_force_open": "the bank calls",
    "breaker_auto": "the bank has called",
    "queue_pause": "the shop's stock is counted",
    "queue_resume": "the stock is counted",
    "bulk_retry_create": "the service is back",
    "order_resolve_paid": "it is on the bank's list",
}


@pytest.fixture
def new_site(tmp_path: Path) -> Iterator[PageSite]:
    started = PageSite(tmp_path, has_past=False)
    started.show_itself()
    yield started
    started.close()


@pytest.fixture(params=[("ko", True, 375, "dark"), ("en", False, 1280, "light")], ids=["script", "no-script"])
def person(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Person]:
    """With and without JavaScript, narrow and wide, in the dark and in the light, in both languages."""
    language, has_script, width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        locale=language,
        java_script_enabled=has_script,
    )
    page = context.new_page()
    problems: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # The browser also says that a page was a refusal.
        if not message.text.startswith("Failed to load resource"):
            problems.append(message.text)

    page.set_default_timeout(60_000)
    page.on("console", heard)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield Person(page, Words(language), has_script)
    context.close()
    assert not problems


def test_a_person_meets_an_outage_and_ends_it_on_the_page_alone(new_site: PageSite, person: Person) -> None:
    outage = Outage(new_site)
    with new_site.token_needed("kim", Scope.OPS_READ, Scope.OPS_WRITE) as token:
        sign_in(person, new_site.address, token)
        person.sees(person.words.text(CALM))
        outage.begin()
        person.sees(down(person))
        force_open_and_lift(person)
        pause_and_resume(person)
        outage.end()
        person.sees(person.words.count(*THINGS, 2))
        retry_the_dead(person, outage)
        resolve_the_unclear(person, outage)
        person.page.goto(new_site.address)
        person.sees(person.words.text(CALM))
        read_the_audit_log(person)
        sign_out(person, new_site.address)
    paid = {key: outage.site.get(key).charge_id for key in (DEAD, UNCLEAR)}
    assert paid == {key: f"ch_of_{key}" for key in (DEAD, UNCLEAR)}


def sign_in(person: Person, address: str, token: str) -> None:
    """To the page that was asked for, at the second try."""
    page = person.page
    page.goto(f"{address}/orders?status=paid")
    person.look()
    page.locator("#token").fill("bw_wrong")
    page.keyboard.press("Enter")
    person.is_refused("The token is not valid.")
    page.locator("#token").fill(token)
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_value("paid")
    person.look()
    page.locator("a.brand").click()


def down(person: Person) -> str:
    return person.words.text("Payment service down %(time)s.", time=person.words.duration(10))


def force_open_and_lift(person: Person) -> None:
    """To force it open takes the keyboard alone."""
    page = person.page
    person.tabs_to(page.locator("#act-circuit-force-open"))
    page.keyboard.press("Enter")
    person.tabs_to(person.field("reason"))
    page.keyboard.type(REASONS["breaker_force_open"])
    person.tabs_to(page.locator("form.acting button"))
    page.keyboard.press("Enter")
    person.has_done("circuit_forced_open")
    words = person.words
    forced = "%(actor)s stopped all payments %(time)s ago: the circuit is forced open."
    person.sees(words.text(forced, actor="kim", time=words.duration(0)))
    ends = words.text("It ends by itself in %(time)s.", time=words.duration(900))
    expect(page.locator(".extent")).to_contain_text(ends)

    person.opens("/act/circuit/auto")
    person.sends("circuit_automatic", reason=REASONS["breaker_auto"])
    person.reads(down(person))


def pause_and_resume(person: Person) -> None:
    """With a form that is refused before, and one that has become impossible after."""
    page = person.page
    person.opens("/act/queue/rate")
    person.fills(reason="slowly", per_second="2,5")
    person.is_refused("Nothing was done. Please put right what is wrong.")
    expect(person.field("per_second")).to_have_value("2,5")
    expect(person.field("reason")).to_have_value("slowly")
    page.locator(".send a").click()

    person.opens("/act/queue/pause")
    person.sends("queue_paused", reason=REASONS["queue_pause"])
    paused = "%(actor)s paused the queue %(time)s ago."
    person.sees(person.words.text(paused, actor="kim", time=person.words.duration(0)))
    person.opens("/act/queue/resume")
    person.sends("queue_resumed", reason=REASONS["queue_resume"])
    person.reads(down(person))

    page.goto(f"{page.url.partition('?')[0]}act/queue/resume")
    person.is_refused("The queue is not paused.")
    page.locator("a.brand").click()


def retry_the_dead(person: Person, outage: Outage) -> None:
    """All of them together, once they are counted."""
    page = person.page
    person.opens("/act/orders/retry-all?status=dead")
    page.locator("form.acting button").click()
    are_retried = page.locator(".facts dt").filter(has_text=person.words.text("Are retried"))
    expect(are_retried.locator("+ dd")).to_have_text("1")
    person.look()
    person.sends("bulk_retry", reason=REASONS["bulk_retry_create"])
    bulk_retry = page.url.partition("?")[0]
    outage.retry_dead(bulk_retry.rpartition("/")[2])
    page.goto(bulk_retry)
    progress = person.words.text("%(done)s of %(all)s", done=1, all=1)
    expect(page.locator(".whole-progress")).to_have_text(progress)
    person.look()
    page.locator("a.brand").click()


def resolve_the_unclear(person: Person, outage: Outage) -> None:
    person.opens(f"/act/orders/{outage.id_of(UNCLEAR)}/paid")
    person.sends("order_paid", reason=REASONS["order_resolve_paid"], charge_id=f"ch_of_{UNCLEAR}")
    expect(person.page.locator("h1")).to_have_text(UNCLEAR)
    person.look()


def read_the_audit_log(person: Person) -> None:
    """Who did each of it, and why."""
    person.page.locator('nav a[href="/audit"]').click()
    person.look()
    for action, reason in REASONS.items():
        row = person.page.locator("table.audit tbody tr").filter(
            has_text=person.words.text(AUDIT_ACTIONS[action])
        )
        expect(row.locator(f'[data-label="{person.words.text("Who")}"]')).to_have_text("kim")
        expect(row.locator(f'[data-label="{person.words.text("Why")}"]')).to_have_text(reason)


def sign_out(person: Person, address: str) -> None:
    person.page.locator('form[action="/logout"] button').click()
    expect(person.page.locator("#token")).to_be_visible()
    person.page.goto(f"{address}/audit")
    expect(person.page.locator("#token")).to_be_visible()
