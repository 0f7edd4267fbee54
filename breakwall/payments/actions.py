"""What people do to orders, and the records of it: interventions and incidents."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


class IncidentKind(StrEnum):
    """Why a person has to look at an order.

    ``TWO_CHARGES``: it was charged twice. ``CHARGED_AFTER_CANCEL``, ``CHARGED_AFTER_RESOLUTION``: proof of a payment
    came after a person had cancelled the order, or had said that it was not charged. ``WRONG_CHARGE``: an answer tells
    of another order's charge, or of another amount. ``REPORTED``: a person reported it.
    """

    TWO_CHARGES = "two_charges"
    CHARGED_AFTER_CANCEL = "charged_after_cancel"
    CHARGED_AFTER_RESOLUTION = "charged_after_resolution"
    WRONG_CHARGE = "wrong_charge"
    REPORTED = "reported"


class InvalidAuthorError(Picklable, ValueError):
    """The author's name or reason cannot be stored; nothing was changed. ``field`` says which."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Author:
    """The person who acts, and why; checked when it is made.

    Attributes:
        actor: the person's name, 1 to 255 characters.
        reason: 1 to `MAX_REASON` characters, or None.

    Raises:
        InvalidAuthorError: naming the unusable field.
    """

    actor: str = "unknown"
    reason: str | None = None

    def __post_init__(self) -> None:
        _check("actor", self.actor, MAX_LENGTH)
        if self.reason is not None:
            _check("reason", self.reason, MAX_REASON)


@dataclass(frozen=True, slots=True)
class StoredIntervention:
    """One action of a person on one order.

    Attributes:
        at: when, by the database's clock; aware, in UTC.
        before: the order's state until then.
        after: the state that the action led to.
        evidence: the charge id that the person vouched for; or how it is known that nothing was charged, if the order
            got a new key for it; or the time of the backup that was restored. None for other actions.
        run: the same for all orders of one bulk action; None for a single order.
    """

    at: datetime
    action: Action
    actor: str
    reason: str | None
    before: OrderStatus
    after: OrderStatus
    evidence: str | None
    run: str | None


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """A charge of one order that a person has to look at, open until a person closes it.

    Attributes:
        at: when it was first found, by the database's clock; aware, in UTC.
        kind: one of `IncidentKind`.
        closed_at: when it was closed; None while it is open, as are the two below.
        closed_by: who closed it.
        close_reason: what was done about it, such as a refund.
    """

    id: int
    order_id: str
    at: datetime
    kind: str
    detail: str
    closed_at: datetime | None
    closed_by: str | None
    close_reason: str | None


def _check(field: str, value: str, limit: int) -> None:
    if problem := text_problem(value, limit=limit):
        raise InvalidAuthorError(field, problem)


UNNAMED = Author()  # An author who gave no name.
