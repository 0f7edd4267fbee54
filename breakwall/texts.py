"""Checks texts that people type. They may contain any script, emoji and spaces, but nothing that controls a terminal.

Not allowed are control characters, characters that reverse the writing direction (the shown text would differ from
the stored one), line and paragraph separators, and code points that are no characters. Joiners, variation selectors,
tags and combining marks are parts of words and emoji, so they are allowed. Texts are compared byte for byte, never
normalised.
"""

import re
import unicodedata

MAX_LENGTH = 255  # Characters of a name, such as a key or a user id. A column and an index can hold so many.
_CONTROL = "\\x00-\\x1f\\x7f-\\x9f"
_DIRECTION = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"
_SEPARATORS = "\\u2028\\u2029"
_SURROGATES = "\\ud800-\\udfff"
_NONCHARACTERS = "\\ufdd0-\\ufdef" + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17))
_REFUSED = re.compile(f"[{_CONTROL}{_DIRECTION}{_SEPARATORS}{_SURROGATES}{_NONCHARACTERS}]")

# Names for the characters without a Unicode name, by category.
_CATEGORIES = {"Cc": "a control character", "Cs": "half of a surrogate pair", "Cn": "a noncharacter"}


def is_allowed(text: str) -> bool:
    """Whether every character is allowed, so that the text can be stored, and shown unchanged."""
    return _REFUSED.search(text) is None


def text_problem(value: object, *, limit: int = MAX_LENGTH) -> str | None:
    """What is wrong with a text of 1 to ``limit`` characters, as the end of a sentence; None if it is valid."""
    if not isinstance(value, str) or not value.strip():
        return "should be a text that is not empty"
    if len(value) > limit:
        return f"should be at most {limit} characters long"
    return character_problem(value)


def character_problem(text: str) -> str | None:
    """The same for the characters alone: the text may have any length."""
    found = _REFUSED.search(text)
    if found is None:
        return None
    return f"should not hold {_name(found[0])}: it is character {found.start() + 1}"


def visible(text: str) -> str:
    """The text for a terminal, with escapes such as ``\\u202e`` for characters that are not allowed."""
    return _REFUSED.sub(lambda found: repr(found[0])[1:-1], text)


def quoted(text: str) -> str:
    """The text for a sentence: visible and in quotation marks."""
    mark = '"' if "'" in text else "'"
    return f"{mark}{visible(text)}{mark}"


def _name(char: str) -> str:
    category = _CATEGORIES.get(unicodedata.category(char))
    return f"U+{ord(char):04X} ({category})" if category else f"U+{ord(char):04X} {unicodedata.name(char)}"
