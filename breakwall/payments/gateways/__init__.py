"""Gateways charge: each turns one payment service's protocol into the words that all gateways share (`base`).

`gateway_from_settings` builds the configured one. A gateway knows no database and no ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from breakwall.credentials import TokenFile, WatchedFiles, watch_tls
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeDetails,
    ChargeRequest,
    Gateway,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.gateways.charge_answers import Bounds

if TYPE_CHECKING:
    from breakwall.settings import Settings

__all__ = [
    "Advice",
    "ChargeAnswer",
    "ChargeDetails",
    "ChargeRequest",
    "Gateway",
    "GatewayProfile",
    "Health",
    "LookupAnswer",
    "LookupResult",
    "Outcome",
    "gateway_from_settings",
    "profile_from_settings",
]

# For a worker with many slots; a producer's bulkhead may be larger.
MAX_CONNECTIONS = 100


def gateway_from_settings(settings: Settings) -> Gateway:
    """The gateway that the settings describe. `ValueError` if a file that they name was removed since."""
    from breakwall.payments.gateways.http import HttpGateway  # importing httpx2 is slow

    return HttpGateway(
        settings.payment_url.get_secret_value(),
        profile=profile_from_settings(settings),
        max_connections=max(MAX_CONNECTIONS, settings.payment_max_concurrency),
        bounds=Bounds(max_retry_after=settings.payment_max_retry_after),
        tls=watch_tls(settings.payment_ca_file, settings.payment_cert_file, settings.payment_key_file),
        token=_token(settings),
        headers=_headers(settings),
        proxy=_proxy(settings),
    )


def profile_from_settings(settings: Settings) -> GatewayProfile:
    """What the configured gateway promises, for callers that charge nothing; imports no HTTP client."""
    return GatewayProfile(
        deduplicates=settings.payment_deduplicates,
        key_life=settings.payment_key_life,
        looks_up=True,
        absent_after=settings.payment_settle_seconds,
    )


def _token(settings: Settings) -> Callable[[], str] | None:
    if settings.payment_token_file is not None:
        return TokenFile(settings.payment_token_file)
    return None if settings.payment_token is None else settings.payment_token.get_secret_value


def _headers(settings: Settings) -> Callable[[], Mapping[str, str]]:
    if settings.payment_headers_file is None:
        given = settings.own_payment_headers
        return lambda: given
    return WatchedFiles([settings.payment_headers_file], lambda: settings.own_payment_headers, "headers")


def _proxy(settings: Settings) -> Callable[[], str | None]:
    if settings.payment_proxy_file is None:
        return lambda: settings.payment_proxy_url
    return WatchedFiles([settings.payment_proxy_file], lambda: settings.payment_proxy_url, "proxy")
