"""Calls over HTTP for the gateways of other services, by the settings of a gateway."""

import ssl
from collections.abc import Callable
from typing import cast

from breakwall.payments.gateways.charge_answers import Bounds, classify_charge_error
from breakwall.payments.gateways.factory_settings import GatewayConfigError, GatewaySettings
from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.lookup_answers import classify_lookup_error

__all__ = ["HttpService", "classify_charge_error", "classify_lookup_error", "http_service"]


def http_service(settings: GatewaySettings, url: str | None = None) -> HttpService:
    """The service at ``PAYMENT_URL``, else at ``url``, with the credentials of the settings.

    A file of credentials is read again when it changes. It keeps the deadline of each call, from the connection to the
    last byte. Raises `GatewayConfigError` if there is no URL, or an unusable one.
    """
    address = settings.url or url
    if address is None:
        raise GatewayConfigError("set BREAKWALL_PAYMENT_URL")
    try:
        return HttpService(
            address,
            max_connections=settings.max_connections,
            bounds=Bounds(max_retry_after=settings.max_retry_after),
            tls=_tls(settings),
            token=settings.token,
            headers=settings.headers,
            proxy=settings.proxy,
        )
    except ValueError as error:  # it does not repeat the URL
        raise GatewayConfigError(str(error)) from None


def _tls(settings: GatewaySettings) -> Callable[[], ssl.SSLContext] | None:
    """What makes the context of each connection; None without files: then the system's authorities count."""
    return None if settings.tls() is None else cast("Callable[[], ssl.SSLContext]", settings.tls)
