"""How a command line names an order: by its id or by its key; `--id` and `--key` decide between the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from breakwall.payments.ledger.queries import Naming

NameArgument = Annotated[str, typer.Argument(metavar="ID|KEY", help="The order's id or its idempotency key.")]
IdOption = Annotated[bool, typer.Option("--id", help="The name is an id, even if it is another order's key.")]
KeyOption = Annotated[
    bool, typer.Option("--key", help="The name is a key, even if it is another order's id.")
]


def naming(*, by_id: bool, by_key: bool) -> Naming:
    """What the command's names are. Raises BadParameter if both options were given."""
    from breakwall.payments.ledger.queries import Naming

    if by_id and by_key:
        raise typer.BadParameter("cannot be combined with --id", param_hint="--key")
    return Naming.ID if by_id else Naming.KEY if by_key else Naming.ANY
