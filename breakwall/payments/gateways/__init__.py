"""Gateways charge: each turns one payment service's protocol into the words that all gateways share (`base`).

`gateway_from_settings` builds the configured one: `http`, or what `loading` finds. A gateway knows no database and no
ledger. Other people's gateways import the names below, and `contract`, which tests them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from breakwall.credentials import TokenFile, WatchedFiles, watch_tls
from breakwall.gateway_names import DEFAULT, STRIPE
from breakwall.payments.gateways.base import (
    AccessCheckingGateway,
    Advice,
    CancellingGateway,
    ChargeAnswer,
    ChargeDetails,
    ChargeRequest,
    Gateway,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
    PreparingGateway,
)
from breakwall.payments.gateways.charge_answers import Bounds
from breakwall.payments.gateways.factory_settings import GatewayConfigError, GatewaySettings
from breakwall.payments.gateways.hints import Hint, HintReadingGateway, HintSignatureError

if TYPE_CHECKING:
    from breakwall.settings import Settings

__all__ = [
    "AccessCheckingGateway",
    "Advice",
    "CancellingGateway",
    "ChargeAnswer",
    "ChargeDetails",
    "ChargeRequest",
    "Gateway",
    "GatewayConfigError",
    "GatewayProfile",
    "GatewaySettings",
    "Health",
    "Hint",
    "HintReadingGateway",
    "HintSignatureError",
    "LookupAnswer",
    "LookupResult",
    "Outcome",
    "Prepared",
    "PreparingGateway",
    "check_gateway",
    "gateway_from_settings",
    "profile_from_settings",
]

# For a worker with many slots; a producer's bulkhead may be larger.
MAX_CONNECTIONS = 100


def gateway_from_settings(settings: Settings) -> Gateway:
    """The gateway that the settings describe.

    Raises `SettingsError` if ``PAYMENT_GATEWAY`` names none that can be made, and `ValueError` if a file that the
    settings name was removed since.
    """
    if settings.payment_gateway == DEFAULT:
        return _http_gateway(settings)
    from breakwall.payments.gateways.loading import make_gateway, make_stripe

    if settings.payment_gateway == STRIPE:
        return make_stripe(settings, _trusted(settings))
    return make_gateway(settings.payment_gateway, factory_settings(settings), _trusted(settings))


def _http_gateway(settings: Settings) -> Gateway:
    from breakwall.payments.gateways.http import HttpGateway  # importing httpx2 is slow

    return HttpGateway(
        settings.payment_url.get_secret_value(),
        profile=_described_profile(settings),
        max_connections=max(MAX_CONNECTIONS, settings.payment_max_concurrency),
        bounds=Bounds(max_retry_after=settings.payment_max_retry_after),
        tls=watch_tls(settings.payment_ca_file, settings.payment_cert_file, settings.payment_key_file),
        token=_token(settings),
        headers=watched_headers(settings),
        proxy=watched_proxy(settings),
    )


def profile_from_settings(settings: Settings) -> GatewayProfile:
    """What the configured gateway promises, for callers that charge nothing; for `http` it imports no HTTP client.

    A gateway that has no profile without being made is made, and closed. Raises as `gateway_from_settings`.
    """
    if settings.payment_gateway == DEFAULT:
        return _described_profile(settings)
    from breakwall.payments.gateways.loading import make_profile, stripe_profile

    if settings.payment_gateway == STRIPE:
        return stripe_profile(settings, _trusted(settings))
    return make_profile(settings.payment_gateway, factory_settings(settings), _trusted(settings))


def check_gateway(settings: Settings) -> None:
    """Make the configured gateway and close it. Raises as `gateway_from_settings`."""
    gateway_from_settings(settings).close()


def factory_settings(settings: Settings) -> GatewaySettings:
    """What the factory of a plugged-in gateway gets."""
    return GatewaySettings(
        settings.gateway_name,
        url=settings.payment_url.get_secret_value() if "payment_url" in settings.model_fields_set else None,
        timeout=settings.payment_timeout,
        max_connections=max(MAX_CONNECTIONS, settings.payment_max_concurrency),
        max_retry_after=settings.payment_max_retry_after,
        profile=_described_profile(settings),
        token=_token(settings),
        headers=watched_headers(settings),
        tls=watch_tls(settings.payment_ca_file, settings.payment_cert_file, settings.payment_key_file)
        or (lambda: None),
        proxy=watched_proxy(settings),
        options=settings.own_payment_options,
    )


# The settings about the service's promises, by the profile's fields.
_PROMISES = {
    "deduplicates": "payment_deduplicates",
    "key_life": "payment_key_life",
    "absent_after": "payment_settle_seconds",
}


def _described_profile(settings: Settings) -> GatewayProfile:
    """What the settings say about the service; of `http` nothing else is known."""
    described = {field: getattr(settings, name) for field, name in _PROMISES.items()}
    return GatewayProfile(**described, looks_up=True)


def _trusted(settings: Settings) -> Callable[[GatewayProfile], GatewayProfile]:
    from breakwall.payments.gateways.loading import careful

    described = _described_profile(settings)
    given = frozenset(field for field, name in _PROMISES.items() if name in settings.model_fields_set)
    return lambda own: careful(own, described, given)


def _token(settings: Settings) -> Callable[[], str] | None:
    if settings.payment_token_file is not None:
        return TokenFile(settings.payment_token_file)
    return None if settings.payment_token is None else settings.payment_token.get_secret_value


def watched_headers(settings: Settings) -> Callable[[], Mapping[str, str]]:
    """Gives the shop's headers for each request, read again when their file changes."""
    if settings.payment_headers_file is None:
        given = settings.own_payment_headers
        return lambda: given
    return WatchedFiles([settings.payment_headers_file], lambda: settings.own_payment_headers, "headers")


def watched_proxy(settings: Settings) -> Callable[[], str | None]:
    """Gives the proxy's URL, read again when its file changes; None without a proxy."""
    if settings.payment_proxy_file is None:
        return lambda: settings.payment_proxy_url
    return WatchedFiles([settings.payment_proxy_file], lambda: settings.payment_proxy_url, "proxy")
