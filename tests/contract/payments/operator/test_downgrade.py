"""Taking a database back to the version before: no order is lost, and a person is told what is."""

from __future__ import annotations

from unittest import mock

import pytest
from sqlalchemy import text

from breakwall.migrations import HEAD
from breakwall.payments.db import migration_steps, sqlite
from breakwall.payments.db.database import SchemaError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.migration_steps import MigrationBlockedError
from breakwall.payments.db.revisions import AFTER, BEFORE, current_revision
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.operator.downgrade import Losses, downgrade, losses
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.db.rolling import stand_at
from tests.contract.people import ANNA
from tests.contract.site import Site, order
from tests.gateway import PAID


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
        told, locks = "table released_orders.*another process has been writing.*breakwall db downgrade", ()
        if engine.dialect.name == "postgresql":
            told = r"table drain_actions.*of 'a report'.*breakwall db downgrade"
            locks = "SET LOCAL application_name = 'a report'", "LOCK TABLE drain_actions IN ACCESS SHARE MODE"
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

    def test_twice_is_going_back_once(self, site: Site) -> None:
        assert downgrade(site.database.engine) == downgrade(site.database.engine) == BEFORE
        assert losses(site.database.engine) == Losses()

    def test_says_what_is_lost(self, site: Site) -> None:
        DrainControl(site.database, clock=site.clock).set_rate(ANNA, 5.0)
        assert losses(site.database.engine) == Losses(rate=5.0, drain_actions=1)
        assert "1 row of the history" in str(losses(site.database.engine))
        assert "5 orders a second" in str(losses(site.database.engine))

    def test_is_refused_while_the_queue_is_paused(self, site: Site) -> None:
        control = DrainControl(site.database, clock=site.clock)
        control.pause(ANNA)
        assert losses(site.database.engine).paused
        with pytest.raises(RefusedError, match="would send the waiting orders"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == HEAD
        assert control.read().paused is not None
        control.resume(ANNA)
        assert downgrade(site.database.engine) == BEFORE

    @pytest.mark.parametrize("revision", ["0004", AFTER])
    def test_is_possible_only_from_this_versions_revision(self, site: Site, revision: str) -> None:
        stand_at(site, revision)
        with pytest.raises(SchemaError, match=f"at revision {revision}"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == revision
