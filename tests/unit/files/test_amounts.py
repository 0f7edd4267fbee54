"""Amounts become minor units exactly, or are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from breakwall.files.amounts import AmountError, DecimalAmountError, Units, minor_units


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("10.00", "USD", 1_000),
        ("10", "USD", 1_000),
        ("10.5", "USD", 1_050),
        ("10,00", "EUR", 1_000),
        ("0.07", "USD", 7),
        ("0.500", "USD", 50),
        ("1,234.56", "USD", 123_456),
        ("1.234,56", "EUR", 123_456),
        ("1 234,56", "EUR", 123_456),
        ("1\u202f234,56", "EUR", 123_456),
        ("1\u00a0234,56", "EUR", 123_456),
        ("1'234.56", "CHF", 123_456),
        ("1’234.56", "CHF", 123_456),
        ("1,234,567", "USD", 123_456_700),
        ("1.234.567", "EUR", 123_456_700),
        ("12345.670", "USD", 1_234_567),
        ("10000", "KRW", 10_000),
        ("10000.00", "KRW", 10_000),
        ("10,000", "KRW", 10_000),
        ("1.234", "KWD", 1_234),
        ("1.5", "KWD", 1_500),
        ("1,000.000", "KWD", 1_000_000),
        ("-10.00", "USD", -1_000),
        ("\u221210.00", "USD", -1_000),
        ("(10.00)", "USD", -1_000),
        ("+10.00", "USD", 1_000),
        ("9999999999999.99", "USD", 999_999_999_999_999),
        (Decimal("10.10"), "USD", 1_010),
        (Decimal("10.000"), "USD", 1_000),
        (10, "USD", 1_000),
    ],
)
def test_a_major_amount_is_exact(text: str | int | Decimal, currency: str, amount: int) -> None:
    assert minor_units(text, currency, Units.MAJOR) == amount


@pytest.mark.parametrize(
    ("text", "currency", "problem"),
    [
        ("10.001", "USD", "may mean two amounts"),
        ("1,234", "USD", "may mean two amounts"),
        ("1.234", "EUR", "may mean two amounts"),
        ("10.000", "JPY", "may mean two amounts"),
        ("1,234", "KWD", "may mean two amounts"),
        ("1234.567", "USD", "more decimals than USD"),
        ("0.001", "USD", "more decimals than USD"),
        ("10.5", "KRW", "more decimals than KRW"),
        (Decimal("10.001"), "USD", "more decimals than USD"),
        ("1e4", "USD", "such as 1234.56"),
        (Decimal("1E+4"), "USD", "such as 1234.56"),
        ("12,34.56", "USD", "such as 1234.56"),
        ("1,2,3", "USD", "such as 1234.56"),
        ("--1", "USD", "such as 1234.56"),
        ("ten", "USD", "such as 1234.56"),
        ("10000000000000.00", "USD", "less than 1000000000000000 minor units"),
        ("9" * 18, "KRW", "less than 1000000000000000 minor units"),
        ("", "USD", "such as 1234.56"),
        (10**41, "USD", "such as 1234.56"),
        ("9" * 5000, "USD", "such as 1234.56"),
        (True, "USD", "such as 10.00"),
        ([1], "USD", "such as 10.00"),
        (0.1, "USD", "such as 10.00"),
    ],
)
def test_an_inexact_amount_is_refused(text: object, currency: str, problem: str) -> None:
    with pytest.raises(AmountError, match=problem):
        minor_units(text, currency, Units.MAJOR)


def test_minor_units_are_whole_numbers() -> None:
    assert [minor_units(value, "USD", Units.MINOR) for value in (1000, "1000", " 1000 ", "-5")] == [
        1000,
        1000,
        1000,
        -5,
    ]


@pytest.mark.parametrize(
    "text", ["10.00", "10,00", "1,234.56", "1.234,56", "1.234", "10000.0", Decimal("10.5")]
)
def test_a_decimal_among_minor_units_names_the_option_that_was_meant(text: str | Decimal) -> None:
    with pytest.raises(DecimalAmountError, match="--amounts major"):
        minor_units(text, "USD", Units.MINOR)


@pytest.mark.parametrize("text", ["1e4", "", "ten", "1,234", "9" * 16, "9" * 5000, True, None, 1.5])
def test_a_text_that_is_no_number_is_no_decimal_either(text: object) -> None:
    with pytest.raises(AmountError, match="whole number of minor units") as caught:
        minor_units(text, "USD", Units.MINOR)
    assert not isinstance(caught.value, DecimalAmountError)
