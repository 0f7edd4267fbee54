"""What a payment service answers, put into words that every gateway shares.

Import `Gateway`, its answers and its profile from here; imports nothing else of Breakwall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import (
    Advice,
    Answer,
    ChargeDetails,
    ChargeRequest,
    Gateway,
    GatewayProfile,
    Health,
    LookUpAnswer,
    LookUpResult,
    Outcome,
)

if TYPE_CHECKING:
    from breakwall.settings import Settings

__all__ = [
    "Advice",
    "Answer",
    "ChargeDetails",
    "ChargeRequest",
    "Gateway",
    "GatewayProfile",
    "Health",
    "LookUpAnswer",
    "LookUpResult",
    "Outcome",
    "gateway_from_settings",
]


def gateway_from_settings(settings: Settings) -> Gateway:
    """The gateway that the settings name, with what they promise of the service."""
    from .http import HttpGateway  # httpx2 takes a while to import

    profile = GatewayProfile(
        deduplicates=settings.payment_deduplicates,
        key_life=settings.payment_key_life,
        looks_up=True,
        settle_seconds=settings.payment_settle_seconds,
    )
    return HttpGateway(
        settings.payment_url.get_secret_value(),
        profile=profile,
        max_retry_after=settings.payment_max_retry_after,
    )
