"""Certificates for TLS: authorities, our own one, and until when it is valid.

TLS is imported only if there are files for it, because that is slow.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from breakwall.credentials.watched_files import WatchedFiles, check_readable, named, unreadable

if TYPE_CHECKING:
    import ssl

_WITHOUT_KEY = (
    "should hold a certificate and its key in PEM, the key unencrypted or in BREAKWALL_PAYMENT_KEY_FILE"
)
_NO_PAIR = "should hold a certificate in PEM, and BREAKWALL_PAYMENT_KEY_FILE its key, unencrypted"

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
# Of a certificate's two times (RFC 5280, 4.1.2.5), in DER: a sequence of two, each with its tag and length.
_TIMES = re.compile(rb"\x30[\x1e-\x22]" + rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)" * 2)


@dataclass(frozen=True, slots=True)
class Validity:
    """The time for which a certificate is valid."""

    begin: datetime
    end: datetime


def check_ca_file(path: Path, context: ssl.SSLContext | None = None) -> None:
    """Check a file of certificate authorities in PEM, and load it into ``context``."""
    import ssl

    check_readable(path)
    try:
        (context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError("should hold certificates in PEM") from None
    except OSError as error:
        raise ValueError(unreadable(error)) from None


def check_certificate(cert_file: Path, key_file: Path | None, context: ssl.SSLContext | None = None) -> None:
    """Check our certificate and its key, in one file or two, and load them into ``context``."""
    import ssl

    check_readable(cert_file)
    try:
        # With an empty password: without any, OpenSSL would ask for one at the terminal.
        (context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_cert_chain(cert_file, key_file, lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError("does not belong to the key in BREAKWALL_PAYMENT_KEY_FILE") from None
        raise ValueError(_WITHOUT_KEY if key_file is None else _NO_PAIR) from None
    except OSError as error:
        raise ValueError(unreadable(error)) from None


def system_tls() -> ssl.SSLContext:
    """TLS with the system's authorities, or those of ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``."""
    import ssl

    import httpx2

    # Not `ssl.create_default_context`: with ``SSLKEYLOGFILE`` it writes the session keys to a file.
    file, folder = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    if not (file or folder):
        return httpx2.create_ssl_context(trust_env=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):  # as the default context has it
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.load_verify_locations(file, None if file else folder)
    return context


def client_tls(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """TLS with these authorities instead of the system's, and with this certificate.

    `ValueError`, which names the variable, if a file cannot be used.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if ca_file else system_tls()
    if ca_file is not None:
        named("PAYMENT_CA_FILE", lambda: check_ca_file(ca_file, context))
    if cert_file is not None:
        named("PAYMENT_CERT_FILE", lambda: check_certificate(cert_file, key_file, context))
    return context


def watch_tls(
    ca_file: Path | None, cert_file: Path | None, key_file: Path | None
) -> Callable[[], ssl.SSLContext] | None:
    """`client_tls`, made anew when one of the files changes; None without files."""
    paths = [path for path in (ca_file, cert_file, key_file) if path is not None]
    if not paths:
        return None
    return WatchedFiles(paths, lambda: client_tls(ca_file, cert_file, key_file), "valid set of certificates")


def certificate_validity(cert_file: Path) -> Validity | None:
    """When the first certificate in the file is valid; None if that cannot be read."""
    import ssl

    try:
        found = _PEM.search(cert_file.read_text(encoding="latin-1"))
        times = _TIMES.search(ssl.PEM_cert_to_DER_cert(found[0])) if found else None
        return Validity(*(_moment(part) for part in times.groups() if part)) if times else None
    except (OSError, ValueError):
        return None


def _moment(digits: bytes) -> datetime:
    text = digits.decode("ascii")
    if len(text) == 12:  # with two digits of the year: 1950 to 2049
        text = f"{'20' if text < '50' else '19'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
