"""Errors of sockets, the resolver and TLS are told apart."""

import socket
import ssl

import pytest

from breakwall.payments.gateways.transport import errors
from breakwall.payments.gateways.transport.causes import connect_failure, refusal_of_our_certificate


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def distrust(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.reason, error.verify_code = "CERTIFICATE_VERIFY_FAILED", code
    return error


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", errors.CertificateMissingError),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", errors.CertificateExpiredError),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", errors.CertificateRefusedError),
        ("SSLV3_ALERT_BAD_CERTIFICATE", errors.CertificateRefusedError),
        ("TLSV1_ALERT_UNKNOWN_CA", errors.CertificateRefusedError),
        ("TLSV1_ALERT_ACCESS_DENIED", errors.CertificateRefusedError),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", None),
        ("TLSV1_ALERT_INTERNAL_ERROR", None),
        ("CERTIFICATE_VERIFY_FAILED", None),
    ],
)
def test_an_alert_about_our_certificate_has_its_kind(reason: str, kind: type[Exception] | None) -> None:
    assert refusal_of_our_certificate(tls_error(reason)) is kind


def test_no_other_error_is_an_alert() -> None:
    assert refusal_of_our_certificate(ConnectionResetError()) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (socket.gaierror(-2, "Name or service not known"), errors.NameNotResolvedError),
        (ConnectionRefusedError(), errors.PortClosedError),
        (OSError(113, "No route to host"), errors.ConnectError),
        (ConnectionResetError(), errors.ConnectError),
        (tls_error("WRONG_VERSION_NUMBER"), errors.NotTlsError),
        (tls_error("RECORD_LAYER_FAILURE"), errors.NotTlsError),
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), errors.HandshakeRefusedError),
        (tls_error("UNSUPPORTED_PROTOCOL"), errors.ConnectError),
        (distrust(10), errors.ServiceCertificateExpiredError),
        (distrust(9), errors.ServiceCertificateExpiredError),
        (distrust(62), errors.ServiceCertificateHostError),
        (distrust(64), errors.ServiceCertificateHostError),
        (distrust(18), errors.ServiceCertificateUntrustedError),
        (distrust(20), errors.ServiceCertificateUntrustedError),
    ],
)
def test_a_failure_to_connect_has_its_kind(error: OSError, kind: type[Exception]) -> None:
    assert connect_failure(error) is kind
