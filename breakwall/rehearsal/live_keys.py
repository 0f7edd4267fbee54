"""Refuses a key for live payments, whatever else is said."""

from breakwall.credentials import read_token
from breakwall.errors import BreakwallError, ExitCode
from breakwall.settings import Settings

LIVE = ("sk_live_", "rk_live_")  # How Stripe's live keys begin, and those of services that imitate it.


class LiveKeyError(BreakwallError):
    """The configured key charges real money."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


def refuse_a_live_key(settings: Settings) -> None:
    """Raise `LiveKeyError` if the token is one for live payments. The text does not repeat it."""
    if settings.payment_token_file is not None:
        variable, token = "BREAKWALL_PAYMENT_TOKEN_FILE", read_token(settings.payment_token_file)
    elif settings.payment_token is not None:
        variable, token = "BREAKWALL_PAYMENT_TOKEN", settings.payment_token.get_secret_value()
    else:
        return
    if token.startswith(LIVE):
        raise LiveKeyError(f"{variable} is a key for live payments: rehearse with a test key")
