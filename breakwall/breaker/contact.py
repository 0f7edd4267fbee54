"""How a process stands with its store."""

from __future__ import annotations

from enum import Enum


class Contact(Enum):
    """``NEW``: not spoken to yet. ``SLOW``: an answer is overdue. ``LOST``: the last attempt failed, or it was
    silent for too long."""

    NEW = "new"
    IN_TOUCH = "in_touch"
    SLOW = "slow"
    LOST = "lost"

    @property
    def local(self) -> bool:
        return self in {Contact.SLOW, Contact.LOST}
