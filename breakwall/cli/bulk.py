"""What commands on many orders share: a reason, a question before, and a summary even when they are stopped."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


def check_bulk_reason(reason: str | None) -> None:
    """Raise `typer.BadParameter` unless a reason is given."""
    if reason is None:
        raise typer.BadParameter("a bulk action needs a reason, which is noted", param_hint="--reason")


def check_attended(refusal: str) -> None:
    """Raise `RefusedError` with this sentence unless a person at a terminal can be asked."""
    from breakwall.payments.operator.locking import RefusedError

    if not sys.stdin.isatty():
        raise RefusedError(refusal)


@contextmanager
def summarised(summarise: Callable[[bool], None]) -> Iterator[None]:
    """Call ``summarise`` at the end: with True, or with False before the error that stopped the work goes on."""
    from breakwall.payments.db.database import DatabaseUnavailableError

    try:
        yield
    except (DatabaseUnavailableError, KeyboardInterrupt):
        summarise(False)
        raise
    summarise(True)
