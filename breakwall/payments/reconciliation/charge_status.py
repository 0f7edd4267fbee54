"""What payment services call a charge's states, and what each says about the customer's money."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache


class Meaning(StrEnum):
    """What a line of a report says about the customer's money."""

    CHARGED = "charged"
    NOT_CHARGED = "not_charged"
    REFUNDED = "refunded"
    NO_CHARGE = "no_charge"
    UNREADABLE = "unreadable"


REFUND = "refunded"  # The status given to a line with a negative amount.
UNREADABLE = "\x7f"  # The status given to an unreadable line. No status in a file holds such a character.
CHARGED = "charged"  # The status given to a line whose own status was named by `--charged`.

# PayPal's reports name kinds of payments by codes; CR and DR are credit and debit, S is success.
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
_MEANINGS = {UNREADABLE: Meaning.UNREADABLE} | {
    status.strip(): meaning
    for statuses, meaning in (
        (_CHARGED, Meaning.CHARGED),
        (_NOT_CHARGED, Meaning.NOT_CHARGED),
        (_REFUNDED, Meaning.REFUNDED),
    )
    for status in statuses.split("|")
}


@lru_cache(maxsize=1024)
def meaning_of(status: str) -> Meaning:
    """What a status means. An unknown one, such as ``disputed`` or ``fee``, is `Meaning.NO_CHARGE`."""
    return _MEANINGS.get(normalized(status), Meaning.NO_CHARGE)


@lru_cache(maxsize=1024)
def normalized(status: str) -> str:
    """The status in lower case, with one space between its words: ``SettledBulk`` becomes ``settled bulk``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", status)
    return re.sub(r"[\s_\-]+", " ", spaced).strip().lower()


def decisive(statuses: Iterable[str]) -> str:
    """The status that decides if a line has several: the first in the order of ``order`` below; empty if there is none.

    So a refunded charge is refunded, a pending one is pending, and it is charged only if all its statuses say so.
    """
    order = (Meaning.NO_CHARGE, Meaning.NOT_CHARGED, Meaning.REFUNDED, Meaning.CHARGED)
    return min(statuses, key=lambda status: order.index(meaning_of(status)), default="")
