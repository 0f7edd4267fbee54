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
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.operator.downgrade import Losses, downgrade, losses
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.db.rolling import stand_at
from tests.contract.site import Site, order
from tests.gateway import DECLINED, PAID


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
        told, locks = "table orders.*another process has been writing.*breakwall db downgrade", ()
        if engine.dialect.name == "postgresql":
            told = r"table workers.*of 'a report'.*breakwall db downgrade"
            locks = "SET LOCAL application_name = 'a report'", "LOCK TABLE workers IN ACCESS SHARE MODE"
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
        row = "INSERT INTO strange_messages VALUES (1, '2026-01-01 12:00:00', 'no JSON', '', '', 7)"
        with site.database.engine.begin() as connection:
            connection.execute(text(row))
        assert losses(site.database.engine) == Losses(strange_messages=1)
        assert "1 strange message" in str(losses(site.database.engine))

    def test_is_refused_if_a_known_key_would_be_lost(self, site: Site) -> None:
        site.gateway.answers.append(DECLINED)
        site.producer.place(order())
        site.advance(100)
        pruning = Pruning(site.database, keys_for=400.0, clock=site.clock, sleep=lambda seconds: None)
        list(pruning.run(90.0))
        assert losses(site.database.engine).keys
        with pytest.raises(RefusedError, match="would be charged again"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == HEAD
        assert site.producer.place(order()).replayed

    @pytest.mark.parametrize("revision", ["0003", AFTER])
    def test_is_possible_only_from_this_versions_revision(self, site: Site, revision: str) -> None:
        stand_at(site, revision)
        with pytest.raises(SchemaError, match=f"at revision {revision}"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == revision
