"""An intervention: what a person did to an order, who it was, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from breakwall.actors import NO_NAME
from breakwall.payments.orders import OrderStatus
from breakwall.pickling import Picklable
from breakwall.texts import MAX_LENGTH, text_problem

MAX_REASON = 500


class Action(StrEnum):
    """What a person did to an order."""

    RETRY = "retry"
    CANCEL = "cancel"
    RESOLVE_PAID = "resolve_paid"
    RESOLVE_NOT_CHARGED = "resolve_not_charged"
    SUSPECT = "suspect"


class DrainAction(StrEnum):
    """What a person did to the drain of the whole fleet."""

    PAUSE = "pause"
    RESUME = "resume"
    RATE = "rate"


class InvalidAuthorError(Picklable, ValueError):
    """The author's name or reason cannot be stored; nothing was changed. ``field`` says which."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Author:
    """The person who acts, and why. Raises `InvalidAuthorError` for a field that cannot be stored."""

    actor: str = NO_NAME  # The person's name, 1 to 255 characters.
    reason: str | None = None  # 1 to `MAX_REASON` characters, or None.

    def __post_init__(self) -> None:
        _check("actor", self.actor, MAX_LENGTH)
        if self.reason is not None:
            _check("reason", self.reason, MAX_REASON)


@dataclass(frozen=True, slots=True)
class StoredIntervention:
    """One action of a person on one order."""

    at: datetime  # By the database's clock; aware, in UTC.
    action: Action
    actor: str
    reason: str | None
    before: OrderStatus
    after: OrderStatus
    # The charge id that the person vouched for; or how it is known that nothing was charged, if the order got a new
    # key for that; or the time of the backup that was restored. None for other actions.
    evidence: str | None
    run: str | None  # The same for all orders of one bulk action; None for a single order.


def _check(field: str, value: str, limit: int) -> None:
    if problem := text_problem(value, limit=limit):
        raise InvalidAuthorError(field, problem)


UNNAMED = Author()  # An author who gave no name.
