"""The mean speed of the last minutes, from a bounded number of rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from breakwall.monitor import drain_speed
from breakwall.monitor.drain_speed import LONGEST, is_read_only, mean_speed
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA
from tests.contract.site import Site, order
from tests.gateway import PAID


def drain(site: Site, *keys: str, every: float = 1.0) -> None:
    """Have a worker pay these orders, one after the other; the last one ``every`` seconds ago."""
    for placed, key in zip(site.producer.enqueue([order(key) for key in keys]), keys, strict=True):
        site.attempt(placed.order_id, replace(PAID, charge_id=f"ch_{key}"), OrderStatus.PAID)
        site.advance(every)


def speed(site: Site) -> float:
    return site.database.read(lambda connection: mean_speed(connection, site.clock))


def test_without_a_finished_order_there_is_no_speed(site: Site) -> None:
    site.producer.enqueue([order("a")])
    assert speed(site) == 0.0


def test_it_is_the_mean_since_the_first_of_them_was_finished(site: Site) -> None:
    drain(site, "a", "b", every=50.0)
    drain(site, "c", "d", every=150.0)
    assert speed(site) == pytest.approx(4 / 400)


def test_orders_of_long_ago_orders_that_never_waited_and_cancelled_ones_do_not_count(site: Site) -> None:
    drain(site, "a")
    site.advance(LONGEST)
    drain(site, "b", every=10.0)
    site.gateway.answers.append(replace(PAID, charge_id="ch_live"))
    site.producer.place(order("live"))
    site.producer.enqueue([order("c")])
    site.people.cancel("c", ANNA)
    assert speed(site) == pytest.approx(1 / 10)


def test_of_many_only_the_last_count(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_speed, "MOST", 2)
    drain(site, "a", every=100.0)
    drain(site, "b", "c", every=5.0)
    assert speed(site) == pytest.approx(2 / 10)


def test_a_burst_of_a_moment_is_no_speed(site: Site) -> None:
    drain(site, "a", "b", every=0.001)
    assert speed(site) == 2.0


def test_a_server_that_takes_no_writes_is_known(site: Site) -> None:
    assert not site.database.read(is_read_only)
    if site.database.engine.dialect.name != "postgresql":
        return
    with site.database.engine.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = on"))
        assert is_read_only(connection)
        connection.invalidate()
