"""What a run replaces in the product: the time, the log and the crash points."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from unittest import mock

from breakwall import crashpoints
from tests.simulation.circuit import EPOCH
from tests.simulation.engine import Engine
from tests.simulation.observer import RunObserver


@contextmanager
def breaker_time(engine: Engine) -> Iterator[None]:
    """The breaker's estimate of the store's time, until it has asked the store."""

    def clock() -> Callable[[], float]:
        return lambda: EPOCH + engine.now

    with mock.patch("breakwall.breaker.sync.replica_state.steady_time", clock):
        yield


@contextmanager
def seeded_names(rng: Random) -> Iterator[None]:
    """Processes share the limit in the order of their random names, which only the seed may decide."""

    def token_hex(number: int | None = None) -> str:
        return rng.randbytes(number or 32).hex()

    with mock.patch("secrets.token_hex", token_hex):
        yield


@contextmanager
def few_tries(number: int) -> Iterator[None]:
    """Give an event up after so many tries: with the product's number a run would have to last for days."""
    with mock.patch("breakwall.payments.outcomes.schedule.MAX_TRIES", number):
        yield


@contextmanager
def no_logging() -> Iterator[None]:
    """The trace has everything; the log would have thousands of warnings."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def observed_crash_points(observer: RunObserver) -> Iterator[None]:
    crashpoints.arm(observer.reach)
    try:
        yield
    finally:
        crashpoints.arm(None)
