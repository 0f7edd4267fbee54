"""How often the shop was told or was not, as every process adds it up."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.outcomes.delivery_totals import DeliveryResult, read_deliveries
from breakwall.payments.outcomes.destination import Result
from breakwall.payments.outcomes.schedule import DELAYS, MAX_TRIES
from tests.contract.payments.outcomes.outbox_site import OutboxSite, Shop

FAILS = Result("HTTP 500")


def totals(site: OutboxSite) -> dict[tuple[str, str], int]:
    found = site.database.read(read_deliveries)
    assert found is not None
    return {(name, result.value): number for (name, result), number in found.items() if number}


def test_each_try_counts_by_its_destination_and_its_result(outbox_site: OutboxSite) -> None:
    webhook, listener = Shop(), Shop("listener")
    webhook.answers = [FAILS]
    worker = outbox_site.worker(webhook, listener)
    outbox_site.end("k1")
    worker.run()
    assert totals(outbox_site) == {("webhook", "failed"): 1, ("listener", "delivered"): 1}
    outbox_site.advance(DELAYS[0])
    worker.run()
    assert totals(outbox_site) == {
        ("webhook", "failed"): 1,
        ("webhook", "delivered"): 1,
        ("listener", "delivered"): 1,
    }


def test_the_last_try_counts_as_given_up(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    for delay in (*DELAYS, 1.0):
        worker.run()
        outbox_site.advance(delay)
    assert totals(outbox_site) == {("webhook", "failed"): MAX_TRIES - 1, ("webhook", "given_up"): 1}


def test_two_processes_add_up(outbox_site: OutboxSite) -> None:
    one, other = outbox_site.worker(Shop()), outbox_site.worker(Shop())
    for key, worker in (("k1", one), ("k2", other), ("k3", one)):
        outbox_site.end(key)
        worker.run()
    assert totals(outbox_site) == {("webhook", DeliveryResult.DELIVERED.value): 3}


def test_a_try_whose_commit_was_not_confirmed_counts_once(
    outbox_site: OutboxSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = outbox_site.worker(Shop(), Shop("listener"), keeps=True)
    outbox_site.end("k1")
    worker.run()
    for pool in worker.pools:
        pool.run_kept()

    def lose(when: str, name: str) -> None:
        if (when, name) == ("after", "deliver_outcomes"):
            raise DatabaseUnavailableError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr("breakwall.payments.db.database.reach", lose)
        with pytest.raises(DatabaseUnavailableError):
            worker.run()
    worker.run()
    assert totals(outbox_site) == {("webhook", "delivered"): 1, ("listener", "delivered"): 1}


def test_before_revision_0008_the_shop_is_told_and_nothing_is_counted(outbox_site: OutboxSite) -> None:
    outbox_site.database.write(lambda connection: connection.execute(text("DROP TABLE delivery_totals")))
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    assert shop.told == [("k1", "order.paid")]
    assert outbox_site.database.read(read_deliveries) is None
