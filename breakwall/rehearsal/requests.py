"""The requests of a rehearsal: smallest amounts, keys that no order has."""

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from breakwall.payments.gateways import ChargeRequest
from breakwall.payments.keys import derive_charge_key, derive_order_id

USER = "rehearsal"


@dataclass(frozen=True, slots=True)
class Terms:
    """What each charge is made of.

    Attributes:
        amount: minor units of ``currency``.
        declined_payment_method: one that the sandbox declines.
    """

    amount: int
    currency: str
    payment_method: str = field(repr=False)
    declined_payment_method: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] | None = field(default=None, repr=False, hash=False)


class Requests:
    """Makes requests as the ledger does. ``caller_keys`` as with ``PAYMENT_KEYS=caller``."""

    def __init__(self, terms: Terms, *, caller_keys: bool = False, run: str | None = None) -> None:
        self.terms = terms
        self._caller_keys = caller_keys
        self._run = run or secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def reference(self) -> str:
        """A caller's key that was never used."""
        return f"rehearsal-{self._run}-{next(self._numbers)}"

    def new(self, **changes: Any) -> ChargeRequest:
        """A request under a new key."""
        return self.under(self.reference(), **changes)

    def under(self, reference: str, *, as_it_is: bool = False, **changes: Any) -> ChargeRequest:
        """The request of a caller's key; ``as_it_is``: the key is sent itself."""
        order_id = derive_order_id(f"{USER}-{self._run}", reference)
        key = reference if as_it_is or self._caller_keys else derive_charge_key(order_id)
        fields = {
            "amount": self.terms.amount,
            "currency": self.terms.currency,
            "payment_method": self.terms.payment_method,
            "metadata": self.terms.metadata,
            **changes,
        }
        return ChargeRequest(order_id, USER, idempotency_key=key, reference=reference, **fields)
