"""The gateway to Stripe: PaymentIntents through Stripe's own library, within our deadline and without its retries.

`make_gateway` builds it from the settings. A charge is created unconfirmed, its id is committed, and then it is
confirmed: `gateway`. The library is imported only when a gateway is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakwall.payments.gateways.base import GatewayProfile

if TYPE_CHECKING:
    from breakwall.payments.gateways.stripe.gateway import StripeGateway
    from breakwall.settings import Settings

__all__ = ["make_gateway", "profile_from_settings"]

KEY_LIFE = 86_400.0  # Seconds for which Stripe keeps a key, at least.


def make_gateway(settings: Settings) -> StripeGateway:
    """The gateway that the settings describe.

    `ValueError` says which setting is missing or unusable; `ModuleNotFoundError`: Stripe's library is not installed.
    """
    from breakwall.payments.gateways.stripe.factory import gateway_from_settings

    return gateway_from_settings(settings)


def profile_from_settings(settings: Settings) -> GatewayProfile:
    """What Stripe promises; imports no library.

    It is not looked up by key: Stripe's search may be an hour behind, so that an empty answer proves nothing.
    """
    return GatewayProfile(
        deduplicates=True,
        key_life=min(settings.payment_key_life, KEY_LIFE),
        looks_up=False,
        absent_after=settings.payment_settle_seconds,
        prepares=True,
        cancels=True,
    )
