"""Pages of a web server in front of the payment service that took no request, because of TLS."""

from __future__ import annotations

from breakwall.payments.gateways.transport.errors import (
    CertificateMissingError,
    CertificateRefusedError,
    SpeaksTlsError,
)

_LONGEST = 4096  # Bytes of a page that are read.

_SPEAKS_TLS = SpeaksTlsError, "it expects TLS, write https:// in BREAKWALL_PAYMENT_URL"
_CHECK_FILES = "check BREAKWALL_PAYMENT_CERT_FILE and BREAKWALL_PAYMENT_KEY_FILE"

# By a part of the page: the error that means the same, and what to do.
_PAGES: dict[bytes, tuple[type[Exception], str]] = {
    # nginx
    b"No required SSL certificate was sent": (
        CertificateMissingError,
        f"it wants a certificate of ours, {_CHECK_FILES}",
    ),
    b"The SSL certificate error": (
        CertificateRefusedError,
        f"it refused our certificate, {_CHECK_FILES}",
    ),
    b"The plain HTTP request was sent to HTTPS port": _SPEAKS_TLS,
    # Go's net/http
    b"Client sent an HTTP request to an HTTPS server": _SPEAKS_TLS,
    # Apache
    b"speaking plain HTTP to an SSL-enabled server port": _SPEAKS_TLS,
}


def refused_in_front(status: int, body: bytes | None) -> tuple[str, str] | None:
    """The code and what to do, if the answer is such a page.

    All of them have the status 400. A page proves nothing about a charge: anybody can write one.
    """
    if status != 400 or body is None or len(body) > _LONGEST:
        return None
    found = next((meaning for part, meaning in _PAGES.items() if part in body), None)
    return None if found is None else (found[0].__name__, found[1])
