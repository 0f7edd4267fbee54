"""Amounts in Stripe's units, which are not always those of ISO 4217.

Facts: docs.stripe.com/currencies, November 2026. HUF and TWD are whole in payouts only, so they need no rule here.
"""

from breakwall.currencies import MINOR_DIGITS, show_money

# Stripe's decimal digits where they differ from ISO 4217: how many it counts, and how many of them must be zero.
_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
_TENS_ONLY = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})  # The last one of three digits must be 0.
_UNKNOWN = frozenset({"IQD", "LYD"})  # Stripe does not list them, so nobody knows its unit.

MAX_AMOUNT = 999_999_999_999  # In Stripe's units: twelve digits.


class NotChargeableError(ValueError):
    """This amount cannot be charged exactly. The text says why."""


def to_stripe(amount: int, currency: str) -> int:
    """The amount in Stripe's units, of an amount in the currency's minor units.

    Raises:
        NotChargeableError: Stripe cannot charge exactly this amount.
    """
    if currency in _UNKNOWN:
        raise NotChargeableError(f"Stripe does not list the currency {currency}.")
    if currency in _TENS_ONLY and amount % 10:
        raise NotChargeableError(
            f"{show_money(amount, currency)} cannot be charged: in {currency}, Stripe takes two decimals only."
        )
    whole, rest = divmod(amount * _scale(currency), 100)
    if rest:
        raise NotChargeableError(
            f"{show_money(amount, currency)} cannot be charged: in {currency}, Stripe takes no decimals."
        )
    if whole > MAX_AMOUNT:
        raise NotChargeableError(f"{show_money(amount, currency)} is more than Stripe can charge at once.")
    return whole


def from_stripe(amount: object, currency: object) -> object:
    """The amount in minor units, of an amount and a currency in an answer; unchanged if it has no whole value in them.

    An ISK amount of 550, which ought to end in 00, stays 550, and so contradicts an order of 5 krónur.
    """
    if not isinstance(amount, int) or isinstance(amount, bool) or not isinstance(currency, str):
        return amount
    minor, rest = divmod(amount * 100, _scale(currency.upper()))
    return amount if rest else minor


def _scale(currency: str) -> int:
    """Hundredths of Stripe's unit in one minor unit."""
    iso = MINOR_DIGITS.get(currency, 2)
    return int(10 ** (2 + _DIGITS.get(currency, iso) - iso))
