"""Why a connection failed, by the errors of sockets, the resolver and TLS. Pure functions.

The causes are for people, and for the advice of `doctor`. What an attempt proves depends on its phase instead.
"""

import re
import socket
import ssl

from breakwall.payments.gateways.transport.errors import (
    CertificateExpiredError,
    CertificateMissingError,
    CertificateRefusedError,
    ConnectError,
    HandshakeRefusedError,
    NameNotResolvedError,
    NotTlsError,
    PortClosedError,
    ServiceCertificateExpiredError,
    ServiceCertificateHostError,
    ServiceCertificateUntrustedError,
)

# The other side's alerts about our certificate, by a part of OpenSSL's names for them. The first that fits counts.
_ALERTS: tuple[tuple[str, type[CertificateRefusedError]], ...] = (
    ("ALERT_CERTIFICATE_REQUIRED", CertificateMissingError),
    ("ALERT_CERTIFICATE_EXPIRED", CertificateExpiredError),
    ("ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)", CertificateRefusedError),
)

# What OpenSSL makes of bytes that are no TLS.
_NO_TLS = re.compile(
    "WRONG_VERSION_NUMBER|HTTP_REQUEST|HTTPS_PROXY_REQUEST|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE"
    "|PACKET_LENGTH_TOO_LONG|NOT_SSL_RECORD_LAYER|BAD_RECORD_TYPE"
)

# X509_verify_cert(3): the codes of a certificate that is not valid now, and of another host or address.
_NOT_NOW = frozenset({9, 10})
_OTHER_HOST = frozenset({62, 63, 64})


def refusal_of_our_certificate(error: OSError) -> type[CertificateRefusedError] | None:
    """How the other side refused our certificate; None if it said nothing about it."""
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    return next((kind for alert, kind in _ALERTS if re.search(alert, reason or "")), None)


def connect_failure(error: OSError) -> type[ConnectError]:
    """The kind of a failure to connect or to shake hands."""
    if isinstance(error, socket.gaierror):
        return NameNotResolvedError
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error.verify_code)
    if isinstance(error, ssl.SSLError):
        return _handshake_failure(error.reason or "")
    return PortClosedError if isinstance(error, ConnectionRefusedError) else ConnectError


def _distrust(verify_code: int) -> type[ConnectError]:
    if verify_code in _NOT_NOW:
        return ServiceCertificateExpiredError
    return ServiceCertificateHostError if verify_code in _OTHER_HOST else ServiceCertificateUntrustedError


def _handshake_failure(reason: str) -> type[ConnectError]:
    if _NO_TLS.search(reason):
        return NotTlsError
    return HandshakeRefusedError if "HANDSHAKE_FAILURE" in reason else ConnectError
