"""Several transactions share one budget for waiting, and each has a minimum."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from breakwall.payments.db import lock_timeouts
from breakwall.payments.db.lock_timeouts import LOCK_TIMEOUT, MIN_LOCK_TIMEOUT, LockBudget


def test_each_transaction_may_wait_for_what_the_ones_before_it_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(lock_timeouts, "time", SimpleNamespace(monotonic=lambda: now))
    budget, timeouts = LockBudget(), []
    for took in (3.0, 1.0, 7.0, 0.0):
        with budget.deadline() as deadline:
            timeouts.append(deadline - now)
            now += took
    assert timeouts == pytest.approx([LOCK_TIMEOUT, LOCK_TIMEOUT - 3, LOCK_TIMEOUT - 4, MIN_LOCK_TIMEOUT])
