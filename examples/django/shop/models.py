"""The shop's own orders, in the shop's own database: what was ordered, and what the customer is told of it."""

import secrets
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone

from breakwall.producers import Order

PRICE, CURRENCY = 450, "EUR"  # Minor units: 4.50 euros.


def in_euros(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02} €"


def new_number() -> str:
    return secrets.token_hex(4)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def end_of_price() -> datetime:
    return timezone.now() + settings.PRICE_HOLDS


class ShopOrder(models.Model):
    """One order. ``form`` is the form that it came with: a form that is sent twice is one order."""

    NEW = "new"  # Stored here; what Breakwall says of it is not known yet.
    OPEN = (NEW, "in_flight", "queued")

    number = models.CharField(primary_key=True, max_length=8, default=new_number)
    # The number is on receipts and in logs, and numbers can be guessed. Only the token opens the customer's page.
    token = models.CharField(max_length=64, default=new_token)
    form = models.CharField(max_length=64, unique=True)
    customer = models.TextField()
    payment_method = models.TextField()
    note = models.TextField()
    amount = models.IntegerField(default=PRICE)  # Stored, because the shop's price may change.
    charge_before = models.DateTimeField(default=end_of_price)  # The price no longer holds then.
    status = models.CharField(max_length=16, default=NEW)
    told_at = models.CharField(
        max_length=32, default=""
    )  # When the event that set the status says that it happened.

    @property
    def is_open(self) -> bool:
        """Whether the customer waits for an answer, so that the page reloads itself."""
        return self.status in self.OPEN

    @property
    def price(self) -> str:
        return in_euros(self.amount)

    @property
    def price_holds_until(self) -> str:
        return f"{self.charge_before:%d %B %Y, %H:%M} UTC"

    def for_breakwall(self) -> Order:
        """The order as Breakwall gets it, always the same. Raises `InvalidOrderError`, which names the fields."""
        return Order(
            user_id=self.customer,
            amount=self.amount,
            currency=CURRENCY,
            idempotency_key=self.number,
            payment_method=self.payment_method,
            description=f"One tea. {self.note}".strip(),
            metadata={"product": "tea"},
            charge_before=self.charge_before,
        )

    def answer(self, status: str) -> None:
        """Store what Breakwall has answered, unless an event has told how the order ended meanwhile."""
        ShopOrder.objects.filter(number=self.number, status__in=self.OPEN).update(status=status)


class HeardEvent(models.Model):
    """The id of an event that was heard, so that the same event, delivered twice, changes nothing."""

    id = models.CharField(primary_key=True, max_length=64)
