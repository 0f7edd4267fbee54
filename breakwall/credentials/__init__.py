"""Credentials for the payment service and a proxy: tokens, headers, certificates, and files that hold them.

A check raises `ValueError` with what would be right, and never repeats the value, which is a secret. Only settings,
gateways, webhooks and `doctor` import this package.
"""

from breakwall.credentials.certificates import (
    Validity,
    certificate_validity,
    check_ca_file,
    check_certificate,
    client_tls,
    system_tls,
    watch_tls,
)
from breakwall.credentials.headers import (
    TokenFile,
    basic_auth,
    check_token,
    names_authorization,
    parse_headers,
    read_headers,
    read_token,
)
from breakwall.credentials.watched_files import WatchedFiles, check_readable, named, read_line

__all__ = [
    "TokenFile",
    "Validity",
    "WatchedFiles",
    "basic_auth",
    "certificate_validity",
    "check_ca_file",
    "check_certificate",
    "check_readable",
    "check_token",
    "client_tls",
    "named",
    "names_authorization",
    "parse_headers",
    "read_headers",
    "read_line",
    "read_token",
    "system_tls",
    "watch_tls",
]
