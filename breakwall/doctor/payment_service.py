"""Checks the payment service."""

import time
import uuid

from breakwall.doctor.findings import Finding, fine, problem
from breakwall.gateway_names import DEFAULT
from breakwall.payments.gateways import LookupResult, gateway_from_settings
from breakwall.settings import Settings, SettingsError
from breakwall.urls.address import where

NAME = "payment service"

TIMEOUT = 4.0  # Seconds for its answer: far more than a healthy service needs, and a person waits for it.

_CREDENTIALS = "BREAKWALL_PAYMENT_TOKEN, …_HEADERS, or the user in BREAKWALL_PAYMENT_URL"

# The settings to check, by the code of an answer that refuses our credentials.
REFUSED = {
    "http_401": _CREDENTIALS,
    "http_403": _CREDENTIALS,
    "http_407": "the user in BREAKWALL_PAYMENT_PROXY",
    "CertificateRefusedError": "BREAKWALL_PAYMENT_CERT_FILE and BREAKWALL_PAYMENT_KEY_FILE",
}

# Settings that only a real site needs: with one of them set, no simulator is suggested.
OF_A_REAL_SITE = """
    database_url broker_url payment_url payment_token payment_token_file payment_headers payment_ca_file
    payment_cert_file payment_key_file payment_proxy payment_account
"""


def payment_service(settings: Settings) -> list[Finding]:
    """Look up a charge that does not exist: the service answers, and charges nothing."""
    address = _address(settings)
    try:
        gateway = gateway_from_settings(settings)
    except SettingsError as error:
        return [
            problem(NAME, sentence, "docs/gateways.md says how a gateway is made.")
            for sentence in error.problems
        ]
    except ValueError as error:  # a file was changed after the settings were read
        return [problem(NAME, f"a file for {address} {error}", "Check BREAKWALL_PAYMENT_…_FILE.")]
    if not gateway.profile.looks_up:
        gateway.close()
        return [fine(NAME, f"{address} is made; it has no look-up, so only a charge tells whether it works")]
    deadline = time.monotonic() + min(TIMEOUT, settings.payment_timeout)
    try:
        answer = gateway.look_up(f"breakwall-doctor-{uuid.uuid4()}", deadline=deadline)
    finally:
        gateway.close()
    if answer.result is LookupResult.ABSENT:
        return [fine(NAME, f"{address} answers")]
    detail = f"{address}: {answer.detail or answer.code or answer.result}"
    return [problem(NAME, detail, advice_for(settings, answer.code))]


def _address(settings: Settings) -> str:
    """What is asked: the URL, and whose gateway asks."""
    parts = []
    is_plugged_in = settings.payment_gateway != DEFAULT
    if is_plugged_in:
        parts.append(f"the gateway {settings.gateway_name}")
    if not is_plugged_in or "payment_url" in settings.model_fields_set:
        parts.append(where(settings.payment_url.get_secret_value()))
    if settings.payment_proxy is not None:
        parts.append(f"through {where(settings.payment_proxy.get_secret_value())}")
    return " ".join(parts)


def advice_for(settings: Settings, code: str | None) -> str:
    """What to do about an answer with this code. Only a trial is told of the simulator."""
    if code in REFUSED:
        return f"Check {REFUSED[code]}."
    if settings.payment_gateway != DEFAULT:
        return f"Check what {settings.gateway_name} needs: BREAKWALL_PAYMENT_URL, …_TOKEN, …_OPTIONS."
    if "payment_url" not in settings.model_fields_set:
        is_trial = settings.model_fields_set.isdisjoint(OF_A_REAL_SITE.split())
        trial = ", or run `breakwall simulator` to try things out" if is_trial else ""
        return f"Set BREAKWALL_PAYMENT_URL{trial}."
    advice = "Check BREAKWALL_PAYMENT_URL and that the service runs"
    if code in {"ReadError", "WriteError"} and settings.payment_url.get_secret_value().startswith("https:"):
        # Many servers that require a certificate reset the connection before their alert arrives.
        return f"{advice}, and whether it requires a client certificate: BREAKWALL_PAYMENT_CERT_FILE."
    return f"{advice}."
