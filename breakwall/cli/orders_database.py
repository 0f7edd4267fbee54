"""Opens the orders database that the settings name, and closes it after the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database
    from breakwall.settings import Settings


@contextmanager
def orders_database() -> Iterator[tuple[Database, Settings]]:
    """The database and the settings. Slow imports are here, so that help stays fast."""
    from breakwall.settings import load_settings
    from breakwall.wiring import open_database

    settings = load_settings()
    with closing(open_database(settings)) as database:
        yield database, settings
