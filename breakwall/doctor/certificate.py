"""Checks our own certificate for the payment service."""

from datetime import UTC, datetime

from breakwall.credentials import Validity, certificate_validity
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.settings import Settings

NAME = "certificate"

ADVICE = "Renew it. Running processes use the new file without a restart."
SOON = 0.1  # The share of its life that is left when a certificate should have been renewed.


def certificate(settings: Settings) -> list[Finding]:
    """Until when the certificate in ``PAYMENT_CERT_FILE`` is valid; nothing without one."""
    if settings.payment_cert_file is None:
        return []
    return [judge(certificate_validity(settings.payment_cert_file), datetime.now(UTC))]


def judge(validity: Validity | None, now: datetime) -> Finding:
    """The finding at the time ``now``; None: the certificate's times cannot be read."""
    if validity is None:
        return fine(NAME, "BREAKWALL_PAYMENT_CERT_FILE: until when it is valid cannot be read")
    if now < validity.begin:
        detail = f"BREAKWALL_PAYMENT_CERT_FILE is not valid before {_text(validity.begin)}"
        return problem(NAME, detail, "Check this machine's clock, or use the certificate from then on.")
    if now >= validity.end:
        return problem(NAME, f"BREAKWALL_PAYMENT_CERT_FILE expired at {_text(validity.end)}", ADVICE)
    is_late = (validity.end - now) < SOON * (validity.end - validity.begin)
    shown = f"BREAKWALL_PAYMENT_CERT_FILE is valid until {_text(validity.end)}"
    return fine(NAME, shown, ADVICE if is_late else "")


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
