"""One cache of compiled statements for all engines of a test process.

SQLAlchemy keeps one for each engine, and a program has one engine. A test has an engine of its own: it would compile
all of its statements again, which is a third of a small test's time.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache

KEPT = 4_000  # Statements; the least used are forgotten.


class SharedCache(LRUCache[Any, Any]):
    """Compiled statements by their text and by what their dialect is, not by which engine's it is."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(shared(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(shared(key), value)


def shared(key: tuple[Dialect, Hashable]) -> tuple[Hashable, ...]:
    """The key without the one dialect object."""
    dialect, *statement = key
    return (dialect.name, dialect.driver, dialect.server_version_info, dialect.paramstyle, *statement)


CACHE = SharedCache(KEPT)


def share() -> None:
    """Let all engines of this process use the one cache, instead of those that they make."""
    Engine._compiled_cache = property(lambda engine: CACHE, lambda engine, own: None)  # type: ignore[assignment]
