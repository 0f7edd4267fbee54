"""Each shop, run by the commands of its README, goes through an outage of its payment service."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.examples.customer import IN_A_MOMENT, NO_SUCH_PAGE, PAID, number_in
from tests.examples.events import event_of, signed
from tests.examples.running_shop import RunningShop
from tests.examples.shops import OPENING
from tests.waiting import wait_until

pytestmark = pytest.mark.program
OTHER_SECRET = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVy"


@pytest.fixture(params=list(OPENING))
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningShop]:
    running = RunningShop(request.param, tmp_path)
    try:
        running.start()
        yield running
    finally:
        sys.stdout.write(running.logs())  # Pytest shows it if the test fails.
        running.stop()


def test_an_outage_is_played_through(shop: RunningShop) -> None:
    customer, (down, up) = shop.customer, shop.readme.faults
    at_once = customer.order()
    # Not at once if another process of the shop begins just now and places the order again.
    wait_until(lambda: customer.waits_for(PAID, at_once), 60, look_every=0.1)

    shop.payments.set_faults(**down)
    form = customer.form()
    with ThreadPoolExecutor(4) as pool:
        (path,) = {answer.headers["Location"] for answer in pool.map(customer.send, [form] * 4)}
    assert customer.reads(path) == IN_A_MOMENT
    assert customer.reads(f"{path}x") == NO_SUCH_PAGE

    shop.payments.set_faults(**up)
    wait_until(lambda: customer.waits_for(PAID, path), 60, look_every=0.1)
    wait_until(lambda: shop.has_heard_of(number_in(path)), 60, look_every=0.1)
    assert [shop.charges().count(number_in(one)) for one in (at_once, path)] == [1, 1]
    assert path.split("/")[3] not in shop.logs()

    secret = shop.folder / "webhook-secret"
    if secret.exists():
        take_events_over_http(shop, path, secret.read_text().strip())


def take_events_over_http(shop: RunningShop, path: str, secret: str) -> None:
    number = number_in(path)
    older = event_of(number, "review", "evt_older")
    forged = event_of(number, "declined", "evt_forged", second=9)
    answers = [
        shop.customer.client.post("/hooks/breakwall", content=body, headers=headers).status_code
        for body, headers in (
            signed(older, secret),
            signed(event_of(number, "paid", "evt_newer"), secret),
            signed(older, secret),
            signed(forged, OTHER_SECRET),
        )
    ]
    assert answers == [204, 204, 204, 400]
    assert shop.customer.reads(path) == PAID
