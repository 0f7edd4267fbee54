"""A Stripe to try Breakwall with, on the loopback. Ctrl-C ends it, and it forgets all payments."""

import argparse
import signal
from contextlib import suppress

from tests.stripe.proxy import StripeProxy
from tests.stripe.service import LocalStripe

PORT = 8420
WANTS_AUTHENTICATION = "4000002500003155"


def stand_ins(stripe: LocalStripe) -> dict[str, str]:
    """For the payment methods of Stripe's tests that localstripe charges or does not know, one that it treats right."""
    return {
        "pm_card_visa_chargeDeclined": "pm_card_chargeCustomerFail",
        "pm_card_authenticationRequired": stripe.card(WANTS_AUTHENTICATION),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stripe", description=__doc__)
    parser.add_argument("port", nargs="?", type=int, default=PORT, metavar="PORT", help=f"default: {PORT}")
    port = parser.parse_args().port
    stripe = LocalStripe()
    try:
        try:
            proxy = StripeProxy(stripe.port, port=port, stand_ins=stand_ins(stripe))
        except OSError as error:
            parser.error(f"port {port} cannot be used ({error.strerror}): name another one")
        print(f"BREAKWALL_PAYMENT_URL={proxy.url}", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
        proxy.close()
    finally:
        stripe.close()


if __name__ == "__main__":
    main()
