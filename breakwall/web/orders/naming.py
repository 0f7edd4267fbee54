"""How a route names an order: by its id or its key, in the address; ``by`` decides between the two."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Path, Query

from breakwall.payments.ledger.queries import Naming


class OrderNaming(StrEnum):
    """What the name in the address is."""

    ANY = "any"
    ID = "id"
    KEY = "key"

    @property
    def naming(self) -> Naming:
        """The same for the ledger."""
        return Naming(self.value)


OrderName = Annotated[str, Path(description="The order's id or its idempotency key.", examples=["cart-17"])]
By = Annotated[
    OrderNaming, Query(description="What the name is. Needed only if it is one order's id and another's key.")
]
