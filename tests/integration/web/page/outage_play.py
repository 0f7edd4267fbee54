"""An outage of a payment service, and a person who meets it on the page."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Locator, Page, expect

from breakwall.payments.fleet.workers import Identity, record_heartbeat
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.labels import DONE
from breakwall.web.page.words import Words
from tests.contract import bulk
from tests.contract.site import order
from tests.gateway import DOWN, LOST, PAID
from tests.integration.web.page.page_site import PageSite
from tests.waiting import wait_until

WAITING = ("cart-1", "cart-2", "cart-3")
DEAD, UNCLEAR = "cart-dead", "cart-unclear"
WORKER = Identity("w1", "celery@web-1", "web-1", 1, slots=4, version="0.1", reads=1)
LONGEST_DELAY = 120.0  # Seconds until a waiting order is due, and the circuit lets probes through.
MOST_TABS = 300


class Outage:
    """What happens on the site while the person looks at its page."""

    def __init__(self, page_site: PageSite) -> None:
        self.site = page_site.site
        self.site.advance(60)  # No time is zero: a circuit that opened then counts as one that never did.
        self._beat()

    def begin(self) -> None:
        """The service refuses connections: the circuit opens, one order dies, and of one nobody knows its charge."""
        for key in (DEAD, UNCLEAR):
            self.site.producer.enqueue([order(key)])
        self.site.attempt(self.id_of(UNCLEAR), LOST, OrderStatus.REVIEW)
        self.site.attempt(self.id_of(DEAD), DOWN, OrderStatus.DEAD)
        self.site.gateway.answers.extend([DOWN] * len(WAITING))
        for key in WAITING:
            self.site.producer.place(order(key))
        self.site.advance(10)

    def end(self) -> None:
        """The service answers again, and a worker charges what waits."""
        self.site.advance(LONGEST_DELAY)
        self._beat()
        self.charge(*WAITING)

    def retry_dead(self, bulk_id: str) -> None:
        """What a worker does with a bulk retry, and with its order."""
        list(bulk.runner(self.site.database, self.site.clock).run(bulk_id))
        self.charge(DEAD)

    def charge(self, *keys: str) -> None:
        for key in keys:
            self.site.gateway.answers.append(replace(PAID, charge_id=f"ch_of_{key}"))
            assert self.site.retrier.run(self.id_of(key)) is OrderStatus.PAID

    def _beat(self) -> None:
        clock = self.site.clock
        self.site.database.write(
            lambda connection: record_heartbeat(connection, clock, WORKER), name="heartbeat"
        )

    def id_of(self, key: str) -> str:
        return self.site.get(key).id


@dataclass(frozen=True)
class Person:
    """Looks at pages in one browser, and acts on them. Each page must fit the window, and be accessible."""

    page: Page
    words: Words
    has_script: bool

    def look(self) -> None:
        """axe needs JavaScript; without it the pages are made of the same HTML."""
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        if self.has_script:
            found = Axe().run(self.page)
            assert found.violations_count == 0, found.generate_report()

    def sees(self, verdict: str) -> None:
        """A page that is new to the person, with this verdict."""
        self.reads(verdict)
        self.look()

    def reads(self, verdict: str) -> None:
        """It changes while the page is open."""
        if not self.has_script:  # It loads itself again each ten seconds.
            wait_until(lambda: self._says_now(verdict), 60.0)
        expect(self.page.locator("h1")).to_have_text(verdict)

    def _says_now(self, verdict: str) -> bool:
        self.page.reload()
        return self.page.locator("h1").inner_text() == verdict

    def opens(self, address: str) -> None:
        """Follow a link of the page that is open."""
        self.page.locator(f'main a[href="{address}"]').first.click()
        expect(self.page.locator("form.acting")).to_be_visible()
        self.look()

    def fills(self, **typed: str) -> None:
        """Fill in the form of an action, and send it."""
        for name, value in typed.items():
            self.field(name).fill(value)
        self.page.locator("form.acting button").click()

    def sends(self, done: str, **typed: str) -> None:
        """The same, and it is done."""
        self.fills(**typed)
        self.has_done(done)

    def has_done(self, done: str) -> None:
        """``done``: a key of `DONE`."""
        expect(self.page.locator(".done")).to_contain_text(self.words.text(DONE[done]))

    def is_refused(self, sentence: str) -> None:
        expect(self.page.get_by_role("alert")).to_contain_text(self.words.text(sentence))
        self.look()

    def field(self, name: str) -> Locator:
        return self.page.locator(f"#field-{name}")

    def tabs_to(self, wanted: Locator) -> None:
        """With the tabulator key alone."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            with suppress(Error):
                if wanted.evaluate("(one) => one === document.activeElement"):
                    return
        raise AssertionError(f"the tabulator key does not reach {wanted}")
