"""Taking a database back to the version before: no order is lost, and a person is told what is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import text

from breakwall.migrations import HEAD
from breakwall.payments.db import migration_steps, sqlite
from breakwall.payments.db.database import SchemaError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.migration_steps import MigrationBlockedError
from breakwall.payments.db.outcome_trigger import TRIGGER
from breakwall.payments.db.revisions import AFTER, BEFORE, current_revision
from breakwall.payments.operator.downgrade import Losses, downgrade, losses
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.db.rolling import execute, stand_at
from tests.contract.site import Site, order
from tests.gateway import DOWN, LOST, PAID

pytestmark = pytest.mark.both_databases


def finish_later(site: Site) -> None:
    """Let an order end later than its `place` has returned."""
    site.gateway.answers.extend([DOWN, PAID])
    placed = site.producer.place(order())
    site.advance(60)
    assert site.retrier.run(placed.order_id) is OrderStatus.PAID


class TestGoingBack:
    def test_and_forth_again_keeps_every_order(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        assert downgrade(site.database.engine) == BEFORE == current_revision(site.database.engine)
        upgrade(site.database.engine)
        assert (site.get().status, current_revision(site.database.engine)) == (OrderStatus.PAID, HEAD)

    def test_gives_way_to_a_transaction_that_holds_a_table_and_names_it(self, site: Site) -> None:
        """Every writer has waited for 5 s behind it, and it said "does not answer"."""
        engine = site.database.engine
        told, locks = "table deliveries.*another process has been writing.*breakwall db downgrade", ()
        if engine.dialect.name == "postgresql":
            told = r"table outcomes.*of 'a report'.*breakwall db downgrade"
            locks = "SET LOCAL application_name = 'a report'", "LOCK TABLE outcomes IN ACCESS SHARE MODE"
        with (
            mock.patch.object(migration_steps, "STEP_TIMEOUT", 0.0),
            mock.patch.object(sqlite, "LOCK_TIMEOUT", 0.1),
            engine.connect() as holder,
        ):
            holder.begin()
            for lock in locks:
                holder.execute(text(lock))
            assert losses(engine) == Losses()
            with pytest.raises(MigrationBlockedError, match=told):
                downgrade(engine)
        assert current_revision(engine) == HEAD

    def test_works_without_the_columns_that_an_unreleased_version_did_not_have(self, site: Site) -> None:
        execute(site, *(f"ALTER TABLE workers DROP COLUMN {name}" for name in ("broker", "ways")))
        assert downgrade(site.database.engine) == BEFORE

    def test_twice_is_going_back_once(self, site: Site) -> None:
        assert downgrade(site.database.engine) == downgrade(site.database.engine) == BEFORE
        assert losses(site.database.engine) == Losses()

    def test_drops_the_trigger_whose_table_is_gone(self, site: Site) -> None:
        """Else no order could end any more."""
        downgrade(site.database.engine)
        catalog = (
            "pg_trigger WHERE tgname"
            if site.database.engine.name == "postgresql"
            else "sqlite_master WHERE name"
        )
        counting = text(f"SELECT count(*) FROM {catalog} = '{TRIGGER}'")
        assert site.database.read(lambda connection: connection.scalar(counting)) == 0
        finish_later(site)

    def test_says_what_is_lost(self, site: Site) -> None:
        finish_later(site)
        assert losses(site.database.engine) == Losses(undelivered=1)
        assert "1 outcome that the shop was not told yet" in str(losses(site.database.engine))
        assert "2,000 outcomes" in str(Losses(undelivered=2000))

    def test_does_not_count_an_outcome_that_was_delivered(self, site: Site) -> None:
        finish_later(site)
        take = f"UPDATE outcomes SET taken_at = '{site.clock.now:%Y-%m-%d %H:%M:%S.%f+00:00}'"
        execute(site, take)
        assert losses(site.database.engine) == Losses()
        owed = "INSERT INTO deliveries (outcome_id, destination, order_id, due_at) SELECT id, 'webhook', order_id, at "
        execute(site, owed + "FROM outcomes")
        assert losses(site.database.engine) == Losses(undelivered=1)
        execute(site, "UPDATE deliveries SET due_at = NULL, delivered_at = due_at")
        assert losses(site.database.engine) == Losses()

    @pytest.mark.parametrize(
        "carried",
        [
            {"payment_method": "pm_1"},
            {"description": "tea"},
            {"metadata": {"cart": "17"}},
            {"charge_before": 3600.0},
        ],
        ids=lambda carried: next(iter(carried)),
    )
    @pytest.mark.parametrize("status", ["queued", "in_flight", "review", "dead"])
    def test_is_refused_while_an_open_order_carries_what_would_be_dropped(
        self, site: Site, carried: dict[str, Any], status: str
    ) -> None:
        """The version before would charge it without its payment method, or after its last moment."""
        site.gateway.answers.append(DOWN)
        site.producer.place(replace(order(), **carried))
        now = f"'{site.clock.now:%Y-%m-%d %H:%M:%S.%f+00:00}'"
        moments = {
            "queued": f"next_attempt_at = {now}",
            "in_flight": f"lease_until = {now}, next_attempt_at = NULL, dispatch_at = NULL",
        }.get(status, f"settled_at = {now}, next_attempt_at = NULL, dispatch_at = NULL")
        execute(site, f"UPDATE orders SET status = '{status}', {moments}")
        assert losses(site.database.engine).open_orders == 1
        with pytest.raises(RefusedError, match="1 of the open orders have details"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == HEAD
        assert site.get().status == status

    def test_is_not_refused_once_that_order_has_ended(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(replace(order(), payment_method="pm_1", charge_before=3600.0))
        assert downgrade(site.database.engine) == BEFORE

    def test_is_not_refused_for_an_open_order_that_carries_nothing(self, site: Site) -> None:
        site.gateway.answers.append(DOWN)
        site.producer.place(order())
        assert downgrade(site.database.engine) == BEFORE
        assert site.get().status == "queued"

    def test_is_refused_while_it_is_unknown_whether_a_prepared_charge_was_confirmed(self, site: Site) -> None:
        """Its id would be lost, and with it the only way to find the charge."""
        site.gateway.answers.append(LOST)
        site.producer.place(order())
        execute(site, "UPDATE attempts SET prepared = 'pi_1'")
        with pytest.raises(RefusedError, match="prepared charge"):
            downgrade(site.database.engine)
        execute(site, "UPDATE attempts SET outcome = 'succeeded'")
        assert losses(site.database.engine).open_orders == 0

    def test_is_refused_while_an_order_of_another_gateway_is_open(self, site: Site) -> None:
        """The version before has one gateway only: it would charge the order there, perhaps once more."""
        site.producer.enqueue([order()])
        site.database.write(lambda connection: connection.execute(text("UPDATE orders SET gateway = 'acme'")))
        with pytest.raises(RefusedError, match="another gateway"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == HEAD

    @pytest.mark.parametrize("revision", ["0004", AFTER])
    def test_is_possible_only_from_this_versions_revision(self, site: Site, revision: str) -> None:
        stand_at(site, revision)
        with pytest.raises(SchemaError, match=f"at revision {revision}"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == revision
