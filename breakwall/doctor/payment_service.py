"""Checks the payment service."""

import time
from contextlib import closing
from dataclasses import replace

from breakwall.doctor.findings import Finding, fine, problem
from breakwall.doctor.payment_address import (
    CHARGE,
    FURTHER,
    LOOKUP,
    answers_without_credentials,
    missing_addresses,
    speaks_tls,
    unknown_name,
)
from breakwall.doctor.payment_advice import KNOWN, NO_LOOKUP, explain, given_credentials
from breakwall.gateway_names import DEFAULT, STRIPE
from breakwall.payments.gateways import (
    AccessCheckingGateway,
    Gateway,
    LookupAnswer,
    LookupResult,
    gateway_from_settings,
)
from breakwall.payments.gateways.http import HttpGateway
from breakwall.settings import Settings, SettingsError
from breakwall.urls.address import where

NAME = "payment service"

TIMEOUT = 3.0  # Seconds for its answer: far more than a healthy service needs, and a person waits for it.

# About the settings of our own gateways, by their names.
ADVICE = {STRIPE: "docs/stripe.md lists the settings for Stripe.", DEFAULT: "README.md lists the settings."}

UNTESTED = "So a wrong one shows only with the first charge: place one small order."


def payment_service(settings: Settings) -> list[Finding]:
    """Look up a charge that does not exist, with our credentials: the service answers, and charges nothing."""
    address = _named(settings)
    try:
        if (proxy := settings.payment_proxy_url) is not None:
            address = f"{address} through {where(proxy)}"
        gateway = gateway_from_settings(settings)
    except SettingsError as error:
        return [
            problem(
                NAME,
                sentence,
                ADVICE.get(settings.payment_gateway, "docs/gateways.md says how a gateway is made."),
            )
            for sentence in error.problems
        ]
    except ValueError as error:  # a file was changed after the settings were read
        return [problem(NAME, f"{address}: {error}", "Put a usable file there.")]
    with closing(gateway):
        return [_examine(gateway, settings, address)]


def _named(settings: Settings) -> str:
    """What is asked: the URL, and whose gateway asks."""
    url = where(settings.payment_url.get_secret_value())
    if settings.payment_gateway == DEFAULT:
        return url
    named = f"the gateway {settings.gateway_name}"
    return f"{named} {url}" if _is_at_our_url(settings) else named


def _examine(gateway: Gateway, settings: Settings, address: str) -> Finding:
    deadline = time.monotonic() + min(TIMEOUT, settings.payment_timeout)
    if (answer := _access(gateway, deadline)) is not None:
        if answer.result is LookupResult.ABSENT:
            return fine(NAME, f"{address} answers")
        return _explained(answer, settings, address)
    if not gateway.profile.looks_up:
        return fine(NAME, f"{address} is made; it has no look-up, so only a charge tells whether it works")
    answer = gateway.look_up(unknown_name(), deadline=deadline)
    if answer.result is LookupResult.ABSENT:
        return _examine_absence(gateway, settings, address)
    return _explained(answer, settings, address)


def _access(gateway: Gateway, deadline: float) -> LookupAnswer | None:
    """What the gateway's own test of its address and credentials says; None: it has none."""
    return gateway.check_access(deadline=deadline) if isinstance(gateway, AccessCheckingGateway) else None


def _explained(answer: LookupAnswer, settings: Settings, address: str) -> Finding:
    if (
        answer.code in {"ReadError", "RemoteProtocolError"}
        and _is_at_our_url(settings)
        and speaks_tls(settings)
    ):
        answer = replace(answer, code="SpeaksTlsError")
    detail, advice = explain(settings, answer)
    return problem(NAME, f"{address}: {detail}", advice)


def _is_at_our_url(settings: Settings) -> bool:
    """Another gateway may know its service's address by itself."""
    return settings.payment_gateway == DEFAULT or "payment_url" in settings.model_fields_set


def _examine_absence(gateway: Gateway, settings: Settings, address: str) -> Finding:
    """It knows no such charge, as it should. Any web server says so of an address that it does not have."""
    deadline = time.monotonic() + FURTHER
    missing = missing_addresses(gateway, deadline=deadline) if isinstance(gateway, HttpGateway) else []
    if CHARGE in missing:
        detail = f"{address}: neither {CHARGE} nor {LOOKUP}/… is there (HTTP 404, as everywhere)"
        return problem(NAME, detail, KNOWN["http_404"][1])
    if LOOKUP in missing:
        detail = f"{address} answers; {LOOKUP}/… does so like an address that does not exist"
        return fine(NAME, detail, NO_LOOKUP)
    given = given_credentials(settings)
    if given and settings.payment_gateway != DEFAULT:
        # Without credentials it may not be made at all, so whether its look-up needs them is not asked.
        detail = f"{address} answers; it has no `check_access`, so {' and '.join(given)} could not be tested"
        return fine(NAME, detail, UNTESTED)
    if given and answers_without_credentials(settings, deadline=deadline):
        detail = f"{address} answers; its look-up needs no credentials, so {' and '.join(given)} could not be tested"
        return fine(NAME, detail, UNTESTED)
    return fine(NAME, f"{address} answers")
