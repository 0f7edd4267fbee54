"""Refuses a key for live payments, whatever else is said."""

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

from breakwall.credentials import read_token
from breakwall.errors import BreakwallError, ExitCode
from breakwall.settings import Settings

LIVE = ("sk_live_", "rk_live_")  # How Stripe's live keys begin, and those of services that imitate it.


class LiveKeyError(BreakwallError):
    """The configured key charges real money."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


def refuse_a_live_key(settings: Settings) -> None:
    """Raise `LiveKeyError` if a setting has a key for live payments in it. The text does not repeat it."""
    for variable, text in _credentials(settings):
        if any(live in part for live in LIVE for part in (text, _decoded(text))):
            raise LiveKeyError(
                f"BREAKWALL_{variable} has a key for live payments in it: rehearse with a test key"
            )


def _credentials(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each text that may have a key in it, with the name of its variable."""
    if settings.payment_token_file is not None:
        yield "PAYMENT_TOKEN_FILE", read_token(settings.payment_token_file)
    if settings.payment_token is not None:
        yield "PAYMENT_TOKEN", settings.payment_token.get_secret_value()
    yield "PAYMENT_URL", unquote(settings.payment_url.get_secret_value())
    for value in settings.own_payment_headers.values():
        yield "PAYMENT_HEADERS", value
    yield "PAYMENT_OPTIONS", json.dumps(settings.own_payment_options, default=str)


def _decoded(header: str) -> str:
    """The user and password of an ``Authorization: Basic``; empty if it is none."""
    with suppress(ValueError):
        return b64decode(header.rpartition(" ")[2], validate=True).decode("latin-1")
    return ""
