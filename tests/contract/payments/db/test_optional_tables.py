"""A running process uses the newest tables as soon as they exist, and works without them once they are dropped."""

from __future__ import annotations

import pytest

from breakwall.payments.db.database import SchemaError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.db.rolling import go_back
from tests.contract.site import Site, order
from tests.gateway import DECLINED, PAID


def prune(site: Site) -> int:
    pruning = Pruning(site.database, keys_for=400.0, clock=site.clock, sleep=lambda seconds: None)
    return sum(pruned for pruned, _ in pruning.run(90.0))


def test_a_table_that_a_migration_makes_is_used_without_a_restart(site: Site) -> None:
    go_back(site)
    site.gateway.answers.extend([DECLINED, PAID])
    site.producer.place(order())
    with pytest.raises(SchemaError, match="run `breakwall db upgrade`"):
        prune(site)
    upgrade(site.database.engine)
    site.advance(100)
    assert prune(site) == 1
    assert site.producer.place(order()).replayed, "it would be charged, though its key is known"


def test_a_table_that_a_downgrade_drops_is_no_longer_used(site: Site) -> None:
    site.gateway.answers.extend([PAID, PAID])
    site.producer.place(order("cart-1"))
    assert prune(site) == 0, "and it knows now that the table exists"
    go_back(site)
    site.open_circuit()
    assert site.producer.place(order("cart-2")).status == "queued"
    site.breaker_forgets()
    assert site.get("cart-2").status is OrderStatus.QUEUED
