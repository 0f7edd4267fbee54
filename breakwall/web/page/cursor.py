"""A place in the list of orders, as a text in an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_TEXT = re.compile(r"([0-9T:.+\-]{19,35})~([a-z0-9]{1,32})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind the order with this id, which was accepted at ``created_at``."""

    created_at: datetime
    id: str

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}~{self.id}"

    @classmethod
    def read(cls, text: str | None) -> Cursor | None:
        """The place of a text; None if it is not one, as if it were left out."""
        found = _TEXT.fullmatch(text or "")
        if found is None:
            return None
        try:
            at = datetime.fromisoformat(found[1])
        except ValueError:
            return None
        return None if at.utcoffset() is None else cls(at, found[2])
