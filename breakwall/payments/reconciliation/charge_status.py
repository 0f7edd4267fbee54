"""What payment services call the states of a charge, and what that says of the customer's money."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache


class Meaning(StrEnum):
    """What a line of a report says of the customer's money."""

    CHARGED = "charged"
    NOT_CHARGED = "not_charged"
    REFUNDED = "refunded"
    NO_CHARGE = "no_charge"
    UNREADABLE = "unreadable"


REFUND = "refunded"
"""The status of a line that says it by an amount below zero."""

UNREADABLE = "\x7f"
"""The status of a line that cannot be read. No file's own word holds such a character."""

CHARGED = "charged"
"""The status of a line whose own word was said to mean that."""

# PayPal's reports name kinds of payments: its codes, CR and DR for credit and debit, S for success.
_CHARGED = """
succeeded|success|successful|paid|captured|settled|settled bulk|completed|complete|charged|charge|payment|sale
|refunded reversed|partially refunded|partial refund
|express checkout payment|website payment|mobile payment|general payment|direct credit card payment
|preapproved payment bill user payment|subscription payment|web accept payment received|shopping cart payment
|ebay auction payment|payment received|donation payment|virtual terminal payment|paypal checkout payment
|t0000|t0003|t0004|t0005|t0006|t0007|t0011|t0012|t0013|cr|s
"""
_NOT_CHARGED = """
declined|failed|failure|error|refused|denied|rejected|blocked|processing|cancelled|canceled|voided|expired
|removed|requires payment method|incomplete|charge failure|payment failure
"""
_REFUNDED = """
refunded|refund|refunded bulk|refunded externally|payment refund|reversed|payment reversal|t1106|t1107|dr
"""


def _words(text: str, meaning: Meaning) -> dict[str, Meaning]:
    return dict.fromkeys((word.strip() for word in text.split("|")), meaning)


_MEANINGS = (
    _words(_CHARGED, Meaning.CHARGED)
    | _words(_NOT_CHARGED, Meaning.NOT_CHARGED)
    | _words(_REFUNDED, Meaning.REFUNDED)
    | {UNREADABLE: Meaning.UNREADABLE}
)


@lru_cache(maxsize=1024)
def meaning_of(status: str) -> Meaning:
    """What a status says. Words that are not known, such as ``disputed`` or ``fee``, are no charge's."""
    return _MEANINGS.get(normal(status), Meaning.NO_CHARGE)


@lru_cache(maxsize=1024)
def normal(status: str) -> str:
    """A status in small letters, its words with one space between: ``SettledBulk`` is ``settled bulk``."""
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", status)
    return re.sub(r"[\s_\-]+", " ", spread).strip().lower()


def decisive(statuses: Iterable[str]) -> str:
    """Of a line's statuses the one that says least: a payment that is pending is pending.

    Only what all of them call charged is charged. What some call refunded is refunded, unless it is pending.
    """
    order = (Meaning.NO_CHARGE, Meaning.NOT_CHARGED, Meaning.REFUNDED, Meaning.CHARGED)
    return min(statuses, key=lambda status: order.index(meaning_of(status)), default="")
