"""Builds the gateway to Stripe from the settings."""

from collections.abc import Callable

from breakwall.credentials import TokenFile, watch_tls
from breakwall.payments.gateways import watched_headers, watched_proxy
from breakwall.payments.gateways.charge_answers import Bounds
from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe import profile_from_settings
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from breakwall.payments.gateways.stripe.library_logs import check_library_is_silent
from breakwall.settings import Settings

API_URL = "https://api.stripe.com"
MAX_CONNECTIONS = 100  # For a worker with many slots; a producer's bulkhead may be larger.
SECRET_KEYS = ("sk_", "rk_")  # How secret and restricted keys begin.


def gateway_from_settings(settings: Settings) -> StripeGateway:
    """The gateway; `ValueError` says which setting is missing or unusable."""
    check_library_is_silent()
    api_key = _api_key(settings)
    check_api_key(api_key())
    bounds = Bounds(max_retry_after=settings.payment_max_retry_after)
    service = HttpService(
        settings.payment_url.get_secret_value() if "payment_url" in settings.model_fields_set else API_URL,
        max_connections=max(MAX_CONNECTIONS, settings.payment_max_concurrency),
        bounds=bounds,
        tls=watch_tls(settings.payment_ca_file, settings.payment_cert_file, settings.payment_key_file),
        headers=watched_headers(settings),
        proxy=watched_proxy(settings),
    )
    return StripeGateway(
        service,
        api_key=api_key,
        profile=profile_from_settings(settings),
        account=settings.payment_stripe_account,
        off_session=settings.payment_stripe_off_session,
        bounds=bounds,
    )


def check_api_key(key: str) -> None:
    """Check that it is a key with which charges can be made. The error does not repeat it."""
    if key.startswith("pk_"):
        raise ValueError(
            "BREAKWALL_PAYMENT_TOKEN is Stripe's publishable key (pk_…), which cannot charge: "
            "use a secret (sk_…) or a restricted key (rk_…)"
        )
    if not key.startswith(SECRET_KEYS):
        raise ValueError(
            "BREAKWALL_PAYMENT_TOKEN should be a secret or restricted key of Stripe, sk_… or rk_…"
        )


def _api_key(settings: Settings) -> Callable[[], str]:
    if settings.payment_token_file is not None:
        return TokenFile(settings.payment_token_file)
    if settings.payment_token is None:
        raise ValueError(
            "Stripe needs a secret or restricted key: set BREAKWALL_PAYMENT_TOKEN or BREAKWALL_PAYMENT_TOKEN_FILE"
        )
    return settings.payment_token.get_secret_value
