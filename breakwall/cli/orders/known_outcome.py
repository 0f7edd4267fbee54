"""What is known of an order's attempts, in words: never more than they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from breakwall.payments.orders import StoredAttempt

_BY = {
    "look_up": "a look-up has found no charge",
    "person": "a person has said that nothing was charged",
    None: "the payment service's answers say that nothing was charged",
}


def known_of(attempts: Sequence[StoredAttempt]) -> str:
    """What has settled the attempts of an order none of which is in doubt, such as "no attempt of it was sent"."""
    sent = [attempt for attempt in attempts if attempt.outcome != "not_sent"]
    if not sent:
        return "no attempt of it was sent"
    found = {attempt.settled_by if attempt.settled_by in _BY else None for attempt in sent}
    return ", and ".join(told for by, told in _BY.items() if by in found)
