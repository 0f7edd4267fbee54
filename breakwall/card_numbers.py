"""Finds card numbers in texts, so that none is stored. A card number has the length, the prefix and the check digit.

The prefixes and lengths are those of ISO/IEC 7812 as the networks publish them. Left out are Visa's numbers of 13
digits, which no bank has issued for decades: shops have order numbers that look like them.
"""

import re
import unicodedata
from collections.abc import Iterator

_SHORTEST, _LONGEST = 14, 19

# People write a card number in groups of four digits or more; only the last one may be shorter. Dates and order numbers
# begin with shorter ones. One space or dash is between two groups.
_LEAST_GROUP = 4

# Groups of digits that are not a part of a longer word or of a decimal number: tokens and ids hold digits, too.
_GROUPS = re.compile(r"(?<![0-9A-Za-z_])(?<![0-9]\.)[0-9]+(?:[ -][0-9]+)*(?![0-9A-Za-z_])")

# Most texts have fewer digits in a row, and are done with one search.
_ENOUGH_DIGITS = re.compile(rf"(?:[0-9][ -]?){{{_SHORTEST}}}")

# What looks like a space or a dash, after compatibility normalisation.
_DASHES = {ord(dash): "-" for dash in "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212"}

# For each network: how its numbers begin, and how many digits they have.
_NETWORKS = (
    ("4", {16, 19}),  # Visa
    ("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", {16}),  # Mastercard
    ("3[47]", {15}),  # American Express
    ("6011|64[4-9]|65", {16, 19}),  # Discover
    ("352[89]|35[3-8]", {16, 17, 18, 19}),  # JCB
    ("30[0-5]|3095|36|3[89]", {14}),  # Diners Club
    ("62", {16, 17, 18, 19}),  # UnionPay
    ("5018|5020|5038|5893|6304|6759|676[1-3]", {16, 18, 19}),  # Maestro
    ("220[0-4]", {16, 17, 18, 19}),  # Mir
)
_BEGINNINGS = [(re.compile(begins), lengths) for begins, lengths in _NETWORKS]


def holds_card_number(text: str) -> bool:
    """Whether a part of the text looks like a card number, written with spaces, dashes or neither."""
    if not text.isascii():
        # Digits, spaces and dashes of other forms, as word processors and Asian keyboards write them.
        text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    if _ENOUGH_DIGITS.search(text) is None:
        return False
    return any(_is_card_number(digits) for found in _GROUPS.finditer(text) for digits in _joined(found[0]))


def _joined(groups: str) -> Iterator[str]:
    """The digits of each row of neighbouring groups that has the length of a card number."""
    parts = re.split("[ -]", groups)
    for first in range(len(parts)):
        digits = ""
        for part in parts[first : first + _LONGEST]:
            digits += part
            if _SHORTEST <= len(digits) <= _LONGEST:
                yield digits
            if len(digits) > _LONGEST or len(part) < _LEAST_GROUP:
                break


def _is_card_number(digits: str) -> bool:
    of_a_network = any(len(digits) in lengths and begins.match(digits) for begins, lengths in _BEGINNINGS)
    return of_a_network and _check_digit_is_right(digits)


def _check_digit_is_right(digits: str) -> bool:
    """Luhn's formula: every second digit from the right counts double, and the sum ends with 0."""
    from_the_right = [int(digit) for digit in reversed(digits)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in from_the_right[1::2])
    return (sum(from_the_right[::2]) + sum(doubled)) % 10 == 0
