"""What of the real world a run stands in for, while it lasts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from breakwall import crashpoints
from tests.simulation.circuit import EPOCH
from tests.simulation.engine import Engine
from tests.simulation.witness import Witness


@contextmanager
def time_is(engine: Engine) -> Iterator[None]:
    """The breaker's guess at a store's time, until the store has told it."""

    def clock() -> Callable[[], float]:
        return lambda: EPOCH + engine.now

    with mock.patch("breakwall.breaker.sync.replica_state.steady_time", clock):
        yield


@contextmanager
def nothing_is_logged() -> Iterator[None]:
    """The story tells it all, and a run breaks more than anybody wants to read of."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def points_are(witness: Witness) -> Iterator[None]:
    crashpoints.arm(witness.reach)
    try:
        yield
    finally:
        crashpoints.arm(None)
