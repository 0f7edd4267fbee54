"""How a command's line names an order: by its id or by its key, and which of them where it could be either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from breakwall.payments.ledger.queries import Naming

NameArgument = Annotated[str, typer.Argument(metavar="ID|KEY", help="The order's id or its idempotency key.")]
IdOption = Annotated[bool, typer.Option("--id", help="An id is meant, also where it is another order's key.")]
KeyOption = Annotated[
    bool, typer.Option("--key", help="A key is meant, also where it is another order's id.")
]


def naming(*, by_id: bool, by_key: bool) -> Naming:
    """What the command's names are.

    Raises:
        typer.BadParameter: both were said.
    """
    from breakwall.payments.ledger.queries import Naming

    if by_id and by_key:
        raise typer.BadParameter("an id or a key: one of them", param_hint="--key")
    return Naming.ID if by_id else Naming.KEY if by_key else Naming.ANY
