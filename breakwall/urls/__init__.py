"""Checks the URLs in the settings, so that no URL fails later, at its use.

A check raises `ValueError` with what would be right, and never repeats the URL, which may hold a password. Libraries
are imported for rare forms only, because that is slow. Import the names below; the breaker's stores also use
`sentinel`.
"""

from breakwall.urls.address import names_a_user, where
from breakwall.urls.brokers import check_broker_url
from breakwall.urls.databases import check_database_url, missing_file
from breakwall.urls.http import check_payment_url, check_proxy_url
from breakwall.urls.stores import check_library_url, check_store_url

__all__ = [
    "check_broker_url",
    "check_database_url",
    "check_library_url",
    "check_payment_url",
    "check_proxy_url",
    "check_store_url",
    "missing_file",
    "names_a_user",
    "where",
]
