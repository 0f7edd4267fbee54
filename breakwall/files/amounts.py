"""Converts amounts as people write them to whole minor units: exactly, or not at all."""

import re
from decimal import Decimal
from enum import StrEnum

from breakwall.currencies import MINOR_DIGITS


class Units(StrEnum):
    """What a file's amounts count: ``$10.00`` is 1000 in minor units and 10.00 in major ones."""

    MINOR = "minor"
    MAJOR = "major"


class AmountError(ValueError):
    """The value is not an amount in these units."""


class DecimalAmountError(AmountError):
    """The value has decimals, so the file's amounts cannot be in minor units."""


MINOR_UNITS = "should be a whole number of minor units ($10.00 is 1000, ₩10,000 is 10000)"
ADVICE = "say --amounts major if this file has $10.00 as 10.00"

_WHOLE = re.compile(r"-?[0-9]{1,15}")
_DECIMAL = re.compile(r"[-+]?[0-9][0-9.,' ]*[.,][0-9]{1,2}|[-+]?[0-9]+\.[0-9]+")
# Digits, in groups of three if there are separators, and a fraction.
_POINTED = re.compile(r"([0-9]{1,18}|[1-9][0-9]{0,2}(?:([,' ])[0-9]{3})(?:\2[0-9]{3})*)(?:\.([0-9]+))?")
_COMMAED = re.compile(r"([0-9]{1,18}|[1-9][0-9]{0,2}(?:([.' ])[0-9]{3})(?:\2[0-9]{3})*)(?:,([0-9]+))?")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'", "\u2212": "-"})
_LONGEST = 40  # Characters.
_MAX = 10**15  # Minor units: far above any charge, and exact in every program and database.


def minor_units(value: object, currency: str, units: Units) -> int:
    """Read an amount: a whole number, a `Decimal` or a text. ``currency`` is an ISO 4217 code in `MINOR_DIGITS`.

    `DecimalAmountError` if it has decimals and ``units`` are minor; `AmountError` if it cannot be read, may mean two
    amounts, or is not a whole number of minor units.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise AmountError(MINOR_UNITS if units is Units.MINOR else "should be an amount such as 10.00")
    text = str(value).translate(_SPACES).strip() if _short(value) else "a very long number"
    if units is Units.MINOR:
        return _whole(text)
    # The point of a JSON number is always a decimal point.
    return _from_major(text, currency, exact=isinstance(value, Decimal))


def _short(value: int | Decimal | str) -> bool:
    # Python refuses to write a number of thousands of digits.
    return abs(value) < 10**_LONGEST if isinstance(value, int) else len(str(value)) <= _LONGEST


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        raise DecimalAmountError(f"{MINOR_UNITS}, and is {text}: {ADVICE}")
    raise AmountError(f"{MINOR_UNITS}, and is {text!r}")


def _from_major(text: str, currency: str, *, exact: bool) -> int:
    unsigned = text.lstrip("+-")
    if text.startswith("(") and text.endswith(")"):  # how accountants write a negative amount
        text, unsigned = f"-{text[1:-1]}", text[1:-1]
    digits = MINOR_DIGITS[currency]
    readings = {_scaled(*parts, digits) for parts in _readings(unsigned, digits, exact=exact)}
    if not readings or len(text) - len(unsigned) > 1:
        raise AmountError(f"should be an amount such as 1234.56, and is {text!r}")
    if len(readings) > 1:
        raise AmountError(
            f"is {text}, which may mean two amounts: write it without separators between digits"
        )
    (reading,) = readings
    if reading is None:
        raise AmountError(f"is {text}, which has more decimals than {currency} ({digits})")
    if reading >= _MAX:
        raise AmountError(f"should be less than {_MAX} minor units, and is {text}")
    return -reading if text.startswith("-") else reading


def _readings(text: str, digits: int, *, exact: bool) -> set[tuple[str, str]]:
    """The amounts that the text may mean, as whole and fraction: once with a decimal point, once with a comma."""
    patterns = (_POINTED,) if exact else (_POINTED, _COMMAED)
    found = {
        (re.sub(r"[^0-9]", "", parts[1]), parts[3] or "")
        for pattern in patterns
        if (parts := pattern.fullmatch(text))
    }
    if digits == 0 and "," in text and "." not in text:
        # Won and yen have no decimals: ₩10,000 is ten thousand.
        found = {parts for parts in found if len(parts[1]) != 3}
    if digits == 3 and text.count(".") == 1 and "," not in text:
        # Dinars have three decimals, so their point is a decimal point.
        found = {parts for parts in found if parts[1]}
    return found


def _scaled(whole: str, fraction: str, digits: int) -> int | None:
    fraction = fraction.rstrip("0")
    if len(fraction) > digits:
        return None
    return int(whole + fraction.ljust(digits, "0"))
