"""What a text that people type may hold: any script, emoji and spaces, but nothing that steers a terminal.

Refused are control characters, those that turn the direction of writing around (what is shown would be
another text than what is stored), line and paragraph separators, and what is no character at all. Joiners,
variation selectors, tags and combining marks are parts of words and emoji. Texts are compared byte for
byte; nothing is normalised.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 255
"""Characters of a name, such as a key or a user id: what a column and an index hold."""

_CONTROL = "\\x00-\\x1f\\x7f-\\x9f"
_TURNS_THE_DIRECTION = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"
_SEPARATORS = "\\u2028\\u2029"
_SURROGATES = "\\ud800-\\udfff"
_NONCHARACTERS = "\\ufdd0-\\ufdef" + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17))
_REFUSED = re.compile(f"[{_CONTROL}{_TURNS_THE_DIRECTION}{_SEPARATORS}{_SURROGATES}{_NONCHARACTERS}]")

_KINDS = {"Cc": "a control character", "Cs": "half of a surrogate pair", "Cn": "a noncharacter"}
"""What to call those characters that Unicode gives no name, by their category."""


def is_allowed(text: str) -> bool:
    """Whether every character may be in a text. Only such a text can be stored, and shown as it is."""
    return _REFUSED.search(text) is None


def text_problem(value: object, *, limit: int = MAX_LENGTH) -> str | None:
    """What is wrong with a text of 1 to ``limit`` characters, as the end of a sentence; None for nothing."""
    if not isinstance(value, str) or not value.strip():
        return "should be a text that is not empty"
    if len(value) > limit:
        return f"should be at most {limit} characters long"
    return character_problem(value)


def character_problem(text: str) -> str | None:
    """The same for a text of any length, also an empty one: only its characters are looked at."""
    found = _REFUSED.search(text)
    if found is None:
        return None
    return f"should not hold {_called(found[0])}: it is character {found.start() + 1}"


def visible(text: str) -> str:
    """The text for a terminal: what no text may hold is written as an escape, such as ``\\u202e``."""
    return _REFUSED.sub(lambda found: repr(found[0])[1:-1], text)


def quoted(text: str) -> str:
    """The text within a sentence, between quotation marks and made visible."""
    mark = '"' if "'" in text else "'"
    return f"{mark}{visible(text)}{mark}"


def _called(char: str) -> str:
    kind = _KINDS.get(unicodedata.category(char))
    return f"U+{ord(char):04X} ({kind})" if kind else f"U+{ord(char):04X} {unicodedata.name(char)}"
