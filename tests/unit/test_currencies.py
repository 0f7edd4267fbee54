"""Each currency has its number of digits and a greatest amount, which is exact everywhere."""

import pytest

from breakwall.currencies import MINOR_DIGITS, max_amount, show_money


@pytest.mark.parametrize("currency", MINOR_DIGITS)
def test_the_greatest_amount_is_one_of_twelve_digits_and_exact_as_a_double(currency: str) -> None:
    whole, rest = divmod(max_amount(currency) + 1, 10 ** MINOR_DIGITS[currency])
    assert (whole, rest) == (10**12, 0)
    assert max_amount(currency) < 2**53


def test_an_unknown_currency_has_no_greatest_amount() -> None:
    with pytest.raises(KeyError):
        max_amount("XXX")


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(10_000, "KRW", "₩10,000"), (1_000, "USD", "$10.00"), (1_234_567, "KWD", "1,234.567 KWD")],
)
def test_money_is_shown_in_its_own_digits(amount: int, currency: str, shown: str) -> None:
    assert show_money(amount, currency) == shown


def test_every_currency_has_three_capital_letters() -> None:
    assert all(len(code) == 3 and code.isupper() for code in MINOR_DIGITS)
