"""Hints: messages of the payment service about a charge. They are read here, and never believed.

A hint only makes a worker look now (`ledger.hint`). Its signature shows who has sent it, so that a stranger cannot make
the workers look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from breakwall.gateway_names import DEFAULT, STRIPE
from breakwall.payments.gateways.answer_bodies import UnreadableError, read_object
from breakwall.webhook_secrets import parse_secrets
from breakwall.webhook_signatures import is_signed

if TYPE_CHECKING:
    from breakwall.settings import Settings

MAX_BODY = 65_536  # Bytes of a message.

Headers = Mapping[str, str]  # With names in lower case.


@dataclass(frozen=True, slots=True)
class Hint:
    """What a message is about.

    Attributes:
        name: the order's id, its key, or the key that was sent; None: the message is about no order of ours.
        verified: the payment service has signed it.
    """

    name: str | None
    verified: bool


class HintSignatureError(Exception):
    """The message is not signed as it should be. Nothing was done."""


@runtime_checkable
class HintReadingGateway(Protocol):
    """A gateway that reads the hints of its service. Optional: the hints of others are read by `StandardHints`."""

    def read_hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """Read a message. ``headers`` have names in lower case; ``body`` has at most `MAX_BODY` bytes.

        Raises `HintSignatureError` if its signature is missing or wrong, and `ValueError` if it cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        ...


class StandardHints:
    """Reads hints signed by Standard Webhooks; without ``secrets`` none is verified.

    The body is a JSON object, or has one as ``data``. It names the order by ``idempotency_key``, the key that was sent,
    or by ``order_id``.
    """

    def __init__(
        self, secrets: Callable[[], list[str]] | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._secrets, self._clock = secrets, clock

    def read_hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """See `HintReadingGateway.read_hint`."""
        if self._secrets is not None and not is_signed(self._keys(), headers, body, self._clock()):
            raise HintSignatureError(
                "the message is not signed by Standard Webhooks with BREAKWALL_PAYMENT_HOOK_SECRET, within five minutes"
            )
        return Hint(_name(read_message(headers, body)), verified=self._secrets is not None)

    def close(self) -> None:
        """Nothing is open."""

    def _keys(self) -> list[bytes]:
        return [] if self._secrets is None else parse_secrets(" ".join(self._secrets()))


def read_message(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The JSON object of a message. Raises `ValueError`, which says what is wrong with it."""
    try:
        return read_object(headers, body, MAX_BODY)
    except UnreadableError as error:
        raise ValueError(f"the message should be a JSON object, but {error}") from None


def _name(message: dict[str, Any]) -> str | None:
    data = message.get("data")
    places = [message, data] if isinstance(data, dict) else [message]
    for field in ("idempotency_key", "order_id"):
        for place in places:
            if isinstance(name := place.get(field), str):
                return name
    return None


def hint_reader(settings: Settings) -> HintReadingGateway:
    """Reads the messages of the configured payment service. Raises as `gateway_from_settings`."""
    from breakwall.payments.gateways import gateway_from_settings

    if settings.payment_gateway == STRIPE:
        from breakwall.payments.gateways.stripe.hints import StripeHints

        return StripeHints(settings.payment_hook_secrets)
    if settings.payment_gateway != DEFAULT:
        gateway = gateway_from_settings(settings)
        if isinstance(gateway, HintReadingGateway) and getattr(gateway, "reads_hints", True):
            return gateway
        gateway.close()
    return StandardHints(settings.payment_hook_secrets)
