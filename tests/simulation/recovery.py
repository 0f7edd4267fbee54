"""A restore of the database from a backup, and what operators do then."""

from __future__ import annotations

from datetime import UTC, timedelta
from sqlite3 import OperationalError
from typing import TYPE_CHECKING

from breakwall.payments.keys import derive_charge_key
from breakwall.payments.operator.suspect import Suspicion
from tests.simulation.operators import OPERATOR
from tests.simulation.scenario import TIMEOUT, Restore
from tests.simulation.shop_operator import stored_event_ids
from tests.simulation.storage import START, Saved

if TYPE_CHECKING:
    from tests.simulation.run import Run


class Recovery:
    """Stops everything, restores the database, suspects every open order, and starts again.

    Only where that resolves every order. A customer places an order again that was accepted after the backup: only a
    service that remembers keys does not charge it twice. And an order whose key was rotated after the backup would be
    looked up, or placed again, under its old key.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._saved: Saved | None = None

    def schedule(self, restore: Restore) -> None:
        """Save and restore at these moments."""
        self._run.engine.at(restore.saved_at, self._save)
        self._run.engine.at(restore.at, self._stop)

    def _save(self) -> None:
        run = self._run
        if run.service.behavior.remembers or run.customers.served:
            self._saved = run.storage.save()
            self._saved_at = START.replace(tzinfo=UTC) + timedelta(seconds=run.engine.now)
            self._keys = dict(run.storage.rows("SELECT id, charge_key FROM orders"))
            run.trace.record("database", "is saved")

    def _stop(self) -> None:
        run = self._run
        if self._saved is None or not run.faults.active:
            return
        run.trace.record("database", "is lost")
        run.faults.seen["database lost and restored"] += 1
        run.close()
        # Each request that had left has ended by then; its settle time begins.
        run.engine.after(TIMEOUT + 1.0, self._restore)

    def _restore(self) -> None:
        run = self._run
        assert self._saved is not None
        try:
            run.storage.restore_pruned()
        except OperationalError:  # The archivist is in the middle of a transaction.
            run.engine.after(0.1, self._restore)
            return
        if self._is_some_key_rotated():
            run.trace.record("database", "is back as it was")
        else:
            run.context.shop.lost_events |= stored_event_ids(run.storage)
            run.storage.restore(self._saved)
            run.storage.restore_pruned()
            self._suspect()
            run.trace.record("database", "is restored; every open order is suspected")
            run.observer.forget()
            statuses = dict(run.storage.rows("SELECT idempotency_key, status FROM orders"))
            run.customers.compare_with(statuses)
        run.open()
        run.operators.look_after_a_restore()

    def _suspect(self) -> None:
        suspicion = Suspicion(self._run.storage.database, sleep=lambda _: None)
        for _ in suspicion.run(self._saved_at, OPERATOR):
            pass

    def _is_some_key_rotated(self) -> bool:
        rows = self._run.storage.rows("SELECT id, idempotency_key, charge_key FROM orders")
        for order_id, callers_key, key in rows:
            before = self._keys.get(order_id)
            if key not in ({derive_charge_key(order_id), callers_key} if before is None else {before}):
                return True
        return False
