"""An incident: a charge that a person has to look at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class IncidentKind(StrEnum):
    """Why a person has to look at an order.

    ``TWO_CHARGES``: it was charged twice. ``CHARGED_AFTER_CANCEL``, ``CHARGED_AFTER_RESOLUTION``: proof of a payment
    came after a person had cancelled the order, or had said that it was not charged. ``WRONG_CHARGE``: an answer names
    another order's charge, or another amount. ``REPORTED``: a person reported it. ``UNDELIVERED``: the shop could not
    be told how the order ended.
    """

    TWO_CHARGES = "two_charges"
    CHARGED_AFTER_CANCEL = "charged_after_cancel"
    CHARGED_AFTER_RESOLUTION = "charged_after_resolution"
    WRONG_CHARGE = "wrong_charge"
    REPORTED = "reported"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """An incident as it is stored. The last three fields are None until a person closes it."""

    id: int
    order_id: str
    at: datetime  # When it was first found, by the database's clock; aware, in UTC.
    kind: str  # One of `IncidentKind`.
    detail: str
    closed_at: datetime | None
    closed_by: str | None
    close_reason: str | None  # What was done about it, such as a refund.
