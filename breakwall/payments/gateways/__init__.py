"""What a payment service answers, put into words that every gateway shares.

Import `Gateway`, its answers and its profile from here; imports nothing else of Breakwall but its credentials.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from breakwall.credentials import TokenFile, client_tls
from breakwall.payments.gateways.base import (
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
    "profile_from_settings",
]


def gateway_from_settings(settings: Settings) -> Gateway:
    """The gateway that the settings name, with what they promise of the service.

    Raises:
        ValueError: a file that the settings name has been taken away since they were read.
    """
    from breakwall.payments.gateways.http import HttpGateway  # httpx2 takes a while to import

    proxy = settings.payment_proxy
    return HttpGateway(
        settings.payment_url.get_secret_value(),
        profile=profile_from_settings(settings),
        max_retry_after=settings.payment_max_retry_after,
        tls=client_tls(settings.payment_ca_file, settings.payment_cert_file, settings.payment_key_file),
        token=_token(settings),
        headers=settings.own_payment_headers,
        proxy=None if proxy is None else proxy.get_secret_value(),
    )


def profile_from_settings(settings: Settings) -> GatewayProfile:
    """What the configured gateway promises, for who charges nothing and only has to know."""
    return GatewayProfile(
        deduplicates=settings.payment_deduplicates,
        key_life=settings.payment_key_life,
        looks_up=True,
        settle_seconds=settings.payment_settle_seconds,
    )


def _token(settings: Settings) -> Callable[[], str] | None:
    if settings.payment_token_file is not None:
        return TokenFile(settings.payment_token_file)
    return None if settings.payment_token is None else settings.payment_token.get_secret_value
