"""Each shop, run by the commands of its README, goes through an outage of its payment service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.customer import IN_A_MOMENT, NO_SUCH_PAGE, PAID
from tests.examples.events import event_of, signed
from tests.examples.running_shop import RunningShop
from tests.examples.shops import OPENING
from tests.waiting import wait_until

OTHER_SECRET = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVy"


@pytest.fixture(params=list(OPENING))
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningShop]:
    running = RunningShop(request.param, tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_an_outage_is_played_through(shop: RunningShop) -> None:
    customer, (down, up) = shop.customer, shop.readme.faults
    assert customer.reads(customer.order()) == PAID

    shop.payments.set_faults(**down)
    form = customer.form()
    path = customer.send(form).headers["Location"]
    assert customer.send(form).headers["Location"] == path
    assert customer.reads(path) == IN_A_MOMENT
    assert customer.reads(f"{path}x") == NO_SUCH_PAGE

    shop.payments.set_faults(**up)
    wait_until(lambda: customer.reads(path) == PAID, 60, look_every=0.1)
    number = path.split("/")[2]
    assert shop.statuses().count(number) == 1
    assert path.split("/")[3] not in shop.logs()

    secret = shop.folder / "webhook-secret"
    if secret.exists():
        a_webhook_is_taken_once_and_a_forged_one_refused(shop, path, secret.read_text().strip())


def a_webhook_is_taken_once_and_a_forged_one_refused(shop: RunningShop, path: str, secret: str) -> None:
    number, post = path.split("/")[2], shop.customer.client.post
    forged, headers = signed(event_of(number, "declined", "evt_play", second=59), OTHER_SECRET)
    assert post("/hooks/breakwall", content=forged, headers=headers).status_code == 400
    assert shop.customer.reads(path) == PAID
