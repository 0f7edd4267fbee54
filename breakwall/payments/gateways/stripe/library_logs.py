"""Keeps Stripe's library from logging our requests: its log has payment methods, descriptions and metadata in it.

It writes through the standard logging, where a filter drops what it says during our calls, and, if somebody has asked
for that, straight to the standard error, which nothing can filter: then no gateway is made and nothing is sent.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import stripe

from breakwall.payments.gateways.stripe.errors import LibraryLogsError

_is_ours: ContextVar[bool] = ContextVar("breakwall_stripe_unlogged", default=False)
_LOUD = frozenset({"debug", "info"})


def check_library_is_silent() -> None:
    """`LibraryLogsError` if Stripe's library would print our requests to the standard error."""
    if stripe.log in _LOUD or (not stripe.log and os.environ.get("STRIPE_LOG") in _LOUD):
        raise LibraryLogsError(
            "Stripe's library would print payment methods and metadata: unset STRIPE_LOG, and leave `stripe.log` alone"
        )


@contextmanager
def unlogged() -> Iterator[None]:
    """The library logs nothing that this thread does inside."""
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


def _drop_ours(record: logging.LogRecord) -> bool:
    return not _is_ours.get()


logging.getLogger("stripe").addFilter(_drop_ours)
