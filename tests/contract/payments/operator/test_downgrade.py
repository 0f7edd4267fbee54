"""Taking a database back to the version before: no order is lost, and a person is told what is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Table, func, insert, inspect, select, text, update

from breakwall.migrations import HEAD
from breakwall.payments.db import migration_steps, sqlite
from breakwall.payments.db.database import SchemaError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.migration_steps import MigrationBlockedError
from breakwall.payments.db.operator_tables import BulkState, api_tokens, bulk_retries, operator_actions
from breakwall.payments.db.revisions import AFTER, BEFORE, current_revision
from breakwall.payments.db.schema import outcomes
from breakwall.payments.operator.downgrade import _DROPPED, Losses, downgrade, losses
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.db.rolling import stand_at
from tests.contract.site import Site, order
from tests.gateway import DOWN, PAID

pytestmark = pytest.mark.both_databases


def bulk_retry(site: Site, bulk_id: str, state: BulkState) -> None:
    row = {"id": bulk_id, "name": "outage", "created_at": site.clock.now, "actor": "anna", "reason": "back"}
    add(site, bulk_retries, **row, selection="{}", state=state)


def token(site: Site, name: str, **columns: Any) -> None:
    row = {"name": name, "digest": name, "scopes": "ops:read", "created_by": "anna"}
    add(site, api_tokens, created_at=site.clock.now, **row, **columns)


def add(site: Site, table: Table, **row: Any) -> None:
    site.database.write(lambda connection: connection.execute(insert(table).values(row)), name="test")


class TestGoingBack:
    def test_and_forth_again_keeps_every_order(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        assert downgrade(site.database.engine) == BEFORE == current_revision(site.database.engine)
        upgrade(site.database.engine)
        assert (site.get().status, current_revision(site.database.engine)) == (OrderStatus.PAID, HEAD)

    @pytest.mark.parametrize("table", ["operator_actions", "interventions"])
    def test_gives_way_to_a_transaction_that_holds_a_table_and_names_it(self, site: Site, table: str) -> None:
        """Every writer has waited for 5 s behind it, and it said "does not answer"."""
        engine = site.database.engine
        told, locks = "table bulk_retries.*another process has been writing.*breakwall db downgrade", ()
        if engine.dialect.name == "postgresql":
            told = rf"table {table}.*of 'a report'.*breakwall db downgrade"
            locks = ("SET LOCAL application_name = 'a report'", f"LOCK TABLE {table} IN ACCESS SHARE MODE")
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

    def test_waits_for_each_table_that_it_drops(self, site: Site) -> None:
        before = set(inspect(site.database.engine).get_table_names())
        downgrade(site.database.engine)
        dropped = before.difference(inspect(site.database.engine).get_table_names())
        assert dropped == {table.name for table in _DROPPED}

    def test_twice_is_going_back_once(self, site: Site) -> None:
        assert downgrade(site.database.engine) == downgrade(site.database.engine) == BEFORE
        assert losses(site.database.engine) == Losses()

    def test_keeps_what_the_version_before_works_on(self, site: Site) -> None:
        """An order with details, whose end the shop is not told yet."""
        site.gateway.answers.extend([DOWN, PAID])
        placed = site.producer.place(replace(order(), payment_method="pm_1", charge_before=3600.0))
        downgrade(site.database.engine)
        site.advance(60)
        assert site.retrier.run(placed.order_id) is OrderStatus.PAID
        (request, _) = site.gateway.charged
        assert request.payment_method == "pm_1"
        untold = select(func.count()).select_from(outcomes).where(outcomes.c.taken_at.is_(None))
        assert site.database.read(lambda connection: connection.scalar(untold)) == 1

    def test_says_what_is_lost(self, site: Site) -> None:
        token(site, "shop")
        token(site, "page")
        add(site, operator_actions, at=site.clock.now, action="breaker_force_open", actor="anna")
        bulk_retry(site, "b1", BulkState.FINISHED)
        bulk_retry(site, "b2", BulkState.ABORTED)
        lost = losses(site.database.engine)
        assert lost == Losses(bulk_retries=2, actions=1, tokens=2)
        assert "2 tokens of the API, 1 entry of the audit trail, what is known of 2 bulk retries" in str(lost)

    def test_does_not_count_a_token_that_was_revoked(self, site: Site) -> None:
        token(site, "shop", revoked_at=site.clock.now, revoked_by="anna")
        assert losses(site.database.engine) == Losses()

    @pytest.mark.parametrize("state", [BulkState.COLLECTING, BulkState.RUNNING])
    def test_is_refused_while_a_bulk_retry_is_not_finished(self, site: Site, state: BulkState) -> None:
        """Nobody would know which of its orders are left."""
        bulk_retry(site, "b1", state)
        assert losses(site.database.engine) == Losses(open_bulk_retries=1)
        with pytest.raises(RefusedError, match=r"1 bulk retry is not finished.*abort them first"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == HEAD
        ended = update(bulk_retries).values(state=BulkState.ABORTED)
        site.database.write(lambda connection: connection.execute(ended), name="test")
        assert downgrade(site.database.engine) == BEFORE

    def test_is_possible_from_each_revision_of_this_version(self, site: Site) -> None:
        """From 0008, too: its tables are those of 0009."""
        token(site, "shop")
        stand_at(site, "0008")
        assert losses(site.database.engine) == Losses(tokens=1)
        assert downgrade(site.database.engine) == BEFORE == current_revision(site.database.engine)

    @pytest.mark.parametrize("revision", ["0004", AFTER])
    def test_is_possible_only_from_this_versions_revisions(self, site: Site, revision: str) -> None:
        stand_at(site, revision)
        with pytest.raises(SchemaError, match=f"at revision {revision}"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == revision
